// SPDX-License-Identifier: Apache-2.0
#include "reference/timed_rows.h"

namespace outrider::reference {

Result<void> TimedRows::freeze(const std::vector<const detectors::Binning*>& subjects) {
  if (auto settled = times_.settle(); !settled) return settled;
  counts_.emplace(subjects);
  return {};
}

void TimedRows::begin_row(std::uint64_t row, const detectors::Value& value) {
  counts_->begin_row(std::nullopt);
  if (value.kind == detectors::Value::Kind::missing) {
    ++without_;
    return;
  }
  const auto at = times_.time_of(row, value);
  if (at) counts_->begin_row(*at);
  if (!at && !bad_time_) bad_time_ = at.error();
}

}  // namespace outrider::reference
