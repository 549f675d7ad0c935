// SPDX-License-Identifier: Apache-2.0
// Records into a log, without a broker: what is joined, and where it is counted.
#include "agent/truth/topic_join.h"

#include "test/agent/truth/topic_fixture.h"
#include "test/support/catch.h"

namespace outrider::fleet {
namespace {

using namespace std::chrono_literals;
using truth::LabelResult;

struct Agent : test::TopicLog {
  // One partition, unless it is told.
  void take(std::vector<std::string> values, bool counts = true, std::int32_t count = 1) {
    TopicBatch batch{.partition = 0, .counts = counts, .records = {}};
    for (std::string& value : values) {
      batch.records.push_back({.partition = 0,
                               .offset = offset++,
                               .time = clock.now(),
                               .key = "",
                               .value = std::move(value)});
    }
    const auto ok = join.take(std::span(&batch, 1), count);
    REQUIRE(ok);
  }

  std::vector<truth::KeyedRecord> forwarded;
  bool brokers_away = false;
  std::int64_t offset = 0;
  TopicJoin join{{},
                 *log,
                 [this](const std::vector<truth::KeyedRecord>& records) -> Result<void> {
                   if (brokers_away) return fail("kafka_unavailable", "away");
                   forwarded.insert(forwarded.end(), records.begin(), records.end());
                   return {};
                 },
                 clock};
  test::Pod pod{clock};
};

}  // namespace

TEST_CASE("a label joins the prediction before it, by id and by key, and is counted once") {
  Agent agent;
  const auto [first, record] = agent.pod.predict();
  const auto [second, keyed] = agent.pod.predict("order-1");
  agent.take(
      {record, keyed, agent.pod.label(first), agent.pod.label("order-1"), agent.pod.label(first)});
  CHECK(agent.joined_rows().size() == 2);
  CHECK(agent.consumer.rows() == 2);
  CHECK(agent.counted(LabelResult::joined) == 2);
  CHECK(agent.counted(LabelResult::duplicate) == 1);
  CHECK(agent.log->figures().lost == 0);
}

TEST_CASE("what another agent counted is joined here too, and not counted") {
  Agent agent;
  const auto [id, record] = agent.pod.predict();
  agent.take({record, agent.pod.label(id)}, false);
  CHECK(agent.joined_rows().size() == 1);
  CHECK(agent.consumer.rows() == 0);
  CHECK(agent.counted(LabelResult::joined) == 0);
  agent.take({agent.pod.label(id)});
  CHECK(agent.counted(LabelResult::duplicate) == 1);
  CHECK(agent.consumer.rows() == 0);
}

TEST_CASE("a label waits for its prediction, and is counted where that is counted") {
  for (const bool counts : {true, false}) {
    Agent agent;
    const auto [id, record] = agent.pod.predict();
    agent.take({agent.pod.label(id)}, false);  // Another read it first, in vain as well.
    CHECK(agent.join.first_held(0) == 0);
    agent.take({record}, counts);
    CHECK(agent.joined_rows().size() == 1);
    CHECK(agent.consumer.rows() == (counts ? 1 : 0));
    CHECK(!agent.join.first_held(0));
  }
}

TEST_CASE("a label whose prediction does not come is unknown, once, after its time") {
  Agent agent;
  agent.take({agent.pod.label("order-9")});
  CHECK(agent.counted(LabelResult::unknown) == 0);
  agent.clock.advance(9min);
  REQUIRE(agent.join.give_up_old());
  CHECK(agent.join.figures().held == 1);
  agent.clock.advance(2min);
  REQUIRE(agent.join.give_up_old());
  CHECK(agent.counted(LabelResult::unknown) == 1);
  CHECK(agent.join.figures().held == 0);
  REQUIRE(agent.join.give_up_old());
  CHECK(agent.counted(LabelResult::unknown) == 1);
}

TEST_CASE("an old label without a prediction is decided at once when it is read again") {
  Agent agent;
  TopicBatch batch{.partition = 0, .counts = false, .records = {}};
  batch.records.push_back({.partition = 0,
                           .offset = 0,
                           .time = agent.clock.now() - 1h,
                           .key = "",
                           .value = agent.pod.label("order-9")});
  REQUIRE(agent.join.take(std::span(&batch, 1), 1));
  CHECK(agent.join.figures().held == 0);
  CHECK(agent.counted(LabelResult::unknown) == 0);
}

TEST_CASE("records that come twice change nothing, whatever was written of them") {
  Agent agent;
  const auto [id, record] = agent.pod.predict("order-1");
  for (int i = 0; i < 3; ++i) agent.take({record, agent.pod.label("order-1")});
  CHECK(agent.joined_rows().size() == 1);
  CHECK(agent.consumer.rows() == 1);
  CHECK(agent.log->figures().shipped == 1);
  CHECK(agent.log->figures().shipped_again == 2);
}

TEST_CASE("a label in another partition than its name's is sent there, and only by who counts it") {
  Agent agent;
  std::string elsewhere;
  for (int i = 0; elsewhere.empty(); ++i) {
    const std::string name = "order-" + std::to_string(i);
    if (kafka::partition_of(name, 12) != 0) elsewhere = name;
  }
  agent.take({agent.pod.label(elsewhere)}, false, 12);
  CHECK(agent.forwarded.empty());
  agent.take({agent.pod.label(elsewhere)}, true, 12);
  REQUIRE(agent.forwarded.size() == 1);
  CHECK(agent.forwarded[0].key == elsewhere);
  CHECK(agent.join.figures().held == 0);

  agent.brokers_away = true;
  TopicBatch batch{.partition = 0, .counts = true, .records = {}};
  batch.records.push_back({.partition = 0,
                           .offset = 9,
                           .time = agent.clock.now(),
                           .key = "",
                           .value = agent.pod.label(elsewhere)});
  CHECK(!agent.join.take(std::span(&batch, 1), 12));
  agent.brokers_away = false;
  CHECK(agent.join.take(std::span(&batch, 1), 12));
  CHECK(agent.forwarded.size() == 2);
}

TEST_CASE("what is no record is passed over and counted, and the next one is taken") {
  Agent agent;
  const auto [id, record] = agent.pod.predict();
  agent.take({"nonsense", "", "{\"id\": 1}", record, agent.pod.label(id)});
  CHECK(agent.join.figures().invalid == 3);
  CHECK(agent.consumer.rows() == 1);
  CHECK(agent.counted(LabelResult::invalid) == 3);
}

TEST_CASE("a partition that is another's now leaves no label behind") {
  Agent agent;
  const auto [id, record] = agent.pod.predict();
  agent.take({agent.pod.label(id), agent.pod.label("order-9")});
  agent.join.forget(0);
  CHECK(!agent.join.first_held(0));
  agent.clock.advance(1h);
  REQUIRE(agent.join.give_up_old());
  CHECK(agent.counted(LabelResult::unknown) == 0);
  agent.take({record}, false);
  CHECK(agent.joined_rows().empty());
}

TEST_CASE("no more labels are held than the limit says, and the next one is unknown and said") {
  Agent agent;
  TopicJoin small({.early = 10min, .held_max = 2}, *agent.log, nullptr, agent.clock);
  TopicBatch batch{.partition = 0, .counts = true, .records = {}};
  for (int i = 0; i < 3; ++i) {
    batch.records.push_back({.partition = 0,
                             .offset = i,
                             .time = agent.clock.now(),
                             .key = "",
                             .value = agent.pod.label("order-" + std::to_string(i))});
  }
  REQUIRE(small.take(std::span(&batch, 1), 1));
  CHECK(small.figures().held == 2);
  CHECK(small.figures().not_held == 1);
  CHECK(agent.counted(LabelResult::unknown) == 1);
}

}  // namespace outrider::fleet
