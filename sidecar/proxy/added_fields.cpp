// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/added_fields.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstring>

namespace outrider::proxy {

PeerAddress::PeerAddress(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET6) {
    family = AF_INET6;
    address = reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr;
  } else {
    std::memcpy(&address, &reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr, sizeof(in_addr));
  }
}

std::string_view forwarded_element(const PeerAddress& peer, bool is_tls, ForwardedText& text) {
  char address[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(peer.family, &peer.address, address, sizeof address);
  const char* format = peer.family == AF_INET6 ? "for=\"[%s]\";proto=%s" : "for=%s;proto=%s";
  const int n = std::snprintf(text.data(), text.size(), format, address, is_tls ? "https" : "http");
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
