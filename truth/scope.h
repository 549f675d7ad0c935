// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whose a prediction is, where one log keeps those of several workloads. PURE.
//
// Such a log's `model_name` is a scoped name: cluster, namespace, workload and model in one text,
// so that everything that tells models apart by their name (counters, state, the joined rows) tells
// workloads apart too. A log of one sidecar has plain names: no scope.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/series.h"

namespace outrider::truth {

struct Workload {
  std::string cluster, name_space, name;  // `cluster` and `namespace` may be "".
  auto operator<=>(const Workload&) const = default;
};

// Stands between the parts of a scoped name; no part may have it.
inline constexpr char scope_separator = '\x1f';
bool may_be_scoped(std::string_view part);

// Of synthetic predictions that an agent makes to see how fresh its figures are; no sidecar's. They
// are counted as no model's, and are within no scope that does not name them.
inline constexpr std::string_view probe_workload = "outrider-freshness-probe";
bool is_probe(std::string_view scoped_model);

std::string scoped_name(const Workload& workload, std::string_view model);

struct ScopedName {
  std::string_view cluster = {}, name_space = {}, workload = {}, model = {};
};
ScopedName split_scope(std::string_view name);  // Of a plain name: the model alone.

// model_name and model_version and, of a scoped name, `cluster` and `namespace` where there are
// any, and `job`: the labels that a sidecar of that workload would have been scraped with.
Labels model_labels(std::string_view scoped_model, std::string_view version);

// Which workloads a label may be about; what is not named may be any.
struct Scope {
  std::optional<std::string> cluster = {}, name_space = {}, workload = {}, model = {};
  bool any() const { return !cluster && !name_space && !workload && !model; }
  bool holds(std::string_view scoped_model) const;
  bool operator==(const Scope&) const = default;
};

// What stands beside a prediction's other names: 32 bits of each part's FNV-1a hash. Two parts of
// one hash make a label `ambiguous` at worst, never another workload's: who joins looks at the
// names themselves.
inline constexpr std::size_t scope_mark_bytes = 12;
std::string scope_mark(std::string_view scoped_model);  // "" of a plain name.
bool may_hold(const Scope& scope, std::string_view mark);

}  // namespace outrider::truth
