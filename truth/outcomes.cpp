// SPDX-License-Identifier: Apache-2.0
#include "truth/outcomes.h"

#include <algorithm>
#include <cmath>

namespace outrider::truth {
namespace {

constexpr std::string_view other = "other";

}  // namespace

void Outcomes::add(const Judgement& judgement, std::string_view segment) {
  OutcomeCounts& counts = segment_of(segment).counts;
  ++(judgement.correct ? counts.correct : counts.wrong);
  if (!judgement.is_number) {
    const std::uint32_t actual = class_of(judgement.actual_class);
    const std::uint32_t predicted = class_of(judgement.predicted_class);
    const auto found = std::find_if(cells_.begin(), cells_.end(), [&](const Cell& cell) {
      return cell.actual == actual && cell.predicted == predicted;
    });
    Cell& cell = found != cells_.end() ? *found : cells_.emplace_back(Cell{actual, predicted, 0});
    ++cell.count;
    return;
  }
  const double error = judgement.prediction - judgement.truth;
  if (!std::isfinite(error)) return;  // One infinite sum would hide all others for good.
  ++errors_.labels;
  (error > 0 ? errors_.over : errors_.under) += std::abs(error);
  errors_.absolute += std::abs(error);
  errors_.squared += error * error;
  (judgement.truth > 0 ? errors_.truth_positive : errors_.truth_negative) +=
      std::abs(judgement.truth);
  errors_.truth_squared += judgement.truth * judgement.truth;
}

Outcomes::Segment* Outcomes::find_segment(std::string_view name) {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [name](const Segment& one) { return one.name == name; });
  return found == segments_.end() ? nullptr : &*found;
}

bool Outcomes::has_room_for(std::string_view segment) const {
  return segments_.size() + 1 < limits_.segments || segment == other;
}

void Outcomes::announce(std::string_view segment) {
  if (find_segment(segment)) return;
  if (has_room_for(segment)) {
    segments_.emplace_back(Segment{std::string(segment), {}});
  } else if (segment != other) {
    announce(other);
  }
}

Outcomes::Segment& Outcomes::segment_of(std::string_view name) {
  if (Segment* known = find_segment(name)) return *known;
  if (has_room_for(name)) return segments_.emplace_back(Segment{std::string(name), {}});
  ++segments_turned_away_;
  return segment_of(other);
}

std::uint32_t Outcomes::class_of(std::string_view name) {
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    if (classes_[i] == name) return static_cast<std::uint32_t>(i);
  }
  if (classes_.size() + 1 < limits_.classes || name == other) {
    classes_.emplace_back(name);
    return static_cast<std::uint32_t>(classes_.size() - 1);
  }
  ++classes_turned_away_;
  return class_of(other);
}

}  // namespace outrider::truth
