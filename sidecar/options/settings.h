// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of the sidecar: the proxy's and the monitor's options in one table, which both
// programs parse from the same command line, environment and file.

#include <functional>

#include "base/config/program.h"
#include "sidecar/options/monitor_options.h"
#include "sidecar/options/proxy_options.h"

namespace outrider::sidecar {

inline constexpr char program_name[] = "outrider-sidecar";
inline constexpr char program_summary[] = "Rides beside a live model and watches it.";

struct Settings {
  proxy::Settings proxy;
  MonitorOptions monitor;
};

// The command serve with its options, as both programs tell of it. The settings outlive it.
config::Command serve_command(Settings& settings,
                              std::function<int(const config::Positional&)> run);

}  // namespace outrider::sidecar
