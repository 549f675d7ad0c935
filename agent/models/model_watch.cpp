// SPDX-License-Identifier: Apache-2.0
#include "agent/models/model_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace outrider::models {
namespace {

using namespace std::chrono_literals;

constexpr Duration timeout = 5s;
constexpr Duration every_watched = 15s, every_unwatched = 2min;
constexpr Duration watched_for = 5min;  // Since the last look.
constexpr Duration courses_every = 1min;
constexpr Duration charts_every = 15s, charts_watched_for = 1min;
constexpr std::size_t answer_bytes_max = 64 << 20;

// What must never stand on a page: a user's password in the address.
std::string without_credentials(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t at = url.find('@');
  const std::size_t path = scheme == std::string::npos ? 0 : url.find('/', scheme + 3);
  if (scheme == std::string::npos || at == std::string::npos || at > path) return url;
  return url.substr(0, scheme + 3) + url.substr(at + 1);
}

std::string source_of(const std::string& url) {
  return "Prometheus at " + without_credentials(url);
}

}  // namespace

ModelWatch::ModelWatch(Settings settings, const Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {
  page::Fleet empty;
  empty.source = source_of(settings_.prometheus_url);
  fleet_ = std::make_shared<const page::Fleet>(std::move(empty));
}

query::Prometheus ModelWatch::make_prometheus() const {
  return query::Prometheus(settings_.prometheus_url, settings_.prepare, timeout);
}

void ModelWatch::start() {
  figures_thread_ = std::jthread([this](const std::stop_token& stop) { watch_figures(stop); });
  charts_thread_ = std::jthread([this](const std::stop_token& stop) { watch_charts(stop); });
}

void ModelWatch::stop() {
  for (std::jthread* thread : {&figures_thread_, &charts_thread_}) thread->request_stop();
  wake_.notify_all();
  for (std::jthread* thread : {&figures_thread_, &charts_thread_}) {
    if (thread->joinable()) thread->join();
  }
}

bool ModelWatch::is_watched(Time now) const {
  return now - looked_at_ < watched_for;
}

std::shared_ptr<const page::Fleet> ModelWatch::fleet() {
  std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  const bool begins = !is_watched(now);
  looked_at_ = now;
  if (begins) wake_.notify_all();
  return fleet_;
}

void ModelWatch::watch_figures(const std::stop_token& stop) {
  query::Prometheus prometheus = make_prometheus();
  while (!stop.stop_requested()) {
    ask_figures(prometheus);
    std::unique_lock lock(mutex_);
    const Time asked_at = asked_at_ = clock_.now();
    // Looked at again: at once where the figures are older than those of a watched page.
    wake_.wait_for(lock, stop, every_watched, [] { return false; });
    while (!stop.stop_requested() && !is_watched(clock_.now()) &&
           clock_.now() - asked_at < every_unwatched) {
      wake_.wait_for(lock, stop, 1s, [] { return false; });
    }
  }
}

void ModelWatch::ask_figures(query::Prometheus& prometheus) {
  const Time began = clock_.now();
  FleetAnswers answers;
  std::vector<std::string> trouble;
  bool any = false;
  for (const Question& question : figure_questions()) {
    const auto answer = prometheus.query(question.promql);
    if (answer) {
      any = true;
      answers.put(question.what, *answer);
      continue;
    }
    answers.unanswered(question.what);
    trouble.push_back("Prometheus did not answer what is asked about " +
                      std::string(page::name(question.what)) + ": " + answer.error().message);
    spdlog::warn("page: {}", trouble.back());
    if (!any) break;  // It is down: no more is asked.
  }
  if (any && clock_.now() - courses_at_ >= courses_every) ask_courses(prometheus, began);
  if (any && settings_.forecasts) answers.put_forecasts(settings_.forecasts());
  page::Fleet fleet = any ? answers.take() : page::Fleet(*fleet_);
  if (any) {
    add_courses(fleet, courses_);
    fleet.asked_at = clock_.now();
    fleet.took = *fleet.asked_at - began;
    trouble.insert(trouble.end(), course_trouble_.begin(), course_trouble_.end());
  }
  fleet.source = source_of(settings_.prometheus_url);
  fleet.trouble = std::move(trouble);
  std::lock_guard lock(mutex_);
  fleet_ = std::make_shared<const page::Fleet>(std::move(fleet));
}

void ModelWatch::ask_courses(query::Prometheus& prometheus, Time now) {
  const Window window = course_window(now);
  Courses courses;
  course_trouble_.clear();
  for (const Question& question : course_questions()) {
    const auto answer = prometheus.query_range(question.promql, window.from, window.to, window.step,
                                               answer_bytes_max, timeout);
    if (answer) {
      put_courses(courses, question.what, *answer, window);
    } else {
      course_trouble_.push_back("No pictures of " + std::string(page::name(question.what)) + ": " +
                                answer.error().message);
    }
  }
  courses_ = std::move(courses);
  courses_at_ = now;
}

std::optional<page::Ahead> ModelWatch::ahead(const incident::Identity& who) const {
  if (!settings_.forecasts_of) return std::nullopt;
  return page::read_ahead(
      settings_.forecasts_of([&who](const Labels& labels) { return is_about(labels, who); }));
}

ModelWatch::Charts ModelWatch::charts(const incident::Incident& incident, Duration patience) {
  std::unique_lock lock(mutex_);
  Kept& kept = charts_[incident.id];
  kept.incident = incident;
  kept.looked_at = clock_.now();
  forget_charts();
  wake_.notify_all();
  answered_.wait_for(lock, patience, [this, &incident] {
    const auto found = charts_.find(incident.id);
    return found == charts_.end() || found->second.charts.asked_at.has_value();
  });
  const auto found = charts_.find(incident.id);
  return found == charts_.end() ? Charts() : found->second.charts;
}

void ModelWatch::forget_charts() {
  while (charts_.size() > charts_max) {
    charts_.erase(std::min_element(
        charts_.begin(), charts_.end(),
        [](const auto& a, const auto& b) { return a.second.looked_at < b.second.looked_at; }));
  }
}

std::optional<incident::Incident> ModelWatch::due_charts(Time now) {
  for (const auto& [id, kept] : charts_) {
    const bool asked = kept.charts.asked_at.has_value();
    if (!asked ||
        (now - *kept.charts.asked_at >= charts_every && now - kept.looked_at < charts_watched_for))
      return kept.incident;
  }
  return std::nullopt;
}

void ModelWatch::watch_charts(const std::stop_token& stop) {
  query::Prometheus prometheus = make_prometheus();
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto due = due_charts(clock_.now());
    if (!due) {
      wake_.wait_for(lock, stop, 1s, [this] { return due_charts(clock_.now()).has_value(); });
      continue;
    }
    lock.unlock();
    Charts made = ask_charts(prometheus, *due);
    lock.lock();
    if (const auto found = charts_.find(due->id); found != charts_.end())
      found->second.charts = std::move(made);
    answered_.notify_all();
  }
}

ModelWatch::Charts ModelWatch::ask_charts(query::Prometheus& prometheus,
                                          const incident::Incident& incident) {
  const Time now = clock_.now();
  const Window window = chart_window(incident, now, settings_.step);
  Charts made;
  for (ChartQuestion& question : chart_questions(incident, window, settings_.rate)) {
    const auto answer = prometheus.query_range(question.promql, window.from, window.to, window.step,
                                               answer_bytes_max, timeout);
    if (!answer) {
      made.trouble = answer.error().message;
      break;
    }
    if (const Series* series = series_of(*answer, incident))
      question.chart.course = course_of(series->samples, window);
    made.charts.push_back(std::move(question.chart));
  }
  made.asked_at = now;
  return made;
}

}  // namespace outrider::models
