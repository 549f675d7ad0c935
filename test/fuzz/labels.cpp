// SPDX-License-Identifier: Apache-2.0
// Bodies of POST /api/v1/labels and of POST /api/v1/erase. What is taken is within the limits, and
// would be taken again.
#include <cstdint>
#include <string_view>

#include "base/wire/json.h"
#include "test/fuzz/require.h"
#include "truth/api/erase_api.h"
#include "truth/label_parser.h"
#include "truth/truth_join.h"

using namespace outrider;
using namespace outrider::truth;

namespace {

void check(const ParsedLabel& item) {
  if (!item.label) {
    fuzz::require(!item.label.error().message.empty(), "a refusal says why");
    return;
  }
  const GroundTruth& label = *item.label;
  fuzz::require(!label.id.empty() && label.id.size() <= id_bytes_max, "the id is within its limit");
  const IdReading reading = read_id(label, from_unix_ms(1'700'000'000'000));
  fuzz::require(!reading.key || parse_uuid7(format_uuid(reading.key->id)) == reading.key->id,
                "a prediction id is printed as it was read");
  // A held label is stored whole, whatever it says.
  HeldLabel held{label, Time{}};
  held.label.brought.reset();
  if (held.label.timestamp) held.label.timestamp = from_unix_ms(to_unix_ms(*held.label.timestamp));
  fuzz::require(decode_held(encode_held(held)) == held, "a held label is stored whole");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto wishes = parse_wishes(body, {})) {
    const auto again = parse_wishes(write_wishes(*wishes), {});
    fuzz::require(again && *again == *wishes, "names to erase are passed on as they were read");
  }
  if (const auto items = parse_labels(body)) {
    fuzz::require(items->size() <= labels_in_body_max, "a body has no more labels than allowed");
    for (const ParsedLabel& item : *items) check(item);
  }
  if (const auto items = parse_feedback(body, "puid")) {
    for (const ParsedLabel& item : *items) check(item);
  }
  return 0;
}
