// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/series_table.h"

#include <map>
#include <random>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::ingest;
using namespace std::chrono_literals;

namespace {

const Time start = from_unix_ms(1'700'000'000'000);

struct Fixture {
  explicit Fixture(SeriesTable::Settings settings)
      : table(settings, count, [this](std::uint32_t slot, SeriesTable::Departure departure) {
          gone.emplace_back(slot, departure);
        }) {}

  static remote_write::Hash128 fingerprint(const std::string& id) {
    return remote_write::fingerprint_of(id);
  }

  Result<std::uint32_t> add(const std::string& id, Time now) {
    const std::vector<LabelView> labels = {{"__name__", "m"}, {"id", id}};
    return table.insert(fingerprint(id), labels, now);
  }

  std::vector<std::pair<std::uint32_t, SeriesTable::Departure>> gone;
  SeriesCount count;
  SeriesTable table;
};

}  // namespace

TEST_CASE("symbols are kept once, counted, and let go with the last reference") {
  SymbolTable symbols;
  const auto job = symbols.intern("job");
  CHECK(symbols.intern("job") == job);
  CHECK(symbols.intern("instance") != job);
  CHECK(symbols.size() == 2);
  CHECK(symbols.text_bytes() == 11);
  symbols.release(job);
  CHECK(symbols.text(job) == "job");
  symbols.release(job);
  CHECK(symbols.size() == 1);
  CHECK(symbols.intern("other") == job);  // The id is used again.
  CHECK(symbols.intern("") != job);
}

TEST_CASE("symbols that come and go for long agree with a map") {
  SymbolTable symbols;
  std::map<std::string, std::pair<std::uint32_t, int>> expected;
  std::mt19937 random(3);
  for (int i = 0; i < 50'000; ++i) {
    const std::string text = "s" + std::to_string(random() % 4'000);
    auto& [id, references] = expected[text];
    if (references > 0 && random() % 2 == 0) {
      symbols.release(id);
      --references;
    } else {
      const auto got = symbols.intern(text);
      CHECK((references == 0 || got == id));
      id = got;
      ++references;
    }
  }
  std::size_t alive = 0;
  for (const auto& [text, entry] : expected) {
    if (entry.second == 0) continue;
    ++alive;
    CHECK(symbols.text(entry.first) == text);
  }
  CHECK(symbols.size() == alive);
}

TEST_CASE("a series is found by its fingerprint and knows its labels") {
  Fixture f({});
  const auto slot = f.add("a", start);
  REQUIRE(slot);
  CHECK(f.table.find(Fixture::fingerprint("a")) == *slot);
  CHECK_FALSE(f.table.find(Fixture::fingerprint("b")));
  CHECK(f.table.labels_of(*slot) == Labels{{"__name__", "m"}, {"id", "a"}});
  CHECK(f.table.label(*slot, "id") == "a");
  CHECK(f.table.label(*slot, "none").empty());
}

TEST_CASE("series that come and go for long are found, and only they") {
  Fixture f({.series_max = 5'000, .silent_after = 0s});
  std::map<std::string, std::uint32_t> expected;
  std::map<std::uint32_t, std::string> by_slot;
  std::mt19937 random(5);
  for (int i = 0; i < 60'000; ++i) {
    const std::string id = std::to_string(random() % 20'000);
    if (expected.count(id)) continue;
    const auto slot = f.add(id, start + std::chrono::seconds(i));
    REQUIRE(slot);
    for (const auto& [gone, departure] : f.gone) {
      expected.erase(by_slot[gone]);
      by_slot.erase(gone);
    }
    f.gone.clear();
    expected[id] = *slot;
    by_slot[*slot] = id;
  }
  CHECK(f.table.size() == 5'000);
  CHECK(f.table.slots() == 5'000);
  for (int i = 0; i < 20'000; ++i) {
    const auto known = expected.find(std::to_string(i));
    const auto slot = f.table.find(Fixture::fingerprint(std::to_string(i)));
    CHECK(slot.has_value() == (known != expected.end()));
    if (slot) CHECK(*slot == known->second);
  }
}

TEST_CASE("a full table lets go of what has ended, then of what is silent, and of nothing alive") {
  Fixture f({.series_max = 3});
  const auto silent = *f.add("silent", start);
  const auto ended = *f.add("ended", start + 10min);
  const auto alive = *f.add("alive", start + 19min);
  f.table.record(ended).has_ended = true;

  const Time now = start + 20min;
  f.table.record(alive).last_seen_s += 60;
  REQUIRE(f.add("first", now));
  REQUIRE(f.gone.size() == 1);
  CHECK(f.gone[0] == std::pair{ended, SeriesTable::Departure::room});
  REQUIRE(f.add("second", now));
  REQUIRE(f.gone.size() == 2);
  CHECK(f.gone[1].first == silent);
  const auto refused = f.add("third", now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "series_limit");
  CHECK(f.table.find(Fixture::fingerprint("alive")));
  CHECK(f.table.size() == 3);
}

TEST_CASE("tables that share a count share the limit") {
  Fixture f({.series_max = 3});
  SeriesTable other({.series_max = 3}, f.count, [](std::uint32_t, SeriesTable::Departure) {});
  const std::vector<LabelView> labels = {{"__name__", "m"}};
  REQUIRE(other.insert(Fixture::fingerprint("o1"), labels, start));
  REQUIRE(other.insert(Fixture::fingerprint("o2"), labels, start));
  REQUIRE(f.add("a", start));
  CHECK(f.add("b", start).error().code == "series_limit");
  CHECK(f.count.value() == 3);
}

TEST_CASE("idle series go without being pressed") {
  Fixture f({.idle_after = 1h});
  for (int i = 0; i < 100; ++i) REQUIRE(f.add(std::to_string(i), start + std::chrono::minutes(i)));
  f.table.expire(start + 110min, 1'000);
  CHECK(f.table.size() == 49);  // Of the minutes 51 to 99.
  CHECK(f.gone.size() == 51);
  CHECK(f.gone[0].second == SeriesTable::Departure::idle);
  CHECK(f.table.label_bytes() == 8 + 1 + 2 + 2 * 49);
}

TEST_CASE("label texts have a limit of their own") {
  Fixture f({.label_bytes_max = 100});
  CHECK(f.add(std::string(80, 'x'), start));
  const auto refused = f.add(std::string(20, 'y'), start);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "label_bytes_limit");
  CHECK(f.table.size() == 1);
}

TEST_CASE("the newest samples are kept in order") {
  Fixture f({.kept_samples = 3});
  const auto slot = *f.add("a", start);
  CHECK(f.table.kept(slot).empty());
  for (int i = 0; i < 20; ++i) {
    const Sample sample{i, i * 1.0};
    f.table.keep(slot, std::span(&sample, 1));
    std::vector<Sample> expected;
    for (int j = std::max(0, i - 2); j <= i; ++j) expected.push_back({j, j * 1.0});
    CHECK(f.table.kept(slot) == expected);
  }
}

TEST_CASE("a record fills one line of the cache") {
  CHECK(sizeof(SeriesTable::Record) <= 64);
}
