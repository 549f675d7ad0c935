// SPDX-License-Identifier: Apache-2.0
#include "detectors/e_detector.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "test/detectors/conformance.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace std::chrono_literals;

namespace {

EDetectorSettings settings_for(double null_rate, double reference_rate, double run_length = 1e6) {
  EDetectorSettings settings;
  settings.null_rate = null_rate;
  settings.reference_rate = reference_rate;
  settings.alarm_run_length = run_length;
  return settings;
}

EDetector detector_for(double null_rate, double reference_rate, double run_length = 1e6) {
  auto made = EDetector::make(settings_for(null_rate, reference_rate, run_length));
  REQUIRE(made);
  return *made;
}

class Coin {
 public:
  explicit Coin(std::uint64_t seed) : random_(seed) {}
  bool operator()(double p) { return static_cast<double>(random_() >> 11) * 0x1p-53 < p; }

 private:
  std::mt19937_64 random_;
};

ErrorReference learn(Coin& coin, double rate, int labels) {
  ErrorReferenceEstimator estimator;
  for (int i = 0; i < labels; ++i) estimator.add(coin(rate));
  return estimator.estimate();
}

// Labels until the alarm, or `most`.
int delay(EDetector& detector, Coin& coin, double rate, int most) {
  for (int i = 1; i <= most; ++i) {
    if (detector.update(coin(rate)) == AlarmEvent::raised) return i;
  }
  return most;
}

double quantile(std::vector<int> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

struct EDetectorSubject {
  using Detector = EDetector;
  static Detector fresh() { return detector_for(0.06, 0.05); }
  static void feed(Detector& detector, double value) { detector.update_loss(value, 7); }
  static void reset(Detector& detector) { detector = fresh(); }
  static std::vector<double> stream(std::uint64_t seed) {
    return test::error_stream(seed, 3000, 0.05, 0.28);
  }
  static std::vector<test::Figure> figures(const Detector& detector) {
    const ChangeEstimate change = detector.change();
    const auto labels = static_cast<double>(change.labels);
    return {{"evidence", detector.evidence(), 0, EDetector::evidence_max * 1.01},
            {"labels since the change", labels, 0, static_cast<double>(detector.labels())},
            {"wrong since the change", change.wrong(), 0, labels},
            {"accuracy since the change", change.accuracy(), 0, 1}};
  }
  static std::string save(const Detector& detector) { return detector.serialise(); }
  static Result<Detector> load(std::string_view bytes) { return EDetector::restore(bytes); }
};

struct ReferenceSubject {
  using Detector = ErrorReferenceEstimator;
  static Detector fresh() { return {}; }
  static void feed(Detector& detector, double value) { detector.add_loss(value); }
  static void reset(Detector& detector) { detector = {}; }
  static std::vector<double> stream(std::uint64_t seed) {
    return test::error_stream(seed, 3000, 0.05, 0.28);
  }
  static std::vector<test::Figure> figures(const Detector& detector) {
    const ErrorReference reference = detector.estimate();
    return {{"error rate", reference.error_rate, 0, 1},
            {"labels", reference.labels, 0, 1e6},
            {"design effect", reference.design_effect, 1e-300, 256}};
  }
  static std::string save(const Detector& detector) { return detector.serialise(); }
  static Result<Detector> load(std::string_view bytes) {
    return ErrorReferenceEstimator::restore(bytes);
  }
};

}  // namespace

TEST_CASE("the e-detector keeps what every detector keeps") {
  test::conforms<EDetectorSubject>();
}

TEST_CASE("the error reference keeps what every detector keeps") {
  test::conforms<ReferenceSubject>();
}

TEST_CASE("the evidence of three labels is what a calculation by hand gives") {
  // p0 = 0.10. Steps 0.01 * 50^(k/7); wrong, right, wrong.
  auto detector = detector_for(0.10, 0.09);
  double expected = 0;
  for (int k = 0; k < 8; ++k) {
    const double p = 0.10 + 0.01 * std::pow(50.0, k / 7.0);
    const double wrong = p / 0.10, right = (1 - p) / 0.90;
    expected += (((0 + 1) * wrong + 1) * right + 1) * wrong / 8;
    if (k == 0) {
      CHECK((((0 + 1) * wrong + 1) * right + 1) * wrong == Approx(3.3843333));
    }
  }
  detector.update(true);
  detector.update(false);
  detector.update(true);
  CHECK(detector.evidence() == Approx(expected).epsilon(1e-14));
  CHECK(detector.evidence_log10() == Approx(std::log10(expected)));
}

TEST_CASE("before the first label there is no evidence") {
  auto detector = detector_for(0.06, 0.05);
  CHECK(detector.evidence() == 0);
  CHECK(detector.evidence_log10() == -std::numeric_limits<double>::infinity());
  CHECK(detector.change() == ChangeEstimate{});
  CHECK_FALSE(detector.alarm());
}

TEST_CASE("the change begins after the last label at which the leading CUSUM was 0") {
  // 100 right labels, then all wrong: every CUSUM leaves 0 with label 100, the first wrong one.
  auto detector = detector_for(0.06, 0.05);
  std::int64_t stamp = 0;
  for (; stamp < 100; ++stamp) REQUIRE(detector.update(false, stamp) == AlarmEvent::none);
  CHECK(detector.change().labels == 0);
  while (detector.update(true, stamp) != AlarmEvent::raised) ++stamp;
  CHECK(stamp < 110);
  const ChangeEstimate at_alarm = detector.change();
  CHECK(at_alarm.first == 100);
  CHECK(at_alarm.labels == static_cast<std::uint64_t>(stamp - 99));
  CHECK(at_alarm.wrong() == static_cast<double>(stamp - 99));
  CHECK(at_alarm.accuracy() == 0);
  // It stays fixed while the alarm stands, and counts on.
  detector.update(false, ++stamp);
  CHECK(detector.change().first == 100);
  CHECK(detector.change().labels == at_alarm.labels + 1);
  CHECK(detector.change().correct() == 1);
}

TEST_CASE("the accuracy since the change is near the truth long before a window shows it") {
  Coin coin(11);
  std::vector<int> distances, accuracies;
  for (int run = 0; run < 200; ++run) {
    auto detector = detector_for(0.063, 0.05);
    std::int64_t row = 0;
    for (; row < 5000; ++row) detector.update(coin(0.05), row);
    while (detector.update(coin(0.28), row) != AlarmEvent::raised) ++row;
    distances.push_back(static_cast<int>(std::abs(detector.change().first - 5000)));
    for (int i = 0; i < 200; ++i) detector.update(coin(0.28), ++row);
    accuracies.push_back(static_cast<int>(1000 * detector.change().accuracy()));
  }
  CHECK(quantile(distances, 0.5) <= 10);
  CHECK(quantile(accuracies, 0.1) >= 670);
  CHECK(quantile(accuracies, 0.9) <= 770);
}

TEST_CASE("an alarm is raised once, and cleared when the labels prove the recovery") {
  Coin coin(12);
  auto detector = detector_for(0.063, 0.05);
  for (int i = 0; i < 2000; ++i) detector.update(coin(0.05));
  int raised = 0, cleared = 0;
  for (int i = 0; i < 5000; ++i) {
    const AlarmEvent event = detector.update(coin(0.28));
    raised += event == AlarmEvent::raised;
    cleared += event == AlarmEvent::cleared;
  }
  CHECK(raised == 1);
  CHECK(cleared == 0);
  CHECK(detector.alarm());
  int labels = 0;
  while (detector.update(coin(0.05)) != AlarmEvent::cleared) REQUIRE(++labels < 30'000);
  CHECK(labels > 200);  // Proof takes labels: a lucky stretch is not enough.
  CHECK_FALSE(detector.alarm());
  CHECK(detector.change().labels == 0);
  CHECK(detector.evidence() == 0);
  CHECK(detector.alarms() == 1);
  CHECK(delay(detector, coin, 0.28, 1000) < 200);  // And it watches on.
  CHECK(detector.alarms() == 2);
}

TEST_CASE("a model that stays just beyond the slack is not said to have recovered") {
  Coin coin(13);
  int cleared = 0;
  for (int run = 0; run < 50; ++run) {
    auto detector = detector_for(0.063, 0.05);
    REQUIRE(delay(detector, coin, 0.4, 1000) < 1000);
    for (int i = 0; i < 20'000; ++i) cleared += detector.update(coin(0.08)) == AlarmEvent::cleared;
  }
  CHECK(cleared == 0);
}

TEST_CASE("restarted, it forgets evidence and alarm but not its totals") {
  Coin coin(14);
  auto detector = detector_for(0.063, 0.05);
  REQUIRE(delay(detector, coin, 0.5, 1000) < 1000);
  const std::uint64_t labels = detector.labels();
  detector.restart();
  CHECK_FALSE(detector.alarm());
  CHECK(detector.evidence() == 0);
  CHECK(detector.change().labels == 0);
  CHECK(detector.labels() == labels);
  CHECK(detector.alarms() == 1);
}

TEST_CASE(
    "a loss of 0 or 1 counts as a right or wrong prediction, and what lies between, between") {
  auto by_errors = detector_for(0.1, 0.05), by_losses = detector_for(0.1, 0.05);
  for (int i = 0; i < 200; ++i) {
    by_errors.update(i % 9 == 0, i);
    by_losses.update_loss(i % 9 == 0 ? 1.0 : 0.0, i);
  }
  CHECK(by_errors.serialise() == by_losses.serialise());

  // By hand: L = 1 + lambda (x - p0), lambda = delta / (p0 (1 - p0)).
  auto detector = detector_for(0.1, 0.05);
  detector.update_loss(0.3);
  double expected = 0;
  for (int k = 0; k < 8; ++k) expected += (1 + 0.01 * std::pow(50.0, k / 7.0) / 0.09 * 0.2) / 8;
  CHECK(detector.evidence() == Approx(expected).epsilon(1e-14));
}

TEST_CASE("a loss outside [0,1] is refused and counted") {
  auto detector = detector_for(0.1, 0.05);
  const std::string before = detector.serialise();
  for (const double loss : {-0.1, 1.1, std::nan(""), HUGE_VAL}) detector.update_loss(loss);
  CHECK(detector.refused() == 4);
  CHECK(detector.labels() == 0);
  CHECK(detector.evidence() == 0);
}

TEST_CASE("evidence saturates and comes down again") {
  auto detector = detector_for(0.01, 0.005);
  for (int i = 0; i < 5000; ++i) detector.update(true);
  CHECK(detector.evidence_log10() > 299);
  CHECK(std::isfinite(detector.evidence()));
  for (int i = 0; i < 5000; ++i) detector.update(false);
  CHECK(detector.evidence_log10() < 6);
}

TEST_CASE("alternatives of 1 and beyond are left out") {
  auto detector = detector_for(0.95, 0.94);  // Only 0.96, 0.967 and 0.981 are left.
  detector.update(true);
  double expected = 0;
  for (int k = 0; k < 3; ++k) expected += (0.95 + 0.01 * std::pow(50.0, k / 7.0)) / 0.95 / 3;
  CHECK(detector.evidence() == Approx(expected).epsilon(1e-14));
}

TEST_CASE("the evidence is the product of the log weights, as whoever sums labels computes it") {
  EDetectorSettings settings = settings_for(0.06, 0.05);
  settings.tempering = 1.5;
  auto made = EDetector::make(settings);
  REQUIRE(made);
  const std::array<bool, 6> wrong{true, false, false, true, true, false};
  double expected = 0;
  for (std::size_t k = 0; k < EDetector::components; ++k) {
    // Nobody expects to win against a model that is as good as promised.
    CHECK(0.06 * std::exp(1.5 * made->log_weight(k, true)) +
              0.94 * std::exp(1.5 * made->log_weight(k, false)) ==
          Approx(1));
    double sum = 0;
    for (const bool w : wrong) sum = (sum + 1) * std::exp(made->log_weight(k, w));
    expected += sum / EDetector::components;
  }
  for (const bool w : wrong) made->update(w);
  CHECK(made->evidence() == Approx(expected).epsilon(1e-12));
  const auto near_1 = detector_for(0.7, 0.6);
  CHECK(std::isfinite(near_1.log_weight(0, true)));
  CHECK(std::isinf(near_1.log_weight(EDetector::components - 1, true)));
  CHECK(std::isinf(near_1.log_weight(EDetector::components - 1, false)));
}

TEST_CASE("settings that mean nothing are refused with what to change") {
  const auto refused = [](const EDetectorSettings& settings, std::string_view code,
                          const std::string& text) {
    const auto made = EDetector::make(settings);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == code);
    CHECK_THAT(made.error().message, Catch::Contains(text));
  };
  refused(settings_for(0, 0), "bad_settings", "null_rate=0");
  refused(settings_for(1, 0.5), "bad_settings", "null_rate=1");
  refused(settings_for(std::nan(""), 0), "bad_settings", "null_rate=NaN");
  refused(settings_for(0.99, 0.98), "error_rate_too_high", "less than 0.99");
  refused(settings_for(0.1, 0.2), "bad_settings", "reference_rate=0.2");
  refused(settings_for(0.1, 0.1, 0.5), "bad_settings", "alarm_run_length=0.5");
  EDetectorSettings untempered = settings_for(0.1, 0.1);
  untempered.tempering = 0.5;
  refused(untempered, "bad_settings", "tempering=0.5");

  const auto unwatched = [](ErrorReference reference, WatchOptions options, std::string_view code) {
    const auto settings = settings_from(reference, options);
    REQUIRE_FALSE(settings);
    CHECK(settings.error().code == code);
  };
  unwatched({-0.1, 100, 1}, {}, "bad_reference");
  unwatched({0.1, 0, 1}, {}, "bad_reference");
  unwatched({0.1, 100, std::nan("")}, {}, "bad_reference");
  unwatched({0.1, 100, 1}, {.slack = -1}, "bad_slack");
  unwatched({1.0, 100, 1}, {}, "bad_settings");
}

TEST_CASE("Wilson's bound is that of the textbook") {
  // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 95 %: 0.2553 to 0.3662.
  CHECK(wilson_upper(81.0 / 263, 263, 1.959964) == Approx(0.3662).margin(5e-5));
  CHECK(wilson_upper(0, 20, 1.959964) == Approx(0.1611).margin(5e-5));
  CHECK(wilson_upper(1, 20) == 1);
}

TEST_CASE("p0 and eta follow from the reference") {
  const auto independent = settings_from({0.05, 20'000, 1.02}, {.slack = 0.01});
  REQUIRE(independent);
  CHECK(independent->null_rate == Approx(wilson_upper(0.05, 20'000 / 1.02) + 0.01));
  CHECK(independent->null_rate == Approx(0.0638).margin(2e-4));
  CHECK(independent->tempering == 1);

  const auto bursty = settings_from({0.05, 20'000, 6}, {.slack = 0.01});
  REQUIRE(bursty);
  CHECK(bursty->tempering == 9);
  CHECK(bursty->null_rate == Approx(wilson_upper(0.05, 20'000 / 6.0) + 0.01));

  // Fewer labels than independence would give are never claimed: a design effect below 1 counts
  // as 1.
  CHECK(settings_from({0.05, 20'000, 0.5}, {})->null_rate ==
        settings_from({0.05, 20'000, 1}, {})->null_rate);
}

TEST_CASE("the design effect tells bursts from independent errors") {
  Coin coin(15);
  const ErrorReference independent = learn(coin, 0.05, 100'000);
  CHECK(independent.error_rate == Approx(0.05).margin(0.003));
  CHECK(independent.design_effect == Approx(1).margin(0.25));
  CHECK(tempering_for(independent.design_effect, independent.labels) == 1);

  // Runs of ten errors: sums of 256 have ten times the variance.
  ErrorReferenceEstimator bursts;
  for (int i = 0; i < 10'000; ++i) {
    const bool wrong = coin(0.05);
    for (int j = 0; j < 10; ++j) bursts.add(wrong);
  }
  const ErrorReference bursty = bursts.estimate();
  CHECK(bursty.design_effect == Approx(10).margin(2));
  CHECK(tempering_for(bursty.design_effect, bursty.labels) == 1.5 * bursty.design_effect);

  // A short reference says nothing about bursts, and must not pretend to.
  CHECK(tempering_for(5, 511) == 1);
}

TEST_CASE("one false alarm in a time is a number of labels") {
  CHECK(alarm_run_length(0.01, 30 * 24h) == 1e6);
  CHECK(alarm_run_length(100, 30 * 24h) == Approx(2.592e8));
  CHECK(alarm_run_length(std::nan(""), 30 * 24h) == 1e6);
  auto detector = detector_for(0.1, 0.05);
  detector.set_alarm_run_length(2.592e8);
  CHECK(detector.settings().alarm_run_length == 2.592e8);
  detector.set_alarm_run_length(0);
  CHECK(detector.settings().alarm_run_length == 2.592e8);
}

TEST_CASE("false alarms at the very edge of the null are no more frequent than promised") {
  // A = 2 000 at the worst admissible rate, p = p0: at most 1 alarm in 2 000 labels on average.
  Coin coin(16);
  auto detector = detector_for(0.06, 0.05, 2000);
  int alarms = 0;
  constexpr int labels = 2'000'000;
  for (int i = 0; i < labels; ++i) {
    if (detector.update(coin(0.06)) == AlarmEvent::raised) {
      ++alarms;
      detector.restart();
    }
  }
  CHECK(alarms <= labels / 2000);
  CHECK(alarms > 0);  // Otherwise the test would prove nothing.
}

TEST_CASE("from an estimated reference, a fall to 72 % is seen within 60 labels in the median") {
  Coin coin(17);
  std::vector<int> delays;
  for (int run = 0; run < 60; ++run) {
    auto settings = settings_from(learn(coin, 0.05, 20'000));
    REQUIRE(settings);
    auto detector = EDetector::make(*settings);
    REQUIRE(detector);
    for (int i = 0; i < 5000; ++i) REQUIRE(detector->update(coin(0.05)) == AlarmEvent::none);
    delays.push_back(delay(*detector, coin, 0.28, 10'000));
  }
  CHECK(quantile(delays, 0.5) <= 60);
  CHECK(quantile(delays, 0.95) <= 120);
}

TEST_CASE("errors in bursts raise hundreds of false alarms untempered, and none tempered") {
  // Two states, runs of five wrong predictions on average, 5 % wrong in all.
  Coin coin(18);
  bool wrong = false;
  const auto next = [&] { return wrong = wrong ? !coin(1.0 / 5) : coin(0.05 / 0.95 / 5); };
  int tempered_alarms = 0, untempered_alarms = 0;
  for (int run = 0; run < 5; ++run) {
    ErrorReferenceEstimator estimator;
    for (int i = 0; i < 20'000; ++i) estimator.add(next());
    const EDetectorSettings settings = settings_from(estimator.estimate()).value();
    CHECK(settings.tempering > 8);  // 1.5 times a design effect of 8.5.
    EDetectorSettings without = settings;
    without.tempering = 1;
    EDetector tempered = EDetector::make(settings).value();
    EDetector untempered = EDetector::make(without).value();
    for (int i = 0; i < 50'000; ++i) {
      const bool error = next();
      tempered_alarms += tempered.update(error) == AlarmEvent::raised;
      if (untempered.update(error) == AlarmEvent::raised) {
        ++untempered_alarms;
        untempered.restart();
      }
    }
  }
  CHECK(tempered_alarms == 0);
  CHECK(untempered_alarms > 100);
}

TEST_CASE(
    "a daily swing within the slack raises no alarm, one that the reference did not know does") {
  Coin coin(19);
  const auto alarms = [&coin](double known_swing, double swing) {
    const auto rate = [](double by, int i) { return 0.05 + by * std::sin(2 * M_PI * i / 10'000); };
    ErrorReferenceEstimator estimator;
    for (int i = 0; i < 20'000; ++i) estimator.add(coin(rate(known_swing, i)));
    EDetector detector = EDetector::make(settings_from(estimator.estimate()).value()).value();
    int count = 0;
    for (int i = 0; i < 200'000; ++i) {
      count += detector.update(coin(rate(swing, i))) == AlarmEvent::raised;
    }
    return count;
  };
  CHECK(alarms(0.01, 0.01) == 0);
  CHECK(alarms(0, 0.04) > 0);
}

TEST_CASE("state whose checksum is right but whose numbers are nonsense is refused") {
  // test/fuzz/detector_state.cpp searches further; this is the boundary it starts from.
  auto detector = detector_for(0.06, 0.05);
  detector.update(true);
  const std::string other = ErrorReferenceEstimator().serialise();
  const auto foreign = EDetector::restore(other);
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == "snapshot_foreign");
  const auto cut = EDetector::restore("");
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == "snapshot_cut");
}
