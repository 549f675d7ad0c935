// SPDX-License-Identifier: Apache-2.0
#include "cli/forecast/forecast_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "cli/svg/svg_text.h"

namespace outrider::cli {
namespace {

using detectors::forecast::Forecast;

constexpr double width = 1100, height = 360;                    // Of the drawing itself.
constexpr double left = 80, right = 20, top = 40, bottom = 60;  // Around it.
constexpr std::size_t points_max = 4000;  // Of the history: more than pixels say nothing more.
constexpr double grid_lines = 5;

// What is drawn and where: slots of the history from `from` on, then those of the forecast.
struct Frame {
  std::size_t from = 0, slots = 0, horizon = 0;
  double low = 0, high = 1;

  double x(double slot) const {
    const double all = std::max<double>(1, static_cast<double>(slots - from + horizon) - 1);
    return left + (slot - static_cast<double>(from)) / all * width;
  }
  // Halves, because a difference of two doubles need not be one.
  double y(double value) const {
    const double range = high / 2 - low / 2;
    return top + height * (1 - (range > 0 ? (value / 2 - low / 2) / range : 0.5));
  }
};

Frame frame_of(const ForecastTable& table, const Forecast& forecast) {
  Frame frame;
  frame.slots = table.history.values.size();
  frame.horizon = forecast.values.size();
  const std::size_t shown =
      std::min({frame.slots, points_max, std::max(3 * frame.horizon, forecast.seasons.week)});
  frame.from = frame.slots - shown;
  frame.low = frame.high = forecast.values.front();
  const auto take = [&frame](double value) {
    if (!std::isfinite(value)) return;
    frame.low = std::min(frame.low, value);
    frame.high = std::max(frame.high, value);
  };
  for (std::size_t i = frame.from; i < frame.slots; ++i) take(table.history.values[i]);
  for (const double value : forecast.values) take(value);
  for (const auto& band : forecast.bands) {
    for (const double value : band.lower) take(value);
    for (const double value : band.upper) take(value);
  }
  return frame;
}

// A line that gaps interrupt.
std::string line(const Frame& frame, const std::vector<double>& values, std::size_t begin,
                 std::size_t first_slot) {
  std::string path;
  bool pen_down = false;
  for (std::size_t i = begin; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      pen_down = false;
      continue;
    }
    path += (pen_down ? "L" : "M") +
            coordinate(frame.x(static_cast<double>(first_slot + i - begin))) + " " +
            coordinate(frame.y(values[i]));
    pen_down = true;
  }
  return path;
}

void append_axes(std::string& out, const Frame& frame, const ForecastTable& table) {
  for (double i = 0; i <= grid_lines; ++i) {
    const double value = frame.low + (frame.high - frame.low) * (i / grid_lines);
    const std::string y = coordinate(frame.y(value));
    out += "<line class='grid' x1='" + coordinate(left) + "' x2='" + coordinate(left + width) +
           "' y1='" + y + "' y2='" + y + "'/><text x='" + coordinate(left - 8) + "' y='" +
           coordinate(frame.y(value) + 4) + "' text-anchor='end'>" + six_digits(value) +
           "</text>\n";
  }
  const auto all = static_cast<double>(frame.slots - frame.from + frame.horizon) - 1;
  for (double i = 0; i <= grid_lines; ++i) {
    const double slot = static_cast<double>(frame.from) + std::round(all * i / grid_lines);
    const std::int64_t time =
        table.history.start_ms + table.history.step_ms * static_cast<std::int64_t>(slot);
    const char* anchor = i == 0 ? "start" : i == grid_lines ? "end" : "middle";
    out += "<text x='" + coordinate(frame.x(slot)) + "' y='" + coordinate(top + height + 20) +
           "' text-anchor='" + anchor + "'>" +
           format_time(time,
                       table.style == TimeStyle::rfc3339 ? TimeStyle::rfc3339 : TimeStyle::blank) +
           "</text>\n";
  }
  const std::string now = coordinate(frame.x(static_cast<double>(frame.slots) - 1));
  out += "<line class='now' x1='" + now + "' x2='" + now + "' y1='" + coordinate(top) + "' y2='" +
         coordinate(top + height) + "'/>\n";
}

void append_bands(std::string& out, const Frame& frame, const Forecast& forecast) {
  std::vector<const detectors::forecast::Band*> widest_first;
  for (const auto& band : forecast.bands) widest_first.push_back(&band);
  std::sort(widest_first.begin(), widest_first.end(),
            [](const auto* a, const auto* b) { return a->level > b->level; });
  for (const auto* band : widest_first) {
    std::string path = line(frame, band->upper, 0, frame.slots);
    for (std::size_t h = frame.horizon; h-- > 0;) {
      path += "L" + coordinate(frame.x(static_cast<double>(frame.slots + h))) + " " +
              coordinate(frame.y(band->lower[h]));
    }
    out += "<path class='band' d='" + path + "Z'><title>" + level_name(band->level) +
           " % interval</title></path>\n";
  }
}

std::string legend(const Forecast& forecast) {
  std::string levels;
  for (const auto& band : forecast.bands)
    levels += (levels.empty() ? "" : ", ") + level_name(band.level) + " %";
  const std::string y = coordinate(top + height + 46);
  return "<path class='history' d='M" + coordinate(left) + " " + coordinate(top + height + 42) +
         "h30'/><text x='" + coordinate(left + 38) + "' y='" + y +
         "'>history</text><path class='ahead' d='M" + coordinate(left + 110) + " " +
         coordinate(top + height + 42) + "h30'/><text x='" + coordinate(left + 148) + "' y='" + y +
         "'>forecast, with intervals of " + levels + "</text>\n";
}

}  // namespace

std::string forecast_svg(const std::string& title, const ForecastTable& table,
                         const Forecast& forecast) {
  const Frame frame = frame_of(table, forecast);
  const std::string size_x = coordinate(left + width + right),
                    size_y = coordinate(top + height + bottom);
  std::string out =
      "<svg xmlns='http://www.w3.org/2000/svg' width='" + size_x + "' height='" + size_y +
      "' viewBox='0 0 " + size_x + " " + size_y +
      "'>\n<style>text{font:12px sans-serif;fill:#333}path{fill:none;stroke-width:1.5}"
      ".history{stroke:#333}.ahead{stroke:#d62728}.band{fill:#d62728;fill-opacity:.16;stroke:none}"
      ".grid{stroke:#ddd}.now{stroke:#888;stroke-dasharray:4 3}.title{font-size:15px}</style>\n"
      "<rect width='100%' height='100%' fill='white'/>\n<text class='title' x='" +
      coordinate(left) + "' y='24'>" + xml(title) + "</text>\n";
  append_axes(out, frame, table);
  append_bands(out, frame, forecast);
  out += "<path class='history' d='" + line(frame, table.history.values, frame.from, frame.from) +
         "'/>\n";
  out += "<path class='ahead' d='" + line(frame, forecast.values, 0, frame.slots) + "'/>\n";
  return out + legend(forecast) + "</svg>\n";
}

}  // namespace outrider::cli
