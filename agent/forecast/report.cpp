// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/report.h"

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
               {"now", wanted_json(advice.now)}};
  json["replica"] = {{"knowledge", to_string(advice.capacity.knowledge)},
                     {"load", finite_or_null(advice.capacity.load)},
                     {"low", finite_or_null(advice.capacity.low)},
                     {"high", finite_or_null(advice.capacity.high)},
                     {"queues", to_string(advice.capacity.queues)},
                     {"minutes", advice.capacity.samples},
                     {"reason", advice.capacity.reason}};
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

std::string to_json(const Said& said, const Rules& rules) {
  Json json = {{"at", format_rfc3339(said.at)},
               {"turned_away", said.turned_away},
               {"series", Json::array()},
               {"capacity", Json::array()}};
  for (const auto& [key, entry] : said.series)
    json["series"].push_back(series_json(key, entry, rules));
  for (const auto& [key, advice] : said.capacity)
    json["capacity"].push_back(capacity_json(key, advice, rules));
  return json.dump();
}

}  // namespace outrider::forecast
