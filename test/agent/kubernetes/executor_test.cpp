// SPDX-License-Identifier: Apache-2.0
// The executor against a played API: what is read, what is written, and what is left alone.
#include "agent/kubernetes/executor.h"

#include "base/core/text.h"
#include "test/agent/kubernetes/played_objects.h"
#include "test/support/fake_clock.h"

namespace outrider::kubernetes::testing {
namespace {

using Catch::Contains;
using decide::Kind;
using decide::Report;
using decide::Step;
using outrider::test::FakeClock;

std::string scale_to(int replicas, const std::string& more = "") {
  return R"({"action": "scale", "deployment": "house", "namespace": "shop", "replicas": )" +
         std::to_string(replicas) + more + "}";
}

struct Hand {
  Hand() : executor({.client = {.url = api.url()}}, clock) {}

  Report step(Step step, const Json& receipt = {}) {
    decide::Order order;
    order.step = step;
    order.kind = kind;
    order.target = json(target);
    order.receipt = receipt;
    order.timeout = std::chrono::seconds(5);
    return executor.carry_out(order);
  }
  // check, effect; gives the receipt.
  Json act() {
    const Report checked = step(Step::check);
    CAPTURE(checked.text);
    REQUIRE(checked.what == Report::What::done);
    const Report acted = step(Step::effect, checked.receipt);
    CAPTURE(acted.text);
    REQUIRE(acted.what == Report::What::done);
    return acted.receipt;
  }
  std::int64_t replicas() { return *number_at(api.at(house), {"spec", "replicas"}); }
  std::string image() {
    return text_at(items_at(api.at(house), {"spec", "template", "spec", "containers"})[0],
                   {"image"});
  }

  FakeClock clock;
  PlayedApi api;
  KubernetesExecutor executor;
  Kind kind = Kind::scale;
  std::string target = scale_to(8);
};

TEST_CASE("a Deployment is scaled from 3 to 8, and back to exactly what was read") {
  Hand hand;
  hand.api.put(house, deployment(3));
  const Json receipt = hand.act();
  CHECK(hand.replicas() == 8);
  CHECK(hand.step(Step::undo, receipt).text == "replicas of Deployment house: 8 -> 3");
  CHECK(hand.replicas() == 3);
  // Done twice it is done once.
  CHECK(hand.step(Step::undo, receipt).what == Report::What::done);
  CHECK(hand.api.writes() == 2);
}

TEST_CASE("an effect that is asked for again after a crash is found done") {
  Hand hand;
  hand.api.put(house, deployment(3));
  const Json receipt = hand.act();
  CHECK(hand.step(Step::effect, receipt).what == Report::What::done);
  hand.target = scale_to(8, R"(, "from": 3)");
  const Report checked = hand.step(Step::check, receipt);
  CHECK(checked.what == Report::What::done);
  CHECK(checked.receipt == receipt);
  CHECK(hand.api.writes() == 1);
}

TEST_CASE("what somebody else changed meanwhile is not overwritten") {
  Hand hand;
  hand.api.put(house, deployment(3));
  const Json receipt = hand.step(Step::check).receipt;
  SECTION("before the effect is asked for") {
    hand.api.put(house, deployment(5));
    const Report acted = hand.step(Step::effect, receipt);
    CHECK(acted.what == Report::What::refused);
    CHECK_THAT(acted.text, Contains("became 5 meanwhile"));
  }
  SECTION("between its reading and its writing") {
    hand.api.change_after_read(house, json(R"({"spec": {"replicas": 5}})"));
    const Report acted = hand.step(Step::effect, receipt);
    CHECK(acted.what == Report::What::failed);
    CHECK(acted.status == 409);
    CHECK_FALSE(acted.may_have_acted);
    CHECK(hand.step(Step::effect, receipt).what == Report::What::refused);
  }
  SECTION("only its status, which a controller writes all the time") {
    hand.api.change_after_read(house, json(R"({"status": {"readyReplicas": 2}})"));
    CHECK(hand.step(Step::effect, receipt).what == Report::What::failed);
    CHECK(hand.step(Step::effect, receipt).what == Report::What::done);
    return;
  }
  CHECK(hand.replicas() == 5);
  CHECK(hand.api.writes() == 0);
}

TEST_CASE("an undo hands over where somebody has changed it since") {
  Hand hand;
  hand.api.put(house, deployment(3));
  const Json receipt = hand.act();
  hand.api.put(house, deployment(12));
  const Report undone = hand.step(Step::undo, receipt);
  CHECK(undone.what == Report::What::handed_over);
  CHECK_THAT(undone.text, Contains("is 12 now"));
  CHECK(hand.replicas() == 12);
  CHECK(hand.step(Step::undo).what == Report::What::refused);  // Of an action that did nothing.
}

TEST_CASE("scaling within the policy's bounds, from what it was decided on, to something else") {
  Hand hand;
  hand.api.put(house, deployment(3));
  for (const auto& [target, words] :
       {std::pair{scale_to(8, R"(, "max": 6)"), "not within the policy's 1 to 6"},
        std::pair{scale_to(2, R"(, "min": 3)"), "not within the policy's 3 to 1000000"},
        std::pair{scale_to(0), "not within"}, std::pair{scale_to(3), "is 3 already"},
        std::pair{scale_to(8, R"(, "from": 4)"), "has 3 replicas, not 4"}}) {
    hand.target = target;
    const Report checked = hand.step(Step::check);
    CHECK(checked.what == Report::What::refused);
    CHECK_THAT(checked.text, Contains(words));
  }
  CHECK(hand.api.writes() == 0);
}

TEST_CASE("no more pods are taken away than the budgets let go, also when it is undone") {
  Hand hand;
  hand.api.put(house, deployment(8));
  hand.api.put(budgets + "/house", budget(2));
  hand.target = scale_to(3);
  const Report checked = hand.step(Step::check);
  CHECK(checked.what == Report::What::refused);
  CHECK_THAT(checked.text, Contains("allows 2 pods to go at the moment, not 5"));
  hand.target = scale_to(6);
  hand.act();
  CHECK(hand.replicas() == 6);
  hand.target = scale_to(9);
  const Json receipt = hand.act();
  hand.api.put(budgets + "/house", budget(0));
  CHECK(hand.step(Step::undo, receipt).what == Report::What::refused);
  CHECK(hand.replicas() == 9);
}

TEST_CASE("where an autoscaler owns the replicas its minReplicas is raised, and nothing else") {
  Hand hand;
  hand.api.put(house, deployment(3));
  hand.api.put(hpas + "/house", autoscaler(2, 10));
  const Json receipt = hand.act();
  CHECK(number_at(hand.api.at(hpas + "/house"), {"spec", "minReplicas"}) == 8);
  CHECK(hand.replicas() == 3);  // The autoscaler's to change.
  CHECK(hand.step(Step::undo, receipt).what == Report::What::done);
  CHECK(number_at(hand.api.at(hpas + "/house"), {"spec", "minReplicas"}) == 2);
  hand.api.put(hpas + "/house", autoscaler(4, 6));
  CHECK_THAT(hand.step(Step::check).text, Contains("maxReplicas 6, below the wanted 8"));
  hand.target = scale_to(2);
  CHECK_THAT(hand.step(Step::check).text, Contains("takes some away by itself"));
}

TEST_CASE("a minReplicas that nobody set is taken away again") {
  Hand hand;
  hand.api.put(house, deployment(3));
  Json none = autoscaler(1, 10);
  none["spec"].erase("minReplicas");
  hand.api.put(hpas + "/house", none);
  const Json receipt = hand.act();
  CHECK(hand.step(Step::undo, receipt).what == Report::What::done);
  CHECK_FALSE(number_at(hand.api.at(hpas + "/house"), {"spec", "minReplicas"}));
}

TEST_CASE("what KEDA, Argo CD or a controller keeps is told and not fought") {
  Hand hand;
  Json owned = deployment(3);
  SECTION("KEDA") {
    Json keda = autoscaler(2, 10);
    keda["metadata"]["ownerReferences"] =
        json(R"([{"kind": "ScaledObject", "name": "house-queue", "controller": true}])");
    hand.api.put(hpas + "/house", keda);
    hand.api.put(house, owned);
    CHECK_THAT(hand.step(Step::check).text, Contains("KEDA's (ScaledObject house-queue)"));
  }
  SECTION("Argo CD") {
    owned["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] =
        "shop:apps/Deployment:shop/house";
    owned["metadata"]["managedFields"][0]["manager"] = "argocd-controller";
    hand.api.put(house, owned);
    CHECK_THAT(hand.step(Step::check).text,
               Contains("`spec.replicas` of Deployment house is managed by argocd-controller "
                        "(Application shop)"));
  }
  SECTION("a controller") {
    owned["metadata"]["ownerReferences"] =
        json(R"([{"kind": "InferenceService", "name": "house", "controller": true}])");
    hand.api.put(house, owned);
    CHECK_THAT(hand.step(Step::check).text, Contains("managed by InferenceService house"));
  }
  CHECK(hand.step(Step::check).what == Report::What::handed_over);
  CHECK(hand.api.writes() == 0);
}

TEST_CASE("what the API server refuses is final, what it cannot answer is tried again") {
  Hand hand;
  hand.api.put(house, deployment(3));
  const Json receipt = hand.step(Step::check).receipt;
  for (const auto& [status, what] :
       {std::pair{403, Report::What::refused}, std::pair{401, Report::What::refused},
        std::pair{404, Report::What::refused}, std::pair{422, Report::What::refused},
        std::pair{500, Report::What::failed}, std::pair{429, Report::What::failed}}) {
    hand.api.refuse(status);
    const Report acted = hand.step(Step::effect, receipt);
    CHECK(acted.what == what);
    CHECK_THAT(acted.text, Contains(std::to_string(status)));
  }
  hand.api.refuse(0);
  CHECK(hand.api.writes() == 0);
}

TEST_CASE("a Deployment goes back to its previous ReplicaSet, and forward again") {
  Hand hand;
  hand.kind = Kind::rollback;
  hand.target = R"({"action": "rollback", "deployment": "house", "namespace": "shop"})";
  hand.api.put(house, deployment(3));
  hand.api.put(replica_sets + "/house-a", replica_set("house-a", "house:1", 1));
  hand.api.put(replica_sets + "/house-b", replica_set("house-b", "house:2", 2));
  CHECK_THAT(hand.step(Step::check).text,
             Contains("revision 2 (house:2) can go back to revision 1 (house:1)"));
  const Json receipt = hand.act();
  CHECK(hand.image() == "house:1");
  CHECK_FALSE(
      find(hand.api.at(house), {"spec", "template", "metadata", "labels", "pod-template-hash"}));
  CHECK(hand.step(Step::effect, receipt).what == Report::What::done);
  CHECK(hand.step(Step::check, receipt).receipt == receipt);
  CHECK(hand.api.writes() == 1);
  // As the controller does it: the older ReplicaSet gets the next revision.
  hand.api.put(replica_sets + "/house-a", replica_set("house-a", "house:1", 3, "1"));
  hand.api.put(house, deployment(3, "house:1", 3));
  CHECK_THAT(hand.step(Step::check).text, Contains("was rolled back already"));
  CHECK(hand.step(Step::check).what == Report::What::handed_over);
  CHECK(hand.step(Step::undo, receipt).what == Report::What::done);
  CHECK(hand.image() == "house:2");
}

TEST_CASE("nothing is rolled back that is paused, has no past, is Git's, or moved on meanwhile") {
  Hand hand;
  hand.kind = Kind::rollback;
  hand.target = R"({"action": "rollback", "deployment": "house", "namespace": "shop"})";
  hand.api.put(house, deployment(3));
  hand.api.put(replica_sets + "/house-b", replica_set("house-b", "house:2", 2));
  CHECK_THAT(hand.step(Step::check).text, Contains("no earlier ReplicaSet"));
  hand.api.put(replica_sets + "/house-a", replica_set("house-a", "house:1", 1));
  const Json receipt = hand.step(Step::check).receipt;
  Json other = deployment(3);
  SECTION("paused") {
    other["spec"]["paused"] = true;
    hand.api.put(house, other);
    CHECK_THAT(hand.step(Step::check).text, Contains("is paused"));
  }
  SECTION("Git's") {
    other["metadata"]["managedFields"][0]["manager"] = "kustomize-controller";
    hand.api.put(house, other);
    CHECK(hand.step(Step::effect, receipt).what == Report::What::handed_over);
  }
  SECTION("moved on") {
    hand.api.put(house, deployment(3, "house:3", 3));
    hand.api.put(replica_sets + "/house-c", replica_set("house-c", "house:3", 3));
    CHECK_THAT(hand.step(Step::effect, receipt).text, Contains("another revision meanwhile"));
  }
  SECTION("made anew") {
    other["metadata"]["uid"] = "e";
    hand.api.put(house, other);
    CHECK_THAT(hand.step(Step::effect, receipt).text, Contains("made anew"));
  }
  SECTION("changed while it was read") {
    hand.api.change_after_read(house, json(R"({"spec": {"replicas": 4}})"));
    CHECK(hand.step(Step::effect, receipt).status == 409);
  }
  CHECK(hand.api.writes() == 0);
}

TEST_CASE("a restart is an annotation, once, and not where a budget lets no pod go") {
  Hand hand;
  hand.kind = Kind::restart;
  hand.target = R"({"action": "restart", "deployment": "house", "namespace": "shop"})";
  CHECK_FALSE(hand.executor.can_undo(Kind::restart, json(hand.target)));
  hand.api.put(house, deployment(3));
  hand.api.put(budgets + "/house", budget(0));
  CHECK_THAT(hand.step(Step::check).text, Contains("allows 0 pods to go"));
  hand.api.put(budgets + "/house", budget(1));
  const Json receipt = hand.act();
  CHECK(text_at(hand.api.at(house), {"spec", "template", "metadata", "annotations",
                                     "kubectl.kubernetes.io/restartedAt"}) ==
        format_rfc3339(hand.clock.now()));
  CHECK(hand.step(Step::effect, receipt).what == Report::What::done);
  CHECK(hand.api.writes() == 1);
  CHECK(hand.step(Step::undo, receipt).what == Report::What::refused);
  Json rolling = deployment(3);
  rolling["status"]["updatedReplicas"] = 1;
  hand.api.put(house, rolling);
  CHECK_THAT(hand.step(Step::check).text, Contains("is being rolled out"));
  rolling = deployment(3);
  rolling["spec"]["strategy"]["type"] = "Recreate";
  hand.api.put(house, rolling);
  CHECK_THAT(hand.step(Step::check).text, Contains("allows 1 pods to go at the moment, not 3"));
}

// To abort a Rollout whose stable version is "a".
struct AbortHand : Hand {
  AbortHand() {
    kind = Kind::rollback;
    target = R"({"action": "abort", "rollout": "house", "namespace": "shop"})";
  }
  void roll_out(const std::string& version) { api.put(argo_rollout, argo(version)); }
  bool aborted() {
    const Json now = api.at(argo_rollout);
    const Json* flag = find(now, {"status", "abort"});
    return flag && *flag == true;
  }
};

TEST_CASE("an Argo Rollout that is under way is aborted, and goes on where that is taken back") {
  AbortHand hand;
  CHECK_THAT(hand.executor.always_asks(hand.kind, json(hand.target)), Contains("experimental"));
  hand.roll_out("b");
  const Json receipt = hand.act();
  CHECK(hand.aborted());
  CHECK(hand.step(Step::effect, receipt).what == Report::What::done);
  CHECK(hand.step(Step::check, receipt).what == Report::What::done);  // As after a kill.
  CHECK(hand.step(Step::undo, receipt).what == Report::What::done);
  CHECK(!hand.aborted());
  CHECK(hand.step(Step::undo, receipt).what == Report::What::done);
  CHECK(hand.api.writes() == 2);
}

TEST_CASE("a Rollout is not aborted where none is under way, or it is, or nobody would see it") {
  AbortHand hand;
  hand.roll_out("a");
  CHECK_THAT(hand.step(Step::check).text,
             Contains("no rollout of Rollout shop/house is under way"));
  Json aborted = argo("b");
  aborted["status"]["abort"] = true;
  hand.api.put(argo_rollout, aborted);
  CHECK_THAT(hand.step(Step::check).text, Contains("is aborted already"));
  Json unanswered = argo("b");
  unanswered["metadata"]["generation"] = 8;
  hand.api.put(argo_rollout, unanswered);
  CHECK_THAT(hand.step(Step::check).text, Contains("does Argo Rollouts run?"));
  Json new_born = argo("b");
  new_born.erase("status");
  hand.api.put(argo_rollout, new_born);
  CHECK_THAT(hand.step(Step::check).text, Contains("does Argo Rollouts run?"));
  CHECK(hand.api.writes() == 0);
}

TEST_CASE("an abort is of the version that was read, and its undo too") {
  AbortHand hand;
  hand.roll_out("b");
  const Report checked = hand.step(Step::check);
  hand.roll_out("c");
  CHECK(hand.step(Step::effect, checked.receipt).what == Report::What::handed_over);
  // It has ended between the check and the effect.
  Json promoted = argo("b");
  promoted["status"]["stableRS"] = "b";
  hand.api.put(argo_rollout, promoted);
  CHECK(hand.step(Step::effect, checked.receipt).what == Report::What::refused);
  hand.roll_out("b");
  const Json receipt = hand.act();
  Json other = argo("c");
  other["status"]["abort"] = true;
  hand.api.put(argo_rollout, other);
  CHECK(hand.step(Step::undo, receipt).what == Report::What::handed_over);
  CHECK(hand.aborted());
  CHECK(hand.api.writes() == 1);
}

TEST_CASE("an abort gives way to whoever writes meanwhile") {
  AbortHand hand;
  hand.roll_out("b");
  const Report checked = hand.step(Step::check);
  hand.api.change_after_read(argo_rollout, {{"status", {{"message", "of the controller"}}}});
  const Report clashed = hand.step(Step::effect, checked.receipt);
  CHECK(clashed.what == Report::What::failed);
  CHECK(!clashed.may_have_acted);
  CHECK(hand.step(Step::effect, checked.receipt).what == Report::What::done);
  CHECK(hand.api.writes() == 1);
}

TEST_CASE("without the lease nothing is written") {
  FakeClock clock;
  PlayedApi api;
  std::int64_t asked = 0;
  KubernetesExecutor executor(
      {.client = {.url = api.url()},
       .check_lease = [&asked](Client&, std::int64_t number) -> Result<void> {
         asked = number;
         return fail("lease_lost", "held by another");
       }},
      clock);
  api.put(house, deployment(3));
  decide::Order order;
  order.kind = Kind::scale;
  order.target = json(scale_to(8));
  order.fencing_number = 7;
  CHECK(executor.carry_out(order).what == Report::What::done);  // A check writes nothing.
  order.step = Step::effect;
  const Report acted = executor.carry_out(order);
  CHECK(acted.what == Report::What::failed);
  CHECK_FALSE(acted.may_have_acted);
  CHECK(acted.text == "held by another");
  CHECK(asked == 7);
  CHECK(api.writes() == 0);
}

TEST_CASE("a policy's target is judged when the file is read") {
  FakeClock clock;
  KubernetesExecutor executor({}, clock);
  CHECK(executor.check_target(Kind::scale, json(scale_to(3))));
  CHECK(executor.can_undo(Kind::scale, json(scale_to(3))));
  CHECK(executor.always_asks(Kind::scale, json(scale_to(3))) == "");
  CHECK_FALSE(executor.check_target(Kind::retrain, json(scale_to(3))));
}

}  // namespace
}  // namespace outrider::kubernetes::testing
