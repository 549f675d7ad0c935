// SPDX-License-Identifier: Apache-2.0
#pragma once

// One quantity of one series under watch: its scorer, what turns a counter into a rate, and the
// episode at hand. PURE; not thread-safe; trivially copyable; O(1).
//
//   Watched watched(fingerprint, As::counter);
//   const Observed seen = watched.observe(sample, threshold, quiet);
//   if (seen.news == News::began) ...
//
// An episode begins when a score reaches the threshold. It lasts while evidence of at least half
// its peak keeps coming, and ends when none came for `quiet`, or for five samples if that is
// longer.

#include <cstdint>

#include "agent/series/series_sink.h"
#include "agent/series/watch_rules.h"
#include "base/core/clock.h"
#include "detectors/series_score.h"

namespace outrider::series {

enum class News : std::uint8_t { none, began, grew, ended };

struct Observed {
  News news = News::none;
  double value = 0;  // What was scored: the gauge's value, or the counter's increase a second.
  detectors::SeriesScore score;
};

class Watched {
 public:
  Watched() = default;
  Watched(const Fingerprint& fingerprint, As as) : fingerprint_(fingerprint), as_(as) {}

  Observed observe(const Sample& sample, double threshold, Duration quiet);
  // The episode of a series that fell silent ends too.
  bool end_if_quiet(std::int64_t now_ms, Duration quiet);

  const Fingerprint& fingerprint() const { return fingerprint_; }
  As as() const { return as_; }
  std::int64_t last_ms() const { return last_ms_; }
  bool in_episode() const { return episode_ms_ != 0; }
  std::int64_t episode_ms() const { return episode_ms_; }

  void save(detectors::SnapshotWriter& out) const;
  static Result<Watched> load(detectors::SnapshotReader& in);

 private:
  bool to_rate(const Sample& sample, double& rate);
  bool is_quiet(std::int64_t now_ms, Duration quiet) const;

  detectors::SeriesScorer scorer_;
  Fingerprint fingerprint_;
  double before_ = 0;           // A counter's last value, ...
  std::int64_t before_ms_ = 0;  // ... and when; 0: none.
  std::int64_t last_ms_ = 0;
  std::int64_t episode_ms_ = 0;   // When it began; 0: there is none.
  std::int64_t evidence_ms_ = 0;  // When it last had evidence.
  float peak_ = 0;                // Its highest evidence.
  As as_ = As::gauge;
};

}  // namespace outrider::series
