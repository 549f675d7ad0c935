// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values over time as SVG, made here: a sparkline for a table's cell, a chart for a page. PURE.
//
// Each says in words what it shows (aria-label, caption), so that nobody needs to see it. Lines are
// drawn in a stretched inner picture, text and markers outside of it by percentages: so a chart
// fits any width without script, and its text stays as large as the page's.
// Cost: O(points), at most points_max of them; more are thinned by what lies farthest out.

#include <optional>
#include <string>
#include <vector>

#include "agent/page/figures.h"
#include "base/core/clock.h"

namespace outrider::page {

inline constexpr std::size_t points_max = 400;

// Values at from, from + step, …; NaN where there is none, and the line is broken there.
struct Course {
  Time from;
  Duration step{};
  std::vector<double> values = {};

  bool has_values() const;
  std::optional<double> last() const;  // The newest that is known.
};

// "accuracy over 3 h: 95 % at first, now 72 %, lowest 71 %, highest 96 %".
std::string course_in_words(const std::string& what, Unit unit, const Course& course);

struct SparkOptions {
  std::string what;  // "accuracy of house-price"
  Unit unit = Unit::number;
  std::optional<double> floor = {};      // Shown at least down to here …
  std::optional<double> ceiling = {};    // … and up to here.
  std::optional<double> reference = {};  // A dashed line: what is promised, a threshold.
};
// "" where there are no values.
std::string sparkline(const Course& course, const SparkOptions& options);

// What is forecast: the values from, from + step, …, with the ends of the 90 % interval.
struct Band {
  Time from;
  Duration step{};
  std::vector<double> low = {}, middle = {}, high = {};
};

struct Marker {
  Time at;
  std::string sign;  // "C1"; in the picture, and before `text` below it.
  std::string text;
  bool of_agent = false;  // An action, not a change.
};
struct Chart {
  std::string title;  // "Accuracy of house-price"
  Unit unit = Unit::number;
  Course course = {};
  std::optional<Time> since = {};  // What comes from here on is shaded …
  std::optional<Time> until = {};  // … up to here, else to the end.
  std::optional<double> reference = {};
  std::string reference_name = {};  // "promised"
  std::optional<double> floor = {}, ceiling = {};
  std::vector<Marker> markers = {};
  std::optional<Band> ahead = {};  // Drawn on from where the course ends.
};
// A <figure> with its caption in words: the median before and since, the last value, what is ahead.
std::string chart(const Chart& chart);

}  // namespace outrider::page
