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
constexpr Duration release_window = std::chrono::hours(1);
// So many that changed, and as many that waited: the lock is held while they are decided.
constexpr std::size_t decided_at_once = 32;
constexpr std::size_t asked_at_once = 32;  // Besides those: the others wait meanwhile.
constexpr Duration just_past = std::chrono::milliseconds(1);  // What lapses lasts to its end.
// Events that decisions wait for, besides those of decide::Causes.
constexpr char free_place[] = "a place among the active";
constexpr char answers_of_prometheus[] = "answers";
constexpr Duration held_takes = std::chrono::milliseconds(10);  // Of the time, for each held one.

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
      book_(settings.book),
      active_(clock, journal, metrics),
      answers_{.policy = PolicyAnswers(settings.answers_last, dependencies_.value,
                                       dependencies_.ask, clock, metrics),
               .facts = {}} {}

void Dispatcher::restore() {
  std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  for (Incident& incident : journal_.incidents(true, settings_.book.open_max)) {
    book_.restore(std::move(incident));
  }
  for (Incident& incident : journal_.incidents(false, settings_.book.resolved_max)) {
    book_.restore(std::move(incident));
  }
  bring_up_all();
  for (const Action& action : journal_.held_actions()) {
    active_.ledger().note(action);
    const Incident* incident = book_.find(action.incident);
    if (!incident || !incident->open) anew_.decisions.ended(action.incident);
  }
  for (const Action& action : journal_.released_actions(now - release_window))
    active_.ledger().note(action);
  Journal::Write write(journal_);
  for (Action& action : journal_.active_actions()) {
    const std::string event = decide::take_up_again(action, now);
    if (!event.empty()) {
      active_.save(write, action, action.outcome, event);
      spdlog::warn("action {}: {}", action.id, event);
    }
    active_.add(std::move(action));
  }
  write.commit();
  publish_state();
}

void Dispatcher::set_policy(PolicyPointer policy) {
  {
    std::lock_guard lock(mutex_);
    policy_ = std::move(policy);
    bring_up_all();
    metrics_.set_dry_run(policy_->dry_run);
    has_news_ = true;
  }
  news_.notify_all();
}

// New ones still come before them.
void Dispatcher::bring_up_all() {
  for (const Incident* incident : book_.open())
    anew_.decisions.wait(incident->id, incident->opened_at, Time{});
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
      if (heard.what == IncidentBook::What::resolved) metrics_.observe_signals(*heard.incident);
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
    for (const auto& [id, touched_incident] : touched) {
      const Incident* incident = book_.find(id);
      if (incident && incident->open) {
        anew_.decisions.changed(id, incident->opened_at, now);
      } else {
        anew_.decisions.ended(id);
      }
    }
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
    std::vector<const Incident*> told;
    if (is_new) told = book_.on_change(change);
    for (const Incident* one : told) write.put(*one);
    write.commit();
    for (const Incident* one : told) anew_.decisions.changed(one->id, one->opened_at, clock_.now());
    has_news_ |= !told.empty();
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

void Dispatcher::each_open(const std::function<void(const Incident&)>& visit) const {
  std::lock_guard lock(mutex_);
  book_.each_open(visit);
}

std::optional<Incident> Dispatcher::incident(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const Incident* found = book_.find(id);
  return found ? std::optional(*found) : std::nullopt;
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
    if (incident->open) anew_.decisions.changed(id, incident->opened_at, clock_.now());
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
  active_.save(write, *action, before, action->reason);
  write.commit();
  active_.ledger().note(*action);
  spdlog::info("action {}: {}", action->id, action->reason);
  if (is_active(*action)) {
    active_.add(*action);
    was_let_go(*action);
  }
  publish_state();
  due_.notify_all();
  news_.notify_all();
  return *action;
}

Result<Action> Dispatcher::approve(const std::string& id, const std::string& person) {
  return by_person(id, [&](Action& action, Time now) -> Result<void> {
    const std::string paused = dependencies_.paused ? dependencies_.paused() : std::string();
    if (!paused.empty() && decide::changes_production(action.kind))
      return fail("paused", paused + "; resume first");
    if (!decide::lapse(action, now).empty()) return fail("expired", action.reason);
    return decide::approve(action, person, policy_->dry_run, now);
  });
}

Result<Action> Dispatcher::reject(const std::string& id, const std::string& person,
                                  const std::string& why) {
  return by_person(
      id, [&](Action& action, Time now) { return decide::reject(action, person, why, now); });
}

void Dispatcher::look() {
  Matters matters;
  {
    std::lock_guard lock(mutex_);
    has_news_ = false;
    look_at_the_switch();
    matters.due = anew_.decisions.take(clock_.now(), decided_at_once);
    matters.facts = anew_.facts.take(clock_.now(), asked_at_once);
  }
  try {
    look_at(matters);
  } catch (...) {
    // They are as undecided as they were.
    std::lock_guard lock(mutex_);
    for (const Agenda::Due& one : matters.due) {
      const Incident* incident = book_.find(one.incident);
      if (incident && incident->open) {
        anew_.decisions.changed(incident->id, incident->opened_at,
                                one.changed_at.value_or(clock_.now()));
      }
    }
    for (const Agenda::Due& one : matters.facts) {
      if (const Incident* incident = book_.find(one.incident))
        anew_.facts.wait(incident->id, incident->opened_at, clock_.now());
    }
    throw;
  }
}

void Dispatcher::look_at_the_switch() {
  std::string paused = dependencies_.paused ? dependencies_.paused() : std::string();
  if (paused == anew_.paused) return;
  anew_.paused = std::move(paused);
  anew_.decisions.hurry();
}

std::vector<Incident> Dispatcher::open_ones(const std::vector<Agenda::Due>& listed) const {
  std::lock_guard lock(mutex_);
  std::vector<Incident> found;
  for (const Agenda::Due& one : listed) {
    const Incident* incident = book_.find(one.incident);
    if (incident && incident->open) found.push_back(*incident);
  }
  return found;
}

void Dispatcher::look_at(const Matters& matters) {
  ask_about(matters);
  const PolicyPointer policy = this->policy();
  PolicyAnswers::Answers answers = answers_.policy.about(*policy, open_ones(matters.due));
  std::lock_guard lock(mutex_);
  const auto left = [this](const Action& action) { has_left(action); };
  active_.save_unsaved(left);
  const auto ended = [this](const std::string& id) {
    const Incident* incident = book_.find(id);
    return !incident || !incident->open;
  };
  active_.look(ended, left);
  // Another policy by now wants other answers: set_policy has brought up all but these.
  if (policy != policy_) return bring_up_all();
  decide_all(*policy, matters.due, std::move(answers));
  call_off_ended();
  publish_state();
  has_news_ |= anew_.decisions.has_due(clock_.now()) || anew_.facts.has_due(clock_.now());
  due_.notify_all();
}

// What is lacking is rows, as a rule, and those come: soon at first, then less often.
std::optional<Time> Dispatcher::facts_due_at(const Incident& incident) const {
  const auto& asked_at = incident.facts.asked_at;
  if (!asked_at) return incident.opened_at;
  if (!dependencies_.facts) return std::nullopt;
  const Time grown = *asked_at + (*asked_at - incident.opened_at);  // Half of its age then.
  const Time due = std::min(*asked_at + settings_.facts_every,
                            std::max(*asked_at + settings_.facts_soonest, grown));
  const bool unclear = incident.inputs == incident::Inputs::not_judged &&
                       due - incident.opened_at <= settings_.facts_for;
  return unclear ? std::optional(due) : std::nullopt;
}

bool Dispatcher::facts_are_due(const Incident& incident, Time now) const {
  const auto due = facts_due_at(incident);
  return due && now >= *due;
}

incident::Facts Dispatcher::facts_of(const Incident& incident) {
  const Time now = clock_.now();
  incident::Facts facts;
  if (!dependencies_.facts) {
    facts.trouble = "no Prometheus is given (--prometheus.url)";
  } else if (facts.trouble = answers_.facts.at(now); facts.trouble.empty()) {
    facts = dependencies_.facts(incident, now);
    metrics_.count_query(facts.trouble.empty());
    if (!facts.trouble.empty()) answers_.facts.begin(facts.trouble, clock_.now());
  }
  facts.asked_at = now;
  return facts;
}

// Those that are to be decided, if their facts are due, and those that only are asked about. The
// latter are decided anew where that told something new.
void Dispatcher::ask_about(const Matters& matters) {
  std::vector<std::pair<std::string, incident::Facts>> found;
  std::set<std::string> decided;
  for (const Agenda::Due& one : matters.due) decided.insert(one.incident);
  std::vector<Agenda::Due> asked = matters.due;
  for (const Agenda::Due& one : matters.facts) {
    if (!decided.contains(one.incident)) asked.push_back(one);
  }
  for (const Incident& incident : open_ones(asked)) {
    if (facts_are_due(incident, clock_.now())) found.emplace_back(incident.id, facts_of(incident));
  }
  if (found.empty()) return;
  std::lock_guard lock(mutex_);
  const auto changes = journal_.changes(clock_.now() - changes_lookback, changes_looked_at);
  Journal::Write write(journal_);
  for (auto& [id, facts] : found) {
    const bool tells_more = book_.set_facts(id, std::move(facts), changes);
    const Incident* current = book_.find(id);
    if (!current) continue;
    anew_.facts.wait(id, current->opened_at, facts_due_at(*current));
    if (!tells_more) continue;
    write.put(*current);
    if (!decided.contains(id)) anew_.decisions.wait(id, current->opened_at, Time{});
  }
  write.commit();
}

decide::Situation Dispatcher::situation_at(Time now,
                                           std::map<std::string, decide::Answered> answers) {
  decide::Situation situation;
  situation.underway = active_.underway();
  situation.paused = anew_.paused;
  active_.ledger().add_releases(now, release_window, situation);
  situation.answers = std::move(answers);
  return situation;
}

void Dispatcher::decide_all(const decide::Policy& policy, const std::vector<Agenda::Due>& due,
                            PolicyAnswers::Answers answers) {
  std::vector<const Incident*> incidents;
  for (const Agenda::Due& one : due) {
    const Incident* incident = book_.find(one.incident);
    if (!incident || !incident->open || !incident->facts.asked_at) continue;
    incidents.push_back(incident);
    metrics_.count_decision(one.changed_at.has_value());
  }
  look_at_the_switch();
  std::stable_sort(incidents.begin(), incidents.end(), [](const Incident* a, const Incident* b) {
    return a->opened_at < b->opened_at;
  });
  Round round{.situation = situation_at(clock_.now(), std::move(answers.conditions))};
  std::vector<std::pair<const Incident*, decide::Causes>> next;
  Journal::Write write(journal_);
  for (const Incident* incident : incidents)
    next.emplace_back(incident, decide_one(policy, *incident, answers, write, round));
  write.commit();
  for (const auto& [incident, causes] : next) {
    anew_.decisions.wait(incident->id, incident->opened_at, causes.at, causes.events);
    anew_.facts.wait(incident->id, incident->opened_at, facts_due_at(*incident));
  }
  for (Action& action : round.written) {
    active_.ledger().note(action);
    if (!is_active(action)) continue;
    was_let_go(action);
    active_.add(std::move(action));
  }
  look_at_the_hour(policy, round.situation);
  const Time now = clock_.now();
  for (const Agenda::Due& one : due) {
    if (one.changed_at) metrics_.observe_decision(now - *one.changed_at);
  }
}

void Dispatcher::look_at_the_hour(const decide::Policy& policy,
                                  const decide::Situation& situation) {
  const bool is_full = situation.automatic_last_hour >= policy.actions_per_hour;
  if (std::exchange(anew_.hour_is_full, is_full) != is_full)
    anew_.decisions.hurry(decide::limits_of_the_hour());
}

// Others of its model are in cool-down now.
void Dispatcher::was_let_go(const Action& action) {
  anew_.decisions.hurry(decide::course_of(action.kind, action.model));
  has_news_ |= anew_.decisions.has_due(clock_.now());
}

void Dispatcher::has_left(const Action& action) {
  anew_.decisions.hurry(free_place);
  anew_.decisions.hurry(decide::end_of(action.id));
  anew_.decisions.hurry(decide::course_of(action.kind, action.model));
  if (action.stage == Stage::held) {
    // It counts no longer, and is decided anew itself when it has waited.
    anew_.decisions.hurry(decide::limits_of_the_hour());
    const Incident* incident = book_.find(action.incident);
    if (incident && incident->open) anew_.decisions.wait(incident->id, incident->opened_at, Time{});
  }
  has_news_ |= anew_.decisions.has_due(clock_.now());
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

// However many wait for an answer, so many are decided a second.
Duration Dispatcher::held_every() const {
  const std::size_t waiting = anew_.decisions.waiting_for(answers_of_prometheus);
  return std::max(settings_.held_every, static_cast<Duration::rep>(waiting) * held_takes);
}

decide::Causes Dispatcher::decide_one(const decide::Policy& policy, const Incident& incident,
                                      const PolicyAnswers::Answers& answers,
                                      act::Journal::Write& write, Round& round) {
  const Time now = clock_.now();
  std::map<std::string, Action> held;
  std::set<std::string> settled;
  std::optional<Time> again;
  for (Action& action : journal_.actions_of(incident.id)) {
    const bool is_held = action.stage == Stage::held && !action.decided_by_person;
    const bool waits = decide::waits_after_refusal(action, now);
    if (is_held && waits) again = std::min(again.value_or(action.next_at), action.next_at);
    if (is_held && !waits) {
      held.emplace(action.id, std::move(action));
    } else {
      settled.insert(action.id);
    }
  }
  const auto past = past_of(incident, now - decide::lookback(policy));
  auto decisions =
      decide::decide(policy, incident, past, settled, answers.numbers, now, round.situation);
  decide::Causes causes = std::move(decisions.causes);
  if (again) causes.soonest(*again);
  if (causes.answers) {
    const auto kept = answers.kept_until.find(incident.id);
    const Time soonest = now + held_every();
    causes.soonest(kept == answers.kept_until.end() ? soonest : std::max(soonest, kept->second));
    causes.events.insert(answers_of_prometheus);
  }
  for (Action& action : decisions.actions)
    take_decision(std::move(action), held, causes, write, round);
  return causes;
}

void Dispatcher::take_decision(Action action, const std::map<std::string, Action>& held,
                               decide::Causes& causes, act::Journal::Write& write, Round& round) {
  const Time now = clock_.now();
  if (action.stage == Stage::queued &&
      active_.size() + round.let_go >= settings_.active_actions_max) {
    metrics_.count_turned_away();
    causes.events.insert(free_place);
    return;
  }
  const auto before = held.find(action.id);
  const bool is_new = before == held.end();
  if (!is_new) {
    action.created_at = before->second.created_at;
    action.course.refusals = before->second.course.refusals;
    decide::lapse(action, now);
  }
  if (action.needs_approval) causes.soonest(action.created_at + action.plan.expires + just_past);
  if (!is_new && !differs(before->second, action)) return;
  if (is_new || before->second.outcome != action.outcome)
    metrics_.count_outcome(action.kind, action.outcome);
  const std::string event =
      std::string(action.stage == Stage::queued ? "queued" : decide::name(action.outcome)) + ": " +
      action.reason;
  write.put(action, now, event);
  spdlog::info("action {} {}", action.id, event);
  if (action.stage == Stage::queued) {
    ++round.let_go;
    if (decide::changes_production(action.kind)) {
      round.situation.underway.push_back({.id = action.id, .who = action.identity()});
      ++round.situation.automatic_last_hour;
      round.situation.pods_last_hour[action.owner] += action.plan.pods.value_or(0);
    }
  }
  round.written.push_back(std::move(action));
}

void Dispatcher::call_off_ended() {
  const Time now = clock_.now();
  const auto ended = [this](const std::string& id) {
    const Incident* incident = book_.find(id);
    return !incident || !incident->open;
  };
  std::vector<Action> over = active_.idle_of(ended);
  const std::set<std::string> incidents = anew_.decisions.take_ended();
  try {
    for (const std::string& id : incidents) {
      if (!ended(id)) continue;
      for (Action& action : journal_.actions_of(id)) {
        if (action.stage == Stage::held) over.push_back(std::move(action));
      }
    }
    Journal::Write write(journal_);
    std::erase_if(over, [&](Action& action) {
      const Outcome before = action.outcome;
      if (!decide::call_off(action, now)) return true;
      active_.save(write, action, before, action.reason);
      return false;
    });
    write.commit();
  } catch (const JournalError&) {
    for (const std::string& id : incidents) anew_.decisions.ended(id);
    throw;
  }
  for (Action& action : over) {
    active_.ledger().note(action);
    active_.remove(action.id);
    if (is_active(action)) {
      active_.add(std::move(action));
    } else if (action.queued_at) {
      has_left(action);
    }
  }
}

ActiveActions::Gates Dispatcher::gates() const {
  return {.paused = dependencies_.paused,
          .fencing = dependencies_.fencing,
          .domain = policy_->failure_domain};
}

std::optional<Action> Dispatcher::take_due(Duration limit) {
  std::unique_lock lock(mutex_);
  auto action = active_.take_due(gates());
  if (!action && limit > Duration{} && !stopping_) {
    due_.wait_for(lock, limit);
    action = active_.take_due(gates());
  }
  return stopping_ ? std::nullopt : action;
}

void Dispatcher::give_back(Action action, const decide::Findings& findings) {
  std::lock_guard lock(mutex_);
  const auto given = active_.give_back(std::move(action), findings);
  due_.notify_all();  // A precondition that holds is followed by the request at once.
  if (!given.is_news) return;
  publish_state();
  if (given.left) has_left(*given.left);
  if (has_news_) news_.notify_all();
}

void Dispatcher::publish_state() {
  metrics_.set_state(book_.open_count(), active_.size(), active_.ledger().awaiting());
}

bool Dispatcher::wait_for_news(Duration limit) {
  std::unique_lock lock(mutex_);
  return news_.wait_for(lock, limit, [this] { return has_news_ || stopping_; });
}

void Dispatcher::wake() {
  {
    std::lock_guard lock(mutex_);
    has_news_ = true;
  }
  news_.notify_all();
  due_.notify_all();
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
