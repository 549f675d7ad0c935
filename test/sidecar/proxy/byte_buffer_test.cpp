// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/byte_buffer.h"

#include <random>
#include <string>

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

TEST_CASE(
    "a byte buffer is a queue of bytes, and its memory is counted and freed when it runs empty") {
  std::size_t held = 0;
  {
    ByteBuffer buffer(held);
    std::string model;
    std::mt19937 random(3);
    for (int i = 0; i < 10'000; ++i) {
      if (random() % 2 == 0) {
        const std::string more(random() % 300, static_cast<char>('a' + i % 26));
        buffer.append(more);
        model += more;
      } else {
        const std::size_t n = model.empty() ? 0 : random() % (model.size() + 1);
        buffer.consume(n);
        model.erase(0, n);
      }
      REQUIRE(buffer.view() == model);
      REQUIRE(held >= model.size());
      if (model.empty()) REQUIRE(held == 0);
    }
    buffer.append("rest");
  }
  CHECK(held == 0);
}

TEST_CASE("reserved room is only taken as far as it is committed") {
  std::size_t held = 0;
  ByteBuffer buffer(held);
  buffer.append("ab");
  const std::span<char> room = buffer.reserve(5000);
  room[0] = 'c';
  buffer.commit(1);
  CHECK(buffer.view() == "abc");
}

}  // namespace
}  // namespace outrider::proxy
