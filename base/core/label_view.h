// SPDX-License-Identifier: Apache-2.0
#pragma once

// A label that somebody else owns.

#include <string_view>

namespace outrider {

struct LabelView {
  std::string_view name;
  std::string_view value;
  bool operator==(const LabelView&) const = default;
};

}  // namespace outrider
