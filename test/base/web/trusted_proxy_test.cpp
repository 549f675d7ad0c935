// SPDX-License-Identifier: Apache-2.0
#include "base/web/trusted_proxy.h"

#include <fstream>

#include "base/core/digest.h"
#include "base/web/guard.h"
#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

namespace outrider::web {
namespace {

using net::HttpRequest;
using net::Role;

HttpRequest from(const std::string& peer, std::vector<net::Header> headers,
                 const std::string& method = "POST") {
  HttpRequest made;
  made.method = method;
  made.path = "/api/v1/actions/a/approve";
  made.peer = peer;
  made.headers = std::move(headers);
  return made;
}

TrustedProxy proxy_of(const std::vector<std::string>& addresses) {
  auto proxy = parse_trusted_proxy("X-Forwarded-User", addresses);
  if (!proxy) FAIL(proxy.error().message);
  return std::move(*proxy);
}

std::string refusal(Guard& guard, HttpRequest& asked, Role role) {
  const auto response = guard.refuse(asked, {.role = role, .handler_checks_scope = true});
  return response ? std::to_string(response->status) + " " + response->body : "";
}

}  // namespace

TEST_CASE("an address is in a range by its first bits, IPv4 and IPv6 apart") {
  const auto in = [](const char* range, const char* peer) {
    return parse_address_range(range)->has(peer);
  };
  CHECK(in("10.1.2.3", "10.1.2.3"));
  CHECK(!in("10.1.2.3", "10.1.2.4"));
  CHECK(in("10.0.0.0/8", "10.255.0.1"));
  CHECK(!in("10.0.0.0/8", "11.0.0.1"));
  CHECK(in("10.0.0.0/8", "::ffff:10.0.0.1"));
  CHECK(in("192.168.4.0/22", "192.168.7.9"));
  CHECK(!in("192.168.4.0/22", "192.168.8.0"));
  CHECK(in("fd00::/8", "fd12::1"));
  CHECK(!in("fd00::/8", "fe80::1"));
  CHECK(!in("0.0.0.0/0", "fe80::1"));
  CHECK(in("0.0.0.0/0", "1.2.3.4"));
  CHECK(!in("10.0.0.0/8", "nonsense"));
  for (const char* text : {"", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "a.b", "10.0.0.0/-1"})
    CHECK(parse_address_range(text).error().code == "bad_address");
}

TEST_CASE("the proxy's header and its addresses go together") {
  CHECK(parse_trusted_proxy("", {}));
  CHECK(parse_trusted_proxy("X-User", {}).error().code == "bad_proxy");
  CHECK(parse_trusted_proxy("", {"10.0.0.1"}).error().code == "bad_proxy");
  CHECK(parse_trusted_proxy("X User", {"10.0.0.1"}).error().code == "bad_proxy");
  CHECK(parse_trusted_proxy("authorization", {"10.0.0.1"}).error().code == "bad_proxy");
  for (const char* everybody : {"0.0.0.0/0", "::/0"}) {
    CHECK_THAT(parse_trusted_proxy("X-User", {"10.0.0.1", everybody}).error().message,
               Catch::Contains("anybody could say who he is"));
  }
  CHECK_THAT(parse_trusted_proxy("X-User", {"proxy"}).error().message,
             Catch::Contains("web.trusted-proxies: 'proxy'"));
}

TEST_CASE("a person's name is believed of the proxy alone, and once") {
  Guard guard({.port = "agent", .proxy = proxy_of({"10.0.0.0/8"})});
  CHECK(!guard.is_open());
  auto by_proxy = from("10.0.0.7", {{"x-forwarded-user", " ada "}});
  CHECK(refusal(guard, by_proxy, Role::approve).empty());
  CHECK(by_proxy.user == "ada");
  CHECK(by_proxy.caller == "ada");
  CHECK(by_proxy.may(Role::administer));
  auto by_anybody = from("192.168.0.7", {{"X-Forwarded-User", "ada"}});
  CHECK_THAT(refusal(guard, by_anybody, Role::approve), Catch::StartsWith("401 "));
  CHECK(by_anybody.user.empty());
  auto by_nobody = from("10.0.0.7", {});
  CHECK_THAT(refusal(guard, by_nobody, Role::approve),
             Catch::StartsWith("401 ") && Catch::Contains("--web.trusted-proxies"));
  auto twice = from("10.0.0.7", {{"X-Forwarded-User", "eve"}, {"X-Forwarded-User", "ada"}});
  CHECK_THAT(refusal(guard, twice, Role::approve), Catch::Contains("stands there twice"));
  for (const std::string& name :
       {std::string(), std::string(101, 'a'), std::string("a\x01"), std::string("\xff")}) {
    auto unreadable = from("10.0.0.7", {{"X-Forwarded-User", name}});
    CHECK_THAT(refusal(guard, unreadable, Role::approve), Catch::StartsWith("401 "));
  }
}

TEST_CASE("where tokens have roles, the file says what a person may do, and where") {
  const TemporaryFolder folder;
  std::ofstream(folder.file("tokens.yaml"))
      << "tokens:\n"
         "  - {name: on-call, user: ada, roles: [read, approve], namespaces: [shop]}\n"
         "  - {name: readers, user: \"*\", roles: [read]}\n"
         "  - {name: machine, sha256: "
      << sha256_hex("m-token") << ", roles: [write]}\n";
  Guard guard({.port = "agent",
               .tokens_file = folder.file("tokens.yaml"),
               .proxy = proxy_of({"10.0.0.7"})});
  auto ada = from("10.0.0.7", {{"X-Forwarded-User", "ada"}});
  CHECK(refusal(guard, ada, Role::approve).empty());
  REQUIRE(ada.scope);
  CHECK(ada.scope->covers({.name_space = "shop"}));
  CHECK(!ada.scope->covers({.name_space = "other"}));
  CHECK(ada.may(Role::approve));
  CHECK(!ada.may(Role::write));
  auto bob = from("10.0.0.7", {{"X-Forwarded-User", "bob"}});
  CHECK_THAT(refusal(guard, bob, Role::approve), Catch::StartsWith("403 ") &&
                                                     Catch::Contains("missing_role") &&
                                                     Catch::Contains("the user bob has read"));
  CHECK(refusal(guard, bob, Role::read).empty());
  CHECK(!bob.may(Role::approve));
  auto machine = from("10.0.0.9", {{"Authorization", "Bearer m-token"}});
  CHECK(refusal(guard, machine, Role::write).empty());
  CHECK(machine.user.empty());
  CHECK(machine.caller == "machine");
  CHECK(!machine.may(Role::approve));
}

TEST_CASE("a person whom the tokens file does not name may do nothing") {
  const TemporaryFolder folder;
  std::ofstream(folder.file("tokens.yaml"))
      << "tokens:\n  - {name: machine, sha256: " << sha256_hex("m-token") << ", roles: [write]}\n";
  Guard guard({.port = "agent",
               .tokens_file = folder.file("tokens.yaml"),
               .proxy = proxy_of({"10.0.0.7"})});
  auto ada = from("10.0.0.7", {{"X-Forwarded-User", "ada"}}, "GET");
  CHECK_THAT(refusal(guard, ada, Role::read),
             Catch::StartsWith("403 ") && Catch::Contains("name him in the tokens file"));
  const auto none = [](const std::string&) { return fail("no", "no"); };
  const auto mistakes = [&none](const std::string& entry) {
    const auto read = parse_tokens("t", "tokens:\n  - {" + entry + "}\n", none);
    return read ? "" : read.error().message;
  };
  CHECK_THAT(mistakes("name: a, user: ada, token_file: /t, roles: [read]"),
             Catch::Contains("expected one of sha256, token_file, user and san"));
  CHECK_THAT(mistakes("name: a, user: '', roles: [read]"), Catch::Contains("user: expected"));
  CHECK_THAT(mistakes("name: a, user: x, roles: [read]}\n  - {name: b, user: x, roles: [read]"),
             Catch::Contains("user x stands there twice"));
}

}  // namespace outrider::web
