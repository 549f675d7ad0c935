// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every outgoing request obeys: whom the agent may call, and how a receiver knows that it was
// the agent. PURE.

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace outrider::act {

// HMAC-SHA256 (RFC 2104, FIPS 198-1), 64 hexadecimal digits in lower case.
std::string hmac_sha256_hex(std::string_view key, std::string_view text);

// Host and port of an http or https URL, the port also where the URL leaves it out; "" where it is
// no such URL. Lower case, without user information: "trainer:8080", "[fd00::1]:443".
std::string host_of(std::string_view url);

// Whether one of the list is the URL's host: "trainer" (any port), "trainer:8080", or "*.shop.svc",
// which stands for names below shop.svc. An empty list allows all. Error "host_not_allowed".
Result<void> check_host(std::string_view url, const std::vector<std::string>& allowed);

}  // namespace outrider::act
