// SPDX-License-Identifier: Apache-2.0
#include "base/net/address.h"

#include <unistd.h>

#include "base/core/text.h"

namespace outrider::net {

Result<Address> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const auto port =
      colon == std::string_view::npos ? std::nullopt : parse_uint(text.substr(colon + 1));
  if (!port || *port > 65535) {
    return fail("bad_address",
                "'" + std::string(text) + "': expected HOST:PORT, e.g. 127.0.0.1:9501");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return Address{std::string(host), static_cast<std::uint16_t>(*port)};
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string host_name() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}  // namespace outrider::net
