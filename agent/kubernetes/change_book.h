// SPDX-License-Identifier: Apache-2.0
#pragma once

// From objects as the API server shows them, one after another, to changes. PURE; not thread-safe.
//
//   rollout    a Deployment's (or Argo Rollout's) new ReplicaSet, against that of the revision
//              before it, at the time when it was made; an older ReplicaSet that gets a new
//              revision is a rollback. A StatefulSet's or DaemonSet's template.
//   scale      spec.replicas. What an autoscaler adds is an answer to load and no change; what it
//              takes away is one.
//   config     the data of a ConfigMap, for each workload whose pods use it; an autoscaler's bounds
//              and metrics.
//   warning    events of type Warning that tell of pods which do not run (OOMKilling, BackOff,
//              FailedScheduling, Unhealthy, …), one a workload, reason and ten minutes. A symptom:
//              it stands in an incident's timeline and is never blamed.
//
// A change has the same id however often it is seen: after a list that is asked for anew, or a
// restart. What an agent did not run for is told of ReplicaSets that are younger than `lookback`,
// and of nothing else.
//
// O(log objects) an object, and for a ReplicaSet the number of its owner's. Bounded: past
// objects_max an object is not kept, and counted; of it no change will be seen.

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/incident/incident.h"
#include "agent/incident/topology.h"
#include "agent/kubernetes/objects.h"

namespace outrider::kubernetes {

class ChangeBook {
 public:
  struct Limits {
    std::size_t objects_max = 20'000;
    Duration lookback = std::chrono::hours(1);
    std::size_t users_max = 20;  // Workloads that a ConfigMap's change is told of.
    std::size_t warnings_max = 10'000;
  };
  using Changes = std::vector<incident::Change>;

  // `cluster`: as the labels of its series have it, "" where they have none.
  ChangeBook(std::string cluster, Limits limits) : cluster_(std::move(cluster)), limits_(limits) {}

  // All objects of a resource in a namespace ("": in all), as a list has them. What was known and
  // is not among them is gone. Of the first list nothing but young ReplicaSets are changes.
  Changes replace(Resource resource, const std::string& name_space, std::vector<Object> objects,
                  Time now);
  // Added or modified; `now` where the object does not tell when.
  Changes apply(Resource resource, Object object, Time now);
  Changes remove(Resource resource, const std::string& uid, Time now);

  // What owns workloads by owner references (a KServe InferenceService its Deployment) depends on
  // them. Of those that are there now.
  std::vector<incident::Topology::Edge> owner_edges(Time now) const;

  std::size_t size() const;
  std::uint64_t turned_away() const { return turned_away_; }

 private:
  using Objects = std::map<std::string, Object>;  // By uid.
  Objects& of(Resource resource) { return objects_.at(static_cast<std::size_t>(resource)); }
  const Objects& of(Resource resource) const {
    return objects_.at(static_cast<std::size_t>(resource));
  }

  Changes compare(Resource resource, const Object* before, const Object& after, Time now);
  void compare_replica_sets(const Object* before, const Object& after, Time now, Changes& out);
  void compare_replicas(const Object& before, const Object& after, Time now, Changes& out) const;
  void compare_templates(const Object& before, const Object& after, Time now, Changes& out) const;
  void compare_config(const Object& before, const Object& after, Time now, Changes& out) const;
  void compare_autoscalers(const Object& before, const Object& after, Time now, Changes& out) const;
  void tell_warning(const Object& event, Time now, Changes& out);
  const Object* revision_before(const Object& replica_set) const;
  bool is_autoscaled(const Object& workload) const;
  std::string workload_of(const Object& event) const;
  incident::Change change_of(const std::string& kind, const std::string& name_space,
                             const std::string& workload, Time at) const;

  const std::string cluster_;
  const Limits limits_;
  std::array<Objects, resource_count> objects_;
  // ReplicaSets by owner's uid, and by namespace and name.
  std::map<std::string, std::set<std::string>> owned_;
  std::map<std::pair<std::string, std::string>, std::string> replica_sets_;
  std::set<std::string> warned_;  // Ids of the warnings that were told.
  std::uint64_t turned_away_ = 0;
};

}  // namespace outrider::kubernetes
