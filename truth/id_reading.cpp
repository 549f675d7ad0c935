// SPDX-License-Identifier: Apache-2.0
#include "truth/id_reading.h"

#include "base/core/text.h"

namespace outrider::truth {
namespace {

constexpr Duration clock_slack = std::chrono::hours(1);

}  // namespace

IdReading read_id(const GroundTruth& label, Time now) {
  IdReading reading;
  const std::string_view text = label.id;
  const auto plausible = [now](const std::optional<Uuid>& id) {
    return id && id->time() <= now + clock_slack;
  };
  if (const auto id = parse_uuid7(text); plausible(id)) {
    reading.key = PredictionKey{*id, label.row.value_or(0)};
    reading.row_named = label.row.has_value();
  }
  const std::size_t underscore = text.rfind('_');
  if (underscore == std::string_view::npos || underscore == 0 || label.row) return reading;
  const std::string_view digits = text.substr(underscore + 1);
  const auto row = digits.size() > 9 ? std::nullopt : parse_uint(digits);
  if (!row) return reading;
  reading.suffixed = {text.substr(0, underscore), static_cast<std::uint32_t>(*row)};
  if (const auto id = parse_uuid7(reading.suffixed->first); plausible(id)) {
    reading.key = PredictionKey{*id, reading.suffixed->second};
    reading.row_named = true;
  }
  return reading;
}

}  // namespace outrider::truth
