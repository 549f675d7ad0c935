// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many rows a request may have: one number for each of the ways in which its body can be meant,
// the likeliest first, less what the configuration rules out. Not thread-safe.

#include <cstddef>
#include <span>
#include <vector>

#include "sidecar/monitor/decode/protocols/request_shape.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class RowCounts {
 public:
  explicit RowCounts(const Rules& rules)
      : rows_max_(rules.rows_max),
        features_count_(rules.features.size()),
        one_row_(rules.one_row) {}

  void clear() { all_.clear(); }
  void set_one() { all_.assign(1, 1); }
  // wrong_shape or too_many_rows where the configuration rules out all of them.
  Decoded<void> count(std::span<const RequestShape> shapes);
  std::span<const std::size_t> all() const { return all_; }

 private:
  const std::size_t rows_max_, features_count_;
  const bool one_row_;
  std::vector<std::size_t> all_;
};

}  // namespace outrider::decode
