// SPDX-License-Identifier: Apache-2.0
// Whose a field is, how many pods may go, what a policy may ask for.
#include "agent/kubernetes/budget.h"
#include "agent/kubernetes/ownership.h"
#include "agent/kubernetes/target.h"
#include "test/agent/kubernetes/played_api.h"

namespace outrider::kubernetes::testing {
namespace {

std::string object(const std::string& marks, const std::string& managers) {
  return R"({"metadata": {)" + marks + R"(, "managedFields": [)" + managers + "]}}";
}

std::string manager(const std::string& name, const std::string& fields) {
  return R"({"manager": ")" + name + R"(", "operation": "Apply", "fieldsV1": {"f:spec": )" +
         fields + "}}";
}

const FieldPath replicas = {"spec", "replicas"};
const std::string argocd =
    R"("annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:ml/house"})";

TEST_CASE("a field that a GitOps controller manages is its own, with the object that says so") {
  const auto owner = [](const std::string& marks, const std::string& managers) {
    return ownership_of(json(object(marks, managers)), replicas).owner;
  };
  const std::string flux =
      R"("labels": {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"})";
  CHECK(owner(argocd, manager("argocd-controller", R"({"f:replicas": {}})")) ==
        "argocd-controller (Application shop)");
  CHECK(owner(flux, manager("kustomize-controller", R"({"f:replicas": {}})")) ==
        "kustomize-controller (Kustomization flux-system/shop)");
  // Of the Application, but not this field: Git says nothing of replicas.
  CHECK(owner(argocd, manager("argocd-controller", R"({"f:template": {}})") + "," +
                          manager("kubectl", R"({"f:replicas": {}})")) == "");
  CHECK(owner(R"("labels": {})", manager("kubectl", R"({"f:replicas": {}})")) == "");
}

TEST_CASE("where nobody says who manages a field, its marks say whose it is") {
  CHECK(ownership_of(json("{\"metadata\": {" + argocd + "}}"), replicas).owner ==
        "Application shop");
  CHECK(ownership_of(json("{}"), replicas).owner == "");
}

TEST_CASE("a workload with a controller is that controller's") {
  CHECK(
      ownership_of(
          json(object(
              R"("ownerReferences": [{"kind": "InferenceService", "name": "house", "controller": true}])",
              "")),
          replicas)
          .owner == "InferenceService house");
  CHECK(ownership_of(json(object(R"("ownerReferences": [{"kind": "Shop", "name": "house"}])", "")),
                     replicas)
            .owner == "");
}

TEST_CASE("Helm is told and no obstacle") {
  const Ownership found =
      ownership_of(json(object(R"("annotations": {"meta.helm.sh/release-name": "shop"})",
                               manager("helm", R"({"f:replicas": {}})"))),
                   replicas);
  CHECK(found.owner == "");
  CHECK(found.note == "Helm's release shop may set it again at its next upgrade");
}

const std::string labels = R"({"app": "house", "tier": "web"})";

TEST_CASE("a label selector selects as the API has it") {
  const auto chosen = [](const std::string& selector) {
    return selects(json(selector), json(labels));
  };
  CHECK(chosen("{}"));
  CHECK(chosen(R"({"matchLabels": {"app": "house"}})"));
  CHECK_FALSE(chosen(R"({"matchLabels": {"app": "house", "zone": "a"}})"));
  CHECK(chosen(
      R"({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}]})"));
  CHECK_FALSE(
      chosen(R"({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]})"));
  CHECK(chosen(R"({"matchExpressions": [{"key": "app", "operator": "Exists"}]})"));
  CHECK_FALSE(chosen(R"({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})"));
  CHECK(chosen(R"({"matchExpressions": [{"key": "app", "operator": "Unheard"}]})"));
}

TEST_CASE("no more pods go than every budget that selects them allows") {
  const auto budgets = [](int allowed, const std::string& app, int seen = 1) {
    return json(
        R"({"items": [{"metadata": {"name": "house", "generation": 1}, "spec": {"selector": {"matchLabels": {"app": ")" +
        app + R"("}}}, "status": {"disruptionsAllowed": )" + std::to_string(allowed) +
        R"(, "observedGeneration": )" + std::to_string(seen) + "}}]}");
  };
  CHECK(budget_refusal(budgets(2, "house"), json(labels), 2) == "");
  CHECK(budget_refusal(budgets(1, "house"), json(labels), 2) ==
        "PodDisruptionBudget house allows 1 pods to go at the moment, not 2");
  CHECK(budget_refusal(budgets(0, "other"), json(labels), 2) == "");
  CHECK_THAT(budget_refusal(budgets(9, "house", 0), json(labels), 1),
             Catch::Contains("not counted"));
  CHECK(budget_refusal(json("{}"), json(labels), 1) == "");
}

TEST_CASE("a target says what, of which object, and within which bounds") {
  const auto target = parse_target(
      "scale",
      json(
          R"({"action": "scale", "deployment": "house", "namespace": "shop", "replicas": "8", "from": 3, "max": 10})"));
  REQUIRE(target);
  CHECK(target->replicas == 8);
  CHECK(target->from == 3);
  CHECK(target->min == 1);
  CHECK(target->max == 10);
  CHECK(target->path() == "/apis/apps/v1/namespaces/shop/deployments/house");
  CHECK(target->text() == "Deployment shop/house");
  CHECK(parse_target("rollback",
                     json(R"({"action": "abort", "rollout": "house", "namespace": "shop"})"))
            ->path() == "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/house");
  CHECK(
      parse_target(
          "scale",
          json(
              R"({"action": "scale", "statefulset": "house", "namespace": "shop", "replicas": 2})"))
          ->path() == "/apis/apps/v1/namespaces/shop/statefulsets/house");
}

TEST_CASE("a target that is none says what to change") {
  const auto said = [](const std::string& text, const char* action = "scale") {
    const auto parsed = parse_target(action, json(text));
    REQUIRE_FALSE(parsed);
    return parsed.error().message;
  };
  using Catch::Contains;
  CHECK_THAT(said("[]"), Contains("expected a map"));
  CHECK_THAT(said(R"({"action": "grow"})"), Contains("expected scale, rollback, restart or abort"));
  CHECK_THAT(said(R"({"action": "scale", "pods": 3})"), Contains("unknown key 'pods'"));
  CHECK_THAT(said(R"({"action": "scale", "namespace": "a"})"),
             Contains("expected one of deployment"));
  CHECK_THAT(
      said(R"({"action": "scale", "deployment": "a", "statefulset": "b", "namespace": "a"})"),
      Contains("expected one of"));
  CHECK_THAT(said(R"({"action": "scale", "deployment": "../../secrets/x", "namespace": "a"})"),
             Contains("no name"));
  CHECK_THAT(said(R"({"action": "scale", "deployment": "a", "replicas": 3})"),
             Contains("namespace ''"));
  CHECK_THAT(said(R"({"action": "scale", "deployment": "a", "namespace": "b"})"),
             Contains("replicas is missing"));
  CHECK_THAT(
      said(R"({"action": "scale", "deployment": "a", "namespace": "b", "replicas": "many"})"),
      Contains("whole number"));
  CHECK_THAT(said(R"({"action": "scale", "deployment": "a", "namespace": "b", "replicas": -1})"),
             Contains("whole number"));
  CHECK_THAT(
      said(
          R"({"action": "scale", "deployment": "a", "namespace": "b", "replicas": 3, "min": 5, "max": 4})"),
      Contains("min is above max"));
  CHECK_THAT(said(R"({"action": "rollback", "deployment": "a", "namespace": "b"})"),
             Contains("in a rule whose action is scale"));
  CHECK_THAT(said(R"({"action": "rollback", "statefulset": "a", "namespace": "b"})", "rollback"),
             Contains("earlier ReplicaSet"));
  CHECK_THAT(said(R"({"action": "abort", "deployment": "a", "namespace": "b"})", "rollback"),
             Contains("of a rollout"));
  CHECK_THAT(said(R"({"action": "restart", "deployment": "a", "namespace": "b", "replicas": 3})",
                  "restart"),
             Contains("takes no replicas"));
}

}  // namespace
}  // namespace outrider::kubernetes::testing
