// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/log_sites.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "agent/diagnose/rows.h"

namespace outrider::diagnose {
namespace {

constexpr std::size_t rows_of_bursts = 10;  // Rows before, for what one in ten reaches.

// Lines by row and site.
struct Table {
  std::vector<Values> rows;  // Each with one value a site.

  Table(std::size_t row_count, std::size_t sites) : rows(row_count, Values(sites, 0)) {}
};

double sum(const Values& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

// The place of a time among `times`, or their size.
std::size_t row_of(const std::vector<double>& times, double time) {
  const auto found = std::lower_bound(times.begin(), times.end(), time);
  return found != times.end() && *found == time ? static_cast<std::size_t>(found - times.begin())
                                                : times.size();
}

// What a site is expected to say for each line of the others, at most and at least.
struct Rate {
  double high = 0, low = 0, before = 0;  // `before`: its lines, of which the error is made.
};

Rate rate_of(const Table& before, const Values& row_sums, double all, std::size_t site) {
  Rate rate;
  for (const Values& row : before.rows) rate.before += row[site];
  rate.high = rate.low = rate.before / std::max(all - rate.before, 1.0);
  if (before.rows.size() < rows_of_bursts) return rate;
  Values shares;
  for (std::size_t i = 0; i < before.rows.size(); ++i) {
    const double lines = before.rows[i][site];
    shares.push_back(lines / std::max(row_sums[i] - lines, 1.0));
  }
  rate.high = std::max(rate.high, quantile(shares, 0.9));
  rate.low = std::min(rate.low, quantile(shares, 0.1));
  return rate;
}

void keep_if_larger(LogChange& best, bool more, double rate, double lines, double others,
                    double before, std::uint32_t site, double time) {
  if (others <= 0) return;
  const double expected = rate * others;
  const double change = std::log((lines + 1) / (expected + 1));
  const double error =
      std::sqrt(1 / (lines + 1) + 1 / (others + 1) + 1 / (before + 1) * expected / (expected + 1));
  const double excess = (more ? change : -change) - log_standard_errors * error;
  if (excess > best.excess) best = {excess, site, lines, expected, time};
}

}  // namespace

LogChanges log_changes(const std::vector<LogCount>& counts, const LogRows& rows) {
  std::map<std::uint32_t, std::size_t> sites;
  for (const LogCount& count : counts) sites.emplace(count.site, 0);
  std::size_t next = 0;
  for (auto& [site, index] : sites) index = next++;
  Table before(rows.before.size(), sites.size()), now(rows.now.size(), sites.size());
  for (const LogCount& count : counts) {
    const std::size_t site = sites.at(count.site);
    if (const std::size_t row = row_of(rows.now, count.time); row < rows.now.size())
      now.rows[row][site] += count.lines;
    if (const std::size_t row = row_of(rows.before, count.time); row < rows.before.size())
      before.rows[row][site] += count.lines;
  }
  std::erase_if(before.rows, [](const Values& row) { return sum(row) <= 0; });
  double lines_now = 0;
  for (const Values& row : now.rows) lines_now += sum(row);
  LogChanges out;
  if (before.rows.empty() || lines_now <= 0) return out;

  Values row_sums;
  for (const Values& row : before.rows) row_sums.push_back(sum(row));
  const double all = sum(row_sums);
  for (const auto& [site, index] : sites) {
    const Rate rate = rate_of(before, row_sums, all, index);
    const std::size_t pairs = std::max<std::size_t>(1, now.rows.size() - 1);
    for (std::size_t i = 0; i < pairs; ++i) {
      double lines = now.rows[i][index], total = sum(now.rows[i]);
      if (i + 1 < now.rows.size()) {
        lines += now.rows[i + 1][index];
        total += sum(now.rows[i + 1]);
      }
      keep_if_larger(out.more, true, rate.high, lines, total - lines, rate.before, site,
                     rows.now[i]);
      keep_if_larger(out.fewer, false, rate.low, lines, total - lines, rate.before, site,
                     rows.now[i]);
    }
  }
  return out;
}

}  // namespace outrider::diagnose
