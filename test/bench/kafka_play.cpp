// SPDX-License-Identifier: Apache-2.0
// Fills a topic of Kafka with predictions, or with their labels, as fast as the brokers take them.
//   bench_kafka_play BROKERS TOPIC predictions|labels COUNT FIRST_MS
// Ids follow from their number and FIRST_MS, the time of the first one: a millisecond apart, so the
// labels of a second call meet the predictions of a first one, in the order of time.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/kafka/publisher.h"
#include "truth/topic_record.h"

namespace {

using namespace outrider;
using namespace outrider::truth;

constexpr std::uint64_t in_a_batch = 5'000;
constexpr Duration patience = std::chrono::minutes(2);

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

struct Play {
  kafka::Options options;
  Time first{};

  Uuid id_of(std::uint64_t i) const {
    return make_uuid7(first + std::chrono::milliseconds(i), mix(i), mix(~i));
  }

  std::vector<std::string> predictions(std::uint64_t begin, std::uint64_t end) const {
    ShipmentWriter writer;
    ShipmentHead head;
    head.workload = {"", "shop", "house-price"};
    head.pod = "pod-1";
    head.stream = make_uuid7(first, 1, 2);
    const RowView row{.prediction = 312000.0};
    for (std::uint64_t i = begin; i < end; ++i) {
      const Uuid id = id_of(i);
      const std::string text = format_uuid(id);
      writer.add(id, i,
                 {.id = text,
                  .time = id.time(),
                  .model_name = "house-price",
                  .model_version = "v12",
                  .rows = std::span(&row, 1)},
                 0);
    }
    std::vector<std::string> records;
    for (const ShipmentBody& body : writer.finish(
             head, [](auto, auto) { return JudgeRule{}; }, 0))
      records.push_back(write_topic_prediction(body.bytes));
    return records;
  }

  std::vector<std::string> labels(std::uint64_t begin, std::uint64_t end) const {
    std::vector<std::string> records;
    for (std::uint64_t i = begin; i < end; ++i) {
      records.push_back(write_topic_label(
          {.label = {.id = format_uuid(id_of(i)),
                     .row = {},
                     .truth = 300000.0,
                     .timestamp = {},
                     .brought = {}},
           .scope = {
               .cluster = {}, .name_space = "shop", .workload = "house-price", .model = {}}}));
    }
    return records;
  }

  bool run(bool labels_too, std::uint64_t count) const {
    kafka::Publisher publisher(options, std::make_shared<kafka::Troubles>("the topic"));
    // The broker makes the topic when it is first asked for it.
    for (int i = 0; i < 60 && !publisher.partitions(patience); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    for (std::uint64_t begin = 0; begin < count; begin += in_a_batch) {
      const std::uint64_t end = std::min(count, begin + in_a_batch);
      const auto records = labels_too ? labels(begin, end) : predictions(begin, end);
      std::vector<std::string> keys;
      for (std::uint64_t i = begin; i < end; ++i) keys.push_back(format_uuid(id_of(i)));
      std::vector<kafka::Publisher::Keyed> keyed;
      for (std::size_t i = 0; i < records.size(); ++i) keyed.emplace_back(keys[i], records[i]);
      if (const auto ok = publisher.publish(keyed, patience); !ok) {
        std::fprintf(stderr, "bench_kafka_play: %s\n", ok.error().message.c_str());
        return false;
      }
    }
    return true;
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc == 6 ? argv[3] : "";
  if (kind != "predictions" && kind != "labels") {
    std::fprintf(stderr, "bench_kafka_play BROKERS TOPIC predictions|labels COUNT FIRST_MS\n");
    return 2;
  }
  Play play;
  play.options.brokers = {argv[1]};
  play.options.topic = argv[2];
  play.first = from_unix_ms(std::strtoll(argv[5], nullptr, 10));
  return play.run(kind == "labels", std::strtoull(argv[4], nullptr, 10)) ? 0 : 1;
}
