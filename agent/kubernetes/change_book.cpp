// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/change_book.h"

#include <algorithm>

#include "base/core/text.h"

namespace outrider::kubernetes {
namespace {

using incident::Change;

// Of pods that do not run, or do not run well. Others are news of controllers.
constexpr std::array<std::string_view, 18> grave_reasons = {
    "BackOff",      "CrashLoopBackOff", "Evicted",          "Failed",       "FailedAttachVolume",
    "FailedCreate", "FailedMount",      "FailedScheduling", "ErrImagePull", "ImagePullBackOff",
    "NodeNotReady", "OOMKilled",        "OOMKilling",       "Preempted",    "Preempting",
    "ProbeError",   "SystemOOM",        "Unhealthy"};
constexpr Duration warning_window = std::chrono::minutes(10);
constexpr std::string_view controller_manager = "kube-controller-manager";

bool has_template(Resource resource) {
  return resource == Resource::stateful_sets || resource == Resource::daemon_sets;
}

bool is_workload(Resource resource) {
  return resource == Resource::deployments || has_template(resource);
}

std::string number_text(const std::optional<std::int64_t>& number) {
  return number ? std::to_string(*number) : "none";
}

std::string by(const std::string& manager) {
  return manager.empty() ? "" : ", by " + manager;
}

std::string without_last_part(const std::string& name) {
  return name.substr(0, name.rfind('-'));
}

}  // namespace

std::size_t ChangeBook::size() const {
  std::size_t count = 0;
  for (const Objects& objects : objects_) count += objects.size();
  return count;
}

Change ChangeBook::change_of(const std::string& kind, const std::string& name_space,
                             const std::string& workload, Time at) const {
  Change change;
  change.kind = kind;
  change.cluster = cluster_;
  change.name_space = name_space;
  change.workload = workload;
  change.at = at;
  return change;
}

ChangeBook::Changes ChangeBook::replace(Resource resource, const std::string& name_space,
                                        std::vector<Object> objects, Time now) {
  Changes out;
  std::set<std::string> there;
  std::vector<std::string> gone;
  for (const Object& object : objects) there.insert(object.uid);
  for (const auto& [uid, object] : of(resource)) {
    if ((name_space.empty() || object.name_space == name_space) && !there.contains(uid))
      gone.push_back(uid);
  }
  for (const std::string& uid : gone) {
    Changes more = remove(resource, uid, now);
    out.insert(out.end(), more.begin(), more.end());
  }
  // A revision is compared with those before it, so they are known first.
  std::stable_sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) {
    return std::pair(a.created_at, a.revision) < std::pair(b.created_at, b.revision);
  });
  for (Object& object : objects) {
    Changes more = apply(resource, std::move(object), now);
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

ChangeBook::Changes ChangeBook::apply(Resource resource, Object object, Time now) {
  Changes out;
  if (resource == Resource::events) {
    tell_warning(object, now, out);
    return out;
  }
  Objects& objects = of(resource);
  const auto found = objects.find(object.uid);
  if (found == objects.end() && size() >= limits_.objects_max) {
    ++turned_away_;
    return out;
  }
  const std::optional<Object> before =
      found == objects.end() ? std::nullopt : std::optional(std::move(found->second));
  const Object& after = objects.insert_or_assign(object.uid, std::move(object)).first->second;
  if (resource == Resource::replica_sets) {
    owned_[after.owner.uid].insert(after.uid);
    replica_sets_[{after.name_space, after.name}] = after.uid;
  }
  return compare(resource, before ? &*before : nullptr, after, now);
}

ChangeBook::Changes ChangeBook::remove(Resource resource, const std::string& uid, Time now) {
  Changes out;
  Objects& objects = of(resource);
  const auto found = objects.find(uid);
  if (found == objects.end()) return out;
  const Object object = std::move(found->second);
  objects.erase(found);
  if (resource == Resource::replica_sets) {
    const auto owned = owned_.find(object.owner.uid);
    if (owned != owned_.end() && owned->second.erase(uid) > 0 && owned->second.empty())
      owned_.erase(owned);
    replica_sets_.erase({object.name_space, object.name});
  }
  if (is_workload(resource)) {
    Change change = change_of("deployment", object.name_space, object.name, now);
    change.id = "kubernetes-" + uid + "-deleted";
    change.summary = std::string(kind_name(resource)) + " " + object.name + " deleted";
    out.push_back(std::move(change));
  }
  return out;
}

ChangeBook::Changes ChangeBook::compare(Resource resource, const Object* before,
                                        const Object& after, Time now) {
  Changes out;
  if (resource == Resource::replica_sets) {
    compare_replica_sets(before, after, now, out);
  } else if (before == nullptr) {
    return out;
  } else if (resource == Resource::config_maps) {
    compare_config(*before, after, now, out);
  } else if (resource == Resource::autoscalers) {
    compare_autoscalers(*before, after, now, out);
  } else {
    if (has_template(resource)) compare_templates(*before, after, now, out);
    compare_replicas(*before, after, now, out);
  }
  return out;
}

const Object* ChangeBook::revision_before(const Object& replica_set) const {
  const Object* best = nullptr;
  const auto owned = owned_.find(replica_set.owner.uid);
  if (owned == owned_.end()) return nullptr;
  for (const std::string& uid : owned->second) {
    const Object& one = of(Resource::replica_sets).at(uid);
    if (uid == replica_set.uid || !one.revision || *one.revision >= *replica_set.revision) continue;
    if (best == nullptr || *one.revision > *best->revision) best = &one;
  }
  return best;
}

void ChangeBook::compare_replica_sets(const Object* before, const Object& after, Time now,
                                      Changes& out) {
  if (!after.revision || after.owner.name.empty()) return;
  const bool is_again = before != nullptr && before->revision;
  if (is_again && *after.revision <= *before->revision) return;
  if (!is_again && after.created_at < now - limits_.lookback) return;
  const Object* previous = revision_before(after);
  const Time at = is_again ? after.changed_at.value_or(now) : after.created_at;
  Change change = change_of(is_again ? "rollback" : "deployment", after.name_space,
                            after.owner.name, std::min(at, now));
  change.id = "kubernetes-" + after.uid + "-revision-" + std::to_string(*after.revision);
  std::string what;
  if (previous != nullptr) {
    what = template_difference(*previous, after);
    change.version = changed_tag(*previous, after);
  } else if (!after.images.empty()) {
    what = "image " + after.images.front().second;
    change.version = tag_of(after.images.front().second);
  }
  if (is_again) what = "back to revision " + std::to_string(*before->revision) + ", " + what;
  change.summary = after.owner.kind + " " + after.owner.name + ": " + what;
  out.push_back(std::move(change));
}

void ChangeBook::compare_templates(const Object& before, const Object& after, Time now,
                                   Changes& out) const {
  const std::string what = template_difference(before, after);
  if (what.empty()) return;
  Change change = change_of("deployment", after.name_space, after.name,
                            std::min(after.changed_at.value_or(now), now));
  change.id = "kubernetes-" + after.uid + "-generation-" + std::to_string(after.generation);
  change.version = changed_tag(before, after);
  change.summary = after.name + ": " + what;
  out.push_back(std::move(change));
}

bool ChangeBook::is_autoscaled(const Object& workload) const {
  // An autoscaler scales by the controller manager's hand, through the subresource.
  if (!workload.replicas_manager.empty())
    return workload.replicas_by_scale && workload.replicas_manager == controller_manager;
  const Objects& autoscalers = of(Resource::autoscalers);
  return std::any_of(autoscalers.begin(), autoscalers.end(), [&](const auto& entry) {
    return entry.second.name_space == workload.name_space &&
           entry.second.target.name == workload.name;
  });
}

void ChangeBook::compare_replicas(const Object& before, const Object& after, Time now,
                                  Changes& out) const {
  if (before.replicas == after.replicas || !after.replicas) return;
  const bool autoscaled = is_autoscaled(after);
  if (autoscaled && before.replicas && *after.replicas > *before.replicas) return;
  Change change = change_of("scale", after.name_space, after.name,
                            std::min(after.replicas_at.value_or(now), now));
  change.id = "kubernetes-" + after.uid + "-replicas-" + std::to_string(after.generation);
  change.summary = after.name + ": replicas " + number_text(before.replicas) + " -> " +
                   number_text(after.replicas) +
                   (autoscaled ? ", by its autoscaler" : by(after.replicas_manager));
  out.push_back(std::move(change));
}

void ChangeBook::compare_config(const Object& before, const Object& after, Time now,
                                Changes& out) const {
  if (!after.data_at || before.data_at == after.data_at) return;
  const auto uses = [&](const Object& workload) {
    return workload.name_space == after.name_space &&
           std::find(workload.config_maps.begin(), workload.config_maps.end(), after.name) !=
               workload.config_maps.end();
  };
  for (const Resource resource :
       {Resource::deployments, Resource::stateful_sets, Resource::daemon_sets}) {
    for (const auto& [uid, workload] : of(resource)) {
      if (!uses(workload)) continue;
      if (out.size() >= limits_.users_max) return;
      Change change =
          change_of("config", after.name_space, workload.name, std::min(*after.data_at, now));
      change.id = "kubernetes-" + after.uid + "-data-" +
                  std::to_string(to_unix_ms(*after.data_at)) + "-" + workload.name;
      change.summary =
          workload.name + ": ConfigMap " + after.name + " written" + by(after.data_manager);
      out.push_back(std::move(change));
    }
  }
}

void ChangeBook::compare_autoscalers(const Object& before, const Object& after, Time now,
                                     Changes& out) const {
  std::string what;
  const auto add = [&what](const std::string& one) { what += (what.empty() ? "" : ", ") + one; };
  if (before.replicas_min != after.replicas_min)
    add("minReplicas " + number_text(before.replicas_min) + " -> " +
        number_text(after.replicas_min));
  if (before.replicas_max != after.replicas_max)
    add("maxReplicas " + number_text(before.replicas_max) + " -> " +
        number_text(after.replicas_max));
  if (const std::string parts = template_difference(before, after); !parts.empty()) add(parts);
  if (what.empty()) return;
  Change change = change_of("config", after.name_space, after.target.name,
                            std::min(after.changed_at.value_or(now), now));
  // An autoscaler has no generation; each write has a version.
  change.id = "kubernetes-" + after.uid + "-version-" + after.resource_version;
  change.summary = "HorizontalPodAutoscaler " + after.name + ": " + what;
  out.push_back(std::move(change));
}

std::string ChangeBook::workload_of(const Object& object) const {
  const auto& event = object.event;
  const auto of_replica_set = [&](const std::string& name) {
    const auto found = replica_sets_.find({event.name_space, name});
    return found == replica_sets_.end() ? std::string()
                                        : of(Resource::replica_sets).at(found->second).owner.name;
  };
  if (event.kind == "Pod") {
    const std::string known = of_replica_set(without_last_part(event.name));
    return known.empty() ? incident::workload_of_pod(event.name) : known;
  }
  if (event.kind == "ReplicaSet") {
    const std::string known = of_replica_set(event.name);
    return known.empty() ? without_last_part(event.name) : known;
  }
  if (event.kind == "Deployment" || event.kind == "StatefulSet" || event.kind == "DaemonSet" ||
      event.kind == "Job" || event.kind == "CronJob" || event.kind == "Rollout") {
    return event.name;
  }
  return "";
}

void ChangeBook::tell_warning(const Object& object, Time now, Changes& out) {
  const auto& event = object.event;
  const std::string workload = workload_of(object);
  if (event.type != "Warning" || workload.empty() || event.at < now - limits_.lookback ||
      std::find(grave_reasons.begin(), grave_reasons.end(), event.reason) == grave_reasons.end()) {
    return;
  }
  Change change = change_of("warning", event.name_space, workload, std::min(event.at, now));
  change.id = "kubernetes-warning-" + cluster_ + "-" + event.name_space + "-" + workload + "-" +
              event.reason + "-" + std::to_string(change.at.time_since_epoch() / warning_window);
  if (warned_.contains(change.id)) return;
  // The journal knows the id as well: what is forgotten here is written once more, as the same.
  if (warned_.size() >= limits_.warnings_max) warned_.clear();
  warned_.insert(change.id);
  change.summary = event.reason + " of " + event.kind + " " + event.name + ": " + event.message +
                   (event.count > 1 ? " (" + std::to_string(event.count) + " times)" : "");
  out.push_back(std::move(change));
}

std::vector<incident::Topology::Edge> ChangeBook::owner_edges(Time now) const {
  std::vector<incident::Topology::Edge> edges;
  for (const Resource resource :
       {Resource::deployments, Resource::stateful_sets, Resource::daemon_sets}) {
    for (const auto& [uid, object] : of(resource)) {
      if (object.owner.name.empty() || object.owner.name == object.name) continue;
      edges.push_back({{cluster_, object.name_space, object.owner.name, false},
                       {cluster_, object.name_space, object.name, false},
                       incident::Topology::Source::owners,
                       now});
    }
  }
  return edges;
}

}  // namespace outrider::kubernetes
