// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which model something is about, and where that model runs: two clusters, two namespaces and two
// servers may each have a `house-price`, and what is done to one is no business of the others.
// PURE.

#include <compare>
#include <string>
#include <string_view>

#include "base/core/series.h"

namespace outrider::incident {

// A part is "" where it is not known: an alert need not name all of them.
struct Identity {
  std::string cluster, name_space;
  std::string workload;  // Of the label `workload`, else of `job`: one job is one model server.
  std::string model, version;
  auto operator<=>(const Identity&) const = default;
};

Identity identity_of(const Labels& labels);

// Whether two may be the same model of the same workload: the model's name is the same, and no part
// of the place that both know differs. What is not known might be the same, so whoever is careful
// counts it in. Versions do not matter: retraining and rolling back make another one of the same
// model.
bool may_be_same(const Identity& a, const Identity& b);

// "shop/house-price in eu-1"; of what is known. "" where neither cluster nor namespace is.
std::string place_text(const Identity& identity);

// Labels that say who answers for a model, not which one it is: an alert that gets another owner is
// the same alert.
bool is_routing_label(std::string_view name);

}  // namespace outrider::incident
