// SPDX-License-Identifier: Apache-2.0
#pragma once

// The values of the fields that the proxy adds to a request where it is configured to. PURE.
//
// Thread-safety: none needed; the views point into `text`. Nothing allocates.

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <string_view>

#include "sidecar/tap/exchange.h"

namespace outrider::proxy {

using ForwardedText = std::array<char, 96>;
using TraceparentText = std::array<char, 55>;

// A client's address without its port: 20 bytes that a connection keeps, of the kernel's 128.
struct PeerAddress {
  explicit PeerAddress(const sockaddr_storage& peer);

  sa_family_t family = AF_INET;  // Or AF_INET6.
  in6_addr address{};            // In its first bytes, where it is an IPv4 address.
};

// "for=192.0.2.7;proto=https" or "for=\"[2001:db8::1]\";proto=http" (RFC 7239, section 6).
std::string_view forwarded_element(const PeerAddress& peer, bool is_tls, ForwardedText& text);

// A new trace (W3C Trace Context, level 1) whose id is the prediction's, so that one leads to the
// other.
std::string_view traceparent_of(const tap::PredictionId& id, TraceparentText& text);

}  // namespace outrider::proxy
