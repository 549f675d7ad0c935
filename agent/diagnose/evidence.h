// SPDX-License-Identifier: Apache-2.0
#pragma once

// What was found, as sentences: figures, units, a time. PURE.
//   "latency_p95_ms of cart is 3.1 times its normal 12 ms (37 ms) since 12:03:15 UTC"

#include <optional>
#include <string>
#include <vector>

#include "agent/diagnose/effects.h"
#include "agent/diagnose/exclusive_excess.h"
#include "agent/diagnose/log_sites.h"
#include "agent/diagnose/weighing.h"

namespace outrider::diagnose {

constexpr std::size_t sentences_max =
    4;  // A component, of its metrics; few, so that somebody reads them.

// What is known of one component.
struct Findings {
  std::string component;
  const std::vector<ChannelExcess>* channels = nullptr;
  const LogChanges* logs = nullptr;                 // Null without logs.
  const std::vector<std::string>* sites = nullptr;  // Names.
  const Grid* grid = nullptr;                       // Of the search window.
};

std::vector<std::string> metric_sentences(const Findings& findings);
std::vector<std::string> log_sentences(const Findings& findings);
std::string symptom_sentence(const std::string& component, double share,
                             const std::string& complaining, const std::string& metric,
                             const SymptomExcess& symptom);
std::string change_sentence(const std::string& component, const Change& change);

std::string figure(double value);         // Three digits: "0.0123", "37", "1234".
std::string time_of_day(double seconds);  // "12:03:15 UTC"

}  // namespace outrider::diagnose
