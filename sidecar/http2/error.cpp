// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/error.h"

#include <array>

namespace outrider::http2 {
namespace {

struct Row {
  std::string_view word;
  ErrorCode code;
};

// In the order of the enumeration.
constexpr std::array<Row, violation_count> rows{{
    {"none", ErrorCode::no_error},
    {"bad_preface", ErrorCode::protocol_error},
    {"not_http2", ErrorCode::protocol_error},
    {"missing_settings", ErrorCode::protocol_error},
    {"bad_frame_size", ErrorCode::frame_size_error},
    {"bad_stream_id", ErrorCode::protocol_error},
    {"unexpected_frame", ErrorCode::protocol_error},
    {"stream_is_closed", ErrorCode::stream_closed},
    {"bad_padding", ErrorCode::protocol_error},
    {"bad_setting", ErrorCode::protocol_error},
    {"bad_window_update", ErrorCode::protocol_error},
    {"window_overflow", ErrorCode::flow_control_error},
    {"window_exceeded", ErrorCode::flow_control_error},
    {"interrupted_block", ErrorCode::protocol_error},
    {"self_dependency", ErrorCode::protocol_error},
    {"bad_compression", ErrorCode::compression_error},
    {"malformed_head", ErrorCode::protocol_error},
    {"content_length_mismatch", ErrorCode::protocol_error},
    {"block_too_large", ErrorCode::enhance_your_calm},
    {"too_many_continuations", ErrorCode::enhance_your_calm},
    {"too_many_fields", ErrorCode::enhance_your_calm},
    {"head_too_large", ErrorCode::enhance_your_calm},
    {"head_too_slow", ErrorCode::enhance_your_calm},
    {"too_many_streams", ErrorCode::refused_stream},
    {"reset_flood", ErrorCode::enhance_your_calm},
    {"empty_data_flood", ErrorCode::enhance_your_calm},
    {"priority_flood", ErrorCode::enhance_your_calm},
    {"window_update_flood", ErrorCode::enhance_your_calm},
    {"reply_flood", ErrorCode::enhance_your_calm},
    {"overhead_flood", ErrorCode::enhance_your_calm},
}};
static_assert(!rows.back().word.empty(), "a violation without a row");

constexpr std::array<std::string_view, 14> code_names{"NO_ERROR",
                                                      "PROTOCOL_ERROR",
                                                      "INTERNAL_ERROR",
                                                      "FLOW_CONTROL_ERROR",
                                                      "SETTINGS_TIMEOUT",
                                                      "STREAM_CLOSED",
                                                      "FRAME_SIZE_ERROR",
                                                      "REFUSED_STREAM",
                                                      "CANCEL",
                                                      "COMPRESSION_ERROR",
                                                      "CONNECT_ERROR",
                                                      "ENHANCE_YOUR_CALM",
                                                      "INADEQUATE_SECURITY",
                                                      "HTTP_1_1_REQUIRED"};

}  // namespace

std::string_view to_string(Violation violation) {
  return rows[static_cast<std::size_t>(violation)].word;
}

ErrorCode code_of(Violation violation) {
  return rows[static_cast<std::size_t>(violation)].code;
}

std::string_view name_of(ErrorCode code) {
  const auto at = static_cast<std::size_t>(code);
  return at < code_names.size() ? code_names[at] : std::string_view();
}

}  // namespace outrider::http2
