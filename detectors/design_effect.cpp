// SPDX-License-Identifier: Apache-2.0
#include "detectors/design_effect.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

#include "detectors/chi_square.h"

namespace outrider::detectors {
namespace {

constexpr double ratio_max = 1e9;     // Of a pane; what is beyond says no more.
constexpr double degrees_needed = 8;  // Of all panes of a length together.
constexpr double errors_needed = 3;   // Standard errors above 1.

// The median of chi-square / degrees (Wilson & Hilferty 1931).
double median_ratio(double degrees) {
  const double cube_root = 1 - 2 / (9 * degrees);
  return cube_root * cube_root * cube_root;
}

// Standard error of the median of so many chi-square ratios, in units of median_ratio(): that of
// normal deviates. The last factor is for few degrees: such ratios are skewed, and those of
// neighbouring panes share a pane (simulated: then 1 to 2 % of independent subjects are believed to
// be inflated).
double median_error(double degrees, std::size_t panes) {
  return 1.2533 * std::sqrt(2 / (degrees * static_cast<double>(panes))) * (1 + 0.6 / degrees);
}

// A jump inflates the pane that it falls into, or the two comparisons with its neighbours.
constexpr std::size_t jump_panes = 2;

// The median, from below while the panes are so few that a jump could be their middle.
double middle_of(std::array<double, Dispersion::kept>& values, std::size_t count) {
  assert(count > jump_panes);
  if (count < 2 * jump_panes + 1) {
    std::sort(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
    return values[count - jump_panes - 1];
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(count / 2);
  const auto end = values.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(values.begin(), middle, end);
  if (count % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// Sums over all batches: rows and pooled counts.
struct Pool {
  std::vector<double> counts;
  double rows = 0;
  std::size_t batches = 0;  // With rows.
};

Pool pool_of(std::span<const std::span<const std::uint32_t>> batches) {
  Pool pool;
  for (const auto batch : batches) {
    pool.counts.resize(std::max(pool.counts.size(), batch.size()));
    double rows = 0;
    for (std::size_t b = 0; b < batch.size(); ++b) {
      pool.counts[b] += batch[b];
      rows += batch[b];
    }
    pool.rows += rows;
    pool.batches += rows > 0 ? 1 : 0;
  }
  return pool;
}

}  // namespace

DesignEffect largest(const DesignEffect& a, const DesignEffect& b) {
  return {std::max(a.rank, b.rank), std::max(a.bins, b.bins)};
}

double chi_square_p(double statistic, double degrees, const DesignEffect& effect) {
  return chi_square_p(statistic / effect.rank, degrees * effect.bins / effect.rank);
}

double chi_square_critical(double p, double degrees, const DesignEffect& effect) {
  return std::min(effect.rank * chi_square_critical(p, degrees * effect.bins / effect.rank),
                  std::numeric_limits<double>::max());
}

BatchVariance batch_variance(std::span<const std::span<const std::uint32_t>> batches) {
  const Pool pool = pool_of(batches);
  const auto used =
      std::count_if(pool.counts.begin(), pool.counts.end(), [](double count) { return count > 0; });
  // With fewer than two rows a batch there is nothing that could hang together within one.
  if (pool.batches < 2 || used < 2 || pool.rows < 2 * static_cast<double>(pool.batches)) return {};

  std::vector<double> rank(pool.counts.size());  // Mid-ranks, their mean being 0.
  double below = 0, variance = 0;
  for (std::size_t b = 0; b < rank.size(); ++b) {
    const double share = pool.counts[b] / pool.rows;
    rank[b] = below + share / 2 - 0.5;
    variance += share * rank[b] * rank[b];
    below += share;
  }
  double between = 0, pearson = 0;
  for (const auto batch : batches) {
    double rows = 0, sum = 0, squares = 0;
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const auto count = static_cast<double>(batch[b]);
      rows += count;
      sum += count * rank[b];
      if (pool.counts[b] > 0) squares += count * count / pool.counts[b];
    }
    if (rows == 0) continue;
    between += sum * sum / rows;
    pearson += squares * pool.rows / rows;  // Pearson's sum of c^2 / expected.
  }
  const double degrees = static_cast<double>(pool.batches) - 1;
  const double whole = (pool.rows - 1) / pool.rows;  // Batches are drawn without replacement.
  BatchVariance result;
  result.rank = std::min(whole * between / (variance * degrees), ratio_max);
  result.bins = std::min(
      whole * (pearson - pool.rows) / (degrees * (static_cast<double>(used) - 1)), ratio_max);
  result.degrees = static_cast<std::uint8_t>(std::min(degrees, 255.0));
  return result;
}

void Dispersion::add(std::size_t length, const BatchVariance& variance) {
  assert(length < lengths);
  if (variance.degrees == 0) return;
  Recent& recent = recent_[length];
  recent.panes[recent.next] = {static_cast<float>(variance.rank), static_cast<float>(variance.bins),
                               variance.degrees};
  recent.next = static_cast<std::uint8_t>((recent.next + 1) % kept);
  recent.count = static_cast<std::uint8_t>(std::min<std::size_t>(recent.count + 1U, kept));
}

DesignEffect Dispersion::effect() const {
  DesignEffect effect;
  for (const Recent& recent : recent_) {
    std::array<double, kept> rank{}, bins{};
    double degrees = 0;
    for (std::size_t i = 0; i < recent.count; ++i) {
      const Pane& pane = recent.panes[i];
      rank[i] = pane.rank / median_ratio(pane.degrees);
      bins[i] = pane.bins;  // So many degrees that its median is its mean.
      degrees += pane.degrees;
    }
    if (degrees < degrees_needed || recent.count <= jump_panes) continue;
    const DesignEffect found = {middle_of(rank, recent.count), middle_of(bins, recent.count)};
    const double error = median_error(degrees / recent.count, recent.count);
    if (std::max(found.rank, found.bins) < 1 + errors_needed * error) continue;
    effect = largest(effect, found);
  }
  effect.rank = std::max(effect.rank, effect.bins);
  return effect;
}

void Dispersion::write(SnapshotWriter& out) const {
  for (const Recent& recent : recent_) {
    out.u64(recent.count);
    // From the oldest, so that equal states are equal bytes.
    for (std::size_t i = 0; i < recent.count; ++i) {
      const Pane& pane = recent.panes[(recent.next + kept - recent.count + i) % kept];
      out.f64(pane.rank);
      out.f64(pane.bins);
      out.u64(pane.degrees);
    }
  }
}

bool Dispersion::read(SnapshotReader& in, Dispersion& dispersion) {
  Dispersion fresh;
  for (std::size_t length = 0; length < lengths; ++length) {
    const std::uint64_t count = in.u64();
    if (count > kept) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      const double rank = in.f64(), bins = in.f64();
      const std::uint64_t degrees = in.u64();
      const bool sound = rank >= 0 && rank <= ratio_max && bins >= 0 && bins <= ratio_max;
      if (!sound || degrees == 0 || degrees > 255) return false;
      fresh.add(length, {rank, bins, static_cast<std::uint8_t>(degrees)});
    }
  }
  dispersion = fresh;
  return true;
}

}  // namespace outrider::detectors
