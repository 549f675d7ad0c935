// SPDX-License-Identifier: Apache-2.0
#include "agent/act/outgoing.h"

#include <algorithm>
#include <array>

#include "base/core/digest.h"
#include "base/core/text.h"

namespace outrider::act {
namespace {

constexpr std::size_t block_bytes = 64;

std::string_view as_text(const std::array<std::uint8_t, 32>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Without the port; brackets of an IPv6 address stay.
std::string_view name_of(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const std::size_t bracket = host.rfind(']');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  return has_port ? host.substr(0, colon) : host;
}

bool matches(std::string_view host, std::string_view allowed) {
  const std::string wanted = lower_ascii(allowed);
  if (wanted.starts_with("*.")) return name_of(host).ends_with(wanted.substr(1));
  return name_of(wanted) == wanted ? name_of(host) == wanted : host == wanted;
}

}  // namespace

std::string hmac_sha256_hex(std::string_view key, std::string_view text) {
  std::string padded(key);
  if (padded.size() > block_bytes) {
    Sha256 digest;
    digest.update(padded);
    padded = as_text(digest.bytes());
  }
  padded.resize(block_bytes, '\0');
  std::string inner = padded, outer = padded;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  Sha256 first;
  first.update(inner);
  first.update(text);
  const auto half = first.bytes();
  Sha256 second;
  second.update(outer);
  second.update(as_text(half));
  return second.hex();
}

std::string host_of(std::string_view url) {
  const bool is_tls = url.starts_with("https://");
  if (!is_tls && !url.starts_with("http://")) return {};
  std::string_view rest = url.substr(is_tls ? 8 : 7);
  rest = rest.substr(0, rest.find_first_of("/?#\\"));
  if (const std::size_t user = rest.rfind('@'); user != std::string_view::npos)
    rest = rest.substr(user + 1);
  if (rest.empty()) return {};
  std::string host = lower_ascii(rest);
  if (name_of(host) == host) host += is_tls ? ":443" : ":80";
  return host;
}

Result<void> check_host(std::string_view url, const std::vector<std::string>& allowed) {
  if (allowed.empty()) return {};
  const std::string host = host_of(url);
  const bool is_allowed =
      !host.empty() && std::any_of(allowed.begin(), allowed.end(),
                                   [&host](const auto& one) { return matches(host, one); });
  if (is_allowed) return {};
  return fail("host_not_allowed",
              "'" + host +
                  "' is not among --actions.allowed-hosts: name it there, or change the "
                  "policy");
}

}  // namespace outrider::act
