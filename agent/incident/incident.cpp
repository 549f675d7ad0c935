// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/incident.h"

#include <algorithm>
#include <array>

#include "agent/incident/signal_key.h"
#include "base/core/enum_names.h"
#include "base/core/text.h"
#include "base/wire/json_time.h"

namespace outrider::incident {
namespace {

using wire::Json;
using wire::read_time;
using wire::time_json;

constexpr std::size_t change_text_bytes_max = 1'024;
constexpr std::size_t timeline_max = 100;
constexpr std::array<EnumName<Inputs>, 3> inputs_words = {{{Inputs::not_judged, "not_judged"},
                                                           {Inputs::unchanged, "unchanged"},
                                                           {Inputs::changed, "changed"}}};

Json labels_json(const Labels& labels) {
  Json object = Json::object();
  for (const Label& label : labels) object[label.name] = label.value;
  return object;
}

// Reads what to_json wrote; throws Json::exception or std::invalid_argument on anything else.
Time read_known_time(const Json& json, const char* key) {
  const auto time = read_time(json, key);
  if (!time) throw std::invalid_argument(std::string(key) + ": no time");
  return *time;
}

Labels read_labels(const Json& json, const char* key) {
  Labels labels;
  for (const auto& [name, value] : json.at(key).items()) labels.set(name, value.get<std::string>());
  return labels;
}

using Comparison = Facts::Comparison;
constexpr std::array<EnumName<Comparison::Base>, 2> base_words = {
    {{Comparison::Base::before, "before"}, {Comparison::Base::reference, "reference"}}};
constexpr std::array<EnumName<Comparison::Moved>, 3> moved_words = {
    {{Comparison::Moved::at_change, "at_change"},
     {Comparison::Moved::before_change, "before_change"},
     {Comparison::Moved::unknown, "unknown"}}};

Json comparison_json(const std::optional<Comparison>& comparison) {
  if (!comparison) return {};
  Json moved = Json::array();
  for (const Comparison::Input& input : comparison->moved) {
    moved.push_back(
        {{"name", input.name}, {"psi", input.psi}, {"moved", enum_name(moved_words, input.moved)}});
  }
  return {{"moved", moved},
          {"inputs", comparison->inputs},
          {"base", enum_name(base_words, comparison->base)},
          {"rows", comparison->rows},
          {"base_rows", comparison->base_rows},
          {"rows_needed", comparison->rows_needed},
          {"psi", comparison->psi},
          {"power", comparison->power},
          {"enough", comparison->enough}};
}

std::optional<Comparison> read_comparison(const Json& json) {
  if (json.is_null()) return std::nullopt;
  Comparison comparison;
  for (const Json& input : json.at("moved")) {
    const auto moved = parse_enum_name(moved_words, input.at("moved").get<std::string>());
    comparison.moved.push_back(
        {input.at("name"), input.at("psi"), moved.value_or(Comparison::Moved::unknown)});
  }
  comparison.inputs = json.at("inputs");
  comparison.base = parse_enum_name(base_words, json.at("base").get<std::string>())
                        .value_or(Comparison::Base::before);
  comparison.rows = json.at("rows");
  comparison.base_rows = json.at("base_rows");
  comparison.rows_needed = json.at("rows_needed");
  comparison.psi = json.at("psi");
  comparison.power = json.at("power");
  comparison.enough = json.at("enough");
  return comparison;
}

Json facts_json(const Facts& facts) {
  Json subjects = Json::array();
  for (const Facts::Subject& subject : facts.subjects) {
    subjects.push_back({{"name", subject.name},
                        {"state", subject.state},
                        {"score", subject.score ? Json(*subject.score) : Json()}});
  }
  return {{"asked_at", time_json(facts.asked_at)},
          {"trouble", facts.trouble},
          {"since", time_json(facts.since)},
          {"owner", facts.owner},
          {"comparison", comparison_json(facts.comparison)},
          {"comparison_trouble", facts.comparison_trouble},
          {"subjects", subjects}};
}

Facts read_facts(const Json& json) {
  Facts facts;
  facts.asked_at = read_time(json, "asked_at");
  facts.trouble = json.at("trouble");
  facts.since = read_time(json, "since");
  facts.owner = json.value("owner", "");
  facts.comparison_trouble = json.value("comparison_trouble", "");
  facts.comparison = read_comparison(json.value("comparison", Json()));
  for (const Json& subject : json.at("subjects")) {
    const Json& score = subject.at("score");
    facts.subjects.push_back({subject.at("name"), subject.at("state"),
                              score.is_null() ? std::nullopt : std::optional(score.get<double>())});
  }
  return facts;
}

Json members_json(const std::vector<Member>& members) {
  Json list = Json::array();
  for (const Member& member : members) {
    list.push_back({{"labels", labels_json(member.labels)},
                    {"firing", member.firing},
                    {"starts_at", time_json(member.starts_at)},
                    {"ends_at", time_json(member.ends_at)},
                    {"heard_at", time_json(member.heard_at)}});
  }
  return list;
}

// What happened when, oldest first: changes, the estimated onset, alerts, the causes' onsets. It
// follows from the rest, and is written for readers.
Json timeline_json(const Incident& incident) {
  std::vector<std::pair<Time, std::pair<std::string, std::string>>> events;
  const auto add = [&events](Time at, const char* kind, std::string text) {
    events.push_back({at, {kind, std::move(text)}});
  };
  for (const Change& change : incident.changes) {
    const std::string& who = change.workload.empty() ? change.model : change.workload;
    if (change.is_warning()) {
      add(change.at, "warning", who + ": " + change.summary);
      continue;
    }
    add(change.at, "change",
        change.kind + (change.version.empty() ? "" : " " + change.version) +
            (who.empty() ? "" : " of " + who));
  }
  if (incident.since) add(*incident.since, "onset", "the change began, estimated by the alert");
  if (incident.diagnosis) {
    for (const Diagnosis::Cause& cause : incident.diagnosis->causes) {
      if (events.size() >= timeline_max) break;
      if (cause.onset && !cause.evidence.empty())
        add(*cause.onset, "suspect", cause.component + ": " + cause.evidence.front());
    }
  }
  add(incident.episode_at, "alert", incident.alert);
  for (const Signal& signal : incident.grouped) {
    if (events.size() < timeline_max)
      add(signal.starts_at, "alert", signal.alert + ": " + signal.why);
  }
  add(incident.opened_at, "incident", "opened");
  if (incident.resolved_at) {
    add(*incident.resolved_at, "incident",
        incident.merged_into.empty() ? "resolved" : "merged into " + incident.merged_into);
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Json list = Json::array();
  for (const auto& [at, event] : events)
    list.push_back({{"at", time_json(at)}, {"kind", event.first}, {"text", event.second}});
  return list;
}

Json signals_json(const std::vector<Signal>& signals) {
  Json list = Json::array();
  for (const Signal& signal : signals) {
    list.push_back({{"alert", signal.alert},
                    {"severity", signal.severity},
                    {"why", signal.why},
                    {"starts_at", time_json(signal.starts_at)},
                    {"labels", labels_json(signal.labels)},
                    {"annotations", labels_json(signal.annotations)},
                    {"key", signal.key}});
  }
  return list;
}

std::vector<Signal> read_signals(const Json& json) {
  std::vector<Signal> signals;
  for (const Json& one : json) {
    signals.push_back({one.at("key"), one.at("alert"), one.at("severity"),
                       read_labels(one, "labels"), read_labels(one, "annotations"),
                       read_known_time(one, "starts_at"), one.at("why")});
  }
  return signals;
}

std::string state_of(const Incident& incident) {
  if (!incident.merged_into.empty()) return "merged";
  return incident.open ? "open" : "resolved";
}

Incident read_incident(const Json& json) {
  Incident incident;
  incident.id = json.at("id");
  incident.key = json.at("key");
  incident.alert = json.at("alert");
  incident.severity = json.at("severity");
  incident.model = json.at("model");
  incident.version = json.at("version");
  incident.summary = json.at("summary");
  incident.labels = read_labels(json, "labels");
  incident.annotations = read_labels(json, "annotations");
  // A journal of an agent that did not write these yet has them in the labels.
  const Identity of_labels = identity_of(incident.labels);
  incident.cluster = json.value("cluster", of_labels.cluster);
  incident.name_space = json.value("namespace", of_labels.name_space);
  incident.workload = json.value("workload", of_labels.workload);
  incident.owner = json.value("owner", std::string(incident.labels.get("owner")));
  incident.open = json.at("state") == "open";
  incident.opened_at = read_known_time(json, "opened_at");
  incident.updated_at = read_known_time(json, "updated_at");
  incident.resolved_at = read_time(json, "resolved_at");
  incident.episode_at = read_known_time(json, "episode_at");
  incident.episodes = json.at("episodes");
  incident.notifications = json.at("notifications");
  incident.since = read_time(json, "since");
  incident.inputs = parse_inputs(json.at("inputs").get<std::string>()).value_or(Inputs::not_judged);
  incident.facts = read_facts(json.at("facts"));
  for (const Json& member : json.at("alerts")) {
    incident.members.push_back({read_labels(member, "labels"), member.at("firing").get<bool>(),
                                read_known_time(member, "starts_at"), read_time(member, "ends_at"),
                                read_known_time(member, "heard_at")});
  }
  for (const Json& change : json.at("changes")) {
    incident.changes.push_back({change.at("id"), change.at("kind"), change.at("model"),
                                change.at("version"), change.at("summary"),
                                read_known_time(change, "at"), change.value("cluster", ""),
                                change.value("namespace", ""), change.value("workload", "")});
  }
  for (const Json& line : json.at("evidence")) {
    incident.evidence.push_back({line.at("kind"), line.at("text")});
  }
  incident.grouped = read_signals(json.value("grouped", Json::array()));
  incident.merged_into = json.value("merged_into", "");
  if (const Json diagnosis = json.value("diagnosis", Json()); !diagnosis.is_null())
    incident.diagnosis = read_diagnosis(diagnosis);
  if (const Json slices = json.value("slices", Json()); !slices.is_null())
    incident.slices = read_slices(slices);
  return incident;
}

Failure bad_change(const std::string& what) {
  return fail("bad_change",
              what + R"(; e.g. {"kind": "promotion", "model": "house-price", "version": "v2"})");
}

Result<Time> change_time(const Json& at) {
  if (at.is_number() && at.get<double>() >= 0 && at.get<double>() < 9e9) {
    return Time{} + from_seconds(at.get<double>());
  }
  const auto time = at.is_string() ? parse_rfc3339(at.get<std::string>()) : std::nullopt;
  if (!time) return bad_change("at: expected RFC 3339 or Unix seconds");
  return *time;
}

}  // namespace

Result<Change> parse_change(std::string_view body, Time now) {
  if (!is_valid_utf8(body)) return fail("invalid_json", "the body is not UTF-8");
  const auto json = wire::parse_json(body);
  if (!json) return fail(json);
  if (!json->is_object()) return bad_change("expected one object");
  Change change;
  change.at = now;
  for (const auto& [key, target] :
       {std::pair{"kind", &change.kind}, std::pair{"model", &change.model},
        std::pair{"version", &change.version}, std::pair{"cluster", &change.cluster},
        std::pair{"namespace", &change.name_space}, std::pair{"workload", &change.workload},
        std::pair{"summary", &change.summary}, std::pair{"id", &change.id}}) {
    const auto found = json->find(key);
    if (found == json->end() || found->is_null()) continue;
    if (!found->is_string()) return bad_change(std::string(key) + ": expected text");
    *target = found->get<std::string>();
    if (target->size() > change_text_bytes_max) {
      return bad_change(std::string(key) + ": longer than " +
                        std::to_string(change_text_bytes_max) + " bytes");
    }
  }
  if (change.kind != "deployment" && change.kind != "promotion" && change.kind != "rollback" &&
      change.kind != "config" && change.kind != "scale" && !change.is_warning()) {
    return bad_change("kind: expected deployment, promotion, rollback, config, scale or warning");
  }
  if (const auto at = json->find("at"); at != json->end() && !at->is_null()) {
    const auto time = change_time(*at);
    if (!time) return fail(time);
    change.at = *time;
  }
  if (change.id.empty()) {
    change.id = change.kind + "-" + change.model + "-" + change.version + "-" +
                std::to_string(to_unix_ms(change.at));
    for (const std::string& part : {change.cluster, change.name_space, change.workload}) {
      if (!part.empty()) change.id += "-" + part;
    }
  }
  return change;
}

Json to_json(const Change& change) {
  return {{"id", change.id},
          {"kind", change.kind},
          {"model", change.model},
          {"version", change.version},
          {"cluster", change.cluster},
          {"namespace", change.name_space},
          {"workload", change.workload},
          {"summary", change.summary},
          {"at", format_rfc3339(change.at)}};
}

std::string_view name(Inputs inputs) {
  return enum_name(inputs_words, inputs);
}

std::optional<Inputs> parse_inputs(std::string_view text) {
  return parse_enum_name(inputs_words, text);
}

Signal lead_of(const Incident& incident) {
  return {incident.key,
          incident.alert,
          incident.severity,
          incident.labels,
          incident.annotations,
          incident.episode_at,
          ""};
}

std::string key_in(const Incident& incident, const Labels& labels) {
  std::string part = part_key(labels);
  const auto is_part = [&part](const Signal& signal) { return signal.key == part; };
  if (!part.empty() && (incident.key == part ||
                        std::any_of(incident.grouped.begin(), incident.grouped.end(), is_part)))
    return part;
  return incident_key(stable_labels(labels));
}

int severity_rank(std::string_view severity) {
  if (severity == "critical") return 3;
  if (severity == "warning") return 2;
  return severity == "info" ? 1 : 0;
}

Incident as_told_by(const Incident& incident, const Signal& signal) {
  Incident told = incident;
  told.alert = signal.alert;
  told.severity = signal.severity;
  told.labels = signal.labels;
  told.annotations = signal.annotations;
  const Identity who = signal.identity();
  told.cluster = who.cluster;
  told.name_space = who.name_space;
  told.workload = who.workload;
  told.model = who.model;
  told.version = who.version;
  const std::string_view owner = signal.labels.get("owner");
  if (!owner.empty()) told.owner = owner;
  // What was judged is the leading alert's model.
  if (!may_be_same(who, incident.identity())) {
    told.inputs = Inputs::not_judged;
    told.since.reset();
  }
  return told;
}

Json to_json(const Incident& incident) {
  Json evidence = Json::array();
  for (const Evidence& line : incident.evidence) {
    evidence.push_back({{"kind", line.kind}, {"text", line.text}});
  }
  Json changes = Json::array();
  for (const Change& change : incident.changes) changes.push_back(to_json(change));
  return {{"id", incident.id},
          {"state", state_of(incident)},
          {"merged_into", incident.merged_into},
          {"alert", incident.alert},
          {"severity", incident.severity},
          {"model", incident.model},
          {"version", incident.version},
          {"cluster", incident.cluster},
          {"namespace", incident.name_space},
          {"workload", incident.workload},
          {"owner", incident.owner},
          {"summary", incident.summary},
          {"opened_at", time_json(incident.opened_at)},
          {"updated_at", time_json(incident.updated_at)},
          {"resolved_at", time_json(incident.resolved_at)},
          {"since", time_json(incident.since)},
          {"inputs", name(incident.inputs)},
          {"evidence", evidence},
          {"diagnosis", incident.diagnosis ? to_json(*incident.diagnosis) : Json()},
          {"slices", incident.slices ? to_json(*incident.slices) : Json()},
          {"episode_at", time_json(incident.episode_at)},
          {"episodes", incident.episodes},
          {"notifications", incident.notifications},
          {"key", incident.key},
          {"labels", labels_json(incident.labels)},
          {"annotations", labels_json(incident.annotations)},
          {"facts", facts_json(incident.facts)},
          {"changes", changes},
          {"grouped", signals_json(incident.grouped)},
          {"timeline", timeline_json(incident)},
          {"alerts", members_json(incident.members)}};
}

Result<Incident> incident_from_json(const Json& json) {
  try {
    return read_incident(json);
  } catch (const std::exception& error) {
    return fail("bad_incident", error.what());
  }
}

}  // namespace outrider::incident
