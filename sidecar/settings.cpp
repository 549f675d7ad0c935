// SPDX-License-Identifier: Apache-2.0
#include "sidecar/settings.h"

namespace outrider::sidecar {

std::shared_ptr<config::OptionTable> option_table(Settings& settings) {
  auto table = std::make_shared<config::OptionTable>();
  settings.proxy.add_to(*table);
  settings.monitor.add_to(*table);
  return table;
}

}  // namespace outrider::sidecar
