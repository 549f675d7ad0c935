// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy's counters as they lie in the memory file: one block a data thread, written by that
// thread alone and read by the monitor at each scrape; requests by model are in model_counters.h. A
// Counter has one writer, so adding is a plain load and store (no locked instruction, under 1 ns);
// readers see whole values, each no older than the last add they could observe.

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "sidecar/tap/exchange.h"

namespace outrider::tap {

class Counter {
 public:
  void add(std::uint64_t n = 1) { set(get() + n); }
  void subtract(std::uint64_t n = 1) { set(get() - n); }  // For gauges.
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// Buckets of requests' duration are an option, so their bounds lie in the memory file. Seconds.
inline constexpr std::size_t latency_bounds_max = 32;
inline constexpr double latency_bounds_usual[] = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25,
                                                  .5,    1,    2.5,   5,    10,  30,   60,  120};
// Overhead is microseconds, so its buckets are finer than the field's latency buckets. Seconds.
inline constexpr double overhead_buckets[] = {.00001, .000025, .00005, .0001, .00025, .0005,
                                              .001,   .0025,   .005,   .01,   .025,   .1};
inline constexpr std::size_t overhead_bucket_count = 13;

template <std::size_t Buckets>
struct HistogramCells {
  std::array<Counter, Buckets> buckets;  // Not cumulative; the one after the last bound is +Inf.
  Counter sum_nanoseconds;

  // At most Buckets - 1 bounds, ascending.
  void observe(std::uint64_t nanoseconds, std::span<const std::uint64_t> bounds) {
    std::size_t bucket = 0;
    while (bucket < bounds.size() && nanoseconds > bounds[bucket]) ++bucket;
    buckets[bucket].add();
    sum_nanoseconds.add(nanoseconds);
  }
};

// Why the proxy refused a request itself: with http1::Violation, the `reason` label of
// outrider_rejected_requests_total.
enum class Rejection : std::uint8_t {
  client_timeout,        // 408: the request's head or body came too slowly
  too_many_connections,  // 503
  queue_full,            // 503: too many requests wait for an upstream connection
  queue_timeout,         // 503
  wrong_protocol,        // 505: the upstream speaks the other HTTP
};
inline constexpr std::size_t rejection_count = 5;
std::string_view to_string(Rejection);

// What the upstream failed a request by: the `reason` label of outrider_upstream_failures_total and
// the "error" of the answer. Truncated: after the response's head, so the client was sent no answer
// of ours.
enum class UpstreamFailure : std::uint8_t {
  unreachable,       // 503
  connect_timeout,   // 503
  reset,             // 502
  closed,            // 502
  invalid_response,  // 502
  timeout,           // 504
  truncated,
};
inline constexpr std::size_t upstream_failure_count = 7;
std::string_view to_string(UpstreamFailure);

using GrpcCodeCounts = std::array<Counter, 18>;      // By grpc-status; the last one: none of them.
using TlsHandshakeCounts = std::array<Counter, 16>;  // By tls::HandshakeResult.

struct ProxyCounters {
  HistogramCells<overhead_bucket_count> overhead;
  std::array<Counter, rejection_count> rejected;
  std::array<Counter, 64> violations;         // By http1::Violation.
  std::array<Counter, 48> http2_violations;   // By http2::Violation, of either side.
  std::array<GrpcCodeCounts, 22> grpc_calls;  // By grpc_method_place().
  std::array<Counter, upstream_failure_count> upstream_failures;
  std::array<Counter, drop_reason_count> exchanges_dropped;
  std::array<Counter, skip_reason_count> exchanges_skipped;
  std::array<TlsHandshakeCounts, 2> tls_handshakes;      // By tls::Side.
  Counter request_bytes, response_bytes;                 // Of bodies, as forwarded.
  Counter requests_in_flight;                            // A gauge.
  Counter connections_accepted, connections_open;        // The second is a gauge.
  Counter connections_idle;                              // A gauge: kept alive, between requests.
  Counter idle_connections_evicted;                      // Closed early to make room for a new one.
  Counter accept_paused;                                 // No file descriptor was left.
  Counter upstream_connects, upstream_connect_failures;  // Attempts, and those that failed.
  Counter upstream_reused, upstream_retries;
  Counter upstream_active, upstream_idle;  // Gauges: the pool's state.
  Counter queue_depth;    // A gauge: requests that wait for an upstream connection.
  Counter capture_bytes;  // A gauge: held by exchanges that are being captured.
  Counter buffer_bytes;   // A gauge: held for peers that read slowly.
  Counter
      requests_of_other_models;  // Counted as "other": there was no slot, or the name was no text.
};

}  // namespace outrider::tap
