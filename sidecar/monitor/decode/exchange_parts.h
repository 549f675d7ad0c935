// SPDX-License-Identifier: Apache-2.0
#pragma once

// An exchange with its heads taken apart: what a Decoder looks at. Field values are "" when absent.

#include <span>
#include <string_view>

#include "base/core/clock.h"
#include "sidecar/tap/exchange.h"

namespace outrider::decode {

struct ExchangeParts {
  std::string_view id;
  Time started{};
  int status = 0;
  tap::Outcome outcome = tap::Outcome::success;
  std::string_view method, path, query;
  std::string_view request_type, request_coding, request_json_bytes;  // Content-Type, Content-
  std::string_view response_type, response_coding,
      response_json_bytes;                     // Encoding, binary extension.
  std::string_view model_name, model_version;  // What the fields (or a CloudEvent) say.
  std::span<const std::string_view> aliases;   // The caller's ids; may have repeats and empty ones.
  std::string_view request_body, response_body;
  // Only the end of a long response is there: of server-sent events it is what counts, of anything
  // else it is too_long.
  bool response_is_end_only = false;
  std::string_view sampling_key;        // As capture_settings.h has it; "": the id.
  bool exchange_is_prediction = false;  // Known from elsewhere: no matching by method and path.
  // The bodies are gRPC's messages, and the status is what grpc-status says.
  bool is_grpc = false;
};

}  // namespace outrider::decode
