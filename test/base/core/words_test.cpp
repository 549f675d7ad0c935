// SPDX-License-Identifier: Apache-2.0
#include "base/core/words.h"

#include <array>

#include "test/support/catch.h"

using namespace outrider;

TEST_CASE("a table of words is read both ways") {
  enum class Size { small, large, odd };
  constexpr std::array<Word<Size>, 2> sizes = {{{Size::small, "small"}, {Size::large, "large"}}};
  CHECK(word_of(sizes, Size::large) == "large");
  CHECK(word_of(sizes, Size::odd).empty());
  CHECK(parse_word(sizes, "small") == Size::small);
  CHECK_FALSE(parse_word(sizes, "Small"));
  CHECK_FALSE(parse_word(sizes, ""));
}
