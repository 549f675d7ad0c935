// SPDX-License-Identifier: Apache-2.0
#include "cli/inject/protocol.h"

#include "base/core/text.h"

namespace outrider::inject {

bool speaks_http2(const ContainerPort& port) {
  return port.name.starts_with("grpc") || port.name.starts_with("h2c") ||
         port.name.starts_with("http2");
}

bool declares_http2(std::string_view app_protocol) {
  const std::string word = lower_ascii(app_protocol);
  return word == "kubernetes.io/h2c" || word == "h2c" || word == "http2" || word == "grpc";
}

std::string_view obstacle_of_protocol(std::string_view app_protocol) {
  const std::string word = lower_ascii(app_protocol);
  for (const std::string_view tls : {"https", "grpcs", "kubernetes.io/wss", "tls", "hbone"})
    if (word == tls)
      return "TLS of the model itself, and inject leads to plain HTTP; write the sidecar by hand, "
             "with --upstream https://… (docs/tls.md)";
  for (const std::string_view other : {"tcp", "udp", "mongo", "mysql", "redis"})
    if (word == other) return "no HTTP";
  return "";
}

}  // namespace outrider::inject
