// SPDX-License-Identifier: Apache-2.0
#include "cli/forecast/forecast_table.h"

#include <cmath>
#include <limits>

#include "base/core/text.h"
#include "base/wire/csv.h"
#include "detectors/timestamp.h"
#include "detectors/value_reader.h"

namespace outrider::cli {
namespace {

constexpr double seconds_max = 1e11;  // Above it a number is of milliseconds.
constexpr double milliseconds_max = static_cast<double>(time_ms_max);
constexpr std::size_t shown_max = 40;

std::string place(const std::string& file, std::size_t line) {
  return file + ":" + std::to_string(line) + ": ";
}

std::string in_quotes(std::string_view text) {
  return "'" + std::string(text.substr(0, shown_max)) + (text.size() > shown_max ? "…'" : "'");
}

struct Columns {
  std::size_t timestamp = 0, value = 0;
};

Result<Columns> columns_of(const std::string& file, const wire::CsvTable& table) {
  Columns columns{table.column("timestamp"), table.column("value")};
  if (columns.timestamp < table.header.size() && columns.value < table.header.size())
    return columns;
  std::string names;
  for (const std::string& name : table.header) names += (names.empty() ? "" : ", ") + name;
  return fail("no_column", file + ":1: no column '" +
                               (columns.timestamp == table.header.size() ? "timestamp" : "value") +
                               "': expected a header line with 'timestamp' and 'value', got " +
                               in_quotes(names));
}

struct Times {
  std::vector<std::int64_t> ms;
  TimeStyle style = TimeStyle::blank;
};

Result<std::int64_t> number_of_ms(const std::string& file, const wire::CsvRow& row,
                                  std::string_view text, double a_unit) {
  const auto number = parse_double(text);
  if (number && std::fabs(*number) * a_unit < milliseconds_max)
    return std::llround(*number * a_unit);
  return fail("bad_time", place(file, row.line) + "timestamp=" + in_quotes(text) +
                              ": expected Unix time as in the rows above, of the years to 2255");
}

// All texts of the column have one form; the row that has another is named.
Result<Times> moments_of(const std::string& file, const wire::CsvTable& table, std::size_t column) {
  detectors::MomentColumn forms;
  for (const wire::CsvRow& row : table.rows) {
    const std::string_view text = trim(row.fields[column]);
    forms.add(text);
    if (forms.readable()) continue;
    return fail("bad_time", place(file, row.line) + "timestamp=" + in_quotes(text) +
                                ": expected RFC 3339, YYYY-MM-DD HH:MM:SS or Unix seconds, in the "
                                "same form in all rows");
  }
  const auto form = forms.form();
  if (!form) return fail(form.error().code, file + ": timestamp: " + form.error().message);
  Times times;
  const std::string_view first = trim(table.rows.front().fields[column]);
  times.style = *form == detectors::TimestampForm::rfc3339  ? TimeStyle::rfc3339
                : first.find('T') != std::string_view::npos ? TimeStyle::letter_t
                                                            : TimeStyle::blank;
  for (const wire::CsvRow& row : table.rows) {
    const auto time = detectors::parse_timestamp(trim(row.fields[column]), *form);
    if (!time) {
      return fail("bad_time", place(file, row.line) + "timestamp=" + in_quotes(row.fields[column]) +
                                  ": not a time of that form");
    }
    times.ms.push_back(to_unix_ms(*time));
  }
  return times;
}

Result<Times> times_of(const std::string& file, const wire::CsvTable& table, std::size_t column) {
  const auto first = parse_double(trim(table.rows.front().fields[column]));
  // 20150131 is a day, and moment.h's.
  const bool day = first && *first >= 19000101 && *first <= 22001231 &&
                   detectors::parse_timestamp(trim(table.rows.front().fields[column]),
                                              detectors::TimestampForm::compact);
  if (!first || day) return moments_of(file, table, column);
  const bool in_seconds = std::fabs(*first) < seconds_max;
  Times times{{}, in_seconds ? TimeStyle::seconds : TimeStyle::milliseconds};
  for (const wire::CsvRow& row : table.rows) {
    const auto ms = number_of_ms(file, row, trim(row.fields[column]), in_seconds ? 1000 : 1);
    if (!ms) return fail(ms);
    times.ms.push_back(*ms);
  }
  return times;
}

Result<void> check_order(const std::string& file, const wire::CsvTable& table, std::size_t column,
                         const std::vector<std::int64_t>& ms) {
  for (std::size_t i = 1; i < ms.size(); ++i) {
    if (ms[i] > ms[i - 1]) continue;
    const wire::CsvRow& row = table.rows[i];
    const std::string what = place(file, row.line) + "timestamp=" + in_quotes(row.fields[column]);
    if (ms[i] == ms[i - 1]) {
      return fail("duplicate", what + " stands in line " + std::to_string(table.rows[i - 1].line) +
                                   " already: write one row a time (one series a file; local times "
                                   "come twice when clocks go back, UTC does not)");
    }
    return fail("unordered", what + " is before that of line " +
                                 std::to_string(table.rows[i - 1].line) +
                                 ": sort the rows by time, the oldest first");
  }
  return {};
}

Result<std::vector<double>> values_of(const std::string& file, const wire::CsvTable& table,
                                      std::size_t column) {
  std::vector<double> values;
  values.reserve(table.rows.size());
  for (const wire::CsvRow& row : table.rows) {
    const std::string_view text = trim(row.fields[column]);
    if (detectors::says_missing(text)) {
      values.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const auto number = parse_double(text);
    if (!number) {
      return fail("bad_value", place(file, row.line) + "value=" + in_quotes(text) +
                                   ": expected a number, or nothing where it is missing");
    }
    values.push_back(*number);
  }
  return values;
}

}  // namespace

Result<ForecastTable> parse_forecast_table(const std::string& file, std::string_view text) {
  const auto table = wire::parse_csv(text);
  if (!table) return fail(table.error().code, file + ": " + table.error().message);
  const auto columns = columns_of(file, *table);
  if (!columns) return fail(columns);
  if (table->rows.empty()) {
    return fail("too_short", file + ": no rows below the header line: a forecast needs at least " +
                                 std::to_string(detectors::forecast::values_min) + " values");
  }
  auto times = times_of(file, *table, columns->timestamp);
  if (!times) return fail(times);
  if (const auto ordered = check_order(file, *table, columns->timestamp, times->ms); !ordered)
    return fail(ordered);
  const auto values = values_of(file, *table, columns->value);
  if (!values) return fail(values);
  auto history = detectors::forecast::on_grid(times->ms, *values);
  if (!history) return fail(history.error().code, file + ": " + history.error().message);
  return ForecastTable{std::move(*history), times->style};
}

std::string format_time(std::int64_t time_ms, TimeStyle style) {
  if (style == TimeStyle::milliseconds) return std::to_string(time_ms);
  if (style == TimeStyle::seconds) {
    return time_ms % 1000 == 0 ? std::to_string(time_ms / 1000)
                               : format_double(static_cast<double>(time_ms) / 1000);
  }
  // No Time holds it; who asks for a forecast beyond is refused before.
  if (time_ms > time_ms_max || time_ms < -time_ms_max) return std::to_string(time_ms);
  std::string text = format_rfc3339(from_unix_ms(time_ms));  // 2026-01-31T12:00:00.000Z
  if (time_ms % 1000 == 0) text.erase(text.size() - 5, 4);
  if (style == TimeStyle::rfc3339) return text;
  text.pop_back();
  if (style == TimeStyle::blank) text[10] = ' ';
  return text;
}

std::string level_name(double level) {
  return format_double(std::round(level * 1e6) / 1e4);
}

std::string forecast_csv(const ForecastTable& table,
                         const detectors::forecast::Forecast& forecast) {
  std::string out = "timestamp,forecast";
  for (const auto& band : forecast.bands) {
    const std::string level = level_name(band.level);
    out += ",lower_" + level + ",upper_" + level;
  }
  out += "\n";
  for (std::size_t h = 0; h < forecast.values.size(); ++h) {
    out += format_time(
        table.history.end_ms() + table.history.step_ms * static_cast<std::int64_t>(h), table.style);
    out += ",";
    append_double(out, forecast.values[h]);
    for (const auto& band : forecast.bands) {
      out += ",";
      append_double(out, band.lower[h]);
      out += ",";
      append_double(out, band.upper[h]);
    }
    out += "\n";
  }
  return out;
}

}  // namespace outrider::cli
