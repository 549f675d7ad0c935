// SPDX-License-Identifier: Apache-2.0
// PCA scores, tail score and conformal p-value.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "detectors/conformal.h"
#include "detectors/pca.h"
#include "detectors/tail_score.h"
#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
using Rows = std::vector<std::vector<double>>;

Pca fit(const Rows& rows, std::size_t components = components_max) {
  Pca::Moments moments(rows.front().size());
  for (const auto& row : rows) moments.add(row);
  auto pca = Pca::fit(moments, components);
  REQUIRE(pca);
  return *pca;
}

// Two standard normals with correlation rho.
Rows correlated(double rho, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Rows rows;
  for (std::size_t i = 0; i < count; ++i) {
    const double a = normal(random), b = normal(random);
    rows.push_back({a, rho * a + std::sqrt(1 - rho * rho) * b});
  }
  return rows;
}

}  // namespace

TEST_CASE("PCA of the worked example: variances 1.6 and 0.4 along the diagonals") {
  const Pca pca = fit(correlated(0.6, 200'000, 1));
  CHECK(pca.variances()[0] == Approx(1.6).epsilon(0.01));
  CHECK(pca.variances()[1] == Approx(0.4).epsilon(0.02));
  CHECK(std::abs(pca.vectors()(0, 0)) == Approx(std::sqrt(0.5)));
  CHECK(pca.vectors()(0, 0) == Approx(pca.vectors()(1, 0)));
  CHECK(pca.vectors()(0, 1) == Approx(-pca.vectors()(1, 1)));
}

TEST_CASE("T2 and Q of a row by hand") {
  // Four rows: x1 in {-1, 1}, x2 = 2 x1 exactly; the second direction has no variance.
  const Pca pca = fit({{-1, -2}, {1, 2}, {-1, -2}, {1, 2}}, 1);
  std::vector<double> z(1);
  // Standardised (1, 1): z = sqrt 2, lambda = 2, T2 = 1, nothing left over.
  auto scores = pca.project(std::vector<double>{1, 2}, z);
  CHECK(std::abs(z[0]) == Approx(std::sqrt(2.0)));
  CHECK(scores.t2 == Approx(1));
  CHECK(scores.q == 0);
  // Standardised (1, -1): orthogonal to the kept direction, so all of it is residual.
  scores = pca.project(std::vector<double>{1, -2}, z);
  CHECK(scores.t2 == Approx(0).margin(1e-9));
  CHECK(scores.q == Approx(2));
}

TEST_CASE("the mean of T2 over the reference is the number of components") {
  const Rows rows = correlated(0.3, 10'000, 2);
  const Pca pca = fit(rows);
  std::vector<double> z(2);
  double sum = 0;
  for (const auto& row : rows) sum += pca.project(row, z).t2;
  CHECK(sum / 10'000 == Approx(2).epsilon(1e-6));
}

TEST_CASE("a missing or infinite value is at the mean, a constant adds nothing") {
  Rows rows = correlated(0.3, 1000, 3);
  for (auto& row : rows) row.push_back(5);
  const Pca pca = fit(rows);
  CHECK(pca.deviation()[2] == 0);
  std::vector<double> z(3), other(3);
  const double nan = std::nan("");
  pca.project(std::vector<double>{1, nan, nan}, z);
  pca.project(std::vector<double>{1, infinity, 700}, other);
  CHECK(z == other);
  const auto far = pca.project(std::vector<double>{1e308, -1e308, 0}, z);
  CHECK(std::isfinite(far.t2));
  CHECK(far.t2 > 1e9);
}

TEST_CASE("a feature whose squares overflow takes no part, and the others keep theirs") {
  Rows rows = correlated(0.6, 5000, 9);
  const Pca without = fit(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].push_back(i % 2 == 0 ? 1e300 : -1.7e308);
  const Pca pca = fit(rows);
  CHECK(pca.deviation()[2] == 0);
  CHECK(pca.variances()[0] == Approx(without.variances()[0]));
  CHECK(pca.variances()[1] == Approx(without.variances()[1]));
  std::vector<double> z(3), z_without(2);
  const double t2 = pca.project(std::vector<double>{1, -2, 1e300}, z).t2;
  CHECK(t2 == Approx(without.project(std::vector<double>{1, -2}, z_without).t2));
  const Pca::Matrix& v = pca.vectors();
  CHECK(Pca::restore(
      {pca.mean().begin(), pca.mean().end()}, {pca.deviation().begin(), pca.deviation().end()},
      {v.data(), v.data() + v.size()}, {pca.variances().begin(), pca.variances().end()}));
}

TEST_CASE("with more than 32 features the largest and the smallest directions are kept") {
  std::mt19937_64 random(4);
  std::normal_distribution<double> normal;
  Rows rows;
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> row(40);
    for (double& x : row) x = normal(random);
    row[39] = row[0] + row[1];  // An exact relation: a direction without variance.
    rows.push_back(row);
  }
  const Pca pca = fit(rows);
  CHECK(pca.components() == 32);
  CHECK(std::is_sorted(pca.variances().rbegin(), pca.variances().rend()));
  CHECK(pca.variances()[31] == Approx(0).margin(1e-9));
  std::vector<double> z(32);
  auto row = rows[0];
  CHECK(pca.project(row, z).t2 < 200);
  CHECK(z[31] == 0);  // Rounding of an exact relation is no score.
  row[39] += 1;       // The relation breaks.
  CHECK(pca.project(row, z).t2 > 1000);
}

TEST_CASE("PCA refuses what has no variance or no rows") {
  Pca::Moments none(2);
  CHECK(Pca::fit(none).error().code == "too_few_rows");
  none.add(std::vector<double>{std::nan(""), 1});
  CHECK(none.rows() == 0);
  for (int i = 0; i < 5; ++i) none.add(std::vector<double>{3, 1e9});
  CHECK(Pca::fit(none).error().code == "no_variance");
  CHECK(Pca::restore({1}, {1}, {1, 1}, {1}).error().code == "bad_pca");
  CHECK(Pca::restore({1}, {-1}, {1}, {1}).error().code == "bad_pca");
  CHECK(Pca::restore({1}, {1}, {std::nan("")}, {1}).error().code == "bad_pca");
}

TEST_CASE("equal data gives equal directions, whatever the order of summation's sign") {
  const Rows rows = correlated(0.5, 500, 5);
  const Pca a = fit(rows), b = fit(rows);
  CHECK(a.vectors() == b.vectors());
  for (Eigen::Index j = 0; j < 2; ++j) {
    Eigen::Index at = 0;
    a.vectors().col(j).cwiseAbs().maxCoeff(&at);
    CHECK(a.vectors()(at, j) > 0);
  }
}

TEST_CASE("the tail score is 0 at the median and -log of the tail elsewhere") {
  std::vector<double> sorted;
  for (int i = 0; i <= 10'000; ++i) sorted.push_back(i - 5000.0);
  TailTable tails;
  tails.add_component(sorted);
  const auto score = [&](double z) { return tails.score(std::vector<double>{z}); };
  CHECK(score(0) == Approx(0).margin(1e-9));
  CHECK(score(-4900) == Approx(-std::log(0.02)));
  CHECK(score(4900) == Approx(-std::log(0.02)));
  CHECK(score(4990) == Approx(-std::log(0.002)));
  CHECK(score(8000) > score(6000));
  CHECK(score(infinity) == 700);
  CHECK(score(std::numeric_limits<double>::lowest()) == 700);
}

TEST_CASE("an atom is ordinary, and what leaves a constant is not") {
  TailTable tails;
  tails.add_component(std::vector<double>(100, 3.0));
  CHECK(tails.score(std::vector<double>{3}) == Approx(0).margin(1e-6));
  CHECK(tails.score(std::vector<double>{3.1}) == 700);
}

TEST_CASE("tails are restored from their knots, and broken ones are refused") {
  TailTable tails;
  std::vector<double> sorted;
  for (int i = 0; i < 999; ++i) sorted.push_back(std::sqrt(i));
  tails.add_component(sorted);
  const auto again = TailTable::restore(tails.knots());
  REQUIRE(again);
  for (const double z : {-3.0, 0.0, 1.5, 20.0, 31.0, 40.0}) {
    CHECK(again->score(std::vector<double>{z}) == tails.score(std::vector<double>{z}));
  }
  CHECK(TailTable::restore({1, 2}).error().code == "bad_tails");
  std::vector<double> knots(tail_knots, 1.0);
  knots[3] = 0;
  CHECK(TailTable::restore(knots).error().code == "bad_tails");
}

TEST_CASE("the conformal p-value of the worked example") {
  ConformalHistogram histogram;
  CHECK(histogram.p_value(3) == 1);
  for (const double score : {1, 2, 4, 8}) histogram.add(score);
  histogram.freeze();
  CHECK(histogram.p_value(100) == Approx(1.0 / 5));
  CHECK(histogram.p_value(4) == Approx(3.0 / 5));
  CHECK(histogram.p_value(0) == 1);
  CHECK(histogram.p_value(-1) == 1);
  CHECK(histogram.p_value(infinity) == Approx(1.0 / 5));
  CHECK(histogram.p_value(std::nan("")) == Approx(1.0 / 5));
}

TEST_CASE(
    "conformal p-values of fresh scores are uniform or larger, and bins are 12.5 % wide at most") {
  std::mt19937_64 random(6);
  std::exponential_distribution<double> exponential(0.1);
  ConformalHistogram histogram;
  for (int i = 0; i < 100'000; ++i) histogram.add(exponential(random));
  histogram.freeze();
  std::vector<int> at_most(3);
  const double levels[] = {0.1, 0.01, 0.001};
  for (int i = 0; i < 100'000; ++i) {
    const double p = histogram.p_value(exponential(random));
    for (int k = 0; k < 3; ++k) at_most[k] += p <= levels[k] ? 1 : 0;
  }
  for (int k = 0; k < 3; ++k) {
    const double expected = 100'000 * levels[k];
    CHECK(at_most[k] <= expected + 4 * std::sqrt(expected));
    CHECK(at_most[k] >= expected * 0.3);
  }
  for (double x = 1e-4; x < 6e4; x *= 1.125) {
    CHECK(ConformalHistogram::bin_of(x * 1.125) > ConformalHistogram::bin_of(x));
  }
  const auto again = ConformalHistogram::restore(histogram.counts());
  REQUIRE(again);
  CHECK(again->p_value(5) == histogram.p_value(5));
  CHECK(ConformalHistogram::restore(std::vector<std::uint64_t>(3)).error().code == "bad_anomaly");
}
