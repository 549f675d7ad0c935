// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/range.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "base/core/text.h"
#include "base/wire/exposition.h"
#include "cli/backtest/series_table.h"

namespace outrider::cli {
namespace {

constexpr std::int64_t points_a_query = 10'000;  // Prometheus allows 11 000 a series.
constexpr Duration query_timeout = std::chrono::minutes(2);

}  // namespace

Time moment(std::string_view option, const std::string& text, Time now) {
  if (text == "now") return now;
  if (text.starts_with("now-")) {
    if (const auto ago = parse_duration(std::string_view(text).substr(4))) return now - *ago;
  }
  const auto time = parse_time(text);
  if (!time) {
    throw std::runtime_error(std::string(option) + "=" + text +
                             ": expected Unix seconds, YYYY-MM-DD HH:MM:SS, now or now-30d");
  }
  return *time;
}

std::string series_name(const Labels& labels) {
  Labels rest = labels;
  rest.set("__name__", "");
  const std::string text = std::string(wire::SeriesKey(rest).text());
  return std::string(labels.get("__name__")) + (text.empty() ? "" : "{" + text + "}");
}

RangeReader::RangeReader(const std::string& prometheus)
    : url_(prometheus), prometheus_(prometheus, query_timeout) {}

std::vector<Series> RangeReader::read(const std::string& promql, Time start, Time end,
                                      Duration step, const Progress& progress) {
  const auto points = (end - start) / step + 1;
  const auto pieces = static_cast<std::size_t>((points + points_a_query - 1) / points_a_query);
  std::map<Labels, std::vector<Sample>> all;
  for (std::size_t i = 0; i < pieces; ++i) {
    if (progress) progress(i, pieces);
    const Time from = start + step * (points_a_query * static_cast<std::int64_t>(i));
    const Time to = std::min<Time>(end, from + step * (points_a_query - 1));
    auto answer = prometheus_.query_range(promql, from, to, step);
    if (!answer) {
      throw std::runtime_error("prometheus=" + url_ + ": " + promql + ": " +
                               answer.error().message);
    }
    for (Series& series : *answer) {
      auto& samples = all[std::move(series.labels)];
      samples.insert(samples.end(), series.samples.begin(), series.samples.end());
    }
  }
  std::vector<Series> list;
  for (auto& [labels, samples] : all) list.push_back({labels, std::move(samples)});
  return list;
}

}  // namespace outrider::cli
