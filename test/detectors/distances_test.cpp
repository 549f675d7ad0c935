// SPDX-License-Identifier: Apache-2.0
// Each distance's worked example by hand, and what all of them keep. Against SciPy: test/oracle.
#include <cmath>
#include <random>

#include "detectors/benjamini_hochberg.h"
#include "detectors/chi_square.h"
#include "detectors/hellinger.h"
#include "detectors/jensen_shannon.h"
#include "detectors/kolmogorov_smirnov.h"
#include "detectors/l_infinity.h"
#include "detectors/psi.h"
#include "detectors/rank_test.h"
#include "detectors/wasserstein.h"
#include "test/support/catch.h"

using namespace outrider::detectors;
using Counts = std::vector<std::uint64_t>;

TEST_CASE("PSI of the worked example") {
  const Counts p{50, 50}, q{90, 10};
  const double a = 90.5 / 101 - 0.5,
               expected = a * std::log(90.5 / 101 / 0.5) - a * std::log(10.5 / 101 / 0.5);
  CHECK(psi(p, q) == Approx(expected));
  CHECK(psi(p, q) == Approx(0.85307).epsilon(1e-4));
  CHECK(psi0(p, q) == Approx(expected - (1.0 / 100 + 1.0 / 100)));
}

TEST_CASE("Jensen-Shannon of the worked examples") {
  CHECK(jensen_shannon(Counts{1, 0}, Counts{0, 1}) == Approx(1));
  CHECK(jensen_shannon(Counts{1, 1}, Counts{1, 0}) == Approx(0.557923).epsilon(1e-5));
}

TEST_CASE("Kolmogorov-Smirnov of the worked example") {
  CHECK(kolmogorov_smirnov(Counts{2, 2}, Counts{1, 3}) == Approx(0.25));
}

TEST_CASE("the Kolmogorov-Smirnov p-value is 1 % where the rule's 1.63 has it") {
  const double n = 20'000, m = 20'000;
  CHECK(kolmogorov_smirnov_p(1.6276 * std::sqrt(1 / n + 1 / m), n, m) ==
        Approx(0.01).epsilon(0.03));
  CHECK(kolmogorov_smirnov_p(0, n, m) == 1);
  CHECK(kolmogorov_smirnov_p(1, n, m) < 1e-100);
}

TEST_CASE("chi-square of the worked example") {
  const ChiSquare test = chi_square(Counts{10, 20}, Counts{20, 10});
  CHECK(test.statistic == Approx(6.666667));
  CHECK(test.degrees == 1);
  CHECK(test.p == Approx(0.009823).epsilon(1e-4));
  CHECK(chi_square_critical(test.p, 1) == Approx(test.statistic));
}

TEST_CASE("chi-square merges neighbours until five are expected in each cell") {
  // 1 + 1 + 8 rows of 20 are 5 expected a sample; the last 2 + 2 join the cell before them.
  const ChiSquare test = chi_square(Counts{1, 0, 4, 10, 2, 1}, Counts{0, 1, 4, 10, 0, 3});
  const ChiSquare merged = chi_square(Counts{5, 13}, Counts{5, 13});
  CHECK(test.degrees == 1);
  CHECK(test.statistic == Approx(merged.statistic).margin(1e-12));
  CHECK(chi_square(Counts{1, 1}, Counts{1, 2}).p == 1);
}

TEST_CASE("chi-square's extremes are numbers, not exceptions") {
  const ChiSquare test = chi_square(Counts{1'000'000, 0}, Counts{0, 1'000'000});
  CHECK(test.p == 0);
  CHECK(std::isfinite(test.statistic));
  CHECK(chi_square_critical(0, 5) > 1e300);
  CHECK(chi_square_critical(1, 5) == 0);
}

TEST_CASE("Hellinger and L-infinity of the worked examples") {
  CHECK(hellinger(Counts{1, 0}, Counts{1, 1}) == Approx(0.541196).epsilon(1e-5));
  CHECK(l_infinity(Counts{5, 5}, Counts{8, 2}) == Approx(0.3));
}

TEST_CASE("Wasserstein of the worked example") {
  const std::vector<double> edges{0, 1};
  CHECK(wasserstein(edges, Counts{0, 4, 0}, {}, Counts{0, 0, 4}, {0, 2, 0, 0}) == Approx(1));
}

TEST_CASE("Wasserstein where the distribution functions cross between two edges") {
  // Gaps +1/2 at 0 and -1/2 at 1: two triangles of 1/2 x 1/2 / 2.
  const std::vector<double> edges{0, 1};
  CHECK(wasserstein(edges, Counts{2, 0, 2}, {}, Counts{0, 4, 0}, {}) == Approx(0.25));
}

TEST_CASE("Benjamini-Hochberg of the worked example") {
  const std::vector<double> p{0.01, 0.04, 0.03};
  const auto q = benjamini_hochberg(p);
  CHECK(q[0] == Approx(0.03));
  CHECK(q[1] == Approx(0.04));
  CHECK(q[2] == Approx(0.04));
  CHECK(benjamini_hochberg_cut(p, 0.035) == Approx(0.035 / 3));
  CHECK(benjamini_hochberg_cut(p, 0.05) == Approx(0.05));
  CHECK(benjamini_hochberg_cut(p, 1e-3) == Approx(1e-3 / 3));
  CHECK(benjamini_hochberg({}).empty());
  CHECK(benjamini_hochberg(std::vector<double>{std::nan(""), 0.2})[0] == 1);
}

TEST_CASE("the rank test of two bins is the chi-square of their table") {
  const RankTest test = rank_test(Counts{10, 20}, Counts{20, 10});
  CHECK(test.location * test.location == Approx(6.666667));
  CHECK(test.location < 0);
  CHECK(test.spread == Approx(0).margin(1e-9));
}

TEST_CASE("the rank test tells a shift from a widening") {
  const RankTest shift = rank_test(Counts{100, 100, 100, 100}, Counts{80, 90, 110, 120});
  CHECK(shift.location == Approx(2.215).epsilon(1e-3));
  CHECK(std::abs(shift.spread) < 1);
  const RankTest wider = rank_test(Counts{100, 100, 100, 100}, Counts{120, 80, 80, 120});
  CHECK(std::abs(wider.location) < 1e-9);
  CHECK(wider.spread > 2.5);
}

TEST_CASE("every distance is 0 between equal shares and symmetric, within its bounds") {
  std::mt19937_64 random(3);
  std::uniform_int_distribution<std::uint64_t> count(0, 50);
  const std::vector<double> edges{-1, 0, 0.5, 3};
  for (int round = 0; round < 500; ++round) {
    Counts p(5), q(5), twice(5);
    for (std::size_t i = 0; i < 5; ++i) {
      p[i] = count(random);
      q[i] = count(random);
      twice[i] = 2 * p[i];
    }
    for (auto distance : {psi, jensen_shannon, kolmogorov_smirnov, hellinger, l_infinity}) {
      CHECK(distance(p, q) == Approx(distance(q, p)).margin(1e-12));
      CHECK(distance(p, q) >= 0);
      CHECK(distance(p, p) == Approx(0).margin(1e-7));
    }
    for (auto distance : {jensen_shannon, kolmogorov_smirnov, hellinger, l_infinity}) {
      CHECK(distance(p, q) <= 1);
      CHECK(distance(p, twice) == Approx(0).margin(1e-7));
    }
    CHECK(kolmogorov_smirnov(p, q) <= 1);
    CHECK(chi_square(p, q).p >= 0);
    CHECK(chi_square(p, q).p <= 1);
    CHECK(wasserstein(edges, p, {}, q, {}) ==
          Approx(wasserstein(edges, q, {}, p, {})).margin(1e-12));
  }
}

TEST_CASE("nothing observed is no distance") {
  const Counts none{0, 0}, some{3, 4};
  for (auto distance : {psi0, jensen_shannon, kolmogorov_smirnov, hellinger, l_infinity}) {
    CHECK(distance(none, some) == 0);
    CHECK(distance(some, none) == 0);
  }
  CHECK(chi_square(none, some).p == 1);
  CHECK(rank_test(none, some).p == 1);
  CHECK(wasserstein(std::vector<double>{1}, none, {}, some, {}) == 0);
}
