// SPDX-License-Identifier: Apache-2.0
// Producer and consumer against librdkafka's mock cluster.
#include <fstream>

#include "base/kafka/consumer.h"
#include "base/kafka/partition.h"
#include "base/kafka/publisher.h"
#include "test/support/catch.h"
#include "test/support/kafka_cluster.h"
#include "test/support/temporary_folder.h"

namespace outrider::kafka {
namespace {

using namespace std::chrono_literals;

constexpr Duration patience = 30s;
constexpr int produce_requests = 0;

std::shared_ptr<Troubles> troubles() {
  return std::make_shared<Troubles>("a test");
}

// Reads every partition from its beginning, or where it is told.
struct Reader final : Consumer::Listener {
  Result<std::vector<Place>> assigned(std::span<const std::int32_t> partitions) override {
    std::vector<Place> from;
    for (const std::int32_t partition : partitions) from.push_back({partition, 0, ""});
    given.assign(partitions.begin(), partitions.end());
    return from;
  }
  void revoked(std::span<const std::int32_t>) override { given.clear(); }
  std::vector<std::int32_t> given;
};

std::vector<Record> read(Consumer& consumer, std::size_t count) {
  std::vector<Record> records;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (records.size() < count && std::chrono::steady_clock::now() < deadline) {
    if (auto record = consumer.poll(100ms)) records.push_back(std::move(*record));
  }
  return records;
}

Consumer::Settings settings_of(const Options& options) {
  return {.options = options, .group = "agents", .instance = "", .session_timeout = 6s};
}

}  // namespace

TEST_CASE("a key's partition is that of Java's clients") {
  // org.apache.kafka.common.utils.UtilsTest.testMurmur2.
  const std::pair<std::string_view, std::int32_t> known[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107}};
  for (const auto& [key, hash] : known) CHECK(static_cast<std::int32_t>(murmur2(key)) == hash);
  for (const std::string key :
       {"", "a", "order-1", "\xff\xfe\xfd", "0190c0de-0000-7000-8000-00000"})
    for (const std::int32_t count : {1, 7, 12, 256}) {
      CHECK(partition_of(key, count) == rd_kafka_msg_partitioner_murmur2(nullptr, key.data(),
                                                                         key.size(), count, nullptr,
                                                                         nullptr));
    }
}

TEST_CASE("options that do not go together are refused with the option's name") {
  Options options;
  CHECK(options.check("truth.kafka"));
  options.brokers = {"127.0.0.1:9092"};
  CHECK(options.check("truth.kafka"));
  options.topic = "a topic";
  CHECK(options.check("truth.kafka").error().message.starts_with("truth.kafka.topic: expected"));
  options.topic = "a-topic";
  options.ca_file = "ca.crt";
  CHECK(options.check("truth.kafka").error().message.find("truth.kafka.tls") != std::string::npos);
  options.tls = true;
  CHECK(options.check("truth.kafka"));
  options.sasl_user = "agent";
  CHECK(options.check("truth.kafka").error().message.find(".sasl-mechanism") != std::string::npos);
  options.sasl_mechanism = "PLAIN";
  CHECK(options.check("truth.kafka").error().message.find(".sasl-password-file") !=
        std::string::npos);
}

TEST_CASE("what is sent is read with its key, in the order of its partition") {
  test::KafkaCluster cluster;
  cluster.create("truth", 3);
  Publisher publisher(cluster.options("truth"), troubles());
  REQUIRE(publisher.partitions(patience) == 3);
  std::vector<Message> messages;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "order-" + std::to_string(i % 10);
    messages.push_back({partition_of(key, 3), key, std::to_string(i)});
  }
  const auto fates = publisher.send(messages, patience, nullptr);
  REQUIRE(fates);
  CHECK(*fates == std::vector<Fate>(300, Fate::taken));

  Reader reader;
  auto consumer = Consumer::open(settings_of(cluster.options("truth")), &reader, troubles());
  REQUIRE(consumer);
  const auto records = read(**consumer, 300);
  REQUIRE(records.size() == 300);
  CHECK(reader.given == std::vector<std::int32_t>{0, 1, 2});
  std::map<std::string, int> last;
  for (const Record& record : records) {
    CHECK(record.partition == partition_of(record.key, 3));
    const int number = std::stoi(record.value);
    if (last.contains(record.key)) CHECK(number > last[record.key]);
    last[record.key] = number;
  }
}

TEST_CASE("a record that is too large is refused alone, and the others are taken") {
  test::KafkaCluster cluster;
  cluster.create("truth", 1);
  Publisher publisher(cluster.options("truth"), troubles());
  const std::vector<Message> messages = {
      {0, "a", "small"}, {0, "b", std::string(3 << 20, 'x')}, {0, "c", "small"}};
  const auto fates = publisher.send(messages, patience, nullptr);
  REQUIRE(fates);
  CHECK(*fates == std::vector<Fate>{Fate::taken, Fate::refused, Fate::taken});
}

TEST_CASE("while brokers are away nothing is taken, and it is once they are back") {
  test::KafkaCluster cluster;
  cluster.create("truth", 1);
  const auto seen = troubles();
  Publisher publisher(cluster.options("truth"), seen);
  const std::vector<Message> one = {{0, "a", "1"}};
  REQUIRE(publisher.send(one, patience, nullptr) == std::vector<Fate>{Fate::taken});
  cluster.set_up(false);
  const std::vector<Message> another = {{0, "a", "2"}};
  CHECK(publisher.send(another, 500ms, nullptr) == std::vector<Fate>{Fate::failed});
  const std::atomic<bool> cancelled{true};
  CHECK(publisher.send(another, patience, &cancelled) == std::vector<Fate>{Fate::failed});
  cluster.set_up(true);
  CHECK(publisher.send(another, patience, nullptr) == std::vector<Fate>{Fate::taken});
}

TEST_CASE("what a broker refuses for a while is sent again by itself") {
  test::KafkaCluster cluster;
  cluster.create("truth", 1);
  Publisher publisher(cluster.options("truth"), troubles());
  cluster.refuse(produce_requests, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 3);
  const std::vector<Message> one = {{0, "a", "1"}};
  CHECK(publisher.send(one, patience, nullptr) == std::vector<Fate>{Fate::taken});
}

TEST_CASE("brokers that nobody can reach are an error that says so") {
  Options options;
  options.brokers = {"127.0.0.1:1"};
  const auto seen = troubles();
  Publisher publisher(options, seen);
  const auto count = publisher.partitions(300ms);
  REQUIRE(!count);
  CHECK(count.error().code == "kafka_unavailable");
  CHECK(seen->counts()[Troubles::unreachable] > 0);
  CHECK(!seen->last().empty());
}

TEST_CASE("a password that cannot be read is told by its file") {
  Options options;
  options.brokers = {"127.0.0.1:1"};
  options.sasl_mechanism = "SCRAM-SHA-256";
  options.sasl_user = "agent";
  options.sasl_password_file = "/nowhere/password";
  const auto made = Producer::open(options, troubles());
  REQUIRE(!made);
  CHECK(made.error().code == "kafka_password");
  CHECK(made.error().message.find("/nowhere/password") != std::string::npos);
}

TEST_CASE("certificates that cannot be read are told in librdkafka's words") {
  TemporaryFolder folder;
  Options options;
  options.brokers = {"127.0.0.1:1"};
  options.tls = true;
  options.ca_file = (folder.path() / "ca.crt").string();
  std::ofstream(options.ca_file) << "no certificate\n";
  const auto made = Producer::open(options, troubles());
  REQUIRE(!made);
  CHECK(made.error().code == "kafka_options");
  CHECK(made.error().message.find("ssl.ca.location") != std::string::npos);
}

TEST_CASE("a committed offset comes back with what stands beside it, to another member too") {
  test::KafkaCluster cluster;
  cluster.create("truth", 1);
  Publisher publisher(cluster.options("truth"), troubles());
  const std::vector<Message> two = {{0, "a", "1"}, {0, "a", "2"}};
  REQUIRE(publisher.send(two, patience, nullptr));
  Reader reader;
  {
    auto consumer = Consumer::open(settings_of(cluster.options("truth")), &reader, troubles());
    REQUIRE(consumer);
    REQUIRE(read(**consumer, 2).size() == 2);
    const Place place{.partition = 0, .offset = 2, .metadata = "outrider1 a=2"};
    CHECK((*consumer)->commit(std::span(&place, 1)) == std::vector<bool>{true});
    CHECK((*consumer)->known_bounds(0)->high == 2);
  }
  CHECK(reader.given.empty());
  auto another = Consumer::open(settings_of(cluster.options("truth")), &reader, troubles());
  REQUIRE(another);
  const std::int32_t partition = 0;
  const auto found = (*another)->committed(std::span(&partition, 1), patience);
  REQUIRE(found);
  CHECK(found->front().offset == 2);
  CHECK(found->front().metadata == "outrider1 a=2");
  CHECK((*another)->bounds(0, patience)->high == 2);
}

TEST_CASE("a member that the group has moved on from commits nothing") {
  test::KafkaCluster cluster;
  cluster.create("truth", 1);
  Publisher publisher(cluster.options("truth"), troubles());
  const std::vector<Message> one = {{0, "a", "1"}};
  REQUIRE(publisher.send(one, patience, nullptr));
  Reader reader;
  const auto seen = troubles();
  auto consumer = Consumer::open(settings_of(cluster.options("truth")), &reader, seen);
  REQUIRE(consumer);
  REQUIRE(read(**consumer, 1).size() == 1);
  constexpr int commit_requests = 8;
  cluster.refuse(commit_requests, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
  const Place place{.partition = 0, .offset = 1, .metadata = ""};
  CHECK((*consumer)->commit(std::span(&place, 1)) == std::vector<bool>{false});
  CHECK(seen->counts()[Troubles::group] > 0);
}

}  // namespace outrider::kafka
