// SPDX-License-Identifier: Apache-2.0
#include "truth/segments.h"

#include "test/support/catch.h"

namespace outrider::truth {
namespace {

TEST_CASE("a segment that is full is followed by a new one") {
  SegmentTable table({.segment_bytes = 100, .segment_slots = 1000});
  table.add_predictions(10, 1, 60);
  table.add_predictions(11, 1, 60);
  CHECK(table.size() == 1);
  table.add_predictions(12, 1, 60);
  CHECK(table.size() == 2);
  CHECK(table.pending() == 3);
  CHECK(table.bytes() == 180);
}

TEST_CASE("a segment that spans its time is followed by a new one, however empty") {
  SegmentTable table({.segment_bytes = 1'000'000, .segment_slots = 100});
  table.add_predictions(10, 1, 1);
  table.add_predictions(109, 1, 1);
  CHECK(table.size() == 1);
  table.add_predictions(110, 1, 1);
  CHECK(table.size() == 2);
}

TEST_CASE("a straggler is counted in the segment of its time") {
  SegmentTable table({.segment_bytes = 10, .segment_slots = 1000});
  table.add_predictions(10, 1, 10);
  table.add_predictions(20, 1, 10);
  table.add_predictions(15, 1, 10);  // Belongs to the first one, which reaches to 20.
  CHECK(table.all().at(10).stored == 2);
  table.add_predictions(5, 1, 10);  // Older than all: the first one begins there now.
  CHECK(table.size() == 2);
  CHECK(table.all().at(5).stored == 3);
  const auto dropped = table.drop_oldest();
  REQUIRE(dropped);
  CHECK(dropped->watermark == 20);
  CHECK(dropped->unlabelled == 3);
  CHECK(table.pending() == 1);
}

TEST_CASE("a slot is never split between two segments") {
  SegmentTable table({.segment_bytes = 10, .segment_slots = 1000});
  table.add_predictions(10, 1, 50);
  table.add_predictions(10, 1, 50);
  CHECK(table.size() == 1);
  CHECK(table.drop_oldest()->watermark == 11);
  CHECK_FALSE(table.drop_oldest());
}

TEST_CASE("only what is wholly older expires") {
  SegmentTable table({.segment_bytes = 10, .segment_slots = 1000});
  table.add_predictions(10, 2, 10);
  table.add_predictions(20, 1, 10);
  table.add_joined(10, true, 5);
  table.add_joined(10, false, 5);  // Somebody else's prediction: it was never pending here.
  CHECK(table.pending() == 2);
  CHECK_FALSE(table.drop_before(10));
  const auto dropped = table.drop_before(11);
  REQUIRE(dropped);
  CHECK(dropped->unlabelled == 1);
  CHECK(table.pending() == 1);
}

TEST_CASE("changed segments are named once, removed ones too") {
  SegmentTable table({.segment_bytes = 10, .segment_slots = 1000});
  table.add_predictions(10, 1, 10);
  CHECK(table.take_changed() == std::set<std::uint64_t>{10});
  CHECK(table.take_changed().empty());
  table.add_predictions(5, 1, 10);
  CHECK(table.take_changed() == std::set<std::uint64_t>{5, 10});  // 10 is gone.
  table.drop_oldest();
  CHECK(table.take_changed() == std::set<std::uint64_t>{5});
}

TEST_CASE("a segment's bytes are read back") {
  const Segment segment{.last_slot = 1ull << 44, .stored = 3, .joined = 2, .bytes = 900};
  CHECK(decode_segment(encode_segment(segment)) == segment);
  CHECK_FALSE(decode_segment("\x80"));
}

}  // namespace
}  // namespace outrider::truth
