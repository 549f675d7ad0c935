// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/action.h"

#include <array>
#include <stdexcept>

#include "base/core/enum_names.h"
#include "base/core/text.h"

namespace outrider::decide {
namespace {

using wire::Json;

constexpr std::array<EnumName<Kind>, 5> kinds = {{{Kind::retrain, "retrain"},
                                                  {Kind::scale, "scale"},
                                                  {Kind::rollback, "rollback"},
                                                  {Kind::ticket, "ticket"},
                                                  {Kind::notify, "notify"}}};
constexpr std::array<EnumName<Outcome>, 5> outcomes = {{{Outcome::recommended, "recommended"},
                                                        {Outcome::suppressed, "suppressed"},
                                                        {Outcome::sent, "sent"},
                                                        {Outcome::succeeded, "succeeded"},
                                                        {Outcome::failed, "failed"}}};
constexpr std::array<EnumName<Stage>, 5> stages = {{{Stage::held, "held"},
                                                    {Stage::queued, "queued"},
                                                    {Stage::sending, "sending"},
                                                    {Stage::watching, "watching"},
                                                    {Stage::done, "done"}}};

template <class Words>
auto read_word(const Words& words, const Json& json) {
  const std::string text = json;
  const auto word = parse_enum_name(words, text);
  if (!word) throw std::invalid_argument("unknown word '" + text + "'");
  return *word;
}

Json time_json(const std::optional<Time>& time) {
  return time ? Json(format_rfc3339(*time)) : Json();
}

std::optional<Time> read_time(const Json& json, const char* key) {
  const Json& value = json.at(key);
  if (value.is_null()) return std::nullopt;
  const auto time = parse_rfc3339(value.get<std::string>());
  if (!time) throw std::invalid_argument(std::string(key) + ": no time");
  return time;
}

Duration read_ms(const Json& json, const char* key) {
  return std::chrono::milliseconds(json.at(key).get<std::int64_t>());
}

std::int64_t ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

Json delivery_json(const Delivery& delivery) {
  const JobWatch& job = delivery.job;
  Json headers = Json::array();
  for (const auto& [header, value] : delivery.headers) headers.push_back({header, value});
  return {{"method", delivery.method},
          {"url", delivery.url},
          {"headers", headers},
          {"body", delivery.body},
          {"authorization_type", delivery.authorization_type},
          {"credentials_file", delivery.credentials_file},
          {"ca_file", delivery.ca_file},
          {"timeout_ms", ms(delivery.timeout)},
          {"retry_for_ms", ms(delivery.retry_for)},
          {"accept", delivery.accept},
          {"job",
           {{"enabled", job.enabled},
            {"url_pointer", job.url_pointer},
            {"state_pointer", job.state_pointer},
            {"succeeded", job.succeeded},
            {"failed", job.failed},
            {"every_ms", ms(job.every)},
            {"timeout_ms", ms(job.timeout)}}}};
}

Delivery read_delivery(const Json& json) {
  Delivery delivery;
  delivery.method = json.at("method");
  delivery.url = json.at("url");
  for (const Json& header : json.at("headers"))
    delivery.headers.emplace_back(header.at(0), header.at(1));
  delivery.body = json.at("body");
  delivery.authorization_type = json.at("authorization_type");
  delivery.credentials_file = json.at("credentials_file");
  delivery.ca_file = json.at("ca_file");
  delivery.timeout = read_ms(json, "timeout_ms");
  delivery.retry_for = read_ms(json, "retry_for_ms");
  delivery.accept = json.at("accept").get<std::vector<int>>();
  const Json& job = json.at("job");
  delivery.job.enabled = job.at("enabled");
  delivery.job.url_pointer = job.at("url_pointer");
  delivery.job.state_pointer = job.at("state_pointer");
  delivery.job.succeeded = job.at("succeeded").get<std::vector<std::string>>();
  delivery.job.failed = job.at("failed").get<std::vector<std::string>>();
  delivery.job.every = read_ms(job, "every_ms");
  delivery.job.timeout = read_ms(job, "timeout_ms");
  return delivery;
}

Json common_json(const Action& action) {
  return {{"id", action.id},
          {"incident", action.incident},
          {"rule", action.rule},
          {"kind", name(action.kind)},
          {"model", action.model},
          {"version", action.version},
          {"cluster", action.cluster},
          {"namespace", action.name_space},
          {"workload", action.workload},
          {"owner", action.owner},
          {"outcome", name(action.outcome)},
          {"stage", name(action.stage)},
          {"reason", action.reason},
          {"needs_approval", action.needs_approval},
          {"decided_by_person", action.decided_by_person},
          {"person", action.person},
          {"idempotency_key", action.id},
          {"created_at", time_json(action.created_at)},
          {"updated_at", time_json(action.updated_at)},
          {"queued_at", time_json(action.queued_at)},
          {"first_attempt_at", time_json(action.first_attempt_at)},
          {"next_at", time_json(action.next_at)},
          {"attempts", action.attempts},
          {"job_url", action.job_url}};
}

}  // namespace

std::string_view name(Kind kind) {
  return enum_name(kinds, kind);
}

std::optional<Kind> parse_kind(std::string_view text) {
  return parse_enum_name(kinds, text);
}

bool changes_production(Kind kind) {
  return kind != Kind::ticket && kind != Kind::notify;
}

std::string_view name(Outcome outcome) {
  return enum_name(outcomes, outcome);
}

std::string_view name(Stage stage) {
  return enum_name(stages, stage);
}

Json to_json(const Action& action) {
  Json json = common_json(action);
  json["watched_since"] = time_json(action.watched_since);
  json["delivery"] = delivery_json(action.delivery);
  return json;
}

Json to_public_json(const Action& action) {
  Json json = common_json(action);
  json["request"] = {{"method", action.delivery.method},
                     {"url", action.delivery.url},
                     {"body", action.delivery.body}};
  return json;
}

Result<Action> action_from_json(const Json& json) {
  try {
    Action action;
    action.id = json.at("id");
    action.incident = json.at("incident");
    action.rule = json.at("rule");
    action.kind = read_word(kinds, json.at("kind"));
    action.model = json.at("model");
    // Not in a journal of an agent that knew a model by its name alone.
    action.version = json.value("version", "");
    action.cluster = json.value("cluster", "");
    action.name_space = json.value("namespace", "");
    action.workload = json.value("workload", "");
    action.owner = json.value("owner", "");
    action.outcome = read_word(outcomes, json.at("outcome"));
    action.stage = read_word(stages, json.at("stage"));
    action.reason = json.at("reason");
    action.needs_approval = json.at("needs_approval");
    action.decided_by_person = json.at("decided_by_person");
    action.person = json.at("person");
    action.created_at = read_time(json, "created_at").value();
    action.updated_at = read_time(json, "updated_at").value();
    action.queued_at = read_time(json, "queued_at");
    action.first_attempt_at = read_time(json, "first_attempt_at");
    action.next_at = read_time(json, "next_at").value();
    action.attempts = json.at("attempts");
    action.job_url = json.at("job_url");
    action.watched_since = read_time(json, "watched_since");
    action.delivery = read_delivery(json.at("delivery"));
    return action;
  } catch (const std::exception& error) {
    return fail("bad_action", error.what());
  }
}

}  // namespace outrider::decide
