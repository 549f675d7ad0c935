// SPDX-License-Identifier: Apache-2.0
// A segment of the remote write queue, whatever its bytes. What is found sound would be written so
// again, and what is skipped and found together is all there is.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/remote_write/codec/encode.h"
#include "base/remote_write/codec/snappy_block.h"
#include "base/remote_write/record.h"
#include "test/fuzz/require.h"

using namespace outrider;
using namespace outrider::remote_write;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::size_t offset = 0, accounted = 0;
  std::string buffer;
  while (offset < bytes.size()) {
    const Found found = next_record(bytes, offset);
    accounted += found.skipped;
    fuzz::require(found.end > offset, "the search goes on");
    if (found.record) {
      const std::string again = encode_record(found.record->header, found.record->payload);
      fuzz::require(again == bytes.substr(found.end - again.size(), again.size()),
                    "a sound record is written the same");
      accounted += again.size();
      if (const auto message = decompress_snappy(found.record->payload, 1 << 20, buffer)) {
        (void)downgrade(*message);
      }
    }
    offset = found.end;
  }
  fuzz::require(accounted == bytes.size(), "every byte is found or skipped");
  return 0;
}
