// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/added_fields.h"

#include <arpa/inet.h>

#include <cstring>
#include <string>

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

std::string forwarded(int family, const char* address, bool is_tls = false) {
  sockaddr_storage peer{};
  peer.ss_family = static_cast<sa_family_t>(family);
  void* at = family == AF_INET6
                 ? static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(&peer)->sin6_addr)
                 : static_cast<void*>(&reinterpret_cast<sockaddr_in*>(&peer)->sin_addr);
  REQUIRE(::inet_pton(family, address, at) == 1);
  ForwardedText text;
  return std::string(forwarded_element(PeerAddress(peer), is_tls, text));
}

TEST_CASE("a client is forwarded by its address, an IPv6 one in brackets and quotes") {
  CHECK(forwarded(AF_INET, "192.0.2.7") == "for=192.0.2.7;proto=http");
  CHECK(forwarded(AF_INET6, "2001:db8::1") == "for=\"[2001:db8::1]\";proto=http");
  CHECK(forwarded(AF_INET, "192.0.2.7", true) == "for=192.0.2.7;proto=https");
  const std::string longest = "2001:db8:1111:2222:3333:4444:5555:6666";
  CHECK(forwarded(AF_INET6, longest.c_str()) == "for=\"[" + longest + "]\";proto=http");
}

TEST_CASE("a trace that begins here has the prediction's id") {
  tap::PredictionId id;
  std::memcpy(id.data(), "01900000-1111-7222-8333-444455556666", id.size());
  TraceparentText text;
  CHECK(traceparent_of(id, text) == "00-01900000111172228333444455556666-8333444455556666-01");
}

}  // namespace
}  // namespace outrider::proxy
