// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whose a field is: what somebody else keeps writing is told to people, and not fought over. PURE.
//
//   1. Who manages the field, by managedFields: a controller that keeps it as its source says
//      (Argo CD, Flux) owns it.
//   2. An object with their marks whose managed fields are missing: not known, so it is theirs.
//   3. A workload with a controller in its owner references (an InferenceService's Deployment) is
//      that controller's.
// Helm writes at its next upgrade only, so it is told and no obstacle.
//
// Sources: Kubernetes, "Server-Side Apply: field management"; Argo CD, "Resource tracking"; Flux,
// "Kustomization: garbage collection, server-side apply"; Helm, "Labels and annotations".

#include <optional>
#include <string>
#include <vector>

#include "base/wire/json.h"

namespace outrider::kubernetes {

// A path of managed fields: {"spec", "replicas"}.
using FieldPath = std::vector<std::string>;

struct Ownership {
  std::string owner;  // "argocd-controller (Application shop)"; "": the agent may write it.
  std::string note;   // Of Helm, what becomes of a change; "" where there is nothing to say.
};
Ownership ownership_of(const wire::Json& object, const FieldPath& field);

}  // namespace outrider::kubernetes
