// SPDX-License-Identifier: Apache-2.0
#include "truth/codec.h"

#include <algorithm>
#include <random>

#include "test/support/catch.h"

namespace outrider::truth {
namespace {

const Time noon = from_unix_ms(1'700'000'000'123);

std::string group_of(const Uuid& id, const PredictionView& prediction, bool keep_features = true) {
  std::string bytes;
  append_group(bytes, id, prediction, keep_features);
  return bytes;
}

TEST_CASE("a UUIDv7 is read, printed and tells its time") {
  const Uuid id = make_uuid7(noon, 0xABC, 0x0123456789ABCDEF);
  const std::string text = format_uuid(id);
  CHECK(text.size() == 36);
  CHECK(text[14] == '7');
  CHECK(parse_uuid7(text) == id);
  CHECK(id.time() == noon);
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK(parse_uuid7(upper) == id);
}

TEST_CASE("what is no UUIDv7 is not taken for one") {
  const std::string good = format_uuid(make_uuid7(noon, 1, 2));
  CHECK_FALSE(parse_uuid7(""));
  CHECK_FALSE(parse_uuid7(good.substr(1)));
  CHECK_FALSE(parse_uuid7(good + "0"));
  std::string version4 = good;
  version4[14] = '4';
  CHECK_FALSE(parse_uuid7(version4));
  std::string dash = good;
  dash[8] = '0';
  CHECK_FALSE(parse_uuid7(dash));
  std::string letter = good;
  letter[0] = 'g';
  CHECK_FALSE(parse_uuid7(letter));
}

TEST_CASE("any UUID is read, with dashes or without") {
  const auto dashed = parse_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  REQUIRE(dashed);
  CHECK(parse_uuid("F81D4FAE7DEC11D0A76500A0C91E6BF6") == dashed);
  CHECK(format_uuid(*dashed) == "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  CHECK_FALSE(parse_uuid("f81d4fae7-dec-11d0-a765-00a0c91e6bf6"));
  CHECK_FALSE(parse_uuid("F81D4FAE7DEC11D0A76500A0C91E6BFx"));
}

TEST_CASE("rows of a slot are found in any order as each one alone, also by one finder") {
  std::mt19937_64 random(7);
  const Uuid ids[] = {make_uuid7(noon, 1, 1), make_uuid7(noon, 1, 2), make_uuid7(noon, 9, 9)};
  std::string slot;
  const std::vector<std::string_view> names = {"size"};
  for (const Uuid& id : {ids[0], ids[1]}) {
    std::vector<RowView> rows;
    const std::vector<FeatureValueView> features = {2.5};
    for (std::size_t i = 0; i < 40; ++i) {
      rows.push_back({.prediction = static_cast<double>(i), .segment = "s"});
      if (i % 3 == 0) rows.back().prediction = std::string_view("a class");
      if (i % 3 == 1) rows.back().features = features;
      rows.back().failed = i % 7 == 6;
    }
    const std::string text = format_uuid(id);
    slot += group_of(id, {.id = text,
                          .time = noon,
                          .model_name = "m",
                          .model_version = "v",
                          .feature_names = names,
                          .rows = rows});
  }
  std::vector<PredictionKey> keys;
  for (const Uuid& id : ids) {
    for (std::uint32_t row = 0; row < 42; ++row) keys.push_back({id, row});
  }
  keys.insert(keys.end(), {{ids[0], 5}, {ids[0], 5}, {ids[1], 5}, {ids[0], 6}});
  const std::string copy = slot;  // Another value is another slot, whatever it says.
  RowFinder finder;
  for (int round = 0; round < 20; ++round) {
    for (const PredictionKey& key : keys) {
      std::uint32_t rows_alone = 0, rows = 0;
      const auto alone = find_row(slot, key, rows_alone);
      CHECK(finder.find(round % 2 == 0 ? slot : copy, key, rows) == alone);
      CHECK(rows == rows_alone);
    }
    std::shuffle(keys.begin(), keys.end(), random);
  }
}

TEST_CASE("ids sort as their times do") {
  const Uuid early = make_uuid7(noon, ~0ull, ~0ull);
  const Uuid late = make_uuid7(noon + std::chrono::milliseconds(1), 0, 0);
  CHECK(early < late);
  CHECK(prediction_key({early, 7}) < prediction_key({late, 0}));
  CHECK(prediction_key({early, 7}) < prediction_key({early, 256}));
  CHECK(slot_of(early) <= slot_of(late));
  CHECK(slot_of(early) == slot_of(noon));
}

TEST_CASE("a row comes back from its slot with all that it had") {
  const Uuid id = make_uuid7(noon, 3, 4);
  const std::string text = format_uuid(id);
  const std::vector<std::string_view> names = {"size", "kind", "age"};
  const std::vector<FeatureValueView> first = {1800.0, std::string_view("flat"), std::monostate{}};
  const std::vector<FeatureValueView> second = {900.5, std::string_view("house"), 3.0};
  const std::vector<RowView> rows = {
      {.prediction = 312.5, .score = 0.75, .segment = "north", .features = first},
      {.prediction = std::string_view("cheap"), .features = second}};
  const PredictionView prediction{.id = text,
                                  .time = noon + std::chrono::microseconds(77),
                                  .model_name = "house-price",
                                  .model_version = "v3",
                                  .feature_names = names,
                                  .rows = rows};
  const Uuid other = make_uuid7(noon, 3, 5);
  const std::string slot = group_of(other, prediction) + group_of(id, prediction);

  std::uint32_t found = 0;
  const auto row = find_row(slot, {id, 1}, found);
  REQUIRE(row);
  CHECK(found == 2);
  CHECK(row->model_name == "house-price");
  CHECK(row->model_version == "v3");
  CHECK(row->time == noon + std::chrono::microseconds(77));
  CHECK(row->prediction == Value("cheap"));
  CHECK_FALSE(row->score);
  CHECK(row->features == std::vector<Feature>{{"size", 900.5}, {"kind", "house"}, {"age", 3.0}});

  const auto zero = find_row(slot, {id, 0}, found);
  REQUIRE(zero);
  CHECK(zero->score == 0.75);
  CHECK(zero->segment == "north");
  CHECK(zero->features[2].value == FeatureValue(std::monostate{}));

  CHECK_FALSE(find_row(slot, {id, 2}, found));
  CHECK(found == 2);
  CHECK_FALSE(find_row(slot, {make_uuid7(noon, 3, 6), 0}, found));
  CHECK(found == 0);

  const auto bare = find_row(group_of(id, prediction, false), {id, 0}, found);
  REQUIRE(bare);
  CHECK(bare->features.empty());
}

TEST_CASE("a slot's value is the concatenation of its writes") {
  std::string slot;
  std::vector<Uuid> ids;
  for (std::uint64_t i = 0; i < 50; ++i) {
    ids.push_back(make_uuid7(noon + std::chrono::milliseconds(i % 5), i, i));
    const std::vector<RowView> rows = {{.prediction = static_cast<double>(i)}};
    slot += group_of(ids.back(), {.id = "", .time = noon, .model_name = "m", .rows = rows});
  }
  for (std::uint64_t i = 0; i < 50; ++i) {
    std::uint32_t found = 0;
    const auto row = find_row(slot, {ids[i], 0}, found);
    REQUIRE(row);
    CHECK(row->prediction == Value(static_cast<double>(i)));
  }
}

TEST_CASE("a joined row is stored and read back whole") {
  JoinedRow row;
  const Uuid id = make_uuid7(noon, 9, 9);
  row.id = format_uuid(id) + "_2";
  row.predicted = noon;
  row.labelled = noon + std::chrono::hours(50);
  row.truth_time = noon + std::chrono::hours(49);
  row.model_name = "m";
  row.model_version = "v1";
  row.prediction = 1.5;
  row.truth = "yes";
  row.score = 0.25;
  row.segment = "3";
  row.features = {{"a", 1.0}, {"b", "x"}, {"c", std::monostate{}}};
  const std::string value = encode_joined(row, 3);
  CHECK(decode_joined(prediction_key({id, 2}), value) == row);
  const auto model = joined_model(value);
  REQUIRE(model);
  CHECK(model->name == "m");
  CHECK(model->version == "v1");
  CHECK(model->rows == 3);
  CHECK(model->counted_here);
  const std::string uncounted = encode_joined(row, 3, false);
  CHECK(decode_joined(prediction_key({id, 2}), uncounted) == row);
  CHECK_FALSE(joined_model(uncounted)->counted_here);
}

TEST_CASE("the mark of a label says when it came and who counts it") {
  for (const bool counted_here : {true, false}) {
    const auto mark = decode_mark(encode_mark({slot_of(noon), counted_here}));
    REQUIRE(mark);
    CHECK(mark->slot == slot_of(noon));
    CHECK(mark->counted_here == counted_here);
  }
  CHECK_FALSE(decode_mark("seven b"));
}

TEST_CASE("a held label is stored and read back whole") {
  HeldLabel held;
  held.label.id = "order-7";
  held.label.row = 4;
  held.label.truth = "spam";
  held.label.timestamp = noon;
  held.arrived = noon + std::chrono::seconds(1);
  CHECK(decode_held(encode_held(held)) == held);
}

TEST_CASE("damaged bytes decode to nothing, never past their end") {
  std::mt19937 random(7);
  const Uuid id = make_uuid7(noon, 3, 4);
  const std::vector<std::string_view> names = {"a", "b"};
  const std::vector<FeatureValueView> values = {1.0, std::string_view("x")};
  const std::vector<RowView> rows = {
      {.prediction = 1.0, .score = 2.0, .segment = "s", .features = values}};
  const std::string group = group_of(id, {.id = "",
                                          .time = noon,
                                          .model_name = "m",
                                          .model_version = "v",
                                          .feature_names = names,
                                          .rows = rows});
  JoinedRow joined;
  joined.features = {{"a", 1.0}};
  const std::string value = encode_joined(joined, 1);
  for (int round = 0; round < 20'000; ++round) {
    // Exactly as many bytes as the vector has, so that a sanitizer sees a read past them.
    std::string from = round % 2 ? group : value;
    from.resize(random() % (from.size() + 1));
    for (int flips = 0; flips < 3 && !from.empty(); ++flips) {
      from[random() % from.size()] = static_cast<char>(random());
    }
    const std::vector<char> bytes(from.begin(), from.end());
    const std::string_view view(bytes.data(), bytes.size());
    std::uint32_t found = 0;
    find_row(view, {id, 0}, found);
    decode_joined(prediction_key({id, 0}), view);
    decode_held(view);
    joined_model(view);
  }
  std::uint32_t found = 0;
  CHECK_FALSE(find_row(group.substr(0, group.size() - 1), {id, 0}, found));
  CHECK_FALSE(decode_joined(prediction_key({id, 0}), value.substr(0, value.size() - 1)));
}

}  // namespace
}  // namespace outrider::truth
