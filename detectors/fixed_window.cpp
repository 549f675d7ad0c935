// SPDX-License-Identifier: Apache-2.0
#include "detectors/fixed_window.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "detectors/snapshot.h"

namespace outrider::detectors {
namespace {

constexpr std::string_view snapshot_kind = "FIXW";
constexpr std::uint16_t snapshot_version = 1;
constexpr std::uint64_t word_bits = 64;
constexpr std::uint64_t labels_max = 1 << 24;

bool are_valid(const FixedWindowOptions& options) {
  return options.labels >= 1 && options.labels <= labels_max && options.reference_rate >= 0 &&
         options.reference_rate <= 1 && is_usable(options.sigmas);
}

}  // namespace

FixedWindow::FixedWindow(FixedWindowOptions options)
    : options_(options),
      threshold_(options.reference_rate +
                 options.sigmas * std::sqrt(options.reference_rate * (1 - options.reference_rate) /
                                            static_cast<double>(options.labels))),
      bits_((options.labels + word_bits - 1) / word_bits) {
  assert(are_valid(options));
}

Signal FixedWindow::update(bool wrong) {
  const std::uint64_t place = seen_ % options_.labels;
  std::uint64_t& word = bits_[place / word_bits];
  const std::uint64_t mask = std::uint64_t{1} << (place % word_bits);
  wrong_ -= (word & mask) != 0;
  wrong_ += wrong;
  word = wrong ? word | mask : word & ~mask;
  ++seen_;
  const bool full = seen_ >= options_.labels;
  return full && error_rate() > threshold_ ? Signal::drift : Signal::none;
}

double FixedWindow::error_rate() const {
  return seen_ == 0 ? 0 : static_cast<double>(wrong_) / static_cast<double>(labels());
}

std::uint64_t FixedWindow::labels() const {
  return std::min(seen_, options_.labels);
}

std::string FixedWindow::serialise() const {
  SnapshotWriter out(snapshot_kind, snapshot_version);
  out.u64(options_.labels);
  out.f64(options_.reference_rate);
  out.f64(options_.sigmas);
  out.u64(seen_);
  for (const std::uint64_t word : bits_) out.u64(word);
  return out.finish();
}

Result<FixedWindow> FixedWindow::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, snapshot_kind, snapshot_version);
  if (!in) return fail(in);
  FixedWindowOptions options;
  options.labels = in->u64();
  options.reference_rate = in->f64();
  options.sigmas = in->f64();
  if (!are_valid(options)) {
    return fail("snapshot_corrupt", "fixed window: its options make no sense. Starting afresh");
  }
  FixedWindow restored(options);
  restored.seen_ = in->count();
  for (std::uint64_t& word : restored.bits_) {
    word = in->u64();
    restored.wrong_ += static_cast<std::uint64_t>(std::popcount(word));
  }
  if (auto whole = in->finish(); !whole) return fail(whole);
  // Bits beyond the labels seen would be errors that nobody reported.
  for (std::uint64_t place = restored.labels(); place < restored.bits_.size() * word_bits;
       ++place) {
    if (restored.bits_[place / word_bits] >> (place % word_bits) & 1) {
      return fail("snapshot_corrupt", "fixed window: errors without labels. Starting afresh");
    }
  }
  return restored;
}

}  // namespace outrider::detectors
