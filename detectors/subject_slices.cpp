// SPDX-License-Identifier: Apache-2.0
#include "detectors/subject_slices.h"

#include "base/core/text.h"

namespace outrider::detectors {
namespace {

std::string range_text(const Binning& bins, std::size_t first, std::size_t last) {
  const auto edges = bins.edges();
  const std::string low = first == 0 ? "-Inf" : format_double(edges[first - 1]);
  if (last < edges.size()) return "(" + low + ", " + format_double(edges[last]) + "]";
  return "(" + low + ", +Inf)";
}

}  // namespace

SubjectSlices::SubjectSlices(const FrozenSubject& subject) : subject_(subject) {
  const Binning& bins = subject.bins;
  const auto put = [&](std::string text) {
    slice_of_slot_.push_back(texts_.size());
    texts_.push_back(std::move(text));
  };
  if (bins.kind() == FeatureKind::numeric) {
    double below = 0, total = 0;
    for (std::size_t bin = 0; bin < bins.value_bins(); ++bin) total += subject.ratio(bin);
    std::size_t first = 0, tenth_before = tenths;
    for (std::size_t bin = 0; bin < bins.value_bins(); ++bin) {
      const double share = subject.ratio(bin) / total;
      const auto tenth = static_cast<std::size_t>((below + share / 2) * tenths);
      below += share;
      if (tenth != tenth_before) {
        first = bin;
        put(range_text(bins, first, bin));
      } else {
        slice_of_slot_.push_back(texts_.size() - 1);
        texts_.back() = range_text(bins, first, bin);
      }
      tenth_before = tenth;
    }
  } else {
    for (std::size_t bin = 0; bin < bins.value_bins(); ++bin) put(bins.bin_title(bin));
  }
  for (std::size_t slot = bins.value_bins(); slot < bins.slots(); ++slot) put(bins.bin_title(slot));
}

std::size_t SubjectSlices::of(const Value& value) const {
  const SlotOutcome outcome = subject_.bins.classify(value);
  return outcome.counted ? slice_of_slot_[outcome.slot] : none;
}

}  // namespace outrider::detectors
