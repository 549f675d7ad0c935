// SPDX-License-Identifier: Apache-2.0
#include "detectors/series_score.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;

namespace {

constexpr std::int64_t start_ms = 1'700'000'000'000;
constexpr std::int64_t five_minutes_ms = 300'000;
constexpr double fires = 0.53;

struct Point {
  std::int64_t timestamp_ms;
  double value;
};

std::vector<Point> every_five_minutes(const std::vector<double>& values) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < values.size(); ++i) {
    points.push_back({start_ms + five_minutes_ms * static_cast<std::int64_t>(i), values[i]});
  }
  return points;
}

std::vector<double> noise(std::size_t count, double mean, double deviation, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

// A working day's hump, and noise.
std::vector<double> daily(std::size_t count, unsigned seed = 1) {
  auto values = noise(count, 100, 4, seed);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] += 50 * std::sin(2 * M_PI * static_cast<double>(i % 288) / 288);
  }
  return values;
}

std::vector<SeriesScore> scores_of(const std::vector<Point>& points) {
  SeriesScorer scorer;
  std::vector<SeriesScore> scores;
  for (const Point& point : points) scores.push_back(scorer.add(point.timestamp_ms, point.value));
  return scores;
}

std::vector<SeriesScore> scores_of(const std::vector<double>& values) {
  return scores_of(every_five_minutes(values));
}

std::vector<std::size_t> fired(const std::vector<SeriesScore>& scores, double threshold = fires) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i].score >= threshold) rows.push_back(i);
  }
  return rows;
}

bool same(const SeriesScore& a, const SeriesScore& b) {
  return a.score == b.score && a.evidence == b.evidence && a.question == b.question && a.up == b.up;
}

constexpr std::size_t week = 7 * 288;

}  // namespace

TEST_CASE("a spike far beyond all that was seen fires at once, and says what it is") {
  auto values = noise(2 * week, 50, 5);
  values[3000] = 400;
  const auto scores = scores_of(values);
  CHECK(scores[3000].score >= fires);
  CHECK(scores[3000].up);
  CHECK(scores[3000].expected == Approx(50).margin(15));
  values[3000] = -300;
  const auto down = scores_of(values);
  CHECK(down[3000].score >= fires);
  CHECK_FALSE(down[3000].up);
}

TEST_CASE("a lasting shift of the level is one anomaly, not one a sample") {
  auto values = noise(2 * week, 50, 5);
  for (std::size_t i = 3000; i < values.size(); ++i) values[i] += 60;
  const auto rows = fired(scores_of(values));
  std::size_t near = 0;
  for (const std::size_t row : rows) near += row >= 3000 && row < 3000 + 288 ? 1 : 0;
  CHECK(near >= 1);
  CHECK(near <= 3);  // The first sample, and at most two growths of the episode.
}

TEST_CASE("a series that grows much livelier, or falls silent, fires for its spread") {
  auto values = noise(3 * week, 50, 5);
  for (std::size_t i = 5000; i < 5150; ++i) values[i] = 50 + (values[i] - 50) * 6;
  const auto lively = scores_of(values);
  CHECK(std::any_of(lively.begin() + 5000, lively.begin() + 5150,
                    [](const SeriesScore& score) { return score.score >= fires; }));
  auto still = noise(3 * week, 50, 5);
  for (std::size_t i = 5000; i < 5150; ++i) still[i] = 50;
  const auto silent = scores_of(still);
  const bool seen = std::any_of(silent.begin() + 5000, silent.begin() + 5150, [](const auto& s) {
    return s.score >= 0.3 && s.question == Question::spread && !s.up;
  });
  CHECK(seen);
}

TEST_CASE("the busiest hour of the day is usual at that hour and an anomaly at night") {
  auto values = daily(4 * week);
  CHECK(fired(scores_of(values)).size() <= 3);
  // Row 216 of a day is its quietest; the value is one that every noon has.
  const std::size_t night = 3 * week + 216;
  for (std::size_t i = night; i < night + 12; ++i) values[i] = 150;
  const auto scores = scores_of(values);
  CHECK(std::any_of(scores.begin() + static_cast<long>(night),
                    scores.begin() + static_cast<long>(night) + 12,
                    [](const SeriesScore& score) { return score.score >= fires; }));
}

TEST_CASE("cutting off the future changes no score: nothing looks ahead") {
  auto values = daily(2 * week, 7);
  values[1500] = 900;
  values[2500] = -900;
  const auto whole = scores_of(values);
  for (const std::size_t cut : {std::size_t{21}, std::size_t{1501}, std::size_t{2400}}) {
    const auto part =
        scores_of(std::vector<double>(values.begin(), values.begin() + static_cast<long>(cut)));
    bool equal = true;
    for (std::size_t i = 0; i < cut; ++i) equal = equal && same(part[i], whole[i]);
    CHECK(equal);
  }
}

TEST_CASE("an incident that was seen before is far out again once a week has passed") {
  // The ranks alone would take the second for usual: as much came before.
  auto values = noise(6 * week, 50, 5);
  for (std::size_t i = 2 * week; i < 2 * week + 24; ++i) values[i] = 160;
  values[5 * week] = 150;
  const auto scores = scores_of(values);
  CHECK(scores[2 * week].score >= fires);
  CHECK(scores[5 * week].score >= fires);
}

TEST_CASE("the hour of the day is asked from the eighth day on") {
  auto values = daily(3 * week);
  const auto asked = [&](std::size_t from, std::size_t to) {
    const auto scores = scores_of(values);
    return std::any_of(scores.begin() + static_cast<long>(from),
                       scores.begin() + static_cast<long>(to),
                       [](const SeriesScore& s) { return s.question == Question::hour; });
  };
  CHECK_FALSE(asked(0, week));
  CHECK(asked(week + 288, 3 * week));
}

TEST_CASE("the same samples give the same scores") {
  const auto values = daily(week, 3);
  const auto once = scores_of(values);
  const auto again = scores_of(values);
  CHECK(std::equal(once.begin(), once.end(), again.begin(), same));
}

TEST_CASE("units do not matter: a power of two times the series scores alike") {
  auto values = daily(2 * week, 5);
  values[3000] = 1000;
  auto larger = values;
  for (double& value : larger) value *= 1024;
  const auto a = scores_of(values);
  const auto b = scores_of(larger);
  CHECK(std::equal(a.begin(), a.end(), b.begin(), same));
}

TEST_CASE("where zero lies does not matter: a shifted series fires at the same rows") {
  auto values = daily(2 * week, 5);
  values[3000] = 1000;
  auto higher = values;
  for (double& value : higher) value += 4096;
  CHECK(fired(scores_of(values)) == fired(scores_of(higher)));
}

TEST_CASE("a constant series, and one of zeros, never scores") {
  for (const double value : {0.0, 5.0, -1e12, 1e-9}) {
    const auto scores = scores_of(std::vector<double>(3 * week, value));
    CHECK(fired(scores, 1e-9).empty());
  }
}

TEST_CASE("an on-off series fires for no more than its first days") {
  std::mt19937 random(2);
  std::bernoulli_distribution on(0.3);
  std::vector<double> values(4 * week);
  for (double& value : values) value = on(random) ? 1 : 0;
  CHECK(fired(scores_of(values)).size() <= 2);
}

TEST_CASE("small counts fire rarely") {
  std::mt19937 random(4);
  std::poisson_distribution<int> count(1.5);
  std::vector<double> values(4 * week);
  for (double& value : values) value = count(random);
  CHECK(fired(scores_of(values)).size() <= 4);
}

TEST_CASE("NaN, staleness markers and infinities score nothing and teach nothing") {
  const auto points = every_five_minutes(daily(week, 9));
  SeriesScorer clean;
  SeriesScorer disturbed;
  const double nothing[] = {std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity()};
  bool equal = true;
  for (const Point& point : points) {
    for (const double value : nothing) {
      equal = equal && disturbed.add(point.timestamp_ms - 1, value).score == 0;
    }
    equal = equal && same(clean.add(point.timestamp_ms, point.value),
                          disturbed.add(point.timestamp_ms, point.value));
  }
  CHECK(equal);
}

TEST_CASE("a gap of hours is no anomaly, nor is the step across it") {
  auto points = every_five_minutes(daily(3 * week, 11));
  for (std::size_t i = 4000; i < points.size(); ++i) {
    points[i].timestamp_ms += 3LL * 24 * 3'600'000;
  }
  const auto scores = scores_of(points);
  CHECK(scores[4000].question != Question::spike);
  CHECK(scores[4000].score < fires);
}

TEST_CASE("jittered and repeated timestamps score as regular ones do, nearly") {
  auto values = noise(2 * week, 50, 5);
  values[3000] = 400;
  auto points = every_five_minutes(values);
  std::mt19937 random(6);
  std::uniform_int_distribution<int> jitter(-120'000, 120'000);
  for (Point& point : points) point.timestamp_ms += jitter(random);
  points[100].timestamp_ms = points[99].timestamp_ms;
  points[200].timestamp_ms = points[199].timestamp_ms - 1'000'000;
  CHECK(scores_of(points)[3000].score >= fires);
}

TEST_CASE("what comes again and again fires less and less") {
  auto values = noise(8 * week, 50, 2);
  std::vector<std::size_t> spikes;
  for (std::size_t i = week; i < values.size(); i += 600) spikes.push_back(i);
  for (const std::size_t row : spikes) values[row] = 150;
  const auto scores = scores_of(values);
  CHECK(scores[spikes.front()].score >= fires);
  CHECK(scores[spikes.back()].score < fires);
}

TEST_CASE("noise raises less than one false alarm a week without an alert budget") {
  std::size_t alarms = 0;
  constexpr unsigned runs = 20;
  for (unsigned seed = 1; seed <= runs; ++seed) {
    alarms += fired(scores_of(noise(4 * week, 50, 5, seed))).size();
  }
  CHECK(alarms < 4 * runs);  // Four weeks each.
}

TEST_CASE(
    "a fleet that is watched for an hour is mostly silent, what is enormous fires even then") {
  std::size_t alarms = 0;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    const auto values = noise(240, 50, 5, seed);
    SeriesScorer scorer;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto at = start_ms + 15'000 * static_cast<std::int64_t>(i);
      alarms += scorer.add(at, values[i]).score >= fires ? 1U : 0U;
    }
    CHECK(scorer.add(start_ms + 15'000 * 240, 1e6).score >= fires);
  }
  CHECK(alarms <= 3);
}

TEST_CASE("a day without its usual hump stands out, and by the hour of the day") {
  auto values = daily(3 * week, 21);
  const std::size_t flat = 2 * week + 288;
  for (std::size_t i = 0; i < 288; ++i)
    values[flat + i] = 100 + 4 * std::sin(static_cast<double>(i));
  const auto scores = scores_of(values);
  CHECK(std::any_of(scores.begin() + flat, scores.begin() + flat + 288, [](const SeriesScore& s) {
    return s.score >= 0.37 && s.question == Question::hour;
  }));
}

TEST_CASE("every score lies in [0, 1], for hostile values too") {
  std::mt19937_64 random(8);
  SeriesScorer scorer;
  bool within = true;
  for (int i = 0; i < 100'000; ++i) {
    const auto bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    const auto time = static_cast<std::int64_t>(random());
    const SeriesScore score = scorer.add(time, value);
    within = within && score.score >= 0 && score.score <= 1 && std::isfinite(score.expected);
  }
  CHECK(within);
}

TEST_CASE("counts that would overflow are halved, and scores go on") {
  SeriesScorer scorer;
  std::mt19937 random(1);
  std::normal_distribution<double> normal(50, 5);
  std::size_t alarms = 0;
  for (int i = 0; i < 400'000; ++i) {
    alarms += scorer.add(start_ms + 15'000LL * i, normal(random)).score >= fires ? 1U : 0U;
  }
  CHECK(alarms <= 10);  // 69 days of a sample each 15 s.
  CHECK(scorer.add(start_ms + 15'000LL * 400'000, 5000).score >= fires);
}

TEST_CASE("a series fits its budget of memory") {
  CHECK(sizeof(SeriesScorer) <= 752);
  CHECK(std::is_trivially_copyable_v<SeriesScorer>);
}

TEST_CASE("a restored scorer goes on as if nothing had happened") {
  const auto points = every_five_minutes(daily(2 * week, 13));
  SeriesScorer whole;
  SeriesScorer first;
  for (std::size_t i = 0; i < week; ++i) {
    whole.add(points[i].timestamp_ms, points[i].value);
    first.add(points[i].timestamp_ms, points[i].value);
  }
  SnapshotWriter out("SERS", 1);
  first.save(out);
  const std::string bytes = out.finish();
  auto in = SnapshotReader::open(bytes, "SERS", 1);
  REQUIRE(in);
  auto second = SeriesScorer::load(*in);
  REQUIRE(second);
  REQUIRE(in->finish());
  bool equal = true;
  for (std::size_t i = week; i < points.size(); ++i) {
    equal = equal && same(whole.add(points[i].timestamp_ms, points[i].value),
                          second->add(points[i].timestamp_ms, points[i].value));
  }
  CHECK(equal);
}

TEST_CASE("a series' state that makes no sense is refused") {
  SnapshotWriter out("SERS", 1);
  out.f64(std::numeric_limits<double>::quiet_NaN());
  for (int i = 0; i < 4; ++i) out.i64(0);
  for (int i = 0; i < 8; ++i) out.text("short");
  const std::string bytes = out.finish();
  auto in = SnapshotReader::open(bytes, "SERS", 1);
  REQUIRE(in);
  const auto read = SeriesScorer::load(*in);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == "snapshot_corrupt");
}
