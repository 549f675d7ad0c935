// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/metrics.h"

#include <cmath>
#include <limits>

#include "base/core/text.h"

namespace outrider::forecast {
namespace {

using wire::MetricSink;
using wire::MetricType;
using wire::SeriesKey;

// The label is `bound`, not `quantile`: that one belongs to summaries, promtool refuses it on a
// gauge, and what is untyped Grafana and KEDA do not know what to do with.
constexpr const char* low = "low";
constexpr const char* estimate = "estimate";
constexpr const char* high = "high";

SeriesKey key_of(Labels labels, std::initializer_list<Label> more) {
  for (const Label& label : more) labels.set(label.name, label.value);
  return SeriesKey(std::move(labels));
}

void forecasts(const Said& said, const Rules& rules, MetricSink& sink) {
  sink.family({"outrider_forecast", MetricType::gauge,
               "The value that a series is forecast to have after `horizon`: the median, and the "
               "ends of the 90 % interval. Draw it with an offset of the horizon."});
  for (const auto& [key, entry] : said.series) {
    const std::string& name = rules.series[key.first].name;
    for (const HorizonForecast& at : entry.horizons) {
      const std::string horizon = format_duration(at.horizon);
      const auto put = [&](const char* bound, double value) {
        sink.value(key_of(key.second, {{"forecast", name}, {"horizon", horizon}, {"bound", bound}}),
                   value);
      };
      put(low, at.low);
      put(estimate, at.middle);
      put(high, at.high);
    }
  }
}

void checks(const Said& said, const Rules& rules, MetricSink& sink, const char* name,
            const char* help, std::uint64_t HorizonForecast::*count) {
  sink.family({name, MetricType::counter, help});
  for (const auto& [key, entry] : said.series) {
    for (const HorizonForecast& at : entry.horizons) {
      sink.value(key_of(key.second, {{"forecast", rules.series[key.first].name},
                                     {"horizon", format_duration(at.horizon)}}),
                 static_cast<double>(at.*count));
    }
  }
}

void limits(const Said& said, const Rules& rules, MetricSink& sink) {
  sink.family({"outrider_forecast_seconds_to_limit", MetricType::gauge,
               "When a series is forecast to reach its limit: low is the earliest (19 of 20 are "
               "later), high the latest; +Inf: not within the longest horizon."});
  for (const auto& [key, entry] : said.series) {
    if (!entry.to_limit) continue;
    const auto put = [&](const char* bound, const std::optional<Duration>& time) {
      sink.value(key_of(key.second, {{"forecast", rules.series[key.first].name}, {"bound", bound}}),
                 time ? to_seconds(*time) : std::numeric_limits<double>::infinity());
    };
    put(low, entry.to_limit->earliest);
    put(estimate, entry.to_limit->expected);
    put(high, entry.to_limit->latest);
  }
}

// One gauge a service; nothing where the value is not known.
void of_services(
    const Said& said, const Rules& rules, MetricSink& sink, const char* name, const char* help,
    const std::function<void(
        const Advice&, const std::function<void(std::initializer_list<Label>, double)>&)>& values) {
  sink.family({name, MetricType::gauge, help});
  for (const auto& [key, advice] : said.capacity) {
    values(advice, [&](std::initializer_list<Label> more, double value) {
      Labels labels = key.second;
      labels.set("capacity", rules.capacity[key.first].name);
      sink.value(key_of(std::move(labels), more), value);
    });
  }
}

void capacities(const Said& said, const Rules& rules, MetricSink& sink) {
  of_services(said, rules, sink, "outrider_replica_capacity",
              "Requests a second that one replica bears within the latency objective, and the ends "
              "of its interval; high is +Inf where no load was too much yet.",
              [](const Advice& advice, const auto& put) {
                if (advice.capacity.knowledge == detectors::Knowledge::unknown) return;
                put({{"bound", estimate}}, advice.capacity.load);
                put({{"bound", low}}, advice.capacity.low);
                put({{"bound", high}}, advice.capacity.high);
              });
  of_services(said, rules, sink, "outrider_replicas",
              "Replicas that served, by the query of the capacity rule.",
              [](const Advice& advice, const auto& put) { put({}, advice.replicas); });
  of_services(
      said, rules, sink, "outrider_replicas_wanted",
      "Replicas that the load needs by `when`: now, at the peak within the shortest horizon "
      "(ahead), or that are worth having until what is asked for now serves (cold_start); "
      "absent where it is not known. None is less than now.",
      [](const Advice& advice, const auto& put) {
        if (advice.now.known) put({{"when", "now"}}, static_cast<double>(advice.now.wanted));
        if (advice.soon.replicas.known)
          put({{"when", "cold_start"}}, static_cast<double>(advice.soon.replicas.wanted));
        if (advice.ahead && advice.ahead->wanted.known)
          put({{"when", "ahead"}}, static_cast<double>(advice.ahead->wanted.wanted));
      });
  sink.family(
      {"outrider_replicas_forecast_checks_total", MetricType::counter,
       "Replicas that were said to be wanted one horizon ahead, beside what the load needed "
       "then: enough (as many, or one more), short or spare."});
  for (const auto& [key, advice] : said.capacity) {
    for (std::size_t i = 0; i < ahead_words.size(); ++i) {
      sink.value(key_of(key.second, {{"capacity", rules.capacity[key.first].name},
                                     {"result", std::string(ahead_words[i])}}),
                 static_cast<double>(advice.checks[i]));
    }
  }
}

}  // namespace

void collect(const Said& said, const Rules& rules, wire::MetricSink& sink) {
  forecasts(said, rules, sink);
  checks(said, rules, sink, "outrider_forecast_checks_total",
         "90 % intervals whose time has come, with a value to compare.", &HorizonForecast::checked);
  checks(said, rules, sink, "outrider_forecast_checks_inside_total",
         "Those whose value lay inside.", &HorizonForecast::inside);
  limits(said, rules, sink);
  capacities(said, rules, sink);
  sink.family({"outrider_forecast_series", MetricType::gauge, "Series that are forecast."});
  sink.value(SeriesKey(), static_cast<double>(said.series.size()));
  sink.family({"outrider_forecast_series_refused_total", MetricType::counter,
               "Values of series that were turned away: --forecast.max-series are known."});
  sink.value(SeriesKey(), static_cast<double>(said.turned_away));
}

}  // namespace outrider::forecast
