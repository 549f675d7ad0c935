// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of sending by remote write: the same flags in every program that has them.
//
//   Options options;
//   options.add_to(table);                 // --remote-write.url and the rest
//   …parse…
//   if (options.enabled()) Sender sender(options, folder, clock);

#include <cstdint>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/series.h"
#include "base/net/http_server.h"
#include "base/remote_write/codec/delivery.h"

namespace outrider::remote_write {

// The variables must outlive the table they are added to.
struct Options {
  std::string url;  // "": nothing is sent.
  std::string protocol = "auto";
  std::string job;       // Of the program's own metrics; the program sets its default.
  std::string instance;  // "": HOST:PORT.
  Duration interval = std::chrono::seconds(5);
  std::vector<std::string> external_labels;
  std::vector<std::string> headers;
  std::string basic_auth_user, basic_auth_password_file, bearer_token_file;
  std::string ca_file, certificate_file, key_file;
  bool verify_tls = true;
  Duration timeout = std::chrono::seconds(5);
  Duration batch_deadline = std::chrono::seconds(1);
  std::int64_t samples_per_send_max = 2'000;
  std::int64_t queue_bytes_max = std::int64_t{512} << 20;
  Duration queue_age_max = std::chrono::hours(2);
  std::int64_t memory_bytes_max = 16 << 20;
  Duration flush_deadline = std::chrono::seconds(5);

  bool enabled() const { return !url.empty(); }
  void add_to(config::OptionTable& table);
};

// "NAME=VALUE" each. Error "bad_options": what stands where, and what was expected.
Result<Labels> parse_external_labels(const std::vector<std::string>& texts);

// "Name: value" each. Those that the protocol sets itself are refused.
Result<std::vector<net::Header>> parse_headers(const std::vector<std::string>& texts);

}  // namespace outrider::remote_write
