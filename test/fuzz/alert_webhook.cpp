// SPDX-License-Identifier: Apache-2.0
// Alertmanager's webhook, and the incidents that it makes: an accepted webhook always gives
// incidents that survive the journal's JSON.
#include "base/wire/alert_webhook.h"

#include "agent/incident/evidence.h"
#include "agent/incident/incident_book.h"
#include "agent/ingest/change_events.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const Time now = from_unix_ms(1'700'000'000'000);
  if (const auto change = incident::parse_change(body, now)) {
    const auto again = incident::parse_change(wire::to_text(incident::to_json(*change)), now);
    require(again.has_value(), "a change reads back");
  }
  for (const auto tool :
       {ingest::ChangeTool::github, ingest::ChangeTool::argocd, ingest::ChangeTool::flux}) {
    const auto event = ingest::parse_change_event(tool, body, {}, now);
    require(event ? event->change || !event->ignored.empty() : !event.error().message.empty(),
            "an event is a change, or there are words");
  }
  const auto webhook = wire::parse_alert_webhook(body);
  if (!webhook) {
    require(!webhook.error().message.empty(), "an error has words");
    return 0;
  }
  std::size_t last = 0;
  for (const wire::InvalidAlert& alert : webhook->invalid) {
    require(!alert.error.message.empty(), "what is wrong with an alert has words");
    require(alert.index >= last, "invalid alerts are in the order of the list");
    require(alert.index < webhook->alerts.size() + webhook->invalid.size(),
            "each alert of the list is taken or named");
    last = alert.index;
  }
  incident::IncidentBook book({.open_max = 4, .resolved_max = 2, .members_max = 3});
  // What the body names depends on what it names next, so that alerts are grouped and moved.
  incident::GroupingRules rules;
  rules.within = std::chrono::minutes(10);
  rules.correlate = {{"all", {{"alertname", {"*a*"}}}, {"job"}, std::chrono::minutes(5)}};
  book.set_rules(rules);
  incident::Topology topology;
  std::optional<incident::Component> before;
  for (const wire::WebhookAlert& alert : webhook->alerts) {
    const incident::Spot spot = incident::spot_of(alert.labels);
    if (spot.workload && before) {
      topology.learn(*before, *spot.workload, incident::Topology::Source::configuration, now);
    }
    if (spot.workload) before = spot.workload;
  }
  book.set_topology(std::move(topology));
  for (const wire::WebhookAlert& alert : webhook->alerts) {
    const auto heard = book.on_alert(alert, now);
    require(book.open_count() <= 4, "open incidents are bounded");
    if (!heard.incident) continue;
    require(heard.incident->members.size() <= 3, "members are bounded");
    for (const incident::Incident* open : book.open()) {
      require(open->merged_into.empty() && !open->members.empty(), "an open incident has alerts");
    }
    const wire::Json json = incident::to_json(*heard.incident);
    const auto read = incident::incident_from_json(*wire::parse_json(wire::to_text(json)));
    require(read && incident::to_json(*read) == json, "an incident reads back");
  }
  return 0;
}
