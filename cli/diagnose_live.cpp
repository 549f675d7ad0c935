// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose_live.h"

#include <cmath>
#include <iostream>
#include <stdexcept>

#include "agent/incident/incident.h"
#include "agent/suspects/gather.h"
#include "agent/suspects/live_diagnosis.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/net/address.h"
#include "base/net/http_client.h"

namespace outrider::cli {
namespace {

using incident::Diagnosis;
using wire::Json;

constexpr std::size_t others_shown = 3;
constexpr Duration changes_before = std::chrono::hours(1);

[[noreturn]] void refuse(const std::string& what) {
  throw std::runtime_error(what);
}

Json ask_agent(const LiveSettings& settings, const std::string& path) {
  const std::string agent = net::without_slash(settings.agent);
  net::HttpClient client;
  const auto response = client.send({.method = "GET", .url = agent + path});
  if (!response) refuse("agent=" + agent + ": " + response.error().message);
  const auto json = wire::parse_json(response->body);
  if (response->status != 200) {
    const bool told = json && json->is_object() && json->contains("message");
    refuse("agent=" + agent + path + ": status " + std::to_string(response->status) +
           (told ? ": " + (*json)["message"].dump() : ""));
  }
  if (!json) refuse("agent=" + agent + path + ": " + json.error().message);
  return *json;
}

std::vector<incident::Change> changes_of(const LiveSettings& settings, Time since) {
  std::vector<incident::Change> changes;
  for (const Json& one : ask_agent(settings, "/api/v1/changes?limit=1000").at("changes")) {
    auto change = incident::parse_change(wire::to_text(one), since);
    if (change && change->at >= since) changes.push_back(std::move(*change));
  }
  return changes;
}

suspects::QuerySet queries_of(const LiveSettings& settings) {
  if (settings.queries.empty()) return suspects::default_queries();
  const auto text = config::read_file(settings.queries);
  if (!text) refuse("queries: " + text.error().message);
  auto queries = suspects::parse_queries(settings.queries, *text);
  if (!queries) refuse(queries.error().message);
  if (settings.loki.empty() && suspects::asks_loki(*queries))
    refuse("queries: " + settings.queries + " has a query `from: loki`: give --loki too");
  return std::move(*queries);
}

Diagnosis asked_anew(const LiveSettings& settings, const incident::Incident& incident) {
  const SystemClock clock;
  const Time now = clock.now();
  query::Prometheus prometheus(settings.prometheus), loki(suspects::loki_api(settings.loki));
  const suspects::Sources sources = {prometheus, settings.loki.empty() ? nullptr : &loki};
  const suspects::QuerySet queries = queries_of(settings);
  const suspects::Bounds bounds;
  const suspects::Plan plan = suspects::plan_of(incident, now, settings.times);
  incident::Topology topology;
  const auto unknown =
      suspects::learn_topology(prometheus, queries, incident.cluster, now, bounds, topology);
  const suspects::Collection collection =
      suspects::gather(sources, queries, incident, plan, bounds, clock);
  if (collection.suspects().empty() && !collection.unknown().empty())
    refuse("prometheus=" + settings.prometheus + ": " + collection.unknown().front());
  Diagnosis diagnosis = suspects::diagnose_live(
      collection, topology, incident, changes_of(settings, plan.at - changes_before), now);
  diagnosis.unknown.insert(diagnosis.unknown.end(), unknown.begin(), unknown.end());
  return diagnosis;
}

std::string named(const Diagnosis::Cause& cause) {
  return cause.component + " (" + cause.kind + ", " +
         std::to_string(std::lround(100 * cause.probability)) + " %)";
}

void print(const Diagnosis& diagnosis) {
  const auto& causes = diagnosis.causes;
  if (diagnosis.named) {
    std::cout << "cause: " << named(causes.front()) << "\n";
    if (const auto& change = diagnosis.change) {
      std::cout << "change: " << change->kind << " of " << change->component << " at "
                << format_rfc3339(change->at) << (change->what.empty() ? "" : ": " + change->what)
                << "\n";
    }
  } else {
    std::cout << "insufficient evidence: " << diagnosis.reason << "\n";
    if (!causes.empty() && !causes.front().evidence.empty())
      std::cout << "most suspect: " << named(causes.front()) << "\n";
  }
  if (!causes.empty()) {
    for (const std::string& sentence : causes.front().evidence)
      std::cout << "  " << sentence << "\n";
  }
  std::string others;
  for (std::size_t i = 1; i < causes.size() && i <= others_shown; ++i) {
    if (!causes[i].evidence.empty()) others += (others.empty() ? "" : ", ") + named(causes[i]);
  }
  if (!others.empty()) std::cout << "then: " << others << "\n";
  if (!diagnosis.scope.empty()) std::cout << "suspects: " << diagnosis.scope << "\n";
  for (const std::string& one : diagnosis.unknown) std::cout << "not known: " << one << "\n";
}

}  // namespace

int diagnose_live(const LiveSettings& settings) {
  const auto incident = incident::incident_from_json(
      ask_agent(settings, "/api/v1/incidents/" + percent_encode(settings.incident)));
  if (!incident) refuse("agent=" + settings.agent + ": " + incident.error().message);
  if (settings.prometheus.empty() && !incident->diagnosis)
    refuse("the agent has no diagnosis of " + settings.incident +
           " yet; wait a few seconds, or ask with --prometheus");
  const Diagnosis diagnosis =
      settings.prometheus.empty() ? *incident->diagnosis : asked_anew(settings, *incident);
  if (settings.json) {
    std::cout << wire::to_text(incident::to_json(diagnosis)) << "\n";
  } else {
    print(diagnosis);
  }
  return 0;
}

}  // namespace outrider::cli
