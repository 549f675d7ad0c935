// SPDX-License-Identifier: Apache-2.0
#pragma once

// Records of a topic as a sidecar writes them, and a log as an agent has it that reads them.

#include <string>
#include <vector>

#include "base/kafka/consumer.h"
#include "base/kafka/partition.h"
#include "test/truth/log_fixture.h"
#include "truth/shipment.h"
#include "truth/topic_record.h"

namespace outrider::fleet::test {

struct TopicLog : truth::test::LogFixture {
  explicit TopicLog(bool wall_time = false) {
    settings.shipped = true;
    settings.early_hold = Duration::zero();
    if (wall_time) clock.advance(SystemClock().now() - clock.now());
    open();
  }
};

struct Pod {
  explicit Pod(const Clock& clock_of_it) : clock(clock_of_it) {
    stream = truth::make_uuid7(clock.now(), 7, 7);
  }
  // The record of a prediction, and its id.
  std::pair<std::string, std::string> predict(std::string_view key = {}) {
    const truth::Uuid id = truth::make_uuid7(clock.now(), 3, ++serial);
    const std::string text = truth::format_uuid(id);
    truth::ShipmentWriter writer;
    const truth::RowView row{.prediction = 1.0};
    writer.add(id, serial - 1,
               {.id = text,
                .time = clock.now(),
                .model_name = "house",
                .model_version = "v1",
                .key = key,
                .rows = std::span(&row, 1)},
               0);
    const auto body = writer.finish(
        {.workload = {"", "", "price"}, .pod = "pod-1", .stream = stream},
        [](std::string_view, std::string_view) { return truth::JudgeRule{}; }, 0);
    return {text, truth::write_topic_prediction(body.front().bytes)};
  }
  static std::string label(const std::string& id, double value = 1.0) {
    truth::TopicLabel one;
    one.label.id = id;
    one.label.truth = value;
    return truth::write_topic_label(one);
  }

  const Clock& clock;
  truth::Uuid stream;
  std::uint64_t serial = 0;
};

}  // namespace outrider::fleet::test
