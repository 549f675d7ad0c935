// SPDX-License-Identifier: Apache-2.0
#pragma once

// Training rows -> ModelReference, in two passes and bounded memory. PURE: the caller streams the
// rows.
//
//   BuildSettings settings;  settings.target = "price";
//   auto built = build_reference(columns, rows, settings);   // rows: visits all rows
//   if (!built) …
//   reference::to_json(built->reference);
//   built->columns                                           // the inferred types, for people
//
// Pass 1 infers each column's type and draws a sample of rows (reservoir, fixed seed): quantile
// edges, PCA and tails come from the sample, which is all rows up to `sample_rows_max`. Pass 2
// counts every row over those bins. So counts are exact, edges exact up to the sample's size; the
// same rows in the same order give the same reference. Where numbers are written with a decimal
// comma or marks between thousands, pass 1 is made twice: the column decides how its cells are read
// (detectors/column_numbers.h).
//
// Memory: sample_cells_max doubles and at most `distinct_max` texts a column.
// Time: O(rows x (columns + k columns)), k <= 32 PCA components.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "detectors/value.h"
#include "reference/model_reference.h"

namespace outrider::reference {

struct BuildSettings {
  std::string model_name;
  std::string model_version;
  // unknown: classification when the target is text or has at most two values.
  ModelKind kind = ModelKind::unknown;
  // Columns that are no features; "" for none.
  std::string target;      // The truth.
  std::string prediction;  // The model's prediction.
  std::string score;       // The model's probability …
  std::string positive;    // … of this value of the target; "": of the class that it predicted.
  std::string time;        // The rows' times: the reference knows the hour of the week.
  std::vector<std::string> ignore;
  // Columns to take as such whatever they look like.
  std::vector<std::string> categorical;
  std::vector<std::string> numeric;
  double tolerance = 0.1;         // regression: right within this share of the truth …
  double absolute_tolerance = 0;  // … plus this
  std::size_t bins = detectors::default_bins;
  std::size_t sample_rows_max = 200'000;
  std::size_t sample_cells_max = 16'000'000;
  std::size_t distinct_max = 10'000;  // A text column with more values is ignored, and said so.
  bool provisional = false;
  Time created{};
  std::string source;
};

enum class ColumnRole : std::uint8_t { feature, target, prediction, score, time, ignored };

struct ColumnReport {
  std::string name;
  ColumnRole role = ColumnRole::feature;
  detectors::FeatureKind kind = detectors::FeatureKind::numeric;
  std::uint64_t missing = 0;
  std::uint64_t wrong_type = 0;  // text in a numeric column
  std::uint64_t distinct = 0;    // different values …
  bool distinct_more = false;    // … or there are more than that
  std::string note;              // why ignored, and the like
};

struct Built {
  ModelReference reference;
  std::vector<ColumnReport> columns;
  std::uint64_t rows = 0;
};

using VisitRow = std::function<void(std::span<const detectors::Value> row)>;
// Streams all rows, in the same order each time it is called; values in the order of the columns.
// Values are as detectors/value_reader.h reads a text alone, and carry it (see table.h). Fails with
// its own error.
using Rows = std::function<Result<void>(const VisitRow& visit)>;
// How far: rows done in this pass, and which of the two passes.
using Progress = std::function<void(int pass, std::uint64_t rows)>;

// Errors: those of `rows`; "unknown_column" (a name in the settings that is no column), "no_rows",
// "no_features", "bad_target", "ambiguous_numbers" (a column whose decimal mark cannot be told:
// write it otherwise, ignore it, or take it as categorical; a provisional reference ignores it),
// "bad_time" (values that are no times, with a row from 1; dates without a time of day).
Result<Built> build_reference(const std::vector<std::string>& columns, const Rows& rows,
                              const BuildSettings& settings, const Progress& progress = {});

}  // namespace outrider::reference
