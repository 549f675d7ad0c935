// SPDX-License-Identifier: Apache-2.0
// `outrider inject -f deployment.yaml | kubectl apply -f -`: manifests in, manifests out.
#include <array>
#include <iostream>
#include <memory>

#include "base/config/yaml.h"
#include "base/core/version.h"
#include "cli/commands.h"
#include "cli/inject/inject.h"

namespace outrider::cli {
namespace {

constexpr std::size_t input_bytes_max = 64 << 20;

struct Inject {
  std::string file;
  bool uninject = false;
  inject::Settings settings;
  config::OptionTable options;
};

Result<std::string> read_input(const std::string& file) {
  if (file != "-") return config::read_file(file, input_bytes_max);
  std::string text;
  std::array<char, 65536> piece;
  while (std::cin.read(piece.data(), piece.size()), std::cin.gcount() > 0) {
    text.append(piece.data(), static_cast<std::size_t>(std::cin.gcount()));
    if (text.size() > input_bytes_max)
      return fail("too_large", "-: more than 64 MiB; give it in parts");
  }
  return text;
}

int run(const Inject& wanted, const config::Positional& files) {
  if (files.empty() == wanted.file.empty()) {
    std::cerr << "inject: expected one file, '-' for standard input: outrider inject -f "
                 "deployment.yaml\n";
    return 2;
  }
  for (const auto* certificate : {&wanted.settings.tls, &wanted.settings.web_tls}) {
    if (certificate->secret.empty() || certificate->csi_driver.empty()) continue;
    std::cerr << "inject: a certificate comes from a Secret or from a CSI driver, not from both\n";
    return 2;
  }
  const std::string& file = files.empty() ? wanted.file : files.front();
  const auto text = read_input(file);
  if (!text) {
    std::cerr << text.error().message << "\n";
    return 1;
  }
  const std::string shown = file == "-" ? "<stdin>" : file;
  const auto outcome = wanted.uninject ? inject::uninject(*text, shown)
                                       : inject::inject(*text, shown, wanted.settings);
  if (!outcome) {
    std::cerr << outcome.error().message << "\n";
    return 1;
  }
  std::cout << outcome->text << std::flush;
  for (const std::string& line : outcome->report) std::cerr << line << "\n";
  return std::cout ? 0 : 1;
}

void add_options(Inject& wanted) {
  config::OptionTable& options = wanted.options;
  inject::Settings& settings = wanted.settings;
  settings.image = "outrider-sidecar:" + std::string(version());
  options.add("filename", wanted.file, "Manifests to read, YAML or JSON; '-' is standard input.")
      .short_name('f')
      .value_name("FILE");
  options.add("uninject", wanted.uninject, "Take out what an earlier inject put in.");
  options.add("image", settings.image, "The sidecar's image.");
  options.add(
      "native", settings.native,
      "As a native sidecar (Kubernetes 1.29 and newer); --no-native: an ordinary container.");
  options
      .add(
          "port", settings.port,
          "The model's port, by number or name; by default the only one, the one that a Service in "
          "the input leads to, or the one named http.")
      .value_name("PORT");
  options.add("container", settings.container, "Look only at this container's ports.")
      .value_name("NAME");
  options.add("proxy.port", settings.proxy_port, "Port that Services lead to.").between(1, 65535);
  options.add("web.port", settings.admin_port, "Port of the admin API and /metrics.")
      .between(1, 65535);
  options.add("proxy.reserved-path", settings.reserved_path,
              "Path below which the probes ask the proxy; empty: they only ask for an open port.");
  options
      .add("model.config-map", settings.model_config_map,
           "ConfigMap with the model configuration under the key model.yaml.")
      .value_name("NAME");
  options
      .add("reference.config-map", settings.reference_config_map,
           "ConfigMap with references of the model's versions.")
      .value_name("NAME");
  options
      .add("tls.secret", settings.tls.secret,
           "Secret with tls.crt, tls.key and ca.crt, as cert-manager writes it: clients speak TLS "
           "to the proxy.")
      .value_name("NAME");
  options
      .add("tls.csi-driver", settings.tls.csi_driver,
           "The same from a CSI driver that writes files of these names, instead of a Secret.")
      .value_name("DRIVER")
      .example("spiffe.csi.cert-manager.io");
  options.add("web.tls-secret", settings.web_tls.secret, "Secret for the admin API and /metrics.")
      .value_name("NAME");
  options
      .add("web.tls-csi-driver", settings.web_tls.csi_driver,
           "CSI driver for the admin API and /metrics, instead of a Secret.")
      .value_name("DRIVER");
  options
      .add("tls.csi-attribute", settings.csi_attributes,
           "volumeAttributes of the CSI volumes; may be given several times.")
      .value_name("KEY=VALUE");
  options.add("monitor.memory-max", settings.memory_max, "What the monitor process may grow by.")
      .value_name("BYTES");
  options
      .add("sidecar.option", settings.arguments,
           "One more option for the sidecar; may be given several times.")
      .example("--sidecar.option=--proxy.threads=2");
}

}  // namespace

config::Command inject_command() {
  const auto wanted = std::make_shared<Inject>();
  add_options(*wanted);
  return {"inject",
          "Puts the sidecar into Kubernetes manifests, or takes it out: text in, text out.",
          "FILE",
          std::shared_ptr<config::OptionTable>(wanted, &wanted->options),
          [wanted](const config::Positional& files) { return run(*wanted, files); },
          1};
}

}  // namespace outrider::cli
