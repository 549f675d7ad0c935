// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/ahead_plot.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/core/text.h"
#include "cli/backtest/ahead_report.h"
#include "cli/svg/svg_text.h"

namespace outrider::cli {
namespace {

using forecast::ReplayedAlert;
using forecast::ReplayedCapacity;
using forecast::ReplayedSeries;

constexpr double left = 80, width = 1100, height = 130, headline = 20, gap = 34;

// One panel: where times and values lie in it.
struct Panel {
  Time start{}, end{};
  double top = 0, low = std::numeric_limits<double>::infinity(),
         high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::string x(Time at) const {
    const double all = std::max(to_seconds(end - start), 1.0);
    return coordinate(left + width * std::clamp(to_seconds(at - start) / all, 0.0, 1.0));
  }
  // Halves, because a difference of two doubles need not be one.
  std::string y(double value) const {
    const double range = high / 2 - low / 2;
    return coordinate(top + height * (1 - (range > 0 ? (value / 2 - low / 2) / range : 0.5)));
  }
};

struct Dot {
  Time at{};
  double value = 0;  // NaN: the line is interrupted.
};

std::string line(const Panel& panel, std::string_view style, const std::vector<Dot>& dots,
                 bool stairs = false) {
  std::string path;
  bool pen_down = false;
  for (const Dot& dot : dots) {
    if (!std::isfinite(dot.value)) {
      pen_down = false;
      continue;
    }
    if (pen_down && stairs)
      path += "H" + panel.x(dot.at) + "V" + panel.y(dot.value);
    else
      path += (pen_down ? "L" : "M") + panel.x(dot.at) + " " + panel.y(dot.value);
    pen_down = true;
  }
  return path.empty() ? "" : "<path class='" + std::string(style) + "' d='" + path + "'/>\n";
}

void append_frame(std::string& out, const Panel& panel, const std::string& title) {
  out += "<text class='title' x='" + coordinate(left) + "' y='" + coordinate(panel.top - 6) + "'>" +
         xml(title) + "</text>\n";
  if (!(panel.low <= panel.high)) return;
  for (const double value : {panel.low, panel.high}) {
    out += "<text x='" + coordinate(left - 6) + "' y='" + panel.y(value) + "' text-anchor='end'>" +
           six_digits(value) + "</text><line class='grid' x1='" + coordinate(left) + "' x2='" +
           coordinate(left + width) + "' y1='" + panel.y(value) + "' y2='" + panel.y(value) +
           "'/>\n";
  }
}

void append_alerts(std::string& out, const Panel& panel, const std::vector<ReplayedAlert>& alerts,
                   std::string_view name) {
  for (const ReplayedAlert& one : alerts) {
    const Time end = one.ended.value_or(panel.end);
    out += "<path class='alert' d='M" + panel.x(one.fired) + " " + coordinate(panel.top) + "H" +
           panel.x(end) + "V" + coordinate(panel.top + height) + "H" + panel.x(one.fired) +
           "Z'><title>" + std::string(name) + " from " + format_rfc3339(one.fired) +
           (one.came ? "; it came at " + format_rfc3339(*one.came) : "; it did not come") +
           "</title></path>\n";
  }
}

void append_series(std::string& out, Panel panel, const ReplayedSeries& one,
                   const std::string& name) {
  std::vector<Dot> values, middle;
  std::string upper, lower;
  for (const auto& point : one.points) {
    for (const double value : {point.value, point.low, point.high}) panel.take(value);
  }
  for (const auto& point : one.points) {
    values.push_back({point.at, point.value});
    middle.push_back({point.at, point.middle});
    if (!std::isfinite(point.low) || !std::isfinite(point.high)) continue;
    upper += (upper.empty() ? "M" : "L") + panel.x(point.at) + " " + panel.y(point.high);
    lower = "L" + panel.x(point.at) + " " + panel.y(point.low) + lower;
  }
  append_frame(out, panel, name);
  append_alerts(out, panel, one.full, "DiskFullAhead");
  if (!upper.empty())
    out += "<path class='band' d='" + upper + lower + "Z'><title>90 % interval</title></path>\n";
  out += line(panel, "ahead", middle) + line(panel, "seen", values);
  for (const Time at : one.anomalies)
    out += "<path class='anomaly' d='M" + panel.x(at) + " " + coordinate(panel.top + height) +
           "v8'><title>unusual at " + format_rfc3339(at) + "</title></path>\n";
}

void append_capacity(std::string& out, Panel panel, const ReplayedCapacity& one,
                     const std::string& name) {
  std::vector<Dot> had, now, soon, ahead;
  const auto dot = [](Time at, const std::optional<std::uint64_t>& wanted) {
    return Dot{at,
               wanted ? static_cast<double>(*wanted) : std::numeric_limits<double>::quiet_NaN()};
  };
  for (const auto& step : one.steps) {
    had.push_back({step.at, step.replicas});
    now.push_back(dot(step.at, step.now));
    soon.push_back(dot(step.at, step.soon));
    ahead.push_back(dot(step.at, step.ahead));
    for (const double value :
         {had.back().value, now.back().value, soon.back().value, ahead.back().value})
      panel.take(value);
  }
  panel.take(0);
  append_frame(out, panel, "replicas of " + name);
  append_alerts(out, panel, one.alerts, "ModelCapacityAhead");
  out += line(panel, "seen", had, true) + line(panel, "now", now, true) +
         line(panel, "soon", soon, true) + line(panel, "ahead", ahead, true);
}

std::string legend(double y) {
  const auto entry = [&](double x, std::string_view style, std::string_view text) {
    return "<path class='" + std::string(style) + "' d='M" + coordinate(x) + " " +
           coordinate(y - 4) + "h24'/><text x='" + coordinate(x + 30) + "' y='" + coordinate(y) +
           "'>" + std::string(text) + "</text>";
  };
  return entry(left, "seen", "what was there") +
         entry(left + 125, "ahead", "forecast, 90 % interval; replicas wanted ahead") +
         entry(left + 455, "soon", "worth having until one serves") +
         entry(left + 680, "now", "needed") + entry(left + 775, "anomaly", "unusual") + "\n";
}

}  // namespace

std::string ahead_svg(const forecast::Replayed& told, const forecast::Rules& rules,
                      const forecast::ReplaySettings& settings) {
  const std::size_t all = told.capacity.size() + told.series.size();
  const std::size_t shown = std::min(all, ahead_panels_max);
  const double total = 40 + static_cast<double>(shown) * (height + headline + gap) + 40;
  std::string out =
      "<svg xmlns='http://www.w3.org/2000/svg' width='" + coordinate(left + width + 20) +
      "' height='" + coordinate(total) + "' viewBox='0 0 " + coordinate(left + width + 20) + " " +
      coordinate(total) +
      "'>\n<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold}"
      "path{fill:none;stroke-width:1.5}.seen{stroke:#333}.ahead{stroke:#d62728}"
      ".now{stroke:#ff7f0e}.soon{stroke:#1f77b4}.band{fill:#d62728;fill-opacity:.16;stroke:none}."
      "grid{stroke:#ddd}"
      ".alert{fill:#ffbf00;fill-opacity:.2;stroke:none}.anomaly{stroke:#9467bd;stroke-width:2}"
      "</style>\n<rect width='100%' height='100%' fill='white'/>\n<text x='" +
      coordinate(left) + "' y='16'>" + format_rfc3339(settings.start) + " to " +
      format_rfc3339(settings.end) + "</text>\n" + legend(34);
  Panel panel{.start = settings.start, .end = settings.end, .top = 40 + headline};
  std::size_t drawn = 0;
  const auto next = [&](const std::function<void()>& append) {
    if (drawn++ >= ahead_panels_max) return;
    append();
    panel.top += height + headline + gap;
  };
  for (const ReplayedCapacity& one : told.capacity)
    next([&] {
      append_capacity(out, panel, one, replayed_name(rules.capacity[one.rule].name, one.labels));
    });
  for (const ReplayedSeries& one : told.series)
    next([&] {
      append_series(out, panel, one, replayed_name(rules.series[one.rule].name, one.labels));
    });
  if (shown < all)
    out += "<text x='" + coordinate(left) + "' y='" + coordinate(panel.top) + "'>and " +
           std::to_string(all - shown) + " more</text>\n";
  return out + "</svg>\n";
}

}  // namespace outrider::cli
