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
#include "base/wire/remote_write_decode.h"

namespace outrider::ingest {

class RequestLabels {
 public:
  // none, or what is wrong with them.
  wire::SeriesFault read(const wire::WriteRequest& request,
                         const wire::WriteRequest::Series& series, const wire::LabelLimits& limits);
  void read(const SeriesTable& table, std::uint32_t slot) { table.view_labels(slot, labels_); }

  std::span<const LabelView> all() const { return labels_; }
  std::string_view metric_name() const;  // "" where there is none.

  // Of a request's: whether they came sorted and in the usual encoding, so that the series' key is
  // the fingerprint.
  bool are_canonical() const { return are_canonical_; }
  wire::Hash128 fingerprint() const { return wire::fingerprint_of(canonical_); }

 private:
  std::vector<LabelView> labels_;
  std::string encoded_, canonical_;
  bool are_canonical_ = false;
};

}  // namespace outrider::ingest
