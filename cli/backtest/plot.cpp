// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/core/text.h"
#include "cli/svg/svg_text.h"

namespace outrider::cli {
namespace {

constexpr std::size_t width = 1200;
constexpr std::size_t height = 120;
constexpr std::size_t margin = 20;
constexpr std::size_t headline = 18;

// What falls into one column of the picture.
struct Column {
  std::optional<double> least;
  std::optional<double> greatest;
  std::optional<std::size_t> anomaly;  // The row with the highest score that is one.
};

std::vector<Column> columns_of(const ScoredSeries& series, double threshold, std::size_t count) {
  std::vector<Column> columns(count);
  const std::size_t rows = series.rows.size();
  for (std::size_t i = 0; i < rows; ++i) {
    Column& column = columns[i * count / rows];
    const double value = series.rows[i].value;
    if (series.scores[i].score >= threshold &&
        (!column.anomaly || series.scores[i].score > series.scores[*column.anomaly].score)) {
      column.anomaly = i;
    }
    if (!std::isfinite(value)) continue;
    column.least = std::min(column.least.value_or(value), value);
    column.greatest = std::max(column.greatest.value_or(value), value);
  }
  return columns;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  // 0 at the lowest value, 1 at the highest; the middle when all are the same. Halves, because a
  // difference of two doubles need not be one.
  double part(double value) const {
    return high > low ? (value / 2 - low / 2) / (high / 2 - low / 2) : 0.5;
  }
};

Range range_of(const std::vector<Column>& columns) {
  Range range;
  for (const Column& column : columns) {
    if (!column.least) continue;
    range.low = std::min(range.low, *column.least);
    range.high = std::max(range.high, *column.greatest);
  }
  return range;
}

void append_panel(std::string& out, const ScoredSeries& series, double threshold, double top) {
  const auto columns = columns_of(series, threshold, std::min(width, series.rows.size()));
  const Range range = range_of(columns);
  const auto x_of = [&](std::size_t i) {
    return margin + (static_cast<double>(i) + 0.5) * width / static_cast<double>(columns.size());
  };
  const auto y_of = [&](double value) { return top + height * (1 - range.part(value)); };
  out += "<text x='20' y='" + coordinate(top - 5) + "'>" + xml(series.name) + "</text>\n<path d='";
  bool pen_down = false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].least) {
      pen_down = false;  // A gap stays a gap.
      continue;
    }
    out +=
        (pen_down ? "L" : "M") + coordinate(x_of(i)) + " " + coordinate(y_of(*columns[i].greatest));
    out += "V" + coordinate(y_of(*columns[i].least));
    pen_down = true;
  }
  out += "'/>\n";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].anomaly) continue;
    const auto& row = series.rows[*columns[i].anomaly];
    const auto& score = series.scores[*columns[i].anomaly];
    out += "<line x1='" + coordinate(x_of(i)) + "' x2='" + coordinate(x_of(i)) + "' y1='" +
           coordinate(top) + "' y2='" + coordinate(top + height) + "'><title>" +
           xml(row.timestamp_text) + " value " + xml(row.value_text) + " score " +
           format_double(std::round(score.score * 1000) / 1000) + " (" +
           std::string(detectors::name(score.question)) + ")</title></line>\n";
  }
}

}  // namespace

std::string svg(const std::vector<const ScoredSeries*>& series, double threshold) {
  const std::size_t shown = std::min(series.size(), plots_max);
  const std::size_t panel = height + headline + margin;
  const std::string total_width = std::to_string(width + 2 * margin);
  const std::string total_height = std::to_string(shown * panel + 2 * margin);
  std::string out = "<svg xmlns='http://www.w3.org/2000/svg' width='" + total_width + "' height='" +
                    total_height + "' viewBox='0 0 " + total_width + " " + total_height +
                    "'>\n<style>text{font:12px sans-serif}path{fill:none;stroke:#1f77b4}"
                    "line{stroke:#d62728;stroke-width:2;opacity:.7}</style>\n"
                    "<rect width='100%' height='100%' fill='white'/>\n";
  for (std::size_t i = 0; i < shown; ++i) {
    append_panel(out, *series[i], threshold, static_cast<double>(i * panel + margin + headline));
  }
  if (shown < series.size()) {
    out += "<text x='20' y='" + std::to_string(shown * panel + margin) + "'>and " +
           std::to_string(series.size() - shown) + " more series</text>\n";
  }
  return out + "</svg>\n";
}

std::string terminal_plot(const ScoredSeries& series, double threshold, std::size_t columns) {
  static constexpr std::array<std::string_view, 8> heights = {"▁", "▂", "▃", "▄",
                                                              "▅", "▆", "▇", "█"};
  const auto parts = columns_of(series, threshold, std::min(columns, series.rows.size()));
  const Range range = range_of(parts);
  std::string course;
  std::string marks;
  for (const Column& part : parts) {
    if (part.greatest) {
      // Whichever end is farther from the middle, so that dips show as well as peaks.
      const double high = range.part(*part.greatest);
      const double low = range.part(*part.least);
      const double shown = high + low >= 1 ? high : low;
      course += heights[std::min<std::size_t>(7, static_cast<std::size_t>(shown * 8))];
    } else {
      course += ' ';
    }
    marks += part.anomaly ? "▲" : " ";
  }
  while (marks.ends_with(' ')) marks.pop_back();
  return course + "\n" + (marks.empty() ? "" : marks + "\n");
}

}  // namespace outrider::cli
