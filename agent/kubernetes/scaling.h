// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sets the replicas of a Deployment or StatefulSet. SHELL: one to four questions and one write.
//
//   no autoscaler           spec.replicas, by the scale subresource
//   an autoscaler           its minReplicas, and only upward: what it takes away is its own affair
//   KEDA's autoscaler       handed over: KEDA writes minReplicas itself
//   kept by GitOps, or by a controller in the owner references: handed over (ownership.h)
//   fewer than before       not more pods than the PodDisruptionBudgets let go (budget.h)
//
// Receipt: {"object", "uid", "field", "before", "after"}.

#include "agent/kubernetes/executor.h"

namespace outrider::kubernetes {

decide::Report scale(const Job& job);

}  // namespace outrider::kubernetes
