// SPDX-License-Identifier: Apache-2.0
// Error slices beside the simplest rule: how often is the planted slice named first, and how often
// is any named?
//
//   bench_slices [--runs 200] [--json FILE]
//
// The simplest rule names the slice of at least 30 rows a side whose error rate rose most, by 10,
// 15 or 20 points or more.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "test/support/slice_rows.h"

namespace {

using namespace outrider;

constexpr double thresholds[] = {.10, .15, .20};
constexpr std::size_t rules = 1 + std::size(thresholds);

struct Tally {
  int first = 0, named = 0;
};

struct Rise {
  double rise = -1;
  std::size_t feature = 0, slice = 0;
};

Rise largest_rise(const detectors::ErrorSlices& slices) {
  Rise most;
  for (std::size_t f = 0; f < slices.counts().size(); ++f) {
    for (std::size_t s = 0; s < slices.counts()[f].size(); ++s) {
      const auto& [before, since] = slices.counts()[f][s];
      const double rise = since.rate() - before.rate();
      if (before.rows >= 30 && since.rows >= 30 && rise > most.rise) most = {rise, f, s};
    }
  }
  return most;
}

void print_row(const test::SliceScene& scene, const Tally (&tallies)[rules], int runs) {
  std::printf("%-40s", scene.name);
  for (const Tally& tally : tallies)
    std::printf("   %5.1f %5.1f", 100. * tally.first / runs, 100. * tally.named / runs);
  std::printf("\n");
}

void write_json(std::ofstream& out, const test::SliceScene& scene, const Tally (&tallies)[rules],
                int runs) {
  const bool planted = std::string(scene.name).starts_with("planted");
  const auto share = [&](const Tally& tally) {
    return static_cast<double>(planted ? tally.first : tally.named) / runs;
  };
  const double ours = share(tallies[0]), peer = share(tallies[2]);
  out << R"({"bench": "slices", "metric": ")" << scene.name << R"(", "value": )" << ours
      << R"(, "unit": "share of runs", "better": ")" << (planted ? "higher" : "lower")
      << R"(", "peer": "largest difference of 15 points", "peer_value": )" << peer
      << R"(, "ratio": )" << (peer > 0 ? ours / peer : 0) << R"(, "runs": )" << runs << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  int runs = 200;
  std::ofstream json;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--runs") runs = std::atoi(argv[i + 1]);
    if (option == "--json") json.open(argv[i + 1]);
  }
  std::printf("%d runs, %% of them: planted slice first, any named\n%-40s   %-11s", runs, "",
              "slices");
  for (const double threshold : thresholds) std::printf("   rise >= %2.0f %%", 100 * threshold);
  std::printf("\n");
  double seconds = 0;
  int judged = 0;
  for (const test::SliceScene& scene : test::slice_scenes) {
    Tally tallies[rules];
    for (int run = 0; run < runs; ++run) {
      const auto counts = test::slice_rows(scene, 1 + run);
      const auto begin = std::chrono::steady_clock::now();
      const auto report = counts.judge();
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      ++judged;
      tallies[0].first += test::planted_first(report);
      tallies[0].named += report.named > 0;
      const Rise most = largest_rise(counts);
      for (std::size_t i = 0; i < std::size(thresholds); ++i) {
        if (most.rise < thresholds[i]) continue;
        ++tallies[i + 1].named;
        tallies[i + 1].first += most.feature == 0 && most.slice == 3;
      }
    }
    print_row(scene, tallies, runs);
    if (json) write_json(json, scene, tallies, runs);
  }
  std::printf("%.1f ms a judgement of 80 slices\n", 1e3 * seconds / judged);
}
