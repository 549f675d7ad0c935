// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of the sidecar: the proxy's and the monitor's options in one table, which both
// processes parse from the same command line, environment and file.

#include <memory>

#include "base/config/options.h"
#include "sidecar/monitor_app.h"
#include "sidecar/proxy/settings.h"

namespace outrider::sidecar {

struct Settings {
  proxy::Settings proxy;
  MonitorOptions monitor;
};

// The settings outlive the table.
std::shared_ptr<config::OptionTable> option_table(Settings& settings);

}  // namespace outrider::sidecar
