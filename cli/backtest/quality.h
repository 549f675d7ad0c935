// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which feature would have raised the alert ModelInputQuality over recorded rows: the rule of
// alerts/outrider-drift.rules.yml, with the figures of alerts/parameters.yaml (`quality`), so that
// a backtest says of missing values what the live fleet says.
//
//   QualityBacktest quality(watch);                 // the watch that the rows go through
//   quality.advance(at, row);                       // before each row that has a time
//   quality.finish(last_row);                       // after the last
//   quality.alarms()
//
// More than 5 % of the predictions of 15 minutes, of 100 at least, fail a check, beyond the share
// that training missed; at two marks of five minutes in a row. Rows without times are one window,
// and its judgement is final. PURE; not thread-safe.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "detectors/version_watch.h"

namespace outrider::cli {

struct QualityAlarm {
  std::uint64_t row = 0;  // The last one of the window; from 0.
  std::string feature;
  std::string_view check;    // missing, type, range or unseen
  double share = 0;          // of the window's predictions
  double trained_share = 0;  // of the training rows; missing only
};

class QualityBacktest {
 public:
  explicit QualityBacktest(const detectors::VersionWatch& watch);

  void advance(Time at, std::uint64_t rows);  // `rows` were observed before `at`.
  void finish(std::uint64_t rows);
  const std::vector<QualityAlarm>& alarms() const { return alarms_; }

 private:
  // Of the watch, so far.
  struct Mark {
    std::uint64_t rows = 0;
    std::vector<detectors::Quality> quality;
  };
  Mark now() const;
  void judge(const Mark& from, const Mark& to, std::uint64_t rows, bool at_once);

  const detectors::VersionWatch& watch_;
  std::vector<double> trained_;         // Share of training rows without the feature.
  std::int64_t number_ = -1;            // Of the current five minutes.
  std::deque<Mark> marks_;              // The newest last; of the last 15 minutes.
  std::vector<std::uint8_t> in_a_row_;  // By feature and check: marks at which it failed.
  std::vector<QualityAlarm> alarms_;
};

}  // namespace outrider::cli
