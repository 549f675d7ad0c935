// SPDX-License-Identifier: Apache-2.0
#pragma once

// One CSV with all components' metrics, as RCAEval publishes them (Sock Shop, Online Boutique,
// Train Ticket), to rows a component. PURE and streaming.
//
//   time,carts_cpu,carts_mem,carts_workload,carts_error,carts_latency-50,front-end_cpu,…
//
// A column is COMPONENT_METRIC; the last '_' parts the two:
//   cpu                       cpu, as it is
//   mem                       memory, of bytes
//   workload, load; error     requests; errors: both a second
//   latency; latency-50 … 99  latency_mean_s; latency_p50_s … p99_s
// Others are not used, but must be numbers. A second column `time`, an infinity and an empty cell
// are what that data has: the first is passed over, the others are no value. Rows ascend in time.
// Errors: as inputs.h.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/diagnose/inputs.h"

namespace outrider::cli {

class WideMetricsReader final : public ColumnsReader {
 public:
  // No rows at `end` or after it. `values_left` is counted down.
  WideMetricsReader(double end, std::size_t& values_left) : end_(end), values_left_(values_left) {}

  std::map<std::string, diagnose::Rows> rows() &&;  // By component. After finish.

 private:
  struct Column {
    std::string name;  // As in the file.
    std::string component, metric;
    double factor = 1;
    diagnose::Values values = {};
  };
  static std::optional<Column> column_of(const std::string& name);
  std::vector<std::string> names_told(const wire::CsvRow& header) const override;
  Result<void> take_header(const wire::CsvRow& row) override;
  Result<void> take_row(const wire::CsvRow& row) override;

  double end_;
  std::size_t& values_left_;
  std::size_t time_ = 0;
  std::vector<std::string> header_;
  std::vector<std::optional<Column>> columns_;  // One a field.
  std::size_t kept_ = 0;
  diagnose::Values times_;
};

}  // namespace outrider::cli
