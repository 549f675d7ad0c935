// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sidecar's two processes, wired: the proxy with its child's supervisor, and the monitor.

#include <string>
#include <vector>

#include "sidecar/settings.h"

namespace outrider::sidecar {

// The proxy process. Until SIGTERM: unready, drain, then the monitor flushes. `arguments` start the
// monitor with the same options. The exit status; throws what is wrong with the settings.
int serve(const Settings& settings, const std::vector<std::string>& arguments);

// The monitor process, started by serve().
int monitor(const Settings& settings);

}  // namespace outrider::sidecar
