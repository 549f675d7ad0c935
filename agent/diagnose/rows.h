// SPDX-License-Identifier: Apache-2.0
#pragma once

// The metrics of components as rows of numbers, and the two things done to their time: fast rows
// are condensed, and rows of different components that belong to one moment share a slot. PURE. Not
// a number: the row has no value there.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::diagnose {

using Values = std::vector<double>;  // One a row.

struct Rows {
  Values times;                                        // Unix seconds, ascending.
  std::map<std::string, Values, std::less<>> metrics;  // By name; each as long as `times`.

  const Values* find(std::string_view metric) const;
  std::size_t size() const { return times.size(); }
};

// One component each, in the same order everywhere in this room.
using Side = std::vector<Rows>;

// The rows whose time is accepted.
Rows rows_where(const Rows& rows, const std::function<bool(double time)>& accepted);

// The distance of neighbouring rows: the median over all components; 60 s where no component has
// two rows.
double row_interval(const Side& side);

// Medians of the values in [origin + i x width, … + width). Rows that are at least `width` apart
// stay as they are.
Rows condensed(const Rows& rows, double width, double origin);

// The moments of a side: the times of all components, ascending, where those less than half a row
// apart are one.
class Grid {
 public:
  static constexpr std::size_t none = SIZE_MAX;

  Grid() = default;
  Grid(const Side& side, double width);

  std::size_t size() const { return slots_.size(); }
  double time(std::size_t slot) const { return slots_[slot]; }
  // A row's values by slot. Of two rows in one slot the later counts.
  Values on(const Values& times, const Values& values) const;

 private:
  Values slots_;
};

// Of the finite values; nothing where there are none. O(n).
std::optional<double> median(std::span<const double> values);
// Linear between order statistics (type 7 of Hyndman & Fan, NumPy's default). `values` finite, not
// empty; are reordered.
double quantile(Values& values, double q);

// The highest level that two neighbouring finite values hold, and the slot where the first of the
// two stands. The value itself where only one is finite.
struct Level {
  double value = 0;
  std::size_t slot = 0;
};
std::optional<Level> highest_level(std::span<const double> values);
// The first slot from which two neighbouring finite values hold at least this level.
std::optional<std::size_t> first_slot(std::span<const double> values, double level);

}  // namespace outrider::diagnose
