// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/diagnosis.h"

#include <algorithm>
#include <cmath>

#include "agent/diagnose/effects.h"
#include "agent/diagnose/evidence.h"
#include "agent/diagnose/exclusive_excess.h"
#include "agent/diagnose/reason.h"

namespace outrider::diagnose {
namespace {

// What the steps have found.
struct Work {
  const Question& question;
  Timeline time;
  Excesses channels = {};
  std::vector<LogChanges> logs = {};  // Empty without logs.
  std::vector<ComponentScore> scores = {};
  double best = 0;        // The best score, as calm windows have it.
  Values calm_best = {};  // That of each calm window.
  std::optional<SymptomExcess> symptom = {};
};

bool reports_errors(const Rows& rows) {
  return rows.find("errors") != nullptr || rows.find("availability") != nullptr;
}

void find_log_changes(Work& work) {
  const Question& question = work.question;
  LogRows rows;
  for (const double time : question.log_times) {
    if (time < work.time.begin) rows.before.push_back(time);
    if (time >= work.time.begin && time < work.time.end) rows.now.push_back(time);
  }
  const Grid& calm = work.time.calm_grid;
  for (const CalmWindow& one : work.time.windows) {
    const double from = calm.time(one.first);
    rows.calm.emplace_back(from, from + static_cast<double>(one.length) * work.time.width);
  }
  for (const std::vector<LogCount>& counts : question.logs)
    work.logs.push_back(log_changes(counts, rows));
}

// Of the search window, or of one calm window.
std::vector<GroupExcess> groups_of(const Work& work, std::optional<std::size_t> calm_window) {
  std::vector<GroupExcess> out(work.channels.size());
  for (std::size_t c = 0; c < out.size(); ++c) {
    for (const ChannelExcess& one : work.channels[c]) {
      double& group = out[c][one.group];
      group = std::max(group, calm_window ? one.calm_windows[*calm_window] : one.excess);
    }
    if (work.logs.empty()) continue;
    const LogChanges& logs = work.logs[c];
    out[c].more_lines = calm_window ? logs.calm_more[*calm_window] : logs.more.excess;
    out[c].fewer_lines = calm_window ? logs.calm_fewer[*calm_window] : logs.fewer.excess;
  }
  return out;
}

double best_of(const std::vector<ComponentScore>& scores) {
  double best = 0;
  for (const ComponentScore& one : scores) best = std::max(best, one.sum());
  return best;
}

void score(Work& work) {
  const CallGraph& graph = work.question.graph;
  std::vector<bool> errors;
  for (const Rows& rows : work.time.now) errors.push_back(reports_errors(rows));
  const std::vector<GroupExcess> now = groups_of(work, std::nullopt);
  work.scores = component_scores(now, graph, errors);
  // Whether something is wrong does not depend on how many may have to answer for it: no sharing of
  // errors here.
  const std::vector<bool> unshared(errors.size(), true);
  work.best = best_of(component_scores(now, graph, unshared));
  for (std::size_t window = 0; window < work.time.windows.size(); ++window)
    work.calm_best.push_back(best_of(component_scores(groups_of(work, window), graph, unshared)));
}

// The channel that says most, or null where none says anything.
const ChannelExcess* loudest(const std::vector<ChannelExcess>& channels) {
  const ChannelExcess* best = nullptr;
  for (const ChannelExcess& one : channels) {
    if (one.excess > 0 && (best == nullptr || one.excess > best->excess)) best = &one;
  }
  return best;
}

std::optional<double> onset_of(const Work& work, std::size_t component) {
  const ChannelExcess* best = loudest(work.channels[component]);
  if (best != nullptr) return work.time.now_grid.time(best->since);
  if (work.logs.empty()) return std::nullopt;
  const LogChanges& logs = work.logs[component];
  const LogChange& change = logs.more.excess >= logs.fewer.excess ? logs.more : logs.fewer;
  return change.excess > 0 ? std::optional(change.time) : std::nullopt;
}

// Requests half as many again, and more than in 99 of 100 calm rows.
bool overloaded(const Work& work, std::size_t component) {
  constexpr double more = 1.5;
  const Rows &now = work.time.now[component], &calm = work.time.calm[component];
  const Values *requests = now.find("requests"), *normal = calm.find("requests");
  if (requests == nullptr || normal == nullptr || !work.symptom) return false;
  Values rows;
  for (const double one : *normal) {
    if (std::isfinite(one)) rows.push_back(one);
  }
  const Values on_grid = work.time.now_grid.on(now.times, *requests);
  const auto level = highest_level(on_grid);
  return level && !rows.empty() && level->value >= more * *median(rows) &&
         level->value > quantile(rows, calm_quantile);
}

// Whether any metric could tell a slow network from slow code.
bool tells_wire(const Excesses& channels) {
  return std::any_of(channels.begin(), channels.end(), [](const auto& of_component) {
    return std::any_of(of_component.begin(), of_component.end(),
                       [](const ChannelExcess& one) { return one.group == Group::wire; });
  });
}

// What of a model has gone wrong. Values that fail their checks also move and mislead, so they come
// first; predictions that got worse while no input moved mean that the relation has.
std::string model_kind(const std::vector<ChannelExcess>& channels) {
  const auto excess = [&channels](Group group) {
    double most = 0;
    for (const ChannelExcess& one : channels) {
      if (one.group == group) most = std::max(most, one.excess);
    }
    return most;
  };
  if (excess(Group::quality) > 0) return "data quality";
  if (excess(Group::upstream) > std::max(excess(Group::drift), excess(Group::wrong)))
    return "upstream";
  return excess(Group::drift) > 0 ? "drift" : "concept";
}

std::string kind_of(const Work& work, std::size_t component) {
  constexpr double busy =
      0.2;  // A fifth more cpu than calm times reach says what the latency is from.
  const ComponentScore& score = work.scores[component];
  if (work.symptom && work.symptom->share[component] > 0) {
    const std::string& metric = work.question.symptom->metric;
    if (metric == "availability" || metric == "errors") return "errors";
    return overloaded(work, component) ? "load" : "latency";
  }
  if (score.sum() <= 0) return "unknown";
  const double largest = std::max({score.latency, score.errors, score.wire, score.cpu, score.memory,
                                   score.path, score.model, score.gpu, score.restarts});
  if (score.gpu >= largest) return "gpu";
  if (score.model >= largest) return model_kind(work.channels[component]);
  if (score.restarts >= largest) return "restarts";
  if (score.memory >= largest) return "memory";
  if (score.cpu > busy && score.cpu + score.latency >= score.wire) return "cpu";
  if (score.wire >= largest) return "network";
  return score.latency >= largest && !tells_wire(work.channels) ? "latency" : "code";
}

std::vector<Suspect> suspects_of(const Work& work) {
  constexpr double symptom_first = 100;  // Scores only break ties of shares.
  constexpr double least_calm = 0.1;
  const double best = best_of(work.scores);
  std::vector<Suspect> out;
  for (std::size_t c = 0; c < work.scores.size(); ++c) {
    const double own = work.scores[c].sum();
    Suspect suspect{.score = own, .tie = 0, .onset = onset_of(work, c).value_or(work.question.at)};
    if (work.symptom) suspect.score = symptom_first * work.symptom->share[c] + own / (1 + best);
    for (const ChannelExcess& one : work.channels[c])
      suspect.tie += std::max(0.0, one.level) / std::max(one.calm, least_calm);
    out.push_back(suspect);
  }
  return out;
}

std::vector<std::string> evidence_of(const Work& work, const Weighed& weighed,
                                     std::size_t component) {
  const Question& question = work.question;
  const std::string& name = question.components[component];
  const Findings findings{name, &work.channels[component],
                          work.logs.empty() ? nullptr : &work.logs[component], &question.log_sites,
                          &work.time.now_grid};
  std::vector<std::string> out;
  if (work.symptom && work.symptom->share[component] > 0) {
    out.push_back(symptom_sentence(name, work.symptom->share[component],
                                   question.components[question.symptom->component],
                                   question.symptom->metric, *work.symptom));
  }
  for (std::string& one : metric_sentences(findings)) out.push_back(std::move(one));
  for (std::string& one : log_sentences(findings)) out.push_back(std::move(one));
  if (const auto change = weighed.change[component])
    out.push_back(change_sentence(name, question.changes[*change]));
  return out;
}

Diagnosis told(const Work& work, const Weighed& weighed, const std::vector<Suspect>& suspects) {
  Diagnosis out;
  out.named = weighed.named;
  out.p = weighed.p;
  for (const std::size_t c : weighed.order) {
    Cause cause{.component = c,
                .kind = kind_of(work, c),
                .probability = weighed.probability[c],
                .score = suspects[c].score,
                .onset = onset_of(work, c),
                .evidence = evidence_of(work, weighed, c)};
    if (!cause.onset && work.symptom && work.symptom->share[c] > 0)
      cause.onset = work.symptom->time;
    out.causes.push_back(std::move(cause));
  }
  if (out.named && !out.causes.empty()) {
    out.blamed = weighed.change[weighed.order.front()];
  }
  return out;
}

}  // namespace

Diagnosis diagnose(const Question& question) {
  Work work{question, timeline(question.metrics, question.baseline, question.at, question.window)};
  work.channels = excesses(work.time, question.graph, question.components);
  if (!question.logs.empty()) find_log_changes(work);
  score(work);
  if (question.symptom) {
    work.symptom = exclusive_excess(work.time, question.graph, question.symptom->component,
                                    question.symptom->metric);
  }
  const std::vector<Suspect> suspects = suspects_of(work);
  const double p_symptom = work.symptom ? work.symptom->p : 1;
  const double p_score = p_of_score(work.best, work.calm_best);
  const Weighed weighed = weigh(suspects, work.symptom ? joined_p(p_score, p_symptom) : p_score,
                                question.changes, work.time.begin, work.time.step);
  Diagnosis out = told(work, weighed, suspects);
  out.reason = reason_of(
      question, work.time, work.channels,
      {.best = work.best,
       .needed = weighed.named ? work.best : score_needed(work.best, work.calm_best, p_symptom),
       .with_symptom = work.symptom.has_value()},
      out);
  return out;
}

}  // namespace outrider::diagnose
