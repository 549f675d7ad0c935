// SPDX-License-Identifier: Apache-2.0
// A policy file: it is refused with words, or it decides about an incident full of hostile labels
// without ever writing a request whose JSON body is none.
#include "agent/decide/policy.h"

#include "agent/decide/decision.h"
#include "agent/decide/runbook.h"
#include "agent/incident/evidence.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

namespace {

incident::Incident hostile_incident() {
  const std::string text = "\"}, {\"\\\n\r{{ model }}</script>";
  incident::Incident incident;
  incident.id = "20260131T120000Z-abc";
  incident.alert = incident.model = incident.version = incident.severity = text;
  incident.cluster = incident.name_space = incident.workload = text;
  incident.labels = {{"alertname", text}, {"model_name", text}, {"owner", text}, {"team", text}};
  incident.annotations = {
      {"description", text}, {"summary", text}, {"replicas", "3"}, {"load_ratio", "2.5"}};
  incident.opened_at = incident.episode_at = from_unix_ms(1'700'000'000'000);
  incident::explain(incident);
  return incident;
}

bool is_json(const decide::Delivery& delivery) {
  for (const auto& [name, value] : delivery.headers) {
    require(value.find_first_of("\r\n") == std::string::npos, "a header stays one line");
    if (name == "Content-Type" && value.find("json") != std::string::npos) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy =
      decide::parse_policy("policy.yaml", std::string(reinterpret_cast<const char*>(data), size));
  if (!policy) {
    require(!policy.error().message.empty(), "an error has words");
    return 0;
  }
  static const incident::Incident incident = hostile_incident();
  const Time now = incident.opened_at + std::chrono::hours(1);
  for (const decide::Action& action : decide::decide(*policy, incident, {}, {}, {}, now).actions) {
    if (action.stage == decide::Stage::queued && is_json(action.delivery)) {
      require(wire::parse_json(action.delivery.body).has_value(), "a JSON body is JSON");
    }
    if (action.plan.executor == "runbook") {
      const auto runbook = decide::runbook_from_json(action.plan.target);
      require(runbook && runbook->size() <= decide::runbook_steps_max, "a runbook reads back");
      for (const decide::RunbookStep& step : *runbook) {
        if (step.executor.empty() && is_json(step.delivery))
          require(wire::parse_json(step.delivery.body).has_value(), "a step's JSON body is JSON");
      }
    }
    const wire::Json json = decide::to_json(action);
    const auto read = decide::action_from_json(*wire::parse_json(wire::to_text(json)));
    require(read && decide::to_json(*read) == json, "an action reads back");
  }
  return 0;
}
