// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is kept of the objects that are watched: what tells a change, and no contents. PURE.
//
// Of a pod template and of an autoscaler's metrics there are digests by part, of a ConfigMap only
// when somebody last wrote its data: its metadata alone is asked for. Source: Kubernetes API
// reference (apps/v1, autoscaling/v2, core/v1 Event, meta/v1 ManagedFieldsEntry).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::kubernetes {

enum class Resource : std::uint8_t {
  deployments,
  replica_sets,
  stateful_sets,
  daemon_sets,
  config_maps,
  autoscalers,
  events,
};
inline constexpr std::size_t resource_count = 7;
std::string_view name(Resource resource);       // "replicasets": the API's plural.
std::string_view kind_name(Resource resource);  // "ReplicaSet".

// "/apis/apps/v1/namespaces/shop/deployments"; of all namespaces where `name_space` is "". With
// the selector of what is wanted, where not everything is, after '?'.
std::string path_of(Resource resource, std::string_view name_space);
// The media types of a list and of a watch: of ConfigMaps the metadata only.
std::string accept_of(Resource resource, bool watch);

struct Object {
  std::string uid, name_space, name, resource_version;
  Time created_at{};
  std::optional<Time> changed_at;  // When anybody last wrote anything but its status.
  struct {
    std::string kind, name, uid;
  } owner;  // The controller; "" where there is none.

  // Of what has a pod template.
  std::optional<std::int64_t> replicas;
  std::string replicas_manager;    // Who last wrote spec.replicas; "" where not known.
  bool replicas_by_scale = false;  // … by the scale subresource.
  std::optional<Time> replicas_at;
  std::vector<std::pair<std::string, std::string>> images;  // By container.
  std::vector<std::pair<std::string, std::size_t>> parts;   // Digests, by what they are of.
  std::vector<std::string> config_maps;                     // That its pods use.
  std::optional<std::int64_t> revision;
  std::int64_t generation = 0;

  // Of a ConfigMap: who last wrote its data, and when.
  std::string data_manager;
  std::optional<Time> data_at;

  // Of an autoscaler.
  struct {
    std::string kind, name;
  } target;
  std::optional<std::int64_t> replicas_min, replicas_max;

  // Of an event.
  struct {
    std::string type, reason, message, kind, name_space, name;
    Time at{};
    std::int64_t count = 1;
  } event;
};

// Error "bad_object": it has no uid, name or resourceVersion.
Result<Object> parse_object(Resource resource, const wire::Json& json);

// What differs from `before` to `after` in the pod template, for people: "image house:2.1.2 ->
// house:2.1.3, env of house"; "" where nothing does. At most 300 bytes.
std::string template_difference(const Object& before, const Object& after);
// The tag of the first image that differs, else of the digest its first twelve digits; "" where no
// image does.
std::string changed_tag(const Object& before, const Object& after);
// The tag of an image: "registry:5000/house:2.1.3@sha256:…" -> "2.1.3".
std::string tag_of(std::string_view image);

}  // namespace outrider::kubernetes
