// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a policy says under `kubernetes:`, with its placeholders filled in. PURE.
//
//   kubernetes: {action: scale, deployment: house, namespace: shop, replicas: 8, from: 3, max: 10}
//
//   action       scale, rollback, restart, or abort (of an Argo Rollout)
//   deployment, statefulset, rollout   the object's name; one of them
//   namespace
//   replicas     scale: how many there are to be; from: how many there were when it was decided
//   min, max     bounds of replicas besides those of the rule's own `scale`

#include <cstdint>
#include <optional>
#include <string>

#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::kubernetes {

enum class Act { scale, rollback, restart, abort };
enum class WorkloadKind { deployment, stateful_set, rollout };

struct Target {
  Act act = Act::scale;
  WorkloadKind kind = WorkloadKind::deployment;
  std::string name_space, name;
  std::optional<std::int64_t> replicas, from;
  std::int64_t min = 1, max = 1'000'000;

  std::string path() const;  // "/apis/apps/v1/namespaces/shop/deployments/house"
  std::string text() const;  // "Deployment shop/house"
};

// `action`: the rule's own (scale, rollback, restart). Error "bad_target", with what to change.
Result<Target> parse_target(std::string_view action, const wire::Json& json);

}  // namespace outrider::kubernetes
