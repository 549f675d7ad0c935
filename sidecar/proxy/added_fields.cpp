// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/added_fields.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdio>
#include <cstring>

namespace outrider::proxy {

std::string_view forwarded_element(const sockaddr_storage& peer, ForwardedText& text) {
  char address[INET6_ADDRSTRLEN] = "";
  int n = 0;
  if (peer.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr, address,
                sizeof address);
    n = std::snprintf(text.data(), text.size(), "for=\"[%s]\";proto=http", address);
  } else {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr, address,
                sizeof address);
    n = std::snprintf(text.data(), text.size(), "for=%s;proto=http", address);
  }
  return {text.data(), static_cast<std::size_t>(n)};
}

std::string_view traceparent_of(const tap::PredictionId& id, TraceparentText& text) {
  char* out = text.data();
  const auto put = [&out](std::string_view piece) {
    std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  };
  char digits[32];
  std::size_t n = 0;
  for (const char c : id)
    if (c != '-') digits[n++] = c;
  put("00-");
  put({digits, 32});
  put("-");
  put({digits + 16, 16});
  put("-01");
  return {text.data(), text.size()};
}

}  // namespace outrider::proxy
