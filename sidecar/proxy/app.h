// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy process, wired: the proxy with its child's supervisor.

#include <string>
#include <vector>

#include "sidecar/options/settings.h"

namespace outrider::sidecar {

// Until SIGTERM: unready, drain, then the monitor flushes. `arguments` start the monitor with the
// same options. The exit status; throws what is wrong with the settings.
int serve(const Settings& settings, const std::vector<std::string>& arguments);

}  // namespace outrider::sidecar
