// SPDX-License-Identifier: Apache-2.0
// Shipped predictions, as anybody may post them to the agent; records of a topic, as anybody may
// write them there; and the states of streams, as a
// damaged disk may give them back.
#include <cstdint>
#include <string_view>

#include "test/fuzz/require.h"
#include "truth/shipment.h"
#include "truth/topic_record.h"

using namespace outrider;
using namespace outrider::truth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Time now = from_unix_ms(1'700'000'000'000);
  if (const auto shipment = decode_shipment(bytes, now, true)) {
    fuzz::require(shipment->sender.complete_until <= now, "nobody is ahead of the receiver");
    fuzz::require(shipment->sequences.size() == shipment->predictions.entries.size(),
                  "each entry has its number");
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < shipment->sequences.size(); ++i) {
      const AppendEntry& entry = shipment->predictions.entries[i];
      fuzz::require(shipment->sequences[i] >= next && entry.rows > 0, "numbers ascend");
      next = shipment->sequences[i] + entry.rows;
      // A group is its length and its bytes.
      ByteReader group(shipment->predictions.group(entry));
      std::uint32_t rows = 0;
      (void)find_row(shipment->predictions.group(entry), {entry.id, 0}, rows);
      fuzz::require(rows == entry.rows, "what was encoded is found");
    }
  } else {
    fuzz::require(!shipment.error().message.empty(), "a refusal says why");
  }
  if (const auto record = parse_topic_record(bytes, now, true)) {
    if (const auto* label = std::get_if<TopicLabel>(&*record)) {
      const auto again = parse_topic_record(write_topic_label(*label), now, true);
      fuzz::require(again && std::get<TopicLabel>(*again).label.id == label->label.id,
                    "a label is written as it was read");
      const std::string key = topic_key(label->label.id);
      fuzz::require(topic_key(key) == key, "a key is its own key");
    }
  } else {
    fuzz::require(!record.error().message.empty(), "a refusal says why");
  }
  if (const auto stream = decode_stream(bytes)) {
    fuzz::require(decode_stream(encode_stream(*stream)) == stream, "a stream is written the same");
  }
  return 0;
}
