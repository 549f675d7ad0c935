// SPDX-License-Identifier: Apache-2.0
#include "detectors/index_column.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/core/text.h"

namespace outrider::detectors {
namespace {

constexpr double whole_max = 9e15;

// "Unnamed: 0", "Unnamed: 0.1", "Unnamed: 0.1.1".
bool is_unnamed(std::string_view name) {
  constexpr std::string_view start = "Unnamed: 0";
  if (!name.starts_with(start)) return false;
  name.remove_prefix(start.size());
  return name.empty() ||
         (name.front() == '.' && name.find_first_not_of("0123456789.") == name.npos);
}

bool is_counter(std::string_view name) {
  constexpr std::string_view names[] = {"index",      "level_0",  "row_nr",    "rowid", "row_id",
                                        "row_number", "rownames", "row.names", "rn",    "#"};
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view known) { return iequals_ascii(name, known); });
}

}  // namespace

IndexColumn::IndexColumn(std::string_view name)
    : kind_(name.empty()       ? Kind::nameless
            : is_unnamed(name) ? Kind::unnamed
            : is_counter(name) ? Kind::counter
                               : Kind::named_otherwise) {}

void IndexColumn::add(const Value& value) {
  const double x = value.number;
  const bool whole =
      value.kind == Value::Kind::number && std::abs(x) < whole_max && x == std::floor(x);
  if (!whole) in_order_ = differ_ = false;
  if (rows_ == 0) first_ = x;
  in_order_ = in_order_ && (first_ == 0 || first_ == 1) && x == first_ + static_cast<double>(rows_);
  ++rows_;
  if (kind_ != Kind::unnamed || in_order_ || !differ_) return;
  // Out of order for the first time: those before it were counted up.
  if (seen_.empty()) {
    const auto before = static_cast<std::uint64_t>(std::min<std::uint64_t>(rows_ - 1, seen_max));
    for (std::uint64_t i = 0; i < before; ++i)
      seen_.insert(static_cast<std::int64_t>(first_) + static_cast<std::int64_t>(i));
  }
  if (seen_.size() < seen_max) differ_ = seen_.insert(static_cast<std::int64_t>(x)).second;
}

bool IndexColumn::holds() const {
  switch (kind_) {
    case Kind::nameless:
      return true;
    case Kind::unnamed:
      return rows_ > 0 && (in_order_ || differ_);
    case Kind::counter:
      return rows_ > 1 && in_order_;
    case Kind::named_otherwise:
      break;
  }
  return false;
}

}  // namespace outrider::detectors
