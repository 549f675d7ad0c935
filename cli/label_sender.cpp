// SPDX-License-Identifier: Apache-2.0
#include "cli/label_sender.h"

#include <algorithm>
#include <thread>

#include "base/core/text.h"
#include "base/net/address.h"
#include "base/wire/json.h"

namespace outrider::cli {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::string_view path = "/api/v1/labels";
constexpr std::size_t answer_bytes_max = 64 << 20;
constexpr std::uint64_t wait_seconds_max = 60;
constexpr std::size_t shown_bytes = 300;

std::string address_of(const std::string& given) {
  const std::string url = net::without_slash(given);
  return url.ends_with(path) ? url : url + std::string(path);
}

// What the answer says of itself, in one line.
std::string words_of(const net::ClientResponse& response) {
  const auto json = wire::parse_json(response.body);
  std::string words = json && json->is_object() ? json->value("message", "") : "";
  if (words.empty()) words = std::string(trim(response.body.substr(0, shown_bytes)));
  std::replace(words.begin(), words.end(), '\n', ' ');
  return std::to_string(response.status) + (words.empty() ? "" : ": " + words);
}

}  // namespace

LabelSender::LabelSender(Settings settings, OnRetry on_retry)
    : settings_(std::move(settings)),
      on_retry_(std::move(on_retry)),
      url_(address_of(settings_.url)) {}

Result<BatchAnswer> LabelSender::send(const std::string& body) {
  const auto give_up = Steady::now() + settings_.retry_for;
  backoff_.reset();
  for (bool first = true;; first = false) {
    bool again = false;
    Duration wait_min{0};
    auto verdicts = attempt(body, again, wait_min);
    if (verdicts) return BatchAnswer{std::move(*verdicts), !first};
    if (!again) return fail(verdicts);
    const Duration wait =
        std::max(wait_min, backoff_.next(std::generate_canonical<double, 24>(random_)));
    if (Steady::now() + wait > give_up) {
      return fail("unavailable", verdicts.error().message + "; no answer for " +
                                     format_duration(settings_.retry_for) +
                                     " (--retry-for), so it was given up");
    }
    on_retry_(verdicts.error().message, wait);
    std::this_thread::sleep_for(wait);
  }
}

Result<std::vector<LabelVerdict>> LabelSender::attempt(const std::string& body, bool& again,
                                                       Duration& wait_min) {
  net::ClientRequest request{.method = "POST", .url = url_};
  request.headers.push_back({"Content-Type", "application/x-ndjson"});
  if (!settings_.bearer_token.empty()) {
    request.headers.push_back({"Authorization", "Bearer " + settings_.bearer_token});
  }
  request.body = body;
  request.timeout = settings_.timeout;
  request.body_bytes_max = answer_bytes_max;
  settings_.credentials.apply_tls(request);
  const auto response = client_.send(request);
  if (!response) {
    const std::string_view code = response.error().code;
    again = code == "unreachable" || code == "cut_off" || code == "timeout";
    return fail("unreachable", url_ + ": " + response.error().message);
  }
  // 400 may be the answer to a batch of nothing but invalid labels: then it has its results.
  if (response->status == 200 || response->status == 400) {
    auto verdicts = read_verdicts(response->body);
    if (verdicts || response->status == 200) return verdicts;
  }
  if (response->status == 413) return fail("too_large", url_ + " answered " + words_of(*response));
  again = response->status >= 500 || response->status == 429 || response->status == 408;
  if (!again) return refused(*response);
  if (const auto seconds = parse_uint(response->header("Retry-After"))) {
    wait_min = std::chrono::seconds(std::min(*seconds, wait_seconds_max));
  }
  return fail("unavailable", url_ + " answered " + words_of(*response));
}

Failure LabelSender::refused(const net::ClientResponse& response) const {
  std::string what = url_ + " answered " + words_of(response);
  if (response.status == 401 || response.status == 403) {
    what += settings_.bearer_token.empty()
                ? "; it wants a token: --bearer-token-file FILE"
                : "; the token of --bearer-token-file is not the one it wants";
  } else if (response.status == 404 || response.status == 405) {
    what += "; --url must be a sidecar's admin port (9501), its label port, or the agent (9510)";
  } else if (response.status >= 300 && response.status < 400) {
    what += "; redirects are not followed: write the address that it leads to";
  }
  return fail("refused", what);
}

}  // namespace outrider::cli
