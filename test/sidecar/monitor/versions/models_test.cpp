// SPDX-License-Identifier: Apache-2.0
// Several models behind one sidecar: whose names are told, and what each is judged by.
#include <algorithm>
#include <set>

#include "test/support/catch.h"

#include "test/sidecar/monitor/versions/rig.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;

test::MadeExchange answered(const std::string& model, const std::string& version = "") {
  const std::string path =
      "/v1/models/" + model + (version.empty() ? "" : "/versions/" + version) + ":predict";
  return test::posted(path, R"({"instances":[[3]]})", R"({"predictions":[0.5]})");
}

test::MadeExchange failing(const std::string& model, int status, const std::string& version = "") {
  test::MadeExchange made = answered(model, version);
  made.status = status;
  made.outcome = status == 0    ? tap::Outcome::timeout
                 : status < 500 ? tap::Outcome::client_error
                                : tap::Outcome::server_error;
  made.response_head = status == 0 ? "" : "HTTP/1.1 " + std::to_string(status) + " No\r\n\r\n";
  made.response_body = "";
  return made;
}

// "success/failure" as the page counts them; "" without series.
std::string counts(Rig& rig, const std::string& model, const std::string& version = "unknown") {
  const auto of = [&](const std::string& outcome) {
    return rig.value("outrider_predictions_total{model_name=\"" + model + "\",model_version=\"" +
                     version + "\",outcome=\"" + outcome + "\"}");
  };
  return of("success").empty() ? "" : of("success") + "/" + of("failure");
}

std::string dropped(Rig& rig, const std::string& limit) {
  return rig.value("outrider_series_dropped_total{limit=\"" + limit + "\"}");
}

ModelConfig limited(std::size_t models, std::size_t versions = 8) {
  ModelConfig settings;
  settings.limits.models = models;
  settings.limits.versions = versions;
  return settings;
}

ModelConfig parsed(const std::string& text) {
  const auto settings = parse_model_config(text, "model.yaml");
  REQUIRE(settings);
  return *settings;
}

truth::JoinedRow joined(const std::string& model, double prediction, double truth, Time now) {
  truth::JoinedRow row = Rig::joined("1", prediction, truth, now);
  row.model_name = model;
  return row;
}

void commit(Rig& rig) {
  rig.monitor.changed_state(rig.disk);
  rig.monitor.committed();
}

}  // namespace

TEST_CASE("names that were only ever answered 4xx take no slot and are counted as other") {
  Rig rig;
  for (int i = 0; i < 20; ++i) rig.take(failing("guess" + std::to_string(i), i % 2 ? 404 : 400));
  for (int i = 0; i < 5; ++i) rig.take(answered("fraud"));
  CHECK(counts(rig, "fraud") == "5/0");
  CHECK(counts(rig, "other", "other") == "0/20");
  CHECK(rig.page().find("guess") == std::string::npos);
  CHECK(dropped(rig, "models") == "0");  // No limit turned them away.
}

TEST_CASE("a model that was answered before keeps its name whatever it is answered later") {
  Rig rig;
  rig.take(failing("fraud", 400));
  rig.take(answered("fraud"));
  rig.take(failing("fraud", 422));
  rig.take(failing("fraud", 503));
  CHECK(counts(rig, "fraud") == "1/2");
  CHECK(counts(rig, "other", "other") == "0/1");  // The first one is not counted twice.
}

TEST_CASE("a model that only crashes is told by its name, until one that answers needs its slot") {
  Rig rig(limited(4));
  rig.take(failing("crashing", 500));
  rig.take(failing("crashing", 0));
  CHECK(counts(rig, "crashing") == "0/2");
  for (const char* model : {"a", "b", "c"}) rig.take(answered(model));
  CHECK(counts(rig, "crashing") == "0/2");
  rig.take(answered("d"));
  CHECK(counts(rig, "crashing").empty());
  CHECK(counts(rig, "d") == "1/0");
  CHECK(
      counts(rig, "other", "other").empty());  // What a name had counted is not added to another's.

  rig.take(failing("crashing", 500));
  CHECK(counts(rig, "crashing").empty());
  CHECK(counts(rig, "other", "other") == "0/1");
  CHECK(dropped(rig, "models") == "1");
  rig.take(answered("crashing"));  // All others are in use.
  CHECK(counts(rig, "other", "other") == "1/1");
}

TEST_CASE(
    "made-up names that a server answers 5xx hold a quarter of the slots, and leave when silent") {
  Rig rig(limited(8));
  for (int i = 0; i < 20; ++i) rig.take(failing("guess" + std::to_string(i), 500));
  CHECK(counts(rig, "guess0") == "0/1");
  CHECK(counts(rig, "guess1") == "0/1");
  CHECK(counts(rig, "other", "other") == "0/18");
  rig.clock.advance(1min);
  rig.take(failing("crashing", 503));
  CHECK(counts(rig, "crashing") == "0/1");
  CHECK(counts(rig, "guess0").empty());
  for (int i = 0; i < 8; ++i) rig.take(answered("model" + std::to_string(i)));
  for (int i = 0; i < 8; ++i) CHECK(counts(rig, "model" + std::to_string(i)) == "1/0");
}

TEST_CASE("a model that only crashes takes no slot of one that is merely idle") {
  Rig rig(limited(2));
  rig.take(answered("nightly"));
  rig.take(answered("hourly"));
  rig.clock.advance(10min);
  rig.take(failing("crashing", 500));
  CHECK(counts(rig, "nightly") == "1/0");
  CHECK(counts(rig, "crashing").empty());
}

TEST_CASE("idle models leave their slots to new ones, the longest idle first") {
  Rig rig(limited(2));
  rig.take(answered("a"));
  rig.clock.advance(1s);
  rig.take(answered("b"));
  rig.take(answered("c"));
  CHECK(counts(rig, "other", "other") == "1/0");
  CHECK(dropped(rig, "models") == "1");

  rig.clock.advance(10min);
  rig.take(answered("c"));
  CHECK(counts(rig, "a").empty());
  CHECK(counts(rig, "b") == "1/0");
  CHECK(counts(rig, "c") == "1/0");
  CHECK(counts(rig, "other", "other") == "1/0");
  rig.take(answered("a"));  // It comes back and counts from 0.
  CHECK(counts(rig, "a") == "1/0");
  CHECK(counts(rig, "b").empty());
}

TEST_CASE("a model is idle when all its versions are") {
  Rig rig(limited(1));
  rig.take(answered("a", "1"));
  rig.clock.advance(10min);
  rig.take(answered("a", "2"));
  rig.take(answered("b"));
  CHECK(counts(rig, "a", "1") == "1/0");
  CHECK(counts(rig, "b").empty());
  rig.clock.advance(10min);
  rig.take(answered("b"));
  CHECK(counts(rig, "a", "1").empty());
  CHECK(counts(rig, "a", "2").empty());
  CHECK(counts(rig, "b") == "1/0");
}

TEST_CASE("a model whose label is under way keeps its slot") {
  Rig rig(limited(2));
  rig.take(answered("a", "1"));
  rig.clock.advance(1s);
  rig.take(answered("b", "1"));
  const Time then = rig.clock.now();
  rig.clock.advance(10min);
  truth::JoinedRow row = joined("a", 1, 1, then - 1s);
  rig.monitor.on_joined(row);
  rig.take(answered("c"));
  CHECK(counts(rig, "a", "1") == "1/0");
  CHECK(counts(rig, "b", "1").empty());
  commit(rig);
  CHECK(rig.value(R"(outrider_outcomes_total{correct="true",model_name="a",model_version="1"})") ==
        "1");
}

TEST_CASE("a model that left takes its state from the disk along") {
  Rig rig(limited(1));
  rig.take(answered("a", "1"));
  rig.monitor.on_joined(joined("a", 1, 1, rig.clock.now()));
  commit(rig);
  CHECK(rig.disk.blobs.contains("accuracy/a/1"));
  rig.clock.advance(10min);
  rig.take(answered("b", "1"));
  rig.monitor.on_joined(joined("b", 1, 1, rig.clock.now()));
  rig.monitor.changed_state(rig.disk);
  CHECK_FALSE(rig.disk.blobs.contains("accuracy/a/1"));
  CHECK(rig.disk.blobs.contains("accuracy/b/1"));
  rig.monitor.committed();

  Rig again(limited(1));
  again.monitor.restore(rig.disk.all());
  CHECK(counts(again, "b", "1") == "0/0");
  CHECK(counts(again, "a", "1").empty());
}

TEST_CASE("what comes back from the disk keeps to the limits") {
  Rig rig(limited(3));
  for (const char* model : {"a", "b", "c"}) {
    rig.monitor.on_joined(joined(model, 1, 1, rig.clock.now()));
    commit(rig);
  }
  Rig again(limited(2));
  again.monitor.restore(rig.disk.all());
  CHECK(again.monitor.versions().size() == 2);
  CHECK(dropped(again, "models") == "0");
}

TEST_CASE("configured, allowed and referenced names are told beside limits.models") {
  SECTION("entries") {
    Rig rig(parsed("limits: {models: 1}\nmodels: {b: , c: {truth: {tolerance: 5%}}}\n"));
    for (const char* model : {"a", "b", "c", "d"}) rig.take(answered(model));
    for (const char* model : {"a", "b", "c"}) CHECK(counts(rig, model) == "1/0");
    CHECK(counts(rig, "d").empty());
    rig.clock.advance(10min);
    rig.take(answered("d"));
    CHECK(counts(rig, "b") == "1/0");  // Idle, but of the configuration.
    CHECK(counts(rig, "a").empty());
  }
  SECTION("an entry is told from its first failure on") {
    Rig rig(parsed("models: {fraud: }\n"));
    rig.take(failing("fraud", 404));
    CHECK(counts(rig, "fraud") == "0/1");
  }
  SECTION("an allow-list, with the entries") {
    Rig rig(parsed("model: {allow: [a, b]}\nlimits: {models: 1}\nmodels: {c: }\n"));
    for (const char* model : {"a", "b", "c", "d"}) rig.take(answered(model));
    for (const char* model : {"a", "b", "c"}) CHECK(counts(rig, model) == "1/0");
    CHECK(counts(rig, "other", "other") == "1/0");
  }
  SECTION("references from training") {
    Rig rig(limited(1));
    rig.monitor.set_references(
        {make_reference("1", 1500, "priced"), make_reference("1", 9, "rent")}, rig.clock.now());
    for (const char* model : {"a", "priced", "rent", "d"}) rig.take(answered(model, "1"));
    for (const char* model : {"a", "priced", "rent"}) CHECK(counts(rig, model, "1") == "1/0");
    CHECK(counts(rig, "d", "1").empty());
  }
  SECTION("no reference that was learned from traffic") {
    reference::ModelReference learned = *make_reference("1", 1500, "guess");
    auto statistics = *learned.statistics;
    statistics.provisional = true;
    learned.statistics = std::make_shared<const detectors::Reference>(std::move(statistics));
    Rig rig(limited(1));
    rig.monitor.set_references({std::make_shared<const reference::ModelReference>(learned)},
                               rig.clock.now());
    rig.take(failing("guess", 404, "1"));
    CHECK(counts(rig, "guess", "1").empty());
  }
}

TEST_CASE("two hundred configured models keep their names, and as many others as the limit says") {
  std::string text = "models:\n";
  for (int i = 0; i < 200; ++i) text += "  m" + std::to_string(i) + ":\n";
  const ModelConfig settings = parsed(text);
  Rig rig(settings);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) rig.take(answered("m" + std::to_string(i), "1"));
    for (int i = 0; i < 17; ++i) rig.take(answered("more" + std::to_string(i)));
  }
  for (int i = 0; i < 200; ++i) CHECK(counts(rig, "m" + std::to_string(i), "1") == "3/0");
  for (int i = 0; i < 16; ++i) CHECK(counts(rig, "more" + std::to_string(i)) == "3/0");
  CHECK(counts(rig, "other", "other") == "3/0");  // It takes no slot itself.
  CHECK(dropped(rig, "series") == "0");
}

TEST_CASE("made-up versions push no version out") {
  Rig rig(limited(16, 4));
  rig.take(answered("house", "1"));
  for (int i = 0; i < 20; ++i) rig.take(failing("house", 404, "guess" + std::to_string(i)));
  for (const char* version : {"2", "3", "4"}) rig.take(answered("house", version));
  rig.take(answered("house"));  // Tells no version, and takes no slot of them.
  for (const char* version : {"1", "2", "3", "4"}) CHECK(counts(rig, "house", version) == "1/0");
  CHECK(counts(rig, "house", "unknown") == "1/0");
  CHECK(counts(rig, "house", "other") == "0/20");
  CHECK(dropped(rig, "versions") == "0");
}

TEST_CASE(
    "a version that only crashes is told by its name, until one that answers needs its slot") {
  Rig rig(limited(16, 2));
  rig.take(answered("house", "1"));
  rig.take(failing("house", 500, "2"));
  CHECK(counts(rig, "house", "2") == "0/1");
  rig.take(failing("house", 500, "3"));
  CHECK(counts(rig, "house", "other") == "0/1");
  CHECK(dropped(rig, "versions") == "1");
  rig.take(answered("house", "4"));
  CHECK(counts(rig, "house", "4") == "1/0");
  CHECK(counts(rig, "house", "2").empty());
}

TEST_CASE("each model is judged by its own tolerance and kind") {
  ModelConfig settings = parsed(R"(
truth: {tolerance: 1%}
models:
  rent:  {truth: {tolerance: 50%}}
  fraud: {response: {kind: classification}}
)");
  Rig rig(settings);
  for (const char* model : {"house", "rent", "fraud"}) {
    rig.monitor.on_joined(joined(model, 100, 120, rig.clock.now()));
    rig.monitor.on_joined(joined(model, 3, 3, rig.clock.now()));
  }
  commit(rig);
  const auto correct = [&](const std::string& model) {
    return rig.value("outrider_outcomes_total{correct=\"true\",model_name=\"" + model +
                     "\",model_version=\"1\"}");
  };
  CHECK(correct("house") == "1");
  CHECK(correct("rent") == "2");
  CHECK(correct("fraud") == "1");
  CHECK(rig.value(R"(outrider_confusion_total{actual="3",model_name="fraud",model_version="1",)"
                  R"(predicted="3"})") == "1");
  CHECK(rig.value(R"(outrider_absolute_error_total{model_name="fraud",model_version="1"})") == "");
  CHECK(rig.value(R"(outrider_absolute_error_total{model_name="rent",model_version="1"})") == "20");

  settings.models.at("rent").truth.tolerance = 0.01;  // A reload.
  rig.reload(settings);
  rig.monitor.on_joined(joined("rent", 100, 120, rig.clock.now()));
  commit(rig);
  CHECK(correct("rent") == "2");
  rig.reload(parsed("truth: {tolerance: 20%}"));  // Without the entry it is as all others.
  rig.monitor.on_joined(joined("rent", 100, 120, rig.clock.now()));
  commit(rig);
  CHECK(correct("rent") == "3");
}

TEST_CASE("each model learns its accuracy from as many labels as its entry says") {
  Rig rig(parsed("models: {rent: {accuracy: {provisional_labels: 100}}}\n"));
  for (int i = 0; i < 150; ++i) {
    rig.monitor.on_joined(joined("rent", 1, i % 10 == 0 ? 2 : 1, rig.clock.now()));
    rig.monitor.on_joined(joined("house", 1, i % 10 == 0 ? 2 : 1, rig.clock.now()));
  }
  commit(rig);
  const auto provisional = [&](const std::string& model) {
    return rig.value("outrider_accuracy_provisional{model_name=\"" + model +
                     "\",model_version=\"1\"}");
  };
  CHECK(provisional("rent") == "1");
  CHECK(provisional("house") == "0");
}

TEST_CASE("each model's outcomes are counted by its own segments") {
  Rig rig(parsed("models: {rent: {segments: [city]}}\n"));
  rig.take(answered("rent", "1"));
  rig.take(answered("house", "1"));
  const auto announced = [&](const std::string& model) {
    return rig.value("outrider_outcomes_total{correct=\"true\",model_name=\"" + model +
                     "\",model_version=\"1\"}");
  };
  CHECK(announced("house") == "0");
  CHECK(announced("rent") == "");
}

TEST_CASE("a reference without a version is of the version that the model's entry names") {
  auto unversioned = *make_reference("1", 1500, "rent");
  unversioned.model_version = "";
  Rig rig(parsed("models: {rent: {version: \"7\"}}\n"));
  rig.monitor.set_references({std::make_shared<const reference::ModelReference>(unversioned),
                              make_reference("7", 1500, "house")},
                             rig.clock.now());
  rig.take(answered("rent", "7"));
  CHECK(rig.value(R"(outrider_reference_info{model_name="rent",model_version="7",)"
                  R"(source="trained"})") == "1");
}

TEST_CASE("where traffic tells no version, the only reference of each model judges it") {
  Rig rig;
  rig.monitor.set_references({make_reference("1", 1500, "rent"), make_reference("4", 1500, "house"),
                              make_reference("1", 1500, "flat"), make_reference("2", 1500, "flat")},
                             rig.clock.now());
  for (const char* model : {"rent", "house", "flat", "new"}) rig.take(answered(model));
  const auto trained = [&](const std::string& model) {
    return rig.value("outrider_reference_info{model_name=\"" + model +
                     "\",model_version=\"unknown\",source=\"trained\"}");
  };
  CHECK(trained("rent") == "1");
  CHECK(trained("house") == "1");
  CHECK(trained("flat") == "");  // Of two versions nobody knows which is meant.
  CHECK(trained("new") == "");
}

TEST_CASE("a mixture of models is counted and not judged") {
  Rig rig(limited(1));
  rig.take(answered("house"));
  for (int i = 0; i < 12'000; ++i) rig.take(answered("m" + std::to_string(i % 7), "1"));
  CHECK(rig.monitor.take_learned().empty());
  for (int i = 0; i < 6'000; ++i) {
    truth::JoinedRow row = joined("m1", 1, i < 3'000 && i % 10 != 0 ? 1 : 2, rig.clock.now());
    rig.monitor.on_joined(row);
    if (i % 100 == 0) commit(rig);
  }
  commit(rig);
  const std::string mixture = R"(model_name="other",model_version="other"})";
  CHECK(rig.value(R"(outrider_outcomes_total{correct="true",)" + mixture) == "2700");
  CHECK(rig.value("outrider_accuracy_alarms_total{" + mixture) == "0");
  CHECK(rig.value("outrider_accuracy_alarm{" + mixture) == "0");
}

TEST_CASE("versions that learn at once take turns within a limit, and each comes to its end") {
  ModelConfig settings = limited(16);
  settings.limits.learning_bytes =
      1 << 20;  // One takes 512 KiB in the end: 10 000 rows of two values.
  Rig rig(settings);
  std::set<std::string> learned;
  std::size_t most = 0;
  for (int i = 0; i < 120'000 && learned.size() < 3; ++i) {
    rig.take(answered("m" + std::to_string(i % 3), "1"));
    std::size_t bytes = 0;
    for (const auto& version : rig.monitor.versions()) {
      if (version->learning_rows()) bytes += version->learning_rows()->memory_bytes();
    }
    most = std::max(most, bytes);
    if (i % 100 != 0) continue;
    for (auto& one : rig.monitor.take_learned()) {
      CHECK(one.rows->rows() == 10'000);
      learned.insert(one.name.model);
    }
  }
  CHECK(learned.size() == 3);
  CHECK(most <= settings.limits.learning_bytes);
  CHECK(std::stod(rig.value("outrider_learning_restarts_total")) > 0);
}

TEST_CASE("counts of what a limit turned away stay when a version leaves") {
  ModelConfig settings = limited(1);
  settings.limits.classes = 2;
  settings.limits.segments = 1;
  settings.rules.prediction_kind = decode::PredictionKind::classification;
  settings.rules.segments = {"x0"};
  Rig rig(settings);
  for (int i = 0; i < 5; ++i) {
    truth::JoinedRow row = joined("a", i, i, rig.clock.now());
    row.segment = "x0=" + std::to_string(i);
    rig.monitor.on_joined(row);
  }
  commit(rig);
  const std::string segments = dropped(rig, "segments"), classes = dropped(rig, "classes");
  REQUIRE(std::stoi(segments) > 0);
  REQUIRE(std::stoi(classes) > 0);
  rig.clock.advance(10min);
  rig.take(answered("b"));
  REQUIRE(counts(rig, "a", "1").empty());
  CHECK(dropped(rig, "segments") == segments);
  CHECK(dropped(rig, "classes") == classes);
}

TEST_CASE("features stay with their names when a reload puts them in another order") {
  ModelConfig settings = parsed("request: {features: [{name: size}, {name: city}]}\n");
  Rig rig(settings);
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  rig.ask("1", 1500, 75);
  std::swap(settings.rules.features[0], settings.rules.features[1]);
  rig.reload(settings);
  for (int i = 0; i < 3; ++i) rig.ask("1", 1500, 75);
  CHECK(rig.value(R"(outrider_feature_quality_total{check="type",feature="size",)"
                  R"(model_name="house",model_version="1"})") == "0");
}

}  // namespace outrider::monitor
