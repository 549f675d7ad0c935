// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/ownership.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/wire/json_path.h"

namespace outrider::kubernetes {
namespace {

using wire::find;
using wire::items_at;
using wire::Json;
using wire::text_at;

// Managers that keep a field as their source says.
constexpr std::array<std::string_view, 6> keepers = {
    "argocd-controller",    "argocd-application-controller",
    "kustomize-controller", "helm-controller",
    "fleet-agent",          "configsync"};

std::string label(const Json& object, const char* key) {
  return text_at(object, {"metadata", "labels", key});
}

std::string annotation(const Json& object, const char* key) {
  return text_at(object, {"metadata", "annotations", key});
}

// Of which of their objects it is a part: "Application shop"; "" without marks.
std::string source_of(const Json& object) {
  // "shop:apps/Deployment:ml/house"
  if (const std::string id = annotation(object, "argocd.argoproj.io/tracking-id"); !id.empty())
    return "Application " + id.substr(0, id.find(':'));
  if (const std::string app = label(object, "argocd.argoproj.io/instance"); !app.empty())
    return "Application " + app;
  for (const auto& [prefix, kind] : {std::pair{"kustomize.toolkit.fluxcd.io", "Kustomization"},
                                     std::pair{"helm.toolkit.fluxcd.io", "HelmRelease"}}) {
    const std::string key(prefix);
    const std::string name = label(object, (key + "/name").c_str());
    const std::string space = label(object, (key + "/namespace").c_str());
    if (!name.empty()) return std::string(kind) + " " + (space.empty() ? "" : space + "/") + name;
  }
  return "";
}

bool manages(const Json& entry, const FieldPath& field) {
  const Json* at = find(entry, {"fieldsV1"});
  for (const std::string& name : field) {
    if (at == nullptr) return false;
    at = find(*at, {("f:" + name).c_str()});
  }
  return at != nullptr;
}

}  // namespace

Ownership ownership_of(const Json& object, const FieldPath& field) {
  Ownership out;
  const std::string source = source_of(object);
  const std::string in_brackets = source.empty() ? "" : " (" + source + ")";
  const Json& entries = items_at(object, {"metadata", "managedFields"});
  for (const Json& entry : entries) {
    const std::string manager = text_at(entry, {"manager"});
    if (std::find(keepers.begin(), keepers.end(), manager) != keepers.end() &&
        manages(entry, field)) {
      out.owner = manager + in_brackets;
    }
  }
  if (out.owner.empty() && entries.empty() && !source.empty()) out.owner = source;
  for (const Json& owner : items_at(object, {"metadata", "ownerReferences"})) {
    const Json* controller = find(owner, {"controller"});
    if (out.owner.empty() && controller && *controller == true)
      out.owner = text_at(owner, {"kind"}) + " " + text_at(owner, {"name"});
  }
  if (const std::string release = annotation(object, "meta.helm.sh/release-name");
      !release.empty()) {
    out.note = "Helm's release " + release + " may set it again at its next upgrade";
  }
  return out;
}

}  // namespace outrider::kubernetes
