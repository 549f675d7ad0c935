// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/diagnosis.h"

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

std::vector<std::string> texts_of(const Json& json) {
  return json.get<std::vector<std::string>>();
}

}  // namespace

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
          {"unknown", diagnosis.unknown},
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
  out.scope = json.at("scope");
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
