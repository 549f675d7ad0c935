// SPDX-License-Identifier: Apache-2.0
#pragma once

// ColumnScan: what a first pass over one column learns, and what kind of column it therefore is. PURE; not
// thread-safe. Memory: at most `distinct_max` texts (a column of numbers: 1 000).

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "detectors/binning.h"
#include "detectors/value.h"

namespace outrider::reference {

// A value as a category: its text where it has one, a number in its shortest form otherwise.
std::string category_text(const detectors::Value& value);

class ColumnScan {
 public:
  // `every_text` keeps the texts of numbers as well as of texts: for a column that will be categorical
  // whatever it looks like.
  explicit ColumnScan(std::size_t distinct_max, bool every_text = false)
      : distinct_max_(distinct_max), every_text_(every_text) {}

  void add(const detectors::Value& value);

  struct Kind {
    bool ignored = false;
    detectors::FeatureKind kind = detectors::FeatureKind::numeric;
    std::string note;
  };
  // Numeric when at least 95 % of the values are numbers; categorical when the texts repeat; ignored
  // when empty, a date, an identifier, or of too many different texts.
  Kind infer(const std::string& name) const;

  std::uint64_t missing() const { return missing_; }
  std::uint64_t numbers() const { return numbers_; }
  std::uint64_t texts() const { return texts_; }
  std::uint64_t values() const { return numbers_ + texts_; }
  std::uint64_t distinct() const { return overflowed_ ? distinct_max_ + 1 : counts_.size(); }
  bool overflowed() const { return overflowed_; }

  // Most frequent first, ties by text; empty when there were too many.
  std::vector<std::string> categories_by_count() const;

 private:
  std::size_t distinct_max_;
  bool every_text_;
  std::uint64_t missing_ = 0, numbers_ = 0, texts_ = 0, dates_ = 0;
  bool overflowed_ = false;
  std::unordered_map<std::string, std::uint64_t> counts_;
};

}  // namespace outrider::reference
