// SPDX-License-Identifier: Apache-2.0
#include "base/net/http_server.h"

#include <civetweb.h>
#include <openssl/crypto.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include "base/core/text.h"
#include "base/net/tls_front.h"

namespace outrider::net {
namespace {

std::vector<std::string> path_segments(std::string_view path) {
  std::vector<std::string> segments;
  for (const std::string_view segment : split(path, '/')) segments.emplace_back(segment);
  return segments;
}

bool is_capture(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

using PathValues = std::vector<std::pair<std::string, std::string>>;

bool match(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
           PathValues& values) {
  values.clear();
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view expected = pattern[i];
    if (is_capture(expected)) {
      const std::string_view name = expected.substr(1, expected.size() - 2);
      if (name.ends_with("...")) {
        std::string rest;
        for (std::size_t j = i; j < path.size(); ++j) rest += (j > i ? "/" : "") + path[j];
        values.emplace_back(name.substr(0, name.size() - 3), rest);
        return i < path.size();
      }
      if (i >= path.size() || path[i].empty()) return false;
      values.emplace_back(name, path[i]);
    } else if (i >= path.size() || path[i] != expected) {
      return false;
    }
  }
  return pattern.size() == path.size();
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 207:
      return "Multi-Status";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (iequals_ascii(header.name, name)) return header.value;
  }
  return {};
}

bool HttpRequest::may(Role role) const {
  return !roles || std::any_of(roles->begin(), roles->end(),
                               [role](Role own) { return own == role || own == Role::administer; });
}

std::string_view HttpRequest::path_value(std::string_view name) const {
  for (const auto& [key, value] : path_values) {
    if (key == name) return value;
  }
  return {};
}

std::string HttpRequest::query_value(std::string_view name) const {
  for (const std::string_view pair : split(query, '&')) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (percent_decode(pair.substr(0, equals), true) == name) {
      const std::string_view value = equals < pair.size() ? pair.substr(equals + 1) : "";
      return percent_decode(value, true).value_or("");
    }
  }
  return {};
}

HttpResponse text_response(int status, std::string body) {
  return {.status = status, .body = std::move(body)};
}

HttpResponse json_response(int status, const wire::Json& body) {
  return {.status = status, .content_type = "application/json", .body = wire::to_text(body) + "\n"};
}

HttpResponse error_response(int status, std::string_view code, std::string_view message) {
  return json_response(status, {{"error", code}, {"message", message}});
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool has_bearer(const HttpRequest& request, std::string_view token) {
  return equal_in_constant_time(request.header("Authorization"), "Bearer " + std::string(token));
}

void Router::add(std::string method, std::string_view pattern, Handler handler) {
  const Role role = method == "GET" ? Role::read : Role::administer;
  add(std::move(method), pattern, std::move(handler), Needs{.role = role});
}

void Router::add(std::string method, std::string_view pattern, Handler handler, Needs needs) {
  routes_.push_back({std::move(method), path_segments(pattern), std::move(handler), needs});
}

void Router::add_open(std::string method, std::string_view pattern, Handler handler) {
  add(std::move(method), pattern, std::move(handler), Needs{.role = std::nullopt});
}

Needs Router::needs_of(std::string_view method, std::string_view path) const {
  const std::vector<std::string> segments = path_segments(path);
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  PathValues values;
  for (const Route& route : routes_)
    if (route.method == wanted && match(route.segments, segments, values)) return route.needs;
  return {.role = Role::read};
}

HttpResponse Router::handle(HttpRequest request) const {
  const std::vector<std::string> path = path_segments(request.path);
  const std::string_view wanted =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allowed;
  for (const Route& route : routes_) {
    if (!match(route.segments, path, request.path_values)) continue;
    if (route.method == wanted) return route.handler(request);
    if (allowed.find(route.method) == std::string::npos) {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
    }
  }
  if (allowed.empty()) {
    return error_response(404, "not_found", "no resource at " + request.path);
  }
  HttpResponse response = error_response(
      405, "method_not_allowed", request.path + " takes " + allowed + ", not " + request.method);
  response.headers.push_back({"Allow", allowed});
  return response;
}

class HttpServer::Impl {
 public:
  Impl(Settings settings, Router router)
      : settings_(std::move(settings)), router_(std::move(router)) {
    static std::once_flag initialised;
    std::call_once(initialised, [] { mg_init_library(MG_FEATURES_DEFAULT); });
    start();
  }
  ~Impl() { stop(); }

  void stop() {
    if (front_) front_->stop_accepting();
    if (context_) mg_stop(context_);
    context_ = nullptr;
    if (front_) front_->stop();
  }

  std::uint16_t port() const { return front_ ? front_->port() : port_; }

 private:
  static int ms(Duration duration) {
    return static_cast<int>(
        std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  }

  void start() {
    std::string listen = settings_.tls ? "127.0.0.1:0" : settings_.listen_address;
    if (listen.starts_with(':')) listen = "0.0.0.0" + listen;
    const std::string threads = std::to_string(settings_.connections_max);
    const std::string request_timeout = std::to_string(ms(settings_.request_timeout));
    const std::string keep_alive_timeout = std::to_string(ms(settings_.keep_alive_timeout));
    std::vector<const char*> options{"listening_ports",
                                     listen.c_str(),
                                     "num_threads",
                                     threads.c_str(),
                                     "request_timeout_ms",
                                     request_timeout.c_str(),
                                     "enable_keep_alive",
                                     "yes",
                                     "keep_alive_timeout_ms",
                                     keep_alive_timeout.c_str(),
                                     "tcp_nodelay",
                                     "1",
                                     "connection_queue",
                                     "256",
                                     "decode_url",
                                     "no",
                                     "max_request_size",
                                     "65536"};
    options.push_back(nullptr);

    mg_callbacks callbacks{};
    callbacks.begin_request = [](mg_connection* connection) {
      auto* impl = static_cast<Impl*>(mg_get_user_data(mg_get_context(connection)));
      return impl->serve(connection);
    };
    callbacks.log_message = [](const mg_connection*, const char* message) {
      spdlog::debug("civetweb: {}", message);
      return 1;
    };
    char error_text[256] = "";
    mg_error_data error{};
    error.text = error_text;
    error.text_buffer_size = sizeof error_text;
    mg_init_data init{&callbacks, this, options.data()};
    context_ = mg_start2(&init, &error);
    mg_server_port bound[4] = {};
    if (!context_ || mg_get_server_ports(context_, 4, bound) < 1) {
      stop();
      throw std::runtime_error("cannot listen on " + settings_.listen_address + ": " +
                               (error_text[0] ? error_text : "address in use or not ours") +
                               "; choose another address or port");
    }
    port_ = static_cast<std::uint16_t>(bound[0].port);
    if (!settings_.tls) return;
    constexpr std::size_t waiting_max = 256;  // CivetWeb's queue.
    try {
      front_ = std::make_unique<TlsFront>(
          TlsFront::Settings{
              .listen_address = settings_.listen_address,
              .backend_port = port_,
              .connections_max = static_cast<std::size_t>(settings_.connections_max) + waiting_max},
          settings_.tls, tls_peers_);
    } catch (...) {
      stop();
      throw;
    }
  }

  // The status that was sent: CivetWeb takes any value above 0 as "answered".
  int serve(mg_connection* connection) {
    HttpRequest request = read_head(*mg_get_request_info(connection));
    HttpResponse response;
    if (const auto denied = refuse(connection, request)) {
      response = *denied;
    } else if (const auto failed = read_body(connection, request)) {
      response = *failed;
      response.headers.push_back({"Connection", "close"});
    } else {
      response = answer(std::move(request));
    }
    send(connection, response);
    return response.status;
  }

  HttpResponse answer(HttpRequest request) {
    try {
      return router_.handle(std::move(request));
    } catch (const std::exception& error) {
      spdlog::error("http handler failed: {}", error.what());
      return error_response(500, "internal", error.what());
    }
  }

  static HttpRequest read_head(const mg_request_info& info) {
    HttpRequest request;
    request.method = info.request_method;
    const std::string_view raw_path = info.local_uri_raw ? info.local_uri_raw : "/";
    request.path = percent_decode(raw_path, false).value_or(std::string(raw_path));
    request.query = info.query_string ? info.query_string : "";
    request.peer = info.remote_addr;
    for (int i = 0; i < info.num_headers; ++i) {
      request.headers.push_back({info.http_headers[i].name, info.http_headers[i].value});
    }
    return request;
  }

  // Behind TLS the client is another than the connection's peer; who has not come through TLS has
  // found the port behind it, and is refused.
  bool name_client(mg_connection* connection, HttpRequest& request) const {
    if (!settings_.tls) return true;
    const auto client =
        tls_peers_.find(static_cast<std::uint16_t>(mg_get_request_info(connection)->remote_port));
    if (!client || request.peer != "127.0.0.1") return false;
    request.peer = client->address;
    request.certificate_names = client->names;
    return true;
  }

  std::optional<HttpResponse> refuse(mg_connection* connection, HttpRequest& request) const {
    if (!name_client(connection, request)) {
      return error_response(403, "not_through_tls",
                            "this port belongs to the program alone; use its TLS port");
    }
    if (!settings_.guard) return std::nullopt;
    return settings_.guard->refuse(request, router_.needs_of(request.method, request.path));
  }

  // What is answered when the body is not taken: too large, or not all of it came.
  std::optional<HttpResponse> read_body(mg_connection* connection, HttpRequest& request) const {
    const HttpResponse too_large =
        error_response(413, "body_too_large",
                       "the body is larger than " + format_bytes(settings_.body_bytes_max) +
                           "; send it in smaller pieces");
    const long long announced = mg_get_request_info(connection)->content_length;
    if (announced > static_cast<long long>(settings_.body_bytes_max)) return too_large;
    if (announced > 0) request.body.reserve(static_cast<std::size_t>(announced));
    char piece[8192];
    for (;;) {
      const int got = mg_read(connection, piece, sizeof piece);
      if (got < 0 || (got == 0 && static_cast<long long>(request.body.size()) < announced)) {
        return error_response(400, "body_incomplete",
                              "the connection ended within the body; send all of it again");
      }
      if (got == 0) return std::nullopt;
      if (request.body.size() + static_cast<std::size_t>(got) > settings_.body_bytes_max)
        return too_large;
      request.body.append(piece, static_cast<std::size_t>(got));
    }
  }

  static void send(mg_connection* connection, const HttpResponse& response) {
    const std::string_view method = mg_get_request_info(connection)->request_method;
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       std::string(reason_phrase(response.status)) + "\r\n";
    const bool has_body = response.status != 204 && response.status != 304;
    if (has_body) head += "Content-Type: " + response.content_type + "\r\n";
    for (const Header& header : response.headers)
      head += header.name + ": " + header.value + "\r\n";
    if (response.stream) {
      head += "Transfer-Encoding: chunked\r\n\r\n";
      mg_write(connection, head.data(), head.size());
      if (method == "HEAD") return;
      response.stream([connection](std::string_view piece) {
        return piece.empty() ||
               mg_send_chunk(connection, piece.data(), static_cast<unsigned>(piece.size())) > 0;
      });
      mg_send_chunk(connection, "", 0);
      return;
    }
    if (has_body) head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    head += "\r\n";
    if (has_body && method != "HEAD") head += response.body;
    mg_write(connection, head.data(), head.size());
  }

  Settings settings_;
  Router router_;
  mg_context* context_ = nullptr;
  std::uint16_t port_ = 0;  // CivetWeb's.
  TlsPeers tls_peers_;
  std::unique_ptr<TlsFront> front_;
};

HttpServer::HttpServer(Settings settings, Router router)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(router))) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const {
  return impl_->port();
}
void HttpServer::stop() {
  impl_->stop();
}

}  // namespace outrider::net
