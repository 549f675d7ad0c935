// SPDX-License-Identifier: Apache-2.0
// Forecasts from rolling origins over CSV files, and what they were worth beside the daily naive.
//   bench_forecast_rolling HORIZON ORIGINS APART TESTS FILE...
// TESTS is a folder whose file of the same name goes on from FILE, or "-". Origin j stands HORIZON
// + j APART rows before the end. One line a file and origin:
// name,origin,rows,mase,naive_mase,msis,cover_50,cover_90,cover_95,cpu_seconds Errors are scaled by
// the mean step from day to day before the origin; a series without one is left out.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "cli/forecast/forecast_table.h"

namespace {

using outrider::detectors::forecast::Forecast;
using outrider::detectors::forecast::History;

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double daily_step(const std::vector<double>& values, std::size_t end, std::size_t day) {
  double sum = 0, count = 0;
  for (std::size_t i = day; i < end; ++i) {
    const double step = std::fabs(values[i] - values[i - day]);
    if (std::isfinite(step)) sum += step, count += 1;
  }
  return count > 0 ? sum / count : 0;
}

struct Worth {
  double mase = 0, naive = 0, msis = 0, cover_50 = 0, cover_90 = 0, cover_95 = 0, count = 0;
};

Worth worth_of(const Forecast& forecast, const std::vector<double>& values, std::size_t origin,
               std::size_t day, double scale) {
  Worth worth;
  const auto& half = forecast.bands[0];
  const auto& nine = forecast.bands[1];
  const auto& most = forecast.bands[2];
  for (std::size_t h = 0; h < forecast.values.size(); ++h) {
    const double truth = values[origin + h];
    double naive = std::nan("");
    for (std::size_t back = day - h % day; back <= origin && !std::isfinite(naive); back += day)
      naive = values[origin - back];
    if (!std::isfinite(truth) || !std::isfinite(naive)) continue;
    const auto inside = [&](const auto& band) {
      return truth >= band.lower[h] && truth <= band.upper[h] ? 1.0 : 0.0;
    };
    worth.count += 1;
    worth.mase += std::fabs(truth - forecast.values[h]) / scale;
    worth.naive += std::fabs(truth - naive) / scale;
    worth.cover_50 += inside(half), worth.cover_90 += inside(nine), worth.cover_95 += inside(most);
    worth.msis += (most.upper[h] - most.lower[h] + 40 * std::max(0.0, most.lower[h] - truth) +
                   40 * std::max(0.0, truth - most.upper[h])) /
                  scale;
  }
  return worth;
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc < 6) {
    std::fprintf(stderr, "bench_forecast_rolling HORIZON ORIGINS APART TESTS FILE...\n");
    return 2;
  }
  const std::size_t horizon = std::strtoul(argv[1], nullptr, 10);
  const std::size_t origins = std::strtoul(argv[2], nullptr, 10);
  const std::size_t apart = std::strtoul(argv[3], nullptr, 10);
  const std::string tests = argv[4];
  for (int i = 5; i < argc; ++i) {
    const fs::path file = argv[i];
    std::string text = read(file);
    if (tests != "-") {
      const std::string more = read(fs::path(tests) / file.filename());
      text += more.substr(more.find('\n') + 1);
    }
    const auto table = outrider::cli::parse_forecast_table(file.filename(), text);
    if (!table) {
      std::fprintf(stderr, "%s\n", table.error().message.c_str());
      continue;
    }
    const auto& values = table->history.values;
    const auto day =
        static_cast<std::size_t>(std::max<std::int64_t>(1, 86'400'000 / table->history.step_ms));
    for (std::size_t j = 0; j < origins; ++j) {
      const std::size_t back = horizon + j * apart;
      if (back + 2 * day > values.size()) break;
      const std::size_t origin = values.size() - back;
      History history = table->history;
      history.values.resize(origin);
      const double scale = daily_step(values, origin, day);
      if (!(scale > 0)) continue;
      const double began = cpu_seconds();
      outrider::detectors::forecast::Settings settings;
      settings.horizon = horizon;
      const Forecast forecast = outrider::detectors::forecast::forecast(history, settings);
      const double took = cpu_seconds() - began;
      const Worth w = worth_of(forecast, values, origin, day, scale);
      if (w.count == 0) continue;
      std::printf("%s,%zu,%zu,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g\n", fs::path(file).stem().c_str(),
                  j, origin, w.mase / w.count, w.naive / w.count, w.msis / w.count,
                  w.cover_50 / w.count, w.cover_90 / w.count, w.cover_95 / w.count, took);
    }
  }
  return 0;
}
