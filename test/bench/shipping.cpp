// SPDX-License-Identifier: Apache-2.0
// What shipped predictions cost, in CPU time of the whole process: in the sidecar beside its own
// log, and in the agent from the bytes of a request to the synced write, and its labels.
//
//   bench_shipping [--predictions N]     // 2 million
//
// Each figure is the median of five runs. Requests hold 1 000 predictions of one row, with an
// alias.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "truth/prediction_log.h"
#include "truth/shipment.h"

namespace {

using namespace outrider;
using namespace outrider::truth;

constexpr int runs = 5;
constexpr std::uint64_t in_a_request = 1000;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

class Nobody final : public TruthConsumer {
 public:
  void restore(std::span<const StateBlob>) override {}
  void on_joined(const JoinedRow&) override {}
  void changed_state(StateWriter&) override {}
  void committed() override {}
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Bench {
  std::filesystem::path folder;
  std::uint64_t predictions = 2'000'000;
  SystemClock clock;
  Nobody consumer;
  Time first = clock.now() - std::chrono::hours(1);
  std::vector<double> appended, written, taken, joined;

  Uuid id_of(std::uint64_t i) const {
    return make_uuid7(first + std::chrono::milliseconds(i), mix(i), mix(~i));
  }
  std::unique_ptr<PredictionLog> open(const std::string& name, bool shipped) {
    LogSettings settings;
    settings.folder = folder / name;
    settings.bytes_max = 8ull << 30;
    settings.shipped = shipped;
    auto opened = PredictionLog::open(settings, consumer, clock);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }

  template <class Take>
  void each(std::uint64_t begin, std::uint64_t end, Take take) {
    const std::string alias = "request-000000";
    const std::string_view aliases[] = {alias};
    const RowView row{.prediction = 312000.0};
    for (std::uint64_t i = begin; i < end; ++i) {
      const Uuid id = id_of(i);
      const std::string text = format_uuid(id);
      take(i, id,
           PredictionView{.id = text,
                          .time = id.time(),
                          .model_name = "house-price",
                          .model_version = "v12",
                          .aliases = aliases,
                          .rows = std::span(&row, 1)});
    }
  }

  void run(int number) {
    const std::uint64_t count = predictions / runs;
    const std::uint64_t begin = static_cast<std::uint64_t>(number) * count, end = begin + count;
    const auto log = open("own", false);
    double before = cpu_seconds();
    each(begin, end, [&](std::uint64_t, const Uuid&, const PredictionView& prediction) {
      while (!log->append(prediction)) log->flush(std::chrono::seconds(60));
    });
    log->flush(std::chrono::seconds(60));
    appended.push_back((cpu_seconds() - before) / static_cast<double>(count) * 1e6);

    std::vector<std::string> bodies;
    ShipmentWriter writer;
    ShipmentHead head;
    head.workload = {"", "shop", "house-price"};
    head.stream = make_uuid7(first, 1, 2);
    before = cpu_seconds();
    each(begin, end, [&](std::uint64_t i, const Uuid& id, const PredictionView& prediction) {
      writer.add(id, i, prediction, 0);
      if ((i + 1) % in_a_request != 0) return;
      for (auto& body : writer.finish(head, [](auto, auto) { return JudgeRule{}; }))
        bodies.push_back(std::move(body.bytes));
    });
    written.push_back((cpu_seconds() - before) / static_cast<double>(count) * 1e6);

    const auto agent = open("agent", true);
    before = cpu_seconds();
    for (const std::string& body : bodies) {
      auto shipment = decode_shipment(body, clock.now(), true);
      if (!shipment || !agent->take(std::move(*shipment))) throw std::runtime_error("not taken");
    }
    taken.push_back(static_cast<double>(count) / (cpu_seconds() - before));

    std::vector<std::vector<GroundTruth>> labels;
    for (std::uint64_t i = begin; i < end; ++i) {
      if (i % in_a_request == 0) labels.emplace_back();
      labels.back().push_back(
          {.id = format_uuid(id_of(i)), .row = {}, .truth = 1.0, .timestamp = {}, .brought = {}});
    }
    before = cpu_seconds();
    for (auto& some : labels) {
      const auto answers = agent->join(std::move(some));
      if (!answers || answers->front().result != LabelResult::joined)
        throw std::runtime_error("not joined");
    }
    joined.push_back(static_cast<double>(count) / (cpu_seconds() - before));
  }
};

}  // namespace

int main(int argc, char** argv) {
  Bench bench;
  if (argc == 3) bench.predictions = std::strtoull(argv[2], nullptr, 10);
  bench.folder = std::filesystem::temp_directory_path() / "outrider-bench-shipping";
  std::filesystem::remove_all(bench.folder);
  for (int i = 0; i < runs; ++i) bench.run(i);
  std::printf("own log, us a prediction        %8.3f\n", median(bench.appended));
  std::printf("shipment written, us            %8.3f\n", median(bench.written));
  std::printf("agent takes, predictions/CPU-s  %8.0f\n", median(bench.taken));
  std::printf("agent joins, labels/CPU-s       %8.0f\n", median(bench.joined));
  std::filesystem::remove_all(bench.folder);
}
