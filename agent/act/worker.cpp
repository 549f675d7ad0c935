// SPDX-License-Identifier: Apache-2.0
#include "agent/act/worker.h"

namespace outrider::act {

using decide::Action;
using decide::Findings;
using decide::Report;
using decide::Stage;
using decide::Step;

Worker::Worker(const decide::Executors& executors, Ask ask, Sender::Settings sending,
               const Clock& clock)
    : executors_(executors),
      ask_(std::move(ask)),
      clock_(clock),
      sender_(std::move(sending), clock) {}

Findings Worker::perform(const Action& action) {
  const bool by_executor = !action.plan.executor.empty();
  Findings found;
  switch (action.stage) {
    case Stage::queued:
      return check(action);
    case Stage::sending:
      found.report = by_executor ? carry_out(action, Step::effect)
                                 : send(action.delivery, action.course.fencing_number);
      break;
    case Stage::watching:
      found.report = by_executor
                         ? carry_out(action, Step::effect)
                         : decide::report_of_job(action.delivery,
                                                 sender_.ask_job(action.delivery, action.job_url));
      break;
    case Stage::verifying:
      found.reading = read(action.plan.verify->condition);
      break;
    case Stage::undo_sending:
      found.report = action.plan.undo ? send(*action.plan.undo, action.course.fencing_number)
                                      : carry_out(action, Step::undo);
      break;
    case Stage::undo_watching:
      found.report = action.plan.undo
                         ? decide::report_of_job(*action.plan.undo,
                                                 sender_.ask_job(*action.plan.undo, action.job_url))
                         : carry_out(action, Step::undo);
      break;
    case Stage::held:
    case Stage::done:
    case Stage::undo_queued:
      break;
  }
  return found;
}

Findings Worker::check(const Action& action) {
  Findings found;
  if (action.plan.precondition) found.reading = read(*action.plan.precondition);
  if (found.reading && !found.reading->holds) return found;
  if (!action.plan.executor.empty()) found.report = carry_out(action, Step::check);
  return found;
}

Report Worker::send(const decide::Delivery& delivery, std::int64_t fencing_number) {
  const decide::Answer answer = sender_.send(delivery, fencing_number);
  return decide::report_of(delivery, answer, clock_.now());
}

Report Worker::carry_out(const Action& action, Step step) {
  const auto executor = executors_.find(action.plan.executor);
  if (executor == executors_.end()) {
    return {.what = Report::What::failed,
            .text = "this agent has no executor '" + action.plan.executor + "'"};
  }
  const bool undoes = step == Step::undo;
  return executor->second->carry_out(
      {.step = step,
       .id = action.id + (undoes ? "-undo" : ""),
       .kind = action.kind,
       .who = action.identity(),
       .incident = action.incident,
       .target = action.plan.target,
       .receipt = action.course.receipt,
       .fencing_number = action.course.fencing_number,
       .attempt = undoes ? action.course.undo_attempts : action.attempts,
       .timeout = action.delivery.timeout});
}

decide::Reading Worker::read(const decide::Condition& condition) {
  const decide::Answered whole = ask_(condition.query);
  decide::Answered left;
  if (!condition.left.empty()) left = ask_(condition.left);
  return decide::read_condition(condition, whole, left);
}

}  // namespace outrider::act
