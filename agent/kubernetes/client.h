// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks the Kubernetes API: JSON in, JSON out, and watches. SHELL, on the HTTP client; not
// thread-safe: one a thread.
//
//   Client client({.url = "https://10.96.0.1:443", .prepare = …});
//   auto scale = client.get("/apis/apps/v1/namespaces/shop/deployments/house/scale");
//
// Errors, with the API server's own words: "unauthorized" (401), "forbidden" (403), "not_found"
// (404), "conflict" (409), "gone" (410), "invalid" (422), "unavailable" (429, 5xx), "refused" (any
// other status), "bad_answer" (no JSON object), and those of HttpClient.
//
// Source: Kubernetes API reference, "Kubernetes API Concepts" (efficient detection of changes,
// resource versions, patch media types).

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/net/http_client.h"
#include "base/wire/json.h"

namespace outrider::kubernetes {

class Client {
 public:
  struct Settings {
    std::string url;  // Without a path.
    // Adds certificates and the token, read again each time: both are rotated.
    std::function<Result<void>(net::ClientRequest&)> prepare =
        [](net::ClientRequest&) -> Result<void> { return {}; };
    Duration timeout = std::chrono::seconds(10);
    std::size_t answer_bytes_max = 16 << 20;
    const std::atomic<bool>* cancelled = nullptr;
  };
  explicit Client(Settings settings) : settings_(std::move(settings)) {}

  // `accept`: another media type than application/json.
  Result<wire::Json> get(const std::string& path, const std::string& accept = "");
  Result<wire::Json> create(const std::string& path, const wire::Json& body);
  Result<wire::Json> replace(const std::string& path, const wire::Json& body);
  // A JSON merge patch (RFC 7386). With `resourceVersion` in it, one of another is a "conflict".
  Result<wire::Json> patch(const std::string& path, const wire::Json& body);
  // A JSON patch (RFC 6902): a list of operations. "conflict" as with patch, where one of them
  // replaces /metadata/resourceVersion by the version that was read.
  Result<wire::Json> json_patch(const std::string& path, const wire::Json& operations);

  // Each piece as it comes, until the server ends the watch, which is a success, or `on_piece` says
  // false. "timeout" where nothing came for `idle`, or after `limit` in all.
  Result<void> watch(const std::string& path, const std::string& accept, Duration limit,
                     Duration idle, std::function<bool(std::string_view)> on_piece);

 private:
  Result<wire::Json> exchange(net::ClientRequest request);
  Result<net::ClientResponse> send(net::ClientRequest& request);

  const Settings settings_;
  net::HttpClient client_;
};

// Where Kubernetes puts what a pod's service account is known by.
inline constexpr char service_account_token[] =
    "/var/run/secrets/kubernetes.io/serviceaccount/token";
inline constexpr char service_account_ca[] = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

// The API server's URL as a pod is told it, in KUBERNETES_SERVICE_HOST and …_PORT. Error
// "not_in_cluster". PURE but for `environment`.
Result<std::string> in_cluster_url(const std::function<const char*(const char* name)>& environment);

}  // namespace outrider::kubernetes
