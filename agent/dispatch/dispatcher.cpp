// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/core/text.h"

namespace outrider {
namespace {

using act::Journal;
using act::JournalError;
using decide::Action;
using decide::Outcome;
using decide::Stage;
using incident::Incident;
using incident::IncidentBook;

constexpr std::size_t changes_looked_at = 1'000;
constexpr Duration changes_lookback = std::chrono::hours(24);
constexpr Duration journal_retry = std::chrono::seconds(1);

bool is_active(const Action& action) {
  return action.stage != Stage::held && action.stage != Stage::done;
}

// Whether a newer decision says anything else than the one in the journal.
bool differs(const Action& a, const Action& b) {
  return a.stage != b.stage || a.outcome != b.outcome || a.reason != b.reason ||
         a.needs_approval != b.needs_approval || a.delivery.body != b.delivery.body ||
         a.delivery.url != b.delivery.url;
}

}  // namespace

Dispatcher::Dispatcher(Settings settings, const Clock& clock, Journal& journal,
                       AgentMetrics& metrics, Dependencies dependencies)
    : settings_(settings),
      clock_(clock),
      journal_(journal),
      metrics_(metrics),
      dependencies_(std::move(dependencies)),
      policy_(std::make_shared<decide::Policy>()),
      book_(settings.book) {}

void Dispatcher::restore() {
  std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  for (Incident& incident : journal_.incidents(true, settings_.book.open_max)) {
    book_.restore(std::move(incident));
  }
  for (Incident& incident : journal_.incidents(false, settings_.book.resolved_max)) {
    book_.restore(std::move(incident));
  }
  Journal::Write write(journal_);
  for (Action& action : journal_.active_actions()) {
    const std::string event = decide::take_up_again(action, now);
    if (!event.empty()) {
      save(write, action, action.outcome, event);
      spdlog::warn("action {}: {}", action.id, event);
    }
    activate(std::move(action));
  }
  write.commit();
  publish_state();
}

void Dispatcher::set_policy(PolicyPointer policy) {
  {
    std::lock_guard lock(mutex_);
    policy_ = std::move(policy);
    metrics_.set_dry_run(policy_->dry_run);
    has_news_ = true;
  }
  news_.notify_all();
}

Dispatcher::PolicyPointer Dispatcher::policy() const {
  std::lock_guard lock(mutex_);
  return policy_;
}

Dispatcher::Receipt Dispatcher::receive(const wire::AlertWebhook& webhook) {
  Receipt receipt{.alerts = webhook.alerts.size(), .results = {}};
  {
    std::lock_guard lock(mutex_);
    const Time now = clock_.now();
    std::map<std::string, const Incident*> touched;
    for (const wire::WebhookAlert& alert : webhook.alerts) {
      const IncidentBook::Heard heard = book_.on_alert(alert, now);
      metrics_.count_alert(heard.what);
      ++receipt.results[std::string(incident::name(heard.what))];
      if (heard.what == IncidentBook::What::refused) {
        spdlog::warn("alert {}: turned away, as {} incidents are open or its incident is full",
                     alert.labels.get("alertname"), book_.open_count());
      }
      if (!heard.incident || heard.what == IncidentBook::What::stale) continue;
      touched[heard.incident->id] = heard.incident;
      for (const std::string& id : heard.changed) {
        touched[id] = book_.find(id);
        if (!touched[id]->merged_into.empty())
          spdlog::info("incident {} merged into {}", id, touched[id]->merged_into);
      }
      if (heard.what == IncidentBook::What::opened || heard.what == IncidentBook::What::reopened ||
          heard.what == IncidentBook::What::resolved) {
        spdlog::info("incident {} {}: {} {} {}", heard.incident->id, incident::name(heard.what),
                     heard.incident->alert, heard.incident->model,
                     place_text(heard.incident->identity()));
      }
    }
    metrics_.count_truncated(webhook.truncated_alerts);
    Journal::Write write(journal_);
    for (const auto& [id, incident] : touched) {
      // A later alert of this webhook may have pushed a resolved incident out of the book.
      if (incident && book_.find(id) == incident) write.put(*incident);
    }
    write.commit();
    has_news_ = true;
    publish_state();
  }
  news_.notify_all();
  return receipt;
}

std::vector<Labels> Dispatcher::firing(std::string_view alert) const {
  std::lock_guard lock(mutex_);
  std::vector<Labels> labels;
  for (const Incident* incident : book_.open()) {
    if (incident->alert != alert) continue;
    for (const incident::Member& member : incident->members) {
      if (member.firing) labels.push_back(member.labels);
    }
  }
  return labels;
}

bool Dispatcher::receive(const incident::Change& change) {
  bool is_new = false;
  {
    std::lock_guard lock(mutex_);
    Journal::Write write(journal_);
    is_new = write.put(change);
    write.commit();
    has_news_ = true;
  }
  metrics_.count_change();
  news_.notify_all();
  return is_new;
}

void Dispatcher::set_grouping(incident::GroupingRules rules) {
  std::lock_guard lock(mutex_);
  book_.set_rules(std::move(rules));
}

void Dispatcher::set_topology(incident::Topology topology) {
  std::lock_guard lock(mutex_);
  book_.set_topology(std::move(topology));
}

std::vector<Incident> Dispatcher::open_incidents() const {
  std::lock_guard lock(mutex_);
  std::vector<Incident> open;
  for (const Incident* incident : book_.open()) open.push_back(*incident);
  return open;
}

std::vector<incident::Change> Dispatcher::changes_since(Time since) const {
  return journal_.changes(since, changes_looked_at);
}

void Dispatcher::receive(const std::string& id, incident::Diagnosis diagnosis,
                         std::optional<incident::Slices> slices) {
  {
    std::lock_guard lock(mutex_);
    metrics_.count_diagnosis(diagnosis.named);
    const Incident* incident = book_.set_diagnosis(id, std::move(diagnosis), std::move(slices));
    if (!incident) return;
    spdlog::info("incident {}: {}", id, incident->diagnosis->sentence);
    Journal::Write write(journal_);
    write.put(*incident);
    write.commit();
    has_news_ = true;
  }
  news_.notify_all();
}

Result<Action> Dispatcher::by_person(const std::string& id,
                                     const std::function<Result<void>(Action&, Time)>& word) {
  std::lock_guard lock(mutex_);
  auto action = journal_.action(id);
  if (!action) return fail("not_found", "no action is called '" + id + "'; see /api/v1/actions");
  const Outcome before = action->outcome;
  const Time now = clock_.now();
  if (auto ok = word(*action, now); !ok) return fail(ok);
  Journal::Write write(journal_);
  save(write, *action, before, action->reason);
  write.commit();
  spdlog::info("action {}: {}", action->id, action->reason);
  if (is_active(*action)) activate(*action);
  publish_state();
  due_.notify_all();
  return *action;
}

Result<Action> Dispatcher::approve(const std::string& id, const std::string& person) {
  return by_person(id, [&](Action& action, Time now) {
    return decide::approve(action, person, policy_->dry_run, now);
  });
}

Result<Action> Dispatcher::reject(const std::string& id, const std::string& person,
                                  const std::string& why) {
  return by_person(
      id, [&](Action& action, Time now) { return decide::reject(action, person, why, now); });
}

void Dispatcher::look() {
  std::vector<Incident> open;
  PolicyPointer policy;
  {
    std::lock_guard lock(mutex_);
    has_news_ = false;
    for (const Incident* incident : book_.open()) open.push_back(*incident);
    policy = policy_;
  }
  ask_about(open);
  const decide::Answers answers = answers_for(*policy, open);
  std::lock_guard lock(mutex_);
  save_unsaved();
  decide_all(*policy, answers);
  call_off_ended();
  publish_state();
  due_.notify_all();
}

void Dispatcher::ask_about(const std::vector<Incident>& incidents) {
  std::string silent;  // Once Prometheus does not answer, the others are not made to wait for it.
  for (const Incident& incident : incidents) {
    const Time now = clock_.now();
    const auto& asked_at = incident.facts.asked_at;
    const bool unclear = incident.inputs == incident::Inputs::not_judged &&
                         now - incident.opened_at <= settings_.facts_for;
    // What is lacking is rows, as a rule, and those come: soon at first, then less often.
    const Duration patience = std::clamp<Duration>((now - incident.opened_at) / 2,
                                                   settings_.facts_soonest, settings_.facts_every);
    if (asked_at && !(unclear && now - *asked_at >= patience)) continue;
    incident::Facts facts;
    if (silent.empty()) {
      facts = dependencies_.facts(incident, now);
      metrics_.count_query(facts.trouble.empty());
    } else {
      facts.trouble = silent;
    }
    facts.asked_at = now;
    silent = facts.trouble;

    std::lock_guard lock(mutex_);
    const auto changes = journal_.changes(now - changes_lookback, changes_looked_at);
    const Incident* current = book_.set_facts(incident.id, std::move(facts), changes);
    if (!current) continue;
    Journal::Write write(journal_);
    write.put(*current);
    write.commit();
  }
}

decide::Answers Dispatcher::answers_for(const decide::Policy& policy,
                                        const std::vector<Incident>& incidents) {
  const Time now = clock_.now();
  std::erase_if(answers_, [&](const auto& entry) {
    return now - entry.second.asked_at > settings_.answers_last;
  });
  decide::Answers answers;
  bool silent = false;
  for (const Incident& incident : incidents) {
    for (const std::string& query : decide::queries(policy, incident)) {
      auto cached = answers_.find(query);
      if (cached == answers_.end() && !silent) {
        cached = answers_.emplace(query, CachedAnswer{dependencies_.value(query), now}).first;
        silent = !cached->second.value;
        metrics_.count_query(!silent);
      }
      if (cached != answers_.end() && cached->second.value) answers[query] = *cached->second.value;
    }
  }
  return answers;
}

void Dispatcher::decide_all(const decide::Policy& policy, const decide::Answers& answers) {
  std::vector<Action> let_go;
  Journal::Write write(journal_);
  for (const Incident* incident : book_.open()) {
    if (incident->facts.asked_at) decide_one(policy, *incident, answers, write, let_go);
  }
  write.commit();
  for (Action& action : let_go) activate(std::move(action));
}

std::vector<decide::Past> Dispatcher::past_of(const Incident& incident, Time since) const {
  std::vector<decide::Past> past = journal_.past(incident.identity(), since);
  std::set<incident::Identity> asked = {incident.identity()};
  for (const incident::Signal& signal : incident.grouped) {
    if (!asked.insert(signal.identity()).second) continue;
    for (decide::Past& one : journal_.past(signal.identity(), since)) {
      const bool known = std::any_of(past.begin(), past.end(), [&one](const decide::Past& other) {
        return other.kind == one.kind && other.who == one.who && other.at == one.at;
      });
      if (!known) past.push_back(std::move(one));
    }
  }
  return past;
}

void Dispatcher::decide_one(const decide::Policy& policy, const Incident& incident,
                            const decide::Answers& answers, Journal::Write& write,
                            std::vector<Action>& let_go) {
  const Time now = clock_.now();
  std::map<std::string, Action> held;
  std::set<std::string> settled;
  for (Action& action : journal_.actions_of(incident.id)) {
    if (action.stage == Stage::held && !action.decided_by_person) {
      held.emplace(action.id, std::move(action));
    } else {
      settled.insert(action.id);
    }
  }
  const auto past = past_of(incident, now - decide::lookback(policy));
  for (Action& action : decide::decide(policy, incident, past, settled, answers, now).actions) {
    if (action.stage == Stage::queued &&
        active_.size() + let_go.size() >= settings_.active_actions_max) {
      metrics_.count_turned_away();
      continue;
    }
    const auto before = held.find(action.id);
    const bool is_new = before == held.end();
    if (!is_new) {
      if (!differs(before->second, action)) continue;
      action.created_at = before->second.created_at;
    }
    if (is_new || before->second.outcome != action.outcome) {
      metrics_.count_outcome(action.kind, action.outcome);
    }
    const std::string event =
        std::string(action.stage == Stage::queued ? "queued" : decide::name(action.outcome)) +
        ": " + action.reason;
    write.put(action, now, event);
    spdlog::info("action {} {}", action.id, event);
    if (action.stage == Stage::queued) let_go.push_back(std::move(action));
  }
}

void Dispatcher::call_off_ended() {
  const Time now = clock_.now();
  const auto ended = [this](const Action& action) {
    const Incident* incident = book_.find(action.incident);
    return !incident || !incident->open;
  };
  std::vector<Action> candidates;
  for (Action& action : journal_.held_actions()) candidates.push_back(std::move(action));
  for (const auto& [id, active] : active_) {
    if (!active.busy) candidates.push_back(active.action);
  }
  Journal::Write write(journal_);
  std::vector<std::string> over;
  for (Action& action : candidates) {
    const Outcome before = action.outcome;
    if (!ended(action) || !decide::call_off(action, now)) continue;
    save(write, action, before, action.reason);
    over.push_back(action.id);
  }
  write.commit();
  for (const std::string& id : over) active_.erase(id);
}

std::optional<Action> Dispatcher::take_due(Duration limit) {
  std::unique_lock lock(mutex_);
  const auto next_due = [this]() -> Active* {
    const Time now = clock_.now();
    Active* earliest = nullptr;
    for (auto& [id, active] : active_) {
      if (active.busy || active.unsaved || active.action.next_at > now) continue;
      if (!earliest || active.action.next_at < earliest->action.next_at) earliest = &active;
    }
    return earliest;
  };
  Active* active = next_due();
  if (!active) {
    due_.wait_for(lock, limit);
    active = next_due();
  }
  if (!active || stopping_) return std::nullopt;
  if (active->action.stage == Stage::watching) {
    active->busy = true;
    return active->action;
  }
  Action action = active->action;
  const Outcome before = action.outcome;
  decide::begin_attempt(action, clock_.now());
  try {
    Journal::Write write(journal_);
    save(write, action, before, "attempt " + std::to_string(action.attempts) + " begins");
    write.commit();
  } catch (const JournalError& error) {
    // Without a journalled intent nothing leaves the agent.
    metrics_.count_journal_failure();
    spdlog::error("action {} waits: {}", action.id, error.what());
    active->action.next_at = clock_.now() + journal_retry;
    return std::nullopt;
  }
  active->action = action;
  active->busy = true;
  return action;
}

void Dispatcher::give_back(Action action, const decide::Answer& answer) {
  std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  const Outcome before = action.outcome;
  std::string event;
  if (action.stage == Stage::watching) {
    event = decide::take_job_answer(action, answer, now);
  } else {
    metrics_.count_attempt(answer.status);
    const double unit = std::uniform_real_distribution<double>(0, 1)(random_);
    event = decide::take_answer(action, answer, now, unit);
  }
  const auto found = active_.find(action.id);
  if (found == active_.end()) return;
  Active& active = found->second;
  active.busy = false;
  active.action = std::move(action);
  if (event.empty()) return;
  spdlog::info("action {} {}: {}", active.action.id, decide::name(active.action.outcome), event);
  has_news_ = true;
  news_.notify_all();
  try {
    Journal::Write write(journal_);
    save(write, active.action, before, event);
    write.commit();
    if (!is_active(active.action)) active_.erase(found);
  } catch (const JournalError& error) {
    metrics_.count_journal_failure();
    spdlog::error("action {}: its outcome is not on disk yet: {}", active.action.id, error.what());
    active.unsaved = true;
  }
  publish_state();
}

void Dispatcher::save_unsaved() {
  for (auto it = active_.begin(); it != active_.end();) {
    Active& active = it->second;
    if (active.unsaved) {
      Journal::Write write(journal_);
      write.put(active.action, clock_.now(), active.action.reason);
      write.commit();
      active.unsaved = false;
    }
    it = is_active(active.action) ? std::next(it) : active_.erase(it);
  }
}

void Dispatcher::save(Journal::Write& write, const Action& action, Outcome before,
                      const std::string& event) {
  write.put(action, clock_.now(), event);
  if (action.outcome != before) metrics_.count_outcome(action.kind, action.outcome);
}

void Dispatcher::activate(Action action) {
  const std::string id = action.id;
  active_.insert_or_assign(id, Active{.action = std::move(action)});
}

void Dispatcher::publish_state() {
  std::size_t awaiting = 0;
  for (const Action& action : journal_.held_actions()) awaiting += action.needs_approval;
  metrics_.set_state(book_.open_count(), active_.size(), awaiting);
}

bool Dispatcher::wait_for_news(Duration limit) {
  std::unique_lock lock(mutex_);
  return news_.wait_for(lock, limit, [this] { return has_news_ || stopping_; });
}

void Dispatcher::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_all();
  due_.notify_all();
}

}  // namespace outrider
