// SPDX-License-Identifier: Apache-2.0
#include "truth/write_batch.h"

#include <array>

#include "test/support/catch.h"

namespace outrider::truth::test {
namespace {

using namespace std::string_view_literals;
using Kind = WriteBatch::Kind;

TEST_CASE("a batch gives its changes in the order in which they came, byte for byte") {
  WriteBatch batch;
  CHECK(batch.empty());
  batch.put(Family::meta, "a\0b"sv, "\xff\0"sv);
  const std::array pieces = {"one"sv, ""sv, "two"sv};
  batch.append(Family::predictions, "slot", pieces);
  batch.erase(Family::early, "gone");
  batch.put(Family::marks, "", "");
  REQUIRE(batch.size() == 4);
  CHECK_FALSE(batch.empty());

  CHECK(batch[0].kind == Kind::put);
  CHECK(batch[0].family == Family::meta);
  CHECK(batch[0].key == "a\0b"sv);
  CHECK(batch[0].value == "\xff\0"sv);
  CHECK(batch[1].kind == Kind::append);
  CHECK(batch[1].family == Family::predictions);
  CHECK(batch[1].key == "slot");
  CHECK(batch[1].value == "onetwo");
  CHECK(batch[2].kind == Kind::erase);
  CHECK(batch[2].family == Family::early);
  CHECK(batch[2].key == "gone");
  CHECK(batch[2].value.empty());
  CHECK(batch[3].key.empty());
  CHECK(batch[3].value.empty());
}

TEST_CASE("a batch keeps a copy, so what was put may change afterwards") {
  WriteBatch batch;
  std::string key = "key", value = "value";
  batch.put(Family::joined, key, value);
  key = value = "?";
  CHECK(batch[0].key == "key");
  CHECK(batch[0].value == "value");
}

}  // namespace
}  // namespace outrider::truth::test
