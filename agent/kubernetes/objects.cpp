// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/objects.h"

#include <algorithm>
#include <array>
#include <functional>

#include "base/core/text.h"
#include "base/wire/json_path.h"

namespace outrider::kubernetes {
namespace {

using wire::find;
using wire::items_at;
using wire::Json;
using wire::number_at;
using wire::text_at;

struct Known {
  std::string_view kind, plural, group, selector;
};
constexpr std::array<Known, resource_count> known = {{
    {"Deployment", "deployments", "/apis/apps/v1", ""},
    {"ReplicaSet", "replicasets", "/apis/apps/v1", ""},
    {"StatefulSet", "statefulsets", "/apis/apps/v1", ""},
    {"DaemonSet", "daemonsets", "/apis/apps/v1", ""},
    {"ConfigMap", "configmaps", "/api/v1", ""},
    {"HorizontalPodAutoscaler", "horizontalpodautoscalers", "/apis/autoscaling/v2", ""},
    {"Event", "events", "/api/v1", "fieldSelector=type%3DWarning"},
}};

constexpr std::size_t containers_max = 50;
constexpr std::size_t parts_max = 400;
constexpr std::size_t config_maps_max = 50;
constexpr std::size_t text_bytes_max = 512;
constexpr std::size_t difference_bytes_max = 300;
constexpr std::size_t digest_digits = 12;
constexpr std::string_view restarted_at = "kubectl.kubernetes.io/restartedAt";
constexpr std::string_view template_hash = "pod-template-hash";

std::string cut(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  text.resize(bytes_max);
  while (!is_valid_utf8(text)) text.pop_back();
  return text;
}

std::string words_at(const Json& json, std::initializer_list<const char*> path) {
  return cut(text_at(json, path), text_bytes_max);
}

std::optional<Time> time_at(const Json& json, std::initializer_list<const char*> path) {
  return parse_rfc3339(words_at(json, path));
}

std::size_t digest_of(const Json& json) {
  return std::hash<std::string>()(wire::to_text(json));
}

void add_part(Object& object, std::string what, const Json& of) {
  if (object.parts.size() < parts_max) object.parts.emplace_back(std::move(what), digest_of(of));
}

void add_config_map(Object& object, const Json& json, std::initializer_list<const char*> path) {
  std::string name = words_at(json, path);
  if (name.empty() || object.config_maps.size() >= config_maps_max) return;
  if (std::find(object.config_maps.begin(), object.config_maps.end(), name) ==
      object.config_maps.end()) {
    object.config_maps.push_back(std::move(name));
  }
}

void read_container(Object& object, const Json& container) {
  if (!container.is_object() || object.images.size() >= containers_max) return;
  const std::string name = words_at(container, {"name"});
  object.images.emplace_back(name, words_at(container, {"image"}));
  for (const auto& [key, value] : container.items()) {
    if (key != "name" && key != "image") add_part(object, key + " of " + name, value);
  }
  for (const Json& variable : items_at(container, {"env"}))
    add_config_map(object, variable, {"valueFrom", "configMapKeyRef", "name"});
  for (const Json& source : items_at(container, {"envFrom"}))
    add_config_map(object, source, {"configMapRef", "name"});
}

// Of the template's metadata: what the controllers add is no change.
void read_metadata(Object& object, const Json& pod, const char* what) {
  const Json* metadata = find(pod, {"metadata", what});
  if (!metadata || !metadata->is_object()) return;
  Json own = *metadata;
  own.erase(std::string(template_hash));
  if (const auto found = own.find(std::string(restarted_at)); found != own.end()) {
    add_part(object, "restart", *found);
    own.erase(std::string(restarted_at));
  }
  if (!own.empty()) add_part(object, what, own);
}

void read_template(Object& object, const Json& json) {
  const Json* pod = find(json, {"spec", "template"});
  const Json* spec = pod ? find(*pod, {"spec"}) : nullptr;
  if (!spec || !spec->is_object()) return;
  read_metadata(object, *pod, "labels");
  read_metadata(object, *pod, "annotations");
  for (const char* list : {"initContainers", "containers"}) {
    for (const Json& container : items_at(*spec, {list})) read_container(object, container);
  }
  for (const auto& [key, value] : spec->items()) {
    if (key != "containers" && key != "initContainers") add_part(object, key, value);
  }
  for (const Json& volume : items_at(*spec, {"volumes"})) {
    add_config_map(object, volume, {"configMap", "name"});
    for (const Json& source : items_at(volume, {"projected", "sources"}))
      add_config_map(object, source, {"configMap", "name"});
  }
  std::sort(object.parts.begin(), object.parts.end());
}

// Who wrote what, and when.
void read_managed_fields(Object& object, const Json& json) {
  for (const Json& entry : items_at(json, {"metadata", "managedFields"})) {
    const auto at = time_at(entry, {"time"});
    const std::string subresource = words_at(entry, {"subresource"});
    if (subresource == "status") continue;
    if (at) object.changed_at = std::max(object.changed_at.value_or(*at), *at);
    const std::string manager = words_at(entry, {"manager"});
    // What the scale subresource wrote has no time (seen of Kubernetes 1.36), and was written last:
    // whoever set another number before owns the field no more.
    const bool by_scale = subresource == "scale";
    if (find(entry, {"fieldsV1", "f:spec", "f:replicas"}) &&
        (by_scale ||
         (at && !object.replicas_by_scale && *at >= object.replicas_at.value_or(*at)))) {
      object.replicas_manager = manager;
      object.replicas_by_scale = by_scale;
      object.replicas_at = at;
    }
    if (!at) continue;
    const bool data = find(entry, {"fieldsV1", "f:data"}) != nullptr ||
                      find(entry, {"fieldsV1", "f:binaryData"}) != nullptr;
    if (data && *at >= object.data_at.value_or(*at)) {
      object.data_manager = manager;
      object.data_at = at;
    }
  }
}

void read_owner(Object& object, const Json& json) {
  for (const Json& owner : items_at(json, {"metadata", "ownerReferences"})) {
    const Json* controller = find(owner, {"controller"});
    if (!controller || !controller->is_boolean() || !controller->get<bool>()) continue;
    object.owner = {words_at(owner, {"kind"}), words_at(owner, {"name"}), words_at(owner, {"uid"})};
  }
}

void read_revision(Object& object, const Json& json) {
  for (const char* key : {"deployment.kubernetes.io/revision", "rollout.argoproj.io/revision"}) {
    if (const auto revision = parse_int(words_at(json, {"metadata", "annotations", key})))
      object.revision = revision;
  }
}

void read_autoscaler(Object& object, const Json& json) {
  object.target = {words_at(json, {"spec", "scaleTargetRef", "kind"}),
                   words_at(json, {"spec", "scaleTargetRef", "name"})};
  object.replicas_min = number_at(json, {"spec", "minReplicas"});
  object.replicas_max = number_at(json, {"spec", "maxReplicas"});
  for (const char* part : {"metrics", "behavior"}) {
    if (const Json* found = find(json, {"spec", part})) add_part(object, part, *found);
  }
  std::sort(object.parts.begin(), object.parts.end());
}

void read_event(Object& object, const Json& json) {
  auto& event = object.event;
  event.type = words_at(json, {"type"});
  event.reason = words_at(json, {"reason"});
  event.message = words_at(json, {"message"});
  event.kind = words_at(json, {"involvedObject", "kind"});
  event.name_space = words_at(json, {"involvedObject", "namespace"});
  event.name = words_at(json, {"involvedObject", "name"});
  event.at = object.created_at;
  for (const auto& at :
       {time_at(json, {"firstTimestamp"}), time_at(json, {"eventTime"}),
        time_at(json, {"lastTimestamp"}), time_at(json, {"series", "lastObservedTime"})}) {
    if (at) event.at = std::max(event.at, *at);
  }
  event.count = std::max(number_at(json, {"count"}).value_or(1),
                         number_at(json, {"series", "count"}).value_or(1));
}

std::string image_text(const std::vector<std::pair<std::string, std::string>>& images,
                       const std::string& container) {
  for (const auto& [name, image] : images) {
    if (name == container) return image;
  }
  return "";
}

}  // namespace

std::string_view name(Resource resource) {
  return known.at(static_cast<std::size_t>(resource)).plural;
}

std::string_view kind_name(Resource resource) {
  return known.at(static_cast<std::size_t>(resource)).kind;
}

std::string path_of(Resource resource, std::string_view name_space) {
  const Known& one = known.at(static_cast<std::size_t>(resource));
  std::string path(one.group);
  if (!name_space.empty()) path += "/namespaces/" + percent_encode(name_space);
  path += "/" + std::string(one.plural) + "?";
  if (!one.selector.empty()) path += std::string(one.selector) + "&";
  return path;
}

std::string accept_of(Resource resource, bool watch) {
  if (resource != Resource::config_maps) return "application/json";
  return std::string("application/json;as=PartialObjectMetadata") + (watch ? "" : "List") +
         ";g=meta.k8s.io;v=v1";
}

Result<Object> parse_object(Resource resource, const Json& json) {
  Object object;
  object.uid = words_at(json, {"metadata", "uid"});
  object.name_space = words_at(json, {"metadata", "namespace"});
  object.name = words_at(json, {"metadata", "name"});
  object.resource_version = words_at(json, {"metadata", "resourceVersion"});
  if (object.uid.empty() || object.name.empty() || object.resource_version.empty()) {
    return fail("bad_object", "a " + std::string(kind_name(resource)) + " '" + object.name +
                                  "' without metadata.uid, name or resourceVersion");
  }
  object.created_at = time_at(json, {"metadata", "creationTimestamp"}).value_or(Time{});
  object.generation = number_at(json, {"metadata", "generation"}).value_or(0);
  read_owner(object, json);
  read_managed_fields(object, json);
  if (resource == Resource::config_maps) return object;
  if (resource == Resource::events) {
    read_event(object, json);
  } else if (resource == Resource::autoscalers) {
    read_autoscaler(object, json);
  } else {
    read_revision(object, json);
    read_template(object, json);
    object.replicas = number_at(json, {"spec", "replicas"});
  }
  return object;
}

std::string template_difference(const Object& before, const Object& after) {
  std::string text;
  const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  for (const auto& [container, image] : after.images) {
    const std::string was = image_text(before.images, container);
    if (was == image) continue;
    add(was.empty() ? "container " + container + " added, image " + image
                    : "image " + was + " -> " + image);
  }
  for (const auto& [container, image] : before.images) {
    if (image_text(after.images, container).empty()) add("container " + container + " removed");
  }
  std::vector<std::string> names;
  const auto differ = [&names](const Object& a, const Object& b) {
    for (const auto& part : a.parts) {
      if (std::binary_search(b.parts.begin(), b.parts.end(), part)) continue;
      if (std::find(names.begin(), names.end(), part.first) == names.end())
        names.push_back(part.first);
    }
  };
  differ(after, before);
  differ(before, after);
  for (const std::string& one : names) add(one);
  return cut(std::move(text), difference_bytes_max);
}

std::string changed_tag(const Object& before, const Object& after) {
  for (const auto& [container, image] : after.images) {
    if (image_text(before.images, container) != image) return tag_of(image);
  }
  return "";
}

std::string tag_of(std::string_view image) {
  const std::size_t at = image.find('@');
  const std::string_view named = image.substr(0, at);
  const std::size_t slash = named.rfind('/');
  const std::size_t colon = named.rfind(':');
  const bool tagged =
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  if (tagged) return std::string(named.substr(colon + 1));
  if (at == std::string_view::npos) return "";
  const std::string_view digest = image.substr(at + 1);
  const std::size_t algorithm = digest.find(':');
  return std::string(digest.substr(algorithm == std::string_view::npos ? 0 : algorithm + 1)
                         .substr(0, digest_digits));
}

}  // namespace outrider::kubernetes
