// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/model_counters.h"

#include <map>
#include <memory>

#include "test/support/catch.h"

namespace outrider::tap {
namespace {

struct Table {
  explicit Table(std::size_t names)
      : slots(std::make_unique<ModelCounters[]>(ModelTable::first_named + names)),
        table({slots.get(), ModelTable::first_named + names}, bounds, counters) {}

  // One request; `in_response` is what the response's header says.
  void request(RequestModel& model, std::string_view name, Outcome outcome, int code,
               std::string_view in_response = "") {
    model.begin();
    model.name(table, name);
    model.name(table, in_response);
    model.count(table, outcome, code, 1);
  }
  // {"name outcome code": count}
  std::map<std::string, std::uint64_t> counted() const {
    std::map<std::string, std::uint64_t> all;
    for (std::size_t i = 0; slots[i].is_taken(); ++i)
      slots[i].requests.each([&](Outcome outcome, int code, std::uint64_t n) {
        all[std::string(slots[i].name()) + " " + std::string(to_string(outcome)) + " " +
            std::to_string(code)] = n;
      });
    return all;
  }
  using Counts = std::map<std::string, std::uint64_t>;

  static constexpr double bounds[] = {.1, 1};
  std::unique_ptr<ModelCounters[]> slots;  // The slot after the last is not taken in these tests.
  ProxyCounters counters;
  ModelTable table;
};

TEST_CASE("a name takes its slot with the first answer that is no mistake of the caller") {
  Table t(3);
  RequestModel model;
  t.request(model, "house", Outcome::client_error, 404);
  t.request(model, "house", Outcome::client_error, 400);
  t.request(model, "house", Outcome::cancelled, 0);
  t.request(model, "house", Outcome::rejected, 503);
  CHECK(t.table.find("house") == ModelTable::none);
  t.request(model, "house", Outcome::success, 200);
  t.request(model, "house", Outcome::client_error, 400);
  t.request(model, "broken", Outcome::server_error, 500);
  CHECK(t.counted() == Table::Counts{{"unknown client_error 404", 1},
                                     {"unknown client_error 400", 1},
                                     {"unknown cancelled 0", 1},
                                     {"unknown rejected 503", 1},
                                     {"house success 200", 1},
                                     {"house client_error 400", 1},
                                     {"broken server_error 500", 1}});
}

TEST_CASE("a scanner fills no slot") {
  Table t(2);
  RequestModel model;
  for (int i = 0; i < 1000; ++i)
    t.request(model, "admin" + std::to_string(i), Outcome::client_error, 404);
  t.request(model, "house", Outcome::success, 200);
  CHECK(t.counted() == Table::Counts{{"unknown client_error 404", 1000}, {"house success 200", 1}});
  CHECK(t.counters.requests_of_other_models.get() == 0);
}

TEST_CASE("every request of a connection counts for its own model, named or not") {
  Table t(3);
  RequestModel model;
  for (const char* name : {"a", "a", "b", "", "a", "", "b"})
    t.request(model, name, Outcome::success, 200);
  CHECK(t.counted() ==
        Table::Counts{{"a success 200", 3}, {"b success 200", 2}, {"unknown success 200", 2}});
}

TEST_CASE("what the response says goes before what the request's header said") {
  Table t(3);
  RequestModel model;
  t.request(model, "alias", Outcome::success, 200, "house");
  t.request(model, "house", Outcome::success, 200, "");
  t.request(model, "", Outcome::success, 200, "house");
  t.request(model, "house", Outcome::success, 200, "barn");
  CHECK(t.counted() == Table::Counts{{"house success 200", 3}, {"barn success 200", 1}});
}

TEST_CASE("names past the table, too long or no text are other, and counted") {
  Table t(2);
  RequestModel model;
  t.request(model, std::string(100, 'n'), Outcome::success, 200);
  t.request(model, std::string(101, 'n'), Outcome::success, 200);
  t.request(model, "caf\xe9", Outcome::success, 200);
  t.request(model, std::string(5000, 'n'), Outcome::client_error, 404);
  CHECK(t.counters.requests_of_other_models.get() == 2);
  CHECK(t.counted() == Table::Counts{{std::string(100, 'n') + " success 200", 1},
                                     {"other success 200", 2},
                                     {"unknown client_error 404", 1}});
}

TEST_CASE("a model that is called as a slot of ours shares it") {
  Table t(2);
  RequestModel model;
  t.request(model, "unknown", Outcome::success, 200);
  t.request(model, "other", Outcome::success, 200);
  CHECK(t.counted() == Table::Counts{{"unknown success 200", 1}, {"other success 200", 1}});
}

TEST_CASE("past the cells the outcome is kept and the status is not") {
  RequestCells cells;
  for (int code = 200; code < 200 + static_cast<int>(request_codes_max) + 5; ++code)
    cells.add(Outcome::success, code);
  cells.add(Outcome::success, 200);
  cells.add(Outcome::timeout, 504);
  std::map<std::pair<Outcome, int>, std::uint64_t> seen;
  cells.each([&](Outcome outcome, int code, std::uint64_t n) { seen[{outcome, code}] = n; });
  CHECK(seen.size() == request_codes_max + 2);
  CHECK(seen[{Outcome::success, 200}] == 2);
  CHECK(seen[{Outcome::success, -1}] == 5);
  CHECK(seen[{Outcome::timeout, -1}] == 1);
}

TEST_CASE("a status out of range counts as none") {
  RequestCells cells;
  for (const int code : {-1, 0, 1000, 70'000}) cells.add(Outcome::cancelled, code);
  std::uint64_t none = 0;
  cells.each([&](Outcome, int code, std::uint64_t n) { none += code == 0 ? n : 0; });
  CHECK(none == 4);
}

TEST_CASE("durations fall into the bounds that were given") {
  Table t(1);
  RequestModel model;
  model.begin();
  for (const std::uint64_t ms : {1, 100, 101, 1000, 5000})
    model.count(t.table, Outcome::success, 200, ms * 1'000'000);
  const auto& buckets = t.slots[ModelTable::unknown].duration.buckets;
  CHECK(buckets[0].get() == 2);
  CHECK(buckets[1].get() == 2);
  CHECK(buckets[2].get() == 1);
}

TEST_CASE("what another process wrote over a slot misleads nobody past its bounds") {
  Table t(1);
  ModelCounters& slot = t.slots[ModelTable::unknown];
  slot.name_bytes.store(4'000'000'000);
  CHECK(slot.name().size() == model_name_bytes_max);
  RequestModel model;
  t.request(model, "house", Outcome::success, 200);
  CHECK(t.table.find("unknown") == ModelTable::unknown);
}

}  // namespace
}  // namespace outrider::tap
