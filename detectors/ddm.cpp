// SPDX-License-Identifier: Apache-2.0
#include "detectors/ddm.h"

#include <cassert>
#include <cmath>

#include "detectors/snapshot.h"

namespace outrider::detectors {
namespace {

constexpr std::string_view snapshot_kind = "DDM ";
constexpr std::uint16_t snapshot_version = 1;

bool are_valid(const DdmOptions& options) {
  return options.warning_sigmas >= 0 && options.drift_sigmas >= options.warning_sigmas;
}

}  // namespace

Ddm::Ddm(DdmOptions options) : options_(options) {
  assert(are_valid(options));
}

Signal Ddm::update(bool wrong) {
  ++labels_;
  const auto n = static_cast<double>(labels_);
  rate_ += 1 / n * ((wrong ? 1.0 : 0.0) - rate_);
  if (labels_ <= options_.warm_up) return Signal::none;
  const double deviation = std::sqrt(rate_ * (1 - rate_) / n);
  const double level = rate_ + deviation;
  if (!has_best_ || level <= best_rate_ + best_deviation_) {
    has_best_ = true;
    best_rate_ = rate_;
    best_deviation_ = deviation;
  }
  if (level > best_rate_ + options_.drift_sigmas * best_deviation_) return Signal::drift;
  if (level > best_rate_ + options_.warning_sigmas * best_deviation_) return Signal::warning;
  return Signal::none;
}

std::string Ddm::serialise() const {
  SnapshotWriter out(snapshot_kind, snapshot_version);
  out.u64(options_.warm_up);
  out.f64(options_.warning_sigmas);
  out.f64(options_.drift_sigmas);
  out.u64(labels_);
  out.f64(rate_);
  out.boolean(has_best_);
  out.f64(best_rate_);
  out.f64(best_deviation_);
  return out.finish();
}

Result<Ddm> Ddm::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, snapshot_kind, snapshot_version);
  if (!in) return fail(in);
  DdmOptions options;
  options.warm_up = in->u64();
  options.warning_sigmas = in->f64();
  options.drift_sigmas = in->f64();
  if (!are_valid(options)) {
    return fail("snapshot_corrupt", "DDM: its options make no sense. Starting afresh");
  }
  Ddm restored(options);
  restored.labels_ = in->count();
  restored.rate_ = in->f64();
  restored.has_best_ = in->boolean();
  restored.best_rate_ = in->f64();
  restored.best_deviation_ = in->f64();
  if (auto whole = in->finish(); !whole) return fail(whole);
  const auto is_rate = [](double value) { return value >= 0 && value <= 1; };
  if (!is_rate(restored.rate_) || !is_rate(restored.best_rate_) ||
      !is_rate(restored.best_deviation_)) {
    return fail("snapshot_corrupt", "DDM: an error rate outside 0 to 1. Starting afresh");
  }
  return restored;
}

}  // namespace outrider::detectors
