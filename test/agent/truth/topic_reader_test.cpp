// SPDX-License-Identifier: Apache-2.0
// Agents as members of a group, against librdkafka's mock cluster: restarts, take-overs, and what
// an agent that was killed between its commit and its join has to count.
#include "agent/truth/topic_reader.h"

#include <fstream>

#include "base/kafka/publisher.h"
#include "test/agent/truth/topic_fixture.h"
#include "test/support/catch.h"
#include "test/support/kafka_cluster.h"

namespace outrider::fleet {
namespace {

using namespace std::chrono_literals;
using outrider::test::KafkaCluster;
using truth::test::patience;

const SystemClock wall;

template <class Condition>
bool wait_for(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

struct Fleet {
  explicit Fleet(int partitions) : count(partitions) { cluster.create("truth", partitions); }
  void send(const std::string& name, const std::string& value) {
    const kafka::Publisher::Keyed one{name, value};
    const std::string key = truth::topic_key(name);
    const kafka::Publisher::Keyed keyed{key, value};
    REQUIRE(publisher.publish(std::span(&keyed, 1), patience));
  }
  std::vector<std::string> predict(int how_many) {
    std::vector<std::string> ids;
    for (int i = 0; i < how_many; ++i) {
      const auto [id, record] = pod.predict();
      send(id, record);
      ids.push_back(id);
    }
    return ids;
  }
  void label(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) send(id, test::Pod::label(id));
  }

  KafkaCluster cluster;
  const int count;
  std::shared_ptr<kafka::Troubles> troubles = std::make_shared<kafka::Troubles>("a test");
  kafka::Publisher publisher{cluster.options("truth"), troubles};
  test::Pod pod{wall};
};

struct Agent : test::TopicLog {
  explicit Agent(const Fleet& fleet) : TopicLog(true), troubles(fleet.troubles) {
    settings_of_it.consumer = {.options = fleet.cluster.options("truth"),
                               .group = "agents",
                               .instance = "",
                               .session_timeout = 6s};
    settings_of_it.folder = folder.path() / "topic";
  }
  void start() {
    reader = std::make_unique<TopicReader>(
        settings_of_it, *log, [](const auto&) { return Result<void>(); }, troubles, wall);
  }
  void stop() { reader.reset(); }
  std::uint64_t rows() const { return consumer.rows(); }

  TopicReader::Settings settings_of_it;
  std::shared_ptr<kafka::Troubles> troubles;
  std::unique_ptr<TopicReader> reader;
};

}  // namespace

TEST_CASE("an agent joins what the topic has, goes on where it stopped, and counts nothing twice") {
  Fleet fleet(3);
  Agent agent(fleet);
  const auto ids = fleet.predict(30);
  agent.start();
  fleet.label(ids);
  REQUIRE(wait_for([&] { return agent.rows() == 30; }));
  agent.stop();
  const auto more = fleet.predict(10);
  fleet.label(more);
  fleet.label(ids);
  agent.start();
  REQUIRE(wait_for([&] { return agent.counted(truth::LabelResult::duplicate) == 30; }));
  REQUIRE(wait_for([&] { return agent.joined_rows().size() == 40; }));
  CHECK(agent.rows() == 40);
  CHECK(agent.log->figures().shipped_again == 0);
}

TEST_CASE("an agent that takes over has every row and counts only what nobody has counted") {
  Fleet fleet(2);
  Agent first(fleet), second(fleet);
  const auto ids = fleet.predict(40);
  first.start();
  fleet.label({ids.begin(), ids.begin() + 25});
  REQUIRE(wait_for([&] { return first.rows() == 25; }));
  first.stop();
  fleet.label({ids.begin() + 25, ids.end()});
  second.start();
  REQUIRE(wait_for([&] { return second.joined_rows().size() == 40; }));
  CHECK(first.rows() == 25);
  CHECK(second.rows() == 15);
}

TEST_CASE("two agents share the partitions, and each label is counted by one") {
  Fleet fleet(4);
  Agent first(fleet), second(fleet);
  first.start();
  REQUIRE(wait_for([&] { return first.reader->is_member(); }));
  const auto ids = fleet.predict(60);
  fleet.label({ids.begin(), ids.begin() + 20});
  second.start();
  fleet.label({ids.begin() + 20, ids.end()});
  REQUIRE(wait_for([&] { return first.rows() + second.rows() == 60; }));
  first.stop();
  const auto more = fleet.predict(10);
  fleet.label(more);
  REQUIRE(wait_for([&] { return first.rows() + second.rows() == 70; }));
}

TEST_CASE(
    "what was claimed and not joined is counted by its agent, though another has the partition") {
  Fleet fleet(1);
  Agent killed(fleet), other(fleet);
  const auto ids = fleet.predict(10);
  fleet.label(ids);  // Offsets 10 to 19.
  // As a kill -9 leaves it between a commit that was taken and the join of its records.
  std::filesystem::create_directories(killed.settings_of_it.folder);
  std::ofstream(killed.settings_of_it.folder / "kafka.json")
      << R"({"agent":"killed","topic":"truth","partition_count":1,"partitions":[)"
      << R"({"partition":0,"next":0,"resume":0,"claimed":16}]})";
  {
    struct Listener final : kafka::Consumer::Listener {
      Result<std::vector<kafka::Place>> assigned(std::span<const std::int32_t>) override {
        is_member = true;
        return std::vector<kafka::Place>{{.partition = 0, .offset = 0}};
      }
      void revoked(std::span<const std::int32_t>) override {}
      bool is_member = false;
    } listener;
    auto consumer =
        kafka::Consumer::open(killed.settings_of_it.consumer, &listener, fleet.troubles);
    REQUIRE(consumer);
    REQUIRE(wait_for([&] { return (*consumer)->poll(10ms), listener.is_member; }));
    const kafka::Place place{.partition = 0, .offset = 16, .metadata = "outrider1 killed=16"};
    REQUIRE((*consumer)->commit(std::span(&place, 1)) == std::vector<bool>{true});
  }
  other.start();
  REQUIRE(wait_for([&] { return other.joined_rows().size() == 10; }));
  CHECK(other.rows() == 4);
  // The other keeps the partition; the one that was killed comes back with nothing assigned, or
  // with the partition: it counts its six either way.
  killed.start();
  REQUIRE(wait_for([&] { return killed.rows() == 6; }));
  CHECK(other.rows() == 4);
}

TEST_CASE("a claim that was not taken is counted by who took the records instead") {
  Fleet fleet(1);
  Agent killed(fleet), other(fleet);
  const auto ids = fleet.predict(10);
  fleet.label(ids);
  std::filesystem::create_directories(killed.settings_of_it.folder);
  std::ofstream(killed.settings_of_it.folder / "kafka.json")
      << R"({"agent":"killed","topic":"truth","partition_count":1,"partitions":[)"
      << R"({"partition":0,"next":0,"resume":0,"claimed":16}]})";
  other.start();
  REQUIRE(wait_for([&] { return other.rows() == 10; }));
  other.stop();
  killed.start();
  REQUIRE(wait_for([&] { return killed.joined_rows().size() == 10; }));
  CHECK(killed.rows() == 0);
}

TEST_CASE("a commit that is refused costs nothing but time") {
  Fleet fleet(1);
  Agent agent(fleet);
  constexpr int commit_requests = 8;
  fleet.cluster.refuse(commit_requests, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 2);
  const auto ids = fleet.predict(10);
  fleet.label(ids);
  agent.start();
  REQUIRE(wait_for([&] { return agent.joined_rows().size() == 10; }));
  CHECK(agent.rows() == 10);
}

TEST_CASE("brokers that go away for a while lose nothing") {
  Fleet fleet(2);
  Agent agent(fleet);
  const auto ids = fleet.predict(20);
  agent.start();
  REQUIRE(wait_for([&] { return agent.log->figures().shipped == 20; }));
  const auto unreachable = [&] { return fleet.troubles->counts()[kafka::Troubles::unreachable]; };
  const auto before = unreachable();
  fleet.cluster.set_up(false);
  REQUIRE(wait_for([&] { return unreachable() > before; }));
  fleet.cluster.set_up(true);
  fleet.label(ids);
  REQUIRE(wait_for([&] { return agent.rows() == 20; }));
}

TEST_CASE(
    "a topic that has another number of partitions than before is not read, and that is said") {
  Fleet fleet(2);
  Agent agent(fleet);
  std::filesystem::create_directories(agent.settings_of_it.folder);
  std::ofstream(agent.settings_of_it.folder / "kafka.json")
      << R"({"agent":"a","topic":"truth","partition_count":3,"partitions":[]})";
  agent.start();
  REQUIRE(wait_for([&] {
    return agent.troubles->last().find("has 2 partitions and had 3") != std::string::npos;
  }));
  CHECK(!agent.reader->is_member());
}

TEST_CASE("a folder of another topic is refused at the start") {
  Fleet fleet(1);
  Agent agent(fleet);
  std::filesystem::create_directories(agent.settings_of_it.folder);
  std::ofstream(agent.settings_of_it.folder / "kafka.json")
      << R"({"agent":"a","topic":"another","partition_count":1,"partitions":[]})";
  CHECK_THROWS_WITH(agent.start(), Catch::Contains("truth.kafka.topic"));
}

}  // namespace outrider::fleet
