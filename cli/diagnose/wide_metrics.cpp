// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose/wide_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/core/text.h"

namespace outrider::cli {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view time_name = "time";

// A column's ending, the metric that it is, and the factor to that metric's unit.
struct Ending {
  std::string_view text, metric;
  double factor;
};
constexpr double mebibyte = 1.0 / (1 << 20);
constexpr std::array<Ending, 10> endings = {{{"cpu", "cpu", 1},
                                             {"mem", "memory", mebibyte},
                                             {"workload", "requests", 1},
                                             {"load", "requests", 1},
                                             {"error", "errors", 1},
                                             {"latency", "latency_mean_s", 1},
                                             {"latency-50", "latency_p50_s", 1},
                                             {"latency-90", "latency_p90_s", 1},
                                             {"latency-95", "latency_p95_s", 1},
                                             {"latency-99", "latency_p99_s", 1}}};

bool is_infinity(std::string_view text) {
  const auto value = parse_double(text);
  return value && std::isinf(*value);
}

}  // namespace

std::optional<WideMetricsReader::Column> WideMetricsReader::column_of(const std::string& name) {
  const std::size_t bar = name.rfind('_');
  if (bar == std::string::npos || bar == 0) return std::nullopt;
  const std::string_view ending = std::string_view(name).substr(bar + 1);
  const auto found = std::find_if(endings.begin(), endings.end(),
                                  [ending](const Ending& one) { return one.text == ending; });
  if (found == endings.end()) return std::nullopt;
  return Column{name, component_name(name.substr(0, bar)), std::string(found->metric),
                found->factor};
}

// Of several columns `time` the first.
std::vector<std::string> WideMetricsReader::names_told(const wire::CsvRow& header) const {
  std::vector<std::string> names;
  bool has_time = false;
  for (const std::string& field : header.fields) {
    if (trim(field) == time_name && std::exchange(has_time, true)) continue;
    names.push_back(field);
  }
  return names;
}

Result<void> WideMetricsReader::take_header(const wire::CsvRow& row) {
  const auto time = column(row, time_name);
  if (!time) return fail(time);
  time_ = *time;
  std::map<std::pair<std::string, std::string>, std::string> seen;
  for (const std::string& field : row.fields) {
    header_.emplace_back(trim(field));
    columns_.push_back(column_of(header_.back()));
    const auto& column = columns_.back();
    if (!column) continue;
    ++kept_;
    const auto [at, is_new] = seen.try_emplace({column->component, column->metric}, column->name);
    if (!is_new)
      return fail("diagnose_header", "line 1: both " + at->second + " and " + column->name +
                                         " are " + column->metric + " of " + column->component +
                                         ": leave one out");
  }
  if (kept_ == 0)
    return fail("diagnose_header",
                "line 1: no column such as carts_cpu, carts_mem, carts_workload, carts_error, "
                "carts_latency-50; expected COMPONENT_METRIC");
  return {};
}

Result<void> WideMetricsReader::take_row(const wire::CsvRow& row) {
  const auto time = unix_seconds(row, time_);
  if (!time) return fail(time);
  const std::string at = "line " + std::to_string(row.line) + ": ";
  if (!times_.empty() && *time < times_.back())
    return fail("diagnose_row", at + "the time is before that of the row above: sort the rows");
  const bool is_future = *time >= end_;
  if (!is_future) {
    if (values_left_ < kept_ + 1)
      return fail("diagnose_limit", at + "more than " + std::to_string(diagnose_values_max) +
                                        " values in this file: give fewer rows");
    values_left_ -= kept_ + 1;
    times_.push_back(*time);
  }
  for (std::size_t i = 0; i < row.fields.size(); ++i) {
    if (header_[i] == time_name) continue;
    const auto value = number(row, i, header_[i]);
    if (!value && !is_infinity(trim(row.fields[i]))) return fail(value);
    if (columns_[i] && !is_future)
      columns_[i]->values.push_back(value ? *value * columns_[i]->factor : nan);
  }
  return {};
}

std::map<std::string, diagnose::Rows> WideMetricsReader::rows() && {
  std::map<std::string, diagnose::Rows> out;
  for (std::optional<Column>& column : columns_) {
    if (!column) continue;
    diagnose::Rows& its = out[column->component];
    its.times = times_;
    its.metrics.emplace(column->metric, std::move(column->values));
  }
  return out;
}

}  // namespace outrider::cli
