// SPDX-License-Identifier: Apache-2.0
#pragma once

// A watch with what stands around it: ingest, which numbers series; the journal, which takes alerts
// or fails; the receiver of scores; a folder that outlives the watch, for restarts. Time stands
// still unless moved.

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/watch/series_watch.h"
#include "base/wire/exposed.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

namespace outrider::test {

struct WatchedFleet final : series::SeriesDirectory {
  static constexpr std::int64_t minute_ms = 60'000;

  WatchedFleet() {
    settings.partitions = 2;
    settings.state_file = folder.file("series.state");
  }

  void start() {
    slots.clear();
    watch::SeriesWatch::Dependencies dependencies;
    dependencies.alerts = [this](const wire::AlertWebhook& webhook) {
      if (journal_fails) throw std::runtime_error("the disk is full");
      alerts.insert(alerts.end(), webhook.alerts.begin(), webhook.alerts.end());
    };
    dependencies.write = [this](std::vector<remote_write::WriteSeries> series) {
      written = std::move(series);
    };
    dependencies.open_anomalies = [this] { return open; };
    watch = std::make_unique<watch::SeriesWatch>(settings, rules, clock, std::move(dependencies));
    watch->set_directory([this](std::size_t) -> const series::SeriesDirectory& { return *this; });
  }
  void restart() {
    watch.reset();
    start();
  }

  Labels labels_of(std::size_t, std::uint32_t slot) const override { return known.at(slot); }

  // Slots are numbered over all partitions here, and a series is always in the same one.
  static std::size_t partition_of(std::uint32_t slot) { return slot % 2; }

  void name(std::uint32_t slot, Labels labels) { known[slot] = std::move(labels); }

  void send(std::uint32_t slot, std::int64_t at_ms, double value) {
    send(slot, std::vector<Sample>{{at_ms, value}});
  }
  void send(std::uint32_t slot, const std::vector<Sample>& samples) {
    const Labels& labels = known.at(slot);
    std::vector<LabelView> views;
    for (const Label& label : labels) views.push_back({label.name, label.value});
    series::IncomingSeries one;
    one.slot = slot;
    one.is_new = !slots[slot];
    slots[slot] = true;
    // As ingest has it: the first bits of `high` are those that the partition follows from.
    const std::uint64_t hash = std::hash<std::string>()(std::string(labels.get("__name__"))) ^
                               std::hash<std::string>()(std::string(labels.get("pod")));
    one.fingerprint = {hash * 0x9E3779B97F4A7C15, (partition_of(slot) << 63) | hash >> 1};
    if (one.is_new) one.labels = views;
    one.samples = samples;
    watch->take(partition_of(slot), {&one, 1});
  }
  void forget(std::uint32_t slot) {
    watch->forget(partition_of(slot), slot);
    slots[slot] = false;
  }

  std::int64_t now_ms() const { return to_unix_ms(clock.now()); }

  // A day of a gauge around 50, each minute, up to now.
  void warm_up(std::uint32_t slot, Labels labels) {
    name(slot, std::move(labels));
    std::mt19937 random(slot + 1);
    std::normal_distribution<double> normal(50, 5);
    std::vector<Sample> samples;
    for (std::int64_t i = 1440; i > 0; --i) {
      samples.push_back({now_ms() - i * minute_ms, normal(random)});
    }
    send(slot, samples);
    watch->round();
    alerts.clear();
  }

  double metric(const std::string& wanted, const Labels& labels = {}) {
    wire::GatheringSink sink;
    watch->collect(sink);
    watch->scores().collect(sink);
    for (const auto& family : sink.take()) {
      for (const auto& sample : family.samples) {
        if (sample.name == wanted && sample.labels == labels) return sample.value;
      }
    }
    return -1;
  }
  double outcome(const std::string& word) {
    return metric("outrider_anomalies_total", {{"outcome", word}});
  }

  TemporaryFolder folder;  // Outlives the watch, which saves at its end.
  FakeClock clock{Time{std::chrono::seconds(1'700'000'000)}};
  watch::SeriesWatch::Settings settings;
  series::WatchRules rules = series::WatchRules::everything();
  bool journal_fails = false;
  std::vector<wire::WebhookAlert> alerts;
  std::vector<remote_write::WriteSeries> written;
  std::vector<Labels> open;
  std::map<std::uint32_t, Labels> known;
  std::map<std::uint32_t, bool> slots;
  std::unique_ptr<watch::SeriesWatch> watch;
};

}  // namespace outrider::test
