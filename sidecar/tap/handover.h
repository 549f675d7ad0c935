// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the proxy hands its memory file to the monitor that it starts: an open descriptor, and an
// environment variable that names it and the proxy. SHELL.
//
//   const std::string variable = handover_variable(file);   // In the proxy, for the child's environment.
//   tap::MemoryFile file = inherit_memory_file();            // In the monitor.

#include <string>

#include "sidecar/tap/memory_file.h"

namespace outrider::tap {

// "NAME=value". The descriptor must stay open across the child's start.
std::string handover_variable(const tap::MemoryFile& file);

// In the monitor process: asks the kernel to be told when the proxy ends, and attaches to its
// memory file. Throws std::runtime_error when this process was not started by a sidecar's proxy.
tap::MemoryFile inherit_memory_file();

}  // namespace outrider::tap
