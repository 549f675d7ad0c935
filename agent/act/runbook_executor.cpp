// SPDX-License-Identifier: Apache-2.0
#include "agent/act/runbook_executor.h"

#include <random>

namespace outrider::act {
namespace {

using decide::Findings;
using decide::Order;
using decide::Report;
using decide::RunbookState;
using decide::RunbookStep;
using decide::Step;
using Phase = RunbookState::Phase;

Report refused(std::string text) {
  return {.what = Report::What::refused, .text = std::move(text)};
}

bool is_undo(Phase phase) {
  return phase == Phase::undo_sending || phase == Phase::undo_watching || phase == Phase::undone;
}

double unit() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(random);
}

}  // namespace

Report RunbookExecutor::carry_out(const Order& order) {
  if (order.step == Step::check) return {.what = Report::What::done};
  const auto runbook = decide::runbook_from_json(order.target);
  if (!runbook) return refused(runbook.error().message);
  auto state = decide::runbook_state_from_json(order.receipt);
  if (!state || state->step >= runbook->size()) {
    Report lost =
        refused("where it stands cannot be read" + (state ? "" : ": " + state.error().message));
    lost.may_have_acted = true;
    return lost;
  }
  const bool undoes = order.step == Step::undo;
  if (undoes && order.receipt.is_null()) return refused("no step was begun");
  if (undoes && !is_undo(state->phase)) return decide::begin_undo(*runbook, *state, clock_.now());
  std::int64_t fencing_number = 0;
  if (decide::leaves_the_agent(*state)) {
    const std::string paused = dependencies_.paused ? dependencies_.paused() : std::string();
    if (!paused.empty()) return decide::wait(*state, paused);
    if (dependencies_.fencing) {
      const auto number = dependencies_.fencing();
      if (!number) return decide::wait(*state, "another agent holds the lease");
      fencing_number = *number;
    }
  }
  const Findings found = work(order, (*runbook)[state->step], *state, fencing_number);
  return decide::advance(*runbook, *state, found, clock_.now(), unit());
}

Findings RunbookExecutor::work(const Order& order, const RunbookStep& step,
                               const RunbookState& state, std::int64_t fencing_number) {
  Findings found;
  switch (state.phase) {
    case Phase::sending:
    case Phase::watching:
      found.report = step.executor.empty() ? send(step.delivery, state.job, fencing_number)
                                           : order_step(order, step, state, fencing_number);
      break;
    case Phase::checking:
      found.reading = read(step.check->condition);
      break;
    case Phase::undo_sending:
    case Phase::undo_watching:
      found.report = step.undo ? send(*step.undo, state.job, fencing_number)
                               : order_step(order, step, state, fencing_number);
      break;
    case Phase::ready:
    case Phase::done:
    case Phase::undone:
      break;
  }
  return found;
}

// With a job it is asked for; else the request is sent.
Report RunbookExecutor::send(const decide::Delivery& delivery, const std::string& job,
                             std::int64_t fencing_number) {
  Sender sender(dependencies_.sending, clock_);
  if (!job.empty()) return decide::report_of_job(delivery, sender.ask_job(delivery, job));
  return decide::report_of(delivery, sender.send(delivery, fencing_number), clock_.now());
}

Report RunbookExecutor::order_step(const Order& order, const RunbookStep& step,
                                   const RunbookState& state, std::int64_t fencing_number) {
  const auto executor = dependencies_.executors.find(step.executor);
  if (executor == dependencies_.executors.end())
    return refused("this agent has no executor '" + step.executor + "'");
  const bool undoes = is_undo(state.phase);
  const auto receipt = state.receipts.find(step.name);
  return executor->second->carry_out(
      {.step = undoes          ? Step::undo
               : state.checked ? Step::effect
                               : Step::check,
       .id = decide::step_key(order.id, step, undoes),
       .kind = step.kind,
       .who = order.who,
       .incident = order.incident,
       .target = step.target,
       .receipt = receipt == state.receipts.end() ? wire::Json() : receipt->second,
       .fencing_number = fencing_number,
       .attempt = state.tries + 1,
       .timeout = order.timeout});
}

decide::Reading RunbookExecutor::read(const decide::Condition& condition) const {
  const auto ask = dependencies_.make_ask();
  const decide::Answered whole = ask(condition.query);
  decide::Answered left;
  if (!condition.left.empty()) left = ask(condition.left);
  return decide::read_condition(condition, whole, left);
}

}  // namespace outrider::act
