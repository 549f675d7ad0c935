// SPDX-License-Identifier: Apache-2.0
#include "sidecar/options/proxy_options.h"

namespace outrider::proxy {

void Settings::add_to(config::OptionTable& table) {
  constexpr double hour = 3600, day = 24 * hour;
  table
      .add("upstream", upstream,
           "The model server: http://HOST:PORT, https://HOST:PORT for TLS (HTTP/1.1 and HTTP/2), "
           "unix:PATH for a socket; or h2c://HOST:PORT, which speaks HTTP/2 alone (gRPC).")
      .example("http://127.0.0.1:8080")
      .value_name("URL");
  table.add("proxy.listen-address", listen_address, "Address that clients connect to.")
      .value_name("HOST:PORT");
  table.add("proxy.threads", threads, "Data threads, each with its own listening socket.")
      .between(1, 64);
  table.add("proxy.reserved-path", reserved_path,
            "Below it the proxy itself answers healthy and ready; empty: it never answers.");
  table
      .add("proxy.connections-max", connections_max,
           "Client connections; past it the longest idle one "
           "is closed, else the new one is answered 503.")
      .between(1, 1e6);
  table.add("proxy.head-bytes-max", head_bytes_max, "A message's head; a request past it: 431.")
      .as_bytes()
      .between(1024, 1 << 20);
  table.add("proxy.body-bytes-max", body_bytes_max, "A request's body; past it: 413.")
      .as_bytes()
      .between(0, 1e15);
  table.add("proxy.head-timeout", head_timeout, "For a request's whole head; past it: 408.")
      .between(.01, hour);
  table
      .add("proxy.body-timeout", body_timeout,
           "Between two reads of a request's body; past it: 408.")
      .between(.01, hour);
  table.add("proxy.write-timeout", write_timeout, "For a client that does not read its response.")
      .between(.01, hour);
  table
      .add("proxy.rate-min", rate_min,
           "Bytes a second that a client must send of its body, and read of its response, on "
           "average "
           "past the timeouts above; 0: any.")
      .as_bytes()
      .between(0, 1e9);
  table.add("proxy.idle-timeout", idle_timeout, "Of a client connection between requests.")
      .between(.01, day);
  table
      .add("proxy.buffer-bytes", buffer_bytes,
           "Bytes held for slow peers, before reads become small.")
      .as_bytes()
      .between(64 << 10, 1 << 30);
  table
      .add("proxy.drain-delay", drain_delay,
           "After SIGTERM: unready, but serving old and new connections for so long.")
      .between(0, hour);
  table
      .add("proxy.drain-timeout", drain_timeout,
           "After SIGTERM and that delay, for requests at hand.")
      .between(0, hour);
  table.add("proxy.via", via, "Pseudonym to add to Via; empty: no Via is added.").as_word();
  table.add("proxy.forwarded", forwarded, "Add Forwarded with the client's address.");
  table.add("proxy.traceparent", traceparent, "Add traceparent where the client sent none.");
  table
      .add("proxy.latency-buckets", latency_buckets,
           "Upper bounds of outrider_request_duration_seconds, in seconds, ascending. A latency "
           "objective must be one of them.")
      .between(1e-6, day)
      .at_most(tap::latency_bounds_max);
  table
      .add("proxy.models-max", models_max,
           "Model names that requests are counted by; further ones count as `other`.")
      .between(1, tap::models_max_limit);
  table.add("upstream.connections-max", upstream_connections_max, "Connections to the upstream.")
      .between(1, 1e6);
  table.add("upstream.idle-max", upstream_idle_max, "Connections kept for reuse.").between(0, 1e6);
  table.add("upstream.queue-max", queue_max, "Requests that wait for a connection; past it: 503.")
      .between(0, 1e6);
  table.add("upstream.queue-timeout", queue_timeout, "For their wait; past it: 503.")
      .between(.01, hour);
  table.add("upstream.connect-timeout", connect_timeout, "For a new connection; past it: 503.")
      .between(.01, hour);
  table.add("upstream.response-timeout", response_timeout, "Until a response begins; past it: 504.")
      .between(.01, day);
  table.add("upstream.stream-timeout", stream_timeout, "Between two reads of a response's body.")
      .between(.01, day);
  table
      .add("upstream.rate-min", upstream_rate_min,
           "Bytes a second of a response's body on average past that timeout; 0: any, as streamed "
           "answers need.")
      .as_bytes()
      .between(0, 1e9);
  table
      .add("upstream.look-up-every", upstream_look_up_every,
           "How often its name is looked up again, besides after each failed connection.")
      .between(1, day);
  table
      .add("upstream.idle-timeout", upstream_idle_timeout,
           "Of a connection kept for reuse; keep it "
           "shorter than the upstream's own.")
      .between(.01, day);
  add_tls_to(table);
  table.add("tap.enabled", tap_enabled, "Copy exchanges for the monitor.");
  table.add("tap.max-bytes", tap_bytes_max, "Ring and capture buffers together.")
      .as_bytes()
      .between(1 << 20, std::int64_t{1} << 40);
}

void Settings::add_tls_to(config::OptionTable& table) {
  table
      .add("tls.cert-dir", tls_cert_dir,
           "Directory with tls.crt and tls.key, as a Kubernetes Secret is mounted: clients then "
           "speak TLS (1.2 or 1.3) alone. Read again when it changes; empty: plain HTTP.")
      .value_name("DIR");
  table.add("tls.require-client-certificate", tls_require_client_certificate,
            "Refuse a client without a certificate that ca.crt in tls.cert-dir has signed.");
  table
      .add("tls.client-name", tls_client_names,
           "A URI or DNS name, one of which a client's certificate must have as a subject "
           "alternative name. Repeatable; none: any certificate that ca.crt has signed.")
      .value_name("NAME")
      .example("spiffe://cluster.local/ns/shop/sa/web");
  table
      .add("upstream.tls-ca", upstream_tls_ca,
           "File of the authorities that an https upstream's certificate is verified by; empty: "
           "ca.crt in upstream.tls-cert-dir, else the system's.")
      .value_name("FILE");
  table
      .add("upstream.tls-cert-dir", upstream_tls_cert_dir,
           "Directory with the tls.crt and tls.key that an https upstream is shown; empty: none.")
      .value_name("DIR");
  table
      .add("upstream.tls-server-name", upstream_tls_server_name,
           "Name that an https upstream's certificate must have; empty: the upstream's host.")
      .value_name("NAME");
}

}  // namespace outrider::proxy
