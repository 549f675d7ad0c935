// SPDX-License-Identifier: Apache-2.0
// What taking in costs without HTTP: decompress, decode, find the series, hand on. Rows of JSON, or
//   text. bench_series_intake [--series N] [--rounds N]
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "agent/ingest/remote_write.h"
#include "test/bench/series_bodies.h"
#include "test/support/fake_clock.h"

using namespace outrider;

namespace {

class Counting final : public series::SeriesSink {
 public:
  void take(std::size_t, std::span<const series::IncomingSeries> all) override {
    for (const auto& one : all) samples += one.samples.size();
  }
  void forget(std::size_t, std::uint32_t) override {}
  void take_metadata(std::string_view, series::MetricKind) override {}
  std::uint64_t samples = 0;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double resident_bytes() {
  malloc_trim(0);  // What the bodies took does not count.
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

net::HttpRequest request_of(int version, std::string body) {
  net::HttpRequest request;
  request.headers = {{"Content-Type",
                      version == 1 ? "application/x-protobuf"
                                   : "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
                     {"Content-Encoding", "snappy"}};
  request.body = std::move(body);
  return request;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t series = 200'000, rounds = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--series")) series = std::stoul(argv[i + 1]);
    if (!std::strcmp(argv[i], "--rounds")) rounds = std::stoul(argv[i + 1]);
  }
  test::FakeClock clock;
  Counting sink;
  ingest::RemoteWriteReceiver::Settings settings;
  settings.table.series_max = series * 2;
  const double before = resident_bytes();
  ingest::RemoteWriteReceiver receiver(settings, clock, &sink);
  std::int64_t at = to_unix_ms(clock.now()) - 3'600'000;
  for (const int version : {1, 2}) {
    for (const std::size_t each : {1, 5}) {
      double spent = 0;
      std::uint64_t taken = 0;
      for (std::size_t round = 0; round <= rounds; ++round) {
        std::vector<net::HttpRequest> requests;
        for (std::string& body : bench::round_of(series, each, at, version)) {
          requests.push_back(request_of(version, std::move(body)));
        }
        at += static_cast<std::int64_t>(each) * 1000;
        const std::uint64_t samples_before = sink.samples;
        const double began = cpu_seconds();
        for (const auto& request : requests) {
          if (receiver.take(request).status != 204) return 1;
        }
        const double took = cpu_seconds() - began;
        if (round == 0 && version == 1 && each == 1) {
          requests = {};
          std::printf("new series: %.2f M a CPU-second, %.0f B each\n",
                      static_cast<double>(series) / took / 1e6,
                      (resident_bytes() - before) / static_cast<double>(series));
        } else if (round > 0) {
          spent += took;
          taken += sink.samples - samples_before;
        }
      }
      std::printf("%d.0, %zu samples a series: %.2f M samples a CPU-second\n", version, each,
                  static_cast<double>(taken) / spent / 1e6);
    }
  }
}
