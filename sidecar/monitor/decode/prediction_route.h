// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the method and the path of an exchange say: whether it is a prediction, and of which model.
// Traffic is mostly on one path, so the answer is kept for the next exchange. Not thread-safe.

#include <string>
#include <string_view>

#include "sidecar/monitor/decode/exchange_parts.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class PredictionRoute {
 public:
  explicit PredictionRoute(const Rules& rules) : rules_(rules) {}
  PredictionRoute(const PredictionRoute&) = delete;  // Its views look into it.
  PredictionRoute& operator=(const PredictionRoute&) = delete;

  void look_at(const ExchangeParts& parts);

  // By the rules; without any every POST and PUT but those that no protocol means as a prediction,
  // and every GET.
  bool is_prediction() const { return is_prediction_; }
  bool is_language_model() const { return is_language_model_; }
  // In the path; "" where it has none. Valid until the next look_at().
  std::string_view model() const { return model_; }
  std::string_view version() const { return version_; }

 private:
  bool matches(const ExchangeParts& parts) const;

  const Rules& rules_;
  std::string method_, path_;
  std::string_view model_, version_;
  bool is_prediction_ = false, is_language_model_ = false;
};

}  // namespace outrider::decode
