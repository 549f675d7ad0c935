// SPDX-License-Identifier: Apache-2.0
// Predictions of many sidecars in one log: shipped, taken once, joined by workload.

#include "test/support/catch.h"
#include "test/truth/log_fixture.h"
#include "truth/scope.h"
#include "truth/shipment.h"
#include "truth/shipment.pb.h"
#include "truth/streams.h"

namespace outrider::truth {
namespace {

using namespace std::chrono_literals;
using test::LogFixture;

const Workload shop{"eu-1", "shop", "house-price"};

// A sidecar: makes predictions and ships them.
struct Pod {
  explicit Pod(LogFixture& fixture, Workload of = shop, std::uint64_t number = 1)
      : f(fixture), workload(std::move(of)) {
    head.workload = workload;
    head.pod = "pod-" + std::to_string(number);
    head.stream = make_uuid7(Time{1s}, 7, number);
  }

  std::string predict(double prediction, std::vector<std::string_view> aliases = {},
                      std::string_view key = {}) {
    const std::string id = f.new_id();
    const RowView row{.prediction = prediction};
    writer.add(*parse_uuid7(id), sequence++,
               {.id = id,
                .time = f.clock.now(),
                .model_name = "price",
                .model_version = "v1",
                .aliases = aliases,
                .key = key,
                .rows = std::span(&row, 1)},
               0);
    return id;
  }

  std::string body() {
    head.complete_until = f.clock.now();
    const auto rule = [](std::string_view, std::string_view) {
      return JudgeRule{false, {0.2, 0.5}};
    };
    return writer.finish(head, rule).at(0).bytes + sent_at(f.clock.now());
  }
  ShipmentTaken ship(const std::string& bytes) {
    auto shipment = decode_shipment(bytes, f.clock.now(), true);
    if (!shipment) throw std::runtime_error(shipment.error().message);
    auto taken = f.log->take(std::move(*shipment));
    if (!taken) throw std::runtime_error(taken.error().message);
    return *taken;
  }
  ShipmentTaken ship() { return ship(body()); }

  LogFixture& f;
  Workload workload;
  ShipmentHead head;
  ShipmentWriter writer;
  std::uint64_t sequence = 0;
};

struct Fleet : LogFixture {
  Fleet() {
    settings.shipped = true;
    settings.model_name = "unknown";
    open();
  }
};

}  // namespace

TEST_CASE("what the sidecar writes by hand reads back with the generated classes") {
  ShipmentWriter writer;
  const Time now = from_unix_ms(1'700'000'000'123);
  const Uuid id = make_uuid7(now, 1, 2);
  const std::vector<std::string_view> aliases = {"order-1"}, names = {"size", "kind"};
  const FeatureValueView features[] = {80.5, std::string_view("flat"), std::monostate{}, 3.0};
  RowView rows[3] = {{.prediction = 1.5, .score = 0.25, .segment = "kind=flat"},
                     {.prediction = std::string_view("")},
                     {.failed = true}};
  rows[0].features = std::span(features).first(2);
  rows[1].features = std::span(features).last(2);
  rows[1].key = "k";
  writer.add(id, 41,
             {.id = "",
              .time = now,
              .model_name = "price",
              .model_version = "v1",
              .aliases = aliases,
              .key = "whole",
              .feature_names = names,
              .rows = rows},
             9);
  CHECK(writer.rows() == 3);
  const auto bodies = writer.finish(
      {.workload = shop, .pod = "p", .stream = id, .complete_until = now, .closed = true},
      [](std::string_view model, std::string_view version) {
        CHECK(model == "price");
        CHECK(version == "v1");
        return JudgeRule{true, {0.1, 2}};
      });
  REQUIRE(bodies.size() == 1);
  CHECK(bodies[0].rows == 3);
  const std::string& body = bodies[0].bytes;
  v1::Shipment message;
  REQUIRE(message.ParseFromString(body + sent_at(now + 5s)));
  CHECK(message.version() == 1);
  CHECK(message.namespace_name() == "shop");
  CHECK(message.sent_ms() - message.complete_until_ms() == 5'000);
  CHECK(message.closed());
  REQUIRE(message.models_size() == 1);
  CHECK(message.models(0).classification());
  CHECK(message.models(0).absolute_tolerance() == 2);
  REQUIRE(message.predictions_size() == 1);
  const auto& prediction = message.predictions(0);
  CHECK(prediction.sequence() == 41);
  CHECK(prediction.time_us() == 1'700'000'000'123'000);
  CHECK(prediction.key() == "whole");
  REQUIRE(prediction.rows_size() == 3);
  CHECK(prediction.rows(0).number() == 1.5);
  CHECK(prediction.rows(0).score() == 0.25);
  CHECK(prediction.rows(0).segment() == "kind=flat");
  CHECK(prediction.rows(0).features(1).text() == "flat");
  CHECK(prediction.rows(1).prediction_case() == v1::Row::kText);
  CHECK(prediction.rows(1).features(0).value_case() == v1::Feature::VALUE_NOT_SET);
  CHECK(prediction.rows(1).key() == "k");
  CHECK(prediction.rows(2).failed());
  CHECK(message.feature_names(0).names(1) == "kind");

  const auto decoded = decode_shipment(body + sent_at(now), now, true);
  REQUIRE(decoded);
  CHECK(decoded->predictions.rows == 3);
  CHECK(decoded->models[0].segments == std::vector<std::string>{"kind=flat", ""});
  CHECK(decode_shipment(body.substr(0, body.size() - 3), now, true).error().code ==
        "invalid_shipment");
}

TEST_CASE("a long shipment is cut between predictions, and only its end says how far it has come") {
  ShipmentWriter writer;
  const Time now = from_unix_ms(1'700'000'000'123);
  const std::vector<RowView> rows(2, RowView{.prediction = 1.0});
  for (std::uint64_t i = 0; i < 10; ++i) {
    CHECK(writer.add(make_uuid7(now, 1, i), 2 * i,
                     {.id = "", .time = now, .model_name = "m", .model_version = "v", .rows = rows},
                     0));
  }
  CHECK_FALSE(writer.add(make_uuid7(now, 1, 99), 20, {.id = "", .rows = rows}, 0, 20));
  const auto bodies = writer.finish(
      {.workload = shop, .pod = "p", .stream = make_uuid7(now, 3, 4), .complete_until = now},
      [](std::string_view, std::string_view) { return JudgeRule{}; }, 200);
  REQUIRE(bodies.size() > 2);
  std::uint64_t sequence = 0;
  for (const ShipmentBody& body : bodies) {
    v1::Shipment message;
    REQUIRE(message.ParseFromString(body.bytes));
    CHECK((message.complete_until_ms() > 0) == (&body == &bodies.back()));
    CHECK(message.models_size() > 0);
    CHECK(body.rows == 2 * static_cast<std::uint64_t>(message.predictions_size()));
    for (const auto& prediction : message.predictions()) {
      CHECK(prediction.sequence() == sequence);
      sequence += 2;
    }
  }
  CHECK(sequence == 20);
  CHECK(writer.rows() == 0);
}

TEST_CASE("a shipment that makes no sense is refused with what was found") {
  v1::Shipment message;
  const auto refusal = [&] {
    const auto decoded = decode_shipment(message.SerializeAsString(), Time{1000s}, false);
    return decoded ? std::string("taken")
                   : std::string(decoded.error().code) + ": " + decoded.error().message;
  };
  CHECK(refusal().find("\"version\" is missing") != std::string::npos);
  message.set_version(2);
  CHECK(refusal().starts_with("newer_shipment: version 2"));
  message.set_version(1);
  CHECK(refusal().find("\"stream\" has 0 bytes") != std::string::npos);
  message.set_stream(std::string(16, 'x'));
  CHECK(refusal().find("\"workload\" is empty") != std::string::npos);
  message.set_workload("a\x1f");
  CHECK(refusal().find("without control characters") != std::string::npos);
  message.set_workload("shop");
  CHECK(refusal() == "taken");
  auto* prediction = message.add_predictions();
  prediction->set_id(std::string(16, 'x'));
  CHECK(refusal().find("no rows") != std::string::npos);
  prediction->add_rows()->set_number(1);
  CHECK(refusal().find("a model that is not there") != std::string::npos);
  message.add_models()->set_name("price");
  CHECK(refusal() == "taken");
  prediction->set_feature_names(1);
  CHECK(refusal().find("list of features") != std::string::npos);
  prediction->set_feature_names(0);
  message.mutable_models(0)->set_relative_tolerance(-1);
  CHECK(refusal().find("tolerance") != std::string::npos);
  message.mutable_models(0)->set_relative_tolerance(0);
  prediction->set_sequence(5);
  *message.add_predictions() = *prediction;
  CHECK(refusal().find("order of their sequence") != std::string::npos);
}

TEST_CASE("what is sent again is taken once, and what was left out is counted") {
  Fleet fleet;
  Pod pod(fleet);
  pod.predict(1);
  pod.predict(2);
  const std::string first = pod.body();
  CHECK(pod.ship(first).rows == 2);
  const auto again = pod.ship(first);
  CHECK(again.rows == 0);
  CHECK(again.rows_again == 2);
  CHECK(fleet.log->figures().pending == 2);

  pod.sequence += 3;  // A queue that was full.
  pod.predict(6);
  const auto after = pod.ship();
  CHECK(after.rows == 1);
  CHECK(after.lost == 3);

  fleet.open();  // The numbers outlive the agent.
  CHECK(pod.ship(first).rows_again == 2);
  CHECK(fleet.log->figures().pending == 3);
}

TEST_CASE("what a sidecar shipped before this agent's disk was made is no loss on the way") {
  Fleet fleet;
  Pod pod(fleet);
  pod.sequence = 500;
  pod.ship();  // Nothing but how far it is.
  fleet.open();
  pod.predict(1);
  const auto taken = pod.ship();
  CHECK(taken.rows == 1);
  CHECK(taken.lost == 0);
  pod.sequence += 2;
  pod.predict(1);
  CHECK(pod.ship().lost == 2);
}

TEST_CASE("a pod that is gone leaves its predictions behind, and their labels are joined") {
  Fleet fleet;
  std::vector<std::string> ids;
  {
    Pod pod(fleet);
    for (int i = 0; i < 20; ++i) ids.push_back(pod.predict(i));
    pod.head.closed = true;
    pod.ship();
  }
  fleet.clock.advance(24h);
  fleet.open();
  for (const std::string& id : ids) CHECK(fleet.label(id, 1.0) == LabelResult::joined);
  CHECK(fleet.label(ids[0], 1.0) == LabelResult::duplicate);
  const auto rows = fleet.joined_rows();
  REQUIRE(rows.size() == 20);
  CHECK(rows[0].model_name == scoped_name(shop, "price"));
  CHECK(fleet.consumer.rows() == 20);
}

TEST_CASE("one name in two workloads is ambiguous, until the label says whose it is") {
  Fleet fleet;
  Pod prices(fleet), frauds(fleet, {"eu-1", "shop", "fraud"}, 2);
  prices.predict(1, {"request-1"}, "order-7");
  frauds.predict(2, {}, "order-7");
  prices.ship();
  frauds.ship();
  CHECK(fleet.label("order-7", 1.0) == LabelResult::ambiguous);
  CHECK(fleet.label("order-7", 1.0, {.scope = {.workload = "nobody"}}) == LabelResult::early);
  CHECK(fleet.label("order-7", 1.0, {.scope = {.name_space = "shop", .workload = "fraud"}}) ==
        LabelResult::joined);
  CHECK(fleet.label("request-1", 1.0, {.scope = {.cluster = "eu-1", .workload = "house-price"}}) ==
        LabelResult::joined);
  const auto rows = fleet.joined_rows();
  REQUIRE(rows.size() == 2);
  CHECK(split_scope(rows[1].model_name).workload == "fraud");
}

TEST_CASE("an id of another workload than the label's is none of it") {
  Fleet fleet;
  Pod pod(fleet);
  const std::string id = pod.predict(1);
  pod.ship();
  CHECK(fleet.label(id, 1.0, {.scope = {.workload = "fraud"}}) == LabelResult::early);
  CHECK(fleet.label(id, 1.0, {.scope = {.workload = "house-price"}}) == LabelResult::joined);
}

TEST_CASE("a label is held until no sidecar can have its prediction any more") {
  Fleet fleet;
  Pod slow(fleet), quick(fleet, shop, 2);
  slow.ship();
  quick.ship();
  const std::string id = slow.predict(5, {"order-1"});
  CHECK(fleet.label("order-1", 5.0) == LabelResult::early);
  fleet.clock.advance(60s);
  quick.ship();
  fleet.log->flush(test::patience);
  CHECK(fleet.log->figures().early_held == 1);  // The slow one may have it.
  slow.ship();
  fleet.log->flush(test::patience);
  CHECK(fleet.log->figures().early_held == 0);
  CHECK(fleet.consumer.rows() == 1);

  // Nobody has this one, and that is known as soon as everybody has shipped on.
  CHECK(fleet.label("order-2", 5.0) == LabelResult::early);
  fleet.clock.advance(60s);
  slow.ship();
  quick.ship();
  fleet.log->flush(test::patience);
  CHECK(fleet.log->figures().early_held == 0);
  CHECK(fleet.counted(LabelResult::unknown) == 1);
}

TEST_CASE("a pod that died is waited for no longer than truth.early, one that ended not at all") {
  Fleet fleet;
  Pod dead(fleet), ended(fleet, shop, 2), alive(fleet, shop, 3);
  dead.ship();
  ended.head.closed = true;
  ended.ship();
  CHECK(fleet.label("order-1", 5.0) == LabelResult::early);
  fleet.clock.advance(5min);
  alive.ship();
  fleet.log->flush(test::patience);
  CHECK(fleet.log->figures().early_held == 1);
  fleet.clock.advance(5min);
  fleet.log->flush(test::patience);
  CHECK(fleet.log->figures().early_held == 0);
  CHECK(fleet.counted(LabelResult::unknown) == 1);
}

TEST_CASE("an old id is unknown at once, unless a sidecar was away for so long") {
  Fleet fleet;
  Pod away(fleet);
  away.ship();
  const std::string lost = away.predict(1);
  const std::string never = fleet.new_id();
  fleet.clock.advance(30min);
  CHECK(fleet.label(never, 1.0) == LabelResult::early);  // It may be in that queue.
  away.ship();
  CHECK(fleet.label(lost, 1.0) == LabelResult::joined);
  CHECK(fleet.label(never, 1.0) == LabelResult::unknown);
}

TEST_CASE("a label that the other agent of a pair counts is joined and not counted") {
  Fleet fleet;
  Pod pod(fleet);
  const std::string id = pod.predict(1);
  pod.ship();
  CHECK(fleet.label(id, 1.0, {.passed = true}) == LabelResult::joined);
  CHECK(fleet.label(id, 1.0) == LabelResult::duplicate);
  CHECK(fleet.consumer.rows() == 0);
  CHECK(fleet.counted(LabelResult::joined) == 0);
  CHECK(fleet.joined_rows().size() == 1);

  CHECK(fleet.label("order-1", 1.0, {.passed = true}) == LabelResult::early);
  fleet.open();
  pod.predict(2, {"order-1"});
  pod.ship();
  fleet.log->flush(test::patience);
  CHECK(fleet.joined_rows().size() == 2);
  CHECK(fleet.consumer.rows() == 0);
}

TEST_CASE("what was left to the other agent of a pair is counted here once it is claimed, once") {
  Fleet fleet;
  Pod pod(fleet);
  const std::string id = pod.predict(1), counted = pod.predict(2), never = pod.predict(3);
  pod.ship();
  const auto says = [&](const std::string& name, JoinOptions options) {
    const auto answer = fleet.join(LogFixture::truth(name, 1.0), std::move(options));
    return std::pair(answer.result, answer.uncounted);
  };
  CHECK(says(id, {.passed = true}) == std::pair(LabelResult::joined, true));
  CHECK(says(counted, {}) == std::pair(LabelResult::joined, false));
  CHECK(says(counted, {.passed = true}) == std::pair(LabelResult::duplicate, false));
  fleet.open();
  CHECK(fleet.consumer.rows() == 1);
  CHECK(says(id, {}) == std::pair(LabelResult::duplicate, true));
  CHECK(says(id, {.claimed = {true}}) == std::pair(LabelResult::joined, false));
  CHECK(fleet.consumer.rows() == 2);
  fleet.open();
  CHECK(says(id, {.claimed = {true}}) == std::pair(LabelResult::duplicate, false));
  CHECK(says(counted, {.claimed = {true}}) == std::pair(LabelResult::duplicate, false));
  CHECK(says(never, {.claimed = {true}}) == std::pair(LabelResult::joined, false));
  CHECK(fleet.consumer.rows() == 3);
  CHECK(fleet.joined_rows().size() == 3);
}

TEST_CASE("a held label that was left to the other agent is counted here once it is claimed") {
  const bool claimed = GENERATE(true, false), reopened = GENERATE(true, false);
  Fleet fleet;
  Pod pod(fleet);
  CHECK(fleet.label("order-1", 1.0, {.passed = true}) == LabelResult::early);
  const auto known = fleet.join(LogFixture::truth("order-1", 1.0));
  CHECK(known.result == LabelResult::duplicate);
  CHECK(known.uncounted);
  if (claimed) CHECK(fleet.label("order-1", 1.0, {.claimed = {true}}) == LabelResult::early);
  if (reopened) fleet.open();
  CHECK(fleet.join(LogFixture::truth("order-1", 1.0), {.passed = true}).uncounted == !claimed);
  pod.predict(2, {"order-1"});
  pod.ship();
  fleet.log->flush(test::patience);
  CHECK(fleet.joined_rows().size() == 1);
  CHECK(fleet.consumer.rows() == (claimed ? 1 : 0));
  CHECK(fleet.log->figures().early_held == 0);
}

TEST_CASE("a label that brings its prediction along is left and claimed likewise") {
  Fleet fleet;
  GroundTruth label = LogFixture::truth("order-9", 1.0);
  label.brought = BroughtPrediction{.prediction = 1.0, .model_version = "v1", .model_name = "m"};
  CHECK(fleet.join(label, {.passed = true}) == LabelAnswer{LabelResult::joined, "", true});
  CHECK(fleet.join(label).uncounted);
  CHECK(fleet.consumer.rows() == 0);
  fleet.open();
  CHECK(fleet.join(label, {.claimed = {true}}) == LabelAnswer{LabelResult::joined, ""});
  CHECK_FALSE(fleet.join(label, {.claimed = {true}}).uncounted);
  CHECK_FALSE(fleet.join(label, {.passed = true}).uncounted);
  CHECK(fleet.consumer.rows() == 1);
}

TEST_CASE("a shipment says how its sidecar samples") {
  Fleet fleet;
  Pod sampled(fleet), whole(fleet, {"eu-1", "shop", "fraud"}, 2);
  sampled.head.sample.share = 0.1;
  sampled.predict(1);
  const auto shipment = decode_shipment(sampled.body(), fleet.clock.now(), true);
  REQUIRE(shipment);
  CHECK(shipment->models.at(0).sample == Sample{.share = 0.1});
  whole.predict(1);
  CHECK(decode_shipment(whole.body(), fleet.clock.now(), true)->models.at(0).sample == Sample{});
}

TEST_CASE("a sample that is none is refused with its shipment") {
  Fleet fleet;
  Pod pod(fleet);
  pod.head.sample.share = -0.5;
  pod.predict(1);
  const auto shipment = decode_shipment(pod.body(), fleet.clock.now(), true);
  REQUIRE_FALSE(shipment);
  CHECK(shipment.error().message.find("a sample of more than 0 and at most 1") !=
        std::string::npos);
}

TEST_CASE("counters of labels carry whose they are") {
  Fleet fleet;
  Pod pod(fleet);
  const std::string id = pod.predict(1);
  pod.ship();
  fleet.label(id, 1.0);
  wire::TextSink sink(wire::Format::text);
  fleet.log->collector().collect(sink);
  const std::string page = sink.finish();
  CHECK(page.find("outrider_labels_total{cluster=\"eu-1\",job=\"house-price\",model_name=\"price\","
                  "model_version=\"v1\",namespace=\"shop\",result=\"joined\"} 1") !=
        std::string::npos);
  CHECK(page.find("outrider_truth_predictions_received_total{seen=\"first\"} 1") !=
        std::string::npos);
}

TEST_CASE("streams are known again from their bytes") {
  Stream stream{.sender = {.workload = shop, .pod = "p", .complete_until = from_unix_ms(5)},
                .next = 7,
                .lost = 2,
                .seen = from_unix_ms(9)};
  CHECK(decode_stream(encode_stream(stream)) == stream);
  CHECK_FALSE(decode_stream(encode_stream(stream).substr(0, 5)));
}

}  // namespace outrider::truth
