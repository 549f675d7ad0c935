// SPDX-License-Identifier: Apache-2.0
#pragma once

// The names of a table's columns while the table is filled. PURE, not thread-safe; one is used
// again for every exchange.
//
// The names of the last exchange are the guess for the next: while the names that come are those,
// in that order, nothing is copied. From the first that differs on the list is its own. Columns
// without names are called by their places: "x0", "x1", …
//
// Names are views into the request, the guess or what keep() holds, valid until clear().

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sidecar/monitor/decode/feature_names.h"
#include "sidecar/monitor/decode/tensor.h"

namespace outrider::decode {

class ColumnNames {
 public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  void clear() {  // Each exchange: what is empty already costs nothing.
    are_own_ = guess_ == nullptr;
    are_positional_ = false;
    names_.clear();
    if (!index_.empty()) index_.clear();
    if (!kept_.empty()) kept_.clear();
    kept_bytes_ = 0;
  }

  std::size_t count() const { return are_own_ ? names_.size() : guess_->names.size(); }
  std::string_view at(std::size_t i) const {
    return are_own_ ? names_[i] : std::string_view(guess_->names[i]);
  }
  std::size_t find(std::string_view name);  // npos: it is not there. O(1).

  bool are_own() const { return are_own_; }  // False while every name was the guessed one.
  bool are_positional() const { return are_positional_; }
  void set_positional(bool positional) { are_positional_ = positional; }
  // Whether a value without a name has the guessed one: such names are alike in every list.
  bool guesses_positional() const { return !are_own_ && guess_->positional; }
  // Whether a guessed name can be compared byte by byte with JSON's, escapes and all.
  bool guesses_plain() const { return !are_own_ && guess_->plain; }
  const std::string& guessed(std::size_t i) const { return guess_->names[i]; }

  // The list becomes its own: the first `count` of the guessed names.
  void own(std::size_t count);
  void own_all() {
    if (!are_own_) own(guess_->names.size());
  }
  void append(std::string_view name);  // To a list of its own.
  // Of a first row that has so many values: the guess holds where it fits.
  void end_first_row(std::size_t count);

  // The whole list at once: by place; those of a matrix's columns; each tensor's name, or one for
  // each of its inner values. wrong_shape where made names would be too many bytes.
  void assign_positional(std::uint64_t count);
  void assign(std::span<const std::string_view> names);
  Decoded<void> assign(std::span<const Tensor> columns);

  // "prefix.name". wrong_shape where made names would be too many bytes.
  Decoded<std::string_view> keep(std::string_view prefix, std::string_view name);
  std::string_view positional_name(std::size_t index);

  // The list as readers know it, and the guess for the next exchange. Valid until the next call.
  const FeatureNames* intern();

 private:
  FeatureNamesTable table_;
  const FeatureNames* guess_ = nullptr;  // The last exchange's names.
  bool are_own_ = true;
  bool are_positional_ = false;
  std::vector<std::string_view> names_;
  std::unordered_map<std::string_view, std::size_t> index_;  // Of names_, when there are many.
  std::deque<std::string> kept_;                             // Names that had to be made.
  std::size_t kept_bytes_ = 0;
  std::deque<std::string> positional_names_;
};

}  // namespace outrider::decode
