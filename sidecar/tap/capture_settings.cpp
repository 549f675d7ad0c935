// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/capture_settings.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/core/text.h"

namespace outrider::tap {
namespace {

template <class Slots>
Result<std::uint32_t> copy_texts(std::string_view option, const std::vector<std::string>& texts,
                                 Slots& slots, std::size_t bytes_max) {
  if (texts.size() > slots.size())
    return fail("bad_config", std::string(option) + ": " + std::to_string(texts.size()) +
                                  " values, expected at most " + std::to_string(slots.size()));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty() || texts[i].size() > bytes_max)
      return fail("bad_config", std::string(option) + "=" + texts[i] + ": expected 1 to " +
                                    std::to_string(bytes_max) + " characters");
    slots[i].length = static_cast<std::uint8_t>(texts[i].size());
    std::memcpy(slots[i].text, texts[i].data(), texts[i].size());
  }
  return static_cast<std::uint32_t>(texts.size());
}

// FNV-1a, then the finaliser of MurmurHash3: short ids that differ in one bit fall far apart.
std::uint64_t hash(std::string_view key) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : key) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53;
  return h ^ (h >> 33);
}

}  // namespace

Result<CompiledCapture> compile(const CaptureSettings& settings) {
  CompiledCapture compiled;
  auto methods = copy_texts("request.match.method", settings.methods, compiled.methods,
                            capture_method_bytes_max);
  if (!methods) return fail(methods);
  auto paths =
      copy_texts("request.match.path", settings.paths, compiled.paths, capture_path_bytes_max);
  if (!paths) return fail(paths);
  compiled.method_count = *methods;
  compiled.path_count = *paths;
  if (!(settings.sample_rate >= 0 && settings.sample_rate <= 1))
    return fail("bad_config",
                "sample.rate=" + format_double(settings.sample_rate) + ": expected 0 to 1");
  compiled.sample_threshold =
      settings.sample_rate >= 1 ? UINT64_MAX
                                : static_cast<std::uint64_t>(std::ldexp(settings.sample_rate, 64));
  compiled.request_body_bytes_max = settings.request_body_bytes_max;
  compiled.response_body_bytes_max = settings.response_body_bytes_max;
  return compiled;
}

// Greedy with one step of backtracking: linear for a pattern with one star, O(n·m) at worst.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      const std::string_view rest = pattern.substr(p + 1);
      if (rest.find('*') == std::string_view::npos) return text.substr(t).ends_with(rest);
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool matches(const CompiledCapture& capture, std::string_view method, std::string_view target) {
  // The counts come from shared memory: never trust them past the arrays.
  const std::size_t methods = std::min<std::size_t>(capture.method_count, capture_methods_max);
  const std::size_t paths = std::min<std::size_t>(capture.path_count, capture_paths_max);
  const auto view = [](const auto& slot) {
    return std::string_view(slot.text, std::min<std::size_t>(slot.length, sizeof slot.text));
  };
  const auto any = [](const auto& slots, std::size_t count, const auto& accept) {
    return count == 0 || std::any_of(slots.begin(), slots.begin() + count, accept);
  };
  const std::string_view path = target.substr(0, target.find('?'));
  return any(capture.methods, methods, [&](const auto& m) { return view(m) == method; }) &&
         any(capture.paths, paths, [&](const auto& p) { return matches_pattern(view(p), path); });
}

bool is_sampled(const CompiledCapture& capture, std::string_view key) {
  if (capture.sample_threshold == UINT64_MAX) return true;
  return capture.sample_threshold != 0 && hash(key) <= capture.sample_threshold;
}

}  // namespace outrider::tap
