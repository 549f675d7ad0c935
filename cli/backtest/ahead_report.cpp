// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/ahead_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/core/text.h"
#include "base/wire/json.h"
#include "cli/backtest/range.h"

namespace outrider::cli {
namespace {

using forecast::Replayed;
using forecast::ReplayedAlert;
using forecast::ReplayedCapacity;
using forecast::ReplayedHorizon;
using forecast::ReplayedSeries;
using wire::Json;

// "2026-03-02 14:05".
std::string minute_of(Time time) {
  std::string text = format_rfc3339(time).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string digits(double value, int places) {
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%.*f", places, value);
  return text.data();
}

std::string share(std::uint64_t part, std::uint64_t of) {
  return of > 0 ? digits(100 * static_cast<double>(part) / static_cast<double>(of), 1) + " %" : "-";
}

std::string alert_line(const std::string& alert, const std::string& name,
                       const ReplayedAlert& one) {
  std::string line = "  " + minute_of(one.fired) + "  " + alert + "  " + name + ": ";
  if (one.came && *one.came <= one.fired) return line + "it was so already\n";
  if (one.came)
    return line + "it came " + format_duration(*one.came - one.fired) + " later, at " +
           minute_of(*one.came) + "\n";
  return line + "it did not come within the range" +
         (one.ended ? "; resolved at " + minute_of(*one.ended) : "; still firing at the end") +
         "\n";
}

void forecasts_of_rule(std::string& out, const Replayed& told, const forecast::SeriesRule& rule,
                       std::size_t index) {
  std::size_t series = 0, never = 0;
  for (const ReplayedSeries& one : told.series) {
    if (one.rule != index) continue;
    ++series;
    never += one.trouble.empty() ? 0 : 1;
  }
  if (series == 0) {
    out += "  " + rule.name + ": no series\n";
    return;
  }
  for (std::size_t i = 0; i < rule.horizons.size(); ++i) {
    std::uint64_t checked = 0, inside = 0;
    std::vector<double> mase, naive;
    for (const ReplayedSeries& one : told.series) {
      if (one.rule != index) continue;
      const ReplayedHorizon& at = one.horizons[i];
      checked += at.checked;
      inside += at.inside;
      if (at.mase) mase.push_back(*at.mase);
      if (at.naive_mase) naive.push_back(*at.naive_mase);
    }
    const auto median = [](std::vector<double>& values) {
      if (values.empty()) return std::string("-");
      const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
      std::nth_element(values.begin(), middle, values.end());
      return digits(*middle, 3);
    };
    out += "  " + rule.name + ", " + std::to_string(series) + " series, " +
           format_duration(rule.horizons[i]) + " ahead: " + share(inside, checked) + " of " +
           std::to_string(checked) + " within the 90 % interval; MASE " + median(mase) +
           ", daily naive " + median(naive) + "\n";
  }
  if (never > 0)
    out += "  " + rule.name + ": " + "not forecast, of its series: " + std::to_string(never) + "\n";
}

void capacity_lines(std::string& out, const ReplayedCapacity& one, const std::string& name) {
  out += "  " + name + ": one replica bears " +
         (one.capacity.knowledge == detectors::Knowledge::unknown
              ? "an unknown load (" + one.capacity.reason + ")"
              : (one.capacity.knowledge == detectors::Knowledge::at_least ? "at least " : "") +
                    digits(one.capacity.load, 1) + " requests a second (" +
                    digits(one.capacity.low, 1) + " to " +
                    (std::isfinite(one.capacity.high) ? digits(one.capacity.high, 1)
                                                      : std::string("unknown")) +
                    ")") +
         "\n";
  out += "    replica-hours: had " + digits(one.had_hours, 1) + ", wanted ahead " +
         digits(one.wanted_hours, 1) + "; fewer than the load needed in " +
         share(one.short_steps, one.known_steps) + " of " + std::to_string(one.known_steps) +
         " steps that are known, of " + std::to_string(one.steps.size()) + "\n";
  const std::uint64_t checks = one.checks[0] + one.checks[1] + one.checks[2];
  out += "    what was asked for ahead was";
  for (std::size_t i = 0; i < forecast::ahead_words.size(); ++i)
    out += (i == 0 ? " " : ", ") + std::string(forecast::ahead_words[i]) + " in " +
           share(one.checks[i], checks);
  out += "\n";
  const forecast::ReplayedSoon& soon = one.soon;
  if (soon.hours <= 0) return;
  out +=
      "    worth having until a new one serves: " + digits(soon.hours, 1) +
      " replica-hours; the load outgrew them in " + share(soon.outgrown, soon.checked) + " of " +
      std::to_string(soon.checked) + " cases, as said in " +
      (soon.checked > 0 ? digits(100 * soon.expected / static_cast<double>(soon.checked), 1) + " %"
                        : std::string("-")) +
      "\n";
}

Json time_or_null(const std::optional<Time>& time) {
  return time ? Json(format_rfc3339(*time)) : Json();
}

Json alerts_json(const std::vector<ReplayedAlert>& alerts) {
  Json list = Json::array();
  for (const ReplayedAlert& one : alerts)
    list.push_back({{"fired", format_rfc3339(one.fired)},
                    {"ended", time_or_null(one.ended)},
                    {"came", time_or_null(one.came)}});
  return list;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json labels_json(const Labels& labels) {
  Json json = Json::object();
  for (const Label& label : labels) json[label.name] = label.value;
  return json;
}

Json finite_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

Json series_json(const ReplayedSeries& one, const std::string& rule) {
  Json json = {{"forecast", rule},
               {"labels", labels_json(one.labels)},
               {"horizons", Json::array()},
               {"anomalies", Json::array()},
               {"full", alerts_json(one.full)}};
  for (const ReplayedHorizon& at : one.horizons)
    json["horizons"].push_back({{"horizon_seconds", to_seconds(at.horizon)},
                                {"checked", at.checked},
                                {"inside", at.inside},
                                {"mase", or_null(at.mase)},
                                {"naive_mase", or_null(at.naive_mase)}});
  for (const Time at : one.anomalies) json["anomalies"].push_back(format_rfc3339(at));
  if (!one.trouble.empty()) json["trouble"] = one.trouble;
  return json;
}

Json course_json(const ReplayedSeries& one) {
  Json course = Json::array();
  for (const forecast::ReplayedPoint& point : one.points)
    course.push_back({{"at", format_rfc3339(point.at)},
                      {"value", finite_or_null(point.value)},
                      {"low", finite_or_null(point.low)},
                      {"expected", finite_or_null(point.middle)},
                      {"high", finite_or_null(point.high)}});
  return course;
}

Json capacity_json(const ReplayedCapacity& one, const std::string& rule) {
  Json json = {{"capacity", rule},
               {"labels", labels_json(one.labels)},
               {"replica",
                {{"knowledge", to_string(one.capacity.knowledge)},
                 {"load", finite_or_null(one.capacity.load)},
                 {"low", finite_or_null(one.capacity.low)},
                 {"high", finite_or_null(one.capacity.high)}}},
               {"alerts", alerts_json(one.alerts)},
               {"replica_hours", {{"had", one.had_hours}, {"wanted", one.wanted_hours}}},
               {"steps", {{"known", one.known_steps}, {"short", one.short_steps}}},
               {"cold_start",
                {{"replica_hours", one.soon.hours},
                 {"checked", one.soon.checked},
                 {"outgrown", one.soon.outgrown},
                 {"expected", one.soon.expected}}},
               {"course", Json::array()}};
  for (std::size_t i = 0; i < forecast::ahead_words.size(); ++i)
    json["checks"][std::string(forecast::ahead_words[i])] = one.checks[i];
  for (const forecast::ReplayedStep& step : one.steps)
    json["course"].push_back({{"at", format_rfc3339(step.at)},
                              {"load", step.load},
                              {"replicas", step.replicas},
                              {"now", or_null(step.now)},
                              {"cold_start", or_null(step.soon)},
                              {"ahead", or_null(step.ahead)}});
  return json;
}

}  // namespace

std::string replayed_name(const std::string& rule, const Labels& labels) {
  Labels named = labels;
  named.set("__name__", rule);
  return series_name(named);
}

std::string ahead_table(const Replayed& told, const forecast::Rules& rules,
                        const forecast::ReplaySettings& settings) {
  std::string out = minute_of(settings.start) + " to " + minute_of(settings.end) +
                    " UTC, a step each " + format_duration(rules.step) + "\n\nForecast\n";
  for (std::size_t i = 0; i < rules.series.size(); ++i)
    forecasts_of_rule(out, told, rules.series[i], i);
  std::vector<std::pair<Time, std::string>> alerts;
  std::size_t anomalies = 0, unusual = 0;
  for (const ReplayedSeries& one : told.series) {
    const std::string name = replayed_name(rules.series[one.rule].name, one.labels);
    for (const ReplayedAlert& alert : one.full)
      alerts.emplace_back(alert.fired, alert_line("DiskFullAhead", name, alert));
    anomalies += one.anomalies.size();
    unusual += one.anomalies.empty() ? 0 : 1;
  }
  for (const ReplayedCapacity& one : told.capacity) {
    const std::string name = replayed_name(rules.capacity[one.rule].name, one.labels);
    for (const ReplayedAlert& alert : one.alerts)
      alerts.emplace_back(alert.fired, alert_line("ModelCapacityAhead", name, alert));
  }
  std::sort(alerts.begin(), alerts.end());
  out += "\nAlerted\n";
  if (alerts.empty()) out += "  nothing ahead\n";
  for (const auto& [at, line] : alerts) out += line;
  out += "  " + std::to_string(anomalies) + " anomalies in " + std::to_string(unusual) + " of " +
         std::to_string(told.series.size()) + " series, before the alert budget\n\nScaled\n";
  if (told.capacity.empty()) out += "  no capacity is known: the rules name none that has a load\n";
  for (const ReplayedCapacity& one : told.capacity)
    capacity_lines(out, one, replayed_name(rules.capacity[one.rule].name, one.labels));
  return out;
}

std::string ahead_json(const Replayed& told, const forecast::Rules& rules,
                       const forecast::ReplaySettings& settings) {
  Json json = {{"from", format_rfc3339(settings.start)},
               {"to", format_rfc3339(settings.end)},
               {"left_out", told.left_out},
               {"series", Json::array()},
               {"capacity", Json::array()}};
  std::size_t courses = 0;
  for (const ReplayedSeries& one : told.series) {
    json["series"].push_back(series_json(one, rules.series[one.rule].name));
    if (courses++ < ahead_courses_max) json["series"].back()["course"] = course_json(one);
  }
  for (const ReplayedCapacity& one : told.capacity)
    json["capacity"].push_back(capacity_json(one, rules.capacity[one.rule].name));
  return json.dump();
}

}  // namespace outrider::cli
