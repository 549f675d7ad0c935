// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/policy_answers.h"

#include <algorithm>

namespace outrider {
namespace {

constexpr Duration silence = std::chrono::seconds(3);  // That one failure stands for.

}  // namespace

void Silence::begin(std::string why, Time now) {
  trouble = std::move(why);
  until = now + silence;
}

PolicyAnswers::Answers PolicyAnswers::about(const decide::Policy& policy,
                                            const std::vector<incident::Incident>& incidents) {
  const auto is_old = [this, now = clock_.now()](const auto& entry) {
    return now - entry.second.second >= last_;
  };
  std::erase_if(numbers_, is_old);
  std::erase_if(conditions_, is_old);
  numbers_silent_ = false;
  Answers answers;
  for (const incident::Incident& incident : incidents) ask_numbers(policy, incident, answers);
  // They may name the replicas, which the numbers say.
  for (const incident::Incident& incident : incidents) ask_conditions(policy, incident, answers);
  return answers;
}

void PolicyAnswers::note_age(Answers& answers, const std::string& incident, Time asked_at) const {
  Time& until = answers.kept_until.try_emplace(incident, Time::max()).first->second;
  until = std::min(until, asked_at + last_);
}

void PolicyAnswers::ask_numbers(const decide::Policy& policy, const incident::Incident& incident,
                                Answers& answers) {
  for (const std::string& query : decide::queries(policy, incident)) {
    auto known = numbers_.find(query);
    if (known == numbers_.end() && !numbers_silent_) {
      const std::optional<double> value = value_ ? value_(query) : std::nullopt;
      known = numbers_.emplace(query, std::pair(value, clock_.now())).first;
      numbers_silent_ = !value;
      metrics_.count_query(value.has_value());
    }
    if (known == numbers_.end()) continue;
    note_age(answers, incident.id, known->second.second);
    if (known->second.first) answers.numbers[query] = *known->second.first;
  }
}

void PolicyAnswers::ask_conditions(const decide::Policy& policy, const incident::Incident& incident,
                                   Answers& answers) {
  for (const std::string& query : decide::conditions(policy, incident, answers.numbers)) {
    auto known = conditions_.find(query);
    if (known == conditions_.end()) {
      decide::Answered answered{.values = std::nullopt, .trouble = silence_.at(clock_.now())};
      if (answered.trouble.empty() && condition_) {
        answered = condition_(query);
        metrics_.count_query(answered.values.has_value());
        if (!answered.values) silence_.begin(answered.trouble, clock_.now());
      }
      known = conditions_.emplace(query, std::pair(std::move(answered), clock_.now())).first;
    }
    note_age(answers, incident.id, known->second.second);
    answers.conditions[query] = known->second.first;
  }
}

}  // namespace outrider
