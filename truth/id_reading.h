// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the id of a label is understood. PURE.
//
// In this order: as a prediction id, with or without "_{row}"; as an alias or a key; as an alias
// with "_{row}". A prediction id that the log does not know is tried as an alias and a key as well,
// since callers use UUIDv7 too. A key is never taken apart: order_7 is not row 7 of order.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/core/clock.h"
#include "truth/prediction.h"

namespace outrider::truth {

struct UuidHash {
  std::size_t operator()(const Uuid& id) const {  // The id's last 8 bytes are random enough.
    std::size_t hash = 0;
    std::memcpy(&hash, id.bytes.data() + 8, sizeof hash);
    return hash;
  }
};
struct KeyHash {
  std::size_t operator()(const PredictionKey& key) const { return UuidHash{}(key.id) + key.row; }
};

// What an id may mean. Views into the label.
struct IdReading {
  std::optional<PredictionKey> key;
  bool row_named = false;
  // "{alias}_{row}" taken apart.
  std::optional<std::pair<std::string_view, std::uint32_t>> suffixed;
};
// An id from more than an hour after `now` is no prediction's.
IdReading read_id(const GroundTruth& label, Time now);

}  // namespace outrider::truth
