// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/monitor.h"

#include <random>
#include <sstream>

#include "base/core/text.h"
#include "test/sidecar/monitor/versions/rig.h"
#include "test/support/catch.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;

const std::string v1 = R"(model_name="house",model_version="1")";

}  // namespace

TEST_CASE("whose a model is and what it promises is exported once a model, whatever its versions") {
  ModelConfig settings;
  settings.info.labels = {{"owner", "homes"}, {"team", "core"}};
  settings.info.objectives.accuracy_slack = 0.03;
  Rig rig(settings);
  CHECK(rig.page().find("outrider_model_info") == std::string::npos);
  rig.ask("1", 1000, 50);
  rig.ask("2", 1000, 50);
  const std::string info = R"(outrider_model_info{model_name="house",owner="homes",team="core"})";
  CHECK(rig.value(info) == "1");
  CHECK(rig.value(R"(outrider_objective_accuracy_slack_ratio{model_name="house"})") == "0.03");
  const std::string page = rig.page();
  CHECK(page.find("outrider_model_info{", page.find(info) + 1) == std::string::npos);
  // Before its first prediction too, where its name is configured; an owner is no must.
  ModelConfig named;
  named.rules.model_name = {decode::Place::Kind::literal, "rent"};
  Rig idle(named);
  CHECK(idle.value(R"(outrider_model_info{model_name="rent"})") == "1");
  CHECK(idle.page().find("outrider_objective") == std::string::npos);
}

TEST_CASE("predictions and failures are counted by model and version") {
  Rig rig;
  rig.ask("1", 1000, 50);
  rig.ask("1", 1200, 60);
  rig.ask("2", 1200, 60);
  test::MadeExchange failing = test::posted("/v1/models/house/versions/2:predict", "{}", "");
  failing.status = 500;
  failing.outcome = tap::Outcome::server_error;
  failing.response_head = "HTTP/1.1 500 Oops\r\n\r\n";
  const tap::Exchange exchange = failing.view();
  rig.monitor.observe(*rig.decoders.decode(exchange), rig.clock.now());
  CHECK(rig.value("outrider_predictions_total{" + v1 + R"(,outcome="success"})") == "2");
  CHECK(rig.value("outrider_predictions_total{" + v1 + R"(,outcome="failure"})") == "0");
  CHECK(
      rig.value(
          R"(outrider_predictions_total{model_name="house",model_version="2",outcome="failure"})") ==
      "1");
  CHECK(rig.value(R"(outrider_outcomes_total{correct="true",)" + v1 + "}") == "0");
}

TEST_CASE("labels count when they are committed, not before, and not at all when they were lost") {
  Rig rig;
  const std::string correct = R"(outrider_outcomes_total{correct="true",)" + v1 + "}";
  rig.ask("1", 1000, 50);
  rig.monitor.on_joined(Rig::joined("1", 100, 105, rig.clock.now()));
  CHECK(rig.value(correct) == "0");
  rig.monitor.changed_state(rig.disk);
  rig.monitor.committed();
  CHECK(rig.value(correct) == "1");
  CHECK(rig.value(R"(outrider_accuracy_ratio{)" + v1 + R"(,window="5m"})") == "1");
  CHECK(rig.value("outrider_absolute_error_total{" + v1 + "}") == "5");

  rig.monitor.on_joined(Rig::joined("1", 100, 300, rig.clock.now()));
  rig.monitor.restore(rig.disk.all());  // The batch could not be written.
  rig.monitor.committed();
  CHECK(rig.value(correct) == "1");
  CHECK(rig.value(R"(outrider_outcomes_total{correct="false",)" + v1 + "}") == "0");
  CHECK(rig.monitor.versions().front()->accuracy().labels() == 1);
}

TEST_CASE("a fall of accuracy is told as evidence, alarm and accuracy since the change") {
  Rig rig;
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  rig.ask("1", 1000, 50);
  CHECK(rig.value("outrider_accuracy_reference_ratio{" + v1 + "}") == "0.95");
  CHECK(rig.value(R"(outrider_reference_info{)" + v1 + R"(,source="trained"})") == "1");
  for (int i = 0; i < 1'000; ++i) rig.label("1", i % 20 != 0);
  CHECK(rig.value("outrider_accuracy_alarm{" + v1 + "}") == "0");
  CHECK(rig.value("outrider_accuracy_alarms_total{" + v1 + "}") == "0");
  for (int i = 0; i < 300; ++i) rig.label("1", i % 4 != 0);
  CHECK(rig.value("outrider_accuracy_alarm{" + v1 + "}") == "1");
  CHECK(rig.value("outrider_accuracy_alarms_total{" + v1 + "}") == "1");
  CHECK(rig.value(R"(outrider_accuracy_verdict{)" + v1 + R"(,state="drift"})") == "1");
  CHECK(std::stod(rig.value("outrider_accuracy_since_change_ratio{" + v1 + "}")) ==
        Approx(0.75).margin(0.02));
  CHECK(std::stod(rig.value("outrider_accuracy_evidence{" + v1 + "}")) > 6);
  const double correct =
      std::stod(rig.value(R"(outrider_labels_since_change{correct="true",)" + v1 + "}"));
  const double wrong =
      std::stod(rig.value(R"(outrider_labels_since_change{correct="false",)" + v1 + "}"));
  CHECK(correct / (correct + wrong) == Approx(0.75).margin(0.02));

  SECTION("a restarted monitor goes on, with counters from 0") {
    Rig again;
    again.monitor.restore(rig.disk.all());
    again.monitor.set_references({make_reference("1")}, again.clock.now());
    CHECK(again.value("outrider_accuracy_alarm{" + v1 + "}") == "1");
    CHECK(again.value("outrider_accuracy_alarms_total{" + v1 + "}") == "0");
    CHECK(again.value(R"(outrider_outcomes_total{correct="true",)" + v1 + "}") == "0");
    CHECK(again.value("outrider_accuracy_since_change_ratio{" + v1 + "}") ==
          rig.value("outrider_accuracy_since_change_ratio{" + v1 + "}"));
  }
  SECTION("the alarm ends when another version took over, and comes back only with new evidence") {
    for (int i = 0; i < 60; ++i) {
      rig.clock.advance(1s);
      rig.ask("2", 1000, 50);
      rig.monitor.advance(rig.clock.now());
    }
    CHECK(rig.value("outrider_accuracy_alarm{" + v1 + "}") == "0");
    rig.label("1", false);  // A late label of the old version.
    CHECK(rig.value("outrider_accuracy_alarm{" + v1 + "}") == "0");
    CHECK(rig.monitor.versions().front()->retired());
    for (int i = 0; i < 6; ++i) {
      rig.clock.advance(1s);
      rig.ask("1", 1000, 50);
      rig.monitor.advance(rig.clock.now());
    }
    CHECK_FALSE(rig.monitor.versions().front()->retired());
    CHECK(rig.value("outrider_accuracy_alarm{" + v1 + "}") == "0");
  }
}

TEST_CASE("what the fleet's alarm sums with is exported, rounded down to what every pod prints") {
  Rig rig;
  const auto weight = [&](int bet, const char* correct) {
    return rig.value("outrider_accuracy_bet_log_weight{bet=\"" + std::to_string(bet) +
                     "\",correct=\"" + correct + "\"," + v1 + "}");
  };
  rig.ask("1", 1000, 50);
  CHECK(weight(0, "true") == "");
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  // The upper bound of 5 % in 5 000 rows, and 1 % slack.
  const double p0 = detectors::wilson_upper(0.05, 5'000) + 0.01;
  for (int bet = 0; bet < 8; ++bet) {
    const double p = p0 + 0.01 * std::pow(50, bet / 7.0);
    const double right = std::log((1 - p) / (1 - p0)), wrong = std::log(p / p0);
    CHECK(std::stod(weight(bet, "true")) <= right);
    CHECK(std::stod(weight(bet, "true")) == Approx(right).margin(2e-9));
    CHECK(std::stod(weight(bet, "false")) <= wrong);
    CHECK(std::stod(weight(bet, "false")) == Approx(wrong).margin(2e-9));
    CHECK(weight(bet, "false").size() <= std::string("0.123456789").size());
  }

  SECTION("and not for a version that another one replaced") {
    for (int i = 0; i < 60; ++i) {
      rig.clock.advance(1s);
      rig.ask("2", 1000, 50);
      rig.monitor.advance(rig.clock.now());
    }
    CHECK(weight(0, "true") == "");
  }
}

TEST_CASE("a rate that a pod learned by itself is nothing to sum with") {
  ModelConfig settings;
  settings.accuracy.provisional_labels = 100;
  Rig rig(settings);
  rig.ask("1", 1000, 50);
  for (int i = 0; i < 200; ++i) rig.label("1", i % 10 != 0);
  CHECK(rig.value("outrider_accuracy_provisional{" + v1 + "}") == "1");
  CHECK(rig.value("outrider_accuracy_reference_ratio{" + v1 + "}") == "0.9");
  CHECK_THAT(rig.page(), !Catch::Contains("outrider_accuracy_bet_log_weight"));
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  CHECK_THAT(rig.page(), Catch::Contains("outrider_accuracy_bet_log_weight{bet=\"7\""));
}

TEST_CASE("the newest prediction with a label is told, whatever order labels come in") {
  Rig rig;
  const std::string newest = "outrider_outcomes_newest_prediction_timestamp_seconds{" + v1 + "}";
  rig.ask("1", 1000, 50);
  CHECK(rig.value(newest) == "");
  const auto label = [&](Duration ago) {
    auto row = Rig::joined("1", 100, 100, rig.clock.now());
    row.predicted -= ago;
    rig.monitor.on_joined(row);
    rig.monitor.changed_state(rig.disk);
    rig.monitor.committed();
  };
  const double now = to_seconds(rig.clock.now().time_since_epoch());
  label(3h);
  CHECK(std::stod(rig.value(newest)) == Approx(now - 3 * 3600).margin(0.001));
  label(1h);
  label(2h);
  CHECK(std::stod(rig.value(newest)) == Approx(now - 3600).margin(0.001));
}

TEST_CASE("a broken state blob starts that version afresh and is told") {
  Rig rig;
  const std::vector<truth::StateBlob> blobs = {{"accuracy/house/1", "garbage"},
                                               {"something-else", "x"}};
  rig.monitor.restore(blobs);
  CHECK(rig.monitor.blobs_refused() == 1);
  CHECK_THAT(rig.monitor.last_refusal(), Catch::Contains("house/1"));
}

TEST_CASE("models and versions past the cap are other, and counted") {
  ModelConfig settings;
  settings.limits.models = 2;
  settings.limits.versions = 2;
  Rig rig(settings);
  rig.ask("1", 1, 1);
  rig.ask("2", 1, 1);
  rig.ask("3", 1, 1);
  CHECK(
      rig.value(
          R"(outrider_predictions_total{model_name="house",model_version="other",outcome="success"})") ==
      "1");
  CHECK(rig.value(R"(outrider_series_dropped_total{limit="versions"})") == "1");

  rig.clock.advance(10min);  // All are idle: the oldest makes room.
  rig.ask("4", 1, 1);
  CHECK(
      rig.value(
          R"(outrider_predictions_total{model_name="house",model_version="4",outcome="success"})") ==
      "1");
  CHECK(rig.value("outrider_predictions_total{" + v1 + R"(,outcome="success"})") == "");

  for (const char* name : {"a", "b", "c"}) {
    const auto made = test::posted("/v1/models/" + std::string(name) + ":predict",
                                   R"({"instances":[1]})", R"({"predictions":[1]})");
    const tap::Exchange exchange = made.view();
    rig.monitor.observe(*rig.decoders.decode(exchange), rig.clock.now());
  }
  CHECK(rig.value(R"(outrider_series_dropped_total{limit="models"})") == "2");
  CHECK(
      rig.value(
          R"(outrider_predictions_total{model_name="other",model_version="other",outcome="success"})") ==
      "2");
}

TEST_CASE("a segment's outcomes are there at 0 from its first prediction on") {
  ModelConfig settings;
  settings.rules.segments = {"city"};
  Rig rig(settings);
  const auto outcomes = [&rig](const std::string& segment, const std::string& correct) {
    return rig.value("outrider_outcomes_total{correct=\"" + correct +
                     "\",model_name=\"house\",model_version=\"1\",segment=\"" + segment + "\"}");
  };
  rig.ask("1", 1500, 75);
  CHECK(outcomes("city=bonn", "true") == "0");
  CHECK(outcomes("city=bonn", "false") == "0");
  truth::JoinedRow row = Rig::joined("1", 100, 200, rig.clock.now());
  row.segment = "city=bonn";
  rig.monitor.on_joined(row);
  rig.monitor.committed();
  CHECK(outcomes("city=bonn", "false") == "1");
}

TEST_CASE("segments past the cap are announced as other, and counted only by labels") {
  Outcomes outcomes({.segments = 3, .classes = 2});
  for (const char* segment : {"a", "b", "c", "d", "a"}) outcomes.announce(segment);
  std::vector<std::string> names;
  for (const auto& segment : outcomes.segments()) names.push_back(segment.name);
  CHECK(names == std::vector<std::string>{"a", "b", "other"});
  CHECK(outcomes.segments_turned_away() == 0);
  Judgement right;
  right.correct = right.is_number = true;
  outcomes.add(right, "d");
  CHECK(outcomes.segments()[2].counts.correct == 1);
  CHECK(outcomes.segments_turned_away() == 1);
}

TEST_CASE("only allowed names come from the traffic") {
  ModelConfig settings;
  settings.allowed_models = {"mine"};
  Rig rig(settings);
  rig.ask("1", 1, 1);
  CHECK(
      rig.value(
          R"(outrider_predictions_total{model_name="other",model_version="other",outcome="success"})") ==
      "1");
}

TEST_CASE("inputs that move away from the reference are drift, in scores, bins and verdicts") {
  Rig rig;
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  std::mt19937_64 random(11);
  std::normal_distribution<double> size(1500, 300);
  const auto minutes = [&](int count, double shift) {
    for (int i = 0; i < count * 60; ++i) {
      rig.clock.advance(1s);
      for (int k = 0; k < 4; ++k) rig.ask("1", size(random) + shift, (size(random) + shift) / 20);
      rig.monitor.advance(rig.clock.now());
    }
  };
  CHECK(rig.value(R"(outrider_drift_verdict{)" + v1 + R"(,state="warming_up",subject="size"})") ==
        "");
  minutes(16, 0);
  CHECK(rig.value(R"(outrider_drift_verdict{)" + v1 + R"(,state="stable",subject="size"})") == "1");
  minutes(16, 600);
  CHECK(rig.value(R"(outrider_drift_verdict{)" + v1 + R"(,state="drift",subject="size"})") == "1");
  CHECK(rig.value(R"(outrider_drift_verdict{)" + v1 + R"(,state="drift",subject="prediction"})") ==
        "1");
  CHECK(rig.value(R"(outrider_drift_verdict{)" + v1 + R"(,state="stable",subject="city"})") == "1");
  CHECK(std::stod(rig.value(R"(outrider_drift_score{)" + v1 + R"(,subject="size",test="psi"})")) >
        0.5);
  CHECK_THAT(rig.page(),
             Catch::Contains("outrider_feature_values_total{bin=\"00\",feature=\"size\","));
  CHECK_THAT(rig.page(), Catch::Contains("outrider_prediction_values_total{bin=\"00\","));

  SECTION("of a verdict only the state that holds is a series, of distances the PSI") {
    CHECK_THAT(rig.page(), !Catch::Contains("state=\"stable\",subject=\"size\""));
    CHECK_THAT(rig.page(), !Catch::Contains("test=\"ks\""));
    CHECK_THAT(rig.page(), !Catch::Contains("outrider_drift_threshold"));
    CHECK_THAT(rig.page(), !Catch::Contains("outrider_reference_ratio"));
  }
  SECTION("and the windows survive a restart") {
    Rig again;
    for (auto& state : rig.monitor.input_states()) again.monitor.restore_input_state(state);
    again.clock.advance(rig.clock.now() - again.clock.now());
    again.monitor.set_references({make_reference("1")}, again.clock.now());
    again.ask("1", 2100, 100);
    CHECK(again.value(R"(outrider_drift_verdict{)" + v1 + R"(,state="drift",subject="size"})") ==
          "1");
  }
}

TEST_CASE("inputs are counted by tenths of the reference, or by its bins where that is asked for") {
  const auto found = [](bool all) {
    ModelConfig settings;
    settings.metrics = {.all_bins = all, .all_tests = all};
    Rig rig(settings);
    rig.monitor.set_references({make_reference("1")}, rig.clock.now());
    std::mt19937_64 random(11);
    std::normal_distribution<double> size(1500, 300);
    for (int i = 0; i < 16 * 60; ++i) {
      rig.clock.advance(1s);
      for (int k = 0; k < 4; ++k) rig.ask("1", size(random), size(random) / 20);
      rig.monitor.advance(rig.clock.now());
    }
    return rig.page();
  };
  // The sum over the bins of `size`, and how many there are.
  const auto values = [](const std::string& page) {
    std::istringstream lines(page);
    std::pair<double, int> sum{};
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("outrider_feature_values_total{") &&
          line.find("feature=\"size\"") != std::string::npos) {
        sum.first += std::stod(line.substr(line.rfind(' ')));
        ++sum.second;
      }
    }
    return sum;
  };
  const std::string deciles = found(false);
  CHECK(values(deciles).first == Approx(16 * 60 * 4));
  CHECK(values(deciles).second == 10);
  CHECK_THAT(deciles, Catch::Contains("-deciles\"} "));
  CHECK_THAT(deciles, Catch::Contains("outrider_reference_rows{feature=\"size\","));

  const std::string bins = found(true);
  CHECK(values(bins).first == Approx(16 * 60 * 4));
  CHECK(values(bins).second > 20);
  CHECK_THAT(bins, !Catch::Contains("-deciles"));
  CHECK_THAT(bins, Catch::Contains("outrider_reference_ratio{bin=\"00\",feature=\"size\","));
  CHECK_THAT(bins, Catch::Contains("subject=\"size\",test=\"ks\"} "));
  CHECK_THAT(bins, Catch::Contains("outrider_drift_threshold{"));
}

TEST_CASE("a version without a reference learns one from its first predictions") {
  Rig rig;
  std::mt19937_64 random(5);
  std::normal_distribution<double> size(1500, 300);
  for (int i = 0; i < 10'000; ++i) rig.ask("1", size(random), size(random) / 20);
  auto learned = rig.monitor.take_learned();
  REQUIRE(learned.size() == 1);
  CHECK(rig.monitor.take_learned().empty());
  auto built = learned[0].rows->build("house", "1", rig.clock.now());
  REQUIRE(built);
  auto parsed = reference::parse(reference::to_json(*built));
  REQUIRE(parsed);
  rig.monitor.set_provisional(std::make_shared<const reference::ModelReference>(std::move(*parsed)),
                              rig.clock.now());
  CHECK(rig.value(R"(outrider_reference_info{)" + v1 + R"(,source="provisional"})") == "1");
  rig.ask("1", 1500, 75);
  CHECK_THAT(rig.page(), Catch::Contains("outrider_feature_values_total"));
  CHECK(rig.value("outrider_accuracy_reference_ratio{" + v1 + "}") == "");
}

TEST_CASE(
    "a reference that names no version judges the one that the configuration names, else "
    "nobody's") {
  auto unnamed = *make_reference("1");
  unnamed.model_name = unnamed.model_version = "";
  const auto reference = std::make_shared<const reference::ModelReference>(unnamed);
  ModelConfig settings;
  SECTION("configured") {
    settings.rules.model_name = {decode::Place::Kind::literal, "house"};
    settings.rules.model_version = {decode::Place::Kind::literal, "1"};
    Rig rig(settings);
    rig.monitor.set_references({reference}, rig.clock.now());
    rig.ask("1", 1500, 75);
    CHECK(rig.value(R"(outrider_reference_info{)" + v1 + R"(,source="trained"})") == "1");
  }
  SECTION("not configured") {
    Rig rig;
    rig.monitor.set_references({reference}, rig.clock.now());
    rig.ask("1", 1500, 75);
    CHECK(rig.value(R"(outrider_reference_info{)" + v1 + R"(,source="trained"})") != "1");
  }
}

TEST_CASE("a canary is compared with the version that has the most traffic") {
  Rig rig;
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  std::mt19937_64 random(11);
  std::normal_distribution<double> size(1500, 300);
  for (int i = 0; i < 1'200; ++i) {
    rig.clock.advance(1s);
    for (int k = 0; k < 3; ++k) rig.ask("1", size(random), size(random) / 20);
    rig.ask("2", size(random), size(random) / 20 + 40);  // The same inputs, other predictions.
    rig.monitor.advance(rig.clock.now());
  }
  const std::string v2 = R"({against="1",model_name="house",model_version="2",)";
  CHECK(rig.value("outrider_version_drift_verdict" + v2 + R"(state="stable",subject="size"})") ==
        "1");
  CHECK(rig.value("outrider_version_drift_verdict" + v2 +
                  R"(state="drift",subject="prediction"})") == "1");
  const wire::Json status = rig.monitor.status(rig.clock.now());
  for (const wire::Json& version : status["versions"]) {
    const wire::Json& comparison = version["comparison"];
    CHECK(comparison.is_null() == (version["model_version"] == "1"));
    if (comparison.is_null()) continue;
    CHECK(comparison["against"] == "1");
    for (const wire::Json& verdict : comparison["verdicts"]) {
      INFO(verdict["subject"]);
      CHECK(verdict["state"] == (verdict["subject"] == "prediction" ? "drift" : "stable"));
      CHECK(verdict["m"].get<double>() > 2 * verdict["n"].get<double>());
    }
  }
}

TEST_CASE("how much rows hang together is told of every judged subject") {
  Rig rig;
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  std::mt19937_64 random(12);
  std::normal_distribution<double> normal;
  double last = 0;
  for (int i = 0; i < 2'000; ++i) {
    rig.clock.advance(500ms);
    last = 0.9 * last + std::sqrt(1 - 0.81) * normal(random);
    rig.ask("1", 1500 + 300 * last, 75 + 15 * normal(random));
    rig.monitor.advance(rig.clock.now());
  }
  CHECK(std::stod(rig.value(R"(outrider_drift_design_effect{)" + v1 + R"(,subject="size"})")) > 5);
  CHECK(std::stod(
            rig.value(R"(outrider_drift_design_effect{)" + v1 + R"(,subject="prediction"})")) < 3);
  const wire::Json status = rig.monitor.status(rig.clock.now());
  CHECK(status["versions"][0]["inputs"]["verdicts"][0]["design_effect"].get<double>() > 5);
}

TEST_CASE("a page past the limit on series loses bins, and says how many") {
  ModelConfig settings;
  settings.limits.series = 60;
  Rig rig(settings);
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  rig.ask("1", 1500, 75);
  CHECK(rig.value("outrider_predictions_total{" + v1 + R"(,outcome="success"})") == "1");
  CHECK(std::stod(rig.value(R"(outrider_series_dropped_total{limit="series"})")) > 30);
}

TEST_CASE("the status tells everything of a version as JSON") {
  Rig rig;
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  rig.ask("1", 1500, 75);
  rig.label("1", true);
  const wire::Json status = rig.monitor.status(rig.clock.now());
  const wire::Json& version = status["versions"][0];
  CHECK(version["model_name"] == "house");
  CHECK(version["predictions"]["success"] == 1);
  CHECK(version["accuracy"]["reference_accuracy"].get<double>() == Approx(0.95));
  CHECK(version["accuracy"]["windows"]["5m"]["labels"] == 1);
  CHECK(version["inputs"]["reference"] == "trained");
  CHECK(version["inputs"]["verdicts"].size() >= 3);
}

TEST_CASE(
    "before its first judgement the status shows what has come so far, and when it is judged") {
  Rig rig;
  rig.clock.advance(Duration(5min) - rig.clock.now().time_since_epoch() % Duration(5min));
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  std::mt19937_64 random(5);
  std::normal_distribution<double> size(1500, 300);
  for (int i = 0; i < 300; ++i) rig.ask("1", size(random), 75);
  const wire::Json early = rig.monitor.status(rig.clock.now())["versions"][0]["inputs"];
  CHECK(early["pane"]["rows"] == 300);
  CHECK(early["pane"]["next_look_at_rows"] == 500);
  CHECK(early["pane"]["ends"] == format_rfc3339(rig.clock.now() + 5min));
  CHECK(early["verdicts"][0]["state"] == "warming_up");
  CHECK(early["verdicts"][0]["n"] == 300);
  CHECK(early["verdicts"][0]["scores"]["ks"] > 0);
  CHECK(rig.value(R"(outrider_drift_ratio{)" + v1 + R"(,subject="size"})") == "");

  for (int i = 0; i < 300; ++i) rig.ask("1", size(random), 75);
  rig.clock.advance(10s);
  rig.monitor.advance(rig.clock.now());
  const wire::Json judged = rig.monitor.status(rig.clock.now())["versions"][0]["inputs"];
  CHECK(judged["verdicts"][0]["state"] == "stable");
  CHECK(judged["verdicts"][0]["n"] == 600);
  CHECK(judged["pane"]["next_look_at_rows"] == 1000);
  const std::string ratio = rig.value(R"(outrider_drift_ratio{)" + v1 + R"(,subject="size"})");
  CHECK(std::stod(ratio) == judged["verdicts"][0]["ratio"].get<double>());
  CHECK(std::stod(ratio) < 1);
}

TEST_CASE("how far the rhythm of the week is known is told, and survives a restart") {
  Rig rig;
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  const std::string known = "outrider_drift_rhythm_known_ratio{" + v1 + "}";
  rig.ask("1", 1500, 75);
  CHECK(rig.value(known) == "0");
  const auto rhythm = [](Rig& of) {
    return of.monitor.status(of.clock.now())["versions"][0]["inputs"]["rhythm"];
  };
  CHECK(rhythm(rig)["state"] == "rhythm not yet known");
  CHECK(rhythm(rig)["from"] == "live rows");
  std::mt19937_64 random(12);
  std::normal_distribution<double> size(1500, 300);
  for (int hour = 0; hour < 11 * 24; ++hour) {
    for (int i = 0; i < 60; ++i) rig.ask("1", size(random), 75);
    rig.clock.advance(1h);
    rig.monitor.advance(rig.clock.now());
  }
  const double share = std::stod(rig.value(known));
  CHECK(share == Approx(4.0 / 7).margin(0.001));
  CHECK(rhythm(rig)["hours_known"] == 96);
  Rig again;
  for (auto& state : rig.monitor.input_states()) again.monitor.restore_input_state(state);
  again.clock.advance(rig.clock.now() - again.clock.now());
  again.monitor.set_references({make_reference("1")}, again.clock.now());
  again.ask("1", 1500, 75);
  CHECK(std::stod(again.value(known)) == share);
}

TEST_CASE("features that the reference does not know are counted as extra") {
  Rig rig;
  rig.monitor.set_references({make_reference("1")}, rig.clock.now());
  auto made =
      test::posted("/v1/models/house/versions/1:predict",
                   R"({"instances":[{"size":"big","colour":"red"}]})", R"({"predictions":[1]})");
  made.started = rig.clock.now();
  const tap::Exchange exchange = made.view();
  rig.monitor.observe(*rig.decoders.decode(exchange), rig.clock.now());
  CHECK(rig.value(R"(outrider_feature_quality_total{check="extra",)" + v1 + "}") == "1");
  CHECK(rig.value(R"(outrider_feature_quality_total{check="type",feature="size",)" + v1 + "}") ==
        "1");
  CHECK(rig.value(R"(outrider_feature_quality_total{check="missing",feature="city",)" + v1 + "}") ==
        "1");
}

}  // namespace outrider::monitor
