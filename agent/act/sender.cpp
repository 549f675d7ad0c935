// SPDX-License-Identifier: Apache-2.0
#include "agent/act/sender.h"

#include "agent/act/outgoing.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::act {
namespace {

constexpr std::size_t answer_bytes_max = 1 << 20;
constexpr std::size_t credentials_bytes_max = 64 << 10;
constexpr std::size_t key_bytes_min = 16;  // A shorter one can be guessed.

}  // namespace

decide::Answer Sender::send(const decide::Delivery& delivery, std::int64_t fencing_number) {
  net::ClientRequest request{.method = delivery.method, .url = delivery.url, .body = delivery.body};
  for (const auto& [header, value] : delivery.headers) request.headers.push_back({header, value});
  if (fencing_number != 0)
    request.headers.push_back({"Outrider-Fencing-Number", std::to_string(fencing_number)});
  return exchange(delivery, std::move(request));
}

decide::Answer Sender::ask_job(const decide::Delivery& delivery, const std::string& job_url) {
  return exchange(delivery, {.method = "GET", .url = job_url});
}

Result<void> Sender::sign(net::ClientRequest& request, const std::string& key_file) const {
  if (key_file.empty()) return {};
  const auto key = config::read_file(key_file, credentials_bytes_max);
  if (!key) return fail(key);
  const std::string_view secret = trim(*key);
  if (secret.size() < key_bytes_min) {
    return fail("bad_key",
                key_file + ": expected at least " + std::to_string(key_bytes_min) + " characters");
  }
  const std::string timestamp = std::to_string(to_unix_ms(clock_.now()) / 1000);
  request.headers.push_back({"Outrider-Timestamp", timestamp});
  request.headers.push_back(
      {"Outrider-Signature", "sha256=" + hmac_sha256_hex(secret, timestamp + "." + request.body)});
  return {};
}

decide::Answer Sender::exchange(const decide::Delivery& delivery, net::ClientRequest request) {
  if (const auto allowed = check_host(request.url, settings_.allowed_hosts); !allowed)
    return {.status = 0, .error = allowed.error().message, .was_sent = false};
  const std::string& key_file =
      delivery.signing_key_file.empty() ? settings_.signing_key_file : delivery.signing_key_file;
  if (const auto done = sign(request, key_file); !done) {
    return {
        .status = 0, .error = "it cannot be signed: " + done.error().message, .was_sent = false};
  }
  request.timeout = delivery.timeout;
  request.body_bytes_max = answer_bytes_max;
  request.ca_file = delivery.ca_file;
  request.headers.push_back({"User-Agent", "outrider-agent/" + std::string(version())});
  if (!delivery.credentials_file.empty()) {
    // Read at each request: tokens are rotated under us.
    const auto secret = config::read_file(delivery.credentials_file, credentials_bytes_max);
    if (!secret) {
      return {
          .status = 0, .error = "its credentials: " + secret.error().message, .was_sent = false};
    }
    request.headers.push_back(
        {"Authorization", delivery.authorization_type + " " + std::string(trim(*secret))});
  }
  const auto response = client_.send(request);
  if (!response) {
    // Nobody was there, or the other side could not be trusted: nothing left the agent.
    const std::string_view code = response.error().code;
    const bool was_sent = code != "unreachable" && code != "tls_failed" && code != "bad_url";
    return {.status = 0, .error = response.error().message, .was_sent = was_sent};
  }
  return {.status = response->status,
          .error = {},
          .location = std::string(response->header("Location")),
          .retry_after = std::string(response->header("Retry-After")),
          .body = response->body};
}

}  // namespace outrider::act
