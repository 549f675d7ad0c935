// SPDX-License-Identifier: Apache-2.0
#pragma once

// The labels of the one series at hand, as a request or the table has them. PURE, not thread-safe;
// one is used again for every series: views end with the next.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ingest/series_table.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

class RequestLabels {
 public:
  // none, or what is wrong with them.
  remote_write::SeriesFault read(const remote_write::WriteRequest& request,
                                 const remote_write::WriteRequest::Series& series,
                                 const remote_write::LabelLimits& limits);
  void read(const SeriesTable& table, std::uint32_t slot) { table.view_labels(slot, labels_); }

  std::span<const LabelView> all() const { return labels_; }
  std::string_view metric_name() const;  // "" where there is none.

  // Of a request's: whether they came sorted and in the usual encoding, so that the series' key is
  // the fingerprint.
  bool are_canonical() const { return are_canonical_; }
  remote_write::Hash128 fingerprint() const { return remote_write::fingerprint_of(canonical_); }

 private:
  std::vector<LabelView> labels_;
  std::string encoded_, canonical_;
  bool are_canonical_ = false;
};

}  // namespace outrider::ingest
