// SPDX-License-Identifier: Apache-2.0
#include "base/web/guard.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/core/digest.h"
#include "base/wire/exposition.h"
#include "test/support/catch.h"

namespace outrider::web {
namespace {

namespace fs = std::filesystem;
using net::HttpRequest;
using net::Needs;
using net::Role;

Result<std::string> no_file(const std::string& path) {
  return fail("bad_token_file", path + ": not there");
}

std::string mistakes_of(const std::string& text) {
  const auto tokens = parse_tokens("tokens.yaml", text, no_file);
  return tokens ? "" : tokens.error().message;
}

struct File {
  explicit File(const std::string& text) {
    std::string name = (fs::temp_directory_path() / "outrider-tokens-XXXXXX").string();
    const int made = ::mkstemp(name.data());
    REQUIRE(made >= 0);
    ::close(made);
    path = name;
    std::ofstream(path) << text;
  }
  ~File() { fs::remove(path); }
  std::string path;
};

std::string digest_of(const std::string& token) {
  return sha256_hex(token);
}

const std::string tokens_text =
    "tokens:\n"
    "  - {name: reader, sha256: " +
    digest_of("r-token") +
    ", roles: [read]}\n"
    "  - {name: warehouse, sha256: " +
    digest_of("l-token") +
    ", roles: [label], models: [house]}\n"
    "  - {name: shop, sha256: " +
    digest_of("s-token") +
    ", roles: [write, label], namespaces: [shop]}\n"
    "  - {name: boss, sha256: " +
    digest_of("b-token") + ", roles: administer}\n";

HttpRequest request(const std::string& authorization, const std::string& method = "POST",
                    const std::string& path = "/api/v1/labels") {
  HttpRequest made;
  made.method = method;
  made.path = path;
  if (!authorization.empty()) made.headers = {{"Authorization", authorization}};
  return made;
}

// The status and code that a request is refused with; "" when it is let in.
std::string refusal(Guard& guard, HttpRequest asked, Role role, bool handler_checks = false) {
  const auto response = guard.refuse(asked, {.role = role, .handler_checks_scope = handler_checks});
  if (!response) return "";
  return std::to_string(response->status) + " " + response->body;
}

TEST_CASE("a token may do what its roles say, and the refusal names the role that is missing") {
  const File file(tokens_text);
  Guard guard({.port = "admin", .tokens_file = file.path});
  CHECK(refusal(guard, request("Bearer r-token"), Role::read).empty());
  const std::string missing = refusal(guard, request("Bearer r-token"), Role::label);
  CHECK_THAT(missing, Catch::StartsWith("403 ") && Catch::Contains("missing_role") &&
                          Catch::Contains("needs the role label") &&
                          Catch::Contains("the token reader has read"));
  for (const auto& [role, word] : net::role_names)
    CHECK(refusal(guard, request("bearer b-token"), role).empty());
}

TEST_CASE("who brings nothing, or nothing known, is asked for a token") {
  const File file(tokens_text);
  Guard guard({.port = "admin", .tokens_file = file.path});
  for (const char* sent : {"", "Bearer", "Bearer ", "Bearer wrong", "Basic dTpw", "Digest r-token",
                           "Bearer r-token2", "Bearer r-toke"}) {
    CAPTURE(sent);
    CHECK_THAT(refusal(guard, request(sent), Role::read), Catch::StartsWith("401 "));
  }
  HttpRequest nothing = request("");
  const auto response = guard.refuse(nothing, {.role = Role::read});
  CHECK(response->headers.at(0).value == "Bearer realm=\"outrider\"");
}

TEST_CASE("probes are open, and reloading is not where there are roles") {
  const File file(tokens_text);
  Guard with_roles({.port = "admin", .tokens_file = file.path});
  CHECK(refusal(with_roles, request("", "GET", "/-/ready"), Role::read).empty());
  CHECK_FALSE(refusal(with_roles, request("", "POST", "/-/reload"), Role::administer).empty());
  Guard single({.port = "agent", .single_token = "one"});
  CHECK(refusal(single, request("", "POST", "/-/reload"), Role::administer).empty());
  CHECK(refusal(single, request("Bearer one"), Role::administer).empty());
  CHECK_FALSE(refusal(single, request("Bearer two"), Role::read).empty());
}

TEST_CASE("a limit to models or namespaces holds against what the port is about") {
  const File file(tokens_text);
  Guard::Subject subject{"shop", "house"};
  Guard guard(
      {.port = "admin", .tokens_file = file.path, .subject = [&subject] { return subject; }});
  CHECK(refusal(guard, request("Bearer l-token"), Role::label).empty());
  CHECK(refusal(guard, request("Bearer s-token"), Role::label).empty());
  subject = {"other", "flat"};
  CHECK_THAT(refusal(guard, request("Bearer l-token"), Role::label),
             Catch::Contains("out_of_scope") && Catch::Contains("model flat") &&
                 Catch::Contains("limited to models house"));
  CHECK_THAT(refusal(guard, request("Bearer s-token"), Role::label),
             Catch::Contains("limited to namespaces shop"));
  subject = {"", ""};  // What is not known lies outside of every limit.
  CHECK_THAT(refusal(guard, request("Bearer l-token"), Role::label),
             Catch::Contains("model (unknown here)"));
}

TEST_CASE("a handler that knows whom a request is about is given the limits") {
  const File file(tokens_text);
  Guard guard({.port = "agent", .tokens_file = file.path});
  HttpRequest limited = request("Bearer s-token");
  CHECK_FALSE(guard.refuse(limited, {.role = Role::write, .handler_checks_scope = true}));
  REQUIRE(limited.scope);
  CHECK(limited.scope->covers("shop", "any"));
  CHECK_FALSE(limited.scope->covers("other", "any"));
  CHECK_FALSE(limited.scope->covers("", "any"));
  HttpRequest whole = request("Bearer b-token");
  CHECK_FALSE(guard.refuse(whole, {.role = Role::write, .handler_checks_scope = true}));
  CHECK_FALSE(whole.scope);
}

TEST_CASE("a token of one workload reaches to nothing else, and its name is the caller") {
  const File file("tokens:\n  - {name: pods, sha256: " + digest_of("p-token") +
                  ", roles: [write], clusters: [eu], workloads: [price]}\n");
  Guard guard({.port = "agent", .tokens_file = file.path});
  HttpRequest asked = request("Bearer p-token");
  CHECK_FALSE(guard.refuse(asked, {.role = Role::write, .handler_checks_scope = true}));
  REQUIRE(asked.scope);
  CHECK(asked.caller == "pods");
  CHECK(asked.scope->covers({.cluster = "eu", .name_space = "any", .workload = "price"}));
  CHECK_FALSE(asked.scope->covers({.cluster = "us", .workload = "price"}));
  CHECK_FALSE(asked.scope->covers({.cluster = "eu", .workload = "fraud"}));
  // Where a route does not know whom it is about, the token opens nothing.
  CHECK_THAT(refusal(guard, request("Bearer p-token"), Role::write),
             Catch::Contains("out_of_scope") &&
                 Catch::Contains("limited to clusters eu and workloads price"));
}

TEST_CASE("a password opens everything, beside tokens and without them") {
  const File file(tokens_text);
  const Passwords passwords = [](std::string_view user, std::string_view password) {
    return user == "alice" && password == "open:sesame";
  };
  Guard both({.port = "admin", .tokens_file = file.path, .passwords = passwords});
  // alice:open:sesame
  CHECK(refusal(both, request("Basic YWxpY2U6b3BlbjpzZXNhbWU="), Role::administer).empty());
  CHECK(refusal(both, request("Bearer r-token"), Role::read).empty());
  CHECK_THAT(refusal(both, request("Basic YWxpY2U6d3Jvbmc="), Role::read),
             Catch::Contains("user name or password is wrong"));
  HttpRequest nothing = request("");
  CHECK(both.refuse(nothing, {.role = Role::read})->headers.size() == 2);
}

TEST_CASE("a certificate's name gives a role and limits, where no Authorization header is") {
  const std::string agent = "spiffe://cluster.local/ns/shop/sa/agent";
  const File file(tokens_text + "  - {name: mesh, san: \"" + agent +
                  "\", roles: [write], namespaces: [shop]}\n"
                  "  - {name: batch, san: Batch.Shop, roles: [read]}\n");
  Guard guard({.port = "agent", .tokens_file = file.path});
  const auto shown = [](std::vector<std::string> names, const std::string& authorization = "") {
    HttpRequest made = request(authorization);
    made.certificate_names = std::move(names);
    return made;
  };
  HttpRequest by_uri = shown({"other.shop", agent});
  CHECK(!guard.refuse(by_uri, {.role = Role::write, .handler_checks_scope = true}));
  CHECK(by_uri.caller == "mesh");
  CHECK(by_uri.user.empty());
  CHECK(by_uri.scope->namespaces == std::vector<std::string>{"shop"});
  CHECK(!by_uri.may(Role::approve));
  CHECK(refusal(guard, shown({"batch.shop"}), Role::read).empty());
  CHECK_THAT(refusal(guard, shown({"batch.shop"}), Role::write),
             Catch::Contains("missing_role") && Catch::Contains("the certificate batch has read"));
  // A name is no part of another, and no token.
  for (const std::string& name : {agent + "2", agent.substr(1), std::string("shop"), std::string()})
    CHECK_THAT(refusal(guard, shown({name}), Role::write), Catch::Contains("unauthorized"));
  CHECK_THAT(refusal(guard, request("Bearer " + agent), Role::write),
             Catch::Contains("the token is none"));
  CHECK_THAT(refusal(guard, shown({"web.shop"}), Role::write),
             Catch::Contains("none of the names of the client's certificate: web.shop"));
  // Who brings a token is judged by that alone.
  CHECK_THAT(refusal(guard, shown({agent}, "Bearer r-token"), Role::write),
             Catch::Contains("the token reader has read"));
  CHECK_THAT(refusal(guard, shown({agent}, "Bearer nonsense"), Role::write),
             Catch::Contains("the token is none"));
}

TEST_CASE("an entry of the tokens file is of a token, a person or a certificate") {
  const auto entry = [](const std::string& keys) {
    return mistakes_of("tokens:\n  - {name: a, roles: [read], " + keys + "}\n");
  };
  CHECK(entry("san: web.shop").empty());
  CHECK(entry("san: 'spiffe://c/ns/shop/sa/web'").empty());
  for (const char* bad : {"san: ''", "san: 'a b'", "san: 'a/b'", "san: 'spiffe://a b'"})
    CHECK_THAT(entry(bad), Catch::Contains("san: expected a URI"));
  CHECK_THAT(entry("san: web.shop, user: ada"), Catch::Contains("expected one of sha256"));
  CHECK_THAT(entry("san: web}\n  - {name: b, roles: [read], san: WEB"),
             Catch::Contains("san WEB stands there twice"));
}

TEST_CASE(
    "a request that was let in tells what else its caller may do, and no refusal is counted") {
  const File file(tokens_text);
  Guard guard({.port = "agent", .tokens_file = file.path, .single_token = "one"});
  const auto may_approve = [](Guard& at, const std::string& authorization) {
    HttpRequest asked = request(authorization);
    REQUIRE(!at.refuse(asked, {.role = Role::read}));
    return asked.may(Role::approve);
  };
  CHECK_FALSE(may_approve(guard, "Bearer r-token"));
  CHECK(may_approve(guard, "Bearer b-token"));
  CHECK(may_approve(guard, "Bearer one"));
  Guard open({.port = "agent"});
  CHECK(may_approve(open, ""));
  for (const std::uint64_t count : guard.refused()) CHECK(count == 0);
}

TEST_CASE("without anything set everybody may do everything, and open routes stay open") {
  Guard open({.port = "admin"});
  CHECK(refusal(open, request(""), Role::administer).empty());
  Guard single({.port = "predictor", .single_token = "one", .reading_is_open = true});
  CHECK(refusal(single, request(""), Role::read).empty());
  CHECK_FALSE(refusal(single, request(""), Role::write).empty());
  HttpRequest predict = request("");
  CHECK_FALSE(single.refuse(predict, {.role = std::nullopt}));
}

TEST_CASE("refusals are counted by reason, and start at 0") {
  const File file(tokens_text);
  const auto guard =
      std::make_shared<Guard>(Guard::Settings{.port = "admin", .tokens_file = file.path});
  GuardMetrics metrics;
  metrics.add(guard);
  metrics.add(std::make_shared<Guard>(Guard::Settings{.port = "open"}));
  refusal(*guard, request(""), Role::read);
  refusal(*guard, request("Bearer x"), Role::read);
  refusal(*guard, request("Bearer r-token"), Role::label);
  refusal(*guard, request("Bearer r-token"), Role::label);
  wire::TextSink sink(wire::Format::text);
  metrics.collect(sink);
  const std::string page = sink.finish();
  const auto says = [&](const std::string& reason, int count) {
    CHECK_THAT(page,
               Catch::Contains("outrider_http_requests_refused_total{port=\"admin\",reason=\"" +
                               reason + "\"} " + std::to_string(count) + "\n"));
  };
  says("no_credentials", 1);
  says("unknown_token", 1);
  says("missing_role", 2);
  says("wrong_password", 0);
  says("out_of_scope", 0);
  CHECK_THAT(page, !Catch::Contains("port=\"open\""));
}

TEST_CASE("every mistake of a tokens file is told, with its line") {
  const std::string mistakes = mistakes_of(
      "tokens:\n"
      "  - {name: a, sha256: abc, roles: [read]}\n"
      "  - {name: a, sha256: " +
      digest_of("x") +
      ", roles: [reading]}\n"
      "  - {roles: [], sha256: " +
      digest_of("x") +
      ", token_file: f}\n"
      "  - {name: c, token_file: f, roles: [label], models: []}\n"
      "  - {name: d, sha256: " +
      digest_of("x") + ", roles: [read], model: house}\n");
  for (const char* expected :
       {"64 hexadecimal digits", "the name a is used twice", "role reading: expected read",
        "expected a name", "expected roles", "expected one of sha256, token_file, user and san",
        "f: not there", "models: expected names", "model", "the same token twice"}) {
    CHECK_THAT(mistakes, Catch::Contains(expected));
  }
  CHECK_THAT(mistakes_of("tokens: []\n"), Catch::Contains("at least one"));
  CHECK_THAT(mistakes_of("{}"), Catch::Contains("at least one"));
  CHECK(mistakes_of(tokens_text).empty());
}

TEST_CASE("a token file's text is the token, and a short one is refused") {
  const std::string text = "tokens:\n  - {name: a, token_file: /run/a, roles: [write]}\n";
  const auto with = [&](const std::string& token) {
    return parse_tokens("t", text,
                        [&](const std::string&) -> Result<std::string> { return token; });
  };
  const auto tokens = with("sixteen-or-more-characters");
  REQUIRE(tokens);
  CHECK(find_token(*tokens, "sixteen-or-more-characters") == &tokens->front());
  CHECK(find_token(*tokens, "sixteen-or-more-character") == nullptr);
  CHECK_THAT(with("short").error().message, Catch::Contains("can be guessed"));
}

TEST_CASE("a tokens file that cannot be used ends the start") {
  const File file("tokens: 7\n");
  CHECK_THROWS(Guard({.port = "admin", .tokens_file = file.path}));
  CHECK_THROWS_WITH(Guard({.port = "admin", .tokens_file = "/no/such/file"}),
                    Catch::Contains("/no/such/file"));
}

}  // namespace
}  // namespace outrider::web
