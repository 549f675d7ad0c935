// SPDX-License-Identifier: Apache-2.0
// Frames to our endpoint and to nghttp2: each is taken or refused by both, with the same heads and
// bodies, but for what against_nghttp2.h lists. The first byte chooses the role.
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "test/fuzz/require.h"
#include "test/sidecar/http2/against_nghttp2.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrider::http2;
  if (size == 0) return 0;
  const Role role = (data[0] & 1) != 0 ? Role::client : Role::server;
  const std::string difference =
      peers::compare(role, peers::Script({reinterpret_cast<const char*>(data) + 1, size - 1}));
  if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
  outrider::fuzz::require(difference.empty(), "nghttp2 and we make the same of all frames");
  return 0;
}
