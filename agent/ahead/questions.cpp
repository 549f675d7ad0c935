// SPDX-License-Identifier: Apache-2.0
#include "agent/ahead/questions.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace outrider::ahead {
namespace {

constexpr Duration timeout = std::chrono::seconds(10);
const std::string queries_name = "outrider_forecast_queries_total";
const std::string queries_help = "Questions to Prometheus about what is forecast, by result.";

}  // namespace

Questions::Questions(const std::string& url, query::Prometheus::Prepare prepare)
    : prometheus_(url, std::move(prepare), timeout),
      answers_(registry_.counter(queries_name, queries_help, {{"result", "answered"}})),
      failures_(registry_.counter(queries_name, queries_help, {{"result", "failed"}})) {}

Result<std::vector<Series>> Questions::ask_range(const std::string& promql, Time from, Time to,
                                                 Duration step) {
  auto answer = prometheus_.query_range(promql, from, to, step);
  (answer ? answers_ : failures_).Increment();
  if (answer) {
    if (!answered_) spdlog::info("forecasts: Prometheus answers again");
  } else if (answered_) {
    spdlog::warn("forecasts: {}: {}", promql, answer.error().message);
  }
  answered_ = answer.has_value();
  return answer;
}

Result<std::vector<query::InstantValue>> Questions::ask(const std::string& promql) {
  auto values = prometheus_.query(promql);
  (values ? answers_ : failures_).Increment();
  return values;
}

}  // namespace outrider::ahead
