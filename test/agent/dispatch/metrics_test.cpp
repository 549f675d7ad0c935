// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/metrics.h"

#include "test/support/catch.h"

using namespace outrider;

namespace {

std::string page_of(AgentMetrics& metrics) {
  wire::TextSink sink(wire::Format::text);
  metrics.collect(sink);
  return sink.finish();
}

}  // namespace

TEST_CASE("of an incident that ended it is counted how much it was made of") {
  AgentMetrics metrics;
  CHECK_THAT(page_of(metrics),
             Catch::Contains("outrider_agent_incident_signals_count{kind=\"alerts\"} 0"));
  incident::Incident incident;
  incident.members.resize(3);
  incident.notifications = 40;
  incident.changes.resize(1);
  metrics.observe_signals(incident);
  const std::string page = page_of(metrics);
  for (const char* line : {"outrider_agent_incident_signals_bucket{kind=\"alerts\",le=\"2\"} 0",
                           "outrider_agent_incident_signals_bucket{kind=\"alerts\",le=\"5\"} 1",
                           "outrider_agent_incident_signals_sum{kind=\"notifications\"} 40",
                           "outrider_agent_incident_signals_sum{kind=\"changes\"} 1"}) {
    CHECK_THAT(page, Catch::Contains(line));
  }
}
