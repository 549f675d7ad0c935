// SPDX-License-Identifier: Apache-2.0
#include "agent/models/right_size_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::models {
namespace {

using namespace std::chrono_literals;
using right_size::RightSize;
using wire::MetricType;
using wire::SeriesKey;

constexpr Duration query_timeout = 2min;
constexpr Duration again_after_failure = 10min;
const std::string queries_name = "outrider_right_size_queries_total";
const std::string queries_help = "Questions to Prometheus about what containers use, by result.";

SeriesKey key_of(const right_size::ContainerUsage& usage) {
  return SeriesKey({{"cluster", usage.cluster},
                    {"namespace", usage.name_space},
                    {"workload", usage.workload},
                    {"container", usage.container}});
}

// A gauge of each container of which the value is known.
void gauge(wire::MetricSink& sink, const std::vector<RightSize>& rows, const char* name,
           const char* help, const std::function<std::optional<double>(const RightSize&)>& value) {
  sink.family({name, MetricType::gauge, help});
  for (const RightSize& row : rows) {
    if (const auto known = value(row)) sink.value(key_of(row.usage), *known);
  }
}

}  // namespace

RightSizeWatch::RightSizeWatch(Settings settings, const Clock& clock)
    : settings_(std::move(settings)),
      clock_(clock),
      answers_(registry_.counter(queries_name, queries_help, {{"result", "answered"}})),
      failures_(registry_.counter(queries_name, queries_help, {{"result", "failed"}})),
      told_(std::make_shared<const Told>()) {}

void RightSizeWatch::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

void RightSizeWatch::stop() {
  thread_.request_stop();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void RightSizeWatch::watch(const std::stop_token& stop) {
  query::Prometheus prometheus(settings_.prometheus_url, settings_.prepare, query_timeout);
  while (!stop.stop_requested()) {
    ask(prometheus);
    std::unique_lock lock(mutex_);
    const Duration wait =
        told_->trouble.empty() ? settings_.every : std::min(settings_.every, again_after_failure);
    wake_.wait_for(lock, stop, wait, [] { return false; });
  }
}

void RightSizeWatch::ask(query::Prometheus& prometheus) {
  const std::string matchers =
      settings_.namespaces.empty() ? "" : "namespace=~" + query::promql_text(settings_.namespaces);
  auto made = std::make_shared<Told>();
  right_size::Answers answers;
  for (const auto& question : right_size::questions(settings_.history, matchers)) {
    auto answer = prometheus.query(question.promql);
    (answer ? answers_ : failures_).Increment();
    if (!answer) {
      *made = *told();
      made->trouble = question.name + ": " + answer.error().message;
      spdlog::warn("right-size: {}", made->trouble);
      break;
    }
    answers[question.name] = std::move(*answer);
  }
  if (made->trouble.empty()) {
    for (const auto& usage : right_size::usage_of(answers)) {
      if (!usage.requests) {
        ++made->others;
      } else if (made->rows.size() < rows_max) {
        made->rows.push_back(right_size::advise(usage));
      } else {
        ++made->left_out;
      }
    }
    made->asked_at = clock_.now();
  }
  std::lock_guard lock(mutex_);
  told_ = std::move(made);
}

std::shared_ptr<const RightSizeWatch::Told> RightSizeWatch::told() const {
  std::lock_guard lock(mutex_);
  return told_;
}

std::string RightSizeWatch::report() const {
  const auto told = this->told();
  const auto advice = wire::parse_json(right_size::to_json(told->rows));
  wire::Json json = {
      {"asked_at", told->asked_at ? wire::Json(format_rfc3339(*told->asked_at)) : wire::Json()},
      {"history_seconds", to_seconds(settings_.history)}};
  if (advice) json.update(*advice);
  json["others"] = told->others;
  json["left_out"] = told->left_out;
  json["trouble"] = told->trouble;
  return wire::to_text(json);
}

void RightSizeWatch::collect(wire::MetricSink& sink) {
  registry_.collect(sink);
  const auto told = this->told();
  const auto& rows = told->rows;
  gauge(sink, rows, "outrider_right_size_cpu_request_cores",
        "CPU that a pod's container asks for; absent where it asks for none.",
        [](const RightSize& row) { return row.usage.cpu_request; });
  gauge(sink, rows, "outrider_right_size_cpu_proposed_cores",
        "CPU that it should ask for, from what it used; absent where nothing is proposed.",
        [](const RightSize& row) { return row.cpu; });
  gauge(sink, rows, "outrider_right_size_memory_request_bytes",
        "Memory that a pod's container asks for; absent where it asks for none.",
        [](const RightSize& row) { return row.usage.memory_request; });
  gauge(sink, rows, "outrider_right_size_memory_proposed_bytes",
        "Memory that it should ask for, from what it used; absent where nothing is proposed.",
        [](const RightSize& row) { return row.memory; });
  gauge(sink, rows, "outrider_right_size_pods", "Pods of it that ran when it was asked.",
        [](const RightSize& row) { return std::optional(static_cast<double>(row.usage.pods)); });
  gauge(sink, rows, "outrider_right_size_idle",
        "1: no prediction came through its sidecars in the whole history, else 0.",
        [](const RightSize& row) { return std::optional(row.idle ? 1.0 : 0.0); });
  sink.family({"outrider_right_size_containers_left_out", MetricType::gauge,
               "Containers beside a sidecar past the bound of 500, which nothing is told of."});
  sink.value(SeriesKey(), static_cast<double>(told->left_out));
  if (!told->asked_at) return;
  sink.family({"outrider_right_size_answer_timestamp_seconds", MetricType::gauge,
               "When Prometheus last answered all questions."});
  sink.value(SeriesKey(), to_seconds(told->asked_at->time_since_epoch()));
}

}  // namespace outrider::models
