// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/change_book.h"

#include "test/agent/kubernetes/objects.h"

namespace outrider::kubernetes::testing {
namespace {

using namespace std::chrono_literals;
using incident::Change;

struct Cluster {
  ChangeBook book{"eu-1", {}};

  std::vector<Change> list(Resource resource, const std::vector<std::string>& objects,
                           Time now = noon) {
    std::vector<Object> all;
    for (const std::string& json : objects) all.push_back(read(resource, json));
    return book.replace(resource, "", std::move(all), now);
  }
  std::vector<Change> see(Resource resource, const std::string& json, Time now = noon) {
    return book.apply(resource, read(resource, json), now);
  }
};

const ReplicaSet old_one{"a", "house:2.1.2", 1, noon - 48h};
const ReplicaSet new_one{"b", "house:2.1.3", 2, noon + 1min};

TEST_CASE("a rollout is one change, of the workload, with both images and the time it began") {
  Cluster cluster;
  CHECK(cluster.list(Resource::replica_sets, {old_one.json(1)}).empty());
  const auto changes = cluster.see(Resource::replica_sets, new_one.json(2), noon + 2min);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == "deployment");
  CHECK(changes[0].cluster == "eu-1");
  CHECK(changes[0].name_space == "shop");
  CHECK(changes[0].workload == "house");
  CHECK(changes[0].version == "2.1.3");
  CHECK(changes[0].summary == "Deployment house: image house:2.1.2 -> house:2.1.3");
  CHECK(changes[0].at == noon + 1min);
  // Its replicas and status move for minutes.
  CHECK(cluster.see(Resource::replica_sets, new_one.json(3), noon + 3min).empty());
}

TEST_CASE("after a list that is asked for anew the same rollout has the same id") {
  Cluster first, second;
  first.list(Resource::replica_sets, {old_one.json(1)});
  const auto seen = first.see(Resource::replica_sets, new_one.json(2), noon + 2min);
  const auto listed =
      second.list(Resource::replica_sets, {new_one.json(3), old_one.json(1)}, noon + 30min);
  REQUIRE(listed.size() == 1);
  CHECK(listed == seen);
  CHECK(second.list(Resource::replica_sets, {new_one.json(3), old_one.json(1)}, noon + 31min)
            .empty());
}

TEST_CASE("a rollout before the agent's time that is an hour old is history") {
  Cluster cluster;
  CHECK(cluster.list(Resource::replica_sets, {old_one.json(1), new_one.json(2)}, noon + 62min)
            .empty());
}

TEST_CASE("an older ReplicaSet that gets a new revision is a rollback") {
  Cluster cluster;
  cluster.list(Resource::replica_sets, {old_one.json(1), new_one.json(2)}, noon + 2h);
  ReplicaSet back = old_one;
  back.revision = 3;
  back.written_at = noon + 3h;
  const auto changes = cluster.see(Resource::replica_sets, back.json(4), noon + 3h + 1s);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == "rollback");
  CHECK(changes[0].version == "2.1.2");
  CHECK(changes[0].summary ==
        "Deployment house: back to revision 1, image house:2.1.3 -> house:2.1.2");
  CHECK(changes[0].at == noon + 3h);
}

TEST_CASE("replicas that a person sets are a change, those that an autoscaler adds are none") {
  Cluster cluster;
  cluster.list(Resource::deployments, {Deployment{3}.json(1)});
  const auto changes = cluster.see(
      Resource::deployments, Deployment{1, "kubectl", "", noon + 1min}.json(2, 2), noon + 2min);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == "scale");
  CHECK(changes[0].summary == "house: replicas 3 -> 1, by kubectl");
  CHECK(changes[0].at == noon + 1min);
  const Deployment grown{8, "kube-controller-manager", "scale"};
  CHECK(cluster.see(Resource::deployments, grown.json(3, 3)).empty());
  const auto shrunk = cluster.see(Resource::deployments,
                                  Deployment{2, "kube-controller-manager", "scale"}.json(4, 4));
  REQUIRE(shrunk.size() == 1);
  CHECK(shrunk[0].summary == "house: replicas 8 -> 2, by its autoscaler");
}

TEST_CASE("a ConfigMap that is written is a change of each workload whose pods use it") {
  Cluster cluster;
  cluster.list(Resource::deployments, {Deployment{}.json(1)});
  CHECK(cluster.list(Resource::config_maps, {config_map(1, noon), config_map(2, noon, "other")})
            .empty());
  // Written again without a change of its data, as leaders of elections do.
  CHECK(cluster.see(Resource::config_maps, config_map(3, noon)).empty());
  CHECK(cluster.see(Resource::config_maps, config_map(4, noon + 1min, "other")).empty());
  const auto changes = cluster.see(Resource::config_maps, config_map(5, noon + 5min), noon + 6min);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == "config");
  CHECK(changes[0].workload == "house");
  CHECK(changes[0].summary == "house: ConfigMap house-config written, by ada");
  CHECK(changes[0].at == noon + 5min);
}

TEST_CASE("an autoscaler's bounds are configuration of its target") {
  Cluster cluster;
  cluster.list(Resource::autoscalers, {autoscaler(1, 2, 10)});
  const auto changes = cluster.see(Resource::autoscalers, autoscaler(2, 2, 4));
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].workload == "house");
  CHECK(changes[0].summary == "HorizontalPodAutoscaler house-hpa: maxReplicas 10 -> 4");
  CHECK(cluster.see(Resource::autoscalers, autoscaler(3, 2, 4)).empty());
}

TEST_CASE("the template of a StatefulSet is compared with what it was") {
  Cluster cluster;
  const auto stateful = [](const std::string& image, int version) {
    std::string json = Deployment{}.json(version, version);
    return json.replace(json.find("house:2.1.2"), 11, image);
  };
  cluster.list(Resource::stateful_sets, {stateful("house:2.1.2", 1)});
  const auto changes = cluster.see(Resource::stateful_sets, stateful("house:2.2.0", 2));
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].version == "2.2.0");
  CHECK(changes[0].summary == "house: image house:2.1.2 -> house:2.2.0");
}

TEST_CASE("warnings are of the pod's workload, one a reason and ten minutes") {
  Cluster cluster;
  cluster.list(Resource::replica_sets, {old_one.json(1)});
  const auto changes =
      cluster.see(Resource::events, warning(1, "BackOff", "house-a-x2x1z", noon), noon + 1s);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == "warning");
  CHECK(changes[0].is_warning());
  CHECK(changes[0].workload == "house");
  CHECK(changes[0].summary ==
        "BackOff of Pod house-a-x2x1z: Back-off restarting failed container (7 times)");
  CHECK(cluster.see(Resource::events, warning(2, "BackOff", "house-a-y7y7y", noon + 1s), noon + 2s)
            .empty());
  CHECK(cluster.see(Resource::events, warning(3, "OOMKilling", "house-a-y7y7y", noon)).size() == 1);
  CHECK(
      cluster
          .see(Resource::events, warning(4, "BackOff", "house-a-x2x1z", noon + 10min), noon + 10min)
          .size() == 1);
}

TEST_CASE("news of controllers, of machines and of long ago are no warnings") {
  Cluster cluster;
  CHECK(
      cluster
          .see(Resource::events, warning(1, "FailedGetResourceMetric", "house", noon, "Deployment"))
          .empty());
  CHECK(cluster.see(Resource::events, warning(2, "Unhealthy", "node-7", noon, "Node")).empty());
  CHECK(cluster.see(Resource::events, warning(3, "Unhealthy", "house-a-x2x1z", noon - 2h)).empty());
}

TEST_CASE("what vanished between two lists is deleted, in the listed namespace only") {
  Cluster cluster;
  cluster.list(Resource::deployments, {Deployment{}.json(1)});
  CHECK(cluster.book.replace(Resource::deployments, "bank", {}, noon).empty());
  const auto changes = cluster.book.replace(Resource::deployments, "shop", {}, noon);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].summary == "Deployment house deleted");
  CHECK(cluster.book.size() == 0);
}

TEST_CASE("past the limit objects are turned away and counted") {
  ChangeBook book("", {.objects_max = 1});
  book.apply(Resource::replica_sets, read(Resource::replica_sets, old_one.json(1)), noon);
  CHECK(book.apply(Resource::replica_sets, read(Resource::replica_sets, new_one.json(2)), noon)
            .empty());
  CHECK(book.size() == 1);
  CHECK(book.turned_away() == 1);
}

TEST_CASE("what owns a workload depends on it") {
  Cluster cluster;
  Deployment owned;
  owned.owner = "houses";
  cluster.list(Resource::deployments, {owned.json(1)});
  const auto edges = cluster.book.owner_edges(noon);
  REQUIRE(edges.size() == 1);
  CHECK(edges[0].from == incident::Component{"eu-1", "shop", "houses", false});
  CHECK(edges[0].to == incident::Component{"eu-1", "shop", "house", false});
  CHECK(edges[0].source == incident::Topology::Source::owners);
  CHECK(edges[0].seen_at == noon);
}

}  // namespace
}  // namespace outrider::kubernetes::testing
