// SPDX-License-Identifier: Apache-2.0
#pragma once

// The backtest's files: rows of time and value in, the same rows with their scores out. PURE.
//
// In:  a header line with the columns `timestamp` and `value`; others are ignored. A timestamp is Unix
//      seconds (a fraction is allowed), "YYYY-MM-DD HH:MM:SS" (UTC) or RFC 3339. An empty value,
//      NaN and an infinity are rows without a sample.
// Out: timestamp,value,score,anomaly,evidence,question,direction,expected[,series]
//      The first two exactly as they came; one row a row.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/series_score.h"

namespace outrider::cli {

struct Row {
  std::int64_t timestamp_ms = 0;
  double value = 0;            // NaN when the row has none.
  std::string timestamp_text;  // As they came.
  std::string value_text;
};

struct ScoredSeries {
  std::string name;  // The file's, or the labels.
  std::vector<Row> rows;
  std::vector<detectors::SeriesScore> scores;  // One a row, once scored.
  std::size_t not_later = 0;                   // Rows that are not later than the row before.
};

// Errors name file, line and column, and say what is expected: those of parse_csv, "no_column",
// "bad_timestamp", "bad_value", "empty".
Result<ScoredSeries> parse_series(const std::string& file, std::string_view text);

// "1700000000", "1700000000.5", "2026-01-31 12:00:00", "2026-01-31T12:00:00Z".
std::optional<Time> parse_time(std::string_view text);

// Scores every row from those above it.
void score(ScoredSeries& series);

// What a threshold comes to over many series, of which only the scores that matter are kept.
struct Judgement {
  double threshold = 0;
  std::size_t anomalies = 0;
  double weeks = 0;  // The span of the longest series: they are taken to run side by side.
};

class Tally {
 public:
  void add(const ScoredSeries& series);

  Judgement at(double threshold) const;
  // The lowest threshold at which all series together have no more than so many anomalies a week:
  // in hindsight, so no forecast of what it will let through.
  Judgement within(double anomalies_a_week) const;

 private:
  std::vector<double> scores_;
  double weeks_ = 0;
};

std::string header_line(bool with_series);
void append_rows(std::string& out, const ScoredSeries& series, double threshold, bool with_series);

}  // namespace outrider::cli
