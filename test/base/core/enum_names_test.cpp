// SPDX-License-Identifier: Apache-2.0
#include "base/core/enum_names.h"

#include <array>

#include "test/support/catch.h"

using namespace outrider;

TEST_CASE("a table of words is read both ways") {
  enum class Size { small, large, odd };
  constexpr std::array<EnumName<Size>, 2> sizes = {
      {{Size::small, "small"}, {Size::large, "large"}}};
  CHECK(enum_name(sizes, Size::large) == "large");
  CHECK(enum_name(sizes, Size::odd).empty());
  CHECK(parse_enum_name(sizes, "small") == Size::small);
  CHECK_FALSE(parse_enum_name(sizes, "Small"));
  CHECK_FALSE(parse_enum_name(sizes, ""));
}
