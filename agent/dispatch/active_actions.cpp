// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/active_actions.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace outrider {
namespace {

using act::Journal;
using act::JournalError;
using decide::Action;
using decide::Outcome;
using decide::Stage;
using decide::Task;

constexpr Duration journal_retry = std::chrono::seconds(1);
constexpr Duration gate_retry = std::chrono::seconds(1);

bool is_active(const Action& action) {
  return action.stage != Stage::held && action.stage != Stage::done;
}

// Something of it has left the agent.
bool has_begun(const Action& action) {
  return action.attempts > 0 && is_active(action);
}

}  // namespace

void ActiveActions::add(Action action) {
  const std::string id = action.id;
  active_.insert_or_assign(id, Active{.action = std::move(action)});
}

std::vector<Action> ActiveActions::idle_of(
    const std::function<bool(const std::string& incident)>& is_one) const {
  std::vector<Action> idle;
  for (const auto& [id, active] : active_) {
    if (!active.busy && is_one(active.action.incident)) idle.push_back(active.action);
  }
  return idle;
}

std::vector<decide::Situation::Underway> ActiveActions::underway() const {
  std::vector<decide::Situation::Underway> found;
  for (const auto& [id, active] : active_) {
    // What could not be written yet goes on, as far as the journal knows.
    const bool goes_on = is_active(active.action) || active.unsaved;
    if (goes_on && decide::changes_production(active.action.kind))
      found.push_back({.id = id, .who = active.action.identity()});
  }
  return found;
}

// Ticket and notify tell people, so only the lease stops them.
bool ActiveActions::may_leave(const Active& active, const Gates& gates,
                              const std::vector<const Action*>& begun, std::string& why) const {
  const Action& action = active.action;
  if (gates.fencing && !gates.fencing()) {
    why = "another agent holds the lease";
    return false;
  }
  if (!decide::changes_production(action.kind)) return true;
  why = gates.paused ? gates.paused() : std::string();
  if (!why.empty()) return false;
  if (has_begun(action)) return true;
  for (const Action* other : begun) {
    if (other->id == action.id || !gates.domain.may_share(other->identity(), action.identity()))
      continue;
    why = "another action goes on in " + action.plan.domain + ": " + other->id;
    return false;
  }
  return true;
}

std::optional<Action> ActiveActions::take_due(const Gates& gates) {
  const Time now = clock_.now();
  std::vector<Active*> due;
  std::vector<const Action*> begun;
  for (auto& [id, active] : active_) {
    if (has_begun(active.action) && decide::changes_production(active.action.kind))
      begun.push_back(&active.action);
    if (active.busy || active.unsaved || active.action.next_at > now) continue;
    const Task task = decide::task_of(active.action, now);
    if (task == Task::nothing) continue;
    // The agent's own verdict is look()'s to read.
    if (task == Task::verify && active.action.plan.verify->incident_ended) continue;
    due.push_back(&active);
  }
  std::sort(due.begin(), due.end(),
            [](const Active* a, const Active* b) { return a->action.next_at < b->action.next_at; });
  for (Active* active : due) {
    const Task task = decide::task_of(active->action, now);
    std::string why;
    const bool asks = task == Task::check || decide::leaves_the_agent(task);
    if (!asks || may_leave(*active, gates, begun, why)) return hand_out(*active, gates);
    active->action.reason = "waits: " + why;
    active->action.next_at = now + gate_retry;
  }
  return std::nullopt;
}

std::optional<Action> ActiveActions::hand_out(Active& active, const Gates& gates) {
  const Time now = clock_.now();
  if (!decide::leaves_the_agent(decide::task_of(active.action, now))) {
    active.busy = true;
    return active.action;
  }
  Action action = active.action;
  const Outcome before = action.outcome;
  const std::int64_t fencing = gates.fencing ? gates.fencing().value_or(0) : 0;
  const std::string event = decide::begin_attempt(action, fencing, now);
  try {
    Journal::Write write(journal_);
    save(write, action, before, event);
    write.commit();
  } catch (const JournalError& error) {
    // Without a journalled intent nothing leaves the agent.
    metrics_.count_journal_failure();
    spdlog::error("action {} waits: {}", action.id, error.what());
    active.action.next_at = now + journal_retry;
    return std::nullopt;
  }
  active.action = action;
  active.busy = true;
  return action;
}

ActiveActions::Given ActiveActions::give_back(Action action, const decide::Findings& findings) {
  const auto found = active_.find(action.id);
  if (found == active_.end()) return {};
  const Outcome before = action.outcome;
  const bool was_sent = action.stage == Stage::sending || action.stage == Stage::undo_sending;
  if (was_sent && findings.report) metrics_.count_attempt(findings.report->status);
  const double unit = std::uniform_real_distribution<double>(0, 1)(random_);
  const std::string event = decide::take_findings(action, findings, clock_.now(), unit);
  Active& active = found->second;
  active.busy = false;
  active.action = std::move(action);
  if (event.empty()) return {};
  return keep(active, before, event);
}

ActiveActions::Given ActiveActions::keep(Active& active, Outcome before, const std::string& event) {
  spdlog::info("action {} {}: {}", active.action.id, decide::state(active.action), event);
  try {
    Journal::Write write(journal_);
    save(write, active.action, before, event);
    write.commit();
  } catch (const JournalError& error) {
    metrics_.count_journal_failure();
    spdlog::error("action {}: its outcome is not on disk yet: {}", active.action.id, error.what());
    active.unsaved = true;
    return {.is_news = true};
  }
  ledger_.note(active.action);
  if (is_active(active.action)) return {.is_news = true};
  Given given{.is_news = true, .left = std::move(active.action)};
  active_.erase(given.left->id);
  return given;
}

void ActiveActions::look(const std::function<bool(const std::string& incident)>& ended,
                         const Left& left) {
  const Time now = clock_.now();
  std::vector<std::string> ids;
  for (const auto& [id, active] : active_) {
    if (!active.busy && !active.unsaved) ids.push_back(id);
  }
  for (const std::string& id : ids) {
    Active& active = active_.at(id);
    Action& action = active.action;
    const Outcome before = action.outcome;
    std::string event = decide::lapse(action, now);
    if (event.empty() && action.stage == Stage::verifying && action.plan.verify->incident_ended &&
        action.next_at <= now) {
      const bool has_ended = ended(action.incident);
      event =
          decide::take_verification(action,
                                    {.query = "",
                                     .holds = has_ended,
                                     .words = has_ended ? "the incident's alerts have ended"
                                                        : "the incident's alerts have not ended"},
                                    now);
    }
    if (event.empty()) continue;
    if (const Given given = keep(active, before, event); given.left) left(*given.left);
  }
}

void ActiveActions::save_unsaved(const Left& left) {
  for (auto it = active_.begin(); it != active_.end();) {
    Active& active = it->second;
    if (active.unsaved) {
      Journal::Write write(journal_);
      write.put(active.action, clock_.now(), active.action.reason);
      write.commit();
      ledger_.note(active.action);
      active.unsaved = false;
    }
    if (is_active(active.action)) {
      ++it;
    } else {
      const Action action = std::move(active.action);
      it = active_.erase(it);
      left(action);
    }
  }
}

void ActiveActions::save(Journal::Write& write, const Action& action, Outcome before,
                         const std::string& event) {
  write.put(action, clock_.now(), event);
  if (action.outcome != before) metrics_.count_outcome(action.kind, action.outcome);
}

}  // namespace outrider
