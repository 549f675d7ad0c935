// SPDX-License-Identifier: Apache-2.0
#pragma once

// An authenticating proxy in front of a port (oauth2-proxy, an ingress, a mesh): it has asked a
// person who he is, and says so in a header. The header is believed only where the connection comes
// from one of the addresses that the proxy is said to have; from anywhere else anybody could write
// it, so there it is as if it were absent. PURE.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/net/http_server.h"

namespace outrider::web {

// "10.1.2.3", "10.0.0.0/8", "fd00::/8": the addresses whose first `bits` are these. An IPv4 address
// is kept as ::ffff:a.b.c.d.
struct AddressRange {
  std::array<std::uint8_t, 16> address{};
  int bits = 128;
  bool has(std::string_view peer) const;
};
// Error "bad_address".
Result<AddressRange> parse_address_range(std::string_view text);

struct TrustedProxy {
  std::string header = {};  // "": there is none.
  std::vector<AddressRange> addresses = {};

  // The person, where the proxy names one. Error "bad_user": the header stands there twice, or is
  // no name that can be shown.
  Result<std::optional<std::string>> user_of(const net::HttpRequest& request) const;
};
// Of the options. Error "bad_proxy": one without the other, an address that is none, a range that
// leaves nobody out.
Result<TrustedProxy> parse_trusted_proxy(const std::string& header,
                                         const std::vector<std::string>& addresses);

}  // namespace outrider::web
