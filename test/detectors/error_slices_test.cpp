// SPDX-License-Identifier: Apache-2.0
#include "detectors/error_slices.h"

#include <cmath>

#include "detectors/subject_slices.h"
#include "test/support/catch.h"
#include "test/support/slice_rows.h"

using namespace outrider::detectors;
using outrider::test::planted_first;
using outrider::test::slice_rows;
using outrider::test::slice_scenes;

namespace {

void add(ErrorSlices& slices, std::size_t slice, ErrorCount count, bool since) {
  const std::size_t row[] = {slice};
  for (std::uint64_t i = 0; i < count.rows; ++i) slices.add(row, i < count.wrong, since);
}

ErrorSlices districts(ErrorCount before, ErrorCount since, ErrorCount rest_before,
                      ErrorCount rest_since) {
  ErrorSlices slices({{"district", {"park", "harbour"}}});
  add(slices, 0, before, false);
  add(slices, 0, since, true);
  add(slices, 1, rest_before, false);
  add(slices, 1, rest_since, true);
  return slices;
}

}  // namespace

TEST_CASE("the score of a slice is the worked example's") {
  const ErrorChange slice{{100, 5}, {100, 25}}, rest{{900, 45}, {900, 45}};
  const double r = 45.5 / 901, p = (5 + 100 * r) / 200;
  const double variance = p * (1 - p) * (1. / 200 + 1. / 100) + r * (1 - r) * 2 / 900;
  CHECK(slice_score(slice, rest, 100) == Approx((.25 - p) / std::sqrt(variance)).epsilon(1e-12));
  CHECK(slice_score(slice, rest, 100) == Approx(6.97).margin(.005));
  CHECK(slice_score(slice, rest, 100, 4) == Approx(6.97 / 2).margin(.005));
}

TEST_CASE("what multiplies or adds the errors of everybody gives no slice a score") {
  const ErrorChange rest{{10'000, 500}, {10'000, 1'000}};
  CHECK(slice_score({{1'000, 200}, {1'000, 400}}, rest, 0) < .1);
  CHECK(slice_score({{1'000, 10}, {1'000, 60}}, rest, 0) < .1);
  // Nor does a slice that stayed where the others got better.
  CHECK(slice_score({{1'000, 100}, {1'000, 100}}, {{10'000, 1'000}, {10'000, 200}}, 0) == 0);
}

TEST_CASE(
    "slices that always differed are mixed with few rows of the others, equal ones with many") {
  const std::vector<ErrorChange> equal(10, ErrorChange{{100, 5}, {100, 5}});
  CHECK(prior_rows(equal) == 200);
  std::vector<ErrorChange> one_off = equal;
  one_off[3].before.wrong = 40;
  CHECK(prior_rows(one_off) < 15);
  CHECK(prior_rows(one_off) >= 10);
}

TEST_CASE(
    "the sentence names the slice, its accuracy before and since, and what happened elsewhere") {
  const auto report = districts({300, 12}, {212, 125}, {1'900, 76}, {1'800, 72}).judge();
  CHECK(report.verdict == SliceVerdict::slices);
  CHECK(report.sentence ==
        "accuracy fell only for district = park, 96 % -> 41 % of 212; elsewhere unchanged");
  REQUIRE(report.named == 1);
  const ErrorSlice& park = report.ranked[0];
  CHECK(park.lift == Approx(125. / 212 - 12. / 300));
  CHECK(park.low < park.lift);
  CHECK(park.lift < park.high);
  CHECK(park.low > .45);
  CHECK(park.p == Approx(1. / 2'001).epsilon(1e-9));

  const auto both = districts({300, 12}, {212, 125}, {1'900, 76}, {1'800, 270}).judge();
  CHECK(both.sentence ==
        "accuracy fell most for district = park, 96 % -> 41 % of 212; elsewhere "
        "96 % -> 85 % of 1800");
  // So few rows elsewhere could hide a fall: "unchanged" would be a guess.
  const auto few = districts({300, 12}, {212, 125}, {100, 4}, {100, 4}).judge();
  CHECK(few.sentence ==
        "accuracy fell for district = park, 96 % -> 41 % of 212; elsewhere 96 % -> "
        "96 % of 100");
}

TEST_CASE("too few rows are called so, with what it takes") {
  const auto report = districts({30, 1}, {20, 20}, {40, 1}, {20, 1}).judge();
  CHECK(report.verdict == SliceVerdict::too_few_rows);
  CHECK(report.sentence ==
        "too few rows: 70 of 100 rows before the change, and 40 of 100 rows since "
        "the change");
  CHECK(report.ranked.empty());
  const auto small = districts({20, 1}, {20, 20}, {400, 1}, {400, 1}).judge();
  CHECK(small.verdict == SliceVerdict::too_few_rows);
  CHECK(small.sentence ==
        "too few rows: no slice has 30 rows before and since the change, and as "
        "many elsewhere");
}

TEST_CASE("without any error, and with nothing but errors, nothing stands out") {
  CHECK(districts({200, 0}, {200, 0}, {900, 0}, {900, 0}).judge().verdict ==
        SliceVerdict::nothing_stands_out);
  CHECK(districts({200, 200}, {200, 200}, {900, 900}, {900, 900}).judge().verdict ==
        SliceVerdict::nothing_stands_out);
  CHECK(districts({200, 0}, {200, 200}, {900, 0}, {900, 900}).judge().verdict ==
        SliceVerdict::nothing_stands_out);
}

// A p of two slices that complement each other is one of a hypergeometric pair; here it is summed
// in full.
TEST_CASE("the adjusted p is that of all shuffles") {
  const ErrorSlices slices = districts({60, 3}, {60, 9}, {60, 4}, {60, 4});
  const auto report = slices.judge({.alpha = 50. / 19'999});
  const auto choose = [](int n, int k) {
    return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
  };
  const auto chance = [&](int wrong, int all) {
    return std::exp(choose(60, wrong) + choose(60, all - wrong) - choose(120, all));
  };
  double p = 0;
  for (int b = 0; b <= 7; ++b) {
    for (int s = 0; s <= 13; ++s) {
      const auto count = [](int wrong) {
        return ErrorCount{60, static_cast<std::uint64_t>(wrong)};
      };
      const ErrorChange park{count(b), count(s)}, harbour{count(7 - b), count(13 - s)};
      const double prior = prior_rows(std::vector{park, harbour});
      const double score =
          std::max(slice_score(park, harbour, prior), slice_score(harbour, park, prior));
      if (score >= report.ranked[0].score - 1e-12) p += chance(b, 7) * chance(s, 13);
    }
  }
  CHECK(p > .01);
  CHECK(p < .5);
  CHECK(report.ranked[0].p == Approx(p).margin(4 * std::sqrt(p / 19'999)));
}

TEST_CASE(
    "a planted slice is named first, and without one none is, also where errors or the mix moved") {
  constexpr int runs = 20;
  for (const auto& scene : slice_scenes) {
    if (scene.uneven) continue;  // Of scripts/bench slices.
    int first = 0, named = 0;
    for (int run = 0; run < runs; ++run) {
      const auto report = slice_rows(scene, 1'000 + run).judge({.alpha = .025});
      first += planted_first(report);
      named += report.named > 0;
    }
    INFO(scene.name << ": first " << first << ", named " << named);
    if (scene.slice_since > scene.since && scene.slice_since > scene.slice_before) {
      CHECK(first >= (scene.since > scene.before ? 12 : 18));
    } else {
      CHECK(named <= 2);  // 3 of 20 has the probability .013 at 2.5 %.
    }
  }
}

TEST_CASE("the same rows give the same report") {
  const auto a = slice_rows(slice_scenes[0], 7).judge(), b = slice_rows(slice_scenes[0], 7).judge();
  REQUIRE(a.ranked.size() == b.ranked.size());
  for (std::size_t i = 0; i < a.ranked.size(); ++i) CHECK(a.ranked[i].p == b.ranked[i].p);
}

TEST_CASE("a number's slices are the tenths of its reference, a category's its categories") {
  FrozenSubject number("size", *Binning::numeric({1, 2, 3, 4}));
  number.counts.counts = {5, 5, 5, 5, 80, 0, 0, 0, 0};
  const SubjectSlices sizes(number);
  CHECK(sizes.texts() == std::vector<std::string>{"(-Inf, 2]", "(2, 4]", "(4, +Inf)", "missing",
                                                  "nan", "neg_inf", "pos_inf"});
  CHECK(sizes.of(Value::of(1.5)) == 0);
  CHECK(sizes.of(Value::of(2.5)) == 1);
  CHECK(sizes.of(Value::of(9.0)) == 2);
  CHECK(sizes.of(Value::none()) == 3);
  CHECK(sizes.of(Value::of(std::string_view("large"))) == SubjectSlices::none);

  FrozenSubject category("district", *Binning::categorical({"park", "harbour"}));
  const SubjectSlices districts(category);
  CHECK(districts.texts() == std::vector<std::string>{"park", "harbour", "other", "missing"});
  CHECK(districts.of(Value::of(std::string_view("harbour"))) == 1);
  CHECK(districts.of(Value::of(std::string_view("lake"))) == 2);
}
