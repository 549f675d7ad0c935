// SPDX-License-Identifier: Apache-2.0
#include "sidecar/options/settings.h"

#include <memory>
#include <utility>

namespace outrider::sidecar {

config::Command serve_command(Settings& settings,
                              std::function<int(const config::Positional&)> run) {
  auto table = std::make_shared<config::OptionTable>();
  settings.proxy.add_to(*table);
  settings.monitor.add_to(*table);
  return {"serve", "Proxies to the model server and monitors it.", "", table, std::move(run)};
}

}  // namespace outrider::sidecar
