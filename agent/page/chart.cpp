// SPDX-License-Identifier: Apache-2.0
#include "agent/page/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "agent/page/markup.h"
#include "base/core/text.h"

namespace outrider::page {
namespace {

// Of the inner picture, which is stretched to what the page has.
constexpr double width = 1000, height = 100;

std::string tenth(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

Time end_of(Time from, Duration step, std::size_t count) {
  const auto steps = static_cast<std::int64_t>(std::max<std::size_t>(count, 2)) - 1;
  return from + steps * step;
}

// The times that a picture shows.
struct Stretch {
  Time from, to;

  double part(Time at) const {
    const double whole = to_seconds(to - from);
    return whole > 0 ? to_seconds(at - from) / whole : 0;
  }
  double x(Time at) const { return width * part(at); }
  // In percent; nothing outside of it.
  std::optional<double> place(Time at) const {
    if (!(to > from) || at < from || at > to) return std::nullopt;
    return 100 * part(at);
  }
};

struct Scale {
  double low = 0, high = 1;
  double y(double value) const { return height - (value - low) / (high - low) * height; }
};

Scale scale_of(const Course& course, const Band* band, std::optional<double> floor,
               std::optional<double> ceiling, std::optional<double> reference) {
  std::optional<double> low = floor, high = ceiling;
  const auto reach = [&](double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low.value_or(value), value);
    high = std::max(high.value_or(value), value);
  };
  for (const double value : course.values) reach(value);
  if (band != nullptr) {
    for (const auto* values : {&band->low, &band->high}) {
      for (const double value : *values) reach(value);
    }
  }
  if (reference) reach(*reference);
  Scale scale{low.value_or(0), high.value_or(1)};
  const double span = scale.high - scale.low;
  // A flat line lies in the middle, not on the edge.
  const double room = span > 0 ? 0.08 * span : std::max(0.05 * std::abs(scale.high), 1e-9);
  if (!floor || scale.low < *floor) scale.low -= room;
  if (!ceiling || scale.high > *ceiling) scale.high += room;
  if (!(scale.high > scale.low)) scale.high = scale.low + 1;
  return scale;
}

// At most points_max points: of each stretch the one farthest from the stretch's first, so that no
// peak is lost.
std::vector<std::size_t> shown_points(const std::vector<double>& values) {
  std::vector<std::size_t> shown;
  const std::size_t stretch = (values.size() + points_max - 1) / points_max;
  for (std::size_t i = 0; i < values.size(); i += std::max<std::size_t>(stretch, 1)) {
    std::size_t chosen = i;
    for (std::size_t j = i; j < std::min(i + stretch, values.size()); ++j) {
      const double far = std::abs(values[j] - values[i]);
      if (std::isfinite(far) && far > std::abs(values[chosen] - values[i])) chosen = j;
    }
    shown.push_back(chosen);
  }
  return shown;
}

// The path's "d"; a value alone between gaps is a short dash.
std::string path_of(const Course& course, const Stretch& stretch, const Scale& scale) {
  const std::size_t count = course.values.size();
  std::string path;
  bool drawing = false, moved_only = false;
  for (const std::size_t i : shown_points(course.values)) {
    const double value = course.values[i];
    if (!std::isfinite(value)) {
      if (moved_only) path += "h2";
      drawing = moved_only = false;
      continue;
    }
    const double x = stretch.x(course.from + static_cast<std::int64_t>(i) * course.step);
    path += (drawing ? "L" : "M") + tenth(x) + " " + tenth(scale.y(value));
    moved_only = !drawing;
    drawing = true;
  }
  if (moved_only) path += count > 1 ? "h-2" : "h2";
  return path;
}

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Time end_of(const Course& course) {
  return end_of(course.from, course.step, course.values.size());
}

Stretch stretch_of(const Course& course) {
  return {course.from, end_of(course)};
}

Stretch stretch_of(const Chart& chart) {
  Stretch stretch = stretch_of(chart.course);
  if (chart.ahead) {
    const Band& band = *chart.ahead;
    if (chart.course.values.empty()) stretch.from = stretch.to = band.from;
    stretch.to = std::max(stretch.to, end_of(band.from, band.step, band.middle.size()));
  }
  return stretch;
}

// The median of the values from `begin` up to before `end`.
std::optional<double> median_between(const Course& course, Time begin, Time end) {
  std::vector<double> values;
  for (std::size_t i = 0; i < course.values.size(); ++i) {
    const Time at = course.from + static_cast<std::int64_t>(i) * course.step;
    if (at >= begin && at < end && std::isfinite(course.values[i]))
      values.push_back(course.values[i]);
  }
  return median(std::move(values));
}

// When the interval reaches highest, and what is expected then.
std::string band_in_words(Unit unit, const Band& band) {
  const auto top = std::max_element(band.high.begin(), band.high.end());
  if (top == band.high.end() || band.middle.size() != band.high.size()) return "Ahead: not known.";
  const auto at = top - band.high.begin();
  const Duration span = end_of(band.from, band.step, band.middle.size()) - band.from;
  return "Ahead, over " + span_text(span) + ": most at " +
         format_rfc3339(band.from + at * band.step).substr(11, 5) + " UTC, " +
         figure(unit, band.middle[static_cast<std::size_t>(at)]) + " expected, above " +
         figure(unit, *top) + " in 1 case of 20.";
}

std::string caption(const Chart& chart) {
  const auto said = [&chart](const char* when, std::optional<double> value) {
    return std::string(when) + " " + (value ? figure(chart.unit, *value) : "no data");
  };
  std::string text;
  const auto last = chart.course.last();
  if (chart.since) {
    const Time after_end = chart.until.value_or(end_of(chart.course) + chart.course.step);
    text = said("Before:", median_between(chart.course, chart.course.from, *chart.since)) + ". " +
           said("Since:", median_between(chart.course, *chart.since, after_end)) + ". ";
    if (chart.until) {
      const auto after =
          median_between(chart.course, *chart.until, end_of(chart.course) + chart.course.step);
      if (after) text += said("After:", after) + ". ";
    }
  }
  text += said("Last:", last) + ".";
  if (chart.ahead) text += " " + band_in_words(chart.unit, *chart.ahead);
  if (chart.reference)
    text += " Dashed: " + chart.reference_name + ", " + figure(chart.unit, *chart.reference) + ".";
  return text;
}

std::string shading(const Chart& chart) {
  if (!chart.since) return {};
  const Time first = std::max(*chart.since, chart.course.from);
  const Time last = std::min(chart.until.value_or(end_of(chart.course)), end_of(chart.course));
  const Stretch stretch = stretch_of(chart);
  const auto begin = stretch.place(first);
  const auto end = stretch.place(last);
  if (!begin || !end || *end <= *begin) return {};
  return "<rect class=\"since\" x=\"" + tenth(*begin) + "%\" y=\"0\" width=\"" +
         tenth(*end - *begin) + "%\" height=\"100%\"/>";
}

// Lines at the markers, their signs at the top: two rows in turn, so that near ones can be read.
std::string marker_lines(const Chart& chart) {
  std::string svg;
  int row = 0;
  const Stretch stretch = stretch_of(chart);
  for (const Marker& marker : chart.markers) {
    const auto at = stretch.place(marker.at);
    if (!at) continue;
    const std::string x = tenth(*at) + "%";
    const char* kind = marker.of_agent ? "action" : "change";
    svg += "<line class=\"" + std::string(kind) + "\" x1=\"" + x + "\" x2=\"" + x +
           "\" y1=\"0\" y2=\"100%\"/><text class=\"" + kind + "\" x=\"" + x + "\" dx=\"3\" y=\"" +
           (row++ % 2 == 0 ? "12" : "25") + "\">" + escape_html(marker.sign) + "</text>";
  }
  return svg;
}

std::string scale_text(const Chart& chart, const Scale& scale) {
  return "<div class=\"scale\"><span>" + escape_html(figure(chart.unit, scale.high)) +
         "</span><span>" + escape_html(figure(chart.unit, scale.low)) + "</span></div>";
}

std::string reference_line(const std::optional<double>& reference, const Scale& scale) {
  if (!reference) return {};
  const std::string y = tenth(scale.y(*reference));
  return "<path class=\"reference\" d=\"M0 " + y + "H1000\"/>";
}

std::string lines_of(const Course& course, const Stretch& stretch, const Scale& scale,
                     const std::optional<double>& reference) {
  return reference_line(reference, scale) + "<path class=\"line\" d=\"" +
         path_of(course, stretch, scale) + "\"/>";
}

// The interval as an area, the median as a dashed line.
std::string band_of(const Band& band, const Stretch& stretch, const Scale& scale) {
  const std::size_t count = std::min({band.low.size(), band.middle.size(), band.high.size()});
  if (count == 0) return {};
  const auto point = [&](const char* letter, std::size_t i, double value) {
    const Time at = band.from + static_cast<std::int64_t>(i) * band.step;
    return letter + tenth(stretch.x(at)) + " " + tenth(scale.y(value));
  };
  std::string area, line;
  for (std::size_t i = 0; i < count; ++i) {
    area += point(i == 0 ? "M" : "L", i, band.high[i]);
    line += point(i == 0 ? "M" : "L", i, band.middle[i]);
  }
  for (std::size_t i = count; i-- > 0;) area += point("L", i, band.low[i]);
  return "<path class=\"band\" d=\"" + area + "Z\"/><path class=\"line ahead\" d=\"" + line +
         "\"/>";
}

// Where what was measured ends and what is forecast begins.
std::string now_line(const Chart& chart) {
  if (!chart.ahead) return {};
  const auto at = stretch_of(chart).place(end_of(chart.course));
  if (!at) return {};
  const std::string x = tenth(*at) + "%";
  return "<line class=\"now\" x1=\"" + x + "\" x2=\"" + x +
         "\" y1=\"0\" y2=\"100%\"/><text class=\"now\" x=\"" + x +
         "\" dx=\"3\" y=\"12\">now</text>";
}

std::string time_axis(const Stretch& stretch) {
  return "<div class=\"times\">" + clock_time(stretch.from) +
         clock_time(stretch.from + (stretch.to - stretch.from) / 2) + clock_time(stretch.to) +
         "</div>";
}

}  // namespace

bool Course::has_values() const {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

std::optional<double> Course::last() const {
  const auto found = std::find_if(values.rbegin(), values.rend(),
                                  [](double value) { return std::isfinite(value); });
  return found == values.rend() ? std::nullopt : std::optional<double>(*found);
}

std::string course_in_words(const std::string& what, Unit unit, const Course& course) {
  std::optional<double> first, low, high;
  for (const double value : course.values) {
    if (!std::isfinite(value)) continue;
    first = first.value_or(value);
    low = std::min(low.value_or(value), value);
    high = std::max(high.value_or(value), value);
  }
  if (!first) return what + ": no data";
  return what + " over " + span_text(end_of(course) - course.from) + ": " + figure(unit, *first) +
         " at first, " + figure(unit, *course.last()) + " last, lowest " + figure(unit, *low) +
         ", highest " + figure(unit, *high);
}

std::string sparkline(const Course& course, const SparkOptions& options) {
  if (!course.has_values()) return {};
  const Scale scale = scale_of(course, nullptr, options.floor, options.ceiling, options.reference);
  return "<svg class=\"spark\" role=\"img\" aria-label=\"" +
         escape_html(course_in_words(options.what, options.unit, course)) +
         "\" viewBox=\"0 -4 1000 108\" preserveAspectRatio=\"none\">" +
         lines_of(course, stretch_of(course), scale, options.reference) + "</svg>";
}

std::string chart(const Chart& chart) {
  std::string html = "<figure class=\"chart\"><figcaption><b>" + escape_html(chart.title) +
                     "</b> <span>" + escape_html(caption(chart)) + "</span></figcaption>";
  const Band* band = chart.ahead ? &*chart.ahead : nullptr;
  if (!chart.course.has_values() && band == nullptr) return html + "</figure>";
  const Stretch stretch = stretch_of(chart);
  const Scale scale = scale_of(chart.course, band, chart.floor, chart.ceiling, chart.reference);
  std::string words = course_in_words(chart.title, chart.unit, chart.course);
  if (band != nullptr) words += ". " + band_in_words(chart.unit, *band);
  html += "<div class=\"plot\">" + scale_text(chart, scale) + "<svg role=\"img\" aria-label=\"" +
          escape_html(words) + "\">" + shading(chart) +
          "<svg viewBox=\"0 -4 1000 108\" preserveAspectRatio=\"none\" width=\"100%\" "
          "height=\"100%\">" +
          (band != nullptr ? band_of(*band, stretch, scale) : std::string()) +
          lines_of(chart.course, stretch, scale, chart.reference) + "</svg>" + marker_lines(chart) +
          now_line(chart) + "</svg>" + time_axis(stretch) + "</div>";
  return html + "</figure>";
}

}  // namespace outrider::page
