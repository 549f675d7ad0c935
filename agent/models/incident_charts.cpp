// SPDX-License-Identifier: Apache-2.0
#include "agent/models/incident_charts.h"

#include <algorithm>

#include "base/core/text.h"

namespace outrider::models {
namespace {

using incident::Incident;
using page::Unit;

constexpr Duration before_max = std::chrono::hours(1), before_min = std::chrono::minutes(5);
constexpr Duration after_end = std::chrono::minutes(30), span_max = std::chrono::hours(24);
constexpr int steps_wanted = 120;
constexpr int windows_wanted = 20;  // A rate's window is this part of the span, or longer.

const std::string of_job = "cluster, namespace, job, workload";

Time began(const Incident& incident) {
  return std::min(incident.since.value_or(incident.episode_at), incident.opened_at);
}

Duration whole_seconds(Duration duration) {
  return std::max<Duration>(std::chrono::ceil<std::chrono::seconds>(duration),
                            std::chrono::seconds(1));
}

}  // namespace

Window chart_window(const Incident& incident, Time now, Duration step) {
  const Time end = incident.resolved_at ? std::min(now, *incident.resolved_at + after_end) : now;
  const Time onset = std::min(began(incident), end);
  const Duration before = std::clamp<Duration>(3 * (end - onset), before_min, before_max);
  const Time from = std::max(onset - before, end - span_max);
  Window window{from, end, std::max(step, whole_seconds((end - from) / steps_wanted))};
  // On a grid, so that the picture does not tremble from one look to the next.
  window.from = Time{window.from.time_since_epoch() / window.step * window.step};
  window.to = Time{window.to.time_since_epoch() / window.step * window.step};
  return window;
}

std::vector<ChartQuestion> chart_questions(const Incident& incident, const Window& window,
                                           Duration rate) {
  if (incident.model.empty()) return {};
  const std::string of = query::model_matchers(incident, false);
  const std::string over =
      "[" +
      format_duration(std::max(rate, whole_seconds((window.to - window.from) / windows_wanted))) +
      "]";
  const auto sum = [&](const std::string& function, const std::string& metric,
                       const std::string& more, const std::string& by) {
    return "sum by (" + by + ") (" + function + "(" + metric + "{" + of + more + "}" + over + "))";
  };
  const std::string requests = sum("rate", "outrider_requests_total", "", of_job);
  const std::string failed = sum("rate", "outrider_requests_total",
                                 R"(,outcome=~"server_error|timeout|unreachable")", of_job);
  std::vector<ChartQuestion> questions;
  const auto add = [&](const std::string& what, Unit unit, std::optional<double> floor,
                       std::optional<double> ceiling, std::string promql) {
    questions.push_back({{.title = what + " of " + incident.model,
                          .unit = unit,
                          .course = {},
                          .since = began(incident),
                          .until = incident.resolved_at,
                          .floor = floor,
                          .ceiling = ceiling},
                         std::move(promql)});
  };
  add("Accuracy", Unit::share, {}, 1.0,
      sum("increase", "outrider_outcomes_total", R"(,correct="true")", of_job) + " / (" +
          sum("increase", "outrider_outcomes_total", "", of_job) + " > 0)");
  add("Failed requests", Unit::share, 0.0, 0.01,
      "(" + failed + " or 0 * " + requests + ") / (" + requests + " > 0)");
  add("Requests", Unit::rate, 0.0, {}, requests);
  add("95th percentile of the latency", Unit::milliseconds, 0.0, {},
      "1000 * histogram_quantile(0.95, " +
          sum("rate", "outrider_request_duration_seconds_bucket", "", of_job + ", le") + ")");
  add("Drift in thresholds", Unit::ratio, 0.0, {},
      "max by (" + of_job + ") (quantile by (" + of_job + ", subject) (0.5, outrider_drift_ratio{" +
          of + R"(,subject!="prediction"})))");
  questions.back().chart.reference = 1;
  questions.back().chart.reference_name = "threshold";
  return questions;
}

const Series* series_of(const std::vector<Series>& answer, const Incident& incident) {
  const Series* found = nullptr;
  for (const Series& series : answer) {
    incident::Identity who = incident::identity_of(series.labels);
    who.model = incident.model;
    if (!incident::may_be_same(who, incident.identity())) continue;
    if (found != nullptr) return nullptr;  // Several may be it.
    found = &series;
  }
  // An alert about the model server's own metrics has another job than the sidecar's.
  if (found == nullptr && answer.size() == 1) return &answer.front();
  return found;
}

}  // namespace outrider::models
