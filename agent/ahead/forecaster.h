// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks Prometheus for the history of what is forecast, and each minute for what is new; keeps the
// boards, and tells them on /metrics and at /api/v1/forecasts. SHELL: one thread.
//
// The history is asked in pieces of at most some 200 000 values, so that neither side has to hold
// much; where Prometheus does not answer, the next minute goes on from there. So an outage of
// Prometheus leaves no gap, if Prometheus has none.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/forecast/capacity_board.h"
#include "agent/forecast/forecast_board.h"
#include "agent/forecast/metrics.h"
#include "agent/query/prometheus.h"
#include "base/core/clock.h"
#include "base/wire/registry.h"

namespace outrider::ahead {

class Forecaster final : public wire::Collector {
 public:
  struct Settings {
    std::string prometheus_url;
    query::Prometheus::Prepare prepare;  // Certificates and tokens of each question.
    std::size_t series_max = 2'000;
    Duration learn_from = std::chrono::days(3);  // Minutes of the past that capacities learn from.
    Duration every = std::chrono::minutes(1);
  };

  Forecaster(forecast::Rules rules, const Settings& settings, const Clock& clock);
  ~Forecaster() override { stop(); }

  void start();
  void stop();  // Idempotent. A question on its way is waited for, ten seconds at most.

  void collect(wire::MetricSink& sink) override;
  std::string report() const;  // JSON.

  // One round: what is new by `now`, and what follows from it. The thread's; tests call it.
  void round(Time now);

 private:
  using Answer = Result<std::vector<Series>>;

  void run(const std::stop_token& stop);
  Answer ask(const std::string& promql, Time from, Time to, Duration step);
  bool catch_up(std::size_t rule, Time now);
  bool learn(std::size_t rule, Time now);
  void ask_limit(std::size_t rule);
  void publish(Time now);
  std::shared_ptr<const forecast::Said> said() const;

  const forecast::Rules rules_;
  const Settings settings_;
  const Clock& clock_;
  query::Prometheus prometheus_;
  forecast::ForecastBoard board_;
  forecast::CapacityBoard capacities_;
  struct Progress {
    Time next{};                 // The first time that was not asked for yet.
    std::size_t series = 1'000;  // In the last answer; before it, a guess.
  };
  std::vector<Progress> series_progress_, capacity_progress_;
  bool answered_ = true;

  wire::Registry registry_;
  prometheus::Counter &answers_, &failures_;

  mutable std::mutex mutex_;  // Guards what is said.
  std::shared_ptr<const forecast::Said> said_;

  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace outrider::ahead
