// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/reason.h"

#include <algorithm>
#include <cmath>

#include "agent/diagnose/evidence.h"

namespace outrider::diagnose {
namespace {

constexpr std::size_t names_max = 3;  // Of components that lack something.

std::string names(const Question& question, const std::vector<std::size_t>& which) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names_max, which.size()); ++i)
    out += (i ? ", " : "") + question.components[which[i]];
  if (which.size() > names_max) out += " and " + std::to_string(which.size() - names_max) + " more";
  return out;
}

bool has_group(const Excesses& channels, Group group) {
  return std::any_of(channels.begin(), channels.end(), [group](const auto& of_component) {
    return std::any_of(of_component.begin(), of_component.end(),
                       [group](const ChannelExcess& one) { return one.group == group; });
  });
}

// Of the evidence that the method could use: what was not there.
std::vector<std::string> missing(const Question& question, const Timeline& timeline,
                                 const Excesses& channels, const Strength& strength) {
  std::vector<std::string> out;
  std::vector<std::size_t> blind;
  for (std::size_t c = 0; c < channels.size(); ++c) {
    const bool sees = std::any_of(channels[c].begin(), channels[c].end(),
                                  [](const auto& one) { return one.slot != Grid::none; });
    if (!sees) blind.push_back(c);
  }
  if (!blind.empty())
    out.push_back("metrics with a baseline and values in the window for " + names(question, blind));
  if (timeline.windows.size() < calm_enough) {
    out.push_back("a longer baseline (" + std::to_string(timeline.windows.size()) +
                  " calm windows, " + std::to_string(calm_enough) + " are needed)");
  }
  const auto of_files = [&question](const char* option) {
    return question.of_files ? " (" + std::string(option) + ")" : std::string();
  };
  if (!question.has_graph) out.push_back("the call graph" + of_files("--graph"));
  if (!has_group(channels, Group::errors)) out.emplace_back("errors or availability");
  if (!has_group(channels, Group::latency) && !has_group(channels, Group::self))
    out.emplace_back("latency");
  if (!has_group(channels, Group::wire))
    out.emplace_back("latency at the callers, for the network between");
  if (question.logs.empty()) out.push_back("counts of log lines" + of_files("--logs"));
  if (question.symptom && !strength.with_symptom) {
    out.push_back("an excess of the symptom " + question.symptom->metric + " of " +
                  question.components[question.symptom->component] + " in the window");
  } else if (!question.symptom) {
    out.push_back("a symptom with its metric" + of_files("--symptom COMPONENT:METRIC"));
  }
  return out;
}

std::string p_text(double p) {
  return "p = " + figure(p);
}

}  // namespace

std::string reason_of(const Question& question, const Timeline& timeline, const Excesses& channels,
                      const Strength& strength, const Diagnosis& diagnosis) {
  if (diagnosis.causes.empty()) return "no component has metrics";
  const Cause& first = diagnosis.causes.front();
  const std::string& name = question.components[first.component];
  if (diagnosis.named) {
    const std::string why = first.evidence.empty() ? name : first.evidence.front();
    return why + "; calm times look as bad with " + p_text(diagnosis.p);
  }
  std::string out;
  if (timeline.calm_grid.size() == 0) {
    out = "no row before the search window, which begins at " + time_of_day(timeline.begin) +
          ": nothing says what is normal";
  } else if (strength.best <= 0) {
    out = "no component exceeds what calm times reach";
  } else {
    out = "the excess of " + name + " is no proof: calm times look as bad with " +
          p_text(diagnosis.p) + ", a cause is named at " + figure(false_alarm) +
          " or less. The best score is " + figure(strength.best) + ", " + figure(strength.needed) +
          " would decide";
  }
  const std::vector<std::string> lacking = missing(question, timeline, channels, strength);
  if (!lacking.empty()) {
    out += ". Not given, and could decide: ";
    for (std::size_t i = 0; i < lacking.size(); ++i) out += (i ? "; " : "") + lacking[i];
  }
  return out;
}

}  // namespace outrider::diagnose
