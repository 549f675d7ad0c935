// SPDX-License-Identifier: Apache-2.0
// What distribution drift costs, and how often it cries wolf.
//   bench_drift [--json FILE] [--days N] [--rows-a-pane N] [--no-alarms] [--peers] [--windows
//   FOLDER] [--only PART]
// (scripts/bench drift runs it by test/bench/drift, which with --peers puts the real Evidently
// beside it.)
//
// Cost: CPU time of VersionWatch::observe at 20 features with every statistic on, of the bin search
// alone, of a judgement, and of what a restart stores; memory at 1 000 features.
// Early looks, seasons: false alarms of 50 features in 30 days and times to find a change
// (drift_seasons.h). Alarms: 50 features without drift for 30 days of five-minute panes, under
// three nulls: independent rows; rows autocorrelated with 0.9; daily and weekly seasons, the first
// two weeks of which the rhythm is not known. With --peers, on the very same rows: a two-sample KS
// test
// a window and feature at 0.05, and Evidently's default for references above 1 000 rows (normed
// Wasserstein >= 0.1), both computed here on the raw values. Then power: +0.3 sigma in one feature,
// found within the day; what it is after a jump, and where rows hang together.
//
// With --windows, FOLDER gets for each null the reference's rows and some of the windows as raw
// doubles, row by row, and windows.json with what is said here of each: for a check by the real
// package.
#include <iostream>

#include "base/core/text.h"
#include "detectors/kolmogorov_smirnov.h"
#include "test/bench/drift_seasons.h"
#include "test/bench/drift_streams.h"

using namespace outrider;
using namespace outrider::bench;

namespace {

// ---- Cost

void measure_search(Rows& out) {
  const Trained trained = train(Null::independent, 2, 1);
  const Binning& bins = trained.reference->features[0].bins;
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal;
  std::vector<double> values(1 << 14);
  for (double& value : values) value = normal(random);
  constexpr int rounds = 2000;
  std::vector<double> runs;
  std::uint64_t slots = 0;
  for (int run = 0; run < 7; ++run) {
    const double before = cpu_seconds();
    for (int round = 0; round < rounds; ++round) {
      for (const double value : values) slots += bins.slot_of(value);
    }
    runs.push_back((cpu_seconds() - before) / rounds / static_cast<double>(values.size()) * 1e9);
  }
  std::sort(runs.begin(), runs.end());
  if (slots == 0) std::printf("\n");  // The sum is used, so the loop stays.
  out.add("bin search, B = 20", runs[runs.size() / 2], "ns/value", "lower", "bar", 10, 7);
}

void measure_observe(Rows& out) {
  constexpr std::size_t features = 20;
  const Trained trained = train(Null::independent, features, 3);
  auto reference = std::make_shared<Reference>(*trained.reference);
  // Calibrated scores too, so that every statistic is on.
  std::vector<double> scores;
  std::vector<bool> hits;
  std::mt19937_64 random(4);
  std::uniform_real_distribution<double> uniform;
  for (int i = 0; i < 10'000; ++i) {
    scores.push_back(uniform(random));
    hits.push_back(uniform(random) < scores.back());
  }
  reference->calibration = *Calibration::fit(Calibration::Kind::binary, scores, hits);
  VersionWatch watch(reference);
  Stream stream(Null::independent, features, 5);
  std::vector<std::array<Value, features>> rows(4096);
  for (auto& row : rows) {
    const auto& fresh = stream.next(start);
    for (std::size_t i = 0; i < features; ++i) row[i] = Value::of(fresh[i]);
  }
  constexpr int rounds = 60;
  std::vector<double> runs;
  Time at = start;
  for (int run = 0; run < 7; ++run) {
    const double before = cpu_seconds();
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        at += 100us;
        watch.observe(rows[i], Value::of(rows[i][0].number + rows[i][1].number), scores[i], at);
      }
    }
    runs.push_back(rounds * static_cast<double>(rows.size()) / (cpu_seconds() - before));
  }
  std::sort(runs.begin(), runs.end());
  out.add("observe, 20 features, all statistics on", runs[runs.size() / 2],
          "predictions/CPU-second", "higher", "bar", 300'000, 7);
  double before = cpu_seconds();
  const auto verdicts = watch.judge_all();
  out.add("judgement of all subjects", (cpu_seconds() - before) * 1e6, "us", "lower");
  before = cpu_seconds();
  const std::string state = watch.serialise();
  out.add("serialise, 20 features", (cpu_seconds() - before) * 1e6, "us", "lower");
  out.add("stored state, 20 features", static_cast<double>(state.size()) / 1024, "KiB", "lower");
}

// As a window of Evidently's is judged: 600 rows of 50 features, and a verdict.
void measure_windows(Rows& out) {
  constexpr int panes = 40, pane_rows = 600;
  const Trained trained = train(Null::independent, alarm_features, 7);
  Stream stream(Null::independent, alarm_features, 8);
  std::vector<std::vector<Value>> rows(pane_rows);
  for (auto& row : rows) {
    for (const double x : stream.next(start)) row.push_back(Value::of(x));
  }
  VersionWatch watch(trained.reference);
  const double before = cpu_seconds();
  for (int pane = 0; pane < panes; ++pane) {
    const Time begin = start + pane * 5min;
    for (int i = 0; i < pane_rows; ++i) {
      watch.observe(rows[static_cast<std::size_t>(i)], Value::of(0.0), std::nan(""),
                    begin + i * (Duration(5min) / pane_rows));
    }
    watch.advance(begin + 5min);
  }
  out.add("observe and judge, 50 features", panes * pane_rows / (cpu_seconds() - before),
          "rows/CPU-second", "higher");
}

void measure_memory(Rows& out) {
  const Trained trained = train(Null::independent, 2, 6);
  Reference wide = *trained.reference;
  const FrozenSubject feature = wide.features[0];
  wide.features.assign(1000, feature);
  wide.multivariate.reset();
  const VersionWatch watch(std::make_shared<const Reference>(wide));
  out.add("1 000 features, all panes, one version",
          static_cast<double>(watch.memory_bytes()) / (1 << 20), "MiB", "lower", "bar", 16);
}

// ---- Alarms

// Alarms of a rule without memory count once an episode: when a window exceeds and the one before
// did not.
struct Peers {
  std::vector<bool> ks_before, evidently_before;
  std::uint64_t ks = 0, evidently = 0;

  explicit Peers(std::size_t features) : ks_before(features), evidently_before(features) {}

  // Returns the normed Wasserstein distance.
  double window(std::size_t feature, const std::vector<double>& reference,
                std::vector<double>& live, double deviation) {
    std::sort(live.begin(), live.end());
    const auto n = static_cast<double>(reference.size()), m = static_cast<double>(live.size());
    double largest = 0, area = 0, previous = 0;
    std::size_t i = 0, j = 0;
    while (i < reference.size() || j < live.size()) {
      const bool from_reference =
          j == live.size() || (i < reference.size() && reference[i] <= live[j]);
      const double x = from_reference ? reference[i] : live[j];
      const double gap = std::abs(static_cast<double>(i) / n - static_cast<double>(j) / m);
      if (i + j > 0) area += gap * (x - previous);
      largest = std::max(largest, gap);
      previous = x;
      ++(from_reference ? i : j);
    }
    const bool ks_alarm = kolmogorov_smirnov_p(largest, n, m) < 0.05;
    const double distance = area / std::max(deviation, 0.001);
    const bool evidently_alarm = distance >= 0.1;
    ks += ks_alarm && !ks_before[feature] ? 1 : 0;
    evidently += evidently_alarm && !evidently_before[feature] ? 1 : 0;
    ks_before[feature] = ks_alarm;
    evidently_before[feature] = evidently_alarm;
    return distance;
  }
};

struct Alarms {
  std::uint64_t features = 0, multivariate = 0, warnings = 0;
  Peers peers{alarm_features};
};

// Some windows of a null for the real package, and what is said here of them.
class WindowSample {
 public:
  static constexpr int windows = 6;

  WindowSample(const std::string& folder, const Trained& trained, const std::string& null)
      : folder_(folder), null_(null) {
    if (!folder_.empty()) write("reference", trained.rows);
  }

  bool wants(int pane, int panes) const {
    return !folder_.empty() && pane % (panes / windows) == panes / windows / 2;
  }
  void take(int pane, const std::vector<std::vector<double>>& columns,
            const std::vector<double>& distances) {
    std::vector<std::vector<double>> rows(columns[0].size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const auto& column : columns) rows[i].push_back(column[i]);
    }
    const std::string name = "window" + std::to_string(pane);
    write(name, rows);
    told_[name] = distances;
  }
  ~WindowSample() {
    if (!folder_.empty()) std::ofstream(folder_ + "/" + null_ + ".json") << wire::to_text(told_);
  }
  WindowSample(const WindowSample&) = delete;
  WindowSample& operator=(const WindowSample&) = delete;

 private:
  void write(const std::string& name, const std::vector<std::vector<double>>& rows) {
    std::ofstream out(folder_ + "/" + null_ + "." + name + ".f64", std::ios::binary);
    for (const auto& row : rows) {
      out.write(reinterpret_cast<const char*>(row.data()),
                static_cast<std::streamsize>(row.size() * sizeof(double)));
    }
  }

  std::string folder_, null_;
  wire::Json told_ = wire::Json::object();
};

Alarms live_through(const Trained& trained, Null null, const Settings& settings, std::uint64_t seed,
                    WindowSample& sample) {
  VersionWatch watch(trained.reference);
  Stream stream(null, alarm_features, seed);
  Alarms alarms;
  AlarmCounter counter(watch);
  std::uint64_t judged = 0;
  std::vector<Value> row(alarm_features);
  std::vector<std::vector<double>> window(alarm_features);
  const int panes = settings.days * 288;
  for (int pane = 0; pane < panes; ++pane) {
    const Time begin = start + pane * 5min;
    for (auto& column : window) column.clear();
    for (int i = 0; i < settings.rows_a_pane; ++i) {
      const Time at = begin + i * (Duration(5min) / settings.rows_a_pane);
      const auto& fresh = stream.next(at);
      for (std::size_t k = 0; k < alarm_features; ++k) {
        row[k] = Value::of(fresh[k]);
        if (settings.peers) window[k].push_back(fresh[k]);
      }
      watch.observe(row, Value::of(fresh[0] + fresh[1]), std::nan(""), at);
      if (watch.judgements() == judged) continue;
      judged = watch.judgements();
      counter.look(watch);
    }
    watch.advance(begin + 5min);
    counter.look(watch);
    if (!settings.peers) continue;
    const auto as_they_came =
        sample.wants(pane, panes) ? window : std::vector<std::vector<double>>();
    std::vector<double> distances;
    for (std::size_t k = 0; k < alarm_features; ++k) {
      distances.push_back(alarms.peers.window(k, trained.sorted[k], window[k],
                                              trained.reference->features[k].deviation));
    }
    if (!as_they_came.empty()) sample.take(pane, as_they_came, distances);
  }
  alarms.features = counter.features;
  alarms.multivariate = counter.multivariate;
  alarms.warnings = counter.warnings;
  return alarms;
}

// Hours until feature 7, which moves by `shift` after some calm panes, is called drift; 24 when it
// is not within the day.
double hours_to_find(const Trained& trained, Null null, double shift, int calm_panes,
                     const Settings& settings, std::uint64_t seed) {
  VersionWatch watch(trained.reference);
  Stream stream(null, alarm_features, seed);
  std::vector<Value> row(alarm_features);
  for (int pane = 0; pane < calm_panes + 288; ++pane) {
    const Time begin = start + pane * 5min;
    for (int i = 0; i < settings.rows_a_pane; ++i) {
      const Time at = begin + i * (Duration(5min) / settings.rows_a_pane);
      const auto& fresh = stream.next(at);
      for (std::size_t k = 0; k < alarm_features; ++k)
        row[k] = Value::of(fresh[k] + (k == 7 && pane >= calm_panes ? shift : 0));
      watch.observe(row, Value::of(fresh[0] + fresh[1]), std::nan(""), at);
    }
    watch.advance(begin + 5min);
    if (pane >= calm_panes && watch.verdicts()[7].state == State::drift) {
      return (pane - calm_panes + 1) / 12.0;
    }
  }
  return 24;
}

void measure_power(const Settings& settings, Rows& out) {
  constexpr int runs = 10;
  const struct {
    Null null;
    double shift;
    int calm_panes;
    const char* name;
    bool has_bar;
  } cases[] = {
      {Null::independent, 0.3, 0, "+0.3 sigma from the start, independent rows", true},
      {Null::independent, 0.3, 24, "+0.3 sigma after two hours, independent rows", true},
      {Null::autocorrelated, 0.5, 24, "+0.5 sigma after two hours, autocorrelation 0.9", false},
      {Null::autocorrelated, 1.0, 24, "+1 sigma after two hours, autocorrelation 0.9", false},
      {Null::autocorrelated, 1.5, 24, "+1.5 sigma after two hours, autocorrelation 0.9", false}};
  for (const auto& one : cases) {
    const Trained trained = train(one.null, alarm_features, 12);
    std::vector<double> hours;
    for (std::uint64_t run = 0; run < runs; ++run) {
      hours.push_back(
          hours_to_find(trained, one.null, one.shift, one.calm_panes, settings, 20 + run));
    }
    std::sort(hours.begin(), hours.end());
    const std::string prefix = std::string("1 of 50 features, ") + one.name;
    const auto add = [&](const std::string& metric, double value) {
      one.has_bar ? out.add(metric, value, "hours", "lower", "bar", 24, runs)
                  : out.add(metric, value, "hours", "lower");
    };
    add(prefix + ": median time to drift", hours[runs / 2]);
    add(prefix + ": longest time to drift", hours.back());
  }
}

void measure_alarms(const Settings& settings, Rows& out) {
  const double months = settings.days / 30.0;
  for (const auto& [null, name] : nulls) {
    const Trained trained = train(null, alarm_features, 10);
    WindowSample sample(settings.windows, trained, name);
    const Alarms alarms = live_through(trained, null, settings, 11, sample);
    const std::string prefix = std::string("false alarms a month, 50 features, ") + name;
    const double features = static_cast<double>(alarms.features) / months;
    if (settings.peers) {
      out.add(prefix + ": features", features, "alarms", "lower", "KS at 0.05 a window",
              static_cast<double>(alarms.peers.ks) / months);
      out.add(prefix + ": features", features, "alarms", "lower", "Evidently's default",
              static_cast<double>(alarms.peers.evidently) / months);
    } else {
      out.add(prefix + ": features", features, "alarms", "lower");
    }
    out.add(prefix + ": multivariate", static_cast<double>(alarms.multivariate) / months, "alarms",
            "lower");
    out.add(prefix + ": warnings", static_cast<double>(alarms.warnings) / months, "warnings",
            "lower");
  }
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "--no-alarms" || argument == "--peers") {
      (argument == "--peers" ? settings.peers : settings.alarms) = argument == "--peers";
      continue;
    }
    ++i;
    if (argument == "--json")
      settings.json = value;
    else if (argument == "--windows")
      settings.windows = value;
    else if (argument == "--only")
      settings.only = value;
    else if (argument == "--days")
      settings.days = static_cast<int>(parse_int(value).value_or(30));
    else if (argument == "--rows-a-pane")
      settings.rows_a_pane = static_cast<int>(parse_int(value).value_or(600));
    else {
      std::fprintf(stderr,
                   "bench_drift: '%s': expected --json FILE, --days N, --rows-a-pane N, "
                   "--no-alarms, --peers or "
                   "--windows FOLDER\n",
                   argument.c_str());
      std::exit(2);
    }
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  Rows out(settings.json);
  const auto wanted = [&](const char* part) {
    return settings.only.empty() || settings.only == part;
  };
  if (wanted("cost")) {
    measure_search(out);
    measure_observe(out);
    measure_windows(out);
    measure_memory(out);
  }
  if (!settings.alarms) return 0;
  if (wanted("looks")) measure_looks(settings, out);
  if (wanted("seasons")) measure_seasons(settings, out);
  if (wanted("nulls")) measure_alarms(settings, out);
  if (wanted("power")) measure_power(settings, out);
  return 0;
}
