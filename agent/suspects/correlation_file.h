// SPDX-License-Identifier: Apache-2.0
#pragma once

// What people know that no metric says: which alerts are one incident, and what depends on what.
// PURE.
//
//   depends:
//     - {from: shop/checkout, on: [shop/cart, machine node-7]}
//   correlate:
//     - name: one-database
//       match: {alertname: [Db*, PoolExhausted], namespace: shop}
//       by: [cluster, namespace]       # these labels must agree
//       within: 10m

#include <string>
#include <vector>

#include "agent/incident/grouping.h"
#include "base/core/result.h"

namespace outrider::suspects {

struct Correlation {
  incident::GroupingRules rules;
  std::vector<incident::Topology::Edge> depends;
};

// Error "bad_config": every mistake, one a line with the file's line.
Result<Correlation> parse_correlation(const std::string& file, const std::string& text);

// "shop/cart", "cart", "machine node-7". Nothing for an empty name.
std::optional<incident::Component> parse_component(std::string_view text);

}  // namespace outrider::suspects
