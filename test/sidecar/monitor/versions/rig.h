// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "reference/builder.h"
#include "reference/reference_json.h"
#include "sidecar/monitor/decode/model_decoders.h"
#include "sidecar/monitor/export/monitor_metrics.h"
#include "sidecar/monitor/versions/monitor.h"
#include "test/support/catch.h"
#include "test/support/exchanges.h"
#include "test/support/fake_clock.h"

namespace outrider::monitor {

// A monitor with a decoder before it and a page behind it.
struct Rig {
  explicit Rig(const ModelConfig& settings = {})
      : decoders(decoders_for(settings)),
        monitor(settings, clock.now()),
        metrics(monitor, lock, clock) {}

  static decode::ModelDecoders decoders_for(const ModelConfig& settings) {
    std::map<std::string, decode::Rules, std::less<>> own;
    for (const auto& [model, its] : settings.models) own.emplace(model, its.rules);
    return decode::ModelDecoders(settings.rules, own);
  }
  void reload(const ModelConfig& settings) {
    decoders = decoders_for(settings);
    monitor.set_settings(settings);
  }

  void take(test::MadeExchange made) {
    made.started = clock.now();
    const tap::Exchange exchange = made.view();
    const auto observation = decoders.decode(exchange);
    REQUIRE(observation);
    monitor.observe(*observation, clock.now());
  }

  void ask(const std::string& version, double size, double price) {
    test::MadeExchange made =
        test::posted("/v1/models/house/versions/" + version + ":predict",
                     R"({"instances":[{"size":)" + std::to_string(size) + R"(,"city":"bonn"}]})",
                     R"({"predictions":[)" + std::to_string(price) + "]}");
    take(std::move(made));
  }

  static truth::JoinedRow joined(const std::string& version, double prediction, double truth,
                                 Time now) {
    truth::JoinedRow row;
    row.predicted = row.labelled = now;
    row.model_name = "house";
    row.model_version = version;
    row.prediction = prediction;
    row.truth = truth;
    return row;
  }
  void label(const std::string& version, bool correct) {
    monitor.on_joined(joined(version, 100, correct ? 100 : 200, clock.now()));
    monitor.changed_state(disk);
    monitor.committed();
  }

  std::string page() {
    wire::TextSink sink(wire::Format::text);
    metrics.collect(sink);
    return sink.finish();
  }
  // The value of one series, as text; "" when the page has none.
  std::string value(const std::string& series) {
    const std::string text = "\n" + page();
    const std::size_t at = text.find("\n" + series + " ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + series.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }

  struct Disk final : truth::StateWriter {
    void put(std::string_view key, std::string_view bytes) override {
      blobs[std::string(key)] = bytes;
    }
    void erase(std::string_view key) override { blobs.erase(std::string(key)); }
    std::vector<truth::StateBlob> all() const {
      std::vector<truth::StateBlob> list;
      for (const auto& [key, bytes] : blobs) list.push_back({key, bytes});
      return list;
    }
    std::map<std::string, std::string> blobs;
  };

  test::FakeClock clock;
  std::mutex lock;
  decode::ModelDecoders decoders;
  Monitor monitor;
  exporting::MonitorMetrics metrics;
  Disk disk;
};

// A reference of one version: sizes around 1500, error rate 5 %.
inline SharedReference make_reference(const std::string& version, double mean = 1500,
                                      const std::string& model = "house") {
  std::mt19937_64 random(3);
  std::normal_distribution<double> size(mean, 300);
  std::vector<std::vector<detectors::Value>> rows;
  for (int i = 0; i < 5'000; ++i) {
    rows.push_back({detectors::Value::of(size(random)),
                    detectors::Value::of(std::string_view("bonn")),
                    detectors::Value::of(size(random) / 20)});
  }
  reference::BuildSettings build;
  build.model_name = model;
  build.model_version = version;
  build.prediction = "price";
  const auto built = reference::build_reference(
      {"size", "city", "price"},
      [&](const reference::VisitRow& visit) -> Result<void> {
        for (const auto& row : rows) visit(row);
        return {};
      },
      build);
  REQUIRE(built);
  reference::ModelReference made = built->reference;
  made.accuracy = reference::AccuracyReference{.error_rate = 0.05, .rows = 5'000, .tolerance = 0.1};
  auto parsed = reference::parse(reference::to_json(made));
  REQUIRE(parsed);
  return std::make_shared<const reference::ModelReference>(std::move(*parsed));
}

}  // namespace outrider::monitor
