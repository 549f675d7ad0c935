// SPDX-License-Identifier: Apache-2.0
#pragma once

// The index that pandas' to_csv and R's write.csv put before a table: it counts rows and is no
// feature. PURE.
//
// A column is one when it is the first (or follows only such) and
//   it has no name;
//   it is "Unnamed: 0", "Unnamed: 0.1", … (an index that was read and written again), of whole
//     numbers that all differ: a shuffled or filtered frame keeps its numbers;
//   it is "index", "level_0", "row_nr", "rowid", "row_id", "row_number", "rownames", "row.names",
//     "rn" or "#", of 0, 1, 2, … or 1, 2, 3, … in order, at least two.
// Memory: at most 100 000 numbers; more are taken to differ.

#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "detectors/value.h"

namespace outrider::detectors {

class IndexColumn {
 public:
  explicit IndexColumn(std::string_view name);

  // False when no value can make it an index: then add() need not be called.
  bool possible() const { return kind_ != Kind::named_otherwise; }
  void add(const Value& value);
  // Of a column that stands first.
  bool holds() const;

 private:
  enum class Kind : std::uint8_t { nameless, unnamed, counter, named_otherwise };
  static constexpr std::size_t seen_max = 100'000;

  Kind kind_;
  std::uint64_t rows_ = 0;
  bool in_order_ = true;  // first_, first_ + 1, …
  bool differ_ = true;    // Whole numbers, none twice.
  double first_ = 0;
  std::unordered_set<std::int64_t> seen_;
};

}  // namespace outrider::detectors
