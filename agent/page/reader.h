// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace outrider::page {

// Who looks at a page that offers what a person decides.
struct Reader {
  std::string name = {};            // Where it is known, by a password or an authenticating proxy.
  std::string cannot_approve = {};  // Why not; "": he can.
};

}  // namespace outrider::page
