// SPDX-License-Identifier: Apache-2.0
#include "base/web/trusted_proxy.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/core/text.h"

namespace outrider::web {
namespace {

constexpr std::size_t user_bytes_max = 100;
constexpr int mapped_bits = 96;  // Of ::ffff:0:0/96, where IPv4 addresses stand.

std::optional<std::array<std::uint8_t, 16>> parse_address(const std::string& text, bool& is_v4) {
  std::array<std::uint8_t, 16> address{};
  in_addr v4{};
  is_v4 = ::inet_pton(AF_INET, text.c_str(), &v4) == 1;
  if (!is_v4) {
    const bool is_v6 = ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
    return is_v6 ? std::optional(address) : std::nullopt;
  }
  address[10] = address[11] = 0xff;
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&v4), 4, address.begin() + 12);
  return address;
}

bool is_header_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

}  // namespace

bool AddressRange::has(std::string_view peer) const {
  bool is_v4 = false;
  const auto other = parse_address(std::string(peer), is_v4);
  if (!other) return false;
  for (int bit = 0; bit < bits; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if ((address[byte] & mask) != ((*other)[byte] & mask)) return false;
  }
  return true;
}

Result<AddressRange> parse_address_range(std::string_view text) {
  const auto bad = [text] {
    return fail("bad_address", "'" + std::string(text) +
                                   "': expected an address such as 10.1.2.3 or fd00::1, or a range "
                                   "of them such as 10.0.0.0/8");
  };
  const std::size_t slash = text.find('/');
  bool is_v4 = false;
  const auto address = parse_address(std::string(text.substr(0, slash)), is_v4);
  if (!address) return bad();
  AddressRange range{.address = *address};
  if (slash == std::string_view::npos) return range;
  const auto bits = parse_uint(text.substr(slash + 1));
  if (!bits || *bits > (is_v4 ? 32U : 128U)) return bad();
  range.bits = static_cast<int>(*bits) + (is_v4 ? mapped_bits : 0);
  return range;
}

Result<std::optional<std::string>> TrustedProxy::user_of(const net::HttpRequest& request) const {
  const bool is_trusted = !header.empty() && std::any_of(addresses.begin(), addresses.end(),
                                                         [&request](const AddressRange& range) {
                                                           return range.has(request.peer);
                                                         });
  if (!is_trusted) return std::optional<std::string>();
  std::optional<std::string> user;
  for (const net::Header& one : request.headers) {
    if (!iequals_ascii(one.name, header)) continue;
    // The proxy's own, and one that a client made it pass on: which is which nobody can say.
    if (user) return fail("bad_user", "the header " + header + " stands there twice");
    user = std::string(trim(one.value));
  }
  if (!user) return user;
  const bool can_be_shown =
      !user->empty() && user->size() <= user_bytes_max && is_valid_utf8(*user) &&
      std::none_of(user->begin(), user->end(),
                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (can_be_shown) return user;
  return fail("bad_user", "the header " + header + ": expected a user's name of at most " +
                              std::to_string(user_bytes_max) + " characters");
}

Result<TrustedProxy> parse_trusted_proxy(const std::string& header,
                                         const std::vector<std::string>& addresses) {
  if (header.empty() != addresses.empty()) {
    return fail("bad_proxy",
                "web.trusted-user-header and web.trusted-proxies: expected both or none, as the "
                "header is believed only of those addresses");
  }
  TrustedProxy proxy{.header = header};
  if (header.empty()) return proxy;
  if (!is_header_name(header) || iequals_ascii(header, "Authorization"))
    return fail("bad_proxy", "web.trusted-user-header=" + header +
                                 ": expected a header's name such as X-Forwarded-User");
  for (const std::string& text : addresses) {
    auto range = parse_address_range(text);
    if (!range) return fail("bad_proxy", "web.trusted-proxies: " + range.error().message);
    if (range->bits == 0 || range->bits == mapped_bits) {
      return fail("bad_proxy", "web.trusted-proxies: '" + text +
                                   "' is every address there is, so anybody could say who he is; "
                                   "name the proxy's");
    }
    proxy.addresses.push_back(*range);
  }
  return proxy;
}

}  // namespace outrider::web
