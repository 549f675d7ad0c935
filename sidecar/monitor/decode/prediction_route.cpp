// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/prediction_route.h"

#include <algorithm>
#include <iterator>

#include "sidecar/monitor/decode/protocols/language_model.h"
#include "sidecar/tap/capture_settings.h"
#include "sidecar/tap/model_path.h"

namespace outrider::decode {
namespace {

// Where no paths are configured, every POST and PUT counts as a prediction but those that no
// protocol means as one: model management, explanations (which repeat a prediction's input) and
// feedback.
constexpr std::string_view no_prediction_paths[] = {
    "/v2/repository/*", "/v2/*sharedmemory/*", "/v2/logging", "*/trace/setting", "*/load",
    "*/unload",         "*/explain",           "*:explain",   "*/feedback"};

}  // namespace

void PredictionRoute::look_at(const ExchangeParts& parts) {
  if (parts.path == path_ && parts.method == method_) return;
  path_ = parts.path;
  method_ = parts.method;
  is_prediction_ = matches(parts);
  is_language_model_ = protocols::is_language_model_path(parts.path);
  model_ = tap::model_in_path(path_);
  version_ = tap::version_in_path(path_);
}

bool PredictionRoute::matches(const ExchangeParts& parts) const {
  if (!rules_.methods.empty() && std::find(rules_.methods.begin(), rules_.methods.end(),
                                           parts.method) == rules_.methods.end()) {
    return false;
  }
  if (!rules_.paths.empty()) {
    return std::any_of(rules_.paths.begin(), rules_.paths.end(), [&](const std::string& pattern) {
      return tap::matches_pattern(pattern, parts.path);
    });
  }
  if (parts.method == "POST" || parts.method == "PUT") {
    return std::none_of(std::begin(no_prediction_paths), std::end(no_prediction_paths),
                        [&](std::string_view p) { return tap::matches_pattern(p, parts.path); });
  }
  return parts.method == "GET";
}

}  // namespace outrider::decode
