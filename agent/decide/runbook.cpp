// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/runbook.h"

#include <array>
#include <stdexcept>

#include "base/core/enum_names.h"
#include "base/core/text.h"
#include "base/wire/json_time.h"

namespace outrider::decide {
namespace {

using wire::Json;
using wire::read_time;
using wire::time_json;
using Phase = RunbookState::Phase;

constexpr std::array<EnumName<Phase>, 8> phases = {{{Phase::ready, "ready"},
                                                    {Phase::sending, "sending"},
                                                    {Phase::watching, "watching"},
                                                    {Phase::checking, "checking"},
                                                    {Phase::done, "done"},
                                                    {Phase::undo_sending, "undo_sending"},
                                                    {Phase::undo_watching, "undo_watching"},
                                                    {Phase::undone, "undone"}}};

std::string title(const Runbook& runbook, const RunbookState& state) {
  return "step " + std::to_string(state.step + 1) + " of " + std::to_string(runbook.size()) + ", " +
         runbook[state.step].name;
}

std::string names_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// With a receipt it is journalled before anything follows from it.
Report goes_on(std::string text, const RunbookState* kept, Duration again) {
  return {.what = Report::What::going_on,
          .text = std::move(text),
          .receipt = kept ? to_json(*kept) : Json(),
          .again = again};
}

Report ended(const RunbookState& state, std::string text) {
  return {.what = Report::What::done, .text = std::move(text), .receipt = to_json(state)};
}

Report stopped(const RunbookState& state, Report::What what, std::string text) {
  // Once something was done it is the agent's to take back.
  return {.what = state.anything_done ? Report::What::refused : what,
          .text = std::move(text),
          .receipt = to_json(state),
          .may_have_acted = state.anything_done};
}

void enter(RunbookState& state, Phase phase, Time now) {
  state.phase = phase;
  state.since = now;
  state.tries = 0;
  state.holding_since.reset();
}

void enter_step(RunbookState& state, std::size_t step, Phase phase, Time now) {
  enter(state, phase, now);
  state.step = step;
  state.checked = state.may_have_acted = false;
  state.job.clear();
}

Report next_step(const Runbook& runbook, RunbookState& state, Time now) {
  const std::string done = title(runbook, state) + ": done";
  if (state.step + 1 == runbook.size()) {
    enter(state, Phase::done, now);
    return ended(state, std::to_string(runbook.size()) + " steps are done");
  }
  enter_step(state, state.step + 1, Phase::sending, now);
  return goes_on(done + "; " + title(runbook, state) + ": begins", &state, Duration{});
}

void keep_receipt(const RunbookStep& step, RunbookState& state, const Report& report) {
  if (report.receipt.is_null()) return;
  const auto job =
      report.receipt.is_object() ? report.receipt.find("job_url") : report.receipt.end();
  if (report.receipt.is_object() && job != report.receipt.end() && job->is_string()) {
    state.job = *job;
  } else {
    state.receipts[step.name] = report.receipt;
  }
}

// Of the step's effect, or of the question for its job.
Report take_effect(const Runbook& runbook, RunbookState& state, const Report& report, Time now,
                   double unit) {
  const RunbookStep& step = runbook[state.step];
  const std::string name = title(runbook, state) + ": ";
  const bool watches = state.phase == Phase::watching;
  keep_receipt(step, state, report);
  state.may_have_acted |= report.may_have_acted || report.what == Report::What::done ||
                          report.what == Report::What::going_on;
  state.anything_done |= state.may_have_acted;
  const Duration limit = watches ? step.delivery.job.timeout : step.delivery.retry_for;
  switch (report.what) {
    case Report::What::done:
      if (!step.check) return next_step(runbook, state, now);
      enter(state, Phase::checking, now);
      return goes_on(name + report.text + "; its check is read", &state, Duration{});
    case Report::What::going_on: {
      const Duration again = report.again.value_or(step.delivery.job.every);
      if (!watches) {
        enter(state, Phase::watching, now);
        return goes_on(name + report.text, &state, again);
      }
      if (now - state.since > limit) {
        return stopped(state, Report::What::refused,
                       name + "its job did not end within " + format_duration(limit));
      }
      return goes_on(name + report.text, nullptr, again);
    }
    case Report::What::failed: {
      ++state.tries;
      const Duration again = report.again.value_or(retry_delay(state.tries, unit));
      if (now + again - state.since > limit)
        return stopped(state, Report::What::refused, name + "given up: " + report.text);
      return goes_on(name + "tried again: " + report.text, &state, again);
    }
    case Report::What::refused:
    case Report::What::handed_over:
      break;
  }
  return stopped(state, report.what, name + report.text);
}

// Of the executor's check: what it saw is kept before its effect.
Report take_permission(const Runbook& runbook, RunbookState& state, const Report& report, Time now,
                       double unit) {
  if (report.what != Report::What::done) return take_effect(runbook, state, report, now, unit);
  keep_receipt(runbook[state.step], state, report);
  state.checked = true;
  return goes_on(title(runbook, state) + ": " + (report.text.empty() ? "checked" : report.text),
                 &state, Duration{});
}

Report take_reading(const Runbook& runbook, RunbookState& state, const Reading& reading, Time now) {
  const Verify& check = *runbook[state.step].check;
  const std::string name = title(runbook, state) + ": ";
  const Duration again = verify_every(check);
  if (reading.holds) {
    const bool began = !state.holding_since;
    if (began) state.holding_since = now;
    if (now - *state.holding_since >= check.lasting) return next_step(runbook, state, now);
    return goes_on(name + "its check holds (" + reading.words + ")", began ? &state : nullptr,
                   std::min(again, *state.holding_since + check.lasting - now));
  }
  const bool had_held = state.holding_since.has_value();
  state.holding_since.reset();
  if (now - state.since >= check.within) {
    return stopped(state, Report::What::refused,
                   name + "its check did not hold within " + format_duration(check.within) + " (" +
                       reading.words + ")");
  }
  return goes_on(name + "its check does not hold yet (" + reading.words + ")",
                 had_held ? &state : nullptr, std::min(again, state.since + check.within - now));
}

// To the last of the steps up to `count` that can be taken back.
Report undo_from(const Runbook& runbook, RunbookState& state, std::size_t count, Time now) {
  while (count > 0 && !runbook[count - 1].can_be_undone())
    state.left.push_back(runbook[--count].name);
  if (count == 0) {
    enter(state, Phase::undone, now);
    return ended(state, "its steps are taken back" +
                            (state.left.empty() ? std::string()
                                                : "; left as they are: " + names_of(state.left)));
  }
  enter_step(state, count - 1, Phase::undo_sending, now);
  return goes_on(title(runbook, state) + " is taken back", &state, Duration{});
}

Report take_undo(const Runbook& runbook, RunbookState& state, const Report& report, Time now,
                 double unit) {
  const std::string name = title(runbook, state) + ", undo: ";
  switch (report.what) {
    case Report::What::done:
      return undo_from(runbook, state, state.step, now);
    case Report::What::going_on: {
      keep_receipt(runbook[state.step], state, report);
      const bool is_new = state.phase != Phase::undo_watching;
      if (is_new) enter(state, Phase::undo_watching, now);
      return goes_on(name + report.text, is_new ? &state : nullptr,
                     report.again.value_or(std::chrono::seconds(2)));
    }
    case Report::What::failed:
      ++state.tries;
      return goes_on(name + "tried again: " + report.text, &state,
                     report.again.value_or(retry_delay(state.tries, unit)));
    case Report::What::refused:
    case Report::What::handed_over:
      break;
  }
  return {.what = Report::What::refused, .text = name + report.text, .receipt = to_json(state)};
}

Json step_json(const RunbookStep& step) {
  Json json = {{"name", step.name},
               {"kind", name(step.kind)},
               {"executor", step.executor},
               {"target", step.target},
               {"delivery", to_json(step.delivery)},
               {"undo_by_executor", step.undo_by_executor}};
  if (step.check) json["check"] = to_json(*step.check);
  if (step.undo) json["undo"] = to_json(*step.undo);
  return json;
}

RunbookStep read_step(const Json& json) {
  RunbookStep step;
  step.name = json.at("name");
  const auto kind = parse_kind(json.at("kind").get<std::string>());
  if (!kind) throw std::invalid_argument("unknown kind");
  step.kind = *kind;
  step.executor = json.at("executor");
  step.target = json.at("target");
  step.delivery = read_delivery(json.at("delivery"));
  step.undo_by_executor = json.at("undo_by_executor");
  if (json.contains("check")) step.check = read_verify(json.at("check"));
  if (json.contains("undo")) step.undo = read_delivery(json.at("undo"));
  return step;
}

}  // namespace

Json to_json(const Runbook& runbook) {
  Json steps = Json::array();
  for (const RunbookStep& step : runbook) steps.push_back(step_json(step));
  return {{"steps", steps}};
}

Result<Runbook> runbook_from_json(const Json& json) {
  try {
    Runbook runbook;
    for (const Json& step : json.at("steps")) runbook.push_back(read_step(step));
    if (runbook.empty()) return fail("bad_runbook", "a runbook without steps");
    return runbook;
  } catch (const std::exception& error) {
    return fail("bad_runbook", error.what());
  }
}

Duration longest(const Runbook& runbook) {
  Duration sum{};
  for (const RunbookStep& step : runbook) {
    sum += step.delivery.retry_for;
    if (step.delivery.job.enabled) sum += step.delivery.job.timeout;
    if (step.check) sum += step.check->within + step.check->lasting;
  }
  return sum;
}

std::string step_key(const std::string& action, const RunbookStep& step, bool undoes) {
  return action + "-" + step.name + (undoes ? "-undo" : "");
}

Json to_json(const RunbookState& state) {
  return {{"phase", enum_name(phases, state.phase)},
          {"step", state.step},
          {"since", format_rfc3339(state.since)},
          {"tries", state.tries},
          {"checked", state.checked},
          {"may_have_acted", state.may_have_acted},
          {"anything_done", state.anything_done},
          {"holding_since", time_json(state.holding_since)},
          {"job", state.job},
          {"waits", state.waits},
          {"receipts", state.receipts},
          {"left", state.left}};
}

Result<RunbookState> runbook_state_from_json(const Json& json) {
  RunbookState state;
  if (json.is_null()) return state;
  try {
    const auto phase = parse_enum_name(phases, json.at("phase").get<std::string>());
    if (!phase) throw std::invalid_argument("unknown phase");
    state.phase = *phase;
    state.step = json.at("step");
    state.since = read_time(json, "since").value();
    state.tries = json.at("tries");
    state.checked = json.at("checked");
    state.may_have_acted = json.at("may_have_acted");
    state.anything_done = json.at("anything_done");
    state.holding_since = read_time(json, "holding_since");
    state.job = json.at("job");
    state.waits = json.at("waits");
    state.receipts = json.at("receipts").get<std::map<std::string, Json>>();
    state.left = json.at("left").get<std::vector<std::string>>();
    return state;
  } catch (const std::exception& error) {
    return fail("bad_runbook", error.what());
  }
}

bool leaves_the_agent(const RunbookState& state) {
  return state.phase == Phase::sending || state.phase == Phase::undo_sending;
}

Report advance(const Runbook& runbook, RunbookState& state, const Findings& found, Time now,
               double unit) {
  state.waits.clear();
  switch (state.phase) {
    case Phase::ready:
      enter(state, Phase::sending, now);
      return goes_on(title(runbook, state) + ": begins", &state, Duration{});
    case Phase::sending:
      if (!runbook[state.step].executor.empty() && !state.checked)
        return take_permission(runbook, state, *found.report, now, unit);
      return take_effect(runbook, state, *found.report, now, unit);
    case Phase::watching:
      return take_effect(runbook, state, *found.report, now, unit);
    case Phase::checking:
      return take_reading(runbook, state, *found.reading, now);
    case Phase::undo_sending:
    case Phase::undo_watching:
      return take_undo(runbook, state, *found.report, now, unit);
    case Phase::done:
    case Phase::undone:
      break;
  }
  return ended(state, "its steps are done");
}

Report wait(RunbookState& state, const std::string& why) {
  const bool is_new = state.waits != why;
  state.waits = why;
  return goes_on("waits: " + why, is_new ? &state : nullptr, std::chrono::seconds(1));
}

Report begin_undo(const Runbook& runbook, RunbookState& state, Time now) {
  const bool counts = state.phase == Phase::done || state.may_have_acted;
  return undo_from(runbook, state, state.step + (counts ? 1 : 0), now);
}

}  // namespace outrider::decide
