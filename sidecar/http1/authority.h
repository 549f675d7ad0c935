// SPDX-License-Identifier: Apache-2.0
#pragma once

// The authority of a target, or Host's value: `host [":" port]` (RFC 3986, 3.2). PURE.
//
//   Authority authority;
//   split_authority("[::1]:8080", authority);       // true; host "[::1]", port "8080"
//
// Thread-safety: none needed. Complexity: linear; nothing allocates.

#include <string_view>

namespace outrider::http1 {

// The port is without its colon. Views into the text.
struct Authority {
  std::string_view host, port;
};

// Splits and judges. An IP literal must be bracketed hexadecimal digits, colons and dots.
bool split_authority(std::string_view text, Authority& out);

// Whether both name the same host, in any case, and port, of which an empty one is the default.
bool same_authority(const Authority& a, const Authority& b, std::string_view default_port);

}  // namespace outrider::http1
