// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/earlier.h"

#include <algorithm>
#include <map>
#include <set>

#include "agent/incident/evidence.h"
#include "base/core/text.h"

namespace outrider::incident {
namespace {

// Alerts that end so long after an action may have ended by it.
constexpr Duration soon = std::chrono::minutes(10);

std::set<std::string> alerts_of(const Incident& incident) {
  std::set<std::string> alerts = {incident.alert};
  for (const Signal& signal : incident.grouped) alerts.insert(signal.alert);
  return alerts;
}

const Diagnosis::Cause* cause_of(const Diagnosis* diagnosis) {
  const bool named = diagnosis != nullptr && diagnosis->named && !diagnosis->causes.empty();
  return named ? &diagnosis->causes.front() : nullptr;
}

const Diagnosis::Cause* cause_of(const Incident& incident) {
  return cause_of(incident.diagnosis ? &*incident.diagnosis : nullptr);
}

bool about_the_same(const Incident& a, const Incident& b) {
  if (a.model.empty() != b.model.empty()) return false;
  if (a.model.empty() && (a.workload.empty() || a.workload != b.workload)) return false;
  Identity one = a.identity(), other = b.identity();
  one.version = other.version = "";
  return may_be_same(one, other);
}

// 0: not alike. The words say in what.
std::pair<int, std::string> likeness(const Incident& incident, const Diagnosis& diagnosis,
                                     const Incident& past) {
  int points = 0;
  std::string words;
  if (alerts_of(incident) == alerts_of(past)) {
    points += 2;
    words = "the same alerts";
  } else if (incident.alert == past.alert) {
    points += 1;
    words = "the same leading alert";
  }
  const Diagnosis::Cause* now = cause_of(&diagnosis);
  const Diagnosis::Cause* then = cause_of(past);
  if (now != nullptr && then != nullptr && now->component == then->component &&
      now->kind == then->kind) {
    points += 2;
    words += std::string(words.empty() ? "" : " and ") + "the same cause";
  }
  return {points, words};
}

Earlier::Case case_of(const PastCase& past, std::string alike) {
  Earlier::Case out{.incident = past.incident.id,
                    .opened_at = past.incident.opened_at,
                    .ended_at = *past.incident.resolved_at,
                    .alike = std::move(alike)};
  if (const Diagnosis::Cause* cause = cause_of(past.incident))
    out.cause = cause->component + " (" + cause->kind + ")";
  for (const PastAction& action : past.actions) {
    if (!action.sent_at) continue;
    std::optional<Duration> ended_after;
    if (*action.sent_at <= out.ended_at) ended_after = out.ended_at - *action.sent_at;
    out.actions.push_back({action.action, action.outcome, ended_after});
  }
  return out;
}

std::string times(std::size_t count) {
  return count == 1 ? "once" : std::to_string(count) + " times";
}

std::string sentence_of(const Earlier& earlier) {
  const Earlier::Case& last =
      *std::max_element(earlier.cases.begin(), earlier.cases.end(),
                        [](const auto& a, const auto& b) { return a.opened_at < b.opened_at; });
  std::string text = "seen " + times(earlier.times) + " before, last on " +
                     plain_time(last.opened_at) + " (" + last.incident + ", " + last.alike + ")";
  struct Did {
    std::size_t cases = 0, soon = 0, succeeded = 0;
  };
  std::map<std::string, Did> did;
  std::size_t nothing = 0;
  for (const Earlier::Case& one : earlier.cases) {
    std::map<std::string, Did> here;
    for (const Earlier::Action& action : one.actions) {
      Did& of = here[action.action];
      of.cases = 1;
      if (action.ended_after && *action.ended_after <= soon) of.soon = 1;
      if (action.outcome == "succeeded") of.succeeded = 1;
    }
    nothing += here.empty() ? 1 : 0;
    for (const auto& [action, of] : here) {
      did[action].cases += of.cases;
      did[action].soon += of.soon;
      did[action].succeeded += of.succeeded;
    }
  }
  for (const auto& [action, of] : did) {
    text += "; the alerts ended within " + format_duration(soon) + " of " + action + " " +
            std::to_string(of.soon) + " of " + std::to_string(of.cases) +
            (of.cases == 1 ? " time" : " times");
    if (of.succeeded > 0) text += " (it succeeded " + times(of.succeeded) + ")";
  }
  if (nothing == earlier.cases.size()) {
    text += "; nothing was done by the agent";
  } else if (nothing > 0) {
    text += "; nothing was done by the agent " + times(nothing);
  }
  return text;
}

}  // namespace

Earlier earlier_like(const Incident& incident, const Diagnosis& diagnosis,
                     const std::vector<PastCase>& cases) {
  Earlier out;
  std::vector<std::pair<int, Earlier::Case>> alike;
  for (const PastCase& past : cases) {
    const Incident& one = past.incident;
    if (one.id == incident.id || one.open || !one.resolved_at || !one.merged_into.empty()) continue;
    // Reopened incidents are one case; what began after this one is no earlier one.
    if (one.opened_at >= incident.opened_at || !about_the_same(incident, one)) continue;
    auto [points, words] = likeness(incident, diagnosis, one);
    if (points > 0) alike.emplace_back(points, case_of(past, std::move(words)));
  }
  std::stable_sort(alike.begin(), alike.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second.opened_at) > std::pair(b.first, b.second.opened_at);
  });
  out.times = alike.size();
  for (auto& [points, one] : alike) out.cases.push_back(std::move(one));
  if (out.times > 0) out.sentence = sentence_of(out);
  if (out.times > Earlier::cases_max) out.cases.resize(Earlier::cases_max);
  return out;
}

}  // namespace outrider::incident
