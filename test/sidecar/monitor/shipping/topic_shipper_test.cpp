// SPDX-License-Identifier: Apache-2.0
// The sidecar's shipper to a topic, against librdkafka's mock cluster.
#include "sidecar/monitor/shipping/topic_shipper.h"

#include <set>

#include "base/kafka/consumer.h"
#include "base/kafka/partition.h"
#include "test/support/catch.h"
#include "test/support/kafka_cluster.h"
#include "test/support/temporary_folder.h"
#include "truth/topic_record.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;

const SystemClock wall;
constexpr Duration patience = 30s;

struct Pod {
  explicit Pod(const kafka::Options& kafka) {
    options.kafka = kafka;
    options.workload = "price";
    options.pod = "pod-1";
    start();
  }
  void start() {
    shipper.reset();
    shipper = std::make_unique<TopicShipper>(
        options, truth::Sample{}, folder.path() / "shipping",
        [](std::string_view, std::string_view) { return truth::JudgeRule{}; }, wall);
  }
  std::string predict(std::string_view key = {}, std::string_view class_name = "a") {
    const std::string id = truth::format_uuid(truth::make_uuid7(wall.now(), 1, ++serial));
    const truth::RowView row{.prediction = class_name};
    const std::string_view alias = "an alias";
    shipper->append({.id = id,
                     .time = wall.now(),
                     .model_name = "house",
                     .model_version = "v1",
                     .aliases = std::span(&alias, 1),
                     .key = key,
                     .rows = std::span(&row, 1)},
                    0);
    return id;
  }
  double metric(const std::string& line) const {
    wire::TextSink page(wire::Format::text);
    shipper->collect(page);
    const std::string text = page.finish();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
  }

  TemporaryFolder folder;
  ShippingOptions options;
  std::uint64_t serial = 0;
  std::unique_ptr<TopicShipper> shipper;
};

std::vector<kafka::Record> records_of(const kafka::Options& options, std::size_t count) {
  kafka::Consumer::Settings settings{.options = options, .group = "", .instance = ""};
  auto consumer =
      kafka::Consumer::open(settings, nullptr, std::make_shared<kafka::Troubles>("a test"));
  REQUIRE(consumer);
  std::vector<kafka::Place> from;
  for (std::int32_t i = 0; i < *(*consumer)->partitions(patience); ++i) from.push_back({i, 0, ""});
  REQUIRE((*consumer)->read(from));
  std::vector<kafka::Record> records;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (records.size() < count && std::chrono::steady_clock::now() < deadline) {
    if (auto record = (*consumer)->poll(100ms)) records.push_back(std::move(*record));
  }
  return records;
}

truth::DecodedShipment shipment_of(const kafka::Record& record) {
  auto content = truth::parse_topic_record(record.value, wall.now(), true);
  if (!content) throw std::runtime_error(content.error().message);
  return std::get<truth::DecodedShipment>(std::move(*content));
}

}  // namespace

TEST_CASE("each prediction is a record under the name by which its label will come") {
  test::KafkaCluster cluster;
  cluster.create("truth", 4);
  Pod pod(cluster.options("truth"));
  std::set<std::string> names;
  for (int i = 0; i < 20; ++i) names.insert(pod.predict());
  for (int i = 0; i < 20; ++i) {
    const std::string key = "order-" + std::to_string(i);
    pod.predict(key);
    names.insert(key);
  }
  CHECK(pod.shipper->stop(patience));
  const auto records = records_of(pod.options.kafka, 40);
  std::set<std::string> keys;
  std::map<std::int32_t, std::uint64_t> next;
  for (const kafka::Record& record : records) {
    keys.insert(record.key);
    CHECK(record.partition == kafka::partition_of(record.key, 4));
    const auto shipment = shipment_of(record);
    CHECK(shipment.sender.workload.name == "price");
    CHECK(shipment.sequences[0] >= next[record.partition]);  // In order, in each partition.
    next[record.partition] = shipment.sequences[0] + 1;
    for (const auto& name : shipment.predictions.names) CHECK(name.key_row);  // No alias.
  }
  CHECK(keys == names);
  CHECK(pod.metric(R"(outrider_shipping_sent_total{agent="kafka:truth"})") == 40);
  CHECK(pod.metric(R"(outrider_shipping_up{agent="kafka:truth"})") == 1);
}

TEST_CASE("predictions of an outage wait on disk, over a restart, and come when brokers are back") {
  test::KafkaCluster cluster;
  cluster.create("truth", 2);
  Pod pod(cluster.options("truth"));
  pod.predict();
  REQUIRE(pod.shipper->stop(patience));
  cluster.set_up(false);
  pod.start();
  for (int i = 0; i < 10; ++i) pod.predict();
  CHECK(!pod.shipper->stop(300ms));
  cluster.set_up(true);
  pod.start();
  CHECK(pod.shipper->stop(patience));
  std::set<std::uint64_t> numbers;
  for (const auto& record : records_of(pod.options.kafka, 11))
    numbers.insert(shipment_of(record).sequences[0]);
  CHECK(numbers.size() == 11);
  CHECK(pod.metric(R"(outrider_shipping_refused_total{reason="crash"})") == 0);
}

TEST_CASE("what is too large for the topic is counted, and the next one is sent") {
  test::KafkaCluster cluster;
  cluster.create("truth", 1);
  Pod pod(cluster.options("truth"));
  pod.predict({}, std::string(1 << 20, 'x'));
  const std::string id = pod.predict();
  CHECK(pod.shipper->stop(patience));
  CHECK(records_of(pod.options.kafka, 1).front().key == id);
  CHECK(pod.metric(R"(outrider_shipping_refused_total{reason="too_large"})") == 1);
}

TEST_CASE("numbers that a crash took along are counted at the next start") {
  test::KafkaCluster cluster;
  cluster.create("truth", 1);
  Pod pod(cluster.options("truth"));
  pod.predict();
  REQUIRE(pod.shipper->stop(patience));
  pod.shipper.reset();
  // As a kill -9 leaves it: numbered, in no queue.
  (*truth::AcceptedCounter::open(pod.folder.path() / "shipping" / "sequence"))->add(7);
  pod.start();
  CHECK(pod.metric(R"(outrider_shipping_refused_total{reason="crash"})") == 7);
}

TEST_CASE("a label that is sent to a sidecar is in the topic before it is answered") {
  test::KafkaCluster cluster;
  cluster.create("truth", 3);
  Pod pod(cluster.options("truth"));
  net::HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/labels";
  request.body = R"({"id": "order-1", "label": 1})";
  CHECK(pod.shipper->relay(request).body.find(R"("queued")") != std::string::npos);
  const auto record = records_of(pod.options.kafka, 1).front();
  CHECK(record.key == "order-1");
  const auto content = truth::parse_topic_record(record.value, wall.now(), true);
  CHECK(std::get<truth::TopicLabel>(*content).scope.workload == "price");
  CHECK(pod.shipper->erase(request).status == 409);
}

TEST_CASE("a batch of the queue comes back as it was, and of a damaged one what is sound") {
  std::string batch;
  append_topic_item(batch, std::vector<std::string>{"a", "b"}, "first");
  append_topic_item(batch, std::vector<std::string>{"c"}, "second");
  const auto items = read_topic_items(batch);
  REQUIRE(items.size() == 2);
  CHECK(items[0].keys == std::vector<std::string_view>{"a", "b"});
  CHECK(items[1].record == "second");
  CHECK(read_topic_items(std::string_view(batch).substr(0, batch.size() - 1)).size() == 1);
  CHECK(read_topic_items("\xff\xff\xff\xff\xff\xff").empty());
}

TEST_CASE("a sidecar that is told of agents and of a topic is refused at the start") {
  ShippingOptions options;
  options.kafka.brokers = {"127.0.0.1:9092"};
  CHECK(options.check().error().message.find("truth.workload") != std::string::npos);
  options.workload = "price";
  CHECK(options.check());
  options.urls = {"http://agent:9510"};
  CHECK(options.check().error().message.find("expected one of them") != std::string::npos);
}

}  // namespace outrider::monitor
