// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who carries out an action that is no plain webhook: Kubernetes' API, a ticket system. PURE
// interface; what implements it is a SHELL room of its own, which agent/app registers by name.
//
//   rule:  kubernetes: {action: scale, deployment: "{{ workload }}", …}
//
// The key of the rule is the executor's name. What stands below it is the target: any YAML map,
// whose texts may have placeholders. It is rendered once, at the decision, and journalled.
//
// One call is one step, and waits for nothing longer than Order::timeout; what takes longer is
// `going_on` and is asked for again. Every step that may change something is in the journal before
// it is called. It may be called again with the same id, also after kill -9 between the effect and
// its report: the effect must then be found done, not done twice. Called from several threads at
// once, for different actions.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/decide/action.h"

namespace outrider::decide {

enum class Step {
  check,   // Whether it may be done now: bounds, budgets, owners. Changes nothing.
  effect,  // Do it, if check() still holds.
  undo,    // Back to what the receipt says was there before.
};

struct Order {
  Step step = Step::check;
  std::string id;  // The action's idempotency key; of an undo with "-undo" behind.
  Kind kind = Kind::notify;
  incident::Identity who;
  std::string incident;
  wire::Json target;
  wire::Json receipt;               // As the last report of this action left it; null at first.
  std::int64_t fencing_number = 0;  // Of the lease that the agent holds; 0: it needs none.
  int attempt = 1;
  Duration timeout = std::chrono::seconds(10);
};

struct Report {
  enum class What {
    done,         // check: it may be done. effect, undo: it is done.
    going_on,     // Begun; the same step is called again after `again`, until it is done.
    failed,       // Retried with back-off, or after `again`.
    refused,      // Final: nothing was changed by this step, and asking again changes nothing.
    handed_over,  // Final: it is not the agent's to change; `text` says whose it is.
  };
  What what = What::failed;
  std::string text = {};    // For people: what was seen, and what to change.
  wire::Json receipt = {};  // Journalled with the report; null: as it was.
  std::optional<Duration> again = {};
  // failed: whether something may have been changed all the same (a time-out does not say).
  bool may_have_acted = false;
  int status = 0;  // Of HTTP, for the metric of attempts; 0: no answer.
};

class Executor {
 public:
  virtual ~Executor() = default;
  // A key of the policy's rules, a-z.
  virtual std::string_view name() const = 0;
  // Of a rule, when the policy is read, with sample texts for placeholders. The message says what
  // to change. PURE.
  virtual Result<void> check_target(Kind kind, const wire::Json& target) const = 0;
  // Whether a placeholder may stand at this place of the target, a JSON pointer such as "/project":
  // not where it would choose who is asked, or with which secret. PURE.
  virtual bool takes_placeholder(std::string_view) const { return true; }
  virtual bool can_undo(Kind kind, const wire::Json& target) const = 0;
  // Why every action of it waits for a person; "": it need not ("experimental: its controller was
  // not run in the tests").
  virtual std::string always_asks(Kind kind, const wire::Json& target) const = 0;
  virtual Report carry_out(const Order& order) = 0;
};

using Executors = std::map<std::string, std::shared_ptr<Executor>, std::less<>>;

}  // namespace outrider::decide
