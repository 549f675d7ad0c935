// SPDX-License-Identifier: Apache-2.0
#include "detectors/cbpe.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace outrider::detectors {
namespace {

// Pool adjacent violators: the monotone rates nearest to `rates` in weighted squares.
void make_monotone(std::vector<double>& rates, const std::vector<std::uint64_t>& weights) {
  struct Block {
    double sum, weight;
    std::size_t size;
    double mean() const { return sum / weight; }
  };
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    // A bin without rows weighs next to nothing: it takes its neighbours' rate.
    const double weight = std::max(static_cast<double>(weights[i]), 1e-9);
    blocks.push_back({rates[i] * weight, weight, 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean() >= blocks.back().mean()) {
      const Block last = blocks.back();
      blocks.pop_back();
      blocks.back().sum += last.sum;
      blocks.back().weight += last.weight;
      blocks.back().size += last.size;
    }
  }
  std::size_t i = 0;
  for (const Block& block : blocks) {
    for (std::size_t k = 0; k < block.size; ++k) rates[i++] = block.mean();
  }
}

// Bins without reference rows take the rate of the nearest bin below that has some, else of the
// first.
void fill_empty(std::vector<double>& rates, const std::vector<std::uint64_t>& counts) {
  const auto first =
      std::find_if(counts.begin(), counts.end(), [](auto count) { return count > 0; });
  if (first == counts.end()) return;
  double known = rates[static_cast<std::size_t>(first - counts.begin())];
  for (std::size_t i = 0; i < rates.size(); ++i) {
    if (counts[i] > 0) known = rates[i];
    rates[i] = known;
  }
}

}  // namespace

Result<Calibration> Calibration::fit(Kind kind, std::span<const double> scores,
                                     const std::vector<bool>& hits) {
  assert(scores.size() == hits.size());
  if (scores.size() < 2 * calibration_bins) {
    return fail("too_few_rows", std::to_string(scores.size()) + " scored rows: expected at least " +
                                    std::to_string(2 * calibration_bins));
  }
  for (const double score : scores) {
    if (!(score >= 0 && score <= 1)) {
      return fail("bad_scores", "a score outside of [0, 1]: expected probabilities");
    }
  }
  std::vector<double> sorted(scores.begin(), scores.end());
  std::sort(sorted.begin(), sorted.end());
  Calibration calibration(kind, Binning::from_sorted_sample(sorted, calibration_bins));
  const std::size_t bins = calibration.bins_.value_bins();
  calibration.counts_.assign(bins, 0);
  std::vector<std::uint64_t> positive(bins, 0);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::size_t bin = calibration.bins_.slot_of(scores[i]);
    ++calibration.counts_[bin];
    positive[bin] += hits[i] ? 1 : 0;
  }
  calibration.rates_.assign(bins, 0);
  for (std::size_t i = 0; i < bins; ++i) {
    if (calibration.counts_[i] == 0) continue;
    calibration.rates_[i] =
        static_cast<double>(positive[i]) / static_cast<double>(calibration.counts_[i]);
  }
  fill_empty(calibration.rates_, calibration.counts_);
  make_monotone(calibration.rates_, calibration.counts_);
  return calibration;
}

Result<Calibration> Calibration::restore(Kind kind, std::vector<double> edges,
                                         std::vector<double> rates,
                                         std::vector<std::uint64_t> counts) {
  auto bins = Binning::numeric(std::move(edges));
  if (!bins) return fail(bins);
  const bool sized = rates.size() == bins->value_bins() && counts.size() == bins->value_bins();
  const bool bounded =
      std::all_of(rates.begin(), rates.end(), [](double r) { return r >= 0 && r <= 1; });
  if (!sized || !bounded) {
    return fail("bad_calibration", "expected one rate in [0, 1] and one count a bin, " +
                                       std::to_string(bins->value_bins()) + " in all");
  }
  Calibration calibration(kind, std::move(*bins));
  calibration.rates_ = std::move(rates);
  calibration.counts_ = std::move(counts);
  return calibration;
}

std::optional<double> Calibration::estimate(std::span<const std::uint64_t> live) const {
  assert(live.size() >= rates_.size());
  double right = 0, rows = 0;
  for (std::size_t i = 0; i < rates_.size(); ++i) {
    const auto count = static_cast<double>(live[i]);
    right += count * (kind_ == Kind::binary ? std::max(rates_[i], 1 - rates_[i]) : rates_[i]);
    rows += count;
  }
  if (rows == 0) return std::nullopt;
  return right / rows;
}

}  // namespace outrider::detectors
