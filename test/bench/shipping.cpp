// SPDX-License-Identifier: Apache-2.0
// What shipped predictions cost, in CPU time of the whole process.
//
//   bench_shipping [--predictions N] [--rate R] [--seconds S] [--json FILE]
//
// First the agent: from the bytes of a request of 1 000 predictions of one row, with an alias, to
// the synced write, and their labels (N of each, 2 million; medians of five runs). Then a sidecar:
// for S seconds (4) R predictions a second (10 000) go to its own log, to an agent over HTTP and to
// a topic of Kafka, one after the other, five times. A ratio is of one round, and so is a
// difference; printed are their medians and their ends. Agent and brokers are played by processes
// of their own, whose CPU is not counted.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sidecar/monitor/shipping/shipper.h"
#include "sidecar/monitor/shipping/topic_shipper.h"
#include "test/support/kafka_cluster.h"
#include "truth/log/prediction_log.h"
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

// A process that plays a receiver until this one ends, and what it says of its address.
template <class Play>
std::string play(Play run) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  if (const pid_t child = ::fork(); child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    run([&](const std::string& address) {
      if (::write(ends[1], address.data(), address.size()) < 0) std::abort();
      ::close(ends[1]);
    });
    for (;;) ::pause();
  } else if (child < 0) {
    throw std::runtime_error("no process");
  }
  ::close(ends[1]);
  std::string address;
  char bytes[256];
  for (ssize_t got; (got = ::read(ends[0], bytes, sizeof bytes)) > 0;)
    address.append(bytes, static_cast<std::size_t>(got));
  ::close(ends[0]);
  if (address.empty()) throw std::runtime_error("a played receiver did not start");
  return address;
}

using Tell = std::function<void(const std::string&)>;

std::string play_agent() {
  return play([](const Tell& tell) {
    net::Router router;
    router.add("POST", "/api/v1/predictions",
               [](const net::HttpRequest&) { return net::text_response(200, "{}"); });
    static net::HttpServer server(net::HttpServer::Settings{.listen_address = "127.0.0.1:0"},
                                  std::move(router));
    tell("http://127.0.0.1:" + std::to_string(server.port()));
  });
}

std::string play_brokers() {
  return play([](const Tell& tell) {
    static test::KafkaCluster cluster;
    cluster.create("truth", 6);
    tell(cluster.options("truth").brokers.front());
  });
}

struct Bench {
  std::filesystem::path folder;
  std::uint64_t predictions = 2'000'000;
  SystemClock clock;
  Nobody consumer;
  Time first = clock.now() - std::chrono::hours(1);
  std::vector<double> written, taken, joined;

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
    std::vector<std::string> bodies;
    ShipmentWriter writer;
    ShipmentHead head;
    head.workload = {"", "shop", "house-price"};
    head.stream = make_uuid7(first, 1, 2);
    double before = cpu_seconds();
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

// A sidecar's ways of its predictions, side by side.
struct Sidecar {
  std::filesystem::path folder;
  double rate = 10'000, seconds = 4;
  std::string agent, brokers;
  SystemClock clock;
  Nobody consumer;
  std::uint64_t serial = 0;
  std::vector<double> own, shipped, topic;  // Microseconds of CPU a prediction, one a round.

  static JudgeRule rule(std::string_view, std::string_view) { return {}; }

  // Microseconds of CPU a prediction: `take` each of them, and `finish` what is under way.
  template <class Take, class Finish>
  double cost(Take take, Finish finish) {
    using Steady = std::chrono::steady_clock;
    const RowView row{.prediction = 312000.0};
    const double before = cpu_seconds();
    const auto began = Steady::now();
    std::uint64_t made = 0;
    const auto all = static_cast<std::uint64_t>(rate * seconds);
    while (made < all) {
      const double passed = to_seconds(Steady::now() - began);
      const auto due = std::min(all, static_cast<std::uint64_t>(rate * passed));
      for (; made < due; ++made) {
        const Time now = clock.now();
        ++serial;
        const std::string text = format_uuid(make_uuid7(now, mix(serial), mix(~serial)));
        const std::string alias = "request-" + std::to_string(serial);
        const std::string_view aliases[] = {alias};
        if (!take(PredictionView{.id = text,
                                 .time = now,
                                 .model_name = "house-price",
                                 .model_version = "v12",
                                 .aliases = aliases,
                                 .rows = std::span(&row, 1)})) {
          throw std::runtime_error("a prediction was dropped: the disk is too slow for this rate");
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (!finish()) throw std::runtime_error("not everything was taken within a minute");
    return (cpu_seconds() - before) / static_cast<double>(all) * 1e6;
  }

  void round() {
    constexpr Duration patience = std::chrono::minutes(1);
    {
      LogSettings settings;
      settings.folder = folder / "own";
      settings.bytes_max = 8ull << 30;
      auto log = PredictionLog::open(settings, consumer, clock);
      if (!log) throw std::runtime_error(log.error().message);
      own.push_back(cost([&](const PredictionView& one) { return (*log)->append(one); },
                         [&] { return (*log)->flush(patience); }));
    }
    ShippingOptions options;
    options.workload = "house-price";
    options.name_space = "shop";
    options.pod = "pod-1";
    options.urls = {agent};
    {
      monitor::Shipper shipper(options, truth::Sample{}, folder / "shipped", rule, clock);
      shipped.push_back(cost([&](const PredictionView& one) { return shipper.append(one, 0); },
                             [&] { return shipper.stop(patience); }));
    }
    options.urls.clear();
    options.kafka.brokers = {brokers};
    options.kafka.topic = "truth";
    monitor::TopicShipper shipper(options, truth::Sample{}, folder / "topic", rule, clock);
    topic.push_back(cost([&](const PredictionView& one) { return shipper.append(one, 0); },
                         [&] { return shipper.stop(patience); }));
  }
};

struct Figure {
  double median, least, most;
};

Figure figure(std::vector<double> values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const Figure ends{0, *least, *most};
  return {median(std::move(values)), ends.least, ends.most};
}

// Prints a way beside the own log, and writes its row.
void tell(std::ofstream& json, const char* name, const std::vector<double>& values,
          const std::vector<double>& own) {
  std::vector<double> more, ratios;
  for (std::size_t i = 0; i < values.size(); ++i) {
    more.push_back(values[i] - own[i]);
    ratios.push_back(values[i] / own[i]);
  }
  const Figure value = figure(values), difference = figure(more), ratio = figure(ratios);
  std::printf("%-30s %8.3f us, beyond the own log %+7.3f (%+.3f to %+.3f), ratio %.3f\n", name,
              value.median, difference.median, difference.least, difference.most, ratio.median);
  json << R"({"bench": "shipping", "metric": "CPU a prediction in the monitor, )" << name
       << R"(", "value": )" << value.median << R"(, "unit": "us", "better": "lower", )"
       << R"("peer": "its own log", "peer_value": )" << figure(own).median << R"(, "ratio": )"
       << ratio.median << R"(, "runs": )" << values.size() << R"(, "min": )" << ratio.least
       << R"(, "max": )" << ratio.most << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  Bench bench;
  Sidecar sidecar;
  std::ofstream json;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--predictions") bench.predictions = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--rate") sidecar.rate = std::strtod(argv[i + 1], nullptr);
    if (name == "--seconds") sidecar.seconds = std::strtod(argv[i + 1], nullptr);
    if (name == "--json") json.open(argv[i + 1]);
  }
  sidecar.agent = play_agent();  // Before there are threads.
  sidecar.brokers = play_brokers();
  bench.folder = sidecar.folder =
      std::filesystem::temp_directory_path() / "outrider-bench-shipping";
  std::filesystem::remove_all(bench.folder);
  for (int i = 0; i < runs; ++i) bench.run(i);
  std::printf("shipment written, us            %8.3f\n", median(bench.written));
  std::printf("agent takes, predictions/CPU-s  %8.0f\n", median(bench.taken));
  std::printf("agent joins, labels/CPU-s       %8.0f\n", median(bench.joined));
  std::filesystem::remove_all(bench.folder);
  for (int i = 0; i < runs; ++i) sidecar.round();
  tell(json, "its own log", sidecar.own, sidecar.own);
  tell(json, "shipped to an agent", sidecar.shipped, sidecar.own);
  tell(json, "shipped to a topic", sidecar.topic, sidecar.own);
  std::filesystem::remove_all(bench.folder);
  return 0;
}
