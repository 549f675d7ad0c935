// SPDX-License-Identifier: Apache-2.0
#include "agent/act/outgoing.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::act;

TEST_CASE("HMAC-SHA256 is that of RFC 4231") {
  CHECK(hmac_sha256_hex(std::string(20, '\x0b'), "Hi There") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hmac_sha256_hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hmac_sha256_hex(std::string(131, '\xaa'),
                        "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("the host of a URL is what is connected to") {
  CHECK(host_of("http://trainer:8080/x") == "trainer:8080");
  CHECK(host_of("https://Trainer.example.com?x") == "trainer.example.com:443");
  CHECK(host_of("http://[fd00::1]/x") == "[fd00::1]:80");
  CHECK(host_of("http://allowed@evil/x") == "evil:80");
  CHECK(host_of("http://evil\\@allowed/") == "evil:80");
  CHECK(host_of("ftp://trainer/").empty());
  CHECK(host_of("http:///x").empty());
}

TEST_CASE("only hosts of the list may be called, and an empty list allows all") {
  const auto allowed = [](const char* url, const std::vector<std::string>& hosts) {
    return check_host(url, hosts).has_value();
  };
  CHECK(allowed("http://anything/", {}));
  CHECK(allowed("http://trainer:8080/x", {"trainer"}));
  CHECK(allowed("http://trainer:8080/x", {"other", "trainer:8080"}));
  CHECK(!allowed("http://trainer:8081/x", {"trainer:8080"}));
  CHECK(allowed("https://a.shop.svc/x", {"*.shop.svc"}));
  CHECK(!allowed("https://shop.svc/x", {"*.shop.svc"}));
  CHECK(!allowed("https://ashop.svc/x", {"*.shop.svc"}));
  CHECK(!allowed("https://a.shop.svc.evil/x", {"*.shop.svc"}));
  CHECK(!allowed("http://trainer@evil/x", {"trainer"}));
  CHECK(check_host("http://evil/x", {"trainer"}).error().message ==
        "'evil:80' is not among --actions.allowed-hosts: name it there, or change the policy");
}
