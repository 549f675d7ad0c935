// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/column_names.h"

#include <algorithm>

namespace outrider::decode {
namespace {

// With fewer names than this, looking through them beats a hash table.
constexpr std::size_t indexed_from = 32;

// Names that had to be made, of all rows: a long key around short ones multiplies.
constexpr std::size_t kept_bytes_max = 32 << 20;

}  // namespace

std::size_t ColumnNames::find(std::string_view name) {
  const std::size_t all = count();
  if (all < indexed_from) {
    for (std::size_t i = 0; i < all; ++i) {
      if (at(i) == name) return i;
    }
    return npos;
  }
  if (index_.empty()) {
    for (std::size_t i = 0; i < all; ++i) index_.emplace(at(i), i);
  }
  const auto found = index_.find(name);
  return found == index_.end() ? npos : found->second;
}

void ColumnNames::own(std::size_t count) {
  names_.clear();
  index_.clear();
  if (!are_own_) {
    names_.assign(guess_->names.begin(),
                  guess_->names.begin() + static_cast<std::ptrdiff_t>(count));
  }
  are_own_ = true;
}

void ColumnNames::append(std::string_view name) {
  names_.push_back(name);
  if (!index_.empty()) index_.emplace(name, names_.size() - 1);
}

void ColumnNames::end_first_row(std::size_t count) {
  if (are_own_) return;
  if (count < guess_->names.size() || are_positional_ != guess_->positional) own(count);
}

// The guessed names where those are as many.
void ColumnNames::assign_positional(std::uint64_t count) {
  are_positional_ = true;
  are_own_ = guess_ == nullptr || !guess_->positional || guess_->names.size() != count;
  if (!are_own_) return;
  names_.clear();
  index_.clear();
  for (std::uint64_t i = 0; i < count; ++i) names_.push_back(positional_name(i));
}

void ColumnNames::assign(std::span<const std::string_view> names) {
  own(0);
  are_positional_ = false;
  names_.assign(names.begin(), names.end());
}

// Mostly all of them are the guessed ones.
Decoded<void> ColumnNames::assign(std::span<const Tensor> columns) {
  are_positional_ = false;
  const bool are_plain = std::all_of(columns.begin(), columns.end(), [](const Tensor& column) {
    return column.values_a_row() == 1;
  });
  if (are_plain && guess_ != nullptr && !guess_->positional &&
      std::equal(
          columns.begin(), columns.end(), guess_->names.begin(), guess_->names.end(),
          [](const Tensor& column, const std::string& name) { return column.name == name; })) {
    are_own_ = false;
    return {};
  }
  own(0);
  for (const Tensor& column : columns) {
    const std::uint64_t inner = column.values_a_row();
    if (inner == 1) {
      names_.push_back(column.name);
      continue;
    }
    for (std::uint64_t i = 0; i < inner; ++i) {
      const auto name = keep(column.name, std::to_string(i));
      if (!name) return failed(name);
      names_.push_back(*name);
    }
  }
  return {};
}

Decoded<std::string_view> ColumnNames::keep(std::string_view prefix, std::string_view name) {
  kept_bytes_ += sizeof(std::string) + prefix.size() + 1 + name.size();
  if (kept_bytes_ > kept_bytes_max) return failed(FailReason::wrong_shape);
  std::string& full = kept_.emplace_back();
  full.reserve(prefix.size() + 1 + name.size());
  return full.append(prefix).append(".").append(name);
}

std::string_view ColumnNames::positional_name(std::size_t index) {
  while (positional_names_.size() <= index) {
    positional_names_.push_back("x" + std::to_string(positional_names_.size()));
  }
  return positional_names_[index];
}

const FeatureNames* ColumnNames::intern() {
  if (are_own_) guess_ = table_.intern(names_, are_positional_);
  return guess_;
}

}  // namespace outrider::decode
