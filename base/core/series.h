// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prometheus's data model: labels name a series; samples are its values over time.

#include <algorithm>
#include <bit>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace outrider {

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};

// A label set, sorted by name with unique, non-empty names: the identity of a series.
// Look-up is O(log n); set() is O(n). An empty value removes the label, as Prometheus has it.
class Labels {
 public:
  Labels() = default;
  Labels(std::initializer_list<Label> labels) {
    for (const Label& label : labels) set(label.name, label.value);
  }

  void set(std::string_view name, std::string_view value) {
    auto place = find_place(name);
    const bool found = place != labels_.end() && place->name == name;
    if (value.empty()) {
      if (found) labels_.erase(place);
    } else if (found) {
      place->value = value;
    } else {
      labels_.insert(place, Label{std::string(name), std::string(value)});
    }
  }

  // The value, or "" when the label is absent.
  std::string_view get(std::string_view name) const {
    auto place = std::lower_bound(labels_.begin(), labels_.end(), name,
                                  [](const Label& l, std::string_view n) { return l.name < n; });
    return place != labels_.end() && place->name == name ? std::string_view(place->value)
                                                         : std::string_view();
  }

  auto begin() const { return labels_.begin(); }
  auto end() const { return labels_.end(); }
  std::size_t size() const { return labels_.size(); }
  bool empty() const { return labels_.empty(); }
  auto operator<=>(const Labels&) const = default;

 private:
  std::vector<Label>::iterator find_place(std::string_view name) {
    return std::lower_bound(labels_.begin(), labels_.end(), name,
                            [](const Label& l, std::string_view n) { return l.name < n; });
  }

  std::vector<Label> labels_;
};

struct Sample {
  std::int64_t timestamp_ms = 0;
  double value = 0;
  bool operator==(const Sample&) const = default;
};

// The value that says "this series ended here": one NaN of many, so compare bits, never values, and
// copy samples as bits.
inline constexpr std::uint64_t stale_nan_bits = 0x7ff0000000000002;

inline double stale_marker() {
  return std::bit_cast<double>(stale_nan_bits);
}
inline bool is_stale_marker(double value) {
  return std::bit_cast<std::uint64_t>(value) == stale_nan_bits;
}

struct Series {
  Labels labels;  // The metric's name is the label "__name__".
  std::vector<Sample> samples;
};

}  // namespace outrider
