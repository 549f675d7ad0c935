// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_metrics.h"

#include <utility>

namespace outrider::net {
namespace {

using wire::MetricSink;
using wire::MetricType;
using wire::SeriesKey;

void handshakes(MetricSink& sink, const std::vector<TlsFigures>& ports) {
  sink.family({"outrider_tls_handshakes_total", MetricType::counter,
               "TLS connections by how their handshake ended; side `client` is towards the "
               "upstream."});
  for (const TlsFigures& figures : ports) {
    for (const auto& [side, side_word] : tls::side_names) {
      const auto& of_side = figures.sides[static_cast<std::size_t>(side)];
      if (!of_side) continue;
      for (const auto& [result, word] : tls::handshake_result_names) {
        const auto count = of_side->handshakes[static_cast<std::size_t>(result)];
        sink.value(SeriesKey(Labels{{"port", figures.port},
                                    {"side", std::string(side_word)},
                                    {"result", std::string(word)}}),
                   static_cast<double>(count));
      }
    }
  }
}

void expiries(MetricSink& sink, const std::vector<TlsFigures>& ports) {
  sink.family({"outrider_tls_certificate_expiry_timestamp_seconds", MetricType::gauge,
               "When the first certificate of the chain in use ends."});
  for (const TlsFigures& figures : ports) {
    for (const auto& [side, word] : tls::side_names) {
      const auto& of_side = figures.sides[static_cast<std::size_t>(side)];
      if (!of_side || !of_side->expires_at) continue;
      const auto end = std::chrono::floor<std::chrono::seconds>(*of_side->expires_at);
      sink.value(SeriesKey(Labels{{"port", figures.port}, {"side", std::string(word)}}),
                 static_cast<double>(end.time_since_epoch().count()));
    }
  }
}

void reloads(MetricSink& sink, const std::vector<TlsFigures>& ports) {
  sink.family({"outrider_tls_reloads_total", MetricType::counter,
               "Changes of certificate files; after a failure the old ones stay in force."});
  for (const TlsFigures& figures : ports) {
    const auto key = [&](const char* result) {
      return SeriesKey(Labels{{"port", figures.port}, {"result", result}});
    };
    sink.value(key("success"), static_cast<double>(figures.reloads));
    sink.value(key("failure"), static_cast<double>(figures.reload_failures));
  }
}

}  // namespace

void TlsMetrics::add(Source source) {
  const std::lock_guard hold(lock_);
  sources_.push_back(std::move(source));
}

void TlsMetrics::collect(MetricSink& sink) {
  std::vector<TlsFigures> ports;
  {
    const std::lock_guard hold(lock_);
    for (const Source& source : sources_) {
      TlsFigures figures = source();
      if (figures.sides[0] || figures.sides[1]) ports.push_back(std::move(figures));
    }
  }
  if (ports.empty()) return;
  handshakes(sink, ports);
  expiries(sink, ports);
  reloads(sink, ports);
}

}  // namespace outrider::net
