// SPDX-License-Identifier: Apache-2.0
// Bodies packed by anything: a byte that chooses the codings, then the body. What comes out is
// never longer than the limit, and the same again for the same body, whatever came between.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/content_coding.h"
#include "test/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using outrider::fuzz::require;
  constexpr std::size_t bytes_max = 1 << 16;
  static outrider::decode::Unpacker used{bytes_max};
  if (size == 0) return 0;
  static constexpr std::string_view codings[] = {
      "gzip", "deflate", "zstd", "gzip, zstd", "zstd, gzip", "deflate, gzip", "", "gzip, gzip"};
  const std::string_view coding = codings[data[0] % std::size(codings)];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto plain = used.unpack(coding, body);
  const std::string first = plain ? std::string(*plain) : "";
  require(coding.empty() || body.empty() || first.size() <= bytes_max, "the limit holds");
  outrider::decode::Unpacker fresh{bytes_max};
  const auto again = fresh.unpack(coding, body);
  require(again.has_value() == plain.has_value(), "what came before changes nothing");
  if (plain) require(*again == first, "the same body unpacks to the same bytes");
  if (!plain) require(again.error() == plain.error(), "the same reason");
  return 0;
}
