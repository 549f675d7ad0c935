// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the proxy is told at its start. It parses nothing afterwards; what can change at run time
// (which exchanges are captured) comes through the memory file.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/clock.h"
#include "sidecar/tap/model_counters.h"

namespace outrider::proxy {

struct Settings {
  std::string listen_address = "0.0.0.0:9500";
  std::string upstream;  // http://, https:// or h2c://host:port, or unix:/path
  std::int64_t threads = 1;
  std::string reserved_path = "/-";  // /-/healthy and /-/ready are answered here; "": nothing is.

  // Limits of the client's side.
  std::int64_t connections_max = 16'384;   // Past it: the longest idle one goes, else 503.
  std::int64_t head_bytes_max = 64 << 10;  // Past it: 431.
  std::int64_t body_bytes_max = std::int64_t{1} << 30;  // Of a request; past it: 413.
  Duration head_timeout = std::chrono::seconds(10);     // For the whole head, from its first byte.
  Duration body_timeout = std::chrono::seconds(30);     // Between two reads of a request's body.
  Duration write_timeout = std::chrono::seconds(30);    // For a client that does not read.
  // Bytes a second, on average, of a client's body and of its reading; see min_data_rate.h. 0: any.
  std::int64_t rate_min = 100;
  Duration idle_timeout = std::chrono::seconds(75);  // Of a kept-alive client connection.

  // Limits of the upstream's side.
  std::int64_t upstream_connections_max = 1'024;
  std::int64_t upstream_idle_max = 256;
  std::int64_t queue_max = 1'024;  // Requests that wait for an upstream connection; past it: 503.
  Duration queue_timeout = std::chrono::seconds(5);
  Duration connect_timeout = std::chrono::seconds(3);
  Duration response_timeout = std::chrono::seconds(60);  // Until the response's head.
  Duration stream_timeout = std::chrono::seconds(300);   // Between two reads of a response's body.
  std::int64_t upstream_rate_min = 0;                    // Of a response's body. 0: any.
  Duration upstream_look_up_every = std::chrono::seconds(30);  // Of its name.
  Duration upstream_idle_timeout = std::chrono::seconds(4);    // Shorter than the upstream's own.

  std::int64_t buffer_bytes = 4 << 20;  // For slow peers; reads become small when it is used up.
  Duration drain_delay = std::chrono::seconds(0);  // See drain.h.
  Duration drain_timeout = std::chrono::seconds(20);

  std::string via;           // Pseudonym; "": no Via.
  bool forwarded = false;    // Adds Forwarded: for=…;proto=http.
  bool traceparent = false;  // Adds traceparent where the client sent none.

  // TLS; "" and {}: none. See base/tls/credentials.h.
  std::string tls_cert_dir;  // Of tls.crt, tls.key, ca.crt: clients speak TLS alone.
  bool tls_require_client_certificate = false;
  std::vector<std::string> tls_client_names;  // URI or DNS SANs that are allowed.
  std::string upstream_tls_ca;           // A file; "": ca.crt of the directory, else the system's.
  std::string upstream_tls_cert_dir;     // What the upstream is shown.
  std::string upstream_tls_server_name;  // "": the upstream's host.

  // What requests are told apart by in the metrics; fixed at the start, since they lie in the
  // memory file.
  std::int64_t models_max = tap::models_max_usual;
  std::vector<double> latency_buckets{std::begin(tap::latency_bounds_usual),
                                      std::end(tap::latency_bounds_usual)};

  bool tap_enabled = true;
  std::int64_t tap_bytes_max = 32 << 20;  // Ring and capture buffers together, of all threads.

  void add_to(config::OptionTable& table);

  // Without TLS an upstream speaks the one or the other; over TLS it says so, by ALPN.
  bool passes_http2() const { return !passes_http1() || upstream_speaks_tls(); }
  bool passes_http1() const { return !upstream.starts_with("h2c://"); }
  bool upstream_speaks_tls() const { return upstream.starts_with("https://"); }

  // One data thread's share of a limit, rounded up.
  std::size_t per_thread(std::int64_t total) const {
    return static_cast<std::size_t>((total + threads - 1) / threads);
  }

 private:
  void add_tls_to(config::OptionTable& table);
};

}  // namespace outrider::proxy
