// SPDX-License-Identifier: Apache-2.0
#pragma once

// ErrorCode: what two peers tell each other (RFC 9113, section 7). Violation: why we end a stream
// or a connection, one word each, used as the metric's `reason` label. PURE.

#include <cstdint>
#include <string_view>

namespace outrider::http2 {

enum class ErrorCode : std::uint32_t {
  no_error = 0,
  protocol_error = 1,
  internal_error = 2,
  flow_control_error = 3,
  settings_timeout = 4,
  stream_closed = 5,
  frame_size_error = 6,
  refused_stream = 7,
  cancel = 8,
  compression_error = 9,
  connect_error = 10,
  enhance_your_calm = 11,
  inadequate_security = 12,
  http_1_1_required = 13,
};

enum class Violation : std::uint8_t {
  none,
  // Of frames and their order.
  bad_preface,        // The first bytes are not the client's preface.
  not_http2,          // The peer answered in HTTP/1.x.
  missing_settings,   // Another frame came first.
  bad_frame_size,     // Longer than 16 KiB, or not of the length that its type has.
  bad_stream_id,      // Of the wrong parity, not greater than the last, or 0 where it must not be.
  unexpected_frame,   // Of a type that this state of the stream, or this role, does not allow.
  stream_is_closed,   // HEADERS or DATA behind the peer's own end.
  bad_padding,        // As long as the frame, or longer.
  bad_setting,        // A value out of its range, or an ACK with values.
  bad_window_update,  // An increment of 0.
  window_overflow,    // A window past 2^31 - 1.
  window_exceeded,    // More DATA than was granted.
  interrupted_block,  // A frame of another kind between HEADERS and its CONTINUATION.
  self_dependency,    // A stream that depends on itself.
  // Of heads.
  bad_compression,  // HPACK that cannot be decoded.
  malformed_head,   // Pseudo-fields or fields that RFC 9113, section 8, forbids.
  content_length_mismatch,
  // Limits.
  block_too_large,         // Past 64 KiB as it came.
  too_many_continuations,  // Past 8.
  too_many_fields,         // Past 100.
  head_too_large,          // Past 64 KiB as it was decoded.
  head_too_slow,           // A head that does not end within proxy.head-timeout.
  too_many_streams,        // Past the number that was announced: refused.
  reset_flood,             // Resets, past 1000 and 33 a second.
  empty_data_flood,        // 100 empty or tiny DATA in a row.
  priority_flood,          // PRIORITY, past 100 a stream.
  window_update_flood,     // WINDOW_UPDATE, past 5 + 2 (streams + 10 DATA).
  reply_flood,             // PING and SETTINGS, 100 of whose answers the peer has not taken.
  overhead_flood,          // Bytes of frames, past 8 (payload + 1 MiB).
};

inline constexpr std::size_t violation_count =
    static_cast<std::size_t>(Violation::overhead_flood) + 1;

std::string_view to_string(Violation violation);
ErrorCode code_of(Violation violation);
// "PROTOCOL_ERROR"; "" where the RFC has no such code.
std::string_view name_of(ErrorCode code);

}  // namespace outrider::http2
