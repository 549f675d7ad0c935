// SPDX-License-Identifier: Apache-2.0
#include "cli/inject/objects.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"

namespace outrider::inject {
namespace {

YamlNode* dig(YamlNode* node, std::initializer_list<std::string_view> path) {
  for (const std::string_view key : path) {
    if (!node) return nullptr;
    node = node->find(key);
  }
  return node;
}

std::string text_at(YamlNode* node, std::initializer_list<std::string_view> path) {
  const YamlNode* found = dig(node, path);
  return found ? found->text() : "";
}

Labels labels_at(YamlNode* node, std::initializer_list<std::string_view> path) {
  Labels labels;
  const YamlNode* found = dig(node, path);
  if (!found || !found->is_map()) return labels;
  for (const YamlNode::Entry& entry : found->entries) {
    if (!entry.removed) labels[entry.key->text()] = entry.value->text();
  }
  return labels;
}

// Parts of it that inject may change must be this object's alone: no alias, no merge key, no anchor
// that an alias elsewhere refers to.
std::string sharing(const YamlNode* node, int depth) {
  if (!node) return "";
  if (node->kind == YamlNode::Kind::alias || node->is_shared) {
    return "it shares a part with another object by a YAML alias (line " +
           std::to_string(node->line) + "); write that part out";
  }
  if (depth == 0) return "";
  for (const YamlNode::Entry& entry : node->entries) {
    if (entry.key && entry.key->text() == "<<") {
      return "it is made with a YAML merge key '<<' (line " + std::to_string(entry.key->line) +
             "); write that part out";
    }
    if (std::string found = sharing(entry.value, depth - 1); !found.empty()) return found;
  }
  return "";
}

std::string sharing_on_path(const YamlNode* from, const YamlNode* to) {
  for (const YamlNode* node = to; node && node != from; node = node->parent) {
    if (std::string found = sharing(node, 0); !found.empty()) return found;
  }
  return "";
}

constexpr std::array<std::string_view, 12> frameworks = {
    "model", "sklearn",  "xgboost", "tensorflow", "pytorch", "triton",
    "onnx",  "lightgbm", "pmml",    "paddle",     "mlflow",  "huggingface"};

class Collector {
 public:
  Collector(YamlText& document, const std::string& file, Objects& into)
      : document_(document), file_(file), into_(into) {}

  Result<void> object(YamlNode& object) {
    if (!object.is_map())
      return wrong(object, "a Kubernetes object is a map with kind and metadata");
    const std::string kind = text_at(&object, {"kind"});
    if (const YamlNode* items = object.find("items"); items && kind.ends_with("List")) {
      if (!items->is_sequence()) return wrong(*items, "items of a List are a list");
      for (YamlNode* item : items->items()) {
        if (auto done = this->object(*item); !done) return done;
      }
      return {};
    }
    const std::string version = text_at(&object, {"apiVersion"});
    if (kind == "Service" && version == "v1") return service(object);
    return workload(object, kind, version);
  }

 private:
  Failure wrong(const YamlNode& node, const std::string& what) const {
    return fail("bad_object", file_ + ":" + std::to_string(node.line) + ": " + what);
  }

  Result<void> workload(YamlNode& object, const std::string& kind, const std::string& version) {
    Workload made;
    made.document = &document_;
    made.object = &object;
    made.kind = kind;
    made.name = text_at(&object, {"metadata", "name"});
    if (made.name.empty()) made.name = text_at(&object, {"metadata", "generateName"});
    made.space = text_at(&object, {"metadata", "namespace"});
    made.ends_by_itself = kind == "Job" || kind == "CronJob";
    made.is_kserve = kind == "InferenceService" && version.starts_with("serving.kserve.io/");
    made.pod = pod_of(object, kind, made.is_kserve);
    if (!made.pod) return odd_workload(made);
    made.metadata = made.is_kserve ? made.pod : made.pod->find("metadata");
    made.spec = made.is_kserve ? made.pod : made.pod->find("spec");
    if (made.is_kserve) {
      if (std::string reason = kserve_trouble(made); !reason.empty()) return odd(made, reason);
    } else if (!made.spec) {
      return wrong(*made.pod, made.title() + " has no pod spec");
    }
    if (!made.spec->is_map() && made.spec->kind != YamlNode::Kind::alias) {
      return wrong(*made.spec, "the pod spec of " + made.title() + " must be a map");
    }
    if (std::string reason = trouble(made, version); !reason.empty()) return odd(made, reason);
    return check_shape(made);
  }

  static YamlNode* pod_of(YamlNode& object, const std::string& kind, bool is_kserve) {
    if (is_kserve) return dig(&object, {"spec", "predictor"});
    if (kind == "Pod") return &object;
    if (kind == "PodTemplate") return dig(&object, {"template"});
    if (kind == "CronJob") return dig(&object, {"spec", "jobTemplate", "spec", "template"});
    YamlNode* found = dig(&object, {"spec", "template"});
    return found && (found->find("spec") || found->kind == YamlNode::Kind::alias) ? found : nullptr;
  }

  Result<void> odd(const Workload& workload, const std::string& reason) {
    into_.oddities.push_back({workload.title(), reason});
    return {};
  }

  // An object without a pod template is none of our business, unless one would expect a template.
  Result<void> odd_workload(const Workload& workload) {
    if (dig(workload.object, {"spec", "workloadRef"})) {
      return odd(workload, "its pods come from a workloadRef: inject that object");
    }
    return {};
  }

  std::string trouble(const Workload& made, const std::string& version) const {
    if (version.starts_with("serving.knative.dev/")) {
      return "Knative Services take one port a pod and route it themselves; put a KServe "
             "InferenceService or a Deployment in its place";
    }
    for (const YamlNode* part : {made.pod, made.metadata, made.spec}) {
      if (std::string found = sharing_on_path(made.object->parent, part); !found.empty()) {
        return found;
      }
    }
    for (const YamlNode* map : {made.pod, made.metadata, made.spec}) {
      if (!map) continue;
      for (const YamlNode::Entry& entry : map->entries) {
        if (entry.key && entry.key->text() == "<<") return sharing(map, 1);
      }
    }
    for (const auto& [map, key] : {std::pair{made.spec, "containers"},
                                   {made.spec, "initContainers"},
                                   {made.spec, "volumes"},
                                   {made.metadata, "labels"},
                                   {made.metadata, "annotations"}}) {
      const YamlNode* part = map ? map->find(key) : nullptr;
      if (std::string found = sharing(part, 1); !found.empty()) return found;
    }
    return "";
  }

  std::string kserve_trouble(const Workload& made) const {
    if (made.spec->find("workerSpec")) return "its predictor runs on several nodes (workerSpec)";
    const bool has_model = std::any_of(frameworks.begin(), frameworks.end(),
                                       [&](auto name) { return made.spec->find(name) != nullptr; });
    if (!has_model && !made.spec->find("containers")) {
      return "its predictor has neither a model nor containers";
    }
    return "";
  }

  static bool may_hold_keys(const YamlNode& node) {
    return node.is_map() || node.kind == YamlNode::Kind::null;
  }

  Result<void> check_shape(Workload& made) {
    using Kind = YamlNode::Kind;
    for (const char* key : {"containers", "initContainers", "volumes"}) {
      const YamlNode* list = made.spec->find(key);
      if (!list || list->kind == Kind::null) continue;
      if (!list->is_sequence()) return wrong(*list, std::string(key) + " must be a list");
      for (const YamlNode* item : list->items()) {
        if (!item->is_map())
          return wrong(*item, std::string("an item of ") + key + " must be a map");
        const YamlNode* ports = item->find("ports");
        if (ports && ports->kind != Kind::null && !ports->is_sequence()) {
          return wrong(*ports, "ports must be a list");
        }
      }
    }
    if (made.metadata && !may_hold_keys(*made.metadata)) {
      return wrong(*made.metadata, "metadata must be a map");
    }
    for (const char* key : {"labels", "annotations"}) {
      const YamlNode* map = made.metadata ? made.metadata->find(key) : nullptr;
      if (map && !may_hold_keys(*map)) {
        return wrong(*map, std::string(key) + " must be a map");
      }
    }
    into_.workloads.push_back(std::move(made));
    return {};
  }

  Result<void> service(YamlNode& object) {
    Service made;
    made.document = &document_;
    made.object = &object;
    made.name = text_at(&object, {"metadata", "name"});
    made.space = text_at(&object, {"metadata", "namespace"});
    made.selector = labels_at(&object, {"spec", "selector"});
    made.is_headless = text_at(&object, {"spec", "clusterIP"}) == "None";
    const YamlNode* ports = dig(&object, {"spec", "ports"});
    const bool is_external = text_at(&object, {"spec", "type"}) == "ExternalName";
    const YamlNode* metadata = object.find("metadata");
    if (!ports || !ports->is_sequence() || is_external || !metadata) return {};
    const YamlNode* annotations = metadata->find("annotations");
    if (!metadata->is_map() || (annotations && !may_hold_keys(*annotations))) {
      return wrong(*metadata, "metadata and its annotations must be maps");
    }
    const auto moved =
        parse_target_ports(text_at(&object, {"metadata", "annotations", target_ports_annotation}));
    for (YamlNode* port : ports->items()) {
      const std::string protocol = text_at(port, {"protocol"});
      const auto number = parse_int(text_at(port, {"port"}));
      if (!port->is_map() || !number || (!protocol.empty() && protocol != "TCP")) continue;
      const auto original = moved.find(*number);
      made.ports.push_back(
          {port, *number,
           original != moved.end() ? original->second : text_at(port, {"targetPort"}),
           text_at(port, {"appProtocol"})});
    }
    if (const std::string reason = sharing(&object, 4); !reason.empty() && !made.selector.empty()) {
      into_.oddities.push_back({made.title(), reason});
      return {};
    }
    into_.services.push_back(std::move(made));
    return {};
  }

  YamlText& document_;
  const std::string& file_;
  Objects& into_;
};

}  // namespace

std::string Workload::title() const {
  return (kind.empty() ? "object" : lower_ascii(kind)) + " \"" + name + "\"";
}

bool Workload::has_sidecar() const {
  return dig(metadata, {"annotations", injected_annotation}) != nullptr;
}

std::string Workload::annotation(std::string_view key) const {
  const std::string own = text_at(metadata, {"annotations", key});
  return own.empty() ? text_at(object, {"metadata", "annotations", key}) : own;
}

Labels Workload::labels() const {
  return labels_at(metadata, {"labels"});
}

std::vector<ContainerPort> Workload::ports() const {
  std::vector<ContainerPort> found;
  const auto look = [&](YamlNode* container, const std::string& owner) {
    const YamlNode* ports = container->find("ports");
    if (!ports) return;
    for (YamlNode* port : ports->items()) {
      const std::string protocol = text_at(port, {"protocol"});
      const auto number = parse_int(text_at(port, {"containerPort"}));
      if (number && (protocol.empty() || protocol == "TCP")) {
        found.push_back({owner, text_at(port, {"name"}), *number});
      }
    }
  };
  if (const YamlNode* containers = spec->find("containers")) {
    for (YamlNode* container : containers->items()) {
      const std::string its_name = text_at(container, {"name"});
      if (!(has_sidecar() && its_name == container_name())) look(container, its_name);
    }
  }
  for (const std::string_view framework : is_kserve ? frameworks : decltype(frameworks){}) {
    if (YamlNode* model = spec->find(framework)) look(model, "kserve-container");
  }
  return found;
}

std::set<std::int64_t> Workload::grpc_probe_ports() const {
  std::set<std::int64_t> found;
  const YamlNode* containers = spec->find("containers");
  if (!containers) return found;
  for (YamlNode* container : containers->items()) {
    for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
      const auto port = parse_int(text_at(container, {probe, "grpc", "port"}));
      if (port) found.insert(*port);
    }
  }
  return found;
}

bool Service::selects(const Workload& workload) const {
  const Labels labels = workload.labels();
  return !selector.empty() && space == workload.space && !workload.is_kserve &&
         std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
           const auto found = labels.find(wanted.first);
           return found != labels.end() && found->second == wanted.second;
         });
}

Result<void> collect(YamlText& document, const std::string& file, Objects& into) {
  if (!document.root() || document.root()->kind == YamlNode::Kind::null) return {};
  return Collector(document, file, into).object(*document.root());
}

std::map<std::int64_t, std::string> parse_target_ports(std::string_view text) {
  std::map<std::int64_t, std::string> ports;
  if (text.empty()) return ports;
  for (const std::string_view piece : split(text, ',')) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    if (const auto number = parse_int(piece.substr(0, equals))) {
      ports[*number] = std::string(piece.substr(equals + 1));
    }
  }
  return ports;
}

std::string print_target_ports(const std::map<std::int64_t, std::string>& ports) {
  std::string out;
  for (const auto& [number, target] : ports) {
    out += (out.empty() ? "" : ",") + std::to_string(number) + "=" + target;
  }
  return out;
}

}  // namespace outrider::inject
