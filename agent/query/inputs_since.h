// SPDX-License-Identifier: Apache-2.0
#pragma once

// The inputs of a model since a change, beside those of the hour before it and the reference's: on
// demand, when an incident opens, with the rows that there are. What sidecars count is in
// Prometheus already: the differences of counters between two times are counts, exact to a scrape,
// and add up over pods.
//
// Which base decides. The rows before the change, where they suffice for the power that is asked
// (what changed then is what may have caused it); else the reference. An input that moved away from
// the reference but not from the rows before is named as one that had moved before.
// Sources: detectors/shift.h; Prometheus, "Querying: @ modifier" (2.33, Thanos, Mimir,
// VictoriaMetrics).

#include <map>
#include <set>

#include "agent/query/prometheus.h"
#include "detectors/design_effect.h"
#include "detectors/shift.h"

namespace outrider::query {

// Feature -> bin -> rows.
using BinTable = std::map<std::string, std::map<std::string, std::uint64_t>>;

struct InputCounts {
  BinTable since = {}, before = {}, reference = {};
  std::map<std::string, detectors::DesignEffect> effects = {};  // Absent: 1.
  // Counted by deciles of the reference (detectors/deciles.h): neighbours that lie in one bin, so
  // that both samples always have as many rows in either, are one cell of the comparison.
  std::set<std::string> deciles = {};
};

// PURE. Nothing where no feature has rows since the change or none to compare with.
std::optional<incident::Facts::Comparison> compare_inputs(const InputCounts& counts,
                                                          const detectors::ShiftRule& rule = {});

// PURE. Values {feature, bin} as rows; what is no count (negative, not finite, above 2^53) is left
// out.
BinTable make_bins(const std::vector<InstantValue>& values);
// PURE. Shares {feature, bin} and rows {feature} of references as their rows, the smoothing undone.
BinTable make_reference(const std::vector<InstantValue>& shares,
                        const std::vector<InstantValue>& rows);

// PURE. Rows {feature} of references of which each decile has a tenth.
BinTable make_deciles(const std::vector<InstantValue>& rows);

// Eight queries at most. Errors: those of Prometheus::query; "no_history": Prometheus has nothing
// from before `since`.
Result<std::optional<incident::Facts::Comparison>> compare_inputs_since(
    Prometheus& prometheus, const incident::Incident& incident, Time since);

}  // namespace outrider::query
