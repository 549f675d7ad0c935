// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/evidence.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "base/core/text.h"

namespace outrider::diagnose {
namespace {

constexpr double log_of_least_ratio = 0.05;  // Below a twentieth more nobody speaks of "times".

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string with_unit(double value, std::string_view unit) {
  return figure(value) + (unit.empty() ? "" : " " + std::string(unit));
}

// "is 3.1 times its normal 12 ms (37 ms)"; "is 37 ms, normally 0 ms" where a ratio says nothing.
std::string beside_normal(const ChannelExcess& one, std::string_view unit,
                          std::string_view normal_is) {
  if (one.normal > 0 && one.value > 0 &&
      std::abs(std::log(one.value / one.normal)) >= log_of_least_ratio) {
    return "is " + figure(one.value / one.normal) + " times " + std::string(normal_is) + " " +
           with_unit(one.normal, unit) + " (" + with_unit(one.value, unit) + ")";
  }
  return "is " + with_unit(one.value, unit) + ", normally " + with_unit(one.normal, unit);
}

std::string percent(double share) {
  return figure(100 * share) + " %";
}

std::string sentence(const std::string& component, const ChannelExcess& one) {
  constexpr std::string_view latency = "latency ", asks = "asks ";
  switch (one.group) {
    case Group::cpu:
      return "cpu of " + component + " " + beside_normal(one, "", "its normal");
    case Group::memory:
      return "memory of " + component + " " +
             beside_normal(one, "MiB", "that of the minutes before,");
    case Group::self:
      return "time of its own a request of " + component + " " +
             beside_normal(one, "ms", "its normal");
    case Group::latency:
      return one.channel.substr(latency.size()) + " of " + component + " " +
             beside_normal(one, "ms", "its normal");
    case Group::wire:
      return "what callers wait for " + component + " beyond its own latency" +
             (one.channel == "mesh wire" ? ", by the mesh, " : " ") +
             beside_normal(one, "ms", "the normal");
    case Group::calls:
      if (one.channel.starts_with(asks)) {
        return component + " " + one.channel + " " + figure(one.value) +
               " times a request, normally " + figure(one.normal);
      }
      return component + (one.channel == "spans" ? " has " : " makes ") + figure(one.value) +
             (one.channel == "spans" ? " spans" : " calls") + " a request, normally " +
             figure(one.normal);
    case Group::errors:
      return percent(one.value) + " of the requests of " + component + " fail, normally " +
             percent(one.normal);
    case Group::drift:
      return "the farthest input of " + component + " is at " + figure(one.value) +
             " times its drift threshold, normally " + figure(one.normal);
    case Group::quality:
      return "values of " + component + " fail " + figure(one.value) +
             " checks of data quality a prediction, normally " + figure(one.normal);
    case Group::wrong:
      return percent(one.value) + " of the predictions of " + component + " are wrong, normally " +
             percent(one.normal);
    case Group::upstream:
      return "the model server of " + component + " fails " + percent(one.value) +
             " of the requests, normally " + percent(one.normal);
    case Group::gpu:
      return one.channel + " of " + component + " " + beside_normal(one, "", "its normal");
    case Group::restarts:
      return component + " has " + figure(one.value) + " restarts or missing pods, normally " +
             figure(one.normal);
  }
  return {};
}

std::string log_sentence(const std::string& component, const LogChange& change,
                         const std::string& site) {
  return (change.lines > change.expected ? "more lines of " : "fewer lines of ") + component +
         " from " + site + ": " + figure(change.lines) + ", expected " + figure(change.expected) +
         ", since " + time_of_day(change.time);
}

}  // namespace

std::string figure(double value) {
  if (!std::isfinite(value)) return "unknown";
  return formatted(std::abs(value) >= 100 ? "%.0f" : "%.3g", value);
}

std::string time_of_day(double seconds) {
  // Of "2026-01-31T12:00:00.000Z" the time.
  return format_rfc3339(Time(from_seconds(seconds))).substr(11, 8) + " UTC";
}

std::vector<std::string> metric_sentences(const Findings& findings) {
  std::vector<const ChannelExcess*> found;
  for (const ChannelExcess& one : *findings.channels) {
    if (one.excess > 0) found.push_back(&one);
  }
  std::stable_sort(found.begin(), found.end(), [](const ChannelExcess* a, const ChannelExcess* b) {
    return a->excess > b->excess;
  });
  if (found.size() > sentences_max) found.resize(sentences_max);
  std::vector<std::string> out;
  for (const ChannelExcess* one : found) {
    out.push_back(sentence(findings.component, *one) + " since " +
                  time_of_day(findings.grid->time(one->since)));
  }
  return out;
}

std::vector<std::string> log_sentences(const Findings& findings) {
  std::vector<std::string> out;
  if (findings.logs == nullptr) return out;
  for (const LogChange* change : {&findings.logs->more, &findings.logs->fewer}) {
    if (change->excess > 0)
      out.push_back(log_sentence(findings.component, *change, (*findings.sites)[change->site]));
  }
  return out;
}

std::string symptom_sentence(const std::string& component, double share,
                             const std::string& complaining, const std::string& metric,
                             const SymptomExcess& symptom) {
  return percent(share) + " of what " + metric + " exceeds its normal by arises in " + component +
         " itself, its callees' taken off (" + metric + " of " + complaining + ": " +
         figure(symptom.value) + ", normally " + figure(symptom.normal) + ", at " +
         time_of_day(symptom.time) + ")";
}

std::string change_sentence(const std::string& component, const Change& change) {
  return (change.kind.empty() ? std::string("change") : change.kind) + " of " + component + " at " +
         time_of_day(change.time) + (change.what.empty() ? "" : ": " + change.what);
}

}  // namespace outrider::diagnose
