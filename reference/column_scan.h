// SPDX-License-Identifier: Apache-2.0
#pragma once

// ColumnScan: what a first pass over one column learns, and what kind of column it therefore is.
// PURE; not thread-safe. Memory: at most `distinct_max` texts (a column of numbers: 1 000), and 100
// 000 numbers of an index.
//
// Values count by their canonical text (detectors/value_reader.h), so "3" and "3.0" are one; 1 and
// 0 are true and false in a column that has no other numbers.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "detectors/binning.h"
#include "detectors/column_numbers.h"
#include "detectors/index_column.h"
#include "detectors/timestamp.h"
#include "detectors/value.h"

namespace outrider::reference {

class ColumnScan {
 public:
  // `every_text` keeps the texts of numbers as well as of texts: for a column that will be
  // categorical whatever it looks like.
  ColumnScan(const std::string& name, std::size_t distinct_max, bool every_text = false)
      : distinct_max_(distinct_max), every_text_(every_text), index_(name), times_(name) {}

  void add(const detectors::Value& value);

  struct Kind {
    bool ignored = false;
    detectors::FeatureKind kind = detectors::FeatureKind::numeric;
    std::string note;
  };
  // Numeric when at least 95 % of the values are numbers (a boolean among numbers is 1 or 0);
  // categorical when the texts repeat, and for booleans; ignored when empty, an index, times, an
  // identifier, or of too many different texts. `leads`: nothing but indices stand before it.
  Kind infer(const std::string& name, bool leads) const;
  bool is_index() const { return index_.holds(); }
  detectors::ColumnNumbers::Decision numbers_decision() const { return marks_.decide(); }

  std::uint64_t missing() const { return missing_; }
  std::uint64_t numbers() const { return numbers_; }
  std::uint64_t texts() const { return texts_; }  // But booleans.
  std::uint64_t values() const { return numbers_ + booleans_ + texts_; }
  // How many values differ; or, when overflowed(), a number that they exceed.
  std::uint64_t distinct() const { return overflowed_ ? exceeded_ : merged().size(); }
  bool overflowed() const { return overflowed_; }

  // Most frequent first, ties by text; empty when there were too many.
  std::vector<std::string> categories_by_count() const;

 private:
  using Counts = std::unordered_map<std::string, std::uint64_t>;
  Counts merged() const;

  std::size_t distinct_max_;
  bool every_text_;
  std::uint64_t missing_ = 0, numbers_ = 0, booleans_ = 0, texts_ = 0;
  bool overflowed_ = false;
  std::size_t exceeded_ = 0;
  Counts counts_;
  std::string scratch_;
  detectors::IndexColumn index_;
  detectors::TimeColumn times_;
  detectors::ColumnNumbers marks_;
};

}  // namespace outrider::reference
