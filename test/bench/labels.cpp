// SPDX-License-Identifier: Apache-2.0
// What the prediction log costs: CPU time of the whole process (RocksDB's background threads, JSON
// and answers included), resident memory, and the time of a synced write.
//
//   bench_labels [--predictions N] [--folder DIR] [--json FILE]
//
// N predictions (10 million) are written, one a millisecond of their ids; the log is opened anew;
// then labels come as HTTP bodies of 1 000 NDJSON lines from four threads: first in the order of
// the ids, then at random over all of them. Each figure is the median of five runs of a fifth of
// the labels.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/core/text.h"
#include "base/net/http_server.h"
#include "base/wire/json.h"
#include "truth/api/label_api.h"

namespace {

using namespace outrider;
using namespace outrider::truth;

constexpr int runs = 5;
constexpr std::size_t labels_a_body = 1000;
constexpr int senders = 4;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A line of /proc/self/status, in MiB.
double status_mib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(name + ":"))
      return std::strtod(line.c_str() + name.size() + 1, nullptr) / 1024;
  }
  return 0;
}

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// The id of prediction i needs no table: it follows from i.
std::string id_of(Time first, std::uint64_t i) {
  return format_uuid(make_uuid7(first + std::chrono::milliseconds(i), mix(i), mix(~i)));
}

// As a detector would: 64 bytes of state with each group.
class Detector final : public TruthConsumer {
 public:
  void restore(std::span<const StateBlob>) override {}
  void on_joined(const JoinedRow& row) override {
    sum_ += std::get<double>(row.truth) - std::get<double>(row.prediction);
  }
  void changed_state(StateWriter& out) override {
    out.put("e-detector", std::string(64, static_cast<char>(static_cast<int>(sum_) & 1)));
  }
  void committed() override {}

 private:
  double sum_ = 0;
};

struct Row {
  std::string metric;
  std::string unit;
  bool higher_is_better = true;
  std::vector<double> values;
  std::string bar;

  double median() const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

void print(const Row& row) {
  const auto [low, high] = std::minmax_element(row.values.begin(), row.values.end());
  std::printf("%-44s %12.4g %-12s min %-10.4g max %-10.4g %s\n", row.metric.c_str(), row.median(),
              row.unit.c_str(), *low, *high, row.bar.c_str());
  std::fflush(stdout);
}

std::string to_json(const Row& row) {
  const auto [low, high] = std::minmax_element(row.values.begin(), row.values.end());
  return wire::to_text(wire::Json{{"bench", "labels"},
                                  {"metric", row.metric},
                                  {"value", row.median()},
                                  {"unit", row.unit},
                                  {"better", row.higher_is_better ? "higher" : "lower"},
                                  {"peer", nullptr},
                                  {"peer_value", nullptr},
                                  {"ratio", nullptr},
                                  {"runs", row.values.size()},
                                  {"min", *low},
                                  {"max", *high}}) +
         "\n";
}

struct Bench {
  std::uint64_t predictions = 10'000'000;
  std::filesystem::path folder;
  std::string json_file;

  SystemClock clock;
  Detector detector;
  Time first{};
  std::unique_ptr<PredictionLog> log;
  std::vector<Row> rows;

  void open() {
    log.reset();
    LogSettings settings;
    settings.folder = folder / "log";
    settings.bytes_max = 8ull << 30;
    auto opened = PredictionLog::open(settings, detector, clock);
    if (!opened) throw std::runtime_error(opened.error().message);
    log = std::move(*opened);
  }

  void add(Row row) {
    print(row);
    rows.push_back(std::move(row));
  }

  void predict(std::uint64_t i, bool with_alias) {
    const std::string id = id_of(first, i);
    const std::string request_id =
        with_alias ? format_uuid(make_uuid7(first, mix(i + 1), mix(i + 2))) : "";
    const std::string_view aliases[] = {request_id};
    const RowView row[] = {{.prediction = static_cast<double>(i % 1000) * 1000}};
    const PredictionView prediction{.id = id,
                                    .time = first + std::chrono::milliseconds(i),
                                    .model_name = "house-price",
                                    .model_version = "v12",
                                    .aliases = aliases,
                                    .rows = row};
    while (!log->append(prediction)) log->flush(std::chrono::seconds(60));
  }

  // CPU seconds of appending [begin, end), until it is on disk.
  double fill(std::uint64_t begin, std::uint64_t end, bool with_alias) {
    const double before = cpu_seconds();
    for (std::uint64_t i = begin; i < end; ++i) predict(i, with_alias);
    log->flush(std::chrono::seconds(60));
    return cpu_seconds() - before;
  }

  std::string body_of(const std::function<std::uint64_t(std::uint64_t)>& which,
                      std::uint64_t begin) {
    std::string body;
    for (std::uint64_t j = begin; j < begin + labels_a_body; ++j) {
      body += "{\"id\":\"" + id_of(first, which(j)) + "\",\"label\":" + std::to_string(j % 1000) +
              "}\n";
    }
    return body;
  }

  // Sends labels [begin, end) of the order; gives the CPU seconds without those of making the
  // bodies.
  double send(std::uint64_t begin, std::uint64_t end,
              const std::function<std::uint64_t(std::uint64_t)>& which) {
    net::Router router;
    add_label_routes(router, *log);
    std::vector<std::string> bodies;
    for (std::uint64_t j = begin; j < end; j += labels_a_body) bodies.push_back(body_of(which, j));
    const std::uint64_t joined_before = joined();
    const double before = cpu_seconds();
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < senders; ++t) {
      threads.emplace_back([&] {
        for (std::size_t at = next++; at < bodies.size(); at = next++) {
          net::HttpRequest request;
          request.method = "POST";
          request.path = "/api/v1/labels";
          request.body = std::move(bodies[at]);
          if (router.handle(std::move(request)).status != 200) std::abort();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const double taken = cpu_seconds() - before;
    if (joined() - joined_before != end - begin) {
      throw std::runtime_error("of " + std::to_string(end - begin) + " labels only " +
                               std::to_string(joined() - joined_before) + " were joined");
    }
    return taken;
  }

  std::uint64_t joined() const {
    return log->figures().labels[static_cast<std::size_t>(LabelResult::joined)];
  }

  void measure_joins(const std::string& metric, std::uint64_t begin, std::uint64_t count,
                     const std::string& bar,
                     const std::function<std::uint64_t(std::uint64_t)>& which) {
    Row row{metric, "joins/CPU-s", true, {}, bar};
    const std::uint64_t each = count / runs / labels_a_body * labels_a_body;
    for (int r = 0; r < runs; ++r) {
      const std::uint64_t from = begin + static_cast<std::uint64_t>(r) * each;
      row.values.push_back(static_cast<double>(each) / send(from, from + each, which));
    }
    add(row);
  }

  void run() {
    first = clock.now() - std::chrono::milliseconds(predictions) - std::chrono::hours(1);
    open();
    const std::uint64_t filled = predictions / 5 * 5;
    Row append{"append and write, 1000 predictions/s", "us CPU", false, {}, ""};
    for (std::uint64_t r = 0; r < 5; ++r) {
      const double taken = fill(r * filled / 5, (r + 1) * filled / 5, false);
      append.values.push_back(taken * 1e6 / (static_cast<double>(filled) / 5));
    }
    add(append);
    add({"resident memory, filling (peak)", "MiB", false, {status_mib("VmHWM")}, "bar 200"});
    open();
    const auto figures = log->figures();
    std::printf("%llu pending, %s on disk\n", static_cast<unsigned long long>(figures.pending),
                format_bytes(figures.disk_bytes).c_str());
    add({"resident memory, all pending, opened anew",
         "MiB",
         false,
         {status_mib("VmRSS")},
         "bar 200"});

    const std::uint64_t ordered = predictions / 5, scattered = predictions / 20;
    measure_joins("joins, ids in time order", 0, ordered, "bar 100000",
                  [](std::uint64_t j) { return j; });
    // A walk over the rest in steps of a prime: each once, neighbours far apart.
    const std::uint64_t rest = predictions - ordered;
    measure_joins("joins, ids at random", 0, scattered, "bar 20000",
                  [=](std::uint64_t j) { return ordered + (j * 6'700'417ull) % rest; });
    add({"resident memory, joining (peak)", "MiB", false, {status_mib("VmHWM")}, "bar 200"});

    const std::uint64_t aliased = predictions / 20;
    Row with_alias{"append and write, with a random alias", "us CPU", false, {}, ""};
    for (std::uint64_t r = 0; r < 5; ++r) {
      const std::uint64_t begin = predictions + r * aliased / 5;
      with_alias.values.push_back(fill(begin, begin + aliased / 5, true) * 1e6 /
                                  (static_cast<double>(aliased) / 5));
    }
    add(with_alias);
    Row sync{"synced write of one label, time", "ms", false, {}, ""};
    for (int r = 0; r < 21; ++r) {
      GroundTruth label;
      label.id = id_of(first, predictions + static_cast<std::uint64_t>(r));
      label.truth = 1.0;
      const auto began = std::chrono::steady_clock::now();
      if (!log->join({label})) throw std::runtime_error("a label was not taken");
      sync.values.push_back(to_seconds(std::chrono::steady_clock::now() - began) * 1e3);
    }
    add(sync);
    if (!json_file.empty()) {
      std::ofstream out(json_file);
      for (const Row& row : rows) out << to_json(row);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  Bench bench;
  std::string folder = (std::filesystem::temp_directory_path() / "outrider-bench-XXXXXX").string();
  bool own_folder = true;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--predictions") {
      bench.predictions = std::max(100'000ull, std::strtoull(argv[i + 1], nullptr, 10));
    } else if (option == "--folder") {
      folder = argv[i + 1];
      own_folder = false;
    } else if (option == "--json") {
      bench.json_file = argv[i + 1];
    } else {
      std::cerr << "usage: bench_labels [--predictions N] [--folder DIR] [--json FILE]\n";
      return 2;
    }
  }
  if (own_folder && !::mkdtemp(folder.data())) return 1;
  bench.folder = folder;
  int status = 0;
  try {
    bench.run();
  } catch (const std::exception& error) {
    std::cerr << "bench_labels: " << error.what() << "\n";
    status = 1;
  }
  bench.log.reset();
  std::error_code ignored;
  std::filesystem::remove_all(bench.folder / "log", ignored);
  if (own_folder) std::filesystem::remove(bench.folder, ignored);
  return status;
}
