// SPDX-License-Identifier: Apache-2.0
#include "base/core/in_quotes.h"

#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;

TEST_CASE("a text that is short enough is quoted whole") {
  CHECK(in_quotes("") == "''");
  CHECK(in_quotes("park") == "'park'");
  CHECK(in_quotes(std::string(40, 'x')) == "'" + std::string(40, 'x') + "'");
}

TEST_CASE("a longer text is cut, with a sign, and never within a character") {
  CHECK(in_quotes("abcdef", 3) == "'abc…'");
  CHECK(in_quotes("ab\u00fccd", 3) == "'ab…'");
  CHECK(in_quotes("a\U0001F600b", 4) == "'a…'");
  CHECK(is_valid_utf8(in_quotes("\u00fc\u00fc\u00fc", 3)));
}
