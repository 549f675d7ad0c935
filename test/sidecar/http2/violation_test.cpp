// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "sidecar/http2/error.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

TEST_CASE("HTTP/2 violations: each has a word of its own, and a code of the RFC") {
  std::set<std::string_view> words;
  for (std::size_t i = 0; i < violation_count; ++i) {
    const auto violation = static_cast<Violation>(i);
    words.insert(to_string(violation));
    CHECK_FALSE(name_of(code_of(violation)).empty());
    CHECK((code_of(violation) == ErrorCode::no_error) == (violation == Violation::none));
  }
  CHECK(words.size() == violation_count);
  CHECK(name_of(static_cast<ErrorCode>(14)).empty());
}

}  // namespace
}  // namespace outrider::http2
