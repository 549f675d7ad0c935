// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rows of an observation: each prediction beside the features that the configuration names, or
// all that the request has but its key, and the segment that they name. Not thread-safe; one is
// used again for every exchange.

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/feature_selection.h"
#include "sidecar/monitor/decode/key_reader.h"
#include "sidecar/monitor/decode/observation.h"
#include "sidecar/monitor/decode/request_body.h"
#include "sidecar/monitor/decode/row_table.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class RowBuilder {
 public:
  explicit RowBuilder(const Rules& rules) : rules_(rules), selection_(rules.features) {}

  void clear();
  // A row a prediction, into the observation. Valid until clear().
  void build(RowTable& table, RequestBody& request, KeyReader& keys,
             std::span<const Prediction> predictions, Observation& observation);

  std::span<Row> rows() { return rows_; }
  // Of the table as it came; nullptr: it has none.
  const FeatureNames* table_names() const { return table_names_; }
  bool selects() const { return !selection_.empty(); }
  bool wants_query() const { return selection_.wants_query(); }

 private:
  // Features of a row: those in the table, or `width` of them in selected_.
  struct Features {
    const FeatureNames* names = nullptr;
    bool are_selected = false;
    std::size_t width = 0;
  };

  Features select(const RowTable& table, RequestBody& request, std::size_t rows);
  void select_from_body(RequestBody& request, std::size_t rows, std::size_t width);
  Features leave_out_key(const RowTable& table, KeyReader& keys, std::size_t rows);
  std::string_view segment_of(const FeatureNames* names, std::span<const FeatureValue> values);

  const Rules& rules_;
  FeatureSelection selection_;
  const FeatureNames* table_names_ = nullptr;
  std::vector<FeatureValue> selected_;
  std::vector<Row> rows_;
  std::deque<std::string> kept_;  // Segments.
};

}  // namespace outrider::decode
