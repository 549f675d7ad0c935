// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/thread_context.h"

#include <sys/epoll.h>

#include <utility>

namespace outrider::proxy {
namespace {

http1::HeadLimits limits_of(const Settings& settings) {
  http1::HeadLimits limits;
  limits.head_bytes = static_cast<std::uint32_t>(settings.head_bytes_max);
  if (limits.request_line_bytes > limits.head_bytes) limits.request_line_bytes = limits.head_bytes;
  return limits;
}

std::optional<TlsSide> side_of(const TlsCredentials& credentials, tls::Side side,
                               tap::ProxyCounters& counters, std::size_t& bytes_held) {
  const tls::Credentials* found = credentials.of(side);
  if (found == nullptr) return std::nullopt;
  return std::optional<TlsSide>(
      std::in_place, *found, counters.tls_handshakes[static_cast<std::size_t>(side)], bytes_held);
}

}  // namespace

ThreadContext::ThreadContext(const Settings& s, const Upstream& upstream,
                             const TlsCredentials& credentials, tap::MemoryFile& file,
                             std::size_t lane, const tap::PredictionIdMinter& minter,
                             const MonotonicClock& clock)
    : settings(s),
      head_limits(limits_of(s)),
      exchanges(s, file, lane, minter, clock),
      epoll(::epoll_create1(EPOLL_CLOEXEC)),
      read_buffer(static_cast<std::size_t>(s.buffer_bytes) / static_cast<std::size_t>(s.threads),
                  bytes_held),
      tls(side_of(credentials, tls::Side::server, exchanges.counters, bytes_held)),
      upstream_tls(side_of(credentials, tls::Side::client, exchanges.counters, bytes_held)),
      pool({s.per_thread(s.upstream_connections_max), s.per_thread(s.upstream_idle_max),
            s.upstream_idle_timeout},
           upstream, epoll.get(), exchanges.counters, bytes_held,
           upstream_tls ? &*upstream_tls : nullptr),
      queue(s.per_thread(s.queue_max), exchanges.counters.queue_depth),
      connections(s.per_thread(s.connections_max), exchanges.counters) {}

}  // namespace outrider::proxy
