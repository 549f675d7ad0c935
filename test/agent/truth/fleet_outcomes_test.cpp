// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/fleet_outcomes.h"

#include <map>

#include "agent/truth/label_pass.h"
#include "test/support/catch.h"
#include "truth/scope.h"

namespace outrider::fleet {
namespace {

const truth::Workload shop{"", "shop", "price"};
const std::string model = truth::scoped_name(shop, "house");

class Blobs final : public truth::StateWriter {
 public:
  void put(std::string_view key, std::string_view bytes) override {
    kept[std::string(key)] = bytes;
  }
  void erase(std::string_view key) override { kept.erase(std::string(key)); }
  std::vector<truth::StateBlob> all() const {
    std::vector<truth::StateBlob> blobs;
    for (const auto& [key, bytes] : kept) blobs.push_back({key, bytes});
    return blobs;
  }
  std::map<std::string, std::string> kept;
};

truth::JoinedRow row(double prediction, double truth, std::string segment = "") {
  truth::JoinedRow row;
  row.model_name = model;
  row.model_version = "v1";
  row.predicted = from_unix_ms(1'700'000'000'500);
  row.prediction = prediction;
  row.truth = truth;
  row.segment = std::move(segment);
  return row;
}

std::string page(FleetOutcomes& outcomes) {
  wire::TextSink sink(wire::Format::text);
  outcomes.collect(sink);
  return sink.finish();
}

bool has(const std::string& text, const std::string& line) {
  return text.find(line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("the sample of a scope is the widest of its versions, also after a restart") {
  FleetOutcomes outcomes;
  const std::string fraud = truth::scoped_name({"", "shop", "fraud"}, "fraud");
  CHECK(outcomes.on_model({model, "v1", {}, {""}, {.share = 0.1}}));
  CHECK_FALSE(outcomes.on_model({model, "v1", {}, {""}, {.share = 0.1}}));
  CHECK(outcomes.on_model({fraud, "v1", {}, {""}, {.share = 0.5}}));
  Blobs blobs;
  outcomes.changed_state(blobs);
  outcomes.committed();
  FleetOutcomes again;
  again.restore(blobs.all());
  for (const FleetOutcomes* one : {&outcomes, &again}) {
    const truth::Scope price{.workload = "price"}, nobody{.workload = "nobody"};
    CHECK(one->sample_of(&price).by_id() == 0.1);
    CHECK(one->sample_of(nullptr).by_id() == 0.5);
    CHECK(one->sample_of(&nobody).by_id() == 1);
  }
}

TEST_CASE("a label is judged as the sidecar said, and counted under its job when it is on disk") {
  FleetOutcomes outcomes;
  CHECK(outcomes.on_model({model, "v1", {false, {0.2, 0}}, {""}}));
  CHECK_FALSE(outcomes.on_model({model, "v1", {false, {0.2, 0}}, {""}}));
  const std::string right =
      "outrider_outcomes_total{correct=\"true\",job=\"price\",model_name=\"house\","
      "model_version=\"v1\",namespace=\"shop\"} ";
  CHECK(has(page(outcomes), right + "0"));
  outcomes.on_joined(row(115, 100));  // Within 20 %, not within the 10 % of no rule.
  outcomes.on_joined(row(130, 100));
  CHECK(has(page(outcomes), right + "0"));
  outcomes.committed();
  CHECK(has(page(outcomes), right + "1"));
  CHECK(has(page(outcomes),
            "outrider_absolute_error_total{job=\"price\",model_name=\"house\","
            "model_version=\"v1\",namespace=\"shop\"} 45"));
  CHECK(page(outcomes).find("newest_prediction_timestamp_seconds{job=\"price\"") !=
        std::string::npos);
}

TEST_CASE("rules, segments and lifetime counts outlive the agent, counters begin at 0") {
  Blobs disk;
  {
    FleetOutcomes outcomes;
    outcomes.on_model({model, "v1", {true, {0, 0}}, {"kind=flat"}});
    outcomes.on_joined(row(1, 1, "kind=flat"));
    outcomes.on_joined(row(1, 0, "kind=flat"));
    outcomes.changed_state(disk);
    outcomes.committed();
    CHECK(page(outcomes).find("outrider_confusion_total{actual=\"0\"") != std::string::npos);
    CHECK(page(outcomes).find("outrider_error_total{") == std::string::npos);
  }
  FleetOutcomes outcomes;
  outcomes.restore(disk.all());
  CHECK(has(page(outcomes),
            "outrider_outcomes_total{correct=\"false\",job=\"price\",model_name=\"house\","
            "model_version=\"v1\",namespace=\"shop\",segment=\"kind=flat\"} 0"));
  const wire::Json version = outcomes.status().at(0);
  CHECK(version["labels"] == 2);
  CHECK(version["correct"] == 1);
  CHECK(version["workload"] == "price");
  outcomes.on_joined(row(1.05, 1));  // A class, by the rule that was kept: wrong.
  outcomes.committed();
  CHECK(outcomes.status().at(0)["correct"] == 1);
}

TEST_CASE("what could not be written is forgotten with the rest of its group") {
  FleetOutcomes outcomes;
  Blobs disk;
  outcomes.on_joined(row(1, 1));
  outcomes.changed_state(disk);
  outcomes.committed();
  outcomes.on_joined(row(1, 1));
  outcomes.restore(disk.all());  // The disk was full.
  outcomes.committed();
  CHECK(outcomes.status().at(0)["labels"] == 1);
}

TEST_CASE("past the limit of versions further ones are counted together") {
  FleetOutcomes outcomes(1);
  outcomes.on_joined(row(1, 1));
  for (const char* version : {"v2", "v3"}) {
    truth::JoinedRow other = row(1, 1);
    other.model_version = version;
    outcomes.on_joined(other);
  }
  outcomes.committed();
  CHECK(
      has(page(outcomes),
          "outrider_outcomes_total{correct=\"true\",model_name=\"other\",model_version=\"other\"} "
          "2"));
}

TEST_CASE("a request with labels goes through the other agent's queue as it came") {
  net::HttpRequest request;
  request.path = "/api/v1.0/feedback";
  request.query = "workload=price";
  request.headers = {{"Seldon-Puid", "abc"}};
  request.body = "{\"a\": \"b\"}\n\n{}";
  const auto back = unpack(pack(request));
  REQUIRE(back);
  CHECK(back->path == request.path);
  CHECK(back->query_value("workload") == "price");
  CHECK(back->header("Seldon-Puid") == "abc");
  CHECK(back->body == request.body);
  for (const char* bad : {"", "/a\nb\nc\n", "x\n\n\n\nbody", "/a\nb\nc\nd\nbody"}) {
    CHECK(unpack(bad).error().code == "invalid_pass");
  }
}

}  // namespace outrider::fleet
