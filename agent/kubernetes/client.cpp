// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/client.h"

#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::kubernetes {
namespace {

using wire::Json;

constexpr std::size_t words_bytes_max = 512;

std::string_view code_of(int status) {
  if (status == 401) return "unauthorized";
  if (status == 403) return "forbidden";
  if (status == 404) return "not_found";
  if (status == 409) return "conflict";
  if (status == 410) return "gone";
  if (status == 422) return "invalid";
  return status == 429 || status >= 500 ? "unavailable" : "refused";
}

// The `message` of a Status object, else the beginning of what came.
std::string words_of(const std::string& body) {
  std::string words = body;
  if (const auto json = wire::parse_json(body); json && json->is_object()) {
    if (const auto found = json->find("message"); found != json->end() && found->is_string())
      words = found->get<std::string>();
  }
  words = words.substr(0, words_bytes_max);
  while (!is_valid_utf8(words)) words.pop_back();
  return words;
}

Failure refusal(const net::ClientRequest& request, int status, const std::string& body) {
  std::string message =
      request.method + " " + request.url + ": " + std::to_string(status) + " " + words_of(body);
  if (status == 403) message += "; give the agent's service account a role for it";
  return fail(code_of(status), std::move(message));
}

}  // namespace

Result<net::ClientResponse> Client::send(net::ClientRequest& request) {
  request.url = settings_.url + request.url;
  request.headers.push_back({"User-Agent", "outrider-agent/" + std::string(version())});
  request.cancelled = settings_.cancelled;
  if (auto ready = settings_.prepare(request); !ready) return fail(ready);
  auto response = client_.send(request);
  if (!response) return response;
  if (response->status < 200 || response->status > 299)
    return refusal(request, response->status, response->body);
  return response;
}

Result<Json> Client::exchange(net::ClientRequest request) {
  request.timeout = settings_.timeout;
  request.body_bytes_max = settings_.answer_bytes_max;
  const auto response = send(request);
  if (!response) return fail(response);
  auto json = wire::parse_json(response->body);
  if (!json || !json->is_object()) {
    return fail("bad_answer", request.method + " " + request.url +
                                  ": expected a JSON object, got " +
                                  (json ? "another value" : json.error().message));
  }
  return json;
}

Result<Json> Client::get(const std::string& path, const std::string& accept) {
  return exchange(
      {.url = path, .headers = {{"Accept", accept.empty() ? "application/json" : accept}}});
}

Result<Json> Client::create(const std::string& path, const Json& body) {
  return exchange({.method = "POST",
                   .url = path,
                   .headers = {{"Content-Type", "application/json"}},
                   .body = wire::to_text(body)});
}

Result<Json> Client::replace(const std::string& path, const Json& body) {
  return exchange({.method = "PUT",
                   .url = path,
                   .headers = {{"Content-Type", "application/json"}},
                   .body = wire::to_text(body)});
}

Result<Json> Client::patch(const std::string& path, const Json& body) {
  return exchange({.method = "PATCH",
                   .url = path,
                   .headers = {{"Content-Type", "application/merge-patch+json"}},
                   .body = wire::to_text(body)});
}

Result<Json> Client::json_patch(const std::string& path, const Json& operations) {
  return exchange({.method = "PATCH",
                   .url = path,
                   .headers = {{"Content-Type", "application/json-patch+json"}},
                   .body = wire::to_text(operations)});
}

Result<void> Client::watch(const std::string& path, const std::string& accept, Duration limit,
                           Duration idle, std::function<bool(std::string_view)> on_piece) {
  net::ClientRequest request{.url = path,
                             .headers = {{"Accept", accept.empty() ? "application/json" : accept}},
                             .timeout = limit,
                             .body_bytes_max = settings_.answer_bytes_max,
                             .on_piece = std::move(on_piece),
                             .idle_timeout = idle};
  if (const auto response = send(request); !response) return fail(response);
  return {};
}

Result<std::string> in_cluster_url(const std::function<const char*(const char*)>& environment) {
  const char* host = environment("KUBERNETES_SERVICE_HOST");
  const char* port = environment("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || *host == '\0' || port == nullptr || *port == '\0') {
    return fail("not_in_cluster",
                "kubernetes.url is not given, and KUBERNETES_SERVICE_HOST and _PORT are not set, "
                "as they are in a pod; expected https://HOST:PORT of the API server");
  }
  const std::string text(host);
  const bool is_ipv6 = text.find(':') != std::string::npos;
  return "https://" + (is_ipv6 ? "[" + text + "]" : text) + ":" + port;
}

}  // namespace outrider::kubernetes
