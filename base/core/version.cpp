// SPDX-License-Identifier: Apache-2.0
#include "base/core/version.h"

#include "version_generated.h"

namespace outrider {

std::string_view version() {
  return OUTRIDER_VERSION;
}
std::string_view revision() {
  return OUTRIDER_REVISION;
}
std::string version_line(std::string_view program) {
  return std::string(program) + ", version " + OUTRIDER_VERSION + " (revision " +
         OUTRIDER_REVISION + ")";
}

}  // namespace outrider
