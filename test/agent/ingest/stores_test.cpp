// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "agent/ingest/exemplar_ring.h"
#include "agent/ingest/histogram_store.h"
#include "agent/ingest/sample_order.h"
#include "test/support/catch.h"

namespace outrider::ingest {
namespace {

using namespace std::chrono_literals;
using Kind = SampleOrder::Kind;

TEST_CASE("a histogram store keeps each series' newest histogram within its bytes") {
  HistogramStore store(10);
  store.keep(1, "aaaa");
  store.keep(2, "bbbb");
  store.keep(1, "cccccc");  // In the place of the four bytes before.
  CHECK(store.find(1) == "cccccc");
  store.keep(2, "ddddd");  // Past the limit: what was kept stays.
  CHECK(store.find(2) == "bbbb");
  CHECK(store.not_kept() == 1);
  store.forget(1);
  CHECK(store.find(1).empty());
  store.keep(2, "ddddd");
  CHECK(store.find(2) == "ddddd");
  store.forget(3);  // It has none.
  CHECK(store.not_kept() == 1);
}

TEST_CASE("an exemplar ring keeps the newest") {
  ExemplarRing ring(2);
  for (int i = 1; i <= 5; ++i) ring.add({.fingerprint = {}, .labels = {}, .value = 1.0 * i});
  REQUIRE(ring.all().size() == 2);
  CHECK(ring.all()[0].value + ring.all()[1].value == 4 + 5);
  ExemplarRing none(0);
  none.add({});
  CHECK(none.all().empty());
}

TEST_CASE("a sample is judged by the newest of its series and by the window around now") {
  const Time now = from_unix_ms(1'700'000'000'000);
  SampleOrder order(10min, 24h);
  SeriesTable::Record record{};
  order.begin(now, false);
  const std::int64_t ms = to_unix_ms(now);
  bool repetition = false;
  CHECK(order.judge(Kind::sample, record, ms + 600'001, 7, repetition) == Refusal::too_far_ahead);
  CHECK(order.judge(Kind::sample, record, ms - 86'400'001, 7, repetition) == Refusal::too_old);
  CHECK(order.judge(Kind::sample, record, ms, 7, repetition) == Refusal::none);
  order.note_stored(Kind::sample, record, ms, 7);

  CHECK(order.judge(Kind::sample, record, ms, 7, repetition) == Refusal::none);
  CHECK(repetition);
  CHECK(order.judge(Kind::sample, record, ms, 8, repetition) == Refusal::duplicate_timestamp);
  CHECK(order.judge(Kind::histogram, record, ms, 7, repetition) == Refusal::duplicate_timestamp);
  CHECK(order.judge(Kind::sample, record, ms - 1, 7, repetition) == Refusal::out_of_order);
  CHECK_FALSE(repetition);
}

TEST_CASE("of a request with several samples of a series all are known again") {
  const Time now = from_unix_ms(1'700'000'000'000);
  const std::int64_t ms = to_unix_ms(now);
  SampleOrder order(10min, 24h);
  SeriesTable::Record record{};
  order.begin(now, false);
  for (int i = 0; i < 3; ++i)
    order.note_stored(Kind::sample, record, ms + i, static_cast<std::uint64_t>(i));
  bool repetition = false;
  for (int i = 0; i < 3; ++i) {
    const auto bits = static_cast<std::uint64_t>(i);
    CHECK(order.judge(Kind::sample, record, ms + i, bits, repetition) == Refusal::none);
    CHECK(repetition);
  }
  CHECK_FALSE(order.note_exemplar(record.fingerprint, ms, 1));
  CHECK(order.note_exemplar(record.fingerprint, ms, 1));
  CHECK_FALSE(order.note_exemplar(record.fingerprint, ms, 2));
}

}  // namespace
}  // namespace outrider::ingest
