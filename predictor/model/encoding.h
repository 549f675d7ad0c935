// SPDX-License-Identifier: Apache-2.0
#pragma once

// How raw feature values become the columns of a design matrix. PURE; const functions are
// thread-safe.
//
// A numeric feature is one column; a missing value becomes the median of the training rows. A
// categorical feature is one 0/1 column a category ("one-hot"), none dropped: ols takes the
// minimum-norm solution, ridge and logistic are regularised. A category that training never saw is
// all zeros, as scikit-learn's OneHotEncoder(handle_unknown="ignore"). Missing is a category of its
// own when training rows had it. Whatever was filled in or unseen is counted.
//
//   auto learned = learn_encoding(table, rows, {"size", "view"}, {});
//   Cells cells(2); cells[0] = 1800.0; cells[1] = "GOOD";
//   RowCounts counts = learned->encoding.encode(cells, design_row);

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/core/result.h"
#include "base/wire/csv.h"

namespace outrider::model {

using Cell = std::variant<std::monostate, double, std::string>;  // Missing, number, category.
using Cells = std::vector<Cell>;  // One a feature, in the encoding's order.

inline bool is_missing(const Cell& cell) {
  return std::holds_alternative<std::monostate>(cell);
}

enum class Kind { numeric, categorical };

struct Feature {
  std::string name;
  Kind kind = Kind::numeric;
  double fill = 0;            // Numeric: the training median, what a missing value becomes.
  bool missing_seen = false;  // Training rows had missing values: requests may leave it out.
  std::vector<std::string> categories =
      {};  // Categorical: sorted, canonical; "" stands for missing.

  // Design columns of this feature.
  std::size_t columns() const { return kind == Kind::numeric ? 1 : categories.size(); }
  // The category's index, or categories.size() when training never saw it. O(log categories). What
  // is no category as it is is looked up in its other spellings: True, true and 1; 01234 and 1234.
  std::size_t category(std::string_view canonical) const;

  bool operator==(const Feature&) const = default;
};

// A category in its one spelling (detectors/value_reader.h): "3" for "3.0" and JSON's 3, "true" for
// True. Missing is "".
std::string canonical_category(std::string_view text);

// The text as this feature reads it (detectors/value_reader.h); a boolean is 1 or 0 where a number
// is wanted. Error "bad_value": a numeric feature's text that is no finite number. The message has
// no place in it: the caller knows where the text stood.
Result<Cell> read_cell(const Feature& feature, std::string_view text);

struct RowCounts {
  std::uint32_t filled = 0;  // Missing values that were filled in.
  std::uint32_t unseen = 0;  // Categories that training never saw.
};

class Encoding {
 public:
  Encoding() = default;
  explicit Encoding(std::vector<Feature> features);

  const std::vector<Feature>& features() const { return features_; }
  std::size_t columns() const { return columns_; }  // Of the design matrix.
  std::size_t first_column(std::size_t feature) const { return offsets_[feature]; }
  std::vector<std::string> column_names() const;  // "size", "view=GOOD".
  // The feature's index, or features().size().
  std::size_t find(std::string_view name) const;

  // Writes columns() numbers. cells.size() must be features().size().
  RowCounts encode(std::span<const Cell> cells, double* design_row) const;
  // intercept + design row · coefficients without building the row. O(features · log categories).
  double dot(std::span<const Cell> cells, const double* coefficients, RowCounts& counts) const;

  bool operator==(const Encoding&) const = default;

 private:
  template <class Visit>
  RowCounts visit(std::span<const Cell> cells, const Visit& on_column) const;

  std::vector<Feature> features_;
  std::vector<std::size_t> offsets_;
  std::size_t columns_ = 0;
};

struct EncodingRules {
  std::set<std::string> categorical =
      {};                            // Treated as categories even when every value is a number.
  std::size_t categories_max = 200;  // The most frequent are kept; the rest count as unseen.
  double odd_share_max =
      0.05;  // Up to this share of texts in a column of numbers is read as missing.
};

struct Learned {
  Encoding encoding;
  std::vector<std::string> notes;  // What a person should know: filled, odd, cut, left out.
};

// Learns kinds, medians and categories from the given rows of the table. A column of text with more
// than categories_max values, hardly one repeated (a name, an id), is left out and noted.
// Errors: "unknown_column", "no_features".
Result<Learned> learn_encoding(const wire::CsvTable& table, const std::vector<std::size_t>& rows,
                               const std::vector<std::string>& features,
                               const EncodingRules& rules);

// The cells of one CSV row; texts that are no numbers in numeric columns are missing.
// `columns` are the features' places in the row.
Cells read_row(const Encoding& encoding, const std::vector<std::size_t>& columns,
               const wire::CsvRow& row);
// Where each feature stands in the table. Error "unknown_column".
Result<std::vector<std::size_t>> feature_columns(const Encoding& encoding,
                                                 const wire::CsvTable& table);

}  // namespace outrider::model
