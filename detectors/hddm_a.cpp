// SPDX-License-Identifier: Apache-2.0
#include "detectors/hddm_a.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "detectors/snapshot.h"

namespace outrider::detectors {
namespace {

constexpr std::string_view snapshot_kind = "HDMA";
constexpr std::uint16_t snapshot_version = 1;

bool are_valid(const HddmAOptions& options) {
  const auto is_confidence = [](double c) { return c > 0 && c < 1; };
  return is_confidence(options.drift_confidence) && is_confidence(options.warning_confidence);
}

}  // namespace

HddmA::HddmA(HddmAOptions options) : options_(options) {
  assert(are_valid(options));
}

Signal HddmA::update(bool wrong) {
  ++all_.count;
  all_.value += 1 / static_cast<double>(all_.count) * ((wrong ? 1.0 : 0.0) - all_.value);
  const double reach = bound(all_);
  if (low_cut_.count == 0 || low_cut_.value + bound(low_cut_) >= all_.value + reach)
    low_cut_ = all_;
  if (high_cut_.count == 0 || high_cut_.value - bound(high_cut_) <= all_.value - reach) {
    high_cut_ = all_;
  }
  Signal signal = compare(low_cut_, all_.value - low_cut_.value);
  if (options_.two_sided) {
    signal = std::max(signal, compare(high_cut_, high_cut_.value - all_.value));
  }
  return signal;
}

double HddmA::bound(const Mean& mean) const {
  return std::sqrt(1 / (2 * static_cast<double>(mean.count)) *
                   std::log(1 / options_.drift_confidence));
}

bool HddmA::exceeds(const Mean& cut, double difference, double confidence) const {
  if (cut.count == all_.count) return false;
  const auto n = static_cast<double>(all_.count), n_cut = static_cast<double>(cut.count);
  return difference >= std::sqrt((n - n_cut) / n_cut * (1 / n) / 2 * std::log(2 / confidence));
}

Signal HddmA::compare(const Mean& cut, double difference) const {
  if (exceeds(cut, difference, options_.drift_confidence)) return Signal::drift;
  if (exceeds(cut, difference, options_.warning_confidence)) return Signal::warning;
  return Signal::none;
}

std::string HddmA::serialise() const {
  SnapshotWriter out(snapshot_kind, snapshot_version);
  out.f64(options_.drift_confidence);
  out.f64(options_.warning_confidence);
  out.boolean(options_.two_sided);
  for (const Mean& mean : {all_, low_cut_, high_cut_}) {
    out.u64(mean.count);
    out.f64(mean.value);
  }
  return out.finish();
}

Result<HddmA> HddmA::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, snapshot_kind, snapshot_version);
  if (!in) return fail(in);
  HddmAOptions options;
  options.drift_confidence = in->f64();
  options.warning_confidence = in->f64();
  options.two_sided = in->boolean();
  if (!are_valid(options)) {
    return fail("snapshot_corrupt", "HDDM_A: its options make no sense. Starting afresh");
  }
  HddmA restored(options);
  bool sane = true;
  for (Mean* mean : {&restored.all_, &restored.low_cut_, &restored.high_cut_}) {
    mean->count = in->count();
    mean->value = in->f64();
    sane = sane && mean->value >= 0 && mean->value <= 1 && mean->count <= restored.all_.count &&
           (mean->count > 0) == (restored.all_.count > 0);
  }
  if (auto whole = in->finish(); !whole) return fail(whole);
  if (!sane) {
    return fail("snapshot_corrupt", "HDDM_A: its means contradict each other. Starting afresh");
  }
  return restored;
}

}  // namespace outrider::detectors
