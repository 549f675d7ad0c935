// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/histogram_store.h"

namespace outrider::ingest {

void HistogramStore::keep(std::uint32_t slot, std::string_view encoded) {
  const std::size_t before = find(slot).size();
  if (bytes_ - before + encoded.size() > bytes_max_) {
    ++not_kept_;
    return;
  }
  bytes_ += encoded.size() - before;
  kept_[slot] = encoded;
}

void HistogramStore::forget(std::uint32_t slot) {
  const auto kept = kept_.find(slot);
  if (kept == kept_.end()) return;
  bytes_ -= kept->second.size();
  kept_.erase(kept);
}

std::string_view HistogramStore::find(std::uint32_t slot) const {
  const auto kept = kept_.find(slot);
  return kept == kept_.end() ? std::string_view() : std::string_view(kept->second);
}

}  // namespace outrider::ingest
