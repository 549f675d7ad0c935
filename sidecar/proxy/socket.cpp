// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/core/text.h"
#include "base/net/address.h"

namespace outrider::proxy {
namespace {

Result<SocketAddress> unix_address(std::string_view path) {
  SocketAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path.size() >= sizeof un->sun_path)
    return fail("bad_upstream", "upstream=unix:" + std::string(path) +
                                    ": expected a path of 1 to " +
                                    std::to_string(sizeof un->sun_path - 1) + " characters");
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  address.text = "unix:" + std::string(path);
  return address;
}

Result<std::vector<SocketAddress>> look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                  std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return fail("unresolved", host + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* one = found; one != nullptr && addresses.size() < upstream_addresses_max;
       one = one->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.length = one->ai_addrlen;
    address.text = host + ":" + std::to_string(port);
  }
  return addresses;
}

}  // namespace

bool SocketAddress::operator==(const SocketAddress& other) const {
  return length == other.length && std::memcmp(&storage, &other.storage, length) == 0;
}

Result<UpstreamAddresses> find_upstream(std::string_view url) {
  for (const std::string_view scheme : {"unix://", "unix:", "http+unix://", "http+unix:"})
    if (url.substr(0, scheme.size()) == scheme) {
      auto address = unix_address(url.substr(scheme.size()));
      if (!address) return fail(address);
      return UpstreamAddresses{{std::move(*address)}, false};
    }
  const bool is_tls = url.starts_with("https://");
  const std::string_view scheme = is_tls                      ? "https://"
                                  : url.starts_with("h2c://") ? "h2c://"
                                                              : "http://";
  const auto wrong = [&url](std::string_view why) {
    return fail(
        "bad_upstream",
        "upstream=" + std::string(url) +
            ": expected http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT or unix:PATH; " +
            std::string(why));
  };
  if (!url.starts_with(scheme)) return wrong("HTTP is spoken to the model server");
  std::string_view authority = url.substr(scheme.size());
  if (!authority.empty() && authority.back() == '/') authority.remove_suffix(1);
  if (authority.find_first_of("/?#@") != std::string_view::npos)
    return wrong("a path or user is not used: requests keep their own path");
  const std::size_t bracket =
      authority.find(']');  // The colons before it belong to an IPv6 address.
  const bool has_port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket) !=
                        std::string_view::npos;
  auto address = net::parse_address(std::string(authority) + (has_port ? ""
                                                              : is_tls ? ":443"
                                                                       : ":80"));
  if (!address) return wrong(address.error().message);
  if (address->host.empty() || address->port == 0) return wrong("host and port are needed");
  if (auto numeric = look_up(address->host, address->port, AI_NUMERICHOST))
    return UpstreamAddresses{std::move(*numeric), false, address->host};
  auto found = look_up(address->host, address->port, 0);
  if (!found) return fail(found);
  return UpstreamAddresses{std::move(*found), true, address->host};
}

void Descriptor::reset(int value) {
  if (value_ >= 0) ::close(value_);
  value_ = value;
}

Result<Descriptor> listen_on(std::string_view address, std::uint16_t port_override) {
  auto parsed = net::parse_address(address);
  if (!parsed) return fail(parsed);
  const auto found =
      look_up(parsed->host, port_override != 0 ? port_override : parsed->port, AI_PASSIVE);
  if (!found) return fail(found);
  const SocketAddress& where = found->front();
  const auto failure = [&](std::string_view call) {
    return fail("not_listening", "proxy.listen-address=" + std::string(address) + ": " +
                                     std::string(call) + ": " + std::strerror(errno));
  };
  Descriptor socket(
      ::socket(where.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return failure("socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // Accepted connections inherit it, which saves a call each.
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::bind(socket.get(), where.get(), where.length) != 0) return failure("bind");
  if (::listen(socket.get(), 4096) != 0) return failure("listen");
  return socket;
}

std::uint16_t bound_port(const Descriptor& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  return storage.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

Descriptor start_connect(const SocketAddress& address, bool& connected) {
  connected = false;
  const int family = address.get()->sa_family;
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return socket;
  const int on = 1;
  if (family != AF_UNIX) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.get(), address.get(), address.length) == 0) {
    connected = true;
  } else if (errno != EINPROGRESS) {
    const int error = errno;
    socket.reset();
    errno = error;
  }
  return socket;
}

int socket_error(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

}  // namespace outrider::proxy
