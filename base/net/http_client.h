// SPDX-License-Identifier: Apache-2.0
#pragma once

// An HTTP client on libcurl: one request at a time, with deadlines and a limit on the answer's
// size. It keeps its connection alive between requests. Not thread-safe: one client a thread.
// An answer without an end (a watch) goes to the request's on_piece as it comes.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/net/http_server.h"

namespace outrider::net {

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://; redirects are not followed.
  std::vector<Header> headers = {};
  std::string body = {};
  Duration timeout = std::chrono::seconds(10);  // For the whole exchange.
  Duration connect_timeout = std::chrono::seconds(3);
  std::size_t body_bytes_max = 16 << 20;
  std::string ca_file = {};  // PEM of the authority to trust; empty: the system's.
  bool verify_tls = true;    // False: any certificate of any name is taken.
  std::string certificate_file = {}, key_file = {};  // PEM, to be known by; empty: none.
  std::string user = {}, password = {};              // Basic authentication where not empty.
  // The address to connect to instead of the URL's host, which stays what TLS verifies: "10.0.0.7",
  // "[fd00::7]"; empty: the host's.
  std::string connect_to = {};
  // When it turns true, the exchange ends within about a second, as "cancelled".
  const std::atomic<bool>* cancelled = nullptr;
  // Where set, the body of a 2xx answer goes here as it comes, not into the response, and
  // body_bytes_max does not bound it. False ends the exchange as "cancelled".
  std::function<bool(std::string_view)> on_piece = {};
  Duration idle_timeout{};  // "timeout" after so long without a byte, in whole seconds; 0: none.
};

struct ClientResponse {
  int status = 0;
  std::vector<Header> headers;
  std::string body;
  std::string_view header(std::string_view name) const;  // "" when absent.
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  // Any status is a success here. Errors: "unreachable" (no connection, so nothing was sent),
  // "cut_off" (a connection that ended before the answer: the request may have been understood),
  // "tls_failed" (a certificate that one side does not accept, or that cannot be read: nothing was
  // sent), "timeout", "body_too_large", "bad_url", "cancelled". A request may come twice, where a
  // kept connection ends without an answer.
  Result<ClientResponse> send(const ClientRequest& request);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace outrider::net
