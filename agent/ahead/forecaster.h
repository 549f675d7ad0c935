// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks Prometheus for the history of what is forecast, and then for what is new; keeps the boards,
// and tells them on /metrics and at /api/v1/forecasts. SHELL: one thread.
//
// Capacities learn from whole minutes. Between them load and replicas alone are asked, so that what
// is wanted follows the load as soon as an autoscaler looks: the HPA does each 15 seconds.
// The history is asked in pieces of at most some 200 000 values, so that neither side has to hold
// much; where Prometheus does not answer, the next minute goes on from there. So an outage of
// Prometheus leaves no gap, if Prometheus has none.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/ahead/questions.h"
#include "agent/forecast/capacity_board.h"
#include "agent/forecast/forecast_board.h"
#include "agent/forecast/metrics.h"
#include "agent/query/prometheus.h"
#include "base/core/clock.h"
#include "base/wire/exposition.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::ahead {

class Forecaster final : public wire::Collector {
 public:
  struct Settings {
    std::string prometheus_url;
    query::Prometheus::Prepare prepare;          // Certificates and tokens of each question.
    std::size_t series_max = 2'000;              // 0: nothing is forecast.
    Duration learn_from = std::chrono::days(3);  // Minutes of the past that capacities learn from.
    Duration every = std::chrono::seconds(15);

    void add_to(config::OptionTable& options);  // forecast.*
  };

  Forecaster(forecast::Rules rules, const Settings& settings, const Clock& clock);
  ~Forecaster() override { stop(); }

  void start();
  void stop();  // Idempotent. A question on its way is waited for, ten seconds at most.

  void collect(wire::MetricSink& sink) override;
  std::string report() const;  // JSON.
  // Of those alone whose labels are wanted, with their courses.
  std::string report(const forecast::Wanted& wanted) const;

  // One round: what is new by `now`, and what follows from it. The thread's; tests call it.
  void round(Time now);

 private:
  void run(const std::stop_token& stop);
  std::map<Labels, double> ask_now(const std::string& promql);
  bool catch_up(std::size_t rule, Time now);
  bool learn(std::size_t rule, Time now);
  void publish(Time now);
  std::shared_ptr<const forecast::Said> said() const;

  const forecast::Rules rules_;
  const Settings settings_;
  const Clock& clock_;
  Questions questions_;
  forecast::ForecastBoard board_;
  forecast::CapacityBoard capacities_;
  struct Progress {
    Time next{};                 // The first time that was not asked for yet.
    std::size_t series = 1'000;  // In the last answer; before it, a guess.
  };
  std::vector<Progress> series_progress_, capacity_progress_;

  mutable std::mutex mutex_;  // Guards what is said.
  std::shared_ptr<const forecast::Said> said_;

  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace outrider::ahead
