// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kubernetes objects in a stream of documents, as far as inject looks at them. PURE.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/inject/yaml_text.h"

namespace outrider::inject {

// Names that inject writes and goes by.
inline constexpr std::string_view sidecar_name = "outrider-sidecar";
inline constexpr std::string_view kserve_sidecar_name = "transformer-container";
inline constexpr std::string_view injected_annotation = "outrider.io/injected";
inline constexpr std::string_view sidecar_label = "outrider.io/sidecar";
inline constexpr std::string_view inject_annotation = "outrider.io/inject";
inline constexpr std::string_view port_annotation = "outrider.io/port";
inline constexpr std::string_view target_ports_annotation = "outrider.io/target-ports";

using Labels = std::map<std::string, std::string>;

struct ContainerPort {
  std::string container, name;
  std::int64_t number = 0;
};

// An object with pods in it.
struct Workload {
  YamlText* document = nullptr;
  YamlNode* object = nullptr;
  YamlNode* pod = nullptr;       // Has `spec`, and `metadata` if any.
  YamlNode* metadata = nullptr;  // Of the pods; nullptr: there is none yet.
  YamlNode* spec = nullptr;      // Of the pods.
  std::string kind, name, space;
  bool is_kserve = false;
  bool ends_by_itself = false;  // A Job: its pods must come to an end.

  std::string title() const;                           // deployment "house-price"
  bool has_sidecar() const;                            // Put there by inject.
  std::string annotation(std::string_view key) const;  // Of the pods, else of the object.
  Labels labels() const;                               // Of the pods.
  std::string_view container_name() const { return is_kserve ? kserve_sidecar_name : sidecar_name; }
  std::vector<ContainerPort> ports() const;  // TCP, without the sidecar's.
  std::set<std::int64_t> grpc_probe_ports() const;
};

struct ServicePort {
  YamlNode* node = nullptr;
  std::int64_t number = 0;
  std::string target;  // As it was before inject moved it; "": none, so the number's.
  std::string app_protocol;
};

struct Service {
  YamlText* document = nullptr;
  YamlNode* object = nullptr;
  std::string name, space;
  Labels selector;
  bool is_headless = false;
  std::vector<ServicePort> ports;  // TCP.

  std::string title() const { return "service \"" + name + "\""; }
  bool selects(const Workload& workload) const;
};

// An object that is left alone whatever the settings, and why.
struct Oddity {
  std::string title, reason;
};

struct Objects {
  std::vector<Workload> workloads;
  std::vector<Service> services;
  std::vector<Oddity> oddities;
};

// Errors: "bad_object": an object whose parts are not what Kubernetes asks for.
Result<void> collect(YamlText& document, const std::string& file, Objects& into);

// "80=http,443=8443,90=" <-> {80: "http", 443: "8443", 90: ""}.
std::map<std::int64_t, std::string> parse_target_ports(std::string_view text);
std::string print_target_ports(const std::map<std::int64_t, std::string>& ports);

}  // namespace outrider::inject
