// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small HTTP server on CivetWeb for admin APIs, the predictor and the agent. (The proxied path
// does not use it: see sidecar/proxy.)
//
// One thread serves one live connection, so `connections_max` bounds both. Handlers run
// concurrently and must be thread-safe; what they throw becomes a 500. Their threads are
// CivetWeb's, with stacks of 100 KiB that nobody can enlarge: nothing large belongs there. No
// document root is ever set, and every URI goes to the router: CivetWeb 1.15 is in the range of
// CVE-2025-55763.
//
//   Router router;
//   router.add("GET", "/-/healthy", [](const HttpRequest&) { return text_response(200, "ok\n"); });
//   router.add("GET", "/api/v1/incidents/{id}", [](const HttpRequest& r) { … r.path_value("id") …
//   }); HttpServer server({.listen_address = "127.0.0.1:0"}, std::move(router));
//   server.port();

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/net/access.h"
#include "base/wire/json.h"

namespace outrider::net {

class TlsPort;

struct Header {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;
  std::string path;   // Percent-decoded, without the query.
  std::string query;  // As it came, without '?'.
  std::vector<Header> headers;
  std::string body;
  std::string peer;  // The client's address, without port.
  // URI and DNS names of the client's certificate, where the port asks for one and it is good.
  std::vector<std::string> certificate_names = {};
  // What its token is limited to, where the route's handler is to check it; nullptr: to nothing.
  std::shared_ptr<const Scope> scope = nullptr;
  std::string caller = {};  // The token's name, or the user's; "" where nobody is asked.
  // A person, as a password or an authenticating proxy says; "" where only a token is known, or
  // nobody is asked.
  std::string user = {};
  // What the caller may do; nullptr: everything. So a page can leave out what would be refused.
  std::shared_ptr<const std::vector<Role>> roles = nullptr;
  bool may(Role role) const;

  std::string_view header(std::string_view name) const;      // "" when absent.
  std::string_view path_value(std::string_view name) const;  // Of a "{name}" in the route.
  // The decoded value of a query parameter, or "" when absent; the first one wins.
  std::string query_value(std::string_view name) const;

  std::vector<std::pair<std::string, std::string>> path_values;  // Filled by the router.
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::vector<Header> headers = {};

  // When set, the body is what this writes, sent chunked; it stops when `write` says false (the
  // client went away). `body` is then ignored.
  using Write = std::function<bool(std::string_view)>;
  std::function<void(const Write& write)> stream = {};
};

HttpResponse text_response(int status, std::string body);
HttpResponse json_response(int status, const wire::Json& body);
// The one shape of every error body: {"error": code, "message": what, where, what to change}.
HttpResponse error_response(int status, std::string_view code, std::string_view message);

// Takes as long wherever texts of one length differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Whether the request carries "Authorization: Bearer <token>"; takes as long whatever was sent. For
// single routes; Settings::guard guards a whole listener.
bool has_bearer(const HttpRequest& request, std::string_view token);

// Who is let in. Called for each request before its body is read; from several threads.
class Guard {
 public:
  virtual ~Guard() = default;
  // What a request is answered that is refused. May set the request's scope and
  // caller.
  virtual std::optional<HttpResponse> refuse(HttpRequest& request, const Needs& needs) = 0;
};

using Handler = std::function<HttpResponse(const HttpRequest&)>;

// Routes by method and path. A segment "{name}" matches one whole segment, "{name...}" the rest.
// Unknown path: 404; known path, other method: 405 with Allow. HEAD is answered as GET.
class Router {
 public:
  // A route that says nothing else needs Role::read for GET, Role::administer for the rest.
  void add(std::string method, std::string_view pattern, Handler handler);
  void add(std::string method, std::string_view pattern, Handler handler, Needs needs);
  void add_open(std::string method, std::string_view pattern, Handler handler);  // To everybody.
  HttpResponse handle(HttpRequest request) const;
  // Of the route that would handle it; those of reading where there is none.
  Needs needs_of(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    Handler handler;
    Needs needs;
  };
  std::vector<Route> routes_;
};

class HttpServer {
 public:
  struct Settings {
    std::string listen_address =
        "127.0.0.1:0";                     // "host:port"; ":9501" listens on all; port 0 picks one.
    int connections_max = 64;              // Threads; more connections wait in the backlog.
    std::size_t body_bytes_max = 8 << 20;  // Past it: 413.
    Duration request_timeout = std::chrono::seconds(30);
    Duration keep_alive_timeout = std::chrono::seconds(60);
    std::shared_ptr<TlsPort> tls = nullptr;  // None: plain HTTP.
    std::shared_ptr<Guard> guard = nullptr;  // None: everybody may do everything.
  };

  // Throws std::runtime_error, naming address and reason, when it cannot listen.
  HttpServer(Settings settings, Router router);
  ~HttpServer();  // Stops: no new connections, requests at hand are finished.
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  void stop();  // Idempotent.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::net
