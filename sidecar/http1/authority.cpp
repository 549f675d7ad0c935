// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/authority.h"

#include <algorithm>

#include "base/core/text.h"
#include "sidecar/http1/characters.h"

namespace outrider::http1 {
namespace {

bool is_registered_name(std::string_view host) {
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (is(host[i], host_class)) continue;
    if (host[i] != '%' || host.size() - i < 3 || !all(host.substr(i + 1, 2), hex_class))
      return false;
    i += 2;
  }
  return !host.empty();
}

}  // namespace

bool split_authority(std::string_view text, Authority& out) {
  std::size_t host_end = 0;
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return false;
    const std::string_view address = text.substr(1, bracket - 1);
    if (address.find(':') == std::string_view::npos) return false;
    for (const char c : address) {
      if (!is(c, hex_class) && c != ':' && c != '.') return false;
    }
    host_end = bracket + 1;
  } else {
    host_end = std::min(text.find(':'), text.size());
    if (!is_registered_name(text.substr(0, host_end))) return false;
  }
  out.host = text.substr(0, host_end);
  out.port = {};
  if (host_end == text.size()) return true;
  if (text[host_end] != ':') return false;
  out.port = text.substr(host_end + 1);
  return all(out.port, digit_class) && out.port.size() <= 5 &&
         (out.port.size() < 5 || out.port <= "65535");
}

bool same_authority(const Authority& a, const Authority& b, std::string_view default_port) {
  const auto port = [&](const Authority& x) { return x.port.empty() ? default_port : x.port; };
  return iequals_ascii(a.host, b.host) && port(a) == port(b);
}

}  // namespace outrider::http1
