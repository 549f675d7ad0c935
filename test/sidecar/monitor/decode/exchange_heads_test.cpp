// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/exchange_heads.h"

#include <memory>
#include <optional>
#include <string>

#include "test/support/catch.h"

namespace outrider::decode {
namespace {

// What reads an exchange whose bytes are gone afterwards, as the ring's are.
struct Reader {
  std::optional<std::string> read(const std::string& request, const std::string& response = "") {
    const auto bytes = std::make_unique<std::string>(request + response);
    tap::Exchange exchange;
    exchange.request_head = std::string_view(*bytes).substr(0, request.size());
    exchange.response_head = std::string_view(*bytes).substr(request.size());
    if (!heads.read(exchange)) return std::nullopt;
    return std::string(heads.request().path()) + " " +
           std::string(heads.request().value_of("x-a")) + " " + std::string(heads.answered("x-b"));
  }
  ExchangeHeads heads;
};

const std::string post = "POST /a HTTP/1.1\r\nhost: m\r\nx-a: 1\r\n\r\n";
const std::string ok = "HTTP/1.1 200 OK\r\nx-b: 2\r\n\r\n";

TEST_CASE("heads that are the last ones' are as good as those that are parsed anew") {
  Reader reader;
  CHECK(reader.read(post, ok) == "/a 1 2");
  CHECK(reader.read(post, ok) == "/a 1 2");
  CHECK(reader.read(post) == "/a 1 ");
  CHECK(reader.read(post, ok) == "/a 1 2");
  const std::string other = "POST /b HTTP/1.1\r\nhost: m\r\nx-a: 3\r\n\r\n";
  CHECK(reader.read(other, ok) == "/b 3 2");
  CHECK(reader.read(other, "HTTP/1.1 200 OK\r\nx-b: 4\r\n\r\n") == "/b 3 4");
  CHECK(reader.read(post, ok) == "/a 1 2");
}

TEST_CASE("heads that are none are none the next time too, and spoil nothing") {
  Reader reader;
  for (int i = 0; i < 2; ++i) {
    CHECK(reader.read("POST /a", ok) == std::nullopt);
    CHECK(reader.read("", ok) == std::nullopt);
    CHECK(reader.read(post, "HTTP/1.1 2") == std::nullopt);
    CHECK(reader.read(post, ok) == "/a 1 2");
  }
}

TEST_CASE("a response is read anew where its request asks for another reading") {
  Reader reader;
  const std::string upgrade =
      "GET /a HTTP/1.1\r\nhost: m\r\nx-a: 1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
  const std::string switched =
      "HTTP/1.1 101 Switching Protocols\r\nx-b: 2\r\nconnection: upgrade\r\nupgrade: "
      "websocket\r\n\r\n";
  for (int i = 0; i < 2; ++i) {
    CHECK(reader.read(upgrade, switched) == "/a 1 2");
    CHECK(reader.read(post, switched) == std::nullopt);
  }
}

TEST_CASE("heads that are too long to be kept are read each time") {
  Reader reader;
  const std::string large =
      "POST /a HTTP/1.1\r\nhost: m\r\nx-a: 5\r\nx-c: " + std::string(20'000, 'c') + "\r\n\r\n";
  for (int i = 0; i < 2; ++i) {
    CHECK(reader.read(large, ok) == "/a 5 2");
    CHECK(reader.read(post, ok) == "/a 1 2");
  }
}

}  // namespace
}  // namespace outrider::decode
