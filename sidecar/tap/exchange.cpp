// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/exchange.h"

namespace outrider::tap {

std::string_view to_string(Outcome outcome) {
  constexpr std::string_view words[outcome_count] = {
      "success", "client_error", "server_error", "timeout", "unreachable", "cancelled", "rejected"};
  return words[static_cast<std::size_t>(outcome)];
}

std::string_view to_string(SkipReason reason) {
  constexpr std::string_view words[skip_reason_count] = {"sampled_out", "not_matched",
                                                         "language_model", "opaque_body"};
  return words[static_cast<std::size_t>(reason)];
}

std::string_view to_string(DropReason reason) {
  constexpr std::string_view words[drop_reason_count] = {"ring_full", "capture_full", "too_large"};
  return words[static_cast<std::size_t>(reason)];
}

std::string_view to_string(FailReason reason) {
  constexpr std::string_view words[fail_reason_count] = {
      "invalid_json",         "json_too_deep",        "invalid_utf8",     "invalid_number",
      "invalid_query",        "unsupported_encoding", "invalid_encoding", "unpacked_too_large",
      "invalid_csv",          "unsupported_format",   "wrong_shape",      "wrong_type",
      "missing_prediction",   "too_many_rows",        "incomplete",       "poisoned",
      "ambiguous_prediction", "pointer_not_found",    "invalid_message",  "too_long"};
  return words[static_cast<std::size_t>(reason)];
}

}  // namespace outrider::tap
