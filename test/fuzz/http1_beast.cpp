// SPDX-License-Identifier: Apache-2.0
// Ours against Boost.Beast's parser: what ours accepts, Beast reads the same way. The first byte
// chooses between a request, a response and a chunked body.
#include <cstdint>
#include <string>
#include <string_view>

#include "test/fuzz/require.h"
#include "test/sidecar/http1/beast_oracle.h"

using namespace outrider::http1;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static RequestHead request;
  static ResponseHead response;
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  HeadCursor cursor;
  std::string difference;
  if (data[0] % 3 == 0) {
    difference = compare_heads(parse(bytes, cursor, HeadLimits{}, request), request, bytes);
  } else if (data[0] % 3 == 1) {
    difference = compare_heads(parse(bytes, cursor, HeadLimits{}, ResponseContext{}, response),
                               response, bytes);
  } else {
    difference = compare_bodies(bytes);
  }
  outrider::fuzz::require(difference.empty(), difference);
  return 0;
}
