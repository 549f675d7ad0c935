// SPDX-License-Identifier: Apache-2.0
#pragma once

// A Deployment, its ReplicaSets, budget and autoscaler as the API has them, for PlayedApi.

#include <string>

#include "test/agent/kubernetes/played_api.h"

namespace outrider::kubernetes::testing {

inline const std::string deployments = "/apis/apps/v1/namespaces/shop/deployments";
inline const std::string house = deployments + "/house";
inline const std::string hpas = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers";
inline const std::string budgets = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets";
inline const std::string replica_sets = "/apis/apps/v1/namespaces/shop/replicasets";

inline Json deployment(int replicas, const std::string& image = "house:2", int revision = 2) {
  return json(
      R"({"kind": "Deployment", "metadata": {"name": "house", "uid": "d", "generation": 4,
    "annotations": {"deployment.kubernetes.io/revision": ")" +
      std::to_string(revision) +
      R"("}, "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}}]},
    "spec": {"replicas": )" +
      std::to_string(replicas) +
      R"(, "selector": {"matchLabels": {"app": "house"}}, "template": {"metadata": {"labels": {"app": "house"}},
      "spec": {"containers": [{"name": "m", "image": ")" +
      image + R"("}]}}}, "status": {"observedGeneration": 4, "updatedReplicas": )" +
      std::to_string(replicas) + "}}");
}

inline Json replica_set(const std::string& name, const std::string& image, int revision,
                        const std::string& history = "") {
  Json made = json(
      R"({"metadata": {"name": ")" + name + R"(", "uid": ")" + name + R"(", "annotations": {
      "deployment.kubernetes.io/revision": ")" +
      std::to_string(revision) + R"("}, "ownerReferences": [{"uid": "d", "controller": true}]},
    "spec": {"template": {"metadata": {"labels": {"app": "house", "pod-template-hash": ")" +
      name + R"("}}, "spec": {"containers": [{"name": "m", "image": ")" + image + R"("}]}}}})");
  if (!history.empty())
    made["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = history;
  return made;
}

inline const std::string argo_rollout = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/house";

// Of Argo Rollouts: from its stable version "a" to this one.
inline Json argo(const std::string& version) {
  return json(
      R"({"metadata": {"name": "house", "uid": "r", "generation": 7}, "status": {"observedGeneration": "7",
      "stableRS": "a", "currentPodHash": ")" +
      version + R"("}})");
}

inline Json budget(int allowed) {
  return json(
      R"({"metadata": {"name": "house", "generation": 1}, "spec": {"selector": {"matchLabels": {"app": "house"}}},
    "status": {"disruptionsAllowed": )" +
      std::to_string(allowed) + R"(, "observedGeneration": 1}})");
}

inline Json autoscaler(int least, int most) {
  return json(R"({"metadata": {"name": "house", "uid": "h"}, "spec": {"minReplicas": )" +
              std::to_string(least) + R"(, "maxReplicas": )" + std::to_string(most) +
              R"(, "scaleTargetRef": {"kind": "Deployment", "name": "house"}}})");
}

}  // namespace outrider::kubernetes::testing
