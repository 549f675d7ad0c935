// SPDX-License-Identifier: Apache-2.0

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <thread>

#include "base/net/address.h"
#include "base/net/http_client.h"
#include "base/net/http_server.h"
#include "base/net/metrics_page.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::net;
using namespace std::chrono_literals;

namespace {

struct Site {
  explicit Site(Router router, HttpServer::Settings settings = {})
      : server(settings, std::move(router)) {}
  ClientRequest request(std::string method, const std::string& path, std::string body = "") const {
    return {.method = std::move(method),
            .url = "http://127.0.0.1:" + std::to_string(server.port()) + path,
            .body = std::move(body)};
  }
  HttpServer server;
  HttpClient client;
};

Router echo_router() {
  Router router;
  router.add("POST", "/echo", [](const HttpRequest& r) { return text_response(200, r.body); });
  router.add("GET", "/api/v1/incidents/{id}", [](const HttpRequest& r) {
    return text_response(200, std::string(r.path_value("id")) + "?" + r.query_value("since"));
  });
  router.add("GET", "/broken",
             [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("boom"); });
  router.add("GET", "/stream", [](const HttpRequest&) {
    return HttpResponse{.stream = [](const HttpResponse::Write& write) {
      for (int i = 0; i < 3; ++i) write("piece ");
    }};
  });
  return router;
}

}  // namespace

TEST_CASE("requests reach their route with path values, query and body") {
  Site site(echo_router());
  CHECK(site.client.send(site.request("POST", "/echo", "hello"))->body == "hello");
  CHECK(site.client.send(site.request("GET", "/api/v1/incidents/a%2Db?since=1%2B1"))->body ==
        "a-b?1+1");
  CHECK(site.client.send(site.request("GET", "/stream"))->body == "piece piece piece ");
}

TEST_CASE(
    "an answer without an end is handed on as it comes, until it is refused or falls silent") {
  std::promise<void> over;
  const auto done = over.get_future().share();
  Router router = echo_router();
  router.add("GET", "/watch", [done](const HttpRequest&) {
    return HttpResponse{.stream = [done](const HttpResponse::Write& write) {
      write("one\n");
      done.wait();
    }};
  });
  Site site(std::move(router));
  std::string got;
  ClientRequest request = site.request("GET", "/stream");
  request.body_bytes_max = 1;
  request.on_piece = [&got](std::string_view piece) {
    got += piece;
    return true;
  };
  CHECK(site.client.send(request)->body.empty());
  CHECK(got == "piece piece piece ");
  request.on_piece = [](std::string_view) { return false; };
  CHECK(site.client.send(request).error().code == "cancelled");

  request = site.request("GET", "/watch");
  request.idle_timeout = 1s;
  request.on_piece = [&got](std::string_view piece) {
    got = piece;
    return true;
  };
  const auto silent = site.client.send(request);
  CHECK(got == "one\n");
  CHECK(silent.error().code == "timeout");
  CHECK_THAT(silent.error().message, Catch::Contains("nothing came for 1s"));
  over.set_value();

  // What is refused is a body as ever.
  request = site.request("GET", "/nowhere");
  request.on_piece = [](std::string_view) { return false; };
  CHECK_THAT(site.client.send(request)->body, Catch::Contains("not_found"));
}

TEST_CASE("every refusal is JSON that says what, where and what to change") {
  Site site(echo_router(), {.body_bytes_max = 100});
  const auto missing = site.client.send(site.request("GET", "/nowhere"));
  CHECK(missing->status == 404);
  CHECK_THAT(missing->body, Catch::Contains("\"error\":\"not_found\""));
  const auto wrong = site.client.send(site.request("GET", "/echo"));
  CHECK(wrong->status == 405);
  CHECK(wrong->header("Allow") == "POST");
  CHECK(site.client.send(site.request("GET", "/broken"))->status == 500);
  const auto large = site.client.send(site.request("POST", "/echo", std::string(1000, 'x')));
  CHECK(large->status == 413);
  CHECK_THAT(large->body, Catch::Contains("100"));
}

TEST_CASE("very long URIs full of slashes are answered and harm nothing") {  // CVE-2025-55763
  Site site(echo_router());
  for (const std::size_t size : {100u, 1'000u, 7'000u, 16'000u, 60'000u}) {
    const auto response = site.client.send(site.request("GET", "/" + std::string(size, '/') + "a"));
    if (response) CHECK(response->status >= 400);
  }
  CHECK(site.client.send(site.request("POST", "/echo", "alive"))->body == "alive");
}

TEST_CASE("a guard is asked with what the route needs, before the body is read") {
  struct Recorder final : Guard {
    std::optional<HttpResponse> refuse(HttpRequest& request, const Needs& needs) override {
      const std::lock_guard hold(lock);
      seen.push_back(request.method + " " + request.path + " " +
                     (needs.role ? std::string(to_string(*needs.role)) : "open") +
                     (request.body.empty() ? "" : " with a body"));
      if (request.path == "/closed") return error_response(403, "closed", "no");
      return std::nullopt;
    }
    std::mutex lock;
    std::vector<std::string> seen;
  };
  Router router = echo_router();
  const auto fine = [](const HttpRequest&) { return text_response(200, "fine"); };
  router.add("GET", "/closed", fine);
  router.add("POST", "/labels", fine, {.role = Role::label});
  router.add_open("POST", "/predict", fine);
  const auto guard = std::make_shared<Recorder>();
  Site site(std::move(router), {.guard = guard});
  CHECK(site.client.send(site.request("POST", "/echo", "x"))->body == "x");
  CHECK(site.client.send(site.request("GET", "/closed"))->status == 403);
  CHECK(site.client.send(site.request("HEAD", "/api/v1/incidents/7"))->status == 200);
  CHECK(site.client.send(site.request("POST", "/labels"))->status == 200);
  CHECK(site.client.send(site.request("POST", "/predict"))->status == 200);
  CHECK(site.client.send(site.request("GET", "/nowhere"))->status == 404);
  CHECK(guard->seen == std::vector<std::string>{"POST /echo administer", "GET /closed read",
                                                "HEAD /api/v1/incidents/7 read",
                                                "POST /labels label", "POST /predict open",
                                                "GET /nowhere read"});
}

TEST_CASE("a route of its own can ask for a bearer token") {
  HttpRequest request;
  CHECK_FALSE(has_bearer(request, "secret"));
  request.headers = {{"authorization", "Bearer secret"}};
  CHECK(has_bearer(request, "secret"));
  CHECK_FALSE(has_bearer(request, "secret2"));
  CHECK_FALSE(has_bearer(request, ""));
}

TEST_CASE("the client tells a refused connection, a timeout and a bad URL apart") {
  HttpClient client;
  CHECK(client.send({.url = "http://127.0.0.1:1/"}).error().code == "unreachable");
  CHECK(client.send({.url = "nonsense://x"}).error().code == "bad_url");
  Router router;
  router.add("GET", "/large",
             [](const HttpRequest&) { return text_response(200, std::string(10'000, 'x')); });
  Site site(std::move(router));
  auto request = site.request("GET", "/large");
  request.body_bytes_max = 100;
  CHECK(site.client.send(request).error().code == "body_too_large");
}

TEST_CASE("a request over a kept connection, whose server dies with it, is cut off") {
  int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listening, generic, size) == 0);
  REQUIRE(::listen(listening, 1) == 0);
  REQUIRE(::getsockname(listening, generic, &size) == 0);
  std::thread server([listening] {
    const int connection = ::accept(listening, nullptr, nullptr);
    const auto read_request = [connection] {
      std::string head;
      char byte = 0;
      while (!head.ends_with("\r\n\r\n") && ::recv(connection, &byte, 1, 0) == 1) head += byte;
      return head;
    };
    read_request();
    const std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    ::send(connection, answer.data(), answer.size(), 0);
    read_request();
    ::close(listening);
    ::close(connection);
  });
  HttpClient client;
  const ClientRequest request{
      .method = "POST",
      .url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/counted"};
  CHECK(client.send(request).has_value());
  CHECK(client.send(request).error().code == "cut_off");
  server.join();
  CHECK(client.send(request).error().code == "unreachable");
}

TEST_CASE("/metrics answers text, OpenMetrics and gzip, as asked") {
  ProcessCollector process;
  Router router;
  router.add("GET", "/metrics", metrics_page({&process}));
  Site site(std::move(router));
  auto request = site.request("GET", "/metrics");
  const auto text = site.client.send(request);
  CHECK(text->header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK_THAT(text->body, Catch::Contains("outrider_build_info{revision=") &&
                             Catch::Contains("process_resident_memory_bytes"));
  request.headers = {{"Accept", "application/openmetrics-text"}, {"Accept-Encoding", "gzip"}};
  const auto packed = site.client.send(request);
  CHECK(packed->header("Content-Encoding") == "gzip");
  CHECK(packed->body.substr(0, 2) == "\x1f\x8b");
}

TEST_CASE("addresses come apart into host and port") {
  CHECK(parse_address("127.0.0.1:80")->port == 80);
  CHECK(parse_address("[::1]:9501")->host == "::1");
  CHECK(parse_address(":9501")->host == "");
  CHECK(parse_address("localhost").error().code == "bad_address");
  CHECK(parse_address("localhost:99999").error().code == "bad_address");
}
