// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/topic_progress.h"

#include "test/support/catch.h"

namespace outrider::fleet {

TEST_CASE("a commit's history says how far each agent has come, and no more than brokers take") {
  CommitHistory history;
  CHECK(CommitHistory::parse(history.text()).last("a") == -1);
  history.set("a", 10);
  history.set("b", 25);
  history.set("a", 40);
  const auto read = CommitHistory::parse(history.text());
  CHECK(read.last("a") == 40);
  CHECK(read.last("b") == 25);
  CHECK(read.last("c") == -1);
  for (int i = 0; i < 1000; ++i) history.set("agent-" + std::to_string(i), 1000 + i);
  CHECK(history.text().size() <= 3000);
  CHECK(CommitHistory::parse(history.text()).last("agent-999") == 1999);
  CHECK(CommitHistory::parse(history.text()).last("a") == -1);
}

TEST_CASE("what others left beside an offset is no history") {
  for (const auto* text : {"", "kafka-streams", "outrider1", "outrider1 ", "outrider1 a",
                           "outrider1 =", "outrider1 a=b", "outrider1 a=99999999999999999999"}) {
    CHECK(CommitHistory::parse(text).last("a") == -1);
  }
  CHECK(CommitHistory::parse("outrider1 x a=7").last("a") == 7);
}

TEST_CASE("progress is written and read the same, and damage is told") {
  TopicProgress progress{.agent = "a1", .topic = "truth", .partition_count = 12, .partitions = {}};
  progress.partitions[3] = {.next = 100, .resume = 90, .claimed = 150};
  progress.partitions[7] = {};
  CHECK(TopicProgress::parse(progress.text()) == progress);
  for (const auto* text :
       {"", "{}", "[]", R"({"agent":"","topic":"t","partition_count":1,"partitions":[]})",
        R"({"agent":"a","topic":"t","partition_count":1,"partitions":[{}]})"}) {
    const auto read = TopicProgress::parse(text);
    REQUIRE(!read);
    CHECK(read.error().code == "bad_progress");
  }
}

TEST_CASE("an agent without data reads what there is, and counts what nobody has") {
  const auto start = start_of({}, "a", -1, {}, 5, 100);
  CHECK(start.from == 5);
  CHECK(start.kind_of(5) == PartitionStart::first);
  CHECK(start.missed == 0);
  const auto later = start_of({}, "a", 60, {}, 5, 100);
  CHECK(later.from == 5);
  CHECK(later.kind_of(59) == PartitionStart::again);
  CHECK(later.kind_of(60) == PartitionStart::first);
}

TEST_CASE(
    "a claim is its agent's to count where its commit was taken, and nobody's where it was not") {
  const PartitionProgress kept{.next = 40, .resume = 35, .claimed = 50};
  CommitHistory history;
  history.set("a", 50);
  history.set("b", 80);
  const auto own = start_of(kept, "a", 80, history, 0, 100);
  CHECK(own.from == 35);
  CHECK(own.kind_of(39) == PartitionStart::again);
  CHECK(own.kind_of(40) == PartitionStart::own);
  CHECK(own.kind_of(49) == PartitionStart::own);
  CHECK(own.kind_of(50) == PartitionStart::again);
  CHECK(own.kind_of(80) == PartitionStart::first);

  CommitHistory others;
  others.set("a", 40);
  others.set("b", 80);
  const auto lost = start_of(kept, "a", 80, others, 0, 100);
  CHECK(lost.kind_of(40) == PartitionStart::again);
  CHECK(lost.kind_of(80) == PartitionStart::first);
  // Nobody came between: the claim is made again.
  const auto again = start_of(kept, "a", 40, {}, 0, 100);
  CHECK(again.kind_of(39) == PartitionStart::again);
  CHECK(again.kind_of(40) == PartitionStart::first);
}

TEST_CASE("offsets that the group has forgotten count nothing again") {
  const auto start = start_of({.next = 70, .resume = 70, .claimed = 70}, "a", -1, {}, 0, 100);
  CHECK(start.from == 70);
  CHECK(start.kind_of(69) == PartitionStart::again);
  CHECK(start.kind_of(70) == PartitionStart::first);
}

TEST_CASE("what the topic dropped before anybody counted it is missed, and counted so") {
  const auto start = start_of({.next = 20, .resume = 20, .claimed = 20}, "a", 30, {}, 50, 100);
  CHECK(start.from == 50);
  CHECK(start.missed == 20);
  CHECK(start_of({.next = 20, .resume = 20, .claimed = 20}, "a", 60, {}, 50, 100).missed == 0);
}

TEST_CASE("a topic that begins anew is read from its beginning") {
  const auto start = start_of({.next = 500, .resume = 480, .claimed = 500}, "a", -1, {}, 0, 10);
  CHECK(start.from == 0);
}

}  // namespace outrider::fleet
