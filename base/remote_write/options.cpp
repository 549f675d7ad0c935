// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/options.h"

#include <algorithm>

#include "base/core/text.h"

namespace outrider::remote_write {
namespace {

constexpr std::string_view own_headers[] = {"content-type",
                                            "content-encoding",
                                            "x-prometheus-remote-write-version",
                                            "user-agent",
                                            "host",
                                            "transfer-encoding",
                                            "content-length"};

bool is_label_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !is_letter(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool is_header_name(std::string_view name) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string_view::npos;
  });
}

}  // namespace

void Options::add_to(config::OptionTable& table) {
  table
      .add("remote-write.url", url,
           "Send the metrics to this Prometheus remote write receiver; empty: to none.")
      .as_url()
      .example("http://prometheus:9090/api/v1/write");
  table
      .add("remote-write.protocol", protocol,
           "auto sends 2.0 and falls back to 1.0 where the receiver knows no other.")
      .one_of({"auto", "1.0", "2.0"});
  table.add("remote-write.job", job, "The label job of the program's own metrics.");
  table
      .add("remote-write.instance", instance,
           "The label instance of the program's own metrics; empty: this machine's name and the "
           "admin port.")
      .value_name("HOST:PORT");
  table.add("remote-write.interval", interval, "How often the program's own metrics are sent.")
      .between(0.1, 300);
  table
      .add("remote-write.external-label", external_labels,
           "A label for every series that has none of that name.")
      .value_name("NAME=VALUE")
      .example("cluster=eu-1");
  table.add("remote-write.header", headers, "A header for every request.")
      .value_name("NAME:VALUE")
      .example("X-Scope-OrgID: shop");
  table.add("remote-write.basic-auth-user", basic_auth_user, "User of basic authentication.");
  table
      .add("remote-write.basic-auth-password-file", basic_auth_password_file,
           "File with the password of basic authentication; read anew for each request.")
      .value_name("FILE");
  table
      .add("remote-write.bearer-token-file", bearer_token_file,
           "File with a bearer token; read anew for each request, so it may be rotated.")
      .value_name("FILE");
  table
      .add("remote-write.tls-ca-file", ca_file,
           "PEM of the authority that signs the receiver's certificate; empty: the system's.")
      .value_name("FILE");
  table
      .add("remote-write.tls-certificate-file", certificate_file,
           "PEM of the certificate to show the receiver.")
      .value_name("FILE");
  table.add("remote-write.tls-key-file", key_file, "PEM of that certificate's key.")
      .value_name("FILE");
  table.add("remote-write.tls-verify", verify_tls,
            "Whether the receiver's certificate is checked.");
  table.add("remote-write.timeout", timeout, "How long one request may take.").between(0.1, 300);
  table
      .add("remote-write.batch-deadline", batch_deadline,
           "How long a sample waits for others to fill a request.")
      .between(0.01, 5);
  table.add("remote-write.max-samples-per-send", samples_per_send_max, "Samples in a request.")
      .between(1, 100'000);
  table
      .add("remote-write.queue-max-bytes", queue_bytes_max,
           "The queue on disk; past it the oldest samples are dropped and counted.")
      .as_bytes()
      .between(64 << 10, 1e12);
  table
      .add("remote-write.queue-max-age", queue_age_max,
           "Samples that waited longer than this are dropped and counted.")
      .between(1, 30.0 * 86400);
  table
      .add("remote-write.memory-max-bytes", memory_bytes_max,
           "What the queue may hold in memory while its disk is full or fails.")
      .as_bytes()
      .between(64 << 10, 1 << 30);
  table
      .add("remote-write.flush-deadline", flush_deadline,
           "How long the end of the program waits for what is queued to be sent; the rest stays on "
           "disk.")
      .between(0, 300);
}

Result<Labels> parse_external_labels(const std::vector<std::string>& texts) {
  Labels labels;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || !is_label_name(std::string_view(text).substr(0, equals)) ||
        text.starts_with("__")) {
      return fail("bad_options", "remote-write.external-label=" + text +
                                     ": expected NAME=VALUE with a label's name, as cluster=eu-1");
    }
    labels.set(text.substr(0, equals), text.substr(equals + 1));
  }
  return labels;
}

Result<std::vector<net::Header>> parse_headers(const std::vector<std::string>& texts) {
  std::vector<net::Header> headers;
  for (const std::string& text : texts) {
    const std::size_t colon = text.find(':');
    const std::string name(trim(std::string_view(text).substr(0, colon)));
    if (colon == std::string::npos || !is_header_name(name) ||
        text.find_first_of("\r\n") != std::string::npos) {
      return fail("bad_options",
                  "remote-write.header=" + text + ": expected NAME: VALUE on one line");
    }
    const auto is_it = [&](std::string_view own) { return iequals_ascii(own, name); };
    if (std::any_of(std::begin(own_headers), std::end(own_headers), is_it)) {
      return fail("bad_options", "remote-write.header=" + text +
                                     ": the protocol sets this header itself; leave it out");
    }
    headers.push_back({name, std::string(trim(std::string_view(text).substr(colon + 1)))});
  }
  return headers;
}

}  // namespace outrider::remote_write
