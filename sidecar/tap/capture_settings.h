// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which exchanges the tap captures. The monitor parses the model configuration and publishes the
// compiled form through the memory file; the proxy copies it when it changed, and parses nothing.
//
// A path pattern is compared with the request target's path, as it came (not decoded): '*' stands
// for any run of characters, e.g. "/v1/models/*:predict". No pattern: every path. No method: every
// method.
//
// Sampling is by hash: an exchange is in when hash(key) <= rate. The key is the caller's own id
// (X-Prediction-Id, X-Request-Id or Ce-Id, in this order) where it sent one, so that a prediction
// is in or out alike in every replica that a gateway retries or fans out to; else it is the minted
// id.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace outrider::tap {

struct CaptureSettings {
  std::vector<std::string> methods = {};
  std::vector<std::string> paths = {};
  double sample_rate = 1;
  std::uint64_t request_body_bytes_max = 1 << 20;  // Longer: dropped as too_large.
  std::uint64_t response_body_bytes_max = 1 << 20;
  bool operator==(const CaptureSettings&) const = default;
};

inline constexpr std::size_t capture_methods_max = 8, capture_method_bytes_max = 15;
inline constexpr std::size_t capture_paths_max = 32, capture_path_bytes_max = 254;

// Plain bytes, so that it can lie in shared memory.
struct CompiledCapture {
  struct Method {
    std::uint8_t length = 0;
    char text[capture_method_bytes_max] = {};
  };
  struct Path {
    std::uint8_t length = 0;
    char text[capture_path_bytes_max + 1] = {};
  };
  std::uint32_t method_count = 0, path_count = 0;
  std::uint64_t sample_threshold = UINT64_MAX;  // In when hash <= threshold; 0 with rate 0: none.
  std::uint64_t request_body_bytes_max = 1 << 20, response_body_bytes_max = 1 << 20;
  std::array<Method, capture_methods_max> methods{};
  std::array<Path, capture_paths_max> paths{};
};

// Errors: "bad_config", naming the value and its limit.
Result<CompiledCapture> compile(const CaptureSettings& settings);

// `target` is the request target; its query is ignored.
bool matches(const CompiledCapture& capture, std::string_view method, std::string_view target);

bool is_sampled(const CompiledCapture& capture, std::string_view key);

bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace outrider::tap
