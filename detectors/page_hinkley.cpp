// SPDX-License-Identifier: Apache-2.0
#include "detectors/page_hinkley.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "detectors/snapshot.h"

namespace outrider::detectors {
namespace {

constexpr std::string_view snapshot_kind = "PGHK";
constexpr std::uint16_t snapshot_version = 1;

bool are_valid(const PageHinkleyOptions& options) {
  return is_usable(options.delta) && is_usable(options.threshold) && options.alpha > 0 &&
         options.alpha <= 1;
}

}  // namespace

PageHinkley::PageHinkley(PageHinkleyOptions options) : options_(options) {
  assert(are_valid(options));
}

Signal PageHinkley::update(double value) {
  if (!is_usable(value)) {
    ++refused_;
    return Signal::none;
  }
  ++values_;
  mean_ += (value - mean_) / static_cast<double>(values_);
  const double deviation = value - mean_;
  up_ = options_.alpha * up_ + deviation - options_.delta;
  down_ = options_.alpha * down_ + deviation + options_.delta;
  lowest_up_ = std::min(lowest_up_, up_);
  highest_down_ = std::max(highest_down_, down_);
  const bool drifted = values_ >= options_.warm_up && statistic() > options_.threshold;
  return drifted ? Signal::drift : Signal::none;
}

double PageHinkley::statistic() const {
  if (values_ == 0) return 0;
  const double rise = up_ - lowest_up_, fall = highest_down_ - down_;
  switch (options_.mode) {
    case PageHinkleyMode::up:
      return rise;
    case PageHinkleyMode::down:
      return fall;
    case PageHinkleyMode::both:
      break;
  }
  return std::max(rise, fall);
}

std::string PageHinkley::serialise() const {
  SnapshotWriter out(snapshot_kind, snapshot_version);
  out.u64(options_.warm_up);
  for (const double value : {options_.delta, options_.threshold, options_.alpha}) out.f64(value);
  out.u64(static_cast<std::uint64_t>(options_.mode));
  out.u64(values_);
  out.u64(refused_);
  for (const double value : {mean_, up_, lowest_up_, down_, highest_down_}) out.f64(value);
  return out.finish();
}

Result<PageHinkley> PageHinkley::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, snapshot_kind, snapshot_version);
  if (!in) return fail(in);
  PageHinkleyOptions options;
  options.warm_up = in->u64();
  for (double* value : {&options.delta, &options.threshold, &options.alpha}) *value = in->f64();
  const std::uint64_t mode = in->u64();
  options.mode = static_cast<PageHinkleyMode>(std::min<std::uint64_t>(mode, 2));
  if (!are_valid(options) || mode > 2) {
    return fail("snapshot_corrupt", "Page-Hinkley: its options make no sense. Starting afresh");
  }
  PageHinkley restored(options);
  restored.values_ = in->count();
  restored.refused_ = in->count();
  for (double* value : {&restored.mean_, &restored.up_, &restored.lowest_up_, &restored.down_,
                        &restored.highest_down_}) {
    *value = in->f64();
  }
  if (auto whole = in->finish(); !whole) return fail(whole);
  const bool extremes_hold = restored.lowest_up_ <= restored.up_ &&
                             restored.highest_down_ >= restored.down_ &&
                             std::isfinite(restored.lowest_up_ + restored.highest_down_);
  if (!is_usable(restored.mean_) || (restored.values_ > 0 && !extremes_hold)) {
    return fail("snapshot_corrupt",
                "Page-Hinkley: its sums contradict each other. Starting afresh");
  }
  return restored;
}

}  // namespace outrider::detectors
