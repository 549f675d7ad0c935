// SPDX-License-Identifier: Apache-2.0
#pragma once

// What this build is: for --version, outrider_build_info and a model's card.

#include <string>
#include <string_view>

namespace outrider {

std::string_view version();   // "0.1.0"
std::string_view revision();  // The git commit, or "unknown" outside a checkout.
std::string version_line(
    std::string_view program);  // "outrider-agent, version 0.1.0 (revision abc)"

}  // namespace outrider
