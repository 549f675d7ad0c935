// SPDX-License-Identifier: Apache-2.0
#pragma once

// Objects as an API server of 1.36 shows them, shortened.

#include <string>

#include "agent/kubernetes/objects.h"
#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::kubernetes::testing {

inline const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

inline std::string time_text(Time at) {
  return format_rfc3339(at).substr(0, 19) + "Z";
}

inline std::string pod_template(const std::string& image, const std::string& more = "") {
  return R"({"metadata": {"labels": {"app": "house", "pod-template-hash": ")" +
         std::to_string(image.size()) + R"("}}, "spec": {"containers": [{"name": "model",
    "image": ")" +
         image + R"(", "env": [{"name": "THREADS", "value": "4"}])" + more + R"(}],
    "volumes": [{"name": "c", "configMap": {"name": "house-config"}}], "restartPolicy": "Always"}})";
}

struct ReplicaSet {
  std::string uid, image;
  int revision = 1;
  Time created_at = noon;
  std::string more = "";  // Of the container.
  Time written_at = created_at;
  std::string json(int version) const {
    return R"({"metadata": {"uid": ")" + uid + R"(", "namespace": "shop", "name": "house-)" + uid +
           R"(", "resourceVersion": ")" + std::to_string(version) + R"(", "creationTimestamp": ")" +
           time_text(created_at) + R"(", "annotations": {"deployment.kubernetes.io/revision": ")" +
           std::to_string(revision) + R"("}, "ownerReferences": [{"apiVersion": "apps/v1",
      "kind": "Deployment", "name": "house", "uid": "d", "controller": true}], "managedFields": [
      {"manager": "kube-controller-manager", "operation": "Update", "time": ")" +
           time_text(written_at) + R"(", "fieldsV1": {"f:metadata": {}}}]},
      "spec": {"replicas": 3, "template": )" +
           pod_template(image, more) + "}}";
  }
};

struct Deployment {
  int replicas = 3;
  std::string manager = "kubectl", subresource = "";
  Time scaled_at = noon;
  std::string uid = "d", owner = "";
  std::string json(int version, int generation = 1) const {
    return R"({"metadata": {"uid": ")" + uid + R"(", "namespace": "shop", "name": "house",
      "resourceVersion": ")" +
           std::to_string(version) + R"(", "generation": )" + std::to_string(generation) +
           R"(, "creationTimestamp": "2026-01-01T00:00:00Z")" +
           (owner.empty() ? ""
                          : R"(, "ownerReferences": [{"kind": "InferenceService", "name": ")" +
                                owner + R"(", "uid": "i", "controller": true}])") +
           R"(, "managedFields": [{"manager": ")" + manager +
           R"(", "operation": "Update", "time": ")" + time_text(scaled_at) +
           R"(", "subresource": ")" + subresource +
           R"(", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}, "spec": {"replicas": )" +
           std::to_string(replicas) + R"(, "template": )" + pod_template("house:2.1.2") + "}}";
  }
};

inline std::string config_map(int version, Time written_at,
                              const std::string& name = "house-config") {
  return R"({"metadata": {"uid": "c-)" + name + R"(", "namespace": "shop", "name": ")" + name +
         R"(", "resourceVersion": ")" + std::to_string(version) + R"(", "managedFields": [
    {"manager": "ada", "operation": "Update", "time": ")" +
         time_text(written_at) + R"(", "fieldsV1": {"f:data": {"f:threshold": {}}}}]}})";
}

inline std::string autoscaler(int version, int least, int most) {
  return R"({"metadata": {"uid": "h", "namespace": "shop", "name": "house-hpa", "resourceVersion": ")" +
         std::to_string(version) + R"("}, "spec": {"minReplicas": )" + std::to_string(least) +
         R"(, "maxReplicas": )" + std::to_string(most) +
         R"(, "scaleTargetRef": {"kind": "Deployment", "name": "house"}}})";
}

inline std::string warning(int version, const std::string& reason, const std::string& pod, Time at,
                           const std::string& kind = "Pod") {
  return R"({"metadata": {"uid": "e)" + std::to_string(version) +
         R"(", "namespace": "shop", "name": "e", "resourceVersion": ")" + std::to_string(version) +
         R"("}, "type": "Warning", "reason": ")" + reason +
         R"(", "message": "Back-off restarting failed container", "count": 7, "lastTimestamp": ")" +
         time_text(at) + R"(", "involvedObject": {"kind": ")" + kind +
         R"(", "namespace": "shop", "name": ")" + pod + R"("}})";
}

inline Object read(Resource resource, const std::string& json) {
  const auto parsed = wire::parse_json(json);
  REQUIRE(parsed);
  auto object = parse_object(resource, *parsed);
  REQUIRE(object);
  return std::move(*object);
}

}  // namespace outrider::kubernetes::testing
