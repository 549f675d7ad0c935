// SPDX-License-Identifier: Apache-2.0
#include "agent/query/inputs_since.h"

#include <cmath>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::query;
using Comparison = incident::Facts::Comparison;

namespace {

using Bins = std::map<std::string, std::uint64_t>;

// `rows` over ten bins, those of the upper half `lean` times as often as those of the lower.
Bins ten_bins(std::uint64_t rows, double lean = 1) {
  Bins bins;
  const double unit = static_cast<double>(rows) / (5 + 5 * lean);
  for (int i = 0; i < 10; ++i)
    bins["0" + std::to_string(i)] = static_cast<std::uint64_t>(i < 5 ? unit : unit * lean);
  return bins;
}

InstantValue value_of(const std::string& feature, const std::string& bin, double value) {
  return {Labels{{"feature", feature}, {"bin", bin}}, value};
}

}  // namespace

TEST_CASE(
    "inputs that stayed are compared with the rows before the change, with the power for it") {
  const auto comparison =
      compare_inputs({.since = {{"age", ten_bins(350)}, {"size", ten_bins(340)}},
                      .before = {{"age", ten_bins(1'500)}, {"size", ten_bins(1'500)}}});
  REQUIRE(comparison);
  CHECK(comparison->moved.empty());
  CHECK(comparison->base == Comparison::Base::before);
  CHECK(comparison->inputs == 2);
  CHECK(comparison->rows == 340);
  CHECK(comparison->base_rows == 1'500);
  CHECK(comparison->psi == 0.2);
  CHECK(comparison->power >= 0.9);
  CHECK(comparison->enough);
}

TEST_CASE("an input that moved with the change is told from one that had moved before") {
  const auto comparison = compare_inputs(
      {.since = {{"age", ten_bins(400, 4)}, {"size", ten_bins(400, 4)}, {"rooms", ten_bins(400)}},
       .before = {{"age", ten_bins(1'500, 4)},
                  {"size", ten_bins(1'500)},
                  {"rooms", ten_bins(1'500)}},
       .reference = {
           {"age", ten_bins(9'000)}, {"size", ten_bins(9'000)}, {"rooms", ten_bins(9'000)}}});
  REQUIRE(comparison);
  REQUIRE(comparison->moved.size() == 2);
  for (const Comparison::Input& input : comparison->moved) {
    CHECK(input.psi > 0.3);
    CHECK(input.moved ==
          (input.name == "size" ? Comparison::Moved::at_change : Comparison::Moved::before_change));
  }
}

TEST_CASE("where few rows came before the change the reference decides, and when is unknown") {
  const auto stayed = compare_inputs({.since = {{"size", ten_bins(400)}},
                                      .before = {{"size", ten_bins(30)}},
                                      .reference = {{"size", ten_bins(9'000)}}});
  REQUIRE(stayed);
  CHECK(stayed->base == Comparison::Base::reference);
  CHECK(stayed->enough);
  const auto moved = compare_inputs({.since = {{"size", ten_bins(400, 4)}},
                                     .before = {{"size", ten_bins(30, 4)}},
                                     .reference = {{"size", ten_bins(9'000)}}});
  REQUIRE(moved);
  REQUIRE(moved->moved.size() == 1);
  CHECK(moved->moved[0].moved == Comparison::Moved::unknown);
}

TEST_CASE("too few rows since the change are too few, and how many it takes is said") {
  const auto comparison =
      compare_inputs({.since = {{"size", ten_bins(60)}}, .before = {{"size", ten_bins(1'500)}}});
  REQUIRE(comparison);
  CHECK(!comparison->enough);
  CHECK(comparison->rows == 60);
  CHECK(comparison->rows_needed > 100);
  CHECK(comparison->rows_needed < 400);
}

TEST_CASE("values that went missing since the change are a change of inputs") {
  Bins holes = ten_bins(200);
  holes["missing"] = 200;
  const auto comparison = compare_inputs({.since = {{"size", holes}},
                                          .before = {{"size", ten_bins(1'500)}},
                                          .reference = {{"size", ten_bins(9'000)}}});
  REQUIRE(comparison);
  REQUIRE(comparison->moved.size() == 1);
  CHECK(comparison->moved[0].moved == Comparison::Moved::at_change);
}

TEST_CASE(
    "deciles that lie in one bin of the reference are one cell, as what they say is one thing") {
  // Of two categories, each with five deciles.
  const Bins half = {{"00", 40}, {"01", 40}, {"02", 40}, {"03", 40}, {"04", 40},
                     {"05", 36}, {"06", 36}, {"07", 36}, {"08", 36}, {"09", 36}};
  Bins before;
  for (const auto& [bin, rows] : half) before[bin] = 150;
  for (int i = 0; i < 5; ++i) before["0" + std::to_string(i)] = 160;
  InputCounts counts{.since = {{"kind", half}}, .before = {{"kind", before}}};
  const auto as_bins = compare_inputs(counts);
  counts.deciles.insert("kind");
  const auto as_deciles = compare_inputs(counts);
  CHECK(as_deciles->rows_needed < as_bins->rows_needed);  // One degree of freedom, not nine.
  CHECK(as_deciles->rows == as_bins->rows);
  CHECK(as_deciles->moved.empty());
}

TEST_CASE("of a reference by deciles each has a tenth of its rows") {
  const BinTable table = make_deciles(
      {value_of("size", "", 1'000), value_of("", "", 5), value_of("age", "", std::nan(""))});
  REQUIRE(table.size() == 1);
  CHECK(table.at("size").size() == 10);
  CHECK(table.at("size").at("09") == 100);
}

TEST_CASE("rows that hang together have less power") {
  InputCounts counts{.since = {{"size", ten_bins(400)}}, .before = {{"size", ten_bins(1'500)}}};
  const double power = compare_inputs(counts)->power;
  counts.effects["size"] = {8, 8};
  CHECK(compare_inputs(counts)->power < power / 2);
}

TEST_CASE("without rows since the change, or any to compare with, nothing is said") {
  CHECK(!compare_inputs({}));
  CHECK(!compare_inputs({.since = {{"size", ten_bins(400)}}}));
  CHECK(!compare_inputs({.before = {{"size", ten_bins(400)}}}));
}

TEST_CASE("what is no count is no row") {
  const BinTable table = make_bins({value_of("size", "00", 3), value_of("size", "00", 4),
                                    value_of("size", "01", -1), value_of("size", "02", 1e300),
                                    value_of("size", "03", std::nan("")), value_of("", "04", 1)});
  CHECK(table == BinTable{{"size", {{"00", 7}}}});
}

TEST_CASE("a reference's rows come back from its smoothed shares") {
  const double rows = 1'000;
  const auto share = [&](double count) { return (count + 0.5) / (rows + 1); };
  CHECK(make_reference({value_of("size", "00", share(250)), value_of("size", "01", share(750))},
                       {value_of("size", "", rows)}) ==
        BinTable{{"size", {{"00", 250}, {"01", 750}}}});
  CHECK(make_reference({value_of("size", "00", 0.5)}, {}).empty());
}
