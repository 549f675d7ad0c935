// SPDX-License-Identifier: Apache-2.0
#pragma once

// Does what the dispatcher hands out: asks Prometheus, sends the webhook, calls the executor.
// SHELL: what comes of it is decide/life.h's to say. Not thread-safe: one a thread.

#include <functional>

#include "agent/act/sender.h"
#include "agent/decide/life.h"
#include "base/core/clock.h"

namespace outrider::act {

class Worker {
 public:
  // What a PromQL expression answers; of its own, or safe to call from several threads.
  using Ask = std::function<decide::Answered(const std::string& promql)>;

  Worker(const decide::Executors& executors, Ask ask, Sender::Settings sending, const Clock& clock);

  // One step of the action, by its stage: queued is to be checked, sending and undo_sending to be
  // sent, watching and undo_watching to be asked about, verifying to be read.
  decide::Findings perform(const decide::Action& action);

 private:
  decide::Findings check(const decide::Action& action);
  decide::Report send(const decide::Delivery& delivery, std::int64_t fencing_number);
  decide::Report carry_out(const decide::Action& action, decide::Step step);
  decide::Reading read(const decide::Condition& condition);

  const decide::Executors& executors_;
  Ask ask_;
  const Clock& clock_;
  Sender sender_;
};

}  // namespace outrider::act
