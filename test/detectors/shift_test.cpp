// SPDX-License-Identifier: Apache-2.0
#include "detectors/shift.h"

#include <cmath>
#include <random>

#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

using Counts = std::vector<std::uint64_t>;
using Shares = std::vector<double>;

double psi_of(const Shares& p, const Shares& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += (p[i] - q[i]) * std::log(p[i] / q[i]);
  return sum;
}

Shares equal(std::size_t bins) {
  return Shares(bins, 1 / static_cast<double>(bins));
}

// Mass leans from the lowest bins to the highest, as under a change of mean, as far as `psi` says.
Shares leaning(const Shares& base, double psi) {
  const auto lean = [&](double tilt) {
    Shares shares;
    double sum = 0;
    for (std::size_t i = 0; i < base.size(); ++i) {
      const double place = static_cast<double>(i) / static_cast<double>(base.size() - 1) - 0.5;
      shares.push_back(base[i] * std::exp(tilt * place));
      sum += shares.back();
    }
    for (double& share : shares) share /= sum;
    return shares;
  };
  double low = 0, high = 20;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (psi_of(lean(middle), base) < psi ? low : high) = middle;
  }
  return lean(high);
}

Counts sample(const Shares& shares, std::size_t rows, std::mt19937_64& random) {
  std::discrete_distribution<std::size_t> bin(shares.begin(), shares.end());
  Counts counts(shares.size());
  for (std::size_t i = 0; i < rows; ++i) ++counts[bin(random)];
  return counts;
}

}  // namespace

TEST_CASE("of equal distributions hardly one incident in a hundred names an input") {
  std::mt19937_64 random(1);
  int moved = 0;
  for (int run = 0; run < 200; ++run) {
    std::vector<Counts> counts;
    for (int i = 0; i < 10; ++i) {
      counts.push_back(sample(equal(20), 340, random));
      counts.push_back(sample(equal(20), 2'000, random));
    }
    std::vector<ShiftSamples> subjects;
    for (std::size_t i = 0; i < counts.size(); i += 2)
      subjects.push_back({counts[i], counts[i + 1]});
    for (const Shift& shift : judge_shifts(subjects)) moved += shift.moved;
  }
  CHECK(moved <= 2);
}

TEST_CASE("the power that is stated is the share of such shifts that are seen") {
  struct Case {
    std::size_t rows, base, bins, subjects;
  };
  std::mt19937_64 random(2);
  for (const Case& one :
       {Case{150, 2'000, 20, 2}, Case{250, 2'000, 20, 2}, Case{340, 2'000, 20, 2},
        Case{340, 500, 20, 10}, Case{200, 100'000, 8, 1}, Case{120, 900, 4, 50}}) {
    const Shares base = equal(one.bins), shifted = leaning(base, 0.2);
    int seen = 0;
    constexpr int runs = 300;
    for (int run = 0; run < runs; ++run) {
      std::vector<Counts> counts = {sample(shifted, one.rows, random),
                                    sample(base, one.base, random)};
      std::vector<ShiftSamples> subjects(one.subjects, {counts[1], counts[1]});
      subjects[0] = {counts[0], counts[1]};
      seen += judge_shifts(subjects)[0].moved;
    }
    const double power = shift_power(static_cast<double>(one.rows), static_cast<double>(one.base),
                                     one.bins, one.subjects);
    CAPTURE(one.rows, one.base, one.bins, one.subjects, power);
    CHECK(static_cast<double>(seen) / runs == Approx(power).margin(0.08));
  }
}

TEST_CASE("rows_needed are the fewest rows with a power of 0.9") {
  const Counts live(20, 3), base(20, 100);
  const std::vector<ShiftSamples> subjects = {{live, base}, {live, base}};
  const Shift shift = judge_shifts(subjects)[0];
  CHECK(shift.n == 60);
  CHECK(shift.m == 2'000);
  CHECK(!shift.moved);
  CHECK(shift.power < 0.2);
  const auto needed = static_cast<double>(shift.rows_needed);
  CHECK(shift_power(needed, 2'000, 20, 2) >= 0.9);
  CHECK(shift_power(needed - 1, 2'000, 20, 2) < 0.9);
}

TEST_CASE("against a base of few rows no number of rows suffices, and that is said") {
  const Counts live(20, 500), base(20, 2);
  const Shift shift = judge_shifts(std::vector<ShiftSamples>{{live, base}})[0];
  CHECK(shift.rows_needed == 0);
  CHECK(shift.power < 0.9);
}

TEST_CASE("rows that hang together say less: the power falls and a jump counts for less") {
  const DesignEffect dragging{.rank = 12, .bins = 3};
  CHECK(shift_power(600, 2'000, 20, 2, dragging) < shift_power(600, 2'000, 20, 2) - 0.2);
  Counts live(20, 30), base(20, 100);
  for (std::size_t i = 0; i < 10; ++i) live[i] += 60;
  CHECK(judge_shifts(std::vector<ShiftSamples>{{live, base}})[0].moved);
  CHECK(!judge_shifts(std::vector<ShiftSamples>{{live, base, dragging}})[0].moved);
}

TEST_CASE("nothing seen on one side is no shift and has no power") {
  const Counts none(20), some(20, 10);
  for (const Shift& shift : judge_shifts(std::vector<ShiftSamples>{{none, some}, {some, none}})) {
    CHECK(!shift.moved);
    CHECK(shift.power == 0);
    CHECK(shift.rows_needed == 0);
  }
  CHECK(judge_shifts({}).empty());
  CHECK(shift_power(1'000, 1'000, 1, 1) == 0);
}
