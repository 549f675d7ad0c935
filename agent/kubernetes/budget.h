// SPDX-License-Identifier: Apache-2.0
#pragma once

// PodDisruptionBudgets: how many pods may be taken away. PURE.
//
// A budget is about evictions, and Kubernetes does not ask it when replicas are taken away or pods
// are replaced. The agent does: what it does on purpose is as much a disruption. Source:
// Kubernetes API reference, policy/v1 PodDisruptionBudget; meta/v1 LabelSelector.

#include <cstdint>
#include <string>

#include "base/wire/json.h"

namespace outrider::kubernetes {

// Whether a label selector selects the labels. An empty one selects all, as in policy/v1; one with
// an operator that is not known selects too: whoever is careful counts it in.
bool selects(const wire::Json& selector, const wire::Json& labels);

// Why `pods` of a workload whose pods have the labels must not be taken away; "" where they may.
// `budgets`: the list of the namespace.
std::string budget_refusal(const wire::Json& budgets, const wire::Json& pod_labels,
                           std::int64_t pods);

}  // namespace outrider::kubernetes
