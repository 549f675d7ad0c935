// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/series_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "base/wire/csv.h"
#include "cli/svg/svg_text.h"

namespace outrider::cli {
namespace {

constexpr double seconds_max = 9e9;  // The year 2255; milliseconds would be far beyond.
constexpr double ms_a_week = 7.0 * 86'400'000;
constexpr std::size_t date_and_time_size = 19;

std::string place(const std::string& file, std::size_t line, std::string_view column) {
  return file + ":" + std::to_string(line) + ": " + std::string(column);
}

Result<Row> parse_row(const std::string& file, const wire::CsvRow& fields, std::size_t timestamp,
                      std::size_t value) {
  Row row{0, std::numeric_limits<double>::quiet_NaN(), fields.fields[timestamp],
          fields.fields[value]};
  const auto time = parse_time(trim(row.timestamp_text));
  if (!time) {
    return fail("bad_timestamp", place(file, fields.line, "timestamp=") +
                                     in_quotes(row.timestamp_text) +
                                     ": expected Unix seconds or YYYY-MM-DD HH:MM:SS");
  }
  row.timestamp_ms = to_unix_ms(*time);
  if (const auto text = trim(row.value_text); !text.empty()) {
    const auto number = parse_double(text);
    if (!number) {
      return fail("bad_value", place(file, fields.line, "value=") + in_quotes(row.value_text) +
                                   ": expected a number, NaN or nothing");
    }
    row.value = *number;
  }
  return row;
}

}  // namespace

std::optional<Time> parse_time(std::string_view text) {
  if (const auto seconds = parse_double(text)) {
    if (!(std::fabs(*seconds) < seconds_max)) return std::nullopt;
    return from_unix_ms(std::llround(*seconds * 1000));
  }
  if (text.size() < date_and_time_size) return std::nullopt;
  std::string rfc(text);
  if (rfc[10] == ' ') rfc[10] = 'T';
  const bool zoned = rfc.find_first_of("Zz+-", date_and_time_size) != std::string::npos;
  return parse_rfc3339(zoned ? rfc : rfc + "Z");
}

Result<ScoredSeries> parse_series(const std::string& file, std::string_view text) {
  const auto table = wire::parse_csv(text);
  if (!table) return fail(table.error().code, file + ": " + table.error().message);
  const std::size_t timestamp = table->column("timestamp");
  const std::size_t value = table->column("value");
  if (timestamp == table->header.size() || value == table->header.size()) {
    return fail("no_column", file + ":1: no column '" +
                                 (timestamp == table->header.size() ? "timestamp" : "value") +
                                 "': expected a header line with 'timestamp' and 'value'");
  }
  if (table->rows.empty()) return fail("empty", file + ": no rows below the header line");
  ScoredSeries series;
  series.name = file;
  series.rows.reserve(table->rows.size());
  for (const wire::CsvRow& fields : table->rows) {
    auto row = parse_row(file, fields, timestamp, value);
    if (!row) return fail(row);
    if (!series.rows.empty() && row->timestamp_ms <= series.rows.back().timestamp_ms) {
      ++series.not_later;
    }
    series.rows.push_back(std::move(*row));
  }
  return series;
}

void score(ScoredSeries& series) {
  detectors::SeriesScorer scorer;
  series.scores.clear();
  series.scores.reserve(series.rows.size());
  for (const Row& row : series.rows) {
    series.scores.push_back(scorer.add(row.timestamp_ms, row.value));
  }
}

void Tally::add(const ScoredSeries& series) {
  for (const auto& score : series.scores) {
    if (score.score > 0) scores_.push_back(score.score);
  }
  const auto by_time = [](const Row& a, const Row& b) { return a.timestamp_ms < b.timestamp_ms; };
  const auto [first, last] = std::minmax_element(series.rows.begin(), series.rows.end(), by_time);
  if (first == series.rows.end()) return;
  const double span = static_cast<double>(last->timestamp_ms - first->timestamp_ms) / ms_a_week;
  weeks_ = std::max(weeks_, span);
}

Judgement Tally::at(double threshold) const {
  const auto count = std::count_if(scores_.begin(), scores_.end(),
                                   [&](double score) { return score >= threshold; });
  return {threshold, static_cast<std::size_t>(count), weeks_};
}

// Scores come in steps, and those of one step count together: the threshold stands half a step
// below the lowest that fits.
Judgement Tally::within(double anomalies_a_week) const {
  constexpr double step = 1.0 / detectors::SeriesScorer::steps_max;
  const double allowed = anomalies_a_week * weeks_;
  Judgement best = at(1 + step / 2);
  for (int i = detectors::SeriesScorer::steps_max; i > 0; --i) {
    const Judgement next = at(step * (i - 0.5));
    if (static_cast<double>(next.anomalies) > allowed) break;
    best = next;
  }
  return best;
}

std::string header_line(bool with_series) {
  return std::string("timestamp,value,score,anomaly,evidence,question,direction,expected") +
         (with_series ? ",series\n" : "\n");
}

void append_rows(std::string& out, const ScoredSeries& series, double threshold, bool with_series) {
  const std::string name = with_series ? "," + wire::csv_field(series.name) : "";
  for (std::size_t i = 0; i < series.rows.size(); ++i) {
    const Row& row = series.rows[i];
    const detectors::SeriesScore& score = series.scores[i];
    out += wire::csv_field(row.timestamp_text) + "," + wire::csv_field(row.value_text) + ",";
    append_double(out, std::round(score.score * 1e6) / 1e6);
    out += score.score >= threshold ? ",1," : ",0,";
    append_double(out, std::round(score.evidence * 1e6) / 1e6);
    // What was asked says nothing where nothing stood out.
    if (score.evidence > 0) {
      out += "," + std::string(detectors::name(score.question)) + (score.up ? ",up," : ",down,");
      out += six_digits(score.expected);
    } else {
      out += ",,,";
    }
    out += name + "\n";
  }
}

}  // namespace outrider::cli
