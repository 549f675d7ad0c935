// SPDX-License-Identifier: Apache-2.0
#pragma once

// The metric families of outcomes. A sidecar exports them of its pod, an agent of a workload; rules
// and dashboards add both up, so name, type and help are written once, here. PURE.

#include <array>

#include "base/wire/exposition.h"
#include "truth/outcomes.h"

namespace outrider::truth {

struct OutcomeFamily {
  const char* name;
  wire::MetricType type;
  const char* help;

  wire::Family text() const { return {name, type, help}; }
};

// By segment and correct="true"|"false".
inline constexpr OutcomeFamily outcomes_family{
    "outrider_outcomes_total", wire::MetricType::counter,
    "Predictions whose truth is known, by whether they were correct."};

// Unix seconds.
inline constexpr OutcomeFamily newest_outcome_family{
    "outrider_outcomes_newest_prediction_timestamp_seconds", wire::MetricType::gauge,
    "When the newest prediction whose truth is known was made; aggregate with max."};

// By actual and predicted.
inline constexpr OutcomeFamily confusion_family{
    "outrider_confusion_total", wire::MetricType::counter,
    "Predictions of classes whose truth is known, by actual and predicted class."};

// Of numbers, in the model's unit or its square. Where negative is set, the family has two series a
// version: sign="positive" is sum, sign="negative" is negative.
struct ErrorFamily {
  OutcomeFamily family;
  double Outcomes::ErrorSums::*sum;
  double Outcomes::ErrorSums::*negative = nullptr;
};

inline constexpr std::array<ErrorFamily, 5> error_families{{
    {{"outrider_error_total", wire::MetricType::counter,
      "Sum of prediction minus truth, by its sign."},
     &Outcomes::ErrorSums::over,
     &Outcomes::ErrorSums::under},
    {{"outrider_absolute_error_total", wire::MetricType::counter, "Sum of |prediction - truth|."},
     &Outcomes::ErrorSums::absolute},
    {{"outrider_squared_error_total", wire::MetricType::counter,
      "Sum of (prediction - truth) squared."},
     &Outcomes::ErrorSums::squared},
    {{"outrider_truth_total", wire::MetricType::counter,
      "Sum of the truth's absolute value, by its sign."},
     &Outcomes::ErrorSums::truth_positive,
     &Outcomes::ErrorSums::truth_negative},
    {{"outrider_truth_squared_total", wire::MetricType::counter, "Sum of the truth squared."},
     &Outcomes::ErrorSums::truth_squared},
}};

}  // namespace outrider::truth
