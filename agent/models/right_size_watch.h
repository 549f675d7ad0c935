// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks Prometheus, each few hours, what the containers beside a sidecar asked for and used, and
// tells what they should ask for: on the page, as JSON and as gauges. SHELL; one thread.
//
// The questions are those of `outrider right-size`, about days of the past: dear to Prometheus, so
// they are asked one after the other, and seldom. Only workloads that sidecars count predictions of
// are told; how many other containers there are is counted. Bounded: rows_max containers, further
// ones are counted. What was not answered leaves the advice before it, with its age.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/query/prometheus.h"
#include "agent/right_size/advice.h"
#include "base/core/clock.h"
#include "base/wire/registry.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::models {

class RightSizeWatch final : public wire::Collector {
 public:
  static constexpr std::size_t rows_max = 500;

  struct Settings {
    std::string prometheus_url;
    query::Prometheus::Prepare prepare;  // Certificates and tokens of each question.
    Duration every{};                    // 0: it is not made.
    Duration history = std::chrono::days(7);
    std::string namespaces = {};  // A pattern, anchored; "": all.

    void add_to(config::OptionTable& options);  // right-size.*
  };
  RightSizeWatch(Settings settings, const Clock& clock);
  ~RightSizeWatch() override { stop(); }

  void start();
  void stop();  // Idempotent. A question on its way is waited for, two minutes at most.

  void collect(wire::MetricSink& sink) override;
  // {"asked_at", "history_seconds", "containers", "saved", "others", "left_out", "trouble"}: those
  // of right_size::to_json, and when it was asked, what else there is, what was not answered.
  std::string report() const;

  // One round, by the caller's thread; start()'s thread does the same.
  void ask(query::Prometheus& prometheus);

 private:
  struct Told {
    std::optional<Time> asked_at;  // Of the newest whole answer.
    std::vector<right_size::RightSize> rows;
    std::size_t others = 0, left_out = 0;
    std::string trouble;
  };
  void watch(const std::stop_token& stop);
  std::shared_ptr<const Told> told() const;

  const Settings settings_;
  const Clock& clock_;
  wire::Registry registry_;
  prometheus::Counter &answers_, &failures_;

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::shared_ptr<const Told> told_;
  std::jthread thread_;
};

}  // namespace outrider::models
