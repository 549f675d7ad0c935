// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Prometheus answers to the policy's own questions, each kept for a while: incidents of one
// model ask the same. SHELL; for one thread.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/decide/decision.h"
#include "agent/dispatch/metrics.h"
#include "base/core/clock.h"

namespace outrider {

// Once Prometheus does not answer, the next questions are not made to wait for it.
struct Silence {
  std::string trouble = {};
  Time until = {};

  std::string at(Time now) const { return now < until ? trouble : std::string(); }
  void begin(std::string why, Time now);
};

class PolicyAnswers {
 public:
  using AskValue = std::function<std::optional<double>(const std::string& promql)>;
  // The series that a condition's expression answers.
  using AskCondition = std::function<decide::Answered(const std::string& promql)>;

  // `last`: so long an answer is kept. Without a way to ask nothing is known.
  PolicyAnswers(Duration last, AskValue value, AskCondition condition, const Clock& clock,
                AgentMetrics& metrics)
      : last_(last),
        value_(std::move(value)),
        condition_(std::move(condition)),
        clock_(clock),
        metrics_(metrics) {}

  struct Answers {
    decide::Answers numbers = {};
    std::map<std::string, decide::Answered> conditions = {};
    // By incident: until then they would be answered the same. Absent: nothing was asked.
    std::map<std::string, Time> kept_until = {};
  };
  // All that deciding about these needs; asks what is not known.
  Answers about(const decide::Policy& policy, const std::vector<incident::Incident>& incidents);

 private:
  template <class Value>
  using Known = std::map<std::string, std::pair<Value, Time>>;  // Query to answer, when asked.

  void ask_numbers(const decide::Policy& policy, const incident::Incident& incident,
                   Answers& answers);
  void ask_conditions(const decide::Policy& policy, const incident::Incident& incident,
                      Answers& answers);
  void note_age(Answers& answers, const std::string& incident, Time asked_at) const;

  const Duration last_;
  const AskValue value_;
  const AskCondition condition_;
  const Clock& clock_;
  AgentMetrics& metrics_;
  Known<std::optional<double>> numbers_;
  Known<decide::Answered> conditions_;
  Silence silence_;              // Of the conditions.
  bool numbers_silent_ = false;  // Of the numbers, in this round.
};

}  // namespace outrider
