// SPDX-License-Identifier: Apache-2.0
#pragma once

// The life of an action. PURE: each function moves the action one step, and returns what to write
// in its history ("": nothing new). The caller writes the action to the journal before whatever the
// step leads to.
//
//   held -> queued -> (precondition read) -> sending -> watching -> verifying -> done
//                                                                      \-> undo_… -> done
//
//   recommended  waits for a person, a cool-down, a precondition; decided anew while its incident
//                is open, and expired after Plan::expires without a person's word
//   approved     let go by the policy or a person; expired after Plan::start_within without an
//                attempt (the agent is paused, holds no lease, another action of its domain goes on)
//   sent         an attempt is under way. Retried with exponential back-off from 1 s to 1 min with
//                jitter, or as Retry-After asks, until retry_for has passed since the first
//   accepted     its receiver took it. Without a `verify` that is the end, and it is called not
//                verified
//   verifying    `verify` is read until it held for Verify::lasting without a gap: succeeded; or
//                until the deadline: undone, if data say that it did not help; handed to a person
//                if there are no data, or no undo
//   undoing      the undo is sent as the effect was, until Plan::undo_within has passed
//
// After kill -9 take_up_again() goes on where the journal stands: what may have left is sent again
// with the same key, and `verify` must hold anew.

#include <optional>
#include <string>

#include "agent/decide/action.h"
#include "agent/decide/executor.h"

namespace outrider::decide {

// What is to be done about it next, at next_at.
enum class Task { nothing, check, send, watch, verify, undo, watch_undo };
Task task_of(const Action& action, Time now);
// Whether the task may change production, or tells somebody: it needs the lease, the switch, and
// its intent in the journal.
bool leaves_the_agent(Task task);

// Time alone moved it: an approval, a start or an undo came too late.
std::string lapse(Action& action, Time now);

// Of Task::check: the precondition as it was read at execution, and what the executor says.
std::string take_precondition(Action& action, Reading reading, Time now);
std::string take_check(Action& action, const Report& report, Time now);

// Held again by one of these, it is not decided anew until next_at: 5 s after the first refusal,
// twice as long after each further one, 1 min at most. Meanwhile it stands in nobody's way.
bool waits_after_refusal(const Action& action, Time now);

// Before a request leaves: counts the attempt. `fencing_number`: of the lease held; 0: none.
std::string begin_attempt(Action& action, std::int64_t fencing_number, Time now);
// After it, and after each question for what goes on. `unit` is uniform in [0, 1).
std::string take_report(Action& action, const Report& report, Time now, double unit);

// Of Task::verify.
std::string take_verification(Action& action, Reading reading, Time now);

// After a restart.
std::string take_up_again(Action& action, Time now);

// The incident ended while the action was held, or not yet accepted and would change production.
// True if that changed it. A recommendation of a dry run stays one.
bool call_off(Action& action, Time now);

// A person's word. Errors: "not_held" (nothing waits for a person), "dry_run".
Result<void> approve(Action& action, const std::string& person, bool dry_run, Time now);
Result<void> reject(Action& action, const std::string& person, const std::string& why, Time now);

// What came of a step: of a check the precondition and what the executor says, where there are; of
// a verification the reading; else the report.
struct Findings {
  std::optional<Reading> reading = {};
  std::optional<Report> report = {};
};
// What was found moves the action as its stage says: queued, sending, watching, verifying,
// undo_sending, undo_watching.
std::string take_findings(Action& action, const Findings& findings, Time now, double unit);

// Before the next attempt, after so many: from 1 s, doubled, to 1 min. `unit` is uniform in [0, 1).
Duration retry_delay(int attempts, double unit);

// How often `verify` is read.
Duration verify_every(const Verify& verify);

// What an expression's answer says: values of all series of the condition, and of its left side.
// No value: there was no answer, and `trouble` says why.
struct Answered {
  std::optional<std::vector<double>> values;
  std::string trouble;
};
Reading read_condition(const Condition& condition, const Answered& whole, const Answered& left);

// What a PromQL expression compares; nothing where it is no single comparison at its top. Error
// "bad_condition": an expression that holds whatever the data say (no comparison, or one with
// `bool`, which answers 0 where it does not hold).
Result<Condition> parse_condition(std::string_view promql);

void note(Action& action, Reading reading);

}  // namespace outrider::decide
