// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/series_watch.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "agent/watch/anomaly_alert.h"
#include "agent/watch/state_file.h"
#include "base/core/text.h"
#include "test/agent/watch/watched_fleet.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t minute_ms = WatchedFleet::minute_ms;

Labels series_of(const std::string& metric, const std::string& job = "shop",
                 const std::string& pod = "") {
  return {{"__name__", metric}, {"job", job}, {"pod", pod}};
}

// Firing alerts and ends, in their order: "+queue" "-queue".
std::string story(const std::vector<wire::WebhookAlert>& alerts) {
  std::string told;
  for (const auto& alert : alerts) {
    told += (alert.firing ? " +" : " -") + std::string(alert.labels.get("anomaly_series"));
  }
  return told;
}

// A histogram whose buckets are the slots from `first` on: {0.1, 1, +Inf}.
struct Buckets {
  void begin(WatchedFleet& fleet, std::uint32_t first_slot) {
    first = first_slot;
    const char* bounds[] = {"0.1", "1", "+Inf"};
    for (std::uint32_t i = 0; i < 3; ++i) {
      Labels labels = series_of("took_seconds_bucket", "shop", "b" + std::to_string(i));
      labels.set("pod", "");
      labels.set("le", bounds[i]);
      fleet.name(first + i, labels);
    }
  }
  // `quick` calls of 100 took less than 0.1.
  void scrape(WatchedFleet& fleet, std::int64_t at_ms, double quick) {
    counts[0] += quick;
    counts[1] += 99;
    counts[2] += 100;
    for (std::uint32_t i = 0; i < 3; ++i) fleet.send(first + i, at_ms, counts[i]);
  }
  std::uint32_t first = 0;
  double counts[3] = {};
};

void warm_up(WatchedFleet& fleet, Buckets& buckets) {
  buckets.begin(fleet, 10);
  std::mt19937 random(5);
  std::uniform_int_distribution<int> quick(60, 70);
  for (std::int64_t i = 1440; i > 0; --i) {
    buckets.scrape(fleet, fleet.now_ms() - i * minute_ms, quick(random));
  }
  fleet.watch->round();
  fleet.alerts.clear();
}

}  // namespace

TEST_CASE("an anomaly is raised once, listed with its evidence, and ends when it is quiet") {
  WatchedFleet fleet;
  fleet.start();
  fleet.warm_up(0, series_of("queue"));
  CHECK(fleet.alerts.empty());
  fleet.send(0, fleet.now_ms(), 900);
  fleet.watch->round();
  REQUIRE(story(fleet.alerts) == " +queue{job=\"shop\"}");
  const wire::WebhookAlert& alert = fleet.alerts.front();
  CHECK(alert.labels.get("alertname") == watch::anomaly_alert);
  CHECK(alert.labels.get("job") == "shop");
  CHECK(alert.starts_at == fleet.clock.now());
  CHECK(alert.annotations.get("summary") == "queue{job=\"shop\"} is unusually high");
  CHECK(alert.annotations.get("description").find("usually about") != std::string::npos);
  const wire::Json listed = fleet.watch->anomalies();
  const wire::Json& one = listed.at("anomalies").at(0);
  CHECK(one.at("series") == "queue{job=\"shop\"}");
  CHECK(one.at("value") == 900);
  CHECK(one.at("direction") == "up");
  CHECK(one.at("anomaly") == true);
  CHECK(one.at("open") == true);
  CHECK(one.at("held_back") == false);
  CHECK(listed.at("threshold").get<double>() > 0.5);
  // It lasts: no more news. Then a quarter of an hour of silence.
  fleet.send(0, fleet.now_ms() + minute_ms, 900);
  fleet.watch->round();
  CHECK(fleet.alerts.size() == 1);
  fleet.clock.advance(17min);
  fleet.watch->round();
  CHECK(story(fleet.alerts) == " +queue{job=\"shop\"} -queue{job=\"shop\"}");
  CHECK(fleet.outcome("raised") == 1);
  CHECK(fleet.outcome("ended") == 1);
  CHECK(fleet.watch->anomalies().at("anomalies").at(0).at("open") == false);
  CHECK(fleet.metric("outrider_anomaly_allowance") == Approx(19).margin(0.1));
}

TEST_CASE("one more series of an open incident joins it and costs no allowance") {
  WatchedFleet fleet;
  fleet.settings.alerts_a_week = 1;
  fleet.start();
  fleet.warm_up(0, series_of("queue", "shop", "a"));
  fleet.warm_up(1, series_of("queue", "shop", "b"));
  fleet.warm_up(2, series_of("queue", "mail"));
  for (std::uint32_t slot = 0; slot < 3; ++slot) fleet.send(slot, fleet.now_ms(), 1e6);
  fleet.watch->round();
  CHECK(fleet.outcome("raised") == 1);
  CHECK(fleet.outcome("joined") == 1);
  CHECK(fleet.outcome("held_back") == 1);  // The other job is another incident.
  CHECK(fleet.alerts.size() == 2);
  // Held back, but listed; its end is nobody's news.
  std::size_t held_back = 0;
  const wire::Json listed = fleet.watch->anomalies();
  for (const auto& one : listed.at("anomalies")) {
    held_back += one.at("held_back").get<bool>() ? 1 : 0;
  }
  CHECK(held_back == 1);
  fleet.clock.advance(17min);
  fleet.watch->round();
  CHECK(fleet.outcome("ended") == 2);
  CHECK(fleet.alerts.size() == 4);
}

TEST_CASE("with a budget of 0 nothing is raised, and all is listed") {
  WatchedFleet fleet;
  fleet.settings.alerts_a_week = 0;
  fleet.start();
  fleet.warm_up(0, series_of("queue"));
  fleet.warm_up(1, series_of("size", "mail"));
  fleet.send(0, fleet.now_ms(), 1e9);
  fleet.send(1, fleet.now_ms(), 1e9);
  fleet.watch->round();
  CHECK(fleet.alerts.empty());
  CHECK(fleet.outcome("raised") == 0);
  CHECK(fleet.watch->anomalies().at("anomalies").size() == 2);
}

TEST_CASE("what the rules leave out is not watched, and counted") {
  WatchedFleet fleet;
  fleet.rules = {{{series::Selector::parse("queue").value(), series::As::gauge}}};
  fleet.start();
  fleet.warm_up(0, series_of("queue"));
  fleet.warm_up(1, series_of("other"));
  fleet.send(1, fleet.now_ms(), 1e9);
  fleet.watch->round();
  CHECK(fleet.alerts.empty());
  CHECK(fleet.metric("outrider_series_watched", {{"state", "watched"}}) == 1);
  CHECK(fleet.metric("outrider_series_watched", {{"state", "not_selected"}}) == 1);
  CHECK(fleet.metric("outrider_series_samples_scored_total") == 1440);
}

TEST_CASE("past the limits series and histograms are left out and counted") {
  WatchedFleet fleet;
  fleet.settings.watched_max = 2;  // One a partition.
  fleet.settings.shown_max = 2;
  fleet.settings.exported_max = 1;
  fleet.start();
  for (std::uint32_t slot = 0; slot < 5; ++slot) {
    fleet.name(slot, series_of("m" + std::to_string(slot)));
    fleet.send(slot, fleet.now_ms(), 1);
  }
  CHECK(fleet.metric("outrider_series_watched", {{"state", "watched"}}) == 2);
  CHECK(fleet.metric("outrider_series_watched", {{"state", "no_room"}}) == 3);
  CHECK(fleet.metric("outrider_series_evicted_total") == 0);
  fleet.name(5, series_of("m5"));
  fleet.send(5, fleet.now_ms() + 61 * minute_ms, 1);
  CHECK(fleet.metric("outrider_series_evicted_total") == 1);

  WatchedFleet shown;
  shown.settings.shown_max = 2;
  shown.settings.exported_max = 1;
  shown.start();
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    shown.warm_up(slot, series_of("queue", "j" + std::to_string(slot)));
  }
  for (std::uint32_t slot = 0; slot < 3; ++slot) shown.send(slot, shown.now_ms(), 1e6);
  shown.watch->round();
  CHECK(shown.watch->anomalies().at("anomalies").size() == 2);
  wire::GatheringSink sink;
  shown.watch->scores().collect(sink);
  CHECK(sink.take().at(0).samples.size() == 1);
}

TEST_CASE("findings past the limit are dropped and counted, but never the end of an episode") {
  WatchedFleet full;
  full.settings.findings_max = 1;
  full.start();
  full.warm_up(0, series_of("queue", "a"));
  full.warm_up(1, series_of("queue", "b"));
  full.send(0, full.now_ms(), 900);
  full.watch->round();
  REQUIRE(full.outcome("raised") == 1);
  // The other's beginning fills the list; the first one's end comes through all the same.
  full.clock.advance(17min);
  full.send(1, full.now_ms(), 900);
  full.watch->round();
  CHECK(full.outcome("raised") == 2);
  CHECK(full.outcome("ended") == 1);
  full.send(0, {{full.now_ms(), 9e5}, {full.now_ms() + 1, 9e7}});
  full.send(1, {{full.now_ms() + 1, 9e7}});
  CHECK(full.metric("outrider_anomalies_dropped_total") >= 1);
}

TEST_CASE("alerts that the journal does not take are given again, past the limit ends go last") {
  WatchedFleet fleet;
  fleet.settings.undelivered_max = 2;
  fleet.start();
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    fleet.warm_up(slot, series_of("queue", "j" + std::to_string(slot)));
  }
  fleet.send(0, fleet.now_ms(), 900);
  fleet.watch->round();
  fleet.journal_fails = true;
  fleet.clock.advance(17min);
  fleet.watch->round();  // The first one's end.
  fleet.send(1, fleet.now_ms(), 900);
  fleet.watch->round();
  fleet.send(2, fleet.now_ms(), 900);
  fleet.watch->round();
  CHECK(fleet.metric("outrider_anomalies_dropped_total") == 1);
  fleet.journal_fails = false;
  fleet.watch->round();
  CHECK(story(fleet.alerts) == " +queue{job=\"j0\"} -queue{job=\"j0\"} +queue{job=\"j2\"}");
  fleet.watch->round();
  CHECK(fleet.alerts.size() == 3);  // Once.
}

TEST_CASE("a restart forgets neither what is usual nor what is open, though it be two in a row") {
  WatchedFleet fleet;
  fleet.start();
  fleet.warm_up(0, series_of("queue"));
  Buckets buckets;
  warm_up(fleet, buckets);
  fleet.restart();
  fleet.restart();  // Before any sample came: what was known is still known.
  fleet.send(0, fleet.now_ms(), 900);
  buckets.scrape(fleet, fleet.now_ms(), 65);
  buckets.scrape(fleet, fleet.now_ms() + minute_ms, 3);
  buckets.scrape(fleet, fleet.now_ms() + 2 * minute_ms, 3);
  fleet.watch->round();
  CHECK(story(fleet.alerts).find("+queue{job=\"shop\"}") != std::string::npos);
  CHECK(story(fleet.alerts).find("+p50 of took_seconds_bucket{job=\"shop\"}") != std::string::npos);
  // The episodes go on over the next restart, and end.
  for (const auto& alert : fleet.alerts) fleet.open.push_back(alert.labels);
  fleet.alerts.clear();
  fleet.restart();
  fleet.send(0, fleet.now_ms() + minute_ms, 50);
  buckets.scrape(fleet, fleet.now_ms() + 3 * minute_ms, 65);
  fleet.watch->round();
  CHECK(fleet.alerts.empty());
  fleet.clock.advance(40min);
  fleet.watch->round();
  CHECK(fleet.alerts.size() == fleet.open.size());
  CHECK(fleet.outcome("ended") == static_cast<double>(fleet.open.size()));
}

TEST_CASE("states on disk that exceed the limit are left out, those last watched last") {
  WatchedFleet fleet;
  fleet.start();
  for (std::uint32_t slot = 0; slot < 8; slot += 2) {
    fleet.warm_up(slot, series_of("queue", "j" + std::to_string(slot), std::to_string(slot)));
  }
  fleet.settings.watched_max = 4;  // Two a partition; all of ours are of the first one.
  fleet.restart();
  for (std::uint32_t slot = 0; slot < 8; slot += 2) fleet.send(slot, fleet.now_ms(), 1e6);
  fleet.watch->round();
  CHECK(fleet.outcome("raised") == 2);
}

TEST_CASE("a state file that is cut or corrupt is put aside, and the series start afresh") {
  for (const bool cut : {false, true}) {
    WatchedFleet fleet;
    fleet.start();
    fleet.warm_up(0, series_of("queue"));
    fleet.watch.reset();
    const std::string file = fleet.settings.state_file;
    if (cut) {
      std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
    } else {
      std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekp(500);
      bytes.put('\x55');
    }
    fleet.start();
    CHECK(std::filesystem::exists(file + ".refused"));
    fleet.send(0, fleet.now_ms(), 1e6);
    fleet.watch->round();
    CHECK(fleet.alerts.empty());  // No past, no opinion.
  }
}

TEST_CASE("a state file of an older release is put aside, never misread") {
  WatchedFleet fleet;
  fleet.start();
  fleet.watch.reset();
  const std::string file = fleet.settings.state_file;
  {
    watch::StateWriter writer(file);
    detectors::SnapshotWriter chunk("SERB", 1);  // As before half of a surprise was a distance.
    chunk.u64(0);
    writer.put(chunk.finish());
    writer.commit();
  }
  fleet.start();
  CHECK(std::filesystem::exists(file + ".refused"));
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("a disk that takes no state is counted, and nothing is left half written") {
  WatchedFleet fleet;
  fleet.settings.state_file = fleet.folder.file("missing/series.state");
  fleet.settings.save_every = 1min;
  fleet.start();
  fleet.clock.advance(61s);
  fleet.watch->round();
  CHECK(fleet.metric("outrider_series_saves_failed_total") == 1);
  CHECK_THROWS_AS(fleet.watch->save(), std::runtime_error);
}

TEST_CASE("an anomaly of before the start whose series does not come back ends after an hour") {
  WatchedFleet fleet;
  Labels labels{{"alertname", "SeriesAnomaly"}, {"severity", "warning"}, {"job", "shop"}};
  labels.set("anomaly_series", "queue{job=\"shop\"}");
  fleet.open = {labels, labels};  // Two incidents may hold the same one.
  fleet.start();
  fleet.clock.advance(59min);
  fleet.watch->round();
  CHECK(fleet.alerts.empty());
  fleet.clock.advance(2min);
  fleet.watch->round();
  CHECK(story(fleet.alerts) == " -queue{job=\"shop\"}");
  // Nothing is open any more, so nothing is joined.
  fleet.warm_up(0, series_of("queue"));
  fleet.send(0, fleet.now_ms(), 1e6);
  fleet.watch->round();
  CHECK(fleet.outcome("joined") == 0);
  CHECK(fleet.outcome("raised") == 1);
}

TEST_CASE("a score that is no anomaly does not keep one of before the start open") {
  WatchedFleet fleet;
  fleet.settings.alerts_a_week = 0;  // The threshold is the highest step.
  fleet.start();
  fleet.warm_up(0, series_of("queue"));
  fleet.watch.reset();  // Saved before its episode, as after a kill -9.
  Labels labels{{"alertname", "SeriesAnomaly"}, {"severity", "warning"}, {"job", "shop"}};
  labels.set("anomaly_series", "queue{job=\"shop\"}");
  fleet.open = {labels};
  fleet.start();
  std::int64_t at = fleet.now_ms();
  double value = 50;
  const auto told = [&] { return !fleet.watch->anomalies().at("anomalies").empty(); };
  for (; !told() && value < 200; value += 1) {
    fleet.send(0, at += minute_ms, value);
    fleet.watch->round();
  }
  REQUIRE(told());
  REQUIRE(fleet.watch->anomalies().at("anomalies").at(0).at("anomaly") == false);
  fleet.clock.advance(61min);
  fleet.watch->round();
  CHECK(story(fleet.alerts) == " -queue{job=\"shop\"}");
}

TEST_CASE("a series or histogram that is forgotten within its episode ends it") {
  WatchedFleet fleet;
  fleet.start();
  fleet.warm_up(0, series_of("queue"));
  Buckets buckets;
  warm_up(fleet, buckets);
  fleet.send(0, fleet.now_ms(), 900);
  for (int i = 0; i < 3; ++i) buckets.scrape(fleet, fleet.now_ms() + i * minute_ms, 3);
  fleet.watch->round();
  const std::size_t raised = fleet.alerts.size();
  REQUIRE(raised >= 2);
  CHECK(fleet.metric("outrider_series_watched", {{"state", "bucket"}}) == 3);
  fleet.forget(0);
  for (std::uint32_t i = 0; i < 3; ++i) fleet.forget(10 + i);
  fleet.send(0, fleet.now_ms() + minute_ms, 50);  // It is back before anybody looked.
  fleet.watch->round();
  CHECK(fleet.alerts.size() == 2 * raised);
  CHECK(fleet.metric("outrider_series_watched", {{"state", "bucket"}}) == 0);
  CHECK(fleet.outcome("ended") == static_cast<double>(raised));
}

TEST_CASE("the quantities of histograms count for the threshold as series do") {
  WatchedFleet fleet;
  fleet.settings.alerts_a_week = 0.01;
  fleet.start();
  fleet.watch->round();
  const double alone = fleet.metric("outrider_anomaly_threshold");
  Buckets buckets;
  buckets.begin(fleet, 10);
  buckets.scrape(fleet, fleet.now_ms(), 50);
  fleet.watch->round();
  CHECK(fleet.metric("outrider_anomaly_threshold") > alone);
}

TEST_CASE(
    "scores go back under the labels of their series, each its own, and are marked at their end") {
  WatchedFleet fleet;
  fleet.start();
  Labels first = series_of("queue");
  Labels second = series_of("queue");
  first.set("metric", "one");
  second.set("metric", "two");
  first.set("pod", "a");
  second.set("pod", "a");
  fleet.warm_up(0, first);
  fleet.warm_up(1, second);
  fleet.send(0, fleet.now_ms(), 900);
  fleet.send(1, fleet.now_ms(), 900);
  fleet.clock.advance(15s);
  fleet.watch->round();
  REQUIRE(fleet.written.size() == 2);
  CHECK(fleet.written[0].labels != fleet.written[1].labels);
  for (const auto& one : fleet.written) {
    CHECK(one.labels.get("__name__") == "outrider_anomaly_score");
    CHECK(one.labels.get("metric") == "queue");
    CHECK(one.labels.get("job") == "shop");
    CHECK_FALSE(one.labels.get("exported_metric").empty());
    CHECK(one.samples.at(0).timestamp_ms == fleet.now_ms());
    CHECK(one.samples.at(0).value > 0.5);
  }
  CHECK(fleet.metric(
            "outrider_anomaly_score",
            {{"job", "shop"}, {"metric", "queue"}, {"exported_metric", "one"}, {"pod", "a"}}) >
        0.5);
  fleet.clock.advance(2h);
  fleet.watch->round();  // Their episodes have ended, and are too old to be shown.
  REQUIRE(fleet.written.size() == 2);
  CHECK(is_stale_marker(fleet.written[0].samples.at(0).value));
  fleet.written.clear();
  fleet.clock.advance(15s);
  fleet.watch->round();
  CHECK(fleet.written.empty());
}

TEST_CASE("requests, rounds, saves and pages at once: each sample is scored") {
  WatchedFleet fleet;
  fleet.start();
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    fleet.name(slot, series_of("m" + std::to_string(slot)));
    fleet.slots[slot] = false;
    fleet.send(slot, fleet.now_ms(), 1);
  }
  const auto sender = [&](std::uint32_t partition) {
    for (int i = 1; i <= 400; ++i) {
      for (const std::uint32_t slot : {partition, partition + 2}) {
        fleet.send(slot, fleet.now_ms() + i * 1000, i % 7);
      }
    }
  };
  std::thread even(sender, 0), odd(sender, 1);
  std::thread reader([&] {
    for (int i = 0; i < 50; ++i) {
      fleet.metric("outrider_series_samples_scored_total");
      (void)fleet.watch->anomalies();
    }
  });
  fleet.watch->start();
  for (int i = 0; i < 20; ++i) fleet.watch->save();
  for (std::thread* thread : {&even, &odd, &reader}) thread->join();
  fleet.watch->stop();
  CHECK(fleet.metric("outrider_series_samples_scored_total") == 4 * 401);
}
