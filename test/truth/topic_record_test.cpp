// SPDX-License-Identifier: Apache-2.0
#include "truth/topic_record.h"

#include "test/support/catch.h"
#include "truth/api/topic_labels.h"
#include "truth/codec.h"
#include "truth/shipment.pb.h"

namespace outrider::truth {
namespace {

using namespace std::chrono_literals;

const Time now = from_unix_ms(1'760'000'000'000);
const Uuid id = make_uuid7(now, 1, 2);

TopicLabel label_of(const std::string& json) {
  auto content = parse_topic_record(json, now, true);
  if (!content) throw std::runtime_error(content.error().message);
  return std::get<TopicLabel>(*content);
}

Error refusal_of(std::string_view value) {
  const auto content = parse_topic_record(value, now, true);
  REQUIRE(!content);
  return content.error();
}

std::string shipment() {
  ShipmentWriter writer;
  const RowView row{.prediction = 312.5};
  const std::string text = format_uuid(id);
  writer.add(id, 7,
             {.id = text,
              .time = now,
              .model_name = "house-price",
              .model_version = "v1",
              .key = "order-1",
              .rows = std::span(&row, 1)},
             0);
  return writer
      .finish(
          {.workload = {"eu", "shop", "price"}, .pod = "pod-1", .stream = id},
          [](std::string_view, std::string_view) { return JudgeRule{}; }, 0)
      .front()
      .bytes;
}

}  // namespace

TEST_CASE("a prediction's record has its shipment, with its numbers and its names") {
  const auto content = parse_topic_record(write_topic_prediction(shipment()), now, true);
  REQUIRE(content);
  const auto& got = std::get<DecodedShipment>(*content);
  CHECK(got.stream == id);
  CHECK(got.sequences == std::vector<std::uint64_t>{7});
  CHECK(got.predictions.entries[0].id == id);
  CHECK(got.predictions.names[0].hash == key_hash("order-1"));
  CHECK(got.sender.partial);
  CHECK(got.sender.closed);
}

TEST_CASE("a label's record comes back as it was") {
  TopicLabel one;
  one.label.id = format_uuid(id) + "_3";
  one.label.truth = std::string("yes");
  one.label.timestamp = now - 24h;
  one.scope = {.cluster = "eu", .name_space = std::nullopt, .workload = "price", .model = "m"};
  CHECK(label_of(write_topic_label(one)) == one);
  one.label.truth = -1.5;
  one.label.row = 0;
  one.label.timestamp.reset();
  one.scope = {};
  CHECK(label_of(write_topic_label(one)) == one);
}

TEST_CASE("a label in JSON is what the API takes, and says whose it is in its own members") {
  const auto one = label_of(
      R"({"id": "order-1", "label": 312000, "timestamp": "2026-01-31T12:00:00Z",
          "workload": "price", "namespace": "shop"})");
  CHECK(one.label.id == "order-1");
  CHECK(one.label.truth == Value(312000.0));
  CHECK(one.label.timestamp.has_value());
  CHECK(one.scope.workload == "price");
  CHECK(one.scope.name_space == "shop");
  CHECK(!one.scope.cluster);
}

TEST_CASE("what is no record is refused with what was found") {
  CHECK(refusal_of("").code == "invalid_record");
  CHECK(refusal_of("nonsense").code == "invalid_record");
  CHECK(refusal_of("{").code == "invalid_record");
  CHECK(refusal_of(R"({"id": "a"})").code == "invalid_record");
  CHECK(refusal_of(R"({"id": "a", "label": 1, "prediction": 2, "model_version": "v1"})")
            .message.find("brings its prediction along") != std::string::npos);
  CHECK(refusal_of("{\"id\":\"a\",\"label\":1}\n{\"id\":\"b\",\"label\":1}")
            .message.find("found 2") != std::string::npos);
  v1::TopicRecord record;
  record.set_version(1);
  CHECK(refusal_of(record.SerializeAsString()).message.find("either a shipment or a label") !=
        std::string::npos);
  record.mutable_label()->set_id("a");
  CHECK(refusal_of(record.SerializeAsString()).message.find("without a truth") !=
        std::string::npos);
  record.mutable_label()->set_number(std::numeric_limits<double>::quiet_NaN());
  CHECK(refusal_of(record.SerializeAsString()).message.find("no finite number") !=
        std::string::npos);
  record.set_shipment(shipment());
  CHECK(refusal_of(record.SerializeAsString()).code == "invalid_record");
}

TEST_CASE("a record of a newer version is told apart from one that is damaged") {
  v1::TopicRecord record;
  record.set_version(2);
  CHECK(refusal_of(record.SerializeAsString()).code == "newer_record");
  v1::Shipment inside;
  REQUIRE(inside.ParseFromString(shipment()));
  inside.set_version(99);
  CHECK(refusal_of(write_topic_prediction(inside.SerializeAsString())).code == "newer_record");
}

TEST_CASE("a key is the name of the label without its row, in one spelling") {
  std::string loud = format_uuid(id);
  for (char& c : loud) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  CHECK(topic_key(loud) == format_uuid(id));
  CHECK(topic_key(format_uuid(id) + "_12") == format_uuid(id));
  CHECK(topic_key("order_7") == "order_7");  // A key is never taken apart.
  CHECK(topic_key("") == "");
}

TEST_CASE("a prediction is keyed by its rows' keys, else its own, else its id") {
  const std::string text = format_uuid(id);
  std::vector<RowView> rows(3, RowView{.prediction = 1.0});
  PredictionView one{.id = text, .time = now, .rows = rows};
  CHECK(topic_keys(one) == std::vector<std::string>{text});
  one.key = "order-1";
  CHECK(topic_keys(one) == std::vector<std::string>{"order-1"});
  rows[0].key = "a";
  rows[1].key = "b";
  rows[2].key = "a";
  CHECK(topic_keys(one) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("labels of a request go to the topic by their names, and each is answered") {
  net::HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/labels";
  request.body =
      R"([{"id": "order-1", "label": 1}, {"id": "order-2"}, {"id": "order-3", "label": 2}])";
  std::vector<KeyedRecord> sent;
  const auto answer =
      publish_labels(request, {.workload = "price"}, [&](const auto& records) -> Result<void> {
        sent = records;
        return {};
      });
  CHECK(answer.status == 200);
  REQUIRE(sent.size() == 2);
  CHECK(sent[1].key == "order-3");
  CHECK(label_of(sent[1].value).scope.workload == "price");
  CHECK(answer.body.find(R"("queued":2)") != std::string::npos);
  CHECK(answer.body.find(R"("invalid":1)") != std::string::npos);

  const auto refused = publish_labels(request, {}, [](const auto&) -> Result<void> {
    return fail("kafka_unavailable", "no broker answers");
  });
  CHECK(refused.status == 503);
  CHECK(refused.body.find("no broker answers") != std::string::npos);
  request.body = R"({"id": "order-2"})";
  CHECK(publish_labels(request, {}, [](const auto&) { return Result<void>(); }).status == 400);
}

}  // namespace outrider::truth
