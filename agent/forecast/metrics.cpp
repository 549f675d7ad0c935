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

// A gauge may not have the label `quantile`, says promtool: it is for summaries and for what is
// untyped.
constexpr MetricType with_quantiles = MetricType::unknown;

SeriesKey key_of(Labels labels, std::initializer_list<Label> more) {
  for (const Label& label : more) labels.set(label.name, label.value);
  return SeriesKey(std::move(labels));
}

void forecasts(const Said& said, const Rules& rules, MetricSink& sink) {
  sink.family({"outrider_forecast", with_quantiles,
               "The value that a series is forecast to have after `horizon`: quantiles 0.05, 0.5 "
               "and 0.95. Draw it with an offset of the horizon."});
  for (const auto& [key, entry] : said.series) {
    const std::string& name = rules.series[key.first].name;
    for (const HorizonForecast& at : entry.horizons) {
      const std::string horizon = format_duration(at.horizon);
      const auto put = [&](const char* quantile, double value) {
        sink.value(
            key_of(key.second, {{"forecast", name}, {"horizon", horizon}, {"quantile", quantile}}),
            value);
      };
      put("0.05", at.low);
      put("0.5", at.middle);
      put("0.95", at.high);
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
  sink.family({"outrider_forecast_seconds_to_limit", with_quantiles,
               "When a series is forecast to reach its limit: quantile 0.05 is the earliest, 0.95 "
               "the latest; +Inf: not within the longest horizon."});
  for (const auto& [key, entry] : said.series) {
    if (!entry.to_limit) continue;
    const auto put = [&](const char* quantile, const std::optional<Duration>& time) {
      sink.value(
          key_of(key.second, {{"forecast", rules.series[key.first].name}, {"quantile", quantile}}),
          time ? to_seconds(*time) : std::numeric_limits<double>::infinity());
    };
    put("0.05", entry.to_limit->earliest);
    put("0.5", entry.to_limit->expected);
    put("0.95", entry.to_limit->latest);
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
                put({{"bound", "estimate"}}, advice.capacity.load);
                put({{"bound", "low"}}, advice.capacity.low);
                put({{"bound", "high"}}, advice.capacity.high);
              });
  of_services(said, rules, sink, "outrider_replicas",
              "Replicas that served, by the query of the capacity rule.",
              [](const Advice& advice, const auto& put) { put({}, advice.replicas); });
  of_services(said, rules, sink, "outrider_replicas_wanted",
              "Replicas that the load needs, now and at the peak within the shortest horizon "
              "(`when`); absent where it is not known. Ahead is never less than now.",
              [](const Advice& advice, const auto& put) {
                if (advice.now.known)
                  put({{"when", "now"}}, static_cast<double>(advice.now.wanted));
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
