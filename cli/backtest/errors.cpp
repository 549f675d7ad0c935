// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/errors.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "base/wire/csv.h"
#include "base/wire/json.h"
#include "detectors/value_reader.h"

namespace outrider::cli {
namespace {

constexpr std::string_view column_name = "error";
constexpr std::size_t piece_bytes = 1 << 16;

// Takes the rows of the CSV one by one. The first mistake ends it; what comes after is ignored.
class ErrorReader {
 public:
  explicit ErrorReader(const detectors::EDetector& detector) : detector_(detector) {}

  void take(const wire::CsvRow& row) {
    if (mistake_) return;
    if (!has_header_) {
      read_header(row);
    } else if (const auto error = error_of(row)) {
      count(*error);
    }
    last_line_ = row.line;
  }

  const std::optional<Error>& mistake() const { return mistake_; }

  Result<ErrorAlarms> finish() {
    if (mistake_) return Failure(*mistake_);
    if (!has_header_) return fail("csv_empty", "it is empty: expected a header line with 'error'");
    if (result_.rows == 0) return fail("no_rows", "it has a header but no rows");
    return std::move(result_);
  }

 private:
  void read_header(const wire::CsvRow& row) {
    has_header_ = true;
    fields_ = row.fields.size();
    const auto named = [](const std::string& field) { return trim(field) == column_name; };
    const auto found = std::find_if(row.fields.begin(), row.fields.end(), named);
    column_ = static_cast<std::size_t>(found - row.fields.begin());
    if (const auto mistake = wire::separator_mistake(row.fields)) {
      refuse("csv_separator", row.line, *mistake);
    } else if (found == row.fields.end()) {
      refuse("no_error_column", row.line,
             "no column is named 'error'; the first line must be a header with that name");
    } else if (std::count_if(row.fields.begin(), row.fields.end(), named) > 1) {
      refuse("csv_duplicate_column", row.line, "two columns are named 'error'");
    }
  }

  std::optional<bool> error_of(const wire::CsvRow& row) {
    // The reader skips empty lines; here one would shift the number of every row after it.
    if (fields_ == 1 && row.line != last_line_ + 1) {
      return refuse("bad_error", last_line_ + 1, "an empty line; expected 0 or 1");
    }
    if (row.fields.size() != fields_) {
      return refuse("csv_ragged", row.line,
                    std::to_string(row.fields.size()) + " fields, but the header has " +
                        std::to_string(fields_) + "; the file may be cut short");
    }
    const std::string_view text = trim(row.fields[column_]);
    // 1.0 and True too: frames with gaps are written with points, comparisons as booleans.
    const auto value = detectors::as_number(detectors::read_value(text));
    if (value == 0.0) return false;
    if (value == 1.0) return true;
    return refuse("bad_error", row.line,
                  "error=" + in_quotes(text) + ": expected 0 (right) or 1 (wrong)");
  }

  void count(bool error) {
    const std::uint64_t row = result_.rows++;
    if (detector_.update(error, static_cast<std::int64_t>(row)) != detectors::AlarmEvent::raised) {
      return;
    }
    result_.alarms.push_back({row, detector_.change()});
    detector_.restart();
  }

  std::nullopt_t refuse(std::string_view code, std::size_t line, const std::string& what) {
    mistake_ = Error{code, "line " + std::to_string(line) + ": " + what};
    return std::nullopt;
  }

  detectors::EDetector detector_;
  ErrorAlarms result_;
  std::optional<Error> mistake_;
  bool has_header_ = false;
  std::size_t fields_ = 0, column_ = 0, last_line_ = 0;
};

void print_json(const ErrorAlarms& found) {
  wire::Json rows = wire::Json::array();
  for (const ErrorAlarm& alarm : found.alarms) rows.push_back(alarm.row);
  wire::Json answer;
  answer["alarms"] = std::move(rows);
  std::cout << wire::to_text(answer) << "\n";
}

void print_table(const ErrorAlarms& found) {
  std::printf("%llu rows, %zu alarms\n", static_cast<unsigned long long>(found.rows),
              found.alarms.size());
  if (found.alarms.empty()) return;
  std::printf("%12s %12s %12s %14s\n", "alarm at row", "changed at", "wrong since",
              "accuracy since");
  for (const ErrorAlarm& alarm : found.alarms) {
    std::printf("%12llu %12lld %12.0f %13.1f%%\n", static_cast<unsigned long long>(alarm.row),
                static_cast<long long>(alarm.change.first), alarm.change.wrong(),
                100 * alarm.change.accuracy());
  }
}

}  // namespace

Result<ErrorAlarms> find_error_alarms(std::istream& file, const ErrorBacktest& settings) {
  detectors::EDetectorSettings wanted;
  wanted.null_rate = settings.reference_error_rate + settings.slack;
  wanted.reference_rate = settings.reference_error_rate;
  wanted.alarm_run_length = settings.alarm_run_length;
  auto detector = detectors::EDetector::make(wanted);
  if (!detector) return fail(detector);

  ErrorReader reader(*detector);
  const auto on_row = [&reader](const wire::CsvRow& row) { reader.take(row); };
  wire::CsvReader csv;
  std::array<char, piece_bytes> piece;
  while (!reader.mistake() && (file.read(piece.data(), piece.size()), file.gcount() > 0)) {
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(file.gcount()));
    if (auto fed = csv.feed(bytes, on_row); !fed && !reader.mistake()) return fail(fed);
  }
  if (file.bad()) return fail("unreadable", "reading failed before its end");
  if (auto whole = csv.finish(on_row); !whole && !reader.mistake()) return fail(whole);
  return reader.finish();
}

void add_error_options(config::OptionTable& options, ErrorBacktest& settings) {
  options
      .add("errors", settings.errors,
           "CSV with a column 'error', one 0 (right) or 1 (wrong) a line: what the accuracy alarm "
           "would have said to it.")
      .value_name("FILE");
  options
      .add("reference-error-rate", settings.reference_error_rate,
           "Error rate of the model when it was good; required with --errors.")
      .between(0, 0.97)
      .example("0.05")
      .default_text.clear();
  options
      .add("alarm-run-length", settings.alarm_run_length,
           "At most one false alarm in so many labels, on average.")
      .between(1, 1e15);
  options.add("slack", settings.slack, "Added to the reference error rate: what is still as good.")
      .between(0, 0.5);
}

int backtest_errors(const ErrorBacktest& settings, bool json) {
  if (std::isnan(settings.reference_error_rate)) {
    std::cerr << "reference-error-rate: required with --errors; see --help\n";
    return 2;
  }
  std::ifstream file(settings.errors, std::ios::binary);
  if (!file) {
    std::cerr << "errors=" << settings.errors << ": " << std::strerror(errno)
              << "; expected a CSV file with a column 'error'\n";
    return 1;
  }
  const auto found = find_error_alarms(file, settings);
  if (!found) {
    std::cerr << "errors=" << settings.errors << ": " << found.error().message << "\n";
    return 1;
  }
  json ? print_json(*found) : print_table(*found);
  return 0;
}

}  // namespace outrider::cli
