// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the port of a container or Service speaks, by what it declares. PURE.
// Source: the Kubernetes documentation, "Service: application protocol"; KEP-3726; Istio's list of
// protocols.

#include <string_view>

#include "cli/inject/objects.h"

namespace outrider::inject {

// By the port's name, as Istio and KServe read it.
bool speaks_http2(const ContainerPort& port);

// By a Service's appProtocol.
bool declares_http2(std::string_view app_protocol);

// What the data path cannot do with a port that declares this; "" where it can.
std::string_view obstacle_of_protocol(std::string_view app_protocol);

}  // namespace outrider::inject
