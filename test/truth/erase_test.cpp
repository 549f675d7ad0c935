// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <iterator>

#include "test/support/catch.h"
#include "test/truth/log_fixture.h"
#include "truth/api/erase_api.h"

namespace outrider::truth {
namespace {

using namespace std::chrono_literals;
using test::LogFixture;

Erased erase(LogFixture& f, const std::string& id, std::optional<std::uint32_t> row = {}) {
  auto erased = f.log->erase({{.id = id, .row = row}});
  if (!erased) throw std::runtime_error(erased.error().message);
  return erased->at(0);
}

std::vector<LoggedRow> all_rows(LogFixture& f) {
  std::vector<LoggedRow> all;
  f.log->flush(test::patience);
  const auto ok = f.log->for_each_slot(0, UINT64_MAX, [&](std::uint64_t, const auto& rows) {
    all.insert(all.end(), rows.begin(), rows.end());
    return true;
  });
  if (!ok) throw std::runtime_error(ok.error().message);
  return all;
}

TEST_CASE("what is erased by its id is gone with its label, and a second time finds nothing") {
  LogFixture f;
  f.open();
  const std::string first = f.predict(1), second = f.predict(2);
  f.label(first, 10.0);
  CHECK(erase(f, first) == Erased{.joined = 1});
  CHECK(erase(f, second) == Erased{.predictions = 1});
  CHECK(erase(f, first) == Erased{});
  CHECK(all_rows(f).empty());
  CHECK(f.joined_rows().empty());
  CHECK(f.log->figures().pending == 0);
  CHECK(f.consumer.rows() == 1);  // What was counted stays counted.
  f.open();
  CHECK(all_rows(f).empty());
}

TEST_CASE("an alias or a key erases all that goes by it") {
  LogFixture f;
  f.open();
  f.predict(1, {"customer-7"});
  f.predict(2, {"customer-7"});
  f.append_keyed(f.new_id(), "customer-7");
  f.predict(3, {"customer-8"});
  f.log->flush(test::patience);
  CHECK(erase(f, "customer-7") == Erased{.predictions = 3, .names = 3});
  const auto left = all_rows(f);
  REQUIRE(left.size() == 1);
  CHECK(left[0].row.prediction == Value(3.0));
  CHECK(f.label("customer-7", 1.0) == LabelResult::early);
}

TEST_CASE("one row of a request is erased and the others keep their numbers") {
  LogFixture f;
  f.open();
  const std::string id = f.new_id();
  f.append(id,
           {RowView{.prediction = 1.0}, RowView{.prediction = 2.0}, RowView{.prediction = 3.0}});
  f.log->flush(test::patience);
  f.label(id + "_1", 5.0);
  CHECK(erase(f, id + "_1") == Erased{.joined = 1});
  CHECK(erase(f, id, 0) == Erased{.predictions = 1});
  CHECK(f.label(id + "_0", 5.0) == LabelResult::unknown);
  CHECK(f.label(id + "_1", 5.0) == LabelResult::unknown);
  CHECK(f.label(id + "_2", 5.0) == LabelResult::joined);
  CHECK(all_rows(f).size() == 1);
}

TEST_CASE("what was made before and comes after its erasure is left out, also after a restart") {
  LogFixture f;
  f.open();
  const std::string late = f.new_id();
  const std::string of_two = f.new_id();
  CHECK(erase(f, late) == Erased{});
  CHECK(erase(f, of_two + "_1") == Erased{});
  CHECK(erase(f, "customer-7") == Erased{});
  f.open();
  f.append(late, {RowView{.prediction = 1.0}});
  f.append(of_two, {RowView{.prediction = 1.0}, RowView{.prediction = 2.0}});
  f.predict(3, {"customer-7"});
  const auto left = all_rows(f);
  REQUIRE(left.size() == 1);
  CHECK(left[0].row.id == of_two + "_0");

  f.clock.advance(1min);  // The customer comes back.
  f.predict(4, {"customer-7"});
  CHECK(all_rows(f).size() == 2);
}

TEST_CASE("a label that is held for an erased name is gone") {
  LogFixture f;
  f.open();
  CHECK(f.label("customer-7", 1.0) == LabelResult::early);
  CHECK(erase(f, "customer-7") == Erased{.held = 1});
  CHECK(f.log->flush(test::patience));
  CHECK(f.log->figures().early_held == 0);
}

TEST_CASE("another workload's prediction of the same name stays") {
  LogFixture f;
  f.settings.shipped = true;
  f.open();
  for (const char* workload : {"price", "fraud"}) {
    const std::string model = scoped_name({"", "shop", workload}, "m");
    DecodedShipment shipment;
    shipment.stream = make_uuid7(Time{1s}, 1, f.serial);
    const std::string id = f.new_id();
    const RowView row{.prediction = 1.0};
    std::string group;
    std::vector<AppendName> names;
    const std::string_view aliases[] = {"customer-7"};
    encode_prediction(*parse_uuid7(id),
                      {.id = id,
                       .time = f.clock.now(),
                       .model_name = model,
                       .model_version = "v1",
                       .aliases = aliases,
                       .rows = std::span(&row, 1)},
                      false, group, names);
    shipment.predictions.add(*parse_uuid7(id), 1, group, names, scope_mark(model));
    shipment.sequences = {0};
    REQUIRE(f.log->take(std::move(shipment)));
  }
  const auto erased = f.log->erase({{.id = "customer-7", .scope = {.workload = "fraud"}}});
  REQUIRE(erased);
  CHECK(erased->at(0) == Erased{.predictions = 1, .names = 1});
  const auto left = all_rows(f);
  REQUIRE(left.size() == 1);
  CHECK(split_scope(left[0].row.model_name).workload == "price");
}

TEST_CASE("the bytes of what was erased leave the disk") {
  LogFixture f;
  f.open();
  const std::string secret = "a-value-that-nobody-else-has-4711";
  const std::string id = f.new_id();
  f.append(id, {RowView{.prediction = std::string_view(secret)}});
  f.predict(1);
  f.log->flush(test::patience);
  const auto on_disk = [&] {
    std::string all;
    for (const auto& entry : std::filesystem::directory_iterator(f.settings.folder / "db")) {
      std::ifstream file(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all.find(secret) != std::string::npos;
  };
  REQUIRE(on_disk());
  erase(f, id);
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i) {
    f.log->flush(test::patience);  // Keeps house, which asks for the compaction.
    gone = !on_disk();
  }
  CHECK(gone);
}

TEST_CASE("wishes are read strictly, and written as they were read") {
  const Scope none;
  CHECK(parse_wishes(R"({"id": "a"})", none).value() == std::vector<EraseWish>{{.id = "a"}});
  const auto two = parse_wishes(R"([{"id": "a", "row": 2}, {"id": "b", "workload": "w"}])", none);
  REQUIRE(two);
  CHECK(*two ==
        std::vector<EraseWish>{{.id = "a", .row = 2}, {.id = "b", .scope = {.workload = "w"}}});
  CHECK(parse_wishes(write_wishes(*two), none).value() == *two);
  for (const char* wrong :
       {"", "[]", "7", R"({"id": ""})", R"({"id": 7})", R"({"id": "a", "row": -1})",
        R"({"id": "a", "rows": 1})", R"({"id": "a", "workload": 1})"}) {
    CAPTURE(wrong);
    CHECK(parse_wishes(wrong, none).error().code == "bad_erase");
  }
  CHECK(parse_wishes(R"({"id": "a", "workload": "x"})", {.workload = "w"}).error().code ==
        "bad_erase");
}

}  // namespace
}  // namespace outrider::truth
