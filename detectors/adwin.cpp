// SPDX-License-Identifier: Apache-2.0
#include "detectors/adwin.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "detectors/snapshot.h"

namespace outrider::detectors {
namespace {

constexpr std::string_view snapshot_kind = "ADWN";
constexpr std::uint16_t snapshot_version = 1;
constexpr std::size_t rows_max = 50;  // 2^50 values; sizes stay exact in a double.
constexpr std::uint64_t blocks_most = 64;

double block_size(std::size_t row) {
  return std::ldexp(1.0, static_cast<int>(row));
}

bool are_valid(const AdwinOptions& options) {
  return options.delta > 0 && options.delta < 1 && options.check_every >= 1 &&
         options.blocks_max >= 1 && options.blocks_max <= blocks_most && options.min_window >= 1 &&
         options.grace >= 0;
}

}  // namespace

Adwin::Adwin(AdwinOptions options) : options_(options) {
  assert(are_valid(options));
}

Signal Adwin::update(double value) {
  if (!is_usable(value)) {
    ++refused_;
    return Signal::none;
  }
  insert(value);
  ++values_;
  if (values_ % options_.check_every != 0 || !(width_ > options_.grace)) return Signal::none;
  bool drifted = false;
  while (has_cut()) {
    drop_oldest();
    drifted = true;
  }
  drifts_ += drifted;
  return drifted ? Signal::drift : Signal::none;
}

void Adwin::insert(double value) {
  if (rows_.empty()) rows_.emplace_back();
  rows_.front().push_back({value, 0});
  if (width_ > 0) {
    const double deviation = value - sum_ / width_;
    deviations_ += width_ * deviation * deviation / (width_ + 1);
  }
  width_ += 1;
  sum_ += value;
  merge_full_rows();
}

// A row with one block too many gives its two oldest, as one, to the next row.
void Adwin::merge_full_rows() {
  for (std::size_t i = 0; i < rows_.size() && rows_[i].size() > options_.blocks_max; ++i) {
    if (i + 1 == rows_.size()) rows_.emplace_back();
    const Block first = rows_[i][0], second = rows_[i][1];
    const double difference = (first.sum - second.sum) / block_size(i);
    rows_[i + 1].push_back(
        {first.sum + second.sum,
         first.deviations + second.deviations + block_size(i) / 2 * difference * difference});
    rows_[i].erase(rows_[i].begin(), rows_[i].begin() + 2);
  }
}

bool Adwin::has_cut() const {
  double older = 0, older_sum = 0;
  for (std::size_t i = rows_.size(); i-- > 0;) {
    for (const Block& block : rows_[i]) {
      older += block_size(i);
      older_sum += block.sum;
      const double newer = width_ - older;
      if (newer < options_.min_window) return false;
      if (older < options_.min_window) continue;
      if (differ(older, newer, older_sum / older - (sum_ - older_sum) / newer)) return true;
    }
  }
  return false;
}

bool Adwin::differ(double older, double newer, double mean_difference) const {
  const double d = std::log(2 * std::log(width_) / options_.delta);
  const double inverse_m =
      1 / (older - options_.min_window + 1) + 1 / (newer - options_.min_window + 1);
  const double bound = std::sqrt(2 * inverse_m * variance() * d) + 2.0 / 3 * d * inverse_m;
  return std::abs(mean_difference) > bound;
}

void Adwin::drop_oldest() {
  const double size = block_size(rows_.size() - 1);
  const Block oldest = rows_.back().front();
  rows_.back().erase(rows_.back().begin());
  width_ -= size;
  sum_ -= oldest.sum;
  const double difference = oldest.sum / size - sum_ / width_;
  const double between = size * width_ * difference * difference / (size + width_);
  deviations_ = std::max(0.0, deviations_ - oldest.deviations - between);
  while (!rows_.empty() && rows_.back().empty()) rows_.pop_back();
}

std::size_t Adwin::state_bytes() const {
  std::size_t bytes = sizeof(*this) + rows_.capacity() * sizeof(rows_[0]);
  for (const auto& row : rows_) bytes += row.capacity() * sizeof(Block);
  return bytes;
}

std::string Adwin::serialise() const {
  SnapshotWriter out(snapshot_kind, snapshot_version);
  out.f64(options_.delta);
  out.u64(options_.check_every);
  out.u64(options_.blocks_max);
  for (const double value : {options_.min_window, options_.grace, width_, sum_, deviations_}) {
    out.f64(value);
  }
  for (const std::uint64_t count : {values_, drifts_, refused_}) out.u64(count);
  out.u64(rows_.size());
  for (const auto& row : rows_) {
    out.u64(row.size());
    for (const Block& block : row) {
      out.f64(block.sum);
      out.f64(block.deviations);
    }
  }
  return out.finish();
}

Result<Adwin> Adwin::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, snapshot_kind, snapshot_version);
  if (!in) return fail(in);
  const auto corrupt = [] {
    return fail("snapshot_corrupt", "ADWIN: its window contradicts itself. Starting afresh");
  };
  AdwinOptions options;
  options.delta = in->f64();
  options.check_every = in->u64();
  options.blocks_max = in->u64();
  options.min_window = in->f64();
  options.grace = in->f64();
  if (!are_valid(options)) return corrupt();
  Adwin restored(options);
  for (double* value : {&restored.width_, &restored.sum_, &restored.deviations_}) {
    *value = in->f64();
  }
  for (std::uint64_t* count : {&restored.values_, &restored.drifts_, &restored.refused_}) {
    *count = in->count();
  }
  const std::uint64_t rows = in->u64();
  if (rows > rows_max) return corrupt();
  double width = 0;
  bool sane = std::isfinite(restored.sum_) && restored.deviations_ >= 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::uint64_t blocks = in->u64();
    if (blocks > options.blocks_max) return corrupt();
    auto& row = restored.rows_.emplace_back();
    for (std::uint64_t k = 0; k < blocks; ++k) {
      row.push_back({in->f64(), in->f64()});
      sane = sane && std::isfinite(row.back().sum) && row.back().deviations >= 0;
    }
    width += static_cast<double>(blocks) * block_size(i);
  }
  if (auto whole = in->finish(); !whole) return fail(whole);
  const bool ends_in_blocks = restored.rows_.empty() || !restored.rows_.back().empty();
  if (!sane || !ends_in_blocks || restored.width_ != width) return corrupt();
  return restored;
}

}  // namespace outrider::detectors
