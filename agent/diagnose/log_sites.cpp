// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/log_sites.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "agent/diagnose/rows.h"

namespace outrider::diagnose {
namespace {

constexpr std::size_t rows_of_bursts = 10;  // Rows before, for what one in ten reaches.

// Lines by row and site, and all of a row.
struct Table {
  std::vector<Values> rows;  // Each with one value a site.
  Values sums;

  Table(std::size_t row_count, std::size_t sites)
      : rows(row_count, Values(sites, 0)), sums(row_count, 0) {}
  void add(std::size_t row, std::size_t site, double lines) {
    rows[row][site] += lines;
    sums[row] += lines;
  }
};

// The place of a time among `times`, or their size.
std::size_t row_of(const std::vector<double>& times, double time) {
  const auto found = std::lower_bound(times.begin(), times.end(), time);
  return found != times.end() && *found == time ? static_cast<std::size_t>(found - times.begin())
                                                : times.size();
}

// What a site is expected to say, at most and at least.
struct Expected {
  double high = 0, low = 0;    // For each line of the others.
  double most = 0, least = 0;  // In a row.
  double before = 0;           // Its lines, of which the error is made.
};

// Of the rows in which the component said anything: some do.
Expected expected_of(const Table& table, std::size_t site) {
  Expected out;
  Values shares, lines;
  double all = 0;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.sums[i] <= 0) continue;
    all += table.sums[i];
    lines.push_back(table.rows[i][site]);
    out.before += lines.back();
    shares.push_back(lines.back() / std::max(table.sums[i] - lines.back(), 1.0));
  }
  out.high = out.low = out.before / std::max(all - out.before, 1.0);
  out.most = out.least = out.before / static_cast<double>(lines.size());
  if (lines.size() < rows_of_bursts) return out;
  out.high = std::max(out.high, quantile(shares, 0.9));
  out.low = std::min(out.low, quantile(shares, 0.1));
  out.most = std::max(out.most, quantile(lines, 0.9));
  out.least = std::min(out.least, quantile(lines, 0.1));
  return out;
}

// A site's lines in some rows, and all others' there.
struct Said {
  double lines = 0, others = 0, rows = 0;

  void add(const Table& table, std::size_t row, std::size_t site) {
    const double its = table.rows[row][site];
    lines += its;
    others += table.sums[row] - its;
    ++rows;
  }
};

double expected_lines(const Expected& expected, const Said& said, bool more) {
  return more ? std::max(expected.high * said.others, expected.most * said.rows)
              : std::min(expected.low * said.others, expected.least * said.rows);
}

double change_of(const Expected& expected, const Said& said, bool more) {
  const double change = std::log((said.lines + 1) / (expected_lines(expected, said, more) + 1));
  return more ? change : -change;
}

double excess_of(const Expected& expected, const Said& said, bool more) {
  if (said.others <= 0) return 0;
  const double lines = expected_lines(expected, said, more);
  const double error = std::sqrt(1 / (said.lines + 1) + 1 / (said.others + 1) +
                                 1 / (expected.before + 1) * lines / (lines + 1));
  return std::max(0.0, change_of(expected, said, more) - log_standard_errors * error);
}

// Rows [first, last) of a table, two at a time.
struct Window {
  const Table& table;
  const std::vector<double>& times;
  std::size_t first = 0, last = 0;
};

void keep_largest(LogChange& best, const Window& window, const Expected& expected,
                  std::uint32_t site, std::size_t index, bool more) {
  const bool single = window.last - window.first == 1;
  for (std::size_t i = window.first; i + (single ? 0 : 1) < window.last; ++i) {
    Said begin, both;
    begin.add(window.table, i, index);
    both = begin;
    if (!single) both.add(window.table, i + 1, index);
    const double excess = excess_of(expected, both, more);
    if (excess <= best.excess) continue;
    // It began in the second row where the first has less than half of it.
    const bool later =
        !single && 2 * change_of(expected, begin, more) < change_of(expected, both, more);
    best = {excess, site, both.lines, expected_lines(expected, both, more),
            window.times[i + (later ? 1 : 0)]};
  }
}

}  // namespace

LogChanges log_changes(const std::vector<LogCount>& counts, const LogRows& rows) {
  LogChanges out{{}, {}, Values(rows.calm.size(), 0), Values(rows.calm.size(), 0)};
  std::map<std::uint32_t, std::size_t> sites;
  for (const LogCount& count : counts) sites.emplace(count.site, 0);
  std::size_t next = 0;
  for (auto& [site, index] : sites) index = next++;
  Table before(rows.before.size(), sites.size()), now(rows.now.size(), sites.size());
  for (const LogCount& count : counts) {
    const std::size_t site = sites.at(count.site);
    if (const std::size_t row = row_of(rows.now, count.time); row < rows.now.size())
      now.add(row, site, count.lines);
    if (const std::size_t row = row_of(rows.before, count.time); row < rows.before.size())
      before.add(row, site, count.lines);
  }
  if (std::all_of(before.sums.begin(), before.sums.end(), [](double one) { return one <= 0; }))
    return out;

  const auto place = [&rows](double time) {
    return static_cast<std::size_t>(std::lower_bound(rows.before.begin(), rows.before.end(), time) -
                                    rows.before.begin());
  };
  const Window searched{now, rows.now, 0, rows.now.size()};
  std::vector<Window> calm;
  for (const auto& [from, to] : rows.calm)
    calm.push_back({before, rows.before, place(from), place(to)});
  for (const auto& [site, index] : sites) {
    const Expected expected = expected_of(before, index);
    keep_largest(out.more, searched, expected, site, index, true);
    keep_largest(out.fewer, searched, expected, site, index, false);
    for (std::size_t i = 0; i < calm.size(); ++i) {
      LogChange more, fewer;
      keep_largest(more, calm[i], expected, site, index, true);
      keep_largest(fewer, calm[i], expected, site, index, false);
      out.calm_more[i] = std::max(out.calm_more[i], more.excess);
      out.calm_fewer[i] = std::max(out.calm_fewer[i], fewer.excess);
    }
  }
  return out;
}

}  // namespace outrider::diagnose
