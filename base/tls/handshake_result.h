// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a TLS handshake ended: the `result` label of outrider_tls_handshakes_total. PURE.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/core/enum_names.h"

namespace outrider::tls {

enum class Side : std::uint8_t { server, client };  // Which of the two we are.

enum class HandshakeResult : std::uint8_t {
  success,
  plain_http,               // The peer spoke HTTP without TLS.
  no_common_version,        // It wants a version below 1.2.
  no_common_cipher,         // Cipher suite, group or signature algorithm.
  no_application_protocol,  // It does not speak HTTP/1.1 (ALPN), as a client of gRPC alone.
  certificate_missing,      // One was required of it.
  certificate_untrusted,    // No chain leads from it to the CA.
  certificate_expired,      // Or is not valid yet.
  certificate_name,         // It is of another name than was asked for, or is allowed.
  refused_by_peer,          // By an alert; it may not trust our certificate.
  closed,                   // The connection ended first.
  timeout,
  protocol_error
};
inline constexpr std::size_t handshake_result_count = 13;

inline constexpr std::array<EnumName<Side>, 2> side_names = {
    {{Side::server, "server"}, {Side::client, "client"}}};

inline constexpr std::array<EnumName<HandshakeResult>, handshake_result_count>
    handshake_result_names = {
        {{HandshakeResult::success, "success"},
         {HandshakeResult::plain_http, "plain_http"},
         {HandshakeResult::no_common_version, "no_common_version"},
         {HandshakeResult::no_common_cipher, "no_common_cipher"},
         {HandshakeResult::no_application_protocol, "no_application_protocol"},
         {HandshakeResult::certificate_missing, "certificate_missing"},
         {HandshakeResult::certificate_untrusted, "certificate_untrusted"},
         {HandshakeResult::certificate_expired, "certificate_expired"},
         {HandshakeResult::certificate_name, "certificate_name"},
         {HandshakeResult::refused_by_peer, "refused_by_peer"},
         {HandshakeResult::closed, "closed"},
         {HandshakeResult::timeout, "timeout"},
         {HandshakeResult::protocol_error, "protocol_error"}}};

inline constexpr std::string_view to_string(Side side) {
  return enum_name(side_names, side);
}
inline constexpr std::string_view to_string(HandshakeResult result) {
  return enum_name(handshake_result_names, result);
}

}  // namespace outrider::tls
