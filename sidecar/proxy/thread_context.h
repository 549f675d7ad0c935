// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the connections of one data thread share. Threads share nothing but the settings, so none of
// it is locked. SHELL.

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "sidecar/http1/head.h"
#include "sidecar/http1/rewrite.h"
#include "sidecar/proxy/added_fields.h"
#include "sidecar/proxy/client_connections.h"
#include "sidecar/proxy/exchange_context.h"
#include "sidecar/proxy/http2_relay.h"
#include "sidecar/proxy/read_buffer.h"
#include "sidecar/proxy/tls_credentials.h"
#include "sidecar/proxy/tls_transport.h"
#include "sidecar/proxy/upstream_pool.h"
#include "sidecar/proxy/upstream_queue.h"

namespace outrider::proxy {

// Of the step at hand: nothing in it outlives a call.
struct Http1Scratch {
  http1::RequestHead request_head;
  http1::ResponseHead response_head;
  http1::Pieces pieces;
  std::vector<std::string_view> content;
  ForwardedText forwarded{};
  TraceparentText traceparent{};
};

struct ThreadContext {
  ThreadContext(const Settings& s, const Upstream& upstream, const TlsCredentials& tls,
                tap::MemoryFile& file, std::size_t lane, const tap::PredictionIdMinter& minter,
                const MonotonicClock& clock);

  const Settings& settings;
  const http1::HeadLimits head_limits;
  ExchangeContext exchanges;
  std::size_t bytes_held = 0;  // In the buffers of all connections.
  Descriptor epoll;
  ReadBuffer read_buffer;
  std::optional<TlsSide> tls, upstream_tls;  // Where they are configured.
  UpstreamPool pool;
  UpstreamQueue queue;
  ClientConnections connections;
  Http1Scratch scratch;
  Http2Scratch http2;
  bool is_leaving = false;  // Responses say close: see drain.h.
};

}  // namespace outrider::proxy
