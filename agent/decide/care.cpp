// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/care.h"

#include <algorithm>

#include "base/core/text.h"

namespace outrider::decide {
namespace {

constexpr Duration day = std::chrono::hours(24);
constexpr Duration week = 7 * day;

Hold ask(std::string reason, std::optional<Time> until = {}) {
  return {.outcome = Outcome::recommended,
          .reason = std::move(reason),
          .needs_approval = true,
          .causes = {.at = until}};
}

bool is_of(const Past& one, const Action& action) {
  return may_be_same(one.who, action.identity());
}

// So many, and when the first of them was let go.
struct Count {
  std::int64_t count = 0;
  std::optional<Time> first = {};
  void add(const Past& one) {
    ++count;
    first = std::min(first.value_or(one.at), one.at);
  }
  // When that one no longer counts.
  std::optional<Time> eases_after(Duration window) const {
    return first ? std::optional(*first + window) : std::nullopt;
  }
};

Count automatic_today(const Action& action, const std::vector<Past>& past, Time now) {
  Count count;
  for (const Past& one : past) {
    if (one.automatic && changes_production(one.kind) && is_of(one, action) && one.at > now - day)
      count.add(one);
  }
  return count;
}

// Those of this action on this model that ended badly since the last that did not.
Count strikes_of(const Action& action, std::vector<Past> past) {
  std::sort(past.begin(), past.end(), [](const Past& a, const Past& b) { return a.at > b.at; });
  Count count;
  for (const Past& one : past) {
    if (one.kind != action.kind || !is_of(one, action) || !one.ended) continue;
    const bool is_bad = *one.ended == Outcome::failed || *one.ended == Outcome::undone ||
                        *one.ended == Outcome::handed_over;
    if (!is_bad && *one.ended != Outcome::succeeded && *one.ended != Outcome::accepted) continue;
    if (!is_bad) break;
    count.add(one);
  }
  return count;
}

std::optional<Hold> past_the_owners_pods(const Policy& policy, const Action& action,
                                         const Situation& situation) {
  if (policy.pods_per_owner == 0) return std::nullopt;
  const std::string who = action.owner.empty() ? "nobody's models" : action.owner;
  if (!action.plan.pods) {
    return ask("how many pods it touches is not known (the rule's 'pods'), and " + who +
               " may have " + std::to_string(policy.pods_per_owner) + " touched an hour");
  }
  const auto found = situation.pods_last_hour.find(action.owner);
  const double before = found == situation.pods_last_hour.end() ? 0 : found->second;
  if (before + *action.plan.pods <= static_cast<double>(policy.pods_per_owner)) return std::nullopt;
  return ask("it touches " + format_double(*action.plan.pods) + " pods, after " +
                 format_double(before) + " of " + who +
                 " in the last hour; the policy's limit is " +
                 std::to_string(policy.pods_per_owner),
             situation.hour_eases_at);
}

// What only a person may let go at this time, and past these limits.
std::optional<Hold> past_the_limits(const Policy& policy, const Action& action,
                                    const std::vector<Past>& past, const Situation& situation,
                                    Time now) {
  if (const QuietHours* quiet = quiet_at(policy.quiet_hours, now))
    return ask("quiet hours, " + quiet->text + ": a person must approve");
  if (const Count strikes = strikes_of(action, past); strikes.count >= policy.strikes) {
    return ask("the last " + std::to_string(strikes.count) + " of " +
                   std::string(name(action.kind)) +
                   " on this model did not help: a person must approve",
               strikes.eases_after(lookback(policy)));
  }
  if (const Count today = automatic_today(action, past, now);
      today.count >= policy.automatic_actions_per_day) {
    return ask("breaker: " + std::to_string(policy.automatic_actions_per_day) +
                   " automatic actions on this model within a day is the limit; a person must "
                   "approve",
               today.eases_after(day));
  }
  if (situation.automatic_last_hour >= policy.actions_per_hour) {
    return ask("breaker: " + std::to_string(policy.actions_per_hour) +
                   " automatic actions on all models within an hour is the limit; a person must "
                   "approve",
               situation.hour_eases_at);
  }
  return past_the_owners_pods(policy, action, situation);
}

}  // namespace

void Causes::add(const Causes& other) {
  if (other.at) soonest(*other.at);
  answers |= other.answers;
  events.insert(other.events.begin(), other.events.end());
}

std::string end_of(const std::string& action) {
  return "end " + action;
}

std::string course_of(Kind kind, const std::string& model) {
  return "course " + std::string(changes_production(kind) ? "of production" : name(kind)) + " " +
         model;
}

std::string limits_of_the_hour() {
  return "hour";
}

Duration lookback(const Policy& policy) {
  Duration longest = week;
  for (const Rule& rule : policy.rules) longest = std::max(longest, rule.cooldown);
  return longest;
}

const Answered& Situation::answer_to(const std::string& query) const {
  static const Answered none{.values = std::nullopt, .trouble = "not asked"};
  const auto found = answers.find(query);
  return found == answers.end() ? none : found->second;
}

const Situation::Underway* in_the_way(const FailureDomain& domain, const Action& action,
                                      const std::vector<Situation::Underway>& underway) {
  for (const Situation::Underway& one : underway) {
    if (one.id != action.id && domain.may_share(one.who, action.identity())) return &one;
  }
  return nullptr;
}

std::optional<Hold> held_back(const Policy& policy, const Rule& rule, const Action& action,
                              const std::vector<Past>& past, const Situation& situation, Time now) {
  if (changes_production(rule.kind) && !situation.paused.empty())
    return Hold{.outcome = Outcome::recommended, .reason = situation.paused};
  if (rule.approval_required) return ask("the policy asks for a person's approval");
  if (!rule.always_asks.empty()) return ask(rule.always_asks);
  if (!changes_production(rule.kind)) return std::nullopt;
  // Before what is in its way: that lasts minutes, and whoever decides should not lose the choice
  // meanwhile. Once approved, it waits.
  auto hold = past_the_limits(policy, action, past, situation, now);
  const auto* other = in_the_way(policy.failure_domain, action, situation.underway);
  if (!hold && other != nullptr) {
    hold = Hold{.outcome = Outcome::suppressed,
                .reason = "another action goes on in " + action.plan.domain + ": " + other->id,
                .causes = {.events = {end_of(other->id)}}};
  }
  if (!hold) return std::nullopt;
  hold->causes.events.insert(limits_of_the_hour());
  if (const auto edge = next_edge(policy.quiet_hours, now)) hold->causes.soonest(*edge);
  return hold;
}

bool is_forecast(const Rule& rule, const incident::Incident& incident) {
  if (incident.alert.ends_with("Ahead") || incident.labels.get("signal") == "forecast") return true;
  if (!rule.scale) return false;
  const auto foretold = [](const Number& number) {
    return number.asked.find("outrider_forecast") != std::string::npos ||
           number.asked.find("outrider_replicas_wanted") != std::string::npos ||
           number.asked.find("predict_linear") != std::string::npos;
  };
  return foretold(rule.scale->current) || foretold(rule.scale->ratio);
}

}  // namespace outrider::decide
