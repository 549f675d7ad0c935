// SPDX-License-Identifier: Apache-2.0
// What an API server sends: lists, and watches cut at any byte.
#include "agent/kubernetes/change_book.h"
#include "agent/kubernetes/reflector.h"
#include "test/fuzz/require.h"

using namespace outrider;
using namespace outrider::kubernetes;

namespace {

const Time now = Time(std::chrono::hours(24 * 20'000));

void take(ChangeBook& book, Resource resource, Reflector::Event event) {
  const auto changes = event.is_deleted ? book.remove(resource, event.object.uid, now)
                                        : book.apply(resource, std::move(event.object), now);
  for (const incident::Change& change : changes) {
    fuzz::require(!change.id.empty() && !change.summary.empty(), "a change says what it is");
    fuzz::require(change.at <= now, "a change is not in the future");
  }
}

}  // namespace

// The first byte chooses the resource, the second where the watch is cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto resource = static_cast<Resource>(data[0] % resource_count);
  const std::size_t cut = 1 + data[1];
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  ChangeBook book("", {.objects_max = 100});
  Reflector reflector(resource, "");
  if (const auto json = wire::parse_json(text)) {
    if (reflector.take_page(*json)) book.replace(resource, "", reflector.take_listed(), now);
  }
  Result<void> taken;
  for (std::size_t at = 0; at < text.size() && taken; at += cut) {
    taken = reflector.take_piece(text.substr(at, cut), [&](Reflector::Event event) {
      take(book, resource, std::move(event));
    });
  }
  fuzz::require(taken || !taken.error().message.empty(), "an error has words");
  fuzz::require(book.size() <= 100, "the book is bounded");
  return 0;
}
