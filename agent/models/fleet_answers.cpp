// SPDX-License-Identifier: Apache-2.0
#include "agent/models/fleet_answers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/core/text.h"

namespace outrider::models {
namespace {

using incident::Identity;
using page::Course;
using page::ModelFigures;

constexpr std::size_t left_out_max = 10'000;  // Further ones are no longer told apart.
constexpr std::size_t owners_shown = 3;
constexpr Duration course_span = std::chrono::hours(3);
constexpr Duration course_step = std::chrono::minutes(3);

const std::string of_model = "cluster, namespace, job, workload, model_name";
const std::string failed_outcomes = R"(outcome=~"server_error|timeout|unreachable")";

std::string sum(const std::string& of, const std::string& by = of_model) {
  return "sum by (" + by + ") (" + of + ")";
}

std::string share_right(const std::string& window) {
  return sum("increase(outrider_outcomes_total{correct=\"true\"}[" + window + "])") + " / (" +
         sum("increase(outrider_outcomes_total[" + window + "])") + " > 0)";
}

// The middle pod's largest score over its threshold, with the input that has it.
const std::string drift_of_inputs =
    "quantile by (" + of_model + R"(, subject) (0.5, outrider_drift_ratio{subject!="prediction"}))";

Identity place_of(const Labels& labels) {
  Identity who = incident::identity_of(labels);
  who.version.clear();
  return who;
}

Course* course_in(ModelFigures& figures, Asked what) {
  switch (what) {
    case Asked::accuracy:
      return &figures.accuracy_course;
    case Asked::traffic:
      return &figures.traffic_course;
    case Asked::failures:
      return &figures.failed_course;
    case Asked::drift:
      return &figures.drift_course;
    default:
      return nullptr;
  }
}

void put_capacity(ModelFigures& figures, const page::Advised& advised) {
  figures.replicas = advised.replicas;
  figures.wanted_now = advised.wanted_now;
  figures.wanted_ahead = advised.wanted_ahead;
  figures.wanted_by = advised.wanted_by;
  figures.advice = advised.says;
}

}  // namespace

const std::vector<Question>& figure_questions() {
  static const std::vector<Question> questions = {
      {Asked::traffic, sum("rate(outrider_requests_total[5m])")},
      {Asked::failures, sum("rate(outrider_requests_total{" + failed_outcomes + "}[5m])")},
      {Asked::versions,
       sum("increase(outrider_predictions_total[15m])", of_model + ", model_version")},
      {Asked::accuracy, share_right("1h")},
      {Asked::labels, sum("increase(outrider_outcomes_total[1h])")},
      {Asked::since_change, "min by (" + of_model + ") (model:outrider_accuracy_dropped:ratio)"},
      {Asked::alarm,
       "max by (" + of_model +
           R"() ({__name__=~"outrider_accuracy_alarm|model:outrider_accuracy_dropped:bool"}))"},
      {Asked::promised,
       "max by (" + of_model + ", model_version) (outrider_accuracy_reference_ratio)"},
      {Asked::provisional,
       "max by (" + of_model + ", model_version) (outrider_accuracy_provisional)"},
      {Asked::drift, "topk by (" + of_model + ") (1, " + drift_of_inputs + ")"},
      {Asked::owner, "group by (" + of_model + ", owner) (outrider_model_info)"},
  };
  return questions;
}

const std::vector<Question>& course_questions() {
  const std::string all = sum("rate(outrider_requests_total[5m])");
  static const std::vector<Question> questions = {
      {Asked::accuracy, share_right("15m")},
      {Asked::traffic, all},
      // A counter of what never happened is absent: without failures it is 0, not unknown.
      {Asked::failures, "(" + sum("rate(outrider_requests_total{" + failed_outcomes + "}[5m])") +
                            " or 0 * " + all + ") / (" + all + " > 0)"},
      {Asked::drift, "max by (" + of_model + ") (" + drift_of_inputs + ")"},
  };
  return questions;
}

Window course_window(Time now) {
  const Time to{now.time_since_epoch() / course_step * course_step};
  return {to - course_span, to, course_step};
}

FleetAnswers::Entry* FleetAnswers::entry_of(const Labels& labels) {
  const Identity who = place_of(labels);
  if (who.model.empty()) return nullptr;
  if (const auto found = entries_.find(who); found != entries_.end()) return &found->second;
  if (entries_.size() >= models_max) {
    if (left_out_.size() < left_out_max) left_out_.insert(who);
    return nullptr;
  }
  Entry& entry = entries_[who];
  entry.figures.who = who;
  return &entry;
}

void FleetAnswers::put(Asked what, const std::vector<query::InstantValue>& values) {
  for (const query::InstantValue& value : values) {
    Entry* entry = entry_of(value.labels);
    if (entry != nullptr && std::isfinite(value.value)) put_one(what, *entry, value);
  }
}

void FleetAnswers::put_one(Asked what, Entry& entry, const query::InstantValue& value) {
  ModelFigures& figures = entry.figures;
  const std::string version(value.labels.get("model_version"));
  switch (what) {
    case Asked::traffic:
      figures.traffic = value.value;
      break;
    case Asked::failures:
      entry.failing = value.value;
      break;
    case Asked::versions:
      if (value.value <= entry.predictions) break;
      entry.predictions = value.value;
      figures.who.version = version;
      break;
    case Asked::accuracy:
      if (!figures.since_change) figures.accuracy = value.value;
      break;
    case Asked::labels:
      figures.labels = std::round(value.value);
      break;
    case Asked::since_change:
      figures.accuracy = value.value;
      figures.since_change = true;
      break;
    case Asked::alarm:
      figures.alarm = value.value > 0;
      break;
    case Asked::promised:
      entry.promised[version] = value.value;
      break;
    case Asked::provisional:
      entry.provisional[version] = value.value;
      break;
    case Asked::drift:
      figures.drift = value.value;
      figures.drift_subject = value.labels.get("subject");
      break;
    case Asked::owner:
      if (const std::string owner(value.labels.get("owner")); !owner.empty())
        entry.owners.insert(owner);
      break;
  }
}

void FleetAnswers::unanswered(Asked what) {
  unanswered_ |= static_cast<std::uint32_t>(what);
}

void FleetAnswers::put_forecasts(const std::string& forecasts) {
  if (forecasts.empty()) return;
  page::Ahead ahead = page::read_ahead(forecasts);
  for (const page::Advised& advised : ahead.services) {
    for (auto& [place, entry] : entries_) {
      if (is_about(advised.labels, place)) put_capacity(entry.figures, advised);
    }
  }
  for (page::Foretold& told : ahead.series) {
    if (told.to_limit && told.to_limit->is_near()) limits_.push_back(std::move(told));
  }
  const auto soonest = [](const page::Foretold& told) {
    return told.to_limit->expected.value_or(Duration::max());
  };
  std::stable_sort(limits_.begin(), limits_.end(), [&](const auto& a, const auto& b) {
    return std::pair(soonest(a), a.to_limit->earliest.value_or(Duration::max())) <
           std::pair(soonest(b), b.to_limit->earliest.value_or(Duration::max()));
  });
  if (limits_.size() > limits_max) limits_.resize(limits_max);
}

ModelFigures FleetAnswers::finish(Entry& entry) {
  ModelFigures& figures = entry.figures;
  if (figures.traffic && *figures.traffic > 0)
    figures.failed = std::clamp(entry.failing.value_or(0) / *figures.traffic, 0.0, 1.0);
  // A version that nobody asks any more promises nothing; where it is not known which one answers,
  // only a promise that all of them make is one.
  const auto of_version = [&figures](const std::map<std::string, double>& values) {
    if (const auto found = values.find(figures.who.version); found != values.end())
      return std::optional<double>(found->second);
    if (values.size() == 1 && figures.who.version.empty())
      return std::optional<double>(values.begin()->second);
    return std::optional<double>();
  };
  figures.promised = of_version(entry.promised);
  figures.provisional = of_version(entry.provisional).value_or(0) > 0;
  std::size_t shown = 0;
  for (const std::string& owner : entry.owners) {
    if (++shown > owners_shown) break;
    figures.owner += (figures.owner.empty() ? "" : ", ") + owner;
  }
  return std::move(figures);
}

page::Fleet FleetAnswers::take() {
  page::Fleet fleet;
  fleet.left_out = left_out_.size();
  fleet.limits = std::move(limits_);
  for (auto& [who, entry] : entries_) {
    fleet.models.push_back(finish(entry));
    fleet.models.back().unanswered = unanswered_;
  }
  return fleet;
}

bool is_about(const Labels& labels, const Identity& who) {
  Identity one = incident::identity_of(labels);
  const bool is_named = !one.workload.empty() || !one.model.empty();
  if (one.model.empty()) one.model = who.model;  // A workload's models share what is forecast.
  return is_named && incident::may_be_same(one, who);
}

Course course_of(const std::vector<Sample>& samples, const Window& window) {
  const auto steps = static_cast<std::size_t>((window.to - window.from) / window.step) + 1;
  Course course{window.from, window.step,
                std::vector<double>(steps, std::numeric_limits<double>::quiet_NaN())};
  for (const Sample& sample : samples) {
    const Duration since = from_unix_ms(sample.timestamp_ms) - window.from + window.step / 2;
    if (since < Duration{}) continue;
    const auto at = static_cast<std::size_t>(since / window.step);
    if (at < steps && std::isfinite(sample.value)) course.values[at] = sample.value;
  }
  return course;
}

void put_courses(Courses& courses, Asked what, const std::vector<Series>& series,
                 const Window& window) {
  for (const Series& one : series) {
    const Identity who = place_of(one.labels);
    if (who.model.empty() || (courses.size() >= models_max && !courses.contains(who))) continue;
    courses[who][what] = course_of(one.samples, window);
  }
}

void add_courses(page::Fleet& fleet, const Courses& courses) {
  for (ModelFigures& figures : fleet.models) {
    Identity who = figures.who;
    who.version.clear();
    const auto found = courses.find(who);
    if (found == courses.end()) continue;
    for (const auto& [what, course] : found->second) {
      if (Course* into = course_in(figures, what)) *into = course;
    }
  }
}

}  // namespace outrider::models
