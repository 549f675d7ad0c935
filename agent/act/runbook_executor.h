// SPDX-License-Identifier: Apache-2.0
#pragma once

// Carries out the policy's `runbook:` actions (decide/runbook.h): sends each step's webhook or
// hands it to its executor, asks Prometheus for its check. SHELL; thread-safe.

#include <functional>
#include <optional>
#include <string>

#include "agent/act/sender.h"
#include "agent/decide/runbook.h"

namespace outrider::act {

class RunbookExecutor final : public decide::Executor {
 public:
  struct Dependencies {
    decide::Executors executors;  // Of its steps.
    Sender::Settings sending;
    // Prometheus for one conversation: what a condition's expression answers.
    std::function<std::function<decide::Answered(const std::string& promql)>()> make_ask;
    // The two that every single step waits for: "" while nothing is paused; the fencing number of
    // the lease held, nothing while another agent has it. Empty: there is none.
    std::function<std::string()> paused = {};
    std::function<std::optional<std::int64_t>()> fencing = {};
  };
  RunbookExecutor(Dependencies dependencies, const Clock& clock)
      : dependencies_(std::move(dependencies)), clock_(clock) {}

  std::string_view name() const override { return "runbook"; }
  // The policy reads its steps, and asks their executors, itself.
  Result<void> check_target(decide::Kind, const wire::Json&) const override { return {}; }
  bool can_undo(decide::Kind, const wire::Json&) const override { return true; }
  std::string always_asks(decide::Kind, const wire::Json&) const override { return {}; }
  decide::Report carry_out(const decide::Order& order) override;

 private:
  decide::Findings work(const decide::Order& order, const decide::RunbookStep& step,
                        const decide::RunbookState& state, std::int64_t fencing_number);
  decide::Report order_step(const decide::Order& order, const decide::RunbookStep& step,
                            const decide::RunbookState& state, std::int64_t fencing_number);
  decide::Report send(const decide::Delivery& delivery, const std::string& job,
                      std::int64_t fencing_number);
  decide::Reading read(const decide::Condition& condition) const;

  const Dependencies dependencies_;
  const Clock& clock_;
};

}  // namespace outrider::act
