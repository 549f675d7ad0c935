// SPDX-License-Identifier: Apache-2.0
#pragma once

// outrider_tls_*: the same families for every port of a program, whoever carries it.
//
//   TlsMetrics metrics;
//   metrics.add([&port] { return std::vector{port.figures()}; });
//   … a collector of the page …

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/tls/handshake_result.h"
#include "base/wire/exposition.h"

namespace outrider::net {

using TlsHandshakeCounts = std::array<std::uint64_t, tls::handshake_result_count>;

// Of one side of a port.
struct TlsSideFigures {
  TlsHandshakeCounts handshakes{};  // By tls::HandshakeResult.
  std::optional<Time> expires_at;   // Of our certificate; none: we show none.
};

// Of one port, both sides of which may speak TLS.
struct TlsFigures {
  std::string port;  // "proxy", "admin", "labels", "agent", "predictor".
  std::array<std::optional<TlsSideFigures>, 2> sides;  // By tls::Side; none: it speaks no TLS.
  std::uint64_t reloads = 0, reload_failures = 0;
};

// Thread-safe. What is added must outlive it.
class TlsMetrics final : public wire::Collector {
 public:
  using Source = std::function<TlsFigures()>;
  void add(Source source);
  // A port without TLS has no series; one with it has all of them, at 0, from the start.
  void collect(wire::MetricSink& sink) override;

 private:
  std::mutex lock_;
  std::vector<Source> sources_;
};

}  // namespace outrider::net
