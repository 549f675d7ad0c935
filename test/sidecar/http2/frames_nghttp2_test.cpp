// SPDX-License-Identifier: Apache-2.0
// Frames, most of them sensible, to our endpoint and to nghttp2; the fuzz target http2_peers goes
// on from here.
#include <random>
#include <string>

#include "test/sidecar/http2/against_nghttp2.h"
#include "test/support/catch.h"

namespace outrider::http2::peers {
namespace {

std::size_t compare_many(Role role, unsigned seed) {
  std::mt19937 random(seed);
  std::size_t frames = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes(20 + random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    INFO("script " << i);
    REQUIRE(compare(role, Script(bytes), &frames) == "");
  }
  return frames;
}

TEST_CASE("HTTP/2 and nghttp2: of a client's frames both make the same, but for what is listed") {
  CHECK(compare_many(Role::server, 11) > 30'000);
}

TEST_CASE("HTTP/2 and nghttp2: of a server's frames both make the same, but for what is listed") {
  CHECK(compare_many(Role::client, 12) > 30'000);
}

}  // namespace
}  // namespace outrider::http2::peers
