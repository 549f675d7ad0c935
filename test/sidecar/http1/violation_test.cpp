// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/violation.h"

#include <set>
#include <string>

#include "test/support/catch.h"

namespace outrider::http1 {
namespace {

TEST_CASE("Every violation has a word of its own, an error status and advice") {
  std::set<std::string> words;
  for (std::size_t i = 1; i < violation_count; ++i) {
    const auto violation = static_cast<Violation>(i);
    const std::string word(to_string(violation));
    INFO(word);
    CHECK(words.insert(word).second);
    CHECK(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") == std::string::npos);
    CHECK(status_of(violation) >= 400);
    CHECK(status_of(violation) <= 505);
    CHECK_FALSE(advice(violation).empty());
  }
  // The table of words follows the enumeration: look at some far from one another.
  CHECK(to_string(Violation::none) == "none");
  CHECK(to_string(Violation::folded_field) == "folded_field");
  CHECK(to_string(Violation::bad_expectation) == "bad_expectation");
  CHECK(to_string(Violation::unexpected_upgrade) == "unexpected_upgrade");
}

}  // namespace
}  // namespace outrider::http1
