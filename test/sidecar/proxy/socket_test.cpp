// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/socket.h"

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

std::string text_of(std::string_view url) {
  auto found = find_upstream(url);
  return found ? found->addresses.front().text : found.error().message;
}

TEST_CASE("an upstream is an HTTP address or a socket's path") {
  CHECK(text_of("http://127.0.0.1:8080") == "127.0.0.1:8080");
  CHECK(text_of("http://127.0.0.1:8080/") == "127.0.0.1:8080");
  CHECK(text_of("http://127.0.0.1") == "127.0.0.1:80");
  CHECK(text_of("http://[::1]:8080") == "::1:8080");
  CHECK(text_of("http://[::1]") == "::1:80");
  CHECK(text_of("https://127.0.0.1") == "127.0.0.1:443");
  CHECK(find_upstream("https://[::1]:8443")->host == "::1");
  CHECK(text_of("unix:/run/model.sock") == "unix:/run/model.sock");
  CHECK(find_upstream("unix:///run/model.sock")->addresses.front().get()->sa_family == AF_UNIX);
}

TEST_CASE("only a name may come to mean other addresses") {
  CHECK_FALSE(find_upstream("http://127.0.0.1:8080")->is_named);
  CHECK_FALSE(find_upstream("http://[::1]:8080")->is_named);
  CHECK_FALSE(find_upstream("unix:/run/model.sock")->is_named);
  const auto local = find_upstream("http://localhost:8080");
  REQUIRE(local);
  CHECK(local->is_named);
  CHECK(local->addresses == find_upstream("http://localhost:8080")->addresses);
  CHECK_FALSE(local->addresses == find_upstream("http://localhost:8081")->addresses);
}

TEST_CASE("an upstream that cannot be is refused with what was expected") {
  for (const char* url : {"", "127.0.0.1:80", "https://", "ftp://model", "http://", "http://host:0",
                          "http://host:99999", "http://host/path", "http://user@host", "unix:"}) {
    CAPTURE(url);
    REQUIRE_FALSE(find_upstream(url));
    CHECK_THAT(text_of(url), Catch::Contains("upstream="));
  }
  CHECK_THAT(text_of("unix:" + std::string(200, 'x')), Catch::Contains("characters"));
}

TEST_CASE("two data threads listen on one port, and a taken port is an error that names it") {
  auto first = listen_on("127.0.0.1:0", 0);
  REQUIRE(first);
  const std::uint16_t port = bound_port(*first);
  auto second = listen_on("127.0.0.1:0", port);
  REQUIRE(second);
  CHECK(bound_port(*second) == port);
  CHECK_THAT(listen_on("203.0.113.1:80", 0).error().message, Catch::Contains("203.0.113.1:80"));
}

}  // namespace
}  // namespace outrider::proxy
