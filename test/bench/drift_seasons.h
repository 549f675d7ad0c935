// SPDX-License-Identifier: Apache-2.0
#pragma once

// Early looks at three rates, and seasons that are not drift: false alarms, and how soon a real
// change is found.

#include <memory>
#include <string>
#include <vector>

#include "test/bench/drift_streams.h"

namespace outrider::bench {

// ---- Early looks

inline double no_mean(Time, std::size_t) {
  return 0;
}

// Rows, with the multivariate subject; the drift state of each ten seconds.
inline AlarmCounter live_by_rows(const std::shared_ptr<const Reference>& reference, Null null,
                                 double rows_a_second, int days, std::uint64_t seed) {
  VersionWatch watch(reference);
  Stream stream(null, alarm_features, seed);
  AlarmCounter alarms(watch);
  std::vector<Value> row(alarm_features);
  const auto rows = static_cast<std::int64_t>(rows_a_second * 86400 * days);
  const Duration step = Duration(1s * 86400) * days / rows;
  std::uint64_t judged = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const Time at = start + i * step;
    const auto& fresh = stream.next(at);
    for (std::size_t k = 0; k < alarm_features; ++k) row[k] = Value::of(fresh[k]);
    watch.observe(row, Value::of(fresh[0] + fresh[1]), std::nan(""), at);
    if (watch.judgements() == judged) continue;
    judged = watch.judgements();
    alarms.look(watch);
  }
  return alarms;
}

// Lets a watch live on counts from `from` until `until`; stops when `found` says so. Returns when.
inline Time live_by_counts(VersionWatch& watch, CountStream& stream, Time from, Time until,
                           const std::function<bool()>& found) {
  std::uint64_t judged = watch.judgements();
  for (Time at = from; at < until; at += 10s) {
    stream.feed(watch, at);
    watch.advance(at + 10s);
    if (watch.judgements() == judged) continue;
    judged = watch.judgements();
    if (found()) return at + 10s;
  }
  return until;
}

inline bool drifts(const VersionWatch& watch, std::size_t feature) {
  return watch.verdicts()[feature].state == State::drift;
}

inline void measure_looks(const Settings& settings, Rows& out) {
  const double months = settings.days / 30.0;
  const Trained trained = train(Null::independent, alarm_features, 30);
  const auto reference = for_counts(trained);
  for (const double rate : {1.0, 10.0, 1000.0}) {
    const std::string at = std::to_string(static_cast<int>(rate)) + " rows a second";
    VersionWatch watch(reference);
    AlarmCounter alarms(watch);
    CountStream stream(*reference, rate, no_mean, 31);
    live_by_counts(watch, stream, start, start + 24h * settings.days, [&] {
      alarms.look(watch);
      return false;
    });
    out.add("false alarms a month with early looks, 50 features, " + at,
            static_cast<double>(alarms.features) / months, "alarms", "lower", "bar", 1);
    std::vector<double> minutes;
    for (std::uint64_t run = 0; run < 10; ++run) {
      VersionWatch calm(reference);
      CountStream moving(
          *reference, rate,
          [](Time now, std::size_t k) { return k == 7 && now >= start + 2h ? 1.0 : 0.0; },
          40 + run);
      const Time found =
          live_by_counts(calm, moving, start, start + 26h, [&] { return drifts(calm, 7); });
      minutes.push_back(to_seconds(found - start - 2h) / 60);
    }
    std::sort(minutes.begin(), minutes.end());
    out.add("+1 sigma after two hours, " + at + ": median time to drift", minutes[5], "minutes",
            "lower", "", std::nan(""), 10);
  }
  const auto rows = live_by_rows(trained.reference, Null::independent, 1, settings.days, 32);
  out.add("false alarms a month with early looks, rows, 1 row a second: features",
          static_cast<double>(rows.features) / months, "alarms", "lower", "bar", 1);
  out.add("false alarms a month with early looks, rows, 1 row a second: multivariate",
          static_cast<double>(rows.multivariate) / months, "alarms", "lower");
}

// ---- Seasons

// A watch that has learned the seasons for two weeks, as bytes, and when that was.
struct Known {
  std::string state;
  Time until;
};

inline Known learn_seasons(const std::shared_ptr<const Reference>& reference, double rate,
                           std::uint64_t seed, Rows& out, const std::string& prefix) {
  VersionWatch watch(reference);
  AlarmCounter alarms(watch);
  const auto mean = [](Time now, std::size_t k) { return season(now, k, alarm_features); };
  CountStream stream(*reference, rate, mean, seed);
  const Time until = start + 24h * 14;
  live_by_counts(watch, stream, start, until, [&] {
    alarms.look(watch);
    return false;
  });
  out.add(prefix + ": alarms in the two weeks of learning", static_cast<double>(alarms.features),
          "alarms", "lower");
  out.add(prefix + ": known after two weeks", watch.rhythm()->share_known(), "of the traffic",
          "higher");
  return {watch.serialise(), until};
}

// Hours until feature 7, which moves as `shift` says from `onset` on, is called drift.
inline double season_hours_to_find(const std::shared_ptr<const Reference>& reference,
                                   const Known& known, double rate, Duration onset,
                                   const std::function<double(Duration)>& shift, Duration patience,
                                   std::uint64_t seed) {
  VersionWatch watch(reference);
  if (!known.state.empty()) {
    if (auto restored = watch.restore(known.state); !restored)
      throw std::runtime_error(restored.error().message);
  }
  const Time begins = known.until + onset;
  CountStream stream(
      *reference, rate,
      [&](Time now, std::size_t k) {
        return season(now, k, alarm_features) + (k == 7 && now >= begins ? shift(now - begins) : 0);
      },
      seed);
  const Time found = live_by_counts(watch, stream, known.until, begins + patience,
                                    [&] { return drifts(watch, 7); });
  return to_seconds(found - begins) / 3600;
}

inline void measure_season_power(const std::shared_ptr<const Reference>& reference,
                                 const Known& known, double rate, const std::string& prefix,
                                 Rows& out) {
  constexpr int runs = 8;
  std::vector<double> hours;
  for (int run = 0; run < runs; ++run) {
    const Duration onset = Duration(19h) * run;  // All over the week.
    hours.push_back(season_hours_to_find(
        reference, known, rate, onset, [](Duration) { return 0.3; }, 48h,
        60 + static_cast<std::uint64_t>(run)));
  }
  std::sort(hours.begin(), hours.end());
  out.add(prefix + ": +0.3 sigma on top: median time to drift", hours[runs / 2], "hours", "lower",
          "bar", 24, runs);
  out.add(prefix + ": +0.3 sigma on top: longest time to drift", hours.back(), "hours", "lower",
          "bar", 24, runs);
  const auto slowly = [](Duration since) {
    return 0.3 * std::min(1.0, to_seconds(since) / (86400.0 * 21));
  };
  const double slow =
      season_hours_to_find(reference, known, rate, Duration{}, slowly, 24h * 28, 80);
  out.add(prefix + ": +0.3 sigma over three weeks: time to drift", slow / 24, "days", "lower",
          "bar", 22);
}

inline void measure_seasons(const Settings& settings, Rows& out) {
  const double months = settings.days / 30.0;
  const Trained plain = train(Null::seasonal, alarm_features, 50);
  const Trained timed = train(Null::seasonal, alarm_features, 50, true);
  for (const double rate : {2.0, 1000.0}) {
    for (const bool with_times : {false, true}) {
      const auto reference = for_counts(with_times ? timed : plain);
      const std::string prefix = std::string("seasons, ") +
                                 (with_times ? "timed training rows, " : "rhythm learned, ") +
                                 std::to_string(static_cast<int>(rate)) + " rows a second";
      const Known known =
          with_times ? Known{"", start} : learn_seasons(reference, rate, 51, out, prefix);
      VersionWatch watch(reference);
      if (!with_times && !watch.restore(known.state)) throw std::runtime_error("not restored");
      AlarmCounter alarms(watch);
      CountStream stream(
          *reference, rate, [](Time now, std::size_t k) { return season(now, k, alarm_features); },
          52);
      live_by_counts(watch, stream, known.until, known.until + 24h * settings.days, [&] {
        alarms.look(watch);
        return false;
      });
      out.add(prefix + ": alarms a month", static_cast<double>(alarms.features) / months, "alarms",
              "lower", "bar", 1);
      if (rate < 100) measure_season_power(reference, known, rate, prefix, out);
    }
  }
  // All subjects, from rows: what the multivariate ones make of seasons.
  const auto rows = live_by_rows(timed.reference, Null::seasonal, 2, settings.days, 53);
  out.add("seasons, timed training rows, rows: features a month",
          static_cast<double>(rows.features) / months, "alarms", "lower", "bar", 1);
  out.add("seasons, timed training rows, rows: multivariate a month",
          static_cast<double>(rows.multivariate) / months, "alarms", "lower", "bar", 1);
}

}  // namespace outrider::bench
