// SPDX-License-Identifier: Apache-2.0
// What Prometheus answers to instant and range queries.
#include "agent/query/prometheus.h"
#include "test/fuzz/require.h"

using namespace outrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto range = query::parse_range_answer(body); !range) {
    fuzz::require(!range.error().message.empty(), "an error has words");
  }
  if (const auto instant = query::parse_instant_answer(body); !instant) {
    fuzz::require(!instant.error().message.empty(), "an error has words");
  }
  return 0;
}
