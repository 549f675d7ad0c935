// SPDX-License-Identifier: Apache-2.0
#pragma once

// An assertion of a fuzz target: on in every build, and says what did not hold before it aborts.

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace outrider::fuzz {

inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace outrider::fuzz
