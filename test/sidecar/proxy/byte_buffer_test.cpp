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

TEST_CASE("a byte buffer holds a quarter more than its bytes, and gives back what it was") {
  std::size_t held = 0;
  ByteBuffer buffer(held);
  const std::string piece(1000, 'x');
  for (std::size_t n = 1; n <= 256; ++n) {
    buffer.append(piece);
    REQUIRE(held <= std::max<std::size_t>(1024, n * 1250));
  }
  buffer.consume(100'000);
  buffer.trim();
  CHECK(held > 156'000);  // More than a quarter of it is in use.
  buffer.consume(155'999);
  buffer.trim();
  CHECK(held == 1024);
  CHECK(buffer.view() == "x");
  buffer.consume(1);
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
