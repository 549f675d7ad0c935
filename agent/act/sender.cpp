// SPDX-License-Identifier: Apache-2.0
#include "agent/act/sender.h"

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::act {
namespace {

constexpr std::size_t answer_bytes_max = 1 << 20;
constexpr std::size_t credentials_bytes_max = 64 << 10;

}  // namespace

decide::Answer Sender::send(const decide::Delivery& delivery) {
  net::ClientRequest request{.method = delivery.method, .url = delivery.url, .body = delivery.body};
  for (const auto& [header, value] : delivery.headers) request.headers.push_back({header, value});
  return exchange(delivery, std::move(request));
}

decide::Answer Sender::ask_job(const decide::Action& action) {
  return exchange(action.delivery, {.method = "GET", .url = action.job_url});
}

decide::Answer Sender::exchange(const decide::Delivery& delivery, net::ClientRequest request) {
  request.timeout = delivery.timeout;
  request.body_bytes_max = answer_bytes_max;
  request.ca_file = delivery.ca_file;
  request.headers.push_back({"User-Agent", "outrider-agent/" + std::string(version())});
  if (!delivery.credentials_file.empty()) {
    // Read at each request: tokens are rotated under us.
    const auto secret = config::read_file(delivery.credentials_file, credentials_bytes_max);
    if (!secret) return {.status = 0, .error = "its credentials: " + secret.error().message};
    request.headers.push_back(
        {"Authorization", delivery.authorization_type + " " + std::string(trim(*secret))});
  }
  const auto response = client_.send(request);
  if (!response) return {.status = 0, .error = response.error().message};
  return {.status = response->status,
          .error = {},
          .location = std::string(response->header("Location")),
          .retry_after = std::string(response->header("Retry-After")),
          .body = response->body};
}

}  // namespace outrider::act
