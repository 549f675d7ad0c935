// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/action.h"

#include <array>
#include <stdexcept>

#include "base/core/enum_names.h"
#include "base/core/text.h"
#include "base/wire/json_time.h"

namespace outrider::decide {
namespace {

using wire::Json;
using wire::read_time;
using wire::time_json;

constexpr std::array<EnumName<Kind>, kind_count> kinds = {{{Kind::retrain, "retrain"},
                                                           {Kind::scale, "scale"},
                                                           {Kind::rollback, "rollback"},
                                                           {Kind::ticket, "ticket"},
                                                           {Kind::notify, "notify"},
                                                           {Kind::restart, "restart"},
                                                           {Kind::runbook, "runbook"}}};
constexpr std::array<EnumName<Outcome>, outcome_count> outcomes = {
    {{Outcome::recommended, "recommended"},
     {Outcome::suppressed, "suppressed"},
     {Outcome::sent, "sent"},
     {Outcome::succeeded, "succeeded"},
     {Outcome::failed, "failed"},
     {Outcome::accepted, "accepted"},
     {Outcome::undone, "undone"},
     {Outcome::handed_over, "handed_over"},
     {Outcome::expired, "expired"}}};
constexpr std::array<EnumName<Stage>, 9> stages = {{{Stage::held, "held"},
                                                    {Stage::queued, "queued"},
                                                    {Stage::sending, "sending"},
                                                    {Stage::watching, "watching"},
                                                    {Stage::done, "done"},
                                                    {Stage::verifying, "verifying"},
                                                    {Stage::undo_queued, "undo_queued"},
                                                    {Stage::undo_sending, "undo_sending"},
                                                    {Stage::undo_watching, "undo_watching"}}};
constexpr std::array<EnumName<Reading::Moment>, 4> moments = {
    {{Reading::Moment::decision, "decision"},
     {Reading::Moment::sending, "sending"},
     {Reading::Moment::verifying, "verifying"},
     {Reading::Moment::end, "end"}}};

// The words of an agent that knew no plans, so that a roll-out can be taken back: for it an action
// that is verified or undone is done.
Stage plain_stage(Stage stage) {
  return stage > Stage::done ? Stage::done : stage;
}

Outcome plain_outcome(Outcome outcome) {
  switch (outcome) {
    case Outcome::accepted:
      return Outcome::succeeded;
    case Outcome::undone:
    case Outcome::handed_over:
      return Outcome::failed;
    case Outcome::expired:
      return Outcome::suppressed;
    default:
      return outcome;
  }
}

template <class Words>
auto read_word(const Words& words, const Json& json) {
  const std::string text = json;
  const auto word = parse_enum_name(words, text);
  if (!word) throw std::invalid_argument("unknown word '" + text + "'");
  return *word;
}

Duration read_ms(const Json& json, const char* key) {
  return std::chrono::milliseconds(json.at(key).get<std::int64_t>());
}

std::int64_t ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

Json condition_json(const Condition& condition) {
  return {{"query", condition.query}, {"left", condition.left}};
}

Condition read_condition(const Json& json) {
  return {.query = json.at("query"), .left = json.at("left")};
}

Json reading_json(const Reading& reading) {
  return {{"moment", name(reading.moment)},
          {"of", reading.of},
          {"at", time_json(reading.at)},
          {"query", reading.query},
          {"value", reading.value ? Json(*reading.value) : Json()},
          {"holds", reading.holds},
          {"words", reading.words}};
}

Reading read_reading(const Json& json) {
  Reading reading;
  reading.moment = read_word(moments, json.at("moment"));
  reading.of = json.at("of");
  reading.at = read_time(json, "at").value();
  reading.query = json.at("query");
  if (!json.at("value").is_null()) reading.value = json.at("value").get<double>();
  reading.holds = json.at("holds");
  reading.words = json.at("words");
  return reading;
}

Json readings_json(const Course& course) {
  Json readings = Json::array();
  for (const Reading& reading : course.readings) readings.push_back(reading_json(reading));
  return readings;
}

Json plan_json(const Plan& plan) {
  Json json = {{"undo_by_executor", plan.undo_by_executor},
               {"undo_within_ms", ms(plan.undo_within)},
               {"expires_ms", ms(plan.expires)},
               {"start_within_ms", ms(plan.start_within)},
               {"executor", plan.executor},
               {"target", plan.target},
               {"domain", plan.domain},
               {"pods", plan.pods ? Json(*plan.pods) : Json()}};
  if (plan.precondition) json["precondition"] = condition_json(*plan.precondition);
  if (plan.undo) json["undo"] = to_json(*plan.undo);
  if (plan.verify) json["verify"] = to_json(*plan.verify);
  return json;
}

Plan read_plan(const Json& json) {
  Plan plan;
  plan.undo_by_executor = json.at("undo_by_executor");
  plan.undo_within = read_ms(json, "undo_within_ms");
  plan.expires = read_ms(json, "expires_ms");
  plan.start_within = read_ms(json, "start_within_ms");
  plan.executor = json.at("executor");
  plan.target = json.at("target");
  plan.domain = json.at("domain");
  if (!json.at("pods").is_null()) plan.pods = json.at("pods").get<double>();
  if (json.contains("precondition")) plan.precondition = read_condition(json.at("precondition"));
  if (json.contains("undo")) plan.undo = read_delivery(json.at("undo"));
  if (json.contains("verify")) plan.verify = read_verify(json.at("verify"));
  return plan;
}

Json course_json(const Course& course) {
  return {{"checked_at", time_json(course.checked_at)},
          {"accepted_at", time_json(course.accepted_at)},
          {"verify_by", time_json(course.verify_by)},
          {"holding_since", time_json(course.holding_since)},
          {"held_once", course.held_once},
          {"may_have_acted", course.may_have_acted},
          {"undo_by", time_json(course.undo_by)},
          {"undo_first_at", time_json(course.undo_first_at)},
          {"undo_attempts", course.undo_attempts},
          {"undo_why", course.undo_why},
          {"refusals", course.refusals},
          {"fencing_number", course.fencing_number},
          {"receipt", course.receipt},
          {"readings", readings_json(course)}};
}

Course read_course(const Json& json) {
  Course course;
  course.checked_at = read_time(json, "checked_at");
  course.accepted_at = read_time(json, "accepted_at");
  course.verify_by = read_time(json, "verify_by");
  course.holding_since = read_time(json, "holding_since");
  course.held_once = json.at("held_once");
  course.may_have_acted = json.at("may_have_acted");
  course.undo_by = read_time(json, "undo_by");
  course.undo_first_at = read_time(json, "undo_first_at");
  course.undo_attempts = json.at("undo_attempts");
  course.undo_why = json.at("undo_why");
  course.refusals = json.value("refusals", 0);  // Not known to an older agent.
  course.fencing_number = json.at("fencing_number");
  course.receipt = json.at("receipt");
  for (const Json& reading : json.at("readings")) course.readings.push_back(read_reading(reading));
  return course;
}

// Without headers and the names of files: what a target says of secrets and authorities.
Json shown_target(const Json& target) {
  if (!target.is_structured()) return target;
  Json shown = target.is_array() ? Json::array() : Json::object();
  if (target.is_array()) {
    for (const Json& one : target) shown.push_back(shown_target(one));
    return shown;
  }
  for (const auto& [key, value] : target.items()) {
    if (!key.ends_with("_file") && key != "headers") shown[key] = shown_target(value);
  }
  return shown;
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

std::optional<Outcome> parse_outcome(std::string_view text) {
  return parse_enum_name(outcomes, text);
}

std::string_view name(Stage stage) {
  return enum_name(stages, stage);
}

std::string_view name(Reading::Moment moment) {
  return enum_name(moments, moment);
}

std::string_view state(const Action& action) {
  switch (action.stage) {
    case Stage::held:
    case Stage::done:
      break;
    case Stage::queued:
      return action.attempts == 0 ? "approved" : "sent";
    case Stage::sending:
      return "sent";
    case Stage::watching:
      return "accepted";
    case Stage::verifying:
      return "verifying";
    case Stage::undo_queued:
    case Stage::undo_sending:
    case Stage::undo_watching:
      return "undoing";
  }
  return name(action.outcome);
}

Json to_json(const Delivery& delivery) {
  const JobWatch& job = delivery.job;
  Json headers = Json::array();
  for (const auto& [header, value] : delivery.headers) headers.push_back({header, value});
  return {{"method", delivery.method},
          {"url", delivery.url},
          {"headers", headers},
          {"body", delivery.body},
          {"authorization_type", delivery.authorization_type},
          {"credentials_file", delivery.credentials_file},
          {"signing_key_file", delivery.signing_key_file},
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
  delivery.signing_key_file = json.value("signing_key_file", "");  // An older agent had one key.
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

Json to_json(const Verify& verify) {
  return {{"condition", condition_json(verify.condition)},
          {"incident_ended", verify.incident_ended},
          {"within_ms", ms(verify.within)},
          {"lasting_ms", ms(verify.lasting)}};
}

Verify read_verify(const Json& json) {
  return {.condition = read_condition(json.at("condition")),
          .incident_ended = json.at("incident_ended"),
          .within = read_ms(json, "within_ms"),
          .lasting = read_ms(json, "lasting_ms")};
}

Json to_json(const Action& action) {
  Json json = common_json(action);
  json["outcome"] = name(plain_outcome(action.outcome));
  json["stage"] = name(plain_stage(action.stage));
  json["life"] = {{"outcome", name(action.outcome)},
                  {"stage", name(action.stage)},
                  {"plan", plan_json(action.plan)},
                  {"course", course_json(action.course)}};
  json["watched_since"] = time_json(action.watched_since);
  json["delivery"] = to_json(action.delivery);
  return json;
}

Json to_public_json(const Action& action) {
  Json json = common_json(action);
  const auto request = [](const Delivery& delivery) -> Json {
    return {{"method", delivery.method}, {"url", delivery.url}, {"body", delivery.body}};
  };
  const Plan& plan = action.plan;
  const Course& course = action.course;
  json["state"] = state(action);
  json["executor"] = plan.executor.empty() ? "webhook" : plan.executor;
  if (plan.executor.empty()) {
    json["request"] = request(action.delivery);
  } else {
    json["target"] = shown_target(plan.target);
  }
  json["precondition"] = plan.precondition ? Json(plan.precondition->query) : Json();
  json["verify"] = nullptr;
  if (plan.verify) {
    json["verify"] = {
        {"query", plan.verify->incident_ended ? Json() : Json(plan.verify->condition.query)},
        {"incident_ended", plan.verify->incident_ended},
        {"within", format_duration(plan.verify->within)},
        {"for", format_duration(plan.verify->lasting)},
        {"by", time_json(course.verify_by)}};
  }
  json["undo"] = nullptr;
  if (plan.undo || plan.undo_by_executor) {
    json["undo"] = {{"within", format_duration(plan.undo_within)},
                    {"by", time_json(course.undo_by)},
                    {"attempts", course.undo_attempts},
                    {"why", course.undo_why},
                    {"request", plan.undo ? request(*plan.undo) : Json()}};
  }
  json["expires_at"] = action.needs_approval ? time_json(action.created_at + plan.expires) : Json();
  json["accepted_at"] = time_json(course.accepted_at);
  json["failure_domain"] = plan.domain;
  json["pods"] = plan.pods ? Json(*plan.pods) : Json();
  json["fencing_number"] = course.fencing_number == 0 ? Json() : Json(course.fencing_number);
  json["evidence"] = readings_json(course);
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
    if (const auto life = json.find("life"); life != json.end()) {
      action.outcome = read_word(outcomes, life->at("outcome"));
      action.stage = read_word(stages, life->at("stage"));
      action.plan = read_plan(life->at("plan"));
      action.course = read_course(life->at("course"));
    } else if (action.outcome == Outcome::succeeded) {
      action.outcome = Outcome::accepted;  // Written before anything was verified.
    }
    return action;
  } catch (const std::exception& error) {
    return fail("bad_action", error.what());
  }
}

}  // namespace outrider::decide
