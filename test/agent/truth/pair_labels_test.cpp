// SPDX-License-Identifier: Apache-2.0
// A label is counted once by a pair of agents, whoever is killed when. Each case takes what a kill
// (-9) would have left of both agents at one moment of a request, and plays on from there: real
// stores, real queues, real servers.
#include "agent/truth/pair_labels.h"

#include "test/agent/truth/agent_pair.h"
#include "test/support/catch.h"

namespace outrider::fleet {
namespace {

constexpr std::string_view in_doubt_batches = "outrider_truth_pair_in_doubt_batches";

// The moments of a request at the agent that asks.
enum class Moment {
  asked,     // It has written down what it asks; the question is on its way.
  counted,   // The other has counted; its answer is on its way.
  answered,  // The client has its answer.
  cut_off,   // The other has counted; its answer was lost, and the client has its answer.
  unasked,   // The question was lost, and the client has its answer.
  alone,     // The other could not take it: counted here, and the client has its answer.
  unpassed,  // Counted here while the other was away, and not yet put in the queue for it.
};

struct Killed {
  Killed() {
    const auto id_of = [](const Agent& agent) { return agent.ask("GET", "/api/v1/pair").body; };
    const bool first_counts = id_of(pair.agents[0]) < id_of(pair.agents[1]);
    counting = &pair.agents[first_counts ? 0 : 1];
    asking = &pair.agents[first_counts ? 1 : 0];
    between = std::make_unique<Between>(*counting);
    point_to(between->port());
  }

  void point_to(std::uint16_t port) {
    asking->stop();
    asking->peer = port;
    asking->start();
  }

  // The label of a prediction that both have (or that comes later) up to the moment; then both are
  // down, with what was on their disks at it.
  void label_until(Moment moment, bool with_prediction = true) {
    id = pod.predict();
    shipment = pod.body();
    if (with_prediction) ship();
    const auto keep = [this] {
      counting->copy_state(states.path() / "counting");
      asking->copy_state(states.path() / "asking");
    };
    if (moment == Moment::asked) between->on_asked = keep;
    if (moment == Moment::counted) between->on_answered = keep;
    if (moment == Moment::cut_off) between->set(Between::answer_lost);
    if (moment == Moment::unasked) between->set(Between::request_lost);
    if (moment == Moment::alone) between->set(Between::refused);
    if (moment == Moment::unpassed) {
      counting->stop();
      between.reset();
    }
    REQUIRE(asking->ask("POST", "/api/v1/labels", label(id)).status == 200);
    const bool kept = std::filesystem::exists(states.path() / "asking");
    if (!kept) keep();
    if (moment == Moment::unpassed)
      std::filesystem::remove_all(states.path() / "asking" / "passed-labels");
    counting->kill_to(states.path() / "counting");
    asking->kill_to(states.path() / "asking");
    asking->peer = counting->port;
  }
  void ship() const {
    for (const Agent* agent : {counting, asking})
      REQUIRE(agent->ask("POST", "/api/v1/predictions", shipment).status == 200);
  }
  void send_to(const Agent& agent) const {
    REQUIRE(agent.ask("POST", "/api/v1/labels", label(id)).status == 200);
  }

  std::uint64_t counted() const { return counting->counted() + asking->counted(); }
  bool settled() const {
    for (const Agent* agent : {counting, asking}) {
      if (agent->rows("&labelled=true") != 1 || agent->metric(std::string(in_doubt_batches)) > 0 ||
          agent->metric("outrider_truth_pass_pending_batches") > 0)
        return false;
    }
    return true;
  }
  // Once both have the row and nothing is on its way, there is one count, and more of the same
  // label make no other.
  void check_counted_once() const {
    CHECK(within(20s, [this] { return settled(); }));
    CHECK(counted() == 1);
    send_to(*asking);
    send_to(*counting);
    CHECK(within(20s, [this] { return settled(); }));
    CHECK(counted() == 1);
  }

  Pair pair;
  Agent *counting = nullptr, *asking = nullptr;
  std::unique_ptr<Between> between;
  TemporaryFolder states;
  Pod pod{"price"};
  std::string id, shipment;
};

const std::vector<Moment> all_moments = {Moment::asked,   Moment::counted, Moment::answered,
                                         Moment::cut_off, Moment::unasked, Moment::alone,
                                         Moment::unpassed};

}  // namespace

TEST_CASE("both killed, the asking agent starts alone, its client sends the label again") {
  const Moment moment = GENERATE(from_range(all_moments));
  CAPTURE(static_cast<int>(moment));
  Killed killed;
  killed.label_until(moment);
  killed.asking->start();
  killed.send_to(*killed.asking);
  killed.send_to(*killed.asking);
  CHECK(killed.asking->counted() <= 1);
  killed.counting->start();
  killed.check_counted_once();
}

TEST_CASE("both killed, both start, the client of the asking agent sends the label again") {
  const Moment moment = GENERATE(from_range(all_moments));
  CAPTURE(static_cast<int>(moment));
  Killed killed;
  killed.label_until(moment);
  killed.counting->start();
  killed.asking->start();
  killed.send_to(*killed.asking);
  killed.check_counted_once();
}

TEST_CASE("both killed, the counting agent starts alone, the client turns to it") {
  // Not where the asking agent has counted alone and has not passed it on: that nobody else knows.
  const Moment moment =
      GENERATE(Moment::asked, Moment::counted, Moment::answered, Moment::cut_off, Moment::unasked);
  CAPTURE(static_cast<int>(moment));
  Killed killed;
  killed.label_until(moment);
  killed.counting->start();
  killed.send_to(*killed.counting);
  killed.asking->start();
  killed.check_counted_once();
}

TEST_CASE("what may have been counted by an agent that never returns is never counted by guess") {
  const Moment moment =
      GENERATE(Moment::asked, Moment::counted, Moment::answered, Moment::cut_off, Moment::unasked);
  CAPTURE(static_cast<int>(moment));
  Killed killed;
  killed.label_until(moment);
  killed.asking->start();
  killed.send_to(*killed.asking);
  CHECK(killed.asking->counted() == 0);
  CHECK(killed.asking->metric(std::string(in_doubt_batches)) > 0);
  CHECK(killed.asking->rows("&labelled=true") == 1);
}

TEST_CASE("labels of a sidecar that had no answer of the counting agent are not counted by guess") {
  const bool counted = GENERATE(true, false);
  Killed killed;
  killed.id = killed.pod.predict();
  killed.shipment = killed.pod.body();
  killed.ship();
  if (counted) killed.send_to(*killed.counting);
  killed.counting->stop();
  const auto answer =
      killed.asking->ask("POST", "/api/v1/labels?in-doubt=true", label(killed.id)).body;
  // Where it was counted, it may have been passed on before.
  CHECK((answer.find("\"joined\":1") != std::string::npos ||
         (counted && answer.find("\"duplicate\":1") != std::string::npos)));
  killed.send_to(*killed.asking);
  CHECK(killed.asking->counted() == 0);
  killed.counting->start();
  killed.check_counted_once();
}

TEST_CASE("a label that waits for its prediction is counted once after both were killed") {
  const Moment moment = GENERATE(from_range(all_moments));
  const bool prediction_first = static_cast<int>(moment) % 2 == 0;
  CAPTURE(static_cast<int>(moment), prediction_first);
  Killed killed;
  killed.label_until(moment, false);
  killed.asking->start();
  const auto ship_to = [&](const Agent& agent) {
    REQUIRE(agent.ask("POST", "/api/v1/predictions", killed.shipment).status == 200);
  };
  if (prediction_first) ship_to(*killed.asking);
  killed.send_to(*killed.asking);
  killed.counting->start();
  if (!prediction_first) ship_to(*killed.asking);
  ship_to(*killed.counting);
  killed.check_counted_once();
}

TEST_CASE("what the counting agent has no prediction of is counted by the one that asks, once") {
  Killed killed;
  const std::string first = killed.pod.predict("", 1h), second = killed.pod.predict("", 1h);
  REQUIRE(killed.asking->ask("POST", "/api/v1/predictions", killed.pod.body()).status == 200);
  Pod other("price");  // Its sidecar has shipped all of before: the other agent waits for nothing.
  REQUIRE(killed.counting->ask("POST", "/api/v1/predictions", other.body()).status == 200);
  const std::string request = "[" + label(first) + "," + label(second) + "," + label(first) + "]";
  const auto answer = killed.asking->ask("POST", "/api/v1/labels", request).body;
  CHECK(answer.find("\"joined\":2") != std::string::npos);
  CHECK(answer.find("\"duplicate\":1") != std::string::npos);
  CHECK(killed.asking->counted() == 2);
  CHECK(killed.counting->counted() == 0);
  const auto again = killed.asking->ask("POST", "/api/v1/labels", request).body;
  CHECK(again.find("\"duplicate\":3") != std::string::npos);
  CHECK(killed.asking->counted() == 2);
  killed.asking->stop();
  killed.asking->start();
  CHECK(killed.asking->counted() == 2);
}

TEST_CASE(
    "the question says which labels the asking agent counts itself, and an old one does not") {
  net::HttpRequest request;
  request.path = "/api/v1/labels";
  request.query = "workload=price&counted-by-the-other=7-7";
  request.headers = {{"Seldon-Puid", "p-1"}};
  request.body = "[]\n\n";
  const auto read = read_question(
      write_question(request, {true, false, true, true, true, false, false, false, true}));
  REQUIRE(read);
  CHECK(read->counted_there ==
        std::vector<bool>{true, false, true, true, true, false, false, false, true});
  CHECK(read->labels.query_value("workload") == "price");
  CHECK(read->labels.header("Seldon-Puid") == "p-1");
  CHECK(read->labels.path == request.path);
  CHECK(read->labels.body == request.body);
  const auto none = read_question(write_question(request, {false, false}));
  REQUIRE(none);
  CHECK(none->counted_there.empty());  // Not what a client writes there.
  const auto old = read_question("/api/v1/labels\nworkload=price\n\n\n[]");
  REQUIRE(old);
  CHECK(old->counted_there.empty());
}

TEST_CASE("a question that names items that no request has is refused") {
  for (const char* ranges :
       {"1", "2-1", "-", "0-100000", "0-18446744073709551615", "a-b", "1-2x"}) {
    CAPTURE(ranges);
    const auto read =
        read_question(std::string("/api/v1/labels\ncounted-by-the-other=") + ranges + "\n\n\n[]");
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "invalid_pass");
  }
}

TEST_CASE("two requests about one label go one after the other, and others do not wait") {
  LabelsUnderWay under_way;
  const auto labels = [](std::initializer_list<const char*> ids) {
    std::vector<truth::ParsedLabel> items;
    for (const char* id : ids) {
      truth::GroundTruth one;
      one.id = id;
      items.push_back({id, one});
    }
    return items;
  };
  std::atomic<bool> entered{false};
  std::thread second;
  {
    const auto turn = under_way.wait_for(labels({"a", "b", "a"}));
    const auto other = under_way.wait_for(labels({"c"}));
    second = std::thread([&] {
      const auto waited = under_way.wait_for(labels({"b", "d"}));
      entered = true;
    });
    const auto another = under_way.wait_for(labels({"e"}));
    CHECK_FALSE(entered);
  }
  second.join();
  CHECK(entered);
}

}  // namespace outrider::fleet
