// SPDX-License-Identifier: Apache-2.0
#include "cli/inject/inject.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <set>

#include "base/core/text.h"
#include "base/core/version.h"
#include "cli/inject/objects.h"
#include "cli/inject/protocol.h"

namespace outrider::inject {
namespace {

constexpr std::int64_t kserve_port = 8080;  // Where KServe's runtimes listen unless told otherwise.
constexpr std::array<std::string_view, 5> volume_names = {
    "outrider-data", "outrider-model", "outrider-references", "outrider-tls", "outrider-web-tls"};

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

bool is_volume_name(const std::string& name) {
  return std::find(volume_names.begin(), volume_names.end(), name) != volume_names.end();
}

// A file's documents; those without content are kept as they are.
struct Stream {
  std::string_view head;  // A byte order mark, if the file has one.
  std::vector<YamlChunk> chunks;
  std::deque<std::optional<YamlText>> documents;  // One a chunk.
  Objects objects;

  static Result<Stream> read(std::string_view text, const std::string& file) {
    Stream stream;
    if (text.starts_with(byte_order_mark)) {
      stream.head = byte_order_mark;
      text.remove_prefix(byte_order_mark.size());
    }
    stream.chunks = split_documents(text);
    for (const YamlChunk& chunk : stream.chunks) {
      auto& document = stream.documents.emplace_back();
      if (!chunk.has_content) continue;
      auto parsed = YamlText::parse(chunk.text, file, chunk.first_line);
      if (!parsed) return fail(parsed);
      document.emplace(std::move(*parsed));
      if (auto done = collect(*document, file, stream.objects); !done) return fail(done);
    }
    return stream;
  }

  Result<std::string> text() const {
    std::string out(head);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      if (!documents[i]) {
        out += chunks[i].text;
        continue;
      }
      auto changed = documents[i]->text();
      if (!changed) return fail(changed);
      out += *changed;
      // A change after a last line without an end must not run into the next document's "---".
      if (i + 1 < chunks.size() && !out.empty() && out.back() != '\n') out += '\n';
    }
    return out;
  }
};

std::string lines_of(const std::vector<ContainerPort>& ports) {
  std::string out;
  for (const ContainerPort& port : ports) {
    out += (out.empty() ? "" : ", ") + std::to_string(port.number) +
           (port.name.empty() ? "" : " (" + port.name + ")");
  }
  return out;
}

// The number of the container port that a Service's port leads to.
std::optional<std::int64_t> resolve(const ServicePort& port, const Workload& workload) {
  if (port.target.empty()) return port.number;
  if (const auto number = parse_int(port.target)) return number;
  for (const ContainerPort& candidate : workload.ports()) {
    if (candidate.name == port.target) return candidate.number;
  }
  return std::nullopt;
}

// What is to be done with a workload: the model's port, or why it is left alone.
struct Plan {
  std::int64_t port = 0;
  std::string reason;
  bool http2 = false;  // What the port speaks: HTTP/2 without TLS, or HTTP/1.1.
};

class Planner {
 public:
  Planner(const Settings& settings, const Objects& objects)
      : settings_(settings), objects_(objects) {}

  Plan plan(const Workload& workload) const {
    if (std::string reason = obstacle(workload); !reason.empty()) return {0, std::move(reason)};
    std::vector<ContainerPort> ports = workload.ports();
    if (!settings_.container.empty()) {
      std::erase_if(ports, [&](const auto& port) { return port.container != settings_.container; });
    }
    const std::string annotated = workload.annotation(port_annotation);
    const std::string& wanted = annotated.empty() ? settings_.port : annotated;
    Plan plan = wanted.empty() ? found_out(workload, ports) : named(wanted, ports);
    if (!plan.reason.empty()) return plan;
    if (std::string declared = declaration_against(workload, plan.port); !declared.empty()) {
      return {0, declared + "; name another port with --port or the annotation outrider.io/port"};
    }
    for (const ContainerPort& port : workload.ports()) {
      if (port.number == settings_.proxy_port || port.number == settings_.admin_port) {
        return {
            0, "its container \"" + port.container + "\" has port " + std::to_string(port.number) +
                   ", which is the sidecar's; give the sidecar another (--proxy.port, --web.port)"};
      }
    }
    plan.http2 = leads_to_http2(workload, plan.port);
    return plan;
  }

 private:
  std::string obstacle(const Workload& workload) const {
    if (workload.annotation(inject_annotation) == "disabled") {
      return "annotation outrider.io/inject: disabled";
    }
    const YamlNode* host = workload.spec->find("hostNetwork");
    if (host && lower_ascii(host->text()) == "true") {
      return "its pods use the host's network, where the sidecar's ports would be the node's";
    }
    if (workload.ends_by_itself && !settings_.native) {
      return "a Job would never end beside an ordinary container; native sidecars (Kubernetes "
             "1.29) "
             "end with it";
    }
    if (!workload.has_sidecar()) {
      const std::string foreign = part_of_that_name(workload);
      if (!foreign.empty()) return "it has a " + foreign + " that inject did not put there";
    }
    if (!workload.is_kserve) {
      const YamlNode* containers = workload.spec->find("containers");
      if (!containers || containers->size() == 0) return "it has no containers";
    }
    return "";
  }

  // What has one of the names that inject would use: "container \"outrider-sidecar\"".
  static std::string part_of_that_name(const Workload& workload) {
    for (const char* key : {"containers", "initContainers", "volumes"}) {
      const YamlNode* list = workload.spec->find(key);
      if (!list) continue;
      const std::string_view what = std::string_view(key) == "volumes" ? "volume" : "container";
      for (const YamlNode* item : list->items()) {
        const YamlNode* name = item->find("name");
        if (!name) continue;
        const bool is_ours = what == "volume" ? is_volume_name(name->text())
                                              : name->text() == workload.container_name();
        if (is_ours) return std::string(what) + " \"" + name->text() + "\"";
      }
    }
    return "";
  }

  // What the Services that lead to the port say against it; "" where one of them does not. An
  // appProtocol is a declaration, while a port's name is a habit.
  std::string declaration_against(const Workload& workload, std::int64_t number) const {
    std::string found;
    for (const Service& service : objects_.services) {
      if (!service.selects(workload)) continue;
      for (const ServicePort& port : service.ports) {
        if (resolve(port, workload) != number) continue;
        const std::string_view obstacle = obstacle_of_protocol(port.app_protocol);
        if (obstacle.empty()) return "";
        found = service.title() + " says appProtocol " + port.app_protocol + " of its port " +
                std::to_string(port.number) + ": " + std::string(obstacle);
      }
    }
    return found;
  }

  // By what the Services that lead to the port declare, else by its name or a gRPC probe. Where one
  // of several Service ports speaks HTTP/1.1, the sidecar does: it passes one protocol. So does the
  // container that KServe leads to.
  bool leads_to_http2(const Workload& workload, std::int64_t number) const {
    if (workload.is_kserve) return false;
    bool declared = false, undeclared = false;
    for (const Service& service : objects_.services) {
      if (!service.selects(workload)) continue;
      for (const ServicePort& port : service.ports) {
        if (resolve(port, workload) != number) continue;
        declared |= declares_http2(port.app_protocol);
        undeclared |= port.app_protocol.empty();
        if (!port.app_protocol.empty() && !declares_http2(port.app_protocol)) return false;
      }
    }
    if (declared) return !undeclared;
    const auto probed = workload.grpc_probe_ports();
    const auto ports = workload.ports();
    return probed.count(number) > 0 ||
           std::any_of(ports.begin(), ports.end(), [&](const ContainerPort& port) {
             return port.number == number && speaks_http2(port);
           });
  }

  Plan named(const std::string& wanted, const std::vector<ContainerPort>& ports) const {
    if (const auto number = parse_int(wanted)) {
      if (*number >= 1 && *number <= 65535) return {*number, ""};
    }
    for (const ContainerPort& port : ports) {
      if (port.name == wanted) return {port.number, ""};
    }
    return {0, "it has no port named \"" + wanted + "\"" +
                   (ports.empty() ? "" : ", only " + lines_of(ports))};
  }

  Plan found_out(const Workload& workload, const std::vector<ContainerPort>& all) const {
    // Of several ports one of HTTP/1.1 comes first: model servers that speak both serve the same
    // models there.
    std::vector<ContainerPort> ports = all;
    std::erase_if(ports,
                  [&](const ContainerPort& port) { return leads_to_http2(workload, port.number); });
    if (ports.empty()) ports = all;
    if (ports.size() > 1) {
      std::vector<ContainerPort> undeclared = ports;
      std::erase_if(undeclared, [&](const ContainerPort& port) {
        return !declaration_against(workload, port.number).empty();
      });
      if (!undeclared.empty()) ports = undeclared;
    }
    if (workload.is_kserve) return {ports.empty() ? kserve_port : ports.front().number, ""};
    if (ports.empty()) {
      return {0,
              "its containers declare no port; name the model's with --port or the annotation "
              "outrider.io/port"};
    }
    if (ports.size() == 1) return {ports.front().number, ""};
    std::set<std::int64_t> http, served;
    for (const ContainerPort& port : ports) {
      if (port.name == "http" || port.name == "http1") http.insert(port.number);
    }
    for (const Service& service : objects_.services) {
      if (!service.selects(workload)) continue;
      for (const ServicePort& port : service.ports) {
        const auto number = resolve(port, workload);
        const bool is_candidate = std::any_of(ports.begin(), ports.end(), [&](const auto& p) {
          return number && p.number == *number;
        });
        if (is_candidate) served.insert(*number);
      }
    }
    if (served.size() == 1) return {*served.begin(), ""};
    if (http.size() == 1) return {*http.begin(), ""};
    return {0, "it has several ports (" + lines_of(ports) +
                   "); name the model's with --port or the annotation outrider.io/port"};
  }

  const Settings& settings_;
  const Objects& objects_;
};

// --- the parts that are put in and taken out -----------------------------------------------------

void add_to(YamlText& document, YamlNode& map, std::string_view key, std::string_view name,
            Json value) {
  YamlNode* inner = map.find(key);
  if (!inner) {
    document.add(map, std::string(key), Json{{name, std::move(value)}});
  } else if (!inner->find(name)) {
    document.add(*inner, std::string(name), std::move(value));
  }
}

void append_to(YamlText& document, YamlNode& map, std::string_view key, const Json& items) {
  YamlNode* list = map.find(key);
  if (list && list->kind == YamlNode::Kind::null) {
    document.replace(*list, items);
  } else if (!list) {
    document.add(map, std::string(key), items);
  } else {
    for (const Json& item : items) document.append(*list, item);
  }
}

Json volumes(const Settings& settings) {
  Json made = Json::array({{{"name", volume_names[0]}, {"emptyDir", Json::object()}}});
  if (!settings.model_config_map.empty()) {
    made.push_back(
        {{"name", volume_names[1]}, {"configMap", {{"name", settings.model_config_map}}}});
  }
  if (!settings.reference_config_map.empty()) {
    made.push_back(
        {{"name", volume_names[2]}, {"configMap", {{"name", settings.reference_config_map}}}});
  }
  const auto add_certificate = [&](std::string_view name, const Settings::Certificate& from) {
    if (!from.secret.empty()) {
      made.push_back({{"name", name}, {"secret", {{"secretName", from.secret}}}});
    } else if (!from.csi_driver.empty()) {
      Json csi = {{"driver", from.csi_driver}, {"readOnly", true}};
      for (const std::string& attribute : settings.csi_attributes) {
        const std::size_t equals = std::min(attribute.find('='), attribute.size());
        csi["volumeAttributes"][attribute.substr(0, equals)] =
            equals < attribute.size() ? attribute.substr(equals + 1) : "";
      }
      made.push_back({{"name", name}, {"csi", std::move(csi)}});
    }
  };
  add_certificate(volume_names[3], settings.tls);
  add_certificate(volume_names[4], settings.web_tls);
  return made;
}

void put_in(const Workload& workload, const Settings& settings, const std::string& upstream) {
  YamlText& document = *workload.document;
  const Json label = {{sidecar_label, "true"}};
  const Json annotation = {{injected_annotation, version()}};
  if (!workload.metadata || workload.metadata->kind == YamlNode::Kind::null) {
    const Json metadata = {{"labels", label}, {"annotations", annotation}};
    if (workload.metadata) {
      document.replace(*workload.metadata, metadata);
    } else {
      document.add(*workload.pod, "metadata", metadata);
    }
  } else {
    add_to(document, *workload.metadata, "labels", sidecar_label, "true");
    add_to(document, *workload.metadata, "annotations", injected_annotation, version());
  }
  Json container = sidecar_container(settings, upstream);
  if (workload.is_kserve) {
    // KServe leads a predictor's traffic to the container of this name, which then asks the model.
    // Knative allows it one port, whose name would choose a protocol, and no probe at the start.
    container["name"] = kserve_sidecar_name;
    container.erase("restartPolicy");
    container.erase("startupProbe");
    container["ports"] =
        Json::array({{{"containerPort", settings.proxy_port}, {"protocol", "TCP"}}});
  }
  const bool is_native = settings.native && !workload.is_kserve;
  append_to(document, *workload.spec, is_native ? "initContainers" : "containers",
            Json::array({std::move(container)}));
  append_to(document, *workload.spec, "volumes", volumes(settings));
}

void remove_named(const Workload& workload, const char* key, const auto& is_ours) {
  YamlNode* list = workload.spec->find(key);
  if (!list || !list->is_sequence()) return;
  for (YamlNode* item : list->items()) {
    const YamlNode* name = item->find("name");
    if (name && is_ours(name->text())) workload.document->remove(*list, *item, *workload.spec);
  }
}

void remove_key(YamlText& document, YamlNode* map, std::string_view outer, std::string_view key,
                const YamlNode& keep) {
  YamlNode* inner = map ? map->find(outer) : nullptr;
  YamlNode* value = inner ? inner->find(key) : nullptr;
  if (value) document.remove(*inner, *value, keep);
}

void take_out(const Workload& workload) {
  const auto is_container = [&](const std::string& name) {
    return name == workload.container_name();
  };
  remove_named(workload, "initContainers", is_container);
  remove_named(workload, "containers", is_container);
  remove_named(workload, "volumes", is_volume_name);
  YamlText& document = *workload.document;
  remove_key(document, workload.metadata, "labels", sidecar_label, *workload.pod);
  remove_key(document, workload.metadata, "annotations", injected_annotation, *workload.pod);
}

// --- Services ------------------------------------------------------------------------------------

std::string kept_target_ports(const Service& service) {
  const YamlNode* metadata = service.object->find("metadata");
  const YamlNode* annotations = metadata ? metadata->find("annotations") : nullptr;
  const YamlNode* kept = annotations ? annotations->find(target_ports_annotation) : nullptr;
  return kept ? kept->text() : "";
}

void set_target(const Service& service, const ServicePort& port, const Json& target) {
  YamlNode* node = port.node->find("targetPort");
  if (!node) {
    service.document->add(*port.node, "targetPort", target);
  } else if (node->text() != (target.is_string() ? target.get<std::string>() : target.dump())) {
    service.document->replace(*node, target);
  }
}

// Moves those ports; says what was moved, "" for nothing.
std::string move_ports(const Service& service, const std::vector<const ServicePort*>& ports,
                       std::int64_t proxy_port) {
  const std::string before = kept_target_ports(service);
  auto kept = parse_target_ports(before);
  std::string said;
  for (const ServicePort* port : ports) {
    set_target(service, *port, proxy_port);
    kept[port->number] = port->target;
    said += (said.empty() ? "port " : ", ") + std::to_string(port->number) + " -> " +
            std::to_string(proxy_port) + " (was " +
            (port->target.empty() ? std::to_string(port->number) : port->target) + ")";
  }
  const std::string after = print_target_ports(kept);
  YamlNode* metadata = service.object->find("metadata");
  if (before.empty()) {
    add_to(*service.document, *metadata, "annotations", target_ports_annotation, after);
  } else if (before != after) {
    service.document->replace(*metadata->find("annotations")->find(target_ports_annotation), after);
  }
  return said;
}

// The first pass takes out what an earlier run put into the workloads that will get it anew.
Result<std::string> without_earlier(std::string_view text, const std::string& file,
                                    const Settings& settings) {
  auto stream = Stream::read(text, file);
  if (!stream) return fail(stream);
  const Planner planner(settings, stream->objects);
  std::vector<const Workload*> earlier;
  for (const Workload& workload : stream->objects.workloads) {
    if (workload.has_sidecar() && planner.plan(workload).reason.empty()) {
      earlier.push_back(&workload);
    }
  }
  for (const Workload* workload : earlier) take_out(*workload);
  return stream->text();
}

class Injection {
 public:
  Injection(Stream& stream, const Settings& settings) : stream_(stream), settings_(settings) {}

  Result<Outcome> run() {
    for (const Oddity& oddity : stream_.objects.oddities) {
      say(oddity.title + " skipped: " + oddity.reason);
    }
    const Planner planner(settings_, stream_.objects);
    for (const Workload& workload : stream_.objects.workloads) {
      plans_.push_back(planner.plan(workload));
    }
    std::vector<std::string> services;
    for (const Service& service : stream_.objects.services) lead(service, services);
    for (std::size_t i = 0; i < plans_.size(); ++i) put(i);
    outcome_.report.insert(outcome_.report.end(), services.begin(), services.end());
    if (outcome_.report.empty()) say("no object with a pod template here: nothing changed");
    auto text = stream_.text();
    if (!text) return fail(text);
    outcome_.text = std::move(*text);
    return std::move(outcome_);
  }

 private:
  void say(std::string line) { outcome_.report.push_back(std::move(line)); }

  void put(std::size_t i) {
    const Workload& workload = stream_.objects.workloads[i];
    const Plan& plan = plans_[i];
    if (!plan.reason.empty()) return say(workload.title() + " skipped: " + plan.reason);
    put_in(workload, settings_,
           (plan.http2 ? "h2c://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(plan.port));
    ++outcome_.changed;
    const std::string proxy = std::to_string(settings_.proxy_port);
    const bool needs_service =
        !workload.is_kserve && !workload.ends_by_itself && !reached_.count(i);
    say(workload.title() + " injected, before port " + std::to_string(plan.port) +
        (plan.http2 ? " (HTTP/2)" : "") +
        (needs_service
             ? "; no Service here leads to it: let the targetPort of its Service be " + proxy
             : ""));
    if (workload.is_kserve && !workload.ports().empty() && workload.spec->find("containers")) {
      say("  note: Knative allows one container of a pod to declare ports, and that is the sidecar "
          "now: "
          "remove those of the model's container unless this is a raw deployment");
    }
  }

  // Moves the ports of a Service that lead to the model of an injected workload.
  void lead(const Service& service, std::vector<std::string>& said) {
    std::vector<const ServicePort*> moved;
    std::set<std::size_t> reached;
    for (const ServicePort& port : service.ports) {
      bool leads = false, is_http2 = false;
      std::string without;
      std::set<std::size_t> led;
      for (std::size_t i = 0; i < plans_.size(); ++i) {
        const Workload& workload = stream_.objects.workloads[i];
        if (!service.selects(workload)) continue;
        const bool has_sidecar = plans_[i].reason.empty() || workload.has_sidecar();
        const bool is_model = plans_[i].reason.empty() && resolve(port, workload) == plans_[i].port;
        leads |= is_model;
        is_http2 |= is_model && plans_[i].http2;
        if (is_model) led.insert(i);
        if (!has_sidecar) without = workload.title();
      }
      if (!leads) continue;
      std::string_view obstacle = obstacle_of_protocol(port.app_protocol);
      if (declares_http2(port.app_protocol) && !is_http2)
        obstacle = "HTTP/2, and another port of a Service leads to the same port by HTTP/1.1";
      if (!obstacle.empty()) {
        said.push_back(service.title() + ": port " + std::to_string(port.number) +
                       " left alone: appProtocol " + port.app_protocol + " says " +
                       std::string(obstacle));
        continue;
      }
      reached.merge(led);
      if (!without.empty()) {
        said.push_back(service.title() + " left alone: it also selects " + without +
                       ", which has no sidecar");
        return;
      }
      moved.push_back(&port);
    }
    if (moved.empty()) return;
    reached_.merge(reached);
    ++outcome_.changed;
    said.push_back(service.title() +
                   " now reaches the sidecar: " + move_ports(service, moved, settings_.proxy_port));
    if (service.is_headless) {
      said.push_back(
          "  note: it is headless; clients that take the pods' addresses from DNS must ask port " +
          std::to_string(settings_.proxy_port) + " themselves");
    }
  }

  Stream& stream_;
  const Settings& settings_;
  std::vector<Plan> plans_;        // One a workload.
  std::set<std::size_t> reached_;  // Workloads to which a Service leads.
  Outcome outcome_;
};

// The proxy answers below its reserved path, whatever becomes of the analytics. The kubelet shows
// no certificate; where one is required it can only see whether somebody listens.
Json probe_of(const Settings& settings, const char* path, int period, int failures) {
  const bool asks_clients =
      std::find(settings.arguments.begin(), settings.arguments.end(),
                "--tls.require-client-certificate") != settings.arguments.end();
  Json made =
      settings.reserved_path.empty() || asks_clients
          ? Json{{"tcpSocket", {{"port", settings.proxy_port}}}}
          : Json{{"httpGet",
                  {{"path", settings.reserved_path + path}, {"port", settings.proxy_port}}}};
  if (settings.tls.is_given() && made.contains("httpGet")) made["httpGet"]["scheme"] = "HTTPS";
  made["periodSeconds"] = period;
  if (period > 1) made["timeoutSeconds"] = 5;
  if (failures > 0) made["failureThreshold"] = failures;
  return made;
}

}  // namespace

Json sidecar_container(const Settings& settings, const std::string& upstream) {
  const auto port = [](const char* name, std::int64_t number) {
    return Json{{"name", name}, {"containerPort", number}, {"protocol", "TCP"}};
  };
  const auto mount = [](std::string_view name, const char* path) {
    return Json{{"name", name}, {"mountPath", path}, {"readOnly", true}};
  };
  Json container = {
      {"name", sidecar_name}, {"image", settings.image}, {"imagePullPolicy", "IfNotPresent"}};
  if (settings.native) container["restartPolicy"] = "Always";
  Json& arguments = container["args"] =
      Json::array({"--upstream=" + upstream,
                   "--proxy.listen-address=0.0.0.0:" + std::to_string(settings.proxy_port),
                   "--proxy.reserved-path", settings.reserved_path,
                   "--web.listen-address=0.0.0.0:" + std::to_string(settings.admin_port),
                   "--data.dir=/var/lib/outrider", "--monitor.memory-max=" + settings.memory_max});
  Json mounts = Json::array({{{"name", volume_names[0]}, {"mountPath", "/var/lib/outrider"}}});
  if (!settings.model_config_map.empty()) {
    arguments.push_back("--model.config=/etc/outrider/model/model.yaml");
    mounts.push_back(mount(volume_names[1], "/etc/outrider/model"));
  }
  if (!settings.reference_config_map.empty()) {
    arguments.push_back("--reference=/etc/outrider/references");
    mounts.push_back(mount(volume_names[2], "/etc/outrider/references"));
  }
  if (settings.tls.is_given()) {
    arguments.push_back("--tls.cert-dir=/etc/outrider/tls");
    mounts.push_back(mount(volume_names[3], "/etc/outrider/tls"));
  }
  if (settings.web_tls.is_given()) {
    arguments.push_back("--web.tls-cert-dir=/etc/outrider/web-tls");
    mounts.push_back(mount(volume_names[4], "/etc/outrider/web-tls"));
  }
  for (const std::string& argument : settings.arguments) arguments.push_back(argument);
  container["ports"] = Json::array(
      {port("outrider-proxy", settings.proxy_port), port("outrider-admin", settings.admin_port)});
  container["startupProbe"] = probe_of(settings, "/healthy", 1, 60);
  container["readinessProbe"] = probe_of(settings, "/ready", 5, 0);
  container["livenessProbe"] = probe_of(settings, "/healthy", 10, 6);
  container["securityContext"] = {{"runAsNonRoot", true},
                                  {"runAsUser", 65532},
                                  {"runAsGroup", 65532},
                                  {"allowPrivilegeEscalation", false},
                                  {"readOnlyRootFilesystem", true},
                                  {"capabilities", {{"drop", Json::array({"ALL"})}}},
                                  {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  container["resources"] = {{"requests", {{"cpu", "100m"}, {"memory", "128Mi"}}},
                            {"limits", {{"memory", "512Mi"}}}};
  container["volumeMounts"] = std::move(mounts);
  return container;
}

namespace {

// A document that says the same as before is left as it was: taking out and putting in again may
// have moved keys.
std::string keep_what_says_the_same(std::string_view before, const std::string& after,
                                    const std::string& file) {
  if (before.starts_with(byte_order_mark) && after.starts_with(byte_order_mark)) {
    const std::size_t head = byte_order_mark.size();
    return std::string(byte_order_mark) +
           keep_what_says_the_same(before.substr(head), after.substr(head), file);
  }
  const auto old_chunks = split_documents(before), chunks = split_documents(after);
  if (old_chunks.size() != chunks.size()) return after;
  std::string out;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    bool is_same = false;
    if (chunks[i].has_content && chunks[i].text != old_chunks[i].text) {
      const auto old_document = YamlText::parse(old_chunks[i].text, file, 1);
      const auto document = YamlText::parse(chunks[i].text, file, 1);
      is_same = old_document && document && old_document->meaning() == document->meaning();
    }
    out += is_same ? old_chunks[i].text : chunks[i].text;
  }
  return out;
}

}  // namespace

Result<Outcome> inject(std::string_view text, const std::string& file, const Settings& settings) {
  const auto clean = without_earlier(text, file, settings);
  if (!clean) return fail(clean);
  auto stream = Stream::read(*clean, file);
  if (!stream) return fail(stream);
  auto outcome = Injection(*stream, settings).run();
  if (!outcome) return outcome;
  outcome->text = keep_what_says_the_same(text, outcome->text, file);
  return outcome;
}

Result<Outcome> uninject(std::string_view text, const std::string& file) {
  auto stream = Stream::read(text, file);
  if (!stream) return fail(stream);
  Outcome outcome;
  for (const Oddity& oddity : stream->objects.oddities) {
    outcome.report.push_back(oddity.title + " skipped: " + oddity.reason);
  }
  for (const Workload& workload : stream->objects.workloads) {
    if (!workload.has_sidecar()) {
      outcome.report.push_back(workload.title() + " skipped: inject put no sidecar there");
      continue;
    }
    take_out(workload);
    ++outcome.changed;
    outcome.report.push_back(workload.title() + " uninjected");
  }
  for (const Service& service : stream->objects.services) {
    const auto kept = parse_target_ports(kept_target_ports(service));
    if (kept.empty()) continue;
    for (const ServicePort& port : service.ports) {
      const auto original = kept.find(port.number);
      YamlNode* target = port.node->find("targetPort");
      if (original == kept.end() || !target) continue;
      if (original->second.empty()) {
        service.document->remove(*port.node, *target, *port.node);
      } else {
        const auto number = parse_int(original->second);
        set_target(service, port, number ? Json(*number) : Json(original->second));
      }
    }
    remove_key(*service.document, service.object->find("metadata"), "annotations",
               target_ports_annotation, *service.object);
    ++outcome.changed;
    outcome.report.push_back(service.title() + " leads to the model again");
  }
  if (outcome.report.empty()) {
    outcome.report.push_back("no object with a pod template here: nothing changed");
  }
  auto changed = stream->text();
  if (!changed) return fail(changed);
  outcome.text = std::move(*changed);
  return outcome;
}

}  // namespace outrider::inject
