// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/prediction_id.h"

#include <set>
#include <string>

#include "test/support/catch.h"

namespace outrider::tap {
namespace {

TEST_CASE("a prediction id is a UUIDv7 of the given time") {
  PredictionIdMinter mint(1, 2);
  const std::string id(view(mint(from_unix_ms(0x017F22E279B0))));  // The example of RFC 9562.
  CHECK(id.substr(0, 15) == "017f22e2-79b0-7");
  CHECK(std::string("89ab").find(id[19]) != std::string::npos);
  CHECK(id[8] == '-');
  CHECK(id[13] == '-');
  CHECK(id[18] == '-');
  CHECK(id[23] == '-');
  CHECK(id.find_first_not_of("0123456789abcdef-") == std::string::npos);
}

TEST_CASE("ids ascend strictly, also within a millisecond and when the clock steps back") {
  PredictionIdMinter mint(3, 4);
  std::string last;
  std::int64_t ms = 1'700'000'000'000;
  for (int i = 0; i < 50'000; ++i) {
    if (i % 1000 == 999) ms += i % 3 == 0 ? -5 : 1;
    const std::string id(view(mint(from_unix_ms(ms))));
    REQUIRE(id > last);
    last = id;
  }
}

TEST_CASE("two minters share no id") {
  PredictionIdMinter a(5, 6), b(5, 7);
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.emplace(view(a(from_unix_ms(1))));
    ids.emplace(view(b(from_unix_ms(1))));
  }
  CHECK(ids.size() == 2000);
}

}  // namespace
}  // namespace outrider::tap
