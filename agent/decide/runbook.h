// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ordered steps with checks between them, as one action. PURE: a state that each piece of work
// moves; who sends and asks is agent/act/runbook_executor.h.
//
//   ready -> sending -> (watching) -> (checking) -> the next step … -> done
//   undo:  undo_ready -> undo_sending -> (undo_watching) -> the step before … -> undone
//
// Every state that leads to a request is journalled before the request leaves: advance() returns it
// as the receipt of a report `going_on`. Each step has a key of its own, the action's with the
// step's name behind, so that a step that is sent again after a kill -9 is done once by a receiver
// that honours it. A step that is refused, or whose check does not hold in time, ends the runbook:
// what was done is taken back, the last step first, where steps have an `undo`.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/decide/life.h"

namespace outrider::decide {

struct RunbookStep {
  std::string name;
  Kind kind = Kind::notify;  // What the executor is asked for.
  Delivery delivery;         // Where there is no executor.
  std::string executor;      // "": the webhook of `delivery`.
  wire::Json target;
  std::optional<Verify> check;  // A condition; never the incident's end.
  std::optional<Delivery> undo;
  bool undo_by_executor = false;

  bool can_be_undone() const { return undo || undo_by_executor; }
};

using Runbook = std::vector<RunbookStep>;
inline constexpr std::size_t runbook_steps_max = 20;

wire::Json to_json(const Runbook& runbook);                 // Plan::target.
Result<Runbook> runbook_from_json(const wire::Json& json);  // Error "bad_runbook".
Duration longest(const Runbook& runbook);                   // That it may take, checks included.
std::string step_key(const std::string& action, const RunbookStep& step, bool undoes);

struct RunbookState {
  enum class Phase {
    ready,
    sending,
    watching,
    checking,
    done,
    undo_sending,
    undo_watching,
    undone,
  };
  Phase phase = Phase::ready;
  std::size_t step = 0;
  Time since = {};                                  // Of the phase.
  int tries = 0;                                    // Of the step.
  bool checked = false;                             // The step's executor said that it may be done.
  bool may_have_acted = false;                      // The step.
  bool anything_done = false;                       // Any step may have acted.
  std::optional<Time> holding_since = {};           // Of the step's check.
  std::string job;                                  // The step's, to be asked for.
  std::map<std::string, wire::Json> receipts = {};  // Of executors, by the step's name.
  std::string waits = {};              // What keeps its next step from leaving; "": nothing.
  std::vector<std::string> left = {};  // Undo: steps without one.
};
wire::Json to_json(const RunbookState& state);
// Null: one that has not begun. Error "bad_runbook".
Result<RunbookState> runbook_state_from_json(const wire::Json& json);

// Whether the state's next piece of work leaves the agent and may change something.
bool leaves_the_agent(const RunbookState& state);

// Moves it by what was found: nothing in `ready`; a report of the step's check, effect, job or
// undo; a reading of its check. `unit` is uniform in [0, 1).
Report advance(const Runbook& runbook, RunbookState& state, const Findings& found, Time now,
               double unit);
// Its next step may not leave, because of `why`: told, and kept, once.
Report wait(RunbookState& state, const std::string& why);
// Turns it to the undo of what was done so far. `done`: nothing is left to be taken back.
Report begin_undo(const Runbook& runbook, RunbookState& state, Time now);

}  // namespace outrider::decide
