// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the benchmark of drift is made of: figures as rows, streams of rows and of counts,
// references of them.

#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/wire/json.h"
#include "detectors/version_watch.h"
#include "reference/builder.h"

namespace outrider::bench {

using namespace outrider::detectors;
using namespace std::chrono_literals;

constexpr std::size_t reference_rows = 20'000;
constexpr std::size_t alarm_features = 50;
constexpr double pi = 3.14159265358979323846;
inline const Time start{std::chrono::hours(24 * 7 * 2600)};

struct Settings {
  std::string json;
  int days = 30;
  int rows_a_pane = 600;
  bool alarms = true;
  bool peers = false;   // On the very same rows: slow.
  std::string windows;  // A folder.
  std::string only;     // cost, looks, seasons, nulls or power; "": all.
};

inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Rows {
 public:
  explicit Rows(const std::string& file) {
    if (!file.empty()) out_.open(file);
  }
  void add(const std::string& metric, double value, const std::string& unit,
           const std::string& better, const std::string& peer = "",
           double peer_value = std::nan(""), int runs = 1) {
    std::printf("%-62s %14.6g %s", metric.c_str(), value, unit.c_str());
    if (!peer.empty()) std::printf("   (%s: %.6g)", peer.c_str(), peer_value);
    std::printf("\n");
    std::fflush(stdout);
    if (!out_.is_open()) return;
    const double ratio = peer_value != 0 ? value / peer_value : std::nan("");
    wire::Json row{{"bench", "drift"},
                   {"metric", metric},
                   {"value", value},
                   {"unit", unit},
                   {"better", better},
                   {"peer", peer},
                   {"peer_value", peer_value},
                   {"ratio", ratio},
                   {"runs", runs},
                   {"min", ratio},
                   {"max", ratio}};
    out_ << wire::to_text(row) << "\n";
  }

 private:
  std::ofstream out_;
};

// ---- Streams

enum class Null { independent, autocorrelated, seasonal };
constexpr std::array<std::pair<Null, const char*>, 3> nulls{
    {{Null::independent, "independent rows"},
     {Null::autocorrelated, "autocorrelation 0.9"},
     {Null::seasonal, "daily and weekly seasons"}}};

// The mean of a feature swings by 0.15 sigma over the day and 0.1 over the week, with phases of its
// own.
inline double season(Time at, std::size_t feature, std::size_t features) {
  const double day = to_seconds(at.time_since_epoch()) / 86400;
  const double phase = static_cast<double>(feature) / static_cast<double>(features);
  return 0.15 * std::sin(2 * pi * (day + phase)) + 0.1 * std::sin(2 * pi * (day / 7 + phase));
}

// Standard-normal features, row by row.
class Stream {
 public:
  Stream(Null null, std::size_t features, std::uint64_t seed)
      : null_(null), random_(seed), last_(features) {
    for (double& x : last_) x = normal_(random_);
  }

  const std::vector<double>& next(Time at) {
    for (std::size_t i = 0; i < last_.size(); ++i) {
      const double fresh = normal_(random_);
      switch (null_) {
        case Null::independent:
          last_[i] = fresh;
          break;
        case Null::autocorrelated:
          last_[i] = 0.9 * last_[i] + std::sqrt(1 - 0.81) * fresh;
          break;
        case Null::seasonal:
          last_[i] = fresh + season(at, i, last_.size());
      }
    }
    return last_;
  }

 private:
  Null null_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::vector<double> last_;
};

struct Trained {
  std::shared_ptr<const Reference> reference;
  std::vector<std::vector<double>> rows;
  std::vector<std::vector<double>> sorted;  // By feature: for the peers.
};

// Rows of the four weeks before the start, so that whole seasons are in them.
inline Trained train(Null null, std::size_t features, std::uint64_t seed, bool timed = false) {
  std::vector<std::vector<double>> rows;
  Stream stream(null, features, seed);
  const Duration step = Duration(24h * 28) / reference_rows;
  for (std::size_t i = 0; i < reference_rows; ++i)
    rows.push_back(stream.next(start - 24h * 28 + i * step));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < features; ++i) names.push_back("x" + std::to_string(i));
  names.push_back("predicted");
  if (timed) names.push_back("at");
  std::vector<Value> values(names.size());
  const auto visit_all = [&](const reference::VisitRow& visit) -> Result<void> {
    for (std::size_t r = 0; r < rows.size(); ++r) {
      for (std::size_t i = 0; i < features; ++i) values[i] = Value::of(rows[r][i]);
      values[features] = Value::of(rows[r][0] + rows[r][1]);
      const Time at = start - 24h * 28 + static_cast<std::int64_t>(r) * step;
      if (timed) values[features + 1] = Value::of(to_seconds(at.time_since_epoch()));
      visit(values);
    }
    return {};
  };
  reference::BuildSettings settings;
  settings.prediction = "predicted";
  if (timed) settings.time = "at";
  auto built = reference::build_reference(names, visit_all, settings);
  if (!built) throw std::runtime_error(built.error().message);
  Trained trained{built->reference.statistics, rows, {}};
  for (std::size_t i = 0; i < features; ++i) {
    std::vector<double> column;
    for (const auto& row : rows) column.push_back(row[i]);
    std::sort(column.begin(), column.end());
    trained.sorted.push_back(std::move(column));
  }
  return trained;
}

// The same features as counts of ten seconds, without the multivariate subject: at rates at which
// rows take too long. Each feature is standard normal about a mean that the caller gives; the
// prediction is the first feature.
class CountStream {
 public:
  using Mean = std::function<double(Time at, std::size_t feature)>;

  CountStream(const Reference& reference, double rows_a_second, Mean mean, std::uint64_t seed)
      : reference_(reference),
        rows_(rows_a_second * 10),
        mean_(std::move(mean)),
        random_(seed),
        cumulative_(reference.features.size()) {}

  // Adds the ten seconds from `at` on to the watch.
  void feed(VersionWatch& watch, Time at) {
    if (!frame_) frame_.emplace(watch.layout());
    if (at.time_since_epoch() % Duration(5min) == Duration{} || cumulative_[0].empty())
      set_means(at);
    frame_->clear();
    frame_->rows = rows_now();
    for (std::size_t i = 0; i <= cumulative_.size(); ++i) {
      const std::size_t feature = i < cumulative_.size() ? i : 0;
      draw(cumulative_[feature], frame_->rows, &frame_->counts[watch.layout().offset(i)]);
    }
    watch.observe_counts(*frame_, at);
  }

 private:
  // Whole rows, their mean as asked.
  std::uint64_t rows_now() {
    owed_ += rows_;
    const double whole = std::floor(owed_);
    owed_ -= whole;
    return static_cast<std::uint64_t>(whole);
  }
  void set_means(Time at) {
    for (std::size_t i = 0; i < cumulative_.size(); ++i) {
      const double mean = mean_(at + 150s, i);
      cumulative_[i].clear();
      for (const double edge : reference_.features[i].bins.edges()) {
        cumulative_[i].push_back(0.5 * std::erfc((mean - edge) / std::sqrt(2.0)));
      }
      cumulative_[i].push_back(1);
    }
  }
  void draw(const std::vector<double>& cumulative, std::uint64_t rows, std::uint32_t* counts) {
    constexpr std::uint64_t few = 1000;
    if (rows <= few) {
      for (std::uint64_t row = 0; row < rows; ++row) {
        const double uniform = static_cast<double>(random_() >> 11) * 0x1p-53;
        std::size_t bin = 0;
        for (const double below : cumulative) bin += below <= uniform ? 1 : 0;  // No branches.
        ++counts[std::min(bin, cumulative.size() - 1)];
      }
      return;
    }
    // Binomials one after the other, as normals: 500 rows a bin are enough.
    double left = static_cast<double>(rows), before = 0;
    for (std::size_t b = 0; b < cumulative.size(); ++b) {
      const double share = (cumulative[b] - before) / (1 - before);
      double count = left;
      if (b + 1 < cumulative.size()) {
        count = std::round(left * share + std::sqrt(left * share * (1 - share)) * normal_(random_));
      }
      count = std::clamp(count, 0.0, left);
      counts[b] = static_cast<std::uint32_t>(count);
      left -= count;
      before = cumulative[b];
    }
  }

  const Reference& reference_;
  double rows_, owed_ = 0;
  Mean mean_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::vector<std::vector<double>> cumulative_;
  std::optional<Frame> frame_;
};

// The reference without its multivariate subject, and the prediction being the first feature.
inline std::shared_ptr<const Reference> for_counts(const Trained& trained) {
  auto reference = std::make_shared<Reference>(*trained.reference);
  reference->multivariate.reset();
  reference->prediction = reference->features[0];
  if (reference->timed) {
    auto& counts = reference->timed->counts;
    counts.resize(reference->features.size() + 1);
    counts.back() = counts.front();
  }
  return reference;
}

// Alarms: when a subject begins to drift. One object follows one watch.
class AlarmCounter {
 public:
  explicit AlarmCounter(const VersionWatch& watch)
      : before_(watch.verdicts().size(), State::stable) {}

  void look(const VersionWatch& watch) {
    for (std::size_t k = 0; k < before_.size(); ++k) {
      const Verdict& verdict = watch.verdicts()[k];
      if (verdict.state == State::drift && before_[k] != State::drift)
        ++(verdict.subject == "multivariate" ? multivariate : features);
      if (verdict.state == State::warning && before_[k] == State::stable) ++warnings;
      before_[k] = verdict.state;
    }
  }
  std::uint64_t features = 0, multivariate = 0, warnings = 0;

 private:
  std::vector<State> before_;
};

}  // namespace outrider::bench
