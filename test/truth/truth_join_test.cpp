// SPDX-License-Identifier: Apache-2.0
// What the join decides, over a store without a disk: whatever write fails, and whenever the power
// goes, a label is acknowledged and counted once, or not at all.
#include "truth/truth_join.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <random>

#include "test/support/catch.h"
#include "test/truth/counting_consumer.h"
#include "test/truth/memory_store.h"

namespace outrider::truth::test {
namespace {

using namespace std::chrono_literals;
using Fault = MemoryStore::Fault;

constexpr Time start = Time{} + std::chrono::hours(24 * 365 * 50);

class JoinFixture {
 public:
  JoinFixture() { reopen(); }

  // As the owner does after a failed write, and a program at its start.
  void reopen() {
    metrics.roll_back();
    join.reset();
    join.emplace(settings, store, store.load(), consumer, metrics, now);
  }

  std::string new_id() { return format_uuid(make_uuid7(now, 0x123, ++serial)); }

  // Into the buffer, as append() does.
  std::string predict(double prediction, std::vector<std::string_view> aliases = {},
                      std::string_view key = {}) {
    const std::string id = new_id();
    const RowView row{.prediction = prediction};
    std::string group;
    std::vector<AppendName> names;
    encode_prediction(*parse_uuid7(id),
                      {.id = id,
                       .time = now,
                       .model_name = "house-price",
                       .model_version = "v1",
                       .aliases = aliases,
                       .key = key,
                       .rows = std::span(&row, 1)},
                      false, group, names);
    buffer.add(*parse_uuid7(id), 1, group, names);
    return id;
  }
  Result<std::uint64_t> write() {
    auto written = join->write_predictions(buffer);
    if (written) buffer.clear();
    return written;
  }

  Result<LabelResult> label(const std::string& id, double truth) {
    GroundTruth label;
    label.id = id;
    label.truth = truth;
    const JoinItem item{.label = &label, .fan_out = false, .arrived = now, .held = std::nullopt};
    const auto answers = join->join(std::span(&item, 1), now);
    if (!answers) return fail(answers);
    return answers->at(0).result;
  }

  JoinSettings settings;
  MemoryStore store;
  CountingConsumer consumer;
  LabelMetrics metrics{100};
  Time now = start;
  std::uint64_t serial = 0;
  AppendBuffer buffer;
  std::optional<TruthJoin> join;
};

TEST_CASE("a label finds its prediction by id, alias and key, and a second one is a duplicate") {
  JoinFixture f;
  const std::string id = f.predict(1), aliased = f.predict(2, {"request-7"});
  f.predict(3, {}, "order-9");
  REQUIRE(f.write() == 3u);
  CHECK(f.join->pending() == 3);
  CHECK(f.label(id, 10) == LabelResult::joined);
  CHECK(f.label("request-7", 20) == LabelResult::joined);
  CHECK(f.label("order-9", 30) == LabelResult::joined);
  CHECK(f.label(id, 11) == LabelResult::duplicate);
  CHECK(f.label(aliased, 21) == LabelResult::duplicate);
  CHECK(f.join->pending() == 0);
  CHECK(f.consumer.sum() == 60);
  CHECK(f.metrics.totals()[static_cast<std::size_t>(LabelResult::duplicate)] == 2);
}

TEST_CASE("an early label waits on the store, and is joined by whoever opens it next") {
  JoinFixture f;
  const std::string id = f.predict(1);
  CHECK(f.label(id, 10) == LabelResult::early);
  CHECK(f.store.entries(Family::early) == 1);
  f.reopen();
  CHECK(f.join->held().size() == 1);
  REQUIRE(f.write());
  REQUIRE(f.join->has_ready_labels());
  REQUIRE(f.join->join({}, f.now));
  CHECK(f.consumer.sum() == 10);
  CHECK(f.store.entries(Family::early) == 0);
  CHECK(f.label(id, 11) == LabelResult::duplicate);
}

TEST_CASE("a held label is given up when its time is over") {
  JoinFixture f;
  CHECK(f.label("nobody", 10) == LabelResult::early);
  f.now += f.settings.early_hold - 1s;
  REQUIRE(f.join->maintain(f.now));
  CHECK(f.join->held().size() == 1);
  f.now += 2s;
  REQUIRE(f.join->maintain(f.now));
  CHECK(f.join->held().size() == 0);
  CHECK(f.store.entries(Family::early) == 0);
  CHECK(f.metrics.totals()[static_cast<std::size_t>(LabelResult::unknown)] == 1);
}

TEST_CASE(
    "what passed max_delay is below the watermark, and gone for whoever opens the store next") {
  JoinFixture f;
  f.settings.max_delay = 24h;
  f.reopen();
  const std::string old = f.predict(1, {"old"});
  REQUIRE(f.write());
  f.now += 25h;
  const std::string fresh = f.predict(2);
  REQUIRE(f.write());
  REQUIRE(f.join->maintain(f.now));
  CHECK(f.join->retention().expired() == 1);
  CHECK(f.store.dropped_below() > slot_of(*parse_uuid7(old)));
  f.settings.max_delay = 24h * 365;  // What was dropped does not come back.
  f.reopen();
  CHECK(f.label(old, 10) == LabelResult::evicted);
  CHECK(f.label("old", 10) == LabelResult::early);  // Its name leads to nothing: it may still come.
  CHECK(f.label(fresh, 20) == LabelResult::joined);
}

TEST_CASE("above the byte cap the oldest predictions go, and their labels are told so") {
  JoinFixture f;
  f.settings.bytes_max = 1 << 20;
  f.reopen();
  const std::string first = f.predict(1);
  for (int i = 0; i < 20'000; ++i) {
    f.now += 10ms;
    f.predict(i);
  }
  f.predict(2);
  REQUIRE(f.write());
  // A map gives nothing back, so more than the oldest goes; on disk only the share of it.
  f.store.extra_bytes = 1 << 20;
  REQUIRE(f.join->maintain(f.now));
  CHECK(f.join->retention().evicted() > 0);
  CHECK(f.label(first, 10) == LabelResult::evicted);
  CHECK(f.join->pending() + f.join->retention().evicted() == 20'002);
}

TEST_CASE("an entry that does not decode is said, not joined over") {
  JoinFixture f;
  const std::string id = f.predict(1);
  REQUIRE(f.write());
  REQUIRE(f.label(id, 10) == LabelResult::joined);
  f.store.value(Family::joined, prediction_key({*parse_uuid7(id), 0})) = "";
  const EraseWish wish{.id = id};
  const auto erased = f.join->erase(std::span(&wish, 1), f.now);
  REQUIRE_FALSE(erased);
  CHECK(erased.error().code == "log_corrupt");
}

// Predictions, early labels, right ones, repetitions, expiry and an erasure, each step again until
// it is acknowledged.
struct Story {
  JoinFixture& f;
  std::uint64_t reopened = 0;

  template <class Step>
  void until_done(Step step) {
    while (!step()) {
      ++reopened;
      REQUIRE(reopened < 10);
      f.reopen();
    }
  }
  void label(const std::string& id, double truth) {
    until_done([&] { return f.label(id, truth).has_value(); });
  }
  void write() {
    until_done([&] { return f.write().has_value(); });
  }

  void play() {
    f.settings.max_delay = 24h;
    f.reopen();
    label("order-1", 1);
    const std::string a = f.predict(1), b = f.predict(2, {"request-b"});
    f.predict(3, {}, "order-1");
    write();
    label(a, 2);
    label("request-b", 4);
    label(b, 100);
    const std::string erased = f.predict(4);
    write();
    const EraseWish wish{.id = erased};
    until_done([&] { return f.join->erase(std::span(&wish, 1), f.now).has_value(); });
    label(erased, 100);
    until_done([&] { return f.join->maintain(f.now).has_value(); });
    f.now += 25h;
    const std::string last = f.predict(5);
    write();
    until_done([&] { return f.join->maintain(f.now).has_value(); });
    label(last, 8);
    label(a, 100);
  }
};

TEST_CASE("whichever write fails, written or not, each label is counted once") {
  std::uint64_t writes = 0;
  {
    JoinFixture f;
    Story{f}.play();
    CHECK(f.consumer.sum() == 15);
    CHECK(f.consumer.rows() == 4);
    writes = f.store.writes();
  }
  REQUIRE(writes > 10);
  for (const Fault fault : {Fault::lost, Fault::written}) {
    for (std::uint64_t failing = 1; failing <= writes; ++failing) {
      CAPTURE(failing, fault == Fault::written);
      JoinFixture f;
      f.store.fail_at(failing, fault);
      Story story{f};
      story.play();
      CHECK(story.reopened == 1);
      CHECK(f.consumer.sum() == 15);
      CHECK(f.consumer.rows() == 4);
      f.reopen();
      CHECK(f.consumer.sum() == 15);
    }
  }
}

TEST_CASE("labels of random order over power cuts are counted as often as they were acknowledged") {
  std::mt19937_64 random(16);
  for (int round = 0; round < 200; ++round) {
    JoinFixture f;
    std::vector<std::string> ids;    // Of predictions, written or not.
    std::vector<bool> acknowledged;  // As joined, of each.
    std::deque<std::size_t> held;    // Answered as early, in order.
    double sum = 0;
    const auto joined = [&](std::size_t i) {
      CHECK_FALSE(acknowledged[i]);
      acknowledged[i] = true;
      sum += static_cast<double>(i + 1);
    };
    for (int step = 0; step < 60; ++step) {
      switch (random() % 6) {
        case 0:
        case 1:
          ids.push_back(f.predict(1));
          acknowledged.push_back(false);
          break;
        case 2:
          REQUIRE(f.write());
          break;
        case 3:
        case 4: {
          if (ids.empty()) break;
          const std::size_t i = random() % ids.size();
          const bool was_held = std::find(held.begin(), held.end(), i) != held.end();
          const auto answer = f.label(ids[i], static_cast<double>(i + 1));
          REQUIRE(answer);
          if (*answer == LabelResult::early) held.push_back(i);
          if (*answer == LabelResult::joined && !was_held) joined(i);
          if (*answer == LabelResult::joined && was_held) {
            // Joined now, and its held label is the duplicate.
            if (!acknowledged[i]) joined(i);
          }
          break;
        }
        case 5: {
          f.buffer.clear();     // What was not written is gone with the process;
          f.store.cut_power();  // and what was not synced, with the power.
          f.reopen();
          break;
        }
      }
      // Held labels whose prediction has come were joined by the way.
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto key = prediction_key({*parse_uuid7(ids[i]), 0});
        bool there = false;
        const std::string_view view = key;
        REQUIRE(f.store.get(Family::joined, std::span(&view, 1),
                            [&](auto values) { there = values[0].has_value(); }));
        if (there && !acknowledged[i]) {
          CHECK(std::find(held.begin(), held.end(), i) != held.end());
          joined(i);
        }
        CHECK(there == acknowledged[i]);
      }
      CHECK(f.consumer.sum() == sum);
    }
  }
}

}  // namespace
}  // namespace outrider::truth::test
