// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/diagnosis.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/core/text.h"

namespace outrider::incident {
namespace {

using wire::Json;

Time time_of(const Json& json) {
  const auto time = parse_rfc3339(json.get<std::string>());
  if (!time) throw std::invalid_argument("no time: " + json.get<std::string>());
  return *time;
}

Json shown_json(const std::vector<Diagnosis::Shown>& rows) {
  Json list = Json::array();
  for (const Diagnosis::Shown& one : rows) {
    Json values = Json::array();
    for (const double value : one.values)
      values.push_back(std::isfinite(value) ? Json(value) : Json());
    list.push_back({{"component", one.component},
                    {"metric", one.metric},
                    {"from", format_rfc3339(one.from)},
                    {"step_seconds", to_seconds(one.step)},
                    {"values", values}});
  }
  return list;
}

std::vector<Diagnosis::Shown> read_shown(const Json& list) {
  std::vector<Diagnosis::Shown> rows;
  for (const Json& one : list) {
    Diagnosis::Shown read{one.at("component"),
                          one.at("metric"),
                          time_of(one.at("from")),
                          from_seconds(one.at("step_seconds").get<double>()),
                          {}};
    for (const Json& value : one.at("values")) {
      read.values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                            : value.get<double>());
    }
    rows.push_back(std::move(read));
  }
  return rows;
}

std::vector<std::string> texts_of(const Json& json) {
  return json.get<std::vector<std::string>>();
}

Earlier read_earlier(const Json& json) {
  Earlier out;
  out.times = json.at("times");
  out.sentence = json.at("sentence");
  for (const Json& one : json.at("cases")) {
    Earlier::Case& made = out.cases.emplace_back();
    made.incident = one.at("incident");
    made.opened_at = time_of(one.at("opened_at"));
    made.ended_at = time_of(one.at("ended_at"));
    made.alike = one.at("alike");
    made.cause = one.at("cause");
    for (const Json& action : one.at("actions")) {
      const Json& after = action.at("ended_after_seconds");
      made.actions.push_back(
          {action.at("action"), action.at("outcome"),
           after.is_null() ? std::nullopt : std::optional(from_seconds(after.get<double>()))});
    }
  }
  return out;
}

}  // namespace

Json to_json(const Earlier& earlier) {
  Json cases = Json::array();
  for (const Earlier::Case& one : earlier.cases) {
    Json actions = Json::array();
    for (const Earlier::Action& action : one.actions) {
      actions.push_back({{"action", action.action},
                         {"outcome", action.outcome},
                         {"ended_after_seconds",
                          action.ended_after ? Json(to_seconds(*action.ended_after)) : Json()}});
    }
    cases.push_back({{"incident", one.incident},
                     {"opened_at", format_rfc3339(one.opened_at)},
                     {"ended_at", format_rfc3339(one.ended_at)},
                     {"alike", one.alike},
                     {"cause", one.cause},
                     {"actions", actions}});
  }
  return {{"times", earlier.times}, {"sentence", earlier.sentence}, {"cases", cases}};
}

Json to_json(const Diagnosis& diagnosis) {
  Json causes = Json::array();
  for (const Diagnosis::Cause& cause : diagnosis.causes) {
    causes.push_back({{"component", cause.component},
                      {"kind", cause.kind},
                      {"probability", cause.probability},
                      {"score", cause.score},
                      {"onset", cause.onset ? Json(format_rfc3339(*cause.onset)) : Json()},
                      {"evidence", cause.evidence}});
  }
  Json change;
  if (diagnosis.change) {
    change = {{"component", diagnosis.change->component},
              {"kind", diagnosis.change->kind},
              {"what", diagnosis.change->what},
              {"version", diagnosis.change->version},
              {"time", format_rfc3339(diagnosis.change->at)}};
  }
  return {{"verdict", diagnosis.named ? "cause" : "insufficient_evidence"},
          {"sentence", diagnosis.sentence},
          {"p", diagnosis.p},
          {"reason", diagnosis.reason},
          {"causes", causes},
          {"suspects", diagnosis.suspects},
          {"change", change},
          {"scope", diagnosis.scope},
          {"shown", shown_json(diagnosis.shown)},
          {"unknown", diagnosis.unknown},
          {"seen_before", to_json(diagnosis.earlier)},
          {"made_at", format_rfc3339(diagnosis.made_at)},
          {"from", format_rfc3339(diagnosis.from)},
          {"at", format_rfc3339(diagnosis.at)},
          {"to", format_rfc3339(diagnosis.to)}};
}

Diagnosis read_diagnosis(const Json& json) {
  Diagnosis out;
  out.named = json.at("verdict") == "cause";
  out.sentence = json.at("sentence");
  out.p = json.at("p");
  out.reason = json.at("reason");
  for (const Json& cause : json.at("causes")) {
    const Json& onset = cause.at("onset");
    out.causes.push_back({cause.at("component"), cause.at("kind"), cause.at("probability"),
                          cause.at("score"),
                          onset.is_null() ? std::nullopt : std::optional(time_of(onset)),
                          texts_of(cause.at("evidence"))});
  }
  out.suspects = json.at("suspects");
  if (const Json& change = json.at("change"); !change.is_null()) {
    out.change = {change.at("component"), change.at("kind"), change.at("what"),
                  change.at("version"), time_of(change.at("time"))};
  }
  if (json.contains("seen_before")) out.earlier = read_earlier(json.at("seen_before"));
  out.scope = json.at("scope");
  // Not in a journal of an agent that kept none.
  out.shown = read_shown(json.value("shown", Json::array()));
  out.unknown = texts_of(json.at("unknown"));
  out.made_at = time_of(json.at("made_at"));
  out.from = time_of(json.at("from"));
  out.at = time_of(json.at("at"));
  out.to = time_of(json.at("to"));
  return out;
}

Json to_json(const Slices& slices) {
  return {{"asked_at", format_rfc3339(slices.asked_at)},
          {"summary", slices.summary},
          {"answer", slices.answer},
          {"from", slices.from},
          {"asked", slices.asked},
          {"answered", slices.answered}};
}

Slices read_slices(const Json& json) {
  return {time_of(json.at("asked_at")),
          json.at("summary"),
          json.at("answer"),
          json.at("from"),
          json.at("asked"),
          json.at("answered")};
}

}  // namespace outrider::incident
