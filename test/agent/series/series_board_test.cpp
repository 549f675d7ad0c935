// SPDX-License-Identifier: Apache-2.0
#include "agent/series/series_board.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "agent/series/quantile_board.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::series;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t start_ms = 1'700'000'000'000;
constexpr std::int64_t minute_ms = 60'000;

struct NoBuckets final : BucketTaker {
  std::optional<std::uint64_t> bind(std::span<const LabelView>) override { return std::nullopt; }
  void release(std::uint64_t) override {}
  void take(std::uint64_t, double, std::span<const Sample>, Findings&) override {}
};

// Plays ingest: numbers series, knows their labels, hands samples on.
struct Fleet final : SeriesDirectory {
  explicit Fleet(SeriesBoard::Settings settings = {})
      : rules(WatchRules::everything()), board(settings, rules) {}

  Labels labels_of(std::size_t, std::uint32_t slot) const override { return labels.at(slot); }

  void send(std::uint32_t slot, const std::string& metric, std::int64_t at_ms, double value) {
    const bool is_new = !labels.contains(slot);
    if (is_new) labels[slot] = Labels{{"__name__", metric}, {"job", "shop"}};
    std::vector<LabelView> views;
    for (const Label& label : labels[slot]) views.push_back({label.name, label.value});
    const Sample sample{at_ms, value};
    IncomingSeries series;
    series.slot = slot;
    series.is_new = is_new;
    series.fingerprint = {std::hash<std::string>()(metric), slot};
    if (is_new) series.labels = views;
    series.samples = {&sample, 1};
    board.take({&series, 1}, *this, 0, terms, buckets, findings);
  }
  void forget(std::uint32_t slot) {
    board.forget(slot, buckets);
    labels.erase(slot);
  }

  std::map<std::uint32_t, Labels> labels;
  WatchRules rules;
  SeriesBoard board;
  WatchTerms terms{.threshold = 0.62, .told_from = 0.25, .quiet = 15min};
  NoBuckets buckets;
  Findings findings;
};

// Two days of a gauge around 50, and what follows.
std::int64_t warm_up(Fleet& fleet, std::uint32_t slot, const std::string& metric,
                     unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(50, 5);
  std::int64_t at = start_ms;
  for (int i = 0; i < 2880; ++i, at += minute_ms) fleet.send(slot, metric, at, normal(random));
  fleet.findings = {};
  return at;
}

std::vector<News> news(const Findings& findings) {
  std::vector<News> all;
  for (const Finding& finding : findings.list) {
    if (finding.observed.news != News::none) all.push_back(finding.observed.news);
  }
  return all;
}

}  // namespace

TEST_CASE("an episode begins, does not begin again while it lasts, and ends when it is quiet") {
  Fleet fleet;
  std::int64_t at = warm_up(fleet, 0, "queue");
  for (int i = 0; i < 30; ++i, at += minute_ms) fleet.send(0, "queue", at, 900);
  auto seen = news(fleet.findings);
  REQUIRE_FALSE(seen.empty());
  CHECK(seen.front() == News::began);
  CHECK(std::count(seen.begin(), seen.end(), News::began) == 1);
  CHECK(std::count(seen.begin(), seen.end(), News::ended) == 0);
  const Finding first = fleet.findings.list.front();
  CHECK(first.labels.get("__name__") == "queue");
  CHECK(first.observed.value == 900);
  CHECK(first.observed.score.up);
  CHECK(first.episode_ms == first.timestamp_ms);
  for (int i = 0; i < 200; ++i, at += minute_ms) fleet.send(0, "queue", at, 50 + i % 5);
  seen = news(fleet.findings);
  CHECK(std::count(seen.begin(), seen.end(), News::ended) == 1);
}

TEST_CASE("the episode of a series that falls silent, or is forgotten, ends too") {
  for (const bool forgotten : {false, true}) {
    Fleet fleet;
    const std::int64_t at = warm_up(fleet, 0, "queue");
    fleet.send(0, "queue", at, 900);
    REQUIRE(news(fleet.findings) == std::vector<News>{News::began});
    fleet.findings = {};
    if (forgotten) fleet.forget(0);
    fleet.board.tick(at + minute_ms, fleet.terms, fleet.findings);
    CHECK(news(fleet.findings).size() == (forgotten ? 1U : 0U));
    fleet.board.tick(at + 20 * minute_ms, fleet.terms, fleet.findings);
    fleet.board.tick(at + 40 * minute_ms, fleet.terms, fleet.findings);
    REQUIRE(news(fleet.findings) == std::vector<News>{News::ended});
    CHECK(fleet.findings.list.back().labels.get("__name__") == "queue");
  }
}

TEST_CASE("the episode of a series that is forgotten and back before anybody looked ends too") {
  Fleet fleet;
  const std::int64_t at = warm_up(fleet, 0, "queue");
  fleet.send(0, "queue", at, 900);
  REQUIRE(news(fleet.findings) == std::vector<News>{News::began});
  fleet.findings = {};
  fleet.forget(0);
  fleet.send(0, "queue", at + minute_ms, 50);
  fleet.board.tick(at + minute_ms, fleet.terms, fleet.findings);
  CHECK(news(fleet.findings) == std::vector<News>{News::ended});
}

TEST_CASE(
    "a counter is watched as a rate, and neither a reset nor a staleness marker is an anomaly") {
  Fleet fleet;
  std::mt19937 random(3);
  std::poisson_distribution<int> arrivals(600);
  double total = 0;
  std::int64_t at = start_ms;
  for (int i = 0; i < 2880; ++i, at += minute_ms) {
    if (i % 500 == 499) total = 0;
    total += arrivals(random);
    if (i % 700 == 699) {
      fleet.send(0, "requests_total", at, std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    fleet.send(0, "requests_total", at, total);
  }
  CHECK(news(fleet.findings).empty());
  fleet.send(0, "requests_total", at, total + 600 * 50);
  REQUIRE(news(fleet.findings) == std::vector<News>{News::began});
  CHECK(fleet.findings.list.back().quantity == "rate");
  CHECK(fleet.findings.list.back().observed.value == Approx(500));
  CHECK(fleet.findings.list.back().observed.score.expected == Approx(10).margin(1));
}

TEST_CASE("past the limit a newcomer replaces only who has been silent for an hour") {
  Fleet fleet({.watched_max = 3, .silent_min = 1h});
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    fleet.send(slot, "m" + std::to_string(slot), start_ms + slot * minute_ms, 1);
  }
  fleet.send(3, "late", start_ms + 10 * minute_ms, 1);
  CHECK(fleet.board.census().watched == 3);
  CHECK(fleet.board.census().no_room == 1);
  CHECK(fleet.board.census().evicted == 0);
  // All but series 1 go on; an hour later it is the longest silent, and makes room.
  for (int i = 0; i < 70; ++i) {
    fleet.send(0, "m0", start_ms + (20 + i) * minute_ms, 1);
    fleet.send(2, "m2", start_ms + (20 + i) * minute_ms, 1);
  }
  fleet.send(4, "newcomer", start_ms + 90 * minute_ms, 1);
  CHECK(fleet.board.census().evicted == 1);
  CHECK(fleet.board.census().watched == 3);
  CHECK(fleet.board.census().no_room == 2);
}

TEST_CASE("who was left out is watched once there is room") {
  Fleet fleet({.watched_max = 1, .silent_min = 1h});
  fleet.send(0, "first", start_ms, 1);
  fleet.send(1, "second", start_ms, 1);
  CHECK(fleet.board.census().no_room == 1);
  fleet.forget(0);
  fleet.send(1, "second", start_ms + minute_ms, 1);
  CHECK(fleet.board.census().watched == 1);
  CHECK(fleet.board.census().no_room == 0);
}

TEST_CASE("a slot that is used again belongs to the new series alone") {
  Fleet fleet;
  warm_up(fleet, 0, "queue");
  fleet.forget(0);
  fleet.send(0, "another", start_ms + 3000 * minute_ms, 1e9);
  CHECK(news(fleet.findings).empty());  // It has no past of the queue's.
  CHECK(fleet.board.census().watched == 1);
}

TEST_CASE("restored states score as those that were never stopped") {
  Fleet whole;
  std::int64_t at = warm_up(whole, 0, "queue");
  whole.send(0, "queue", at, 800);
  detectors::SnapshotWriter out("SERB", 1);
  whole.board.save(0, 100, out);
  const std::string bytes = out.finish();
  auto in = detectors::SnapshotReader::open(bytes, "SERB", 1);
  REQUIRE(in);
  REQUIRE(in->count() == 1);
  const auto watched = Watched::load(*in);
  REQUIRE(watched);
  REQUIRE(in->finish());
  Fleet restored;
  restored.board.restored().put(*watched);
  whole.findings = {};
  std::mt19937 random(9);
  std::normal_distribution<double> normal(50, 5);
  for (int i = 1; i < 3000; ++i) {
    const double value = i == 2500 ? 9e5 : normal(random);
    whole.send(0, "queue", at + i * minute_ms, value);
    restored.send(0, "queue", at + i * minute_ms, value);
  }
  CHECK(news(restored.findings) == news(whole.findings));
  CHECK(restored.findings.scores == whole.findings.scores);
  CHECK_FALSE(whole.findings.scores.empty());
}

TEST_CASE("a watched series takes less than a kibibyte, its labels' share included") {
  CHECK(sizeof(Watched) <= 864);
}

TEST_CASE("a histogram's quantile is PromQL's") {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<CumulativeBucket> buckets = {{0.1, 10}, {0.5, 30}, {1, 40}, {inf, 50}};
  CHECK(histogram_quantile(0.5, buckets).value() == Approx(0.4));  // Rank 25 of 10 to 30.
  CHECK(histogram_quantile(0.1, buckets).value() == Approx(0.05));
  CHECK(histogram_quantile(0.99, buckets).value() == 1);  // Beyond the last finite bound.
  CHECK_FALSE(histogram_quantile(0.5, std::vector<CumulativeBucket>{{0.1, 0}, {inf, 0}}));
  CHECK_FALSE(histogram_quantile(0.5, std::vector<CumulativeBucket>{{0.1, 1}, {0.2, 2}}));
  CHECK_FALSE(histogram_quantile(0.5, std::vector<CumulativeBucket>{{0.1, 5}, {inf, 2}}));
  CHECK(quantile_name(0.5) == "p50");
  CHECK(quantile_name(0.999) == "p99.9");
}

TEST_CASE("the quantiles of a histogram's scrapes are watched, whatever the order of its buckets") {
  QuantileBoard board({0.5, 0.99}, 10);
  const double bounds[] = {0.1, 0.2, 0.4, 0.8, std::numeric_limits<double>::infinity()};
  std::vector<std::uint32_t> bound_to;
  for (const char* le : {"0.1", "0.2", "0.4", "0.8", "+Inf"}) {
    const std::vector<LabelView> labels = {
        {"__name__", "latency_seconds_bucket"}, {"job", "shop"}, {"le", le}};
    bound_to.push_back(board.bind(labels).value());
  }
  CHECK(board.histograms() == 1);
  std::mt19937 random(4);
  std::lognormal_distribution<double> latency(std::log(0.15), 0.3);
  std::vector<double> counts(5);
  Findings findings;
  const WatchTerms terms{.threshold = 0.62, .told_from = 0.25, .quiet = 15min};
  for (int i = 0; i < 3000; ++i) {
    const double slow = i >= 2900 ? 4 : 1;
    for (int k = 0; k < 200; ++k) {
      const double took = latency(random) * slow;
      for (int b = 0; b < 5; ++b) counts[static_cast<std::size_t>(b)] += took <= bounds[b] ? 1 : 0;
    }
    if (i == 1500) counts.assign(5, 0);  // The process was restarted.
    for (const int b : {4, 0, 3, 1, 2}) {
      board.take(bound_to[static_cast<std::size_t>(b)], bounds[b],
                 {start_ms + i * minute_ms, counts[static_cast<std::size_t>(b)]}, terms, findings);
    }
    if (i == 2899) {
      CHECK(findings.scored > 5000);
      CHECK(news(findings).size() <= 2);
      findings = {};
    }
  }
  REQUIRE_FALSE(news(findings).empty());
  const auto first = std::find_if(findings.list.begin(), findings.list.end(),
                                  [](const Finding& f) { return f.observed.news == News::began; });
  CHECK(first->timestamp_ms <= start_ms + 2905 * minute_ms);
  CHECK(first->labels.get("le").empty());
  CHECK((first->quantity == "p50" || first->quantity == "p99"));
  for (const std::uint32_t histogram : bound_to) board.release(histogram);
  CHECK(board.histograms() == 0);
}

namespace {

// {0.1, 1, +Inf} under watch.
struct ThreeBuckets {
  ThreeBuckets() {
    for (const char* le : {"0.1", "1", "+Inf"}) {
      index = board.bind(std::vector<LabelView>{{"__name__", "x_bucket"}, {"le", le}}).value();
    }
  }
  void take(std::size_t bucket, std::int64_t minute, double count) {
    board.take(index, bounds[bucket], {start_ms + minute * minute_ms, count}, terms, findings);
  }
  const double bounds[3] = {0.1, 1, std::numeric_limits<double>::infinity()};
  const WatchTerms terms{.threshold = 2, .told_from = 0, .quiet = 15min};
  QuantileBoard board{{0.5}, 10};
  std::uint32_t index = 0;
  Findings findings;
};

}  // namespace

TEST_CASE(
    "a scrape of which a bucket is missing is left out, and the next whole one counts for both") {
  ThreeBuckets three;
  for (const std::size_t bucket : {0, 1, 2}) three.take(bucket, 0, 0);
  // The sender is behind: two samples of one bucket before any of the others.
  three.take(0, 1, 80);
  three.take(0, 2, 80);
  for (const std::size_t bucket : {1, 2}) {
    three.take(bucket, 1, 90);
    three.take(bucket, 2, 160);
  }
  three.take(0, 3, 80);
  REQUIRE(three.findings.list.size() == 1);
  CHECK(three.findings.list[0].timestamp_ms == start_ms + 2 * minute_ms);
  CHECK(three.findings.list[0].observed.value == Approx(0.1));  // 80 of 160 are below 0.1.
}

TEST_CASE(
    "a bucket that ended is no part of its histogram any more, and a new one is from then on") {
  ThreeBuckets three;
  for (const std::int64_t minute : {0, 1}) {
    for (const std::size_t bucket : {0, 1, 2}) {
      three.take(bucket, minute, 100.0 * static_cast<double>(minute));
    }
  }
  three.take(0, 2, stale_marker());
  for (const std::size_t bucket : {1, 2}) three.take(bucket, 2, 200);
  for (const std::size_t bucket : {1, 2}) three.take(bucket, 3, 300);
  REQUIRE(three.findings.list.size() == 2);
  CHECK(three.findings.list[0].observed.value == Approx(0.05));
  CHECK(three.findings.list[1].observed.value == Approx(0.5));
  // What the new one holds is no increase.
  three.take(0, 4, 500);
  for (const std::size_t bucket : {1, 2}) three.take(bucket, 4, 400);
  for (const std::int64_t minute : {5, 6}) {
    for (const std::size_t bucket : {0, 1, 2}) {
      three.take(bucket, minute, 100.0 * static_cast<double>(minute));
    }
  }
  CHECK(three.findings.list.size() == 4);  // Of minutes 1, 2, 3 and 5.
}

TEST_CASE("buckets past the limit are left out and counted") {
  ThreeBuckets three;
  for (std::size_t i = 0; i < QuantileBoard::buckets_max + 2; ++i) {
    three.board.take(three.index, static_cast<double>(i), {start_ms, 1}, three.terms,
                     three.findings);
  }
  CHECK(three.board.left_out() == 2);
}

TEST_CASE("a bucket whose bound is no number is not watched") {
  Fleet fleet;
  fleet.labels[0] = Labels{{"__name__", "x_bucket"}, {"le", "NaN"}};
  std::vector<LabelView> views = {{"__name__", "x_bucket"}, {"le", "NaN"}};
  IncomingSeries series;
  series.is_new = true;
  series.labels = views;
  fleet.board.take({&series, 1}, fleet, 0, fleet.terms, fleet.buckets, fleet.findings);
  CHECK(fleet.board.census().not_selected == 1);
}

TEST_CASE("histograms past the limit are refused") {
  QuantileBoard board({0.5}, 2);
  const auto bind = [&](const char* job) {
    return board.bind(std::vector<LabelView>{{"__name__", "x_bucket"}, {"job", job}, {"le", "1"}});
  };
  const auto first = bind("a");
  REQUIRE(first);
  CHECK(bind("b"));
  CHECK_FALSE(bind("c"));
  board.release(*first);
  CHECK(bind("c"));
}
