// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sends batches of labels to POST /api/v1/labels of a sidecar or an agent, again and again while it
// cannot be had. SHELL.

#include <functional>
#include <random>
#include <string>

#include "base/core/backoff.h"
#include "base/core/clock.h"
#include "base/net/http_client.h"
#include "cli/credential_files.h"
#include "cli/labels/label_import.h"

namespace outrider::cli {

class LabelSender {
 public:
  struct Settings {
    std::string url;  // Of the API, or whole with /api/v1/labels.
    std::string bearer_token;
    CredentialFiles credentials;  // But the token, which stands above.
    Duration timeout = std::chrono::seconds(60);
    Duration retry_for = std::chrono::minutes(5);  // Without an answer.
  };
  // Told of each attempt that failed and will be repeated.
  using OnRetry = std::function<void(const std::string& why, Duration wait)>;

  LabelSender(Settings settings, OnRetry on_retry);

  // Errors: "too_large" (413); "refused" (any other answer that sending again does not change),
  // with what to change; "unavailable" when retry_for has passed.
  Result<BatchAnswer> send(const std::string& body);

 private:
  // An answer; or why there is none, which is worth another attempt if `again` is true.
  Result<std::vector<LabelVerdict>> attempt(const std::string& body, bool& again,
                                            Duration& wait_min);
  Failure refused(const net::ClientResponse& response) const;

  Settings settings_;
  OnRetry on_retry_;
  std::string url_;
  net::HttpClient client_;
  Backoff backoff_{{.initial = std::chrono::milliseconds(200), .max = std::chrono::seconds(10)}};
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace outrider::cli
