// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/report.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::forecast {
namespace {

using wire::Json;

Json labels_json(const Labels& labels) {
  Json json = Json::object();
  for (const Label& label : labels) json[label.name] = label.value;
  return json;
}

Json seconds_or_null(const std::optional<Duration>& duration) {
  return duration ? Json(to_seconds(*duration)) : Json();
}

Json finite_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

Json series_json(const ForecastBoard::Key& key, const ForecastBoard::Entry& entry,
                 const Rules& rules) {
  Json json = {{"forecast", rules.series[key.first].name}, {"labels", labels_json(key.second)}};
  json["horizons"] = Json::array();
  for (const HorizonForecast& at : entry.horizons) {
    json["horizons"].push_back({{"horizon_seconds", to_seconds(at.horizon)},
                                {"low", at.low},
                                {"expected", at.middle},
                                {"high", at.high},
                                {"checked", at.checked},
                                {"inside", at.inside}});
  }
  if (entry.to_limit) {
    json["limit"] = entry.to_limit->limit;
    json["to_limit_seconds"] = {{"earliest", seconds_or_null(entry.to_limit->earliest)},
                                {"expected", seconds_or_null(entry.to_limit->expected)},
                                {"latest", seconds_or_null(entry.to_limit->latest)}};
  }
  json["notes"] = entry.notes;
  if (!entry.trouble.empty()) json["trouble"] = entry.trouble;
  return json;
}

Json values_json(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(finite_or_null(value));
  return json;
}

Json course_json(const Shown& shown) {
  return {{"from", format_rfc3339(shown.ahead.first)},
          {"step_seconds", to_seconds(shown.ahead.step)},
          {"expected", values_json(shown.ahead.middle)},
          {"low", values_json(shown.ahead.low)},
          {"high", values_json(shown.ahead.high)},
          {"past_from", format_rfc3339(shown.past_from)},
          {"past_step_seconds", to_seconds(shown.past_step)},
          {"past", values_json(shown.past)}};
}

// Of each stretch of so many steps its last expected value, its lowest low and its highest high.
Course thinned(const Course& course, std::size_t points) {
  const std::size_t stretch = (course.middle.size() + points - 1) / points;
  if (stretch <= 1) return course;
  const auto steps = static_cast<std::int64_t>(stretch);
  Course thin{.first = course.first + (steps - 1) * course.step, .step = steps * course.step};
  for (std::size_t i = 0; i + stretch <= course.middle.size(); i += stretch) {
    const auto begin = static_cast<std::ptrdiff_t>(i), end = begin + steps;
    thin.middle.push_back(course.middle[i + stretch - 1]);
    thin.low.push_back(*std::min_element(course.low.begin() + begin, course.low.begin() + end));
    thin.high.push_back(*std::max_element(course.high.begin() + begin, course.high.begin() + end));
  }
  return thin;
}

Json wanted_json(const detectors::ReplicasWanted& wanted) {
  Json json = {{"known", wanted.known}, {"reason", wanted.reason}, {"at_least", wanted.at_least}};
  json["wanted"] = wanted.known ? Json(wanted.wanted) : Json();
  json["at_most"] = wanted.at_most > 0 ? Json(wanted.at_most) : Json();
  return json;
}

Json capacity_json(const CapacityBoard::Key& key, const Advice& advice, const Rules& rules) {
  Json json = {{"capacity", rules.capacity[key.first].name},
               {"labels", labels_json(key.second)},
               {"says", advice.sentence},
               {"replicas", advice.replicas},
               {"load", advice.load},
               {"bears", advice.bears ? Json(*advice.bears) : Json()},
               {"now", wanted_json(advice.now)}};
  json["replica"] = {{"knowledge", to_string(advice.capacity.knowledge)},
                     {"load", finite_or_null(advice.capacity.load)},
                     {"low", finite_or_null(advice.capacity.low)},
                     {"high", finite_or_null(advice.capacity.high)},
                     {"queues", to_string(advice.capacity.queues)},
                     {"minutes", advice.capacity.samples},
                     {"reason", advice.capacity.reason}};
  json["cold_start"] = wanted_json(advice.soon.replicas);
  json["cold_start"]["chance_short"] =
      advice.soon.replicas.known ? Json(advice.soon.chance_short) : Json();
  json["ahead"] = Json();
  if (advice.ahead) {
    json["ahead"] = wanted_json(advice.ahead->wanted);
    json["ahead"]["load"] = advice.ahead->load;
    json["ahead"]["expected_load"] = advice.ahead->expected;
    json["ahead"]["at"] = format_rfc3339(advice.ahead->at);
    json["ahead"]["by"] = format_rfc3339(advice.ahead->by);
  }
  for (std::size_t i = 0; i < ahead_words.size(); ++i)
    json["checks"][std::string(ahead_words[i])] = advice.checks[i];
  return json;
}

}  // namespace

bool is_shown(const ForecastBoard::Key& key, const Rules& rules) {
  return key.first < rules.capacity.size() || !rules.series[key.first].limit.empty() ||
         !key.second.get("model_name").empty();
}

std::optional<Shown> shown(const ForecastBoard& board, const ForecastBoard::Key& key,
                           const Rules& rules, Time now) {
  const auto course = board.course(key.first, key.second, now);
  if (!course) return std::nullopt;
  constexpr auto points = static_cast<std::int64_t>(Shown::points_max);
  return Shown{.past_from = course->first - points * rules.step,
               .past_step = rules.step,
               .past = board.past(key.first, key.second, now, Shown::points_max),
               .ahead = thinned(*course, Shown::points_max)};
}

std::string to_json(const Said& said, const Rules& rules) {
  return to_json(said, rules, nullptr);
}

std::string to_json(const Said& said, const Rules& rules, const Wanted& wanted) {
  Json json = {{"at", format_rfc3339(said.at)},
               {"turned_away", said.turned_away},
               {"series", Json::array()},
               {"capacity", Json::array()}};
  for (const auto& [key, entry] : said.series) {
    if (wanted && !wanted(key.second)) continue;
    Json series = series_json(key, entry, rules);
    const auto found = said.shown.find(key);
    if (wanted && found != said.shown.end()) series["course"] = course_json(found->second);
    json["series"].push_back(std::move(series));
  }
  for (const auto& [key, advice] : said.capacity) {
    if (!wanted || wanted(key.second))
      json["capacity"].push_back(capacity_json(key, advice, rules));
  }
  return json.dump();
}

}  // namespace outrider::forecast
