// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/objects.h"

#include "test/agent/kubernetes/objects.h"

namespace outrider::kubernetes::testing {
namespace {

TEST_CASE("of a pod template the images are kept, and digests of the rest by what they are of") {
  const Object before = read(Resource::replica_sets, ReplicaSet{"a", "house:2.1.2"}.json(1));
  const Object after = read(
      Resource::replica_sets,
      ReplicaSet{"b", "house:2.1.3", 2, noon, R"(, "resources": {"limits": {"cpu": 1}})"}.json(2));
  CHECK(before.config_maps == std::vector<std::string>{"house-config"});
  CHECK(template_difference(before, after) ==
        "image house:2.1.2 -> house:2.1.3, resources of model");
  CHECK(changed_tag(before, after) == "2.1.3");
  CHECK(template_difference(after, after) == "");
  CHECK(changed_tag(after, after) == "");
}

TEST_CASE("the hash that the controller adds is no difference, a restart is one") {
  const auto with = [](const std::string& annotation) {
    std::string json = ReplicaSet{"a", "house:1"}.json(1);
    const std::size_t at = json.find(R"("labels": {"app")");
    return read(Resource::replica_sets,
                json.insert(at, R"("annotations": {)" + annotation + "}, "));
  };
  const Object before = with(""),
               after = with(R"("kubectl.kubernetes.io/restartedAt": "2026-01-31T12:00:00Z")");
  CHECK(template_difference(before, after) == "restart");
}

TEST_CASE("the tag of an image is what stands after its name, and never a port") {
  CHECK(tag_of("house:2.1.3") == "2.1.3");
  CHECK(tag_of("registry:5000/shop/house") == "");
  CHECK(tag_of("registry:5000/shop/house:v1@sha256:0123456789abcdef0123") == "v1");
  CHECK(tag_of("house@sha256:0123456789abcdef0123") == "0123456789ab");
}

TEST_CASE("who last wrote the replicas is read from the managed fields, the status aside") {
  const Object object =
      read(Resource::deployments, Deployment{8, "kube-controller-manager", "scale"}.json(1));
  CHECK(object.replicas == 8);
  CHECK(object.replicas_manager == "kube-controller-manager");
  CHECK(object.replicas_by_scale);
  CHECK(object.replicas_at == noon);
}

TEST_CASE("what the scale subresource wrote has no time, and is who wrote the replicas") {
  // As an API server of 1.36 answered after PATCH …/scale, shortened.
  const auto parsed = wire::parse_json(
      R"({"metadata": {"uid": "d", "name": "house", "resourceVersion": "325", "managedFields": [
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:spec": {"f:replicas": {}}}, "subresource": "scale"},
        {"manager": "kubectl", "operation": "Update", "time": "2026-01-31T12:00:00Z",
         "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}}]},
      "spec": {"replicas": 8}})");
  const auto object = parse_object(Resource::deployments, *parsed);
  REQUIRE(object);
  CHECK(object->replicas_manager == "kube-controller-manager");
  CHECK(object->replicas_by_scale);
  CHECK_FALSE(object->replicas_at);
  CHECK(object->changed_at == noon);
}

TEST_CASE("an object without an identity is refused, and odd types are no fields") {
  for (const char* json :
       {"{}", R"({"metadata": 7})", R"({"metadata": {"uid": "a", "name": "b"}})"})
    CHECK(parse_object(Resource::deployments, *wire::parse_json(json)).error().code ==
          "bad_object");
  const auto odd = wire::parse_json(
      R"({"metadata": {"uid": "a", "name": "b", "resourceVersion": "1", "managedFields": {"a": 1},
         "ownerReferences": [7, {"controller": "yes"}], "annotations": [], "generation": "x"},
          "spec": {"replicas": "three", "template": {"metadata": {"labels": []}, "spec": {
            "containers": [7, {"image": 7, "env": {"a": 1}}], "volumes": "none"}}}})");
  const auto object = parse_object(Resource::deployments, *odd);
  REQUIRE(object);
  CHECK_FALSE(object->replicas);
  CHECK(object->owner.name.empty());
}

TEST_CASE("of ConfigMaps only the metadata is asked for, of events only warnings") {
  CHECK(accept_of(Resource::config_maps, false) ==
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
  CHECK(accept_of(Resource::config_maps, true) ==
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
  CHECK(path_of(Resource::events, "shop") ==
        "/api/v1/namespaces/shop/events?fieldSelector=type%3DWarning&");
  CHECK(path_of(Resource::autoscalers, "") == "/apis/autoscaling/v2/horizontalpodautoscalers?");
}

}  // namespace
}  // namespace outrider::kubernetes::testing
