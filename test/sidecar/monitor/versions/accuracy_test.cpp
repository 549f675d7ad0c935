// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/accuracy.h"

#include <random>

#include "test/support/catch.h"
#include "truth/correctness.h"
#include "truth/outcomes.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;
using truth::judge;
using truth::Judgement;
using truth::Outcomes;
const Time start{std::chrono::seconds(1'700'000'000)};

Judgement judged(const truth::Value& prediction, const truth::Value& truth,
                 bool classification = false) {
  return judge(prediction, truth, classification, {0.1, 0});
}

}  // namespace

TEST_CASE("a number is correct within the tolerance of the truth, a class when it is equal") {
  CHECK(judged(110.0, 100.0).correct);
  CHECK_FALSE(judged(110.1, 100.0).correct);
  CHECK(judged(-95.0, -100.0).correct);
  CHECK(judged(0.0, 0.0).correct);
  CHECK_FALSE(judged(0.1, 0.0).correct);
  CHECK(judge(0.1, 0.0, false, {0.1, 0.2}).correct);
  CHECK_FALSE(judged(std::nan(""), 1.0).correct);
  CHECK(judged(std::string("cat"), std::string("cat")).correct);
  CHECK_FALSE(judged(std::string("cat"), std::string("dog")).correct);
  CHECK_FALSE(judged(std::string("01"), std::string("1")).correct);
  CHECK(judged(1.0, std::string("1.0"), true).correct);
  CHECK_FALSE(judged(10.0, 11.0, true).correct);
  CHECK(judged(std::string("105"), 100.0).correct);
  CHECK_FALSE(judged(std::string("dear"), 100.0).correct);
}

TEST_CASE("one class has one name, the prediction's, however the truth is written") {
  using truth::Value;
  const auto text = [](const char* t) { return Value(std::string(t)); };
  for (const bool classification : {false, true}) {
    for (const Value& truth :
         {Value(1.0), text("1"), text("1.0"), text("+1"), text("true"), text("True")}) {
      for (const Value& prediction : {Value(1.0), text("1"), text("1.0")}) {
        const Judgement judgement = judged(prediction, truth, classification);
        CHECK(judgement.correct);
        if (!judgement.is_number) {
          CHECK(judgement.predicted_class == "1");
          CHECK(judgement.actual_class == "1");
        }
      }
      const Judgement flag = judged(text("TRUE"), truth, classification);
      CHECK(flag.correct);
      CHECK(flag.predicted_class == "true");
      CHECK(flag.actual_class == "true");
    }
    const Judgement wrong = judged(text("true"), Value(0.0), classification);
    CHECK_FALSE(wrong.correct);
    CHECK(wrong.actual_class == "false");
    CHECK(judged(Value(0.0), text("True"), true).actual_class == "1");
    CHECK(judged(text("cat"), text("true"), classification).actual_class == "true");
    // Codes are names: "01" is not 1.
    const Judgement code = judged(Value(1.0), text("01"), classification);
    CHECK_FALSE(code.correct);
    CHECK(code.actual_class == "01");
    CHECK(judged(text("01"), text("01"), classification).correct);
    CHECK_FALSE(judged(text("9007199254740993"), text("9007199254740992"), classification).correct);
  }
  CHECK_FALSE(judged(std::nan(""), std::nan(""), true).correct);
  CHECK(
      judged(1e16, text("10000000000000001")).is_number);  // Within a tolerance, rounding is fine.
  CHECK_FALSE(judged(1e16, text("10000000000000001"), true).correct);
}

TEST_CASE("outcomes add up, and what has no room is other") {
  Outcomes outcomes({.segments = 3, .classes = 3});
  outcomes.add(judged(std::string("a"), std::string("a")), "x=1");
  outcomes.add(judged(std::string("b"), std::string("a")), "x=2");
  outcomes.add(judged(std::string("c"), std::string("d")), "x=3");
  outcomes.add(judged(std::string("c"), std::string("a")), "x=1");
  REQUIRE(outcomes.segments().size() == 3);
  CHECK(outcomes.segments()[0].counts == OutcomeCounts{1, 1});
  CHECK(outcomes.segments()[2].name == "other");
  CHECK(outcomes.segments_turned_away() == 1);
  CHECK(outcomes.classes() == std::vector<std::string>{"a", "b", "other"});
  CHECK(outcomes.classes_turned_away() == 3);
  CHECK(outcomes.confusion().size() == 4);

  Outcomes regression({});
  regression.add(judged(110.0, 100.0), "");
  regression.add(judged(-5.0, 10.0), "");
  regression.add(judged(HUGE_VAL, 10.0), "");
  CHECK(regression.errors().labels == 2);
  CHECK(regression.errors().over == 10);
  CHECK(regression.errors().under == 15);
  CHECK(regression.errors().absolute == 25);
  CHECK(regression.errors().squared == 325);
  CHECK(regression.errors().truth_positive == 110);
  CHECK(regression.errors().truth_squared == 10'100);
}

TEST_CASE("windows forget what is older than they are") {
  AccuracyWindows windows;
  windows.add(start, true);
  windows.add(start + 4min, false);
  CHECK(windows.sum(Window::five_minutes, start + 4min) == OutcomeCounts{1, 1});
  CHECK(windows.sum(Window::five_minutes, start + 6min) == OutcomeCounts{0, 1});
  CHECK(windows.sum(Window::five_minutes, start + 10min) == OutcomeCounts{0, 0});
  CHECK(windows.sum(Window::hour, start + 30min) == OutcomeCounts{1, 1});
  CHECK(windows.sum(Window::day, start + 23h) == OutcomeCounts{1, 1});
  CHECK(windows.sum(Window::day, start + 25h) == OutcomeCounts{0, 0});
  windows.add(start + 10min, true);  // Takes the places of panes that are long over.
  CHECK(windows.sum(Window::five_minutes, start + 10min) == OutcomeCounts{1, 0});
}

TEST_CASE("a fall from 95 to 72 percent is an alarm, with the accuracy since the change") {
  Accuracy accuracy{AccuracySettings{}};
  CHECK(accuracy.state() == AccuracyState::warming_up);
  REQUIRE(accuracy.set_reference({.error_rate = 0.05, .labels = 20'000}));
  std::mt19937_64 random(7);
  const auto feed = [&](int labels, double error_rate, Time from) {
    int until_alarm = 0;
    for (int i = 0; i < labels; ++i) {
      const bool correct = std::bernoulli_distribution(1 - error_rate)(random);
      accuracy.add(correct, from + i * 1s, from + i * 1s);
      if (!accuracy.alarm()) ++until_alarm;
    }
    return until_alarm;
  };
  CHECK(feed(5'000, 0.05, start) == 5'000);
  CHECK(accuracy.state() == AccuracyState::stable);
  const Time turn = start + 5'000s;
  CHECK(feed(500, 0.28, turn) < 150);
  CHECK(accuracy.alarm());
  CHECK(accuracy.reference_accuracy() == Approx(0.95));
  REQUIRE(accuracy.change());
  CHECK(accuracy.change()->accuracy() == Approx(0.72).margin(0.06));
  CHECK(std::abs(accuracy.change()->first - to_unix_ms(turn)) < 60'000);

  SECTION("and goes on after a restart from its state") {
    Accuracy again{AccuracySettings{}};
    REQUIRE(again.restore(accuracy.serialise()));
    REQUIRE(again.set_reference(
        {.error_rate = 0.05, .labels = 20'000}));  // The same one: no new start.
    CHECK(again.alarm());
    CHECK(again.change()->labels == accuracy.change()->labels);
    CHECK(again.evidence_log10() == accuracy.evidence_log10());
    CHECK(again.windows().sum(Window::hour, turn + 500s) ==
          accuracy.windows().sum(Window::hour, turn + 500s));
    CHECK(again.labels() == 5'500);
  }
  SECTION("a cut or foreign state is refused and changes nothing") {
    const std::string state = accuracy.serialise();
    Accuracy again{AccuracySettings{}};
    CHECK_FALSE(again.restore(state.substr(0, state.size() - 3)));
    CHECK_FALSE(again.restore("something else"));
    CHECK(again.labels() == 0);
  }
  SECTION("another slack starts the evidence anew") {
    AccuracySettings settings;
    settings.slack = 0.05;
    Accuracy again{settings};
    REQUIRE(again.restore(accuracy.serialise()));
    CHECK_FALSE(again.alarm());
    CHECK(again.labels() == 5'500);
  }
  SECTION("another reference starts it anew too") {
    REQUIRE(accuracy.set_reference({.error_rate = 0.3, .labels = 1'000}));
    CHECK_FALSE(accuracy.alarm());
    CHECK(accuracy.reference_accuracy() == Approx(0.7));
  }
}

TEST_CASE("a late label does not date a change back to when its prediction was made") {
  Accuracy accuracy{AccuracySettings{}};
  REQUIRE(accuracy.set_reference({.error_rate = 0.05, .labels = 20'000}));
  const Time turn = start + 2'000s;
  for (int i = 0; i < 2'000; ++i) accuracy.add(true, start + i * 1s, start + i * 1s);
  accuracy.add(false, turn - 1h, turn);  // The first error of the run, by an old prediction.
  for (int i = 1; i < 500; ++i) accuracy.add(i % 2 == 0, turn + i * 1s, turn + i * 1s);
  REQUIRE(accuracy.alarm());
  CHECK(accuracy.change()->labels == 500);
  CHECK(accuracy.change()->first == to_unix_ms(turn - 1s));
}

TEST_CASE("without a reference the first labels become a provisional one, and it says so") {
  AccuracySettings settings;
  settings.provisional_labels = 500;
  Accuracy accuracy{settings};
  for (int i = 0; i < 499; ++i) accuracy.add(i % 10 != 0, start, start);
  CHECK(accuracy.state() == AccuracyState::warming_up);
  CHECK_FALSE(accuracy.reference_accuracy());
  accuracy.add(true, start, start);
  CHECK(accuracy.state() == AccuracyState::stable);
  CHECK(accuracy.provisional());
  CHECK(accuracy.reference_accuracy() == Approx(0.9));
  for (int i = 0; i < 400; ++i) accuracy.add(i % 2 == 0, start, start);
  CHECK(accuracy.alarm());
  REQUIRE(accuracy.set_reference({.error_rate = 0.1, .labels = 5'000}));
  CHECK_FALSE(accuracy.provisional());
  CHECK_FALSE(accuracy.alarm());
}

TEST_CASE("the run length follows the rate of labels") {
  Accuracy accuracy{AccuracySettings{}};
  REQUIRE(accuracy.set_reference({.error_rate = 0.05, .labels = 20'000}));
  for (int i = 0; i < 3'600; ++i) accuracy.add(true, start + i * 1s, start + i * 1s);
  accuracy.adapt(start + 3'599s);
  CHECK(accuracy.detector()->settings().alarm_run_length == Approx(30 * 86'400).epsilon(0.01));
  accuracy.adapt(start + 48h);
  CHECK(accuracy.detector()->settings().alarm_run_length == 1e6);
}

TEST_CASE("a model that is always wrong cannot be watched, and stays warming up") {
  AccuracySettings settings;
  settings.provisional_labels = 100;
  Accuracy accuracy{settings};
  for (int i = 0; i < 300; ++i) accuracy.add(false, start, start);
  CHECK(accuracy.state() == AccuracyState::warming_up);
  CHECK_FALSE(accuracy.set_reference({.error_rate = 0.999, .labels = 1'000}));
}

}  // namespace outrider::monitor
