// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where to listen or connect, as options have it. A file of its own, because the proxy's program
// needs it and is to load no HTTP library.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::net {

// "host:port" taken apart; "[::1]:80" and ":80" too. Error "bad_address".
struct Address {
  std::string host;
  std::uint16_t port = 0;
};
Result<Address> parse_address(std::string_view text);

// Without the slashes at its end, so that a path can be put behind it.
std::string without_slash(std::string url);

// This host's name, in Kubernetes the pod's; "" where it has none.
std::string host_name();

}  // namespace outrider::net
