// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/fleet_truth.h"

#include <thread>

#include "test/agent/truth/agent_pair.h"
#include "test/support/catch.h"

namespace outrider::fleet {

TEST_CASE("a label that a client sends to both agents of a pair at one moment is counted once") {
  Pair pair;
  Pod pod("price");
  std::vector<std::string> ids;
  for (int i = 0; i < 60; ++i) ids.push_back(pod.predict());
  const std::string shipment = pod.body();
  for (const Agent& agent : pair.agents)
    REQUIRE(agent.ask("POST", "/api/v1/predictions", shipment).status == 200);
  for (const std::string& id : ids) {
    std::thread other([&] { pair.agents[1].ask("POST", "/api/v1/labels", label(id)); });
    CHECK(pair.agents[0].ask("POST", "/api/v1/labels", label(id)).status == 200);
    other.join();
  }
  CHECK(pair.agents[0].counted() + pair.agents[1].counted() == ids.size());
  for (const Agent& agent : pair.agents) {
    CHECK(within(20s, [&] { return agent.rows("&labelled=true") == ids.size(); }));
  }
  CHECK(pair.agents[0].counted() + pair.agents[1].counted() == ids.size());
}

TEST_CASE("while the other agent is away, each counts what it acknowledges, and passes it on") {
  Pair pair;
  Pod pod("price");
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(pod.predict());
  const std::string shipment = pod.body();
  for (const Agent& agent : pair.agents)
    REQUIRE(agent.ask("POST", "/api/v1/predictions", shipment).status == 200);
  for (const std::size_t away : {0u, 1u}) {
    Agent &gone = pair.agents[away], &there = pair.agents[1 - away];
    const std::uint64_t before = there.counted();
    gone.stop();
    for (std::size_t i = 0; i < 20; ++i) {
      const auto answer = there.ask("POST", "/api/v1/labels", label(ids[20 * away + i]));
      CHECK(answer.body.find("\"joined\"") != std::string::npos);
    }
    CHECK(there.counted() == before + 20);
    gone.start();
    CHECK(within(20s, [&] { return gone.rows("&labelled=true") == 20 * (away + 1); }));
  }
  CHECK(pair.agents[0].counted() + pair.agents[1].counted() == ids.size());
}

TEST_CASE("a label whose counting agent dies between counting and answering is counted once") {
  const Between::Fault fault = GENERATE(Between::answer_lost, Between::request_lost);
  Pair pair;
  const auto id_of = [](const Agent& agent) { return agent.ask("GET", "/api/v1/pair").body; };
  const bool first_counts = id_of(pair.agents[0]) < id_of(pair.agents[1]);
  Agent &counting = pair.agents[first_counts ? 0 : 1], &asking = pair.agents[first_counts ? 1 : 0];
  Between between(counting);
  asking.stop();
  asking.peer = between.port();
  asking.start();
  Pod pod("price");
  const std::string cut_off = pod.predict(), before = pod.predict(), afterwards = pod.predict();
  const std::string shipment = pod.body();
  for (const Agent* agent : {&counting, &asking})
    REQUIRE(agent->ask("POST", "/api/v1/predictions", shipment).status == 200);
  const auto joins = [&](const std::string& id) {
    return asking.ask("POST", "/api/v1/labels", label(id)).body.find("\"joined\"") !=
           std::string::npos;
  };
  CHECK(joins(before));
  CHECK(counting.counted() == 1);
  between.set(fault);
  CHECK(joins(cut_off));
  CHECK(counting.counted() == (fault == Between::answer_lost ? 2 : 1));
  CHECK(asking.counted() == 0);  // In doubt: it leaves the counting to the other.
  between.set(Between::none);
  CHECK(within(20s, [&] { return counting.counted() >= 2; }));
  CHECK(
      within(20s, [&] { return joins(afterwards) || counting.counted() + asking.counted() == 3; }));
  CHECK(within(20s, [&] { return counting.rows("&labelled=true") == 3; }));
  CHECK(asking.rows("&labelled=true") == 3);
  CHECK(counting.counted() + asking.counted() == 3);
}

TEST_CASE(
    "a sidecar ships for its own workload alone, and nothing of a refused shipment is taken") {
  Agent agent;
  Pod own("price"), other("fraud");
  const std::string id = other.predict();
  own.predict();
  CHECK(agent.ask("POST", "/api/v1/predictions", own.body(), "pods").status == 200);
  const auto refused = agent.ask("POST", "/api/v1/predictions", other.body(), "pods");
  CHECK(refused.status == 403);
  CHECK(refused.body.find("workload fraud, and the token is limited to price") !=
        std::string::npos);
  CHECK(agent.rows() == 1);
  CHECK(agent.ask("POST", "/api/v1/predictions", own.body(), "warehouse").status == 403);
}

TEST_CASE("who labels and reads one workload does not touch another's") {
  Agent agent;
  Pod own("price"), other("fraud");
  const std::string mine = own.predict(), theirs = other.predict();
  other.head.stream = truth::make_uuid7(Time{1s}, 2, 2);
  agent.ask("POST", "/api/v1/predictions", own.body());
  agent.ask("POST", "/api/v1/predictions", other.body());
  CHECK(agent.ask("POST", "/api/v1/labels", label(mine), "warehouse").body.find("\"joined\"") !=
        std::string::npos);
  CHECK(agent.ask("POST", "/api/v1/labels", label(theirs), "warehouse").body.find("\"joined\"") ==
        std::string::npos);
  CHECK(agent.ask("POST", "/api/v1/labels?workload=fraud", label(theirs), "warehouse").status ==
        403);
  const auto rows = agent.ask(
      "GET", "/api/v1/export?from=2000-01-01T00:00:00Z&to=2200-01-01T00:00:00Z", "", "warehouse");
  CHECK(rows.body.find(mine) != std::string::npos);
  CHECK(rows.body.find(theirs) == std::string::npos);
  const auto truth = agent.ask("GET", "/api/v1/truth", "", "warehouse");
  CHECK(truth.body.find("price") != std::string::npos);
  CHECK(truth.body.find("fraud") == std::string::npos);
}

TEST_CASE("what is erased at one agent of a pair is erased at the other, also when it was away") {
  Pair pair;
  Pod pod("price");
  const std::string id = pod.predict("customer-7"), kept = pod.predict("customer-8");
  const std::string shipment = pod.body();
  for (const Agent& agent : pair.agents)
    REQUIRE(agent.ask("POST", "/api/v1/predictions", shipment).status == 200);
  const auto erased = pair.agents[0].ask("POST", "/api/v1/erase", R"({"id": "customer-7"})");
  CHECK(erased.status == 200);
  CHECK(erased.body.find("\"state\":\"erased\"") != std::string::npos);
  for (const Agent& agent : pair.agents) CHECK(agent.rows() == 1);

  pair.agents[1].stop();
  const auto queued = pair.agents[0].ask(
      "POST", "/api/v1/erase",
      label(kept).replace(label(kept).find(",\"label\""), std::string::npos, "}"));
  CHECK(queued.body.find("\"state\":\"queued\"") != std::string::npos);
  pair.agents[1].start();
  CHECK(within(20s, [&] { return pair.agents[1].rows() == 0; }));

  const std::string journal = pair.agents[0].journal();
  CHECK(journal.find("\"action\":\"erase\"") != std::string::npos);
  CHECK(journal.find("\"caller\":\"all\"") != std::string::npos);
  CHECK(journal.find("customer-7") == std::string::npos);
  CHECK(journal.find(kept) == std::string::npos);
  CHECK(journal.find("\"action\":\"export\"") != std::string::npos);
}

TEST_CASE("the freshness probe sees its outcome, and is in no other figure") {
  Agent agent(free_port(), 0, 50ms);
  const auto page = [&] {
    wire::TextSink sink(wire::Format::text);
    for (wire::Collector* collector : agent.truth->collectors()) collector->collect(sink);
    return sink.finish();
  };
  REQUIRE(within(20s, [&] {
    return page().find("outrider_agent_truth_probes_total{result=\"seen\"} 3") != std::string::npos;
  }));
  const std::string text = page();
  CHECK(text.find("outrider_agent_truth_probes_total{result=\"lost\"} 0") != std::string::npos);
  CHECK(text.find("outrider_outcomes_total{") == std::string::npos);
  CHECK(text.find("outrider-freshness-probe") == std::string::npos);
  CHECK(text.find("outrider_truth_predictions_received_total{seen=\"first\"} 0") !=
        std::string::npos);
  CHECK(text.find("outrider_truth_streams 0") != std::string::npos);
  CHECK(agent.rows() == 0);
  CHECK(agent.counted() == 0);
}

}  // namespace outrider::fleet
