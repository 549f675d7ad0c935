// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sockets as values: addresses, listening, connecting, closing. All non-blocking. SHELL.

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace outrider::proxy {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  std::string text;  // For messages: "127.0.0.1:8080", "unix:/run/model.sock".

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  bool operator==(const SocketAddress& other) const;
};

struct UpstreamAddresses {
  std::vector<SocketAddress> addresses;  // At least one, in the resolver's order.
  bool is_named = false;                 // A name, which may come to mean others.
  std::string host = {};                 // As the URL has it; "" of a socket file.
};
inline constexpr std::size_t upstream_addresses_max = 8;  // Further ones of a name are left out.

// "http://host:port", "http://host" (port 80), "h2c://host:port" (HTTP/2 without TLS),
// "https://host" (port 443), "unix:/path" or "http+unix:/path". A host name is looked up now; that
// blocks. Errors: "bad_upstream", "unresolved".
Result<UpstreamAddresses> find_upstream(std::string_view url);

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return value_; }
  bool is_open() const { return value_ >= 0; }
  int release() {
    const int value = value_;
    value_ = -1;
    return value;
  }
  void reset(int value = -1);

 private:
  int value_ = -1;
};

// A listening socket with SO_REUSEPORT, so that each data thread has its own. Port 0 picks one; a
// further thread then listens on the port of the first. Errors: "bad_address", "not_listening".
Result<Descriptor> listen_on(std::string_view address, std::uint16_t port_override);
std::uint16_t bound_port(const Descriptor& socket);

// Starts to connect. Invalid, with errno, when that failed at once; `connected` when it is done
// already.
Descriptor start_connect(const SocketAddress& address, bool& connected);
int socket_error(int descriptor);  // SO_ERROR.

}  // namespace outrider::proxy
