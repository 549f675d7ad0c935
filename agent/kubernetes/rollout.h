// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is done to a rollout. SHELL: one to three questions and one write.
//
//   roll_back      a Deployment's pod template becomes that of its previous ReplicaSet, as `kubectl
//                  rollout undo` does it. Refused where it is paused, has no previous one, or is
//                  itself a roll-back: going back once more would bring back what was left. Receipt
//                  {"uid", "before", "after", "revision"}: ReplicaSets by name.
//   restart        the annotation kubectl.kubernetes.io/restartedAt, as `kubectl rollout restart`.
//                  Refused during a rollout, and where a PodDisruptionBudget lets no pod go. No
//                  undo. Receipt {"uid", "at"}.
//   abort_rollout  status.abort of an Argo Rollout, as its kubectl plugin does it; undone, it goes
//                  on. Refused where none is under way, where it is aborted already, and where its
//                  controller has not answered the last change. Receipt {"uid", "version"}: the
//                  hash of the new pods, as another version is somebody else's doing.
//
// Source: kubectl, pkg/polymorphichelpers/rollback.go and objectrestarter.go; Argo Rollouts,
// pkg/kubectl-argo-rollouts/cmd/abort.

#include "agent/kubernetes/executor.h"

namespace outrider::kubernetes {

decide::Report roll_back(const Job& job);
decide::Report restart(const Job& job);
decide::Report abort_rollout(const Job& job);

}  // namespace outrider::kubernetes
