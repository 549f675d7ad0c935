// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps what the pages show of Prometheus: the figures of all models, and the charts of incidents
// that somebody looks at. SHELL; thread-safe.
//
// Two threads of its own ask, so that neither alerts nor actions nor a page wait for Prometheus:
// the figures each 15 s while somebody looks, else each two minutes; the pictures each minute; a
// chart while its incident's page is open. What was not answered leaves the figures before it, with
// their age, and is told.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/models/fleet_answers.h"
#include "agent/models/incident_charts.h"
#include "agent/query/prometheus.h"
#include "base/core/clock.h"

namespace outrider::models {

class ModelWatch {
 public:
  struct Settings {
    std::string prometheus_url;
    query::Prometheus::Prepare prepare;           // Certificates and tokens of each question.
    Duration step = std::chrono::seconds(30);     // The shortest of a chart …
    Duration rate = std::chrono::minutes(2);      // … and of its rates.
    std::function<std::string()> forecasts = {};  // JSON of GET /api/v1/forecasts; none: "".
    // The same of those whose labels are wanted, with their courses.
    std::function<std::string(const std::function<bool(const Labels&)>&)> forecasts_of = {};
  };
  ModelWatch(Settings settings, const Clock& clock);
  ~ModelWatch() { stop(); }

  void start();
  void stop();  // Idempotent. A question on its way is waited for, its time-out at most.

  // Never null. Counts as somebody's look.
  std::shared_ptr<const page::Fleet> fleet();

  struct Charts {
    std::vector<page::Chart> charts;
    std::string trouble;  // What was not answered.
    std::optional<Time> asked_at;
  };
  // As they were last; waits up to `patience` where they were never asked for, and then may have no
  // asked_at. At most charts_max incidents are kept, those looked at last.
  static constexpr std::size_t charts_max = 32;
  Charts charts(const incident::Incident& incident, Duration patience);

  // What is forecast of one model; nothing where nothing is forecast at all.
  std::optional<page::Ahead> ahead(const incident::Identity& who) const;

  // One round of the figures, by the caller's thread; start()'s thread does the same.
  void ask_figures(query::Prometheus& prometheus);
  Charts ask_charts(query::Prometheus& prometheus, const incident::Incident& incident);

 private:
  struct Kept {
    incident::Incident incident;
    Charts charts;
    Time looked_at;
  };
  void watch_figures(const std::stop_token& stop);
  void watch_charts(const std::stop_token& stop);
  void ask_courses(query::Prometheus& prometheus, Time now);
  std::optional<incident::Incident> due_charts(Time now);
  query::Prometheus make_prometheus() const;
  void forget_charts();
  bool is_watched(Time now) const;  // With the lock.

  const Settings settings_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable answered_;
  std::shared_ptr<const page::Fleet> fleet_;
  Time looked_at_{}, asked_at_{};
  std::map<std::string, Kept> charts_;  // By incident.

  // The figures' thread alone.
  Courses courses_;
  Time courses_at_{};
  std::vector<std::string> course_trouble_;

  std::jthread figures_thread_, charts_thread_;
};

}  // namespace outrider::models
