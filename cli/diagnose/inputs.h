// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of `outrider diagnose` to numbers. PURE and streaming: feed bytes in pieces of any
// size, then finish.
//
//   MetricsReader  timestamp,METRIC,…                                 one component's rows
//   EdgesReader    caller,callee                                     the call graph
//   LogsReader     timestamp,component,template_or_level,count       counted log lines
//   ChangesReader  {"time", "component", "kind", "what"} a line      deployments, configuration, …
//
// Times are Unix seconds, those of changes RFC 3339 or Unix seconds. An empty cell has no value
// (and what detectors/value_reader.h takes for missing). Columns may stand in any order. Errors say
// line, column, and what to change: "diagnose_header", "diagnose_row", "diagnose_limit",
// "diagnose_change", and those of wire/csv.h.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/diagnose/log_sites.h"
#include "agent/diagnose/rows.h"
#include "base/core/result.h"
#include "base/wire/csv.h"
#include "base/wire/json.h"

namespace outrider::cli {

// How much is kept in memory, of one folder or file.
constexpr std::size_t diagnose_components_max = 10'000;
constexpr std::size_t diagnose_values_max =
    20'000'000;  // 160 MB; four times that while it computes.
constexpr std::size_t diagnose_log_rows_max = 10'000'000;
constexpr std::size_t diagnose_call_rows_max = 20'000'000;  // Rows of the callers, a call each.
constexpr std::size_t diagnose_edges_max = 1'000'000;
constexpr std::size_t diagnose_changes_max = 100'000;
constexpr std::size_t diagnose_line_bytes_max = 1 << 20;
// The year 2255, within what a Time can hold; beyond are milliseconds.
constexpr double diagnose_seconds_max = 9e9;

// A component as files, graph, changes and answers name it: '/' is written '_'.
std::string component_name(std::string_view text);

// What the three readers of CSV have in common: a header, then rows with as many fields.
class ColumnsReader {
 public:
  virtual ~ColumnsReader() = default;
  Result<void> feed(std::string_view bytes);
  Result<void> finish();

 protected:
  // The columns' names as far as they must differ.
  virtual std::vector<std::string> names_told(const wire::CsvRow& header) const {
    return header.fields;
  }
  virtual Result<void> take_header(const wire::CsvRow& row) = 0;
  virtual Result<void> take_row(const wire::CsvRow& row) = 0;
  // The column's place; an error that names those that there are.
  static Result<std::size_t> column(const wire::CsvRow& header, std::string_view name);
  static Result<double> number(const wire::CsvRow& row, std::size_t field, std::string_view name);
  static Result<double> unix_seconds(const wire::CsvRow& row, std::size_t field);

 private:
  Result<void> feed_on(std::string_view bytes);
  Result<void> take(const wire::CsvRow& row);

  wire::CsvReader reader_;
  std::string beginning_;  // The first bytes, until there are enough of them.
  std::size_t columns_ = 0;
  bool has_header_ = false;
  Result<void> state_ = {};  // The first error stays.
};

class MetricsReader final : public ColumnsReader {
 public:
  // Keeps the metrics that channels are made of, and `also`; no rows at `end` or after it.
  // `values_left` is counted down.
  MetricsReader(std::string also, double end, std::size_t& values_left)
      : also_(std::move(also)), end_(end), values_left_(values_left) {}

  // After finish: ascending in time; of two rows with one time the later line counts last.
  diagnose::Rows rows() &&;
  bool knows(std::string_view metric) const;  // Whether the header has it.

 private:
  Result<void> take_header(const wire::CsvRow& row) override;
  Result<void> take_row(const wire::CsvRow& row) override;

  std::string also_;
  double end_;
  std::size_t& values_left_;
  std::size_t time_ = 0;
  std::vector<std::string> header_;
  std::vector<std::size_t> kept_;  // Fields.
  diagnose::Values times_;
  std::vector<diagnose::Values> values_;  // One a kept field.
};

class EdgesReader final : public ColumnsReader {
 public:
  std::vector<std::pair<std::string, std::string>> edges;  // Caller, callee.

 private:
  Result<void> take_header(const wire::CsvRow& row) override;
  Result<void> take_row(const wire::CsvRow& row) override;
  std::size_t caller_ = 0, callee_ = 0;
};

class LogsReader final : public ColumnsReader {
 public:
  explicit LogsReader(double end) : end_(end) {}

  std::map<std::string, std::vector<diagnose::LogCount>>
      counts;  // By component; none at `end` or later.
  std::vector<std::string> sites;
  diagnose::Values times() const;  // Each once, ascending.

 private:
  Result<void> take_header(const wire::CsvRow& row) override;
  Result<void> take_row(const wire::CsvRow& row) override;

  double end_;
  std::size_t time_ = 0, component_ = 0, site_ = 0, count_ = 0, rows_ = 0;
  std::map<std::string, std::uint32_t, std::less<>> site_index_;
};

struct ToldChange {
  double time = 0;  // Unix seconds.
  std::string component;
  wire::Json told;  // component, time, kind, what, as they came.
};

class ChangesReader {
 public:
  Result<void> feed(std::string_view bytes);
  Result<void> finish();
  std::vector<ToldChange> changes;

 private:
  Result<void> take_line();
  std::string line_;
  std::size_t number_ = 0;
};

}  // namespace outrider::cli
