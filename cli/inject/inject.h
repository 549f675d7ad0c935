// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kubernetes manifests with the sidecar put in, or taken out again. PURE: text in, text out.
//
//   const auto done = inject::inject(text, "deployment.yaml", {});
//   std::cout << done->text;            // the same file with a sidecar; comments and quotes as they were
//   for (auto& line : done->report) …   // deployment "house-price" injected; service "…" now reaches the sidecar
//
// Takes every object with a pod template, Pods, Lists, and KServe's InferenceService, as YAML or
// JSON. In the pod it adds a container, its volume, one label and one annotation; the targetPort of
// Services in the same stream that lead to the model's port is moved, and kept in an annotation.
// Both annotations are what uninject goes by. Injecting twice is injecting once (with the newer
// settings). What must not be touched is left alone, with the reason in the report.
//
// Errors: "bad_yaml" (file:line: what, and what to change), "unsupported_layout", "bad_object".

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::inject {

struct Settings {
  std::string image = {};
  bool native = true;     // An init container with restartPolicy: Always; else an ordinary one.
  std::string port = {};  // The model's, by number or name; "": found out.
  std::string container = {};  // Whose ports are looked at; "": every one's.
  std::int64_t proxy_port = 9500;
  std::int64_t admin_port = 9501;
  std::string reserved_path = "/-";
  std::string model_config_map = {};  // With key model.yaml.
  std::string reference_config_map = {};
  std::string memory_max = "256MiB";
  // Where a certificate comes from: a Secret with tls.crt, tls.key and ca.crt, as cert-manager
  // writes it, or a CSI driver that puts files of these names there.
  struct Certificate {
    std::string secret = {}, csi_driver = {};
    bool is_given() const { return !secret.empty() || !csi_driver.empty(); }
  };
  Certificate tls = {}, web_tls = {};            // Of the proxy's port, of the admin API.
  std::vector<std::string> csi_attributes = {};  // "KEY=VALUE" for the drivers.
  std::vector<std::string> arguments = {};       // More of the sidecar's options.
};

struct Outcome {
  std::string text;
  std::vector<std::string> report;  // For people, one line an object.
  std::size_t changed = 0;          // Objects.
};

Result<Outcome> inject(std::string_view text, const std::string& file, const Settings& settings);
Result<Outcome> uninject(std::string_view text, const std::string& file);

// The container, as JSON in Kubernetes's order of fields. `upstream` is the model's URL:
// http://127.0.0.1:8080, or h2c://127.0.0.1:8001 where it speaks HTTP/2.
wire::Json sidecar_container(const Settings& settings, const std::string& upstream);

}  // namespace outrider::inject
