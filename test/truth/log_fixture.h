// SPDX-License-Identifier: Apache-2.0
#pragma once

// A prediction log in a folder of its own, and short ways to append and to label.

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"
#include "test/truth/counting_consumer.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth::test {

inline constexpr Duration patience = std::chrono::seconds(30);

class LogFixture {
 public:
  LogFixture() { settings.folder = folder.path() / "log"; }

  // Throws with the message when it cannot be opened.
  PredictionLog& open() {
    log.reset();
    auto opened = PredictionLog::open(settings, consumer, clock);
    if (!opened) throw std::runtime_error(opened.error().message);
    log = std::move(*opened);
    return *log;
  }

  std::string new_id() { return format_uuid(make_uuid7(clock.now(), 0x123, ++serial)); }

  // One prediction of a number, made now; gives its id.
  std::string predict(double prediction, std::vector<std::string_view> aliases = {}) {
    const std::string id = new_id();
    append(id, {RowView{.prediction = prediction}}, std::move(aliases));
    return id;
  }
  bool append(const std::string& id, std::vector<RowView> rows,
              std::vector<std::string_view> aliases = {}) {
    return log->append({.id = id,
                        .time = clock.now(),
                        .model_name = "house-price",
                        .model_version = "v1",
                        .aliases = aliases,
                        .rows = rows});
  }

  bool append_keyed(const std::string& id, std::string_view key,
                    std::vector<std::string_view> aliases = {}, std::size_t rows = 1) {
    return log->append({.id = id,
                        .time = clock.now(),
                        .model_name = "house-price",
                        .model_version = "v1",
                        .aliases = aliases,
                        .key = key,
                        .rows = std::vector<RowView>(rows, RowView{.prediction = 1.0})});
  }

  static GroundTruth truth(std::string id, Value value) {
    GroundTruth label;
    label.id = std::move(id);
    label.truth = std::move(value);
    return label;
  }
  LabelResult label(std::string id, Value value, JoinOptions options = {}) {
    return join(truth(std::move(id), std::move(value)), options).result;
  }
  LabelAnswer join(GroundTruth label, JoinOptions options = {}) {
    auto answers = log->join({std::move(label)}, options);
    if (!answers) throw std::runtime_error(answers.error().message);
    return answers->at(0);
  }
  std::vector<JoinedRow> joined_rows(Time since = {}) {
    std::vector<JoinedRow> rows;
    const auto ok = log->for_each_joined(since, [&](const JoinedRow& row) {
      rows.push_back(row);
      return true;
    });
    if (!ok) throw std::runtime_error(ok.error().message);
    return rows;
  }
  std::uint64_t counted(LabelResult result) const {
    return log->figures().labels[static_cast<std::size_t>(result)];
  }
  std::uint64_t dropped(AppendDrop reason) const {
    return log->figures().dropped[static_cast<std::size_t>(reason)];
  }

  TemporaryFolder folder;
  outrider::test::FakeClock clock;
  CountingConsumer consumer;
  LogSettings settings;
  std::uint64_t serial = 0;
  std::unique_ptr<PredictionLog> log;
};

}  // namespace outrider::truth::test
