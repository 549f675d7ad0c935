// SPDX-License-Identifier: Apache-2.0
#include "detectors/rhythm.h"

#include <cmath>
#include <random>

#include "detectors/psi.h"
#include "detectors/version_watch.h"
#include "test/detectors/conformance.h"
#include "test/detectors/watch_fixture.h"
#include "test/fuzz/checksummed.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace outrider::test;
using namespace std::chrono_literals;

namespace {

// A Monday, 00:00 UTC.
const Time monday{std::chrono::hours(24 * 7 * 2600 + 4 * 24)};

const FrozenSubject& numbers() {
  static const FrozenSubject subject = [] {
    std::vector<double> values;
    for (int i = 0; i < 20'000; ++i) values.push_back((i + 0.5) / 20'000);
    return frozen_numeric("x", values);
  }();
  return subject;
}

FrozenSubject colours() {
  std::vector<std::string> names;
  for (int i = 0; i < 31; ++i) names.push_back("c" + std::to_string(i));
  FrozenSubject subject("colour", *Binning::categorical(names));
  for (std::size_t b = 0; b < 32; ++b) subject.counts.counts[b] = 1000 / (b + 1);
  return subject;
}

FrameLayout layout_of(const Rhythm::Subjects& subjects) {
  FrameLayout layout;
  for (const FrozenSubject* subject : subjects) layout.add(subject->bins.slots());
  return layout;
}

// `rows` of the uniform reference, tilted: the upper half has a share of 1/2 + tilt.
Frame tilted(const FrameLayout& layout, double rows, double tilt) {
  Frame frame(layout);
  for (std::size_t b = 0; b < 20; ++b) {
    const double share = (0.5 + (b < 10 ? -tilt : tilt)) / 10;
    frame.counts[b] = static_cast<std::uint32_t>(std::lround(rows * share));
  }
  frame.rows = static_cast<std::uint64_t>(rows);
  return frame;
}

// Hours from Monday on, each with 7 200 rows.
void live(Rhythm& rhythm, int from, int until, const std::function<double(int)>& tilt) {
  const FrameLayout layout = layout_of({&numbers()});
  for (int hour = from; hour < until; ++hour) {
    rhythm.learn(monday + hour * Duration(1h), tilted(layout, 7200, tilt(hour)), layout);
  }
  rhythm.prepare();
}

Expectation at(const Rhythm& rhythm, Duration since_monday, int shift = 0) {
  const Rhythm::Part part{monday + since_monday, 100};
  return rhythm.expect({&part, 1}, shift);
}

// The share that is expected of the upper half, less a half.
double expected_tilt(const Rhythm& rhythm, const Expectation& expectation) {
  const BinCounts counts = rhythm.expected(0, expectation);
  double upper = 0;
  for (std::size_t b = 10; b < 20; ++b) upper += static_cast<double>(counts.counts[b]);
  return upper / static_cast<double>(total(counts.values(numbers().bins))) - 0.5;
}

double day_tilt(int hour) {
  return 0.06 * std::sin(2 * 3.14159265358979 * hour / 24);
}

}  // namespace

TEST_CASE("hours of the week begin with Monday, 00:00 UTC") {
  CHECK(hour_of_week(monday) == 0);
  CHECK(hour_of_week(monday + 59min) == 0);
  CHECK(hour_of_week(monday + 7 * 24h - 1s) == 167);
  CHECK(hour_of_week(Time{}) == 72);  // 1970 began on a Thursday.
  CHECK(hour_of_week(Time{} - 5h) == 72);
}

TEST_CASE("numeric bins are grouped in adjacent runs, categories by the nine most frequent") {
  const Binning& bins = numbers().bins;
  CHECK(rhythm_groups(bins) == 10);
  for (std::size_t b = 0; b < 20; ++b) CHECK(rhythm_group(bins, b) == b / 2);
  const FrozenSubject many = colours();
  CHECK(rhythm_groups(many.bins) == 10);
  CHECK(rhythm_group(many.bins, 8) == 8);
  CHECK(rhythm_group(many.bins, 9) == 9);
  CHECK(rhythm_group(many.bins, 31) == 9);
  const Binning three = *Binning::numeric({1, 2});
  CHECK(rhythm_groups(three) == 3);
  for (std::size_t b = 0; b < 3; ++b) CHECK(rhythm_group(three, b) == b);
}

TEST_CASE("the worked example of the header") {
  Rhythm rhythm({&numbers()}, nullptr);
  const Expectation nothing = at(rhythm, 12h + 30min);
  CHECK_FALSE(nothing.learned);
  CHECK(nothing.noise == 0);
  CHECK(nothing.unknown == Approx(0.0170).epsilon(0.005));
  std::vector<Rhythm::Part> day;
  for (int hour = 0; hour < 24; ++hour) day.push_back({monday + hour * Duration(1h) + 30min, 300});
  CHECK(rhythm.expect(day).unknown == Approx(0.0021).epsilon(0.02));
  CHECK(rhythm.expected(0, nothing) == numbers().counts);  // As it is.

  live(rhythm, 0, 14 * 24, [](int) { return 0.0; });
  const Expectation known = at(rhythm, 12h + 30min);
  CHECK(known.noise == Approx(0.0003).margin(0.0001));
  CHECK(known.unknown == Approx(0.0003).margin(0.0001));
  CHECK(rhythm.known());
}

TEST_CASE("a rhythm that was seen for two weeks is expected") {
  Rhythm rhythm({&numbers()}, nullptr);
  CHECK_FALSE(rhythm.known());
  live(rhythm, 0, 14 * 24, day_tilt);
  CHECK(rhythm.hours_known() == 168);
  CHECK(rhythm.share_known() == 1);
  for (int hour = 0; hour < 168; hour += 5) {
    INFO("hour " << hour);
    const Expectation expectation = at(rhythm, hour * Duration(1h) + 30min);
    CHECK(expected_tilt(rhythm, expectation) == Approx(day_tilt(hour)).margin(0.004));
  }
  // An hour earlier and later.
  CHECK(expected_tilt(rhythm, at(rhythm, 10h + 30min, -1)) == Approx(day_tilt(9)).margin(0.004));
  CHECK(expected_tilt(rhythm, at(rhythm, 10h + 30min, 1)) == Approx(day_tilt(11)).margin(0.004));
  // Between hours.
  const double between = (day_tilt(10) + day_tilt(11)) / 2;
  CHECK(expected_tilt(rhythm, at(rhythm, 11h)) == Approx(between).margin(0.004));
}

TEST_CASE("within a day or two the rhythm of the day is half known, and what is unknown is told") {
  Rhythm rhythm({&numbers()}, nullptr);
  double before = at(rhythm, 12h).unknown;
  for (const int days : {1, 2, 4, 7, 10, 14}) {
    Rhythm learning({&numbers()}, nullptr);
    live(learning, 0, days * 24, day_tilt);
    const double unknown = at(learning, 12h).unknown;
    INFO(days << " days");
    CHECK(unknown < before);
    before = unknown;
    CHECK(learning.known() == (days >= 14));
  }
}

TEST_CASE("the level of the week is not learned, whatever it is") {
  Rhythm rhythm({&numbers()}, nullptr);
  live(rhythm, 0, 21 * 24, [](int hour) { return 0.2 + day_tilt(hour); });
  for (int hour = 0; hour < 168; hour += 7) {
    const Expectation expectation = at(rhythm, hour * Duration(1h) + 30min);
    CHECK(expected_tilt(rhythm, expectation) == Approx(day_tilt(hour)).margin(0.006));
  }
}

TEST_CASE("a decline over three weeks is not learned away") {
  Rhythm rhythm({&numbers()}, nullptr);
  live(rhythm, 0, 14 * 24, day_tilt);
  const auto declining = [](int hour) {
    return day_tilt(hour) - 0.12 * (hour - 14 * 24) / (21 * 24);
  };
  live(rhythm, 14 * 24, 35 * 24, declining);
  for (int hour = 0; hour < 168; hour += 7) {
    const double left = expected_tilt(rhythm, at(rhythm, hour * Duration(1h) + 30min));
    // What is lost of 0.12 to the weeks' own slope.
    CHECK(left - day_tilt(hour) == Approx(0).margin(0.03));
  }
}

TEST_CASE("what one week has and the next has not is no rhythm") {
  Rhythm rhythm({&numbers()}, nullptr);
  // Wednesday of the first week.
  live(rhythm, 0, 7 * 24, [](int hour) { return hour / 24 == 2 ? 0.12 : 0.0; });
  CHECK(std::abs(expected_tilt(rhythm, at(rhythm, 2 * 24h + 12h))) < 0.05);
  live(rhythm, 7 * 24, 28 * 24, [](int) { return 0.0; });
  CHECK(std::abs(expected_tilt(rhythm, at(rhythm, 2 * 24h + 12h))) < 0.035);
}

TEST_CASE("training rows with times know the rhythm at once, at the reference's level") {
  TimedCounts timed;
  timed.counts.resize(1);
  const FrameLayout layout = layout_of({&numbers()});
  for (std::size_t hour = 0; hour < week_hours; ++hour) {
    const Frame frame = tilted(layout, 4800, day_tilt(static_cast<int>(hour)));
    timed.rows[hour] = 4800;
    timed.weeks[hour] = 4;
    for (std::size_t b = 0; b < 20; b += 2)
      timed.counts[0].push_back(frame.counts[b] + frame.counts[b + 1]);
  }
  const Rhythm rhythm({&numbers()}, &timed);
  CHECK(rhythm.known());
  CHECK(rhythm.from_training());
  const Expectation morning = at(rhythm, 6h + 30min);
  CHECK(expected_tilt(rhythm, morning) == Approx(day_tilt(6)).margin(0.004));
  CHECK(morning.unknown < 0.0003);
}

TEST_CASE("a reference of a few hours is anchored at those hours") {
  // 10 000 rows of one hour, as the first rows of a version are; then two weeks of a rhythm of the
  // day.
  TimedCounts timed;
  timed.counts.emplace_back(week_hours * 10);
  timed.rows[6] = 10'000;
  timed.weeks[6] = 1;
  for (std::size_t g = 0; g < 10; ++g) timed.counts[0][60 + g] = 1000;
  Rhythm rhythm({&numbers()}, &timed);
  CHECK_FALSE(rhythm.known());
  // At its own hour nothing is unknown; twelve hours later much is.
  CHECK(at(rhythm, 6h + 30min).unknown < 0.002);
  CHECK(at(rhythm, 18h + 30min).unknown > 0.02);
  live(rhythm, 6, 7, [](int) { return 0.0; });
  CHECK(rhythm.hours_known() == 1);
  CHECK(rhythm.share_known() == Approx(1.0 / 168));  // Of the traffic, not of the reference.
  live(rhythm, 0, 14 * 24, [](int hour) { return day_tilt(hour) - day_tilt(6); });
  const double own = expected_tilt(rhythm, at(rhythm, 6h + 30min));
  const double evening = expected_tilt(rhythm, at(rhythm, 18h + 30min));
  CHECK(own == Approx(0).margin(0.006));
  CHECK(evening - own == Approx(day_tilt(18) - day_tilt(6)).margin(0.015));
}

TEST_CASE("the expected counts are as large as the noise of reference and rhythm allows") {
  Rhythm rhythm({&numbers()}, nullptr);
  live(rhythm, 0, 14 * 24, day_tilt);
  const Expectation expectation = at(rhythm, 12h);
  const double m =
      static_cast<double>(total(rhythm.expected(0, expectation).values(numbers().bins)));
  CHECK(1 / m == Approx(1 / 20'000.0 + expectation.noise).epsilon(0.01));
}

TEST_CASE("a subject without values in some hours learns nothing from those, and its level stays") {
  Rhythm rhythm({&numbers()}, nullptr);
  const FrameLayout layout = layout_of({&numbers()});
  for (int hour = 0; hour < 14 * 24; ++hour) {
    Frame frame = tilted(layout, 7200, 0.1);
    if (hour % 24 < 8) std::fill(frame.counts.begin(), frame.counts.begin() + 20, 0);
    rhythm.learn(monday + hour * Duration(1h), frame, layout);
  }
  rhythm.prepare();
  // Its values are the same in all hours that have any: no rhythm.
  for (const auto hour : {4h, 12h, 20h})
    CHECK(expected_tilt(rhythm, at(rhythm, hour)) == Approx(0).margin(0.01));
}

TEST_CASE("a subject that few rows have is as uncertain as its values, not as the rows") {
  const FrozenSubject rare = numbers();
  Rhythm rhythm({&numbers(), &rare}, nullptr);
  const FrameLayout layout = layout_of({&numbers(), &rare});
  for (int hour = 0; hour < 14 * 24; ++hour) {
    Frame frame(layout);
    frame.rows = 7200;
    for (std::size_t b = 0; b < 20; ++b) {
      frame.counts[layout.offset(0) + b] = 360;
      frame.counts[layout.offset(1) + b] = 3;
    }
    rhythm.learn(monday + hour * Duration(1h), frame, layout);
  }
  rhythm.prepare();
  const Expectation expectation = at(rhythm, 12h);
  CHECK(rhythm.noise(0, expectation) == Approx(expectation.noise).epsilon(1e-6));
  // Of sampling there is 120 times as much, of the weeks' irregularity as much.
  CHECK(rhythm.noise(1, expectation) > 10 * expectation.noise);
  const auto m = static_cast<double>(total(rhythm.expected(1, expectation).values(rare.bins)));
  CHECK(1 / m == Approx(1 / 20'000.0 + rhythm.noise(1, expectation)).epsilon(0.02));
}

TEST_CASE("an hour with a few values of a subject does not outweigh those with many") {
  Rhythm rhythm({&numbers()}, nullptr);
  const FrameLayout layout = layout_of({&numbers()});
  live(rhythm, 0, 14 * 24, day_tilt);
  Frame few(layout);
  few.rows = 7200;
  few.counts[19] = 3;
  rhythm.learn(monday + 14 * 24h + 12h, few, layout);
  rhythm.prepare();
  // As a third week it would have moved the cell by a sixth.
  CHECK(expected_tilt(rhythm, at(rhythm, 12h + 30min)) == Approx(day_tilt(12)).margin(0.04));
}

TEST_CASE("a stored rhythm of hours without rows, or of rows without weeks, is refused") {
  const auto stored = [](double rows, double weeks) {
    SnapshotWriter out("TEST", 1);
    for (std::size_t h = 0; h < week_hours; ++h) {
      out.f64(rows);
      out.f64(weeks);
    }
    out.i64(0);
    out.i64(0);
    out.text(std::string(2 * 11 * week_hours, '\1'));
    const std::string bytes = out.finish();
    auto in = SnapshotReader::open(bytes, "TEST", 1);
    Rhythm rhythm({&numbers()}, nullptr);
    return rhythm.read(*in);
  };
  CHECK(stored(7200, 2));
  CHECK(stored(0, 0));
  for (const double rows : {0.0, 1e-300, -1.0, std::nan(""), 1e300}) {
    INFO(rows);
    CHECK_FALSE(stored(rows, 2));
  }
  CHECK_FALSE(stored(7200, 0));
  CHECK_FALSE(stored(7200, 1e-300));
  CHECK_FALSE(stored(7200, std::nan("")));
}

TEST_CASE("an hour that never comes is not waited for") {
  Rhythm rhythm({&numbers()}, nullptr);
  const FrameLayout layout = layout_of({&numbers()});
  for (int hour = 0; hour < 14 * 24; ++hour) {
    if (hour % 24 < 8 || hour % 24 >= 18 || hour / 24 % 7 >= 5) continue;
    rhythm.learn(monday + hour * Duration(1h), tilted(layout, 7200, 0), layout);
  }
  CHECK(rhythm.hours_known() == 50);
  CHECK(rhythm.share_known() == 1);
}

namespace {

// One value an hour: how much its rows are tilted.
struct RhythmSubject {
  struct Detector {
    Rhythm rhythm{{&numbers()}, nullptr};
    int fed = 0;
  };
  static Detector fresh() { return {}; }
  static void feed(Detector& detector, double value) {
    const FrameLayout layout = layout_of({&numbers()});
    const double tilt = std::isfinite(value) ? std::clamp(value / 10, -0.5, 0.5) : 0;
    const Time began = monday + detector.fed++ * Duration(1h);
    detector.rhythm.learn(began, tilted(layout, 1000, tilt), layout);
  }
  static void reset(Detector& detector) { detector = fresh(); }
  static std::vector<double> stream(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<double> values(200);
    for (double& value : values) value = normal(random);
    return values;
  }
  static std::vector<Figure> figures(const Detector& detector) {
    Rhythm prepared = detector.rhythm;
    if (detector.fed % 50 == 0) prepared.prepare();
    const Expectation expectation = at(prepared, 12h);
    return {{"noise", expectation.noise, 0, 0.1},
            {"unknown", expectation.unknown, 0, 0.03},
            {"tilt", expected_tilt(prepared, expectation), -0.5, 0.5},
            {"known", prepared.share_known(), 0, 1}};
  }
  static std::string save(const Detector& detector) {
    SnapshotWriter out("TEST", 1);
    out.u64(static_cast<std::uint64_t>(detector.fed));
    detector.rhythm.write(out);
    return out.finish();
  }
  static Result<Detector> load(std::string_view bytes) {
    auto in = SnapshotReader::open(bytes, "TEST", 1);
    if (!in) return fail(in);
    Detector detector;
    detector.fed = static_cast<int>(in->u64());
    if (!detector.rhythm.read(*in)) return fail("snapshot_corrupt", "rhythm");
    if (auto ok = in->finish(); !ok) return fail(ok);
    return detector;
  }
};

}  // namespace

TEST_CASE("the rhythm keeps what every detector keeps") {
  conforms<RhythmSubject>();
}

// ---- In the watch

namespace {

// The fixture's rows with a mean of `size` that swings over the day.
struct Swinging {
  LiveRows rows{77};

  LiveRow next(Time at, double more) {
    LiveRow row = rows.next();
    const double day = to_seconds(at.time_since_epoch()) / 86400;
    row.features[0].number += 0.25 * std::sin(2 * 3.14159265358979 * day) + more;
    return row;
  }
};

// So many hours, with 600 rows in each; panes are of an hour then. Alarms of `size`.
int live_hours(VersionWatch& watch, Swinging& rows, Time from, int hours, double more) {
  int alarms = 0;
  State before = watch.verdicts()[0].state;
  for (int i = 0; i < hours * 600; ++i) {
    const Time now = from + i * Duration(6s);
    const LiveRow row = rows.next(now, more);
    watch.observe(row.features, row.prediction, row.score, now);
    const State state = watch.verdicts()[0].state;
    alarms += state == State::drift && before != State::drift ? 1 : 0;
    before = state;
  }
  watch.advance(from + hours * Duration(1h));
  return alarms;
}

}  // namespace

TEST_CASE("a season is no drift once it is known, and a shift on top of it is found within a day") {
  VersionWatch watch(shared_reference());
  Swinging rows;
  int learning = live_hours(watch, rows, monday, 14 * 24, 0);
  CHECK(learning <= 1);
  REQUIRE(watch.rhythm()->known());
  const Time known = monday + 14 * 24h;
  CHECK(live_hours(watch, rows, known, 7 * 24, 0) == 0);
  VersionWatch restored(shared_reference());
  REQUIRE(restored.restore(watch.serialise()));
  CHECK(restored.rhythm()->known());
  CHECK(restored.serialise() == watch.serialise());
  CHECK(live_hours(restored, rows, known + 7 * 24h, 24, 0.3) >= 1);
  CHECK(restored.verdicts()[0].state == State::drift);
}

TEST_CASE("a state that claims more windows than there are subjects is refused at once") {
  VersionWatch watch(shared_reference());
  std::string bytes = watch.serialise();
  SnapshotWriter rhythm("TEST", 1);
  watch.rhythm()->write(rhythm);
  constexpr std::size_t frame = 4 + 2 + 8, checksum = 8;
  const std::size_t tail = rhythm.finish().size() - frame + 1 + checksum;
  const std::size_t count = bytes.size() - tail - 8;
  REQUIRE(bytes.substr(count, 8) == std::string(8, '\0'));
  bytes.replace(count, 8, std::string(8, '\xff'));
  bytes.resize(count + 8 + checksum);
  const auto refused = watch.restore(fuzz::with_checksum(bytes));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "snapshot_corrupt");
}

TEST_CASE("what has passed is no drift for a day, though it moves the day's mean") {
  VersionWatch watch(shared_reference());
  Swinging rows;
  live_hours(watch, rows, monday, 24, 0);
  live_hours(watch, rows, monday + 24h, 3, 3);
  REQUIRE(watch.verdicts()[0].state == State::drift);
  live_hours(watch, rows, monday + 27h, 3, 0);
  CHECK(watch.verdicts()[0].state == State::stable);
}
