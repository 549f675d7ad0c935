// SPDX-License-Identifier: Apache-2.0
// The figures that the design asks of the distribution statistics, by simulation with fixed seeds.
// Each case prints its figure with `-s`.
#include <algorithm>
#include <cmath>
#include <random>

#include "detectors/kolmogorov_smirnov.h"
#include "detectors/pca.h"
#include "detectors/psi.h"
#include "detectors/version_watch.h"
#include "detectors/wasserstein.h"
#include "test/detectors/watch_fixture.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using outrider::test::frozen_numeric;

namespace {

using Column = std::vector<double>;

Column normals(std::mt19937_64& random, std::size_t count, double mean = 0, double deviation = 1) {
  std::normal_distribution<double> normal(mean, deviation);
  Column values(count);
  for (double& value : values) value = normal(random);
  return values;
}

BinCounts binned(const FrozenSubject& frozen, const Column& values) {
  BinCounts counts{std::vector<std::uint64_t>(frozen.bins.slots()), {}};
  for (const double value : values) counts.observe(frozen.bins, Value::of(value));
  return counts;
}

// The exact two-sample distances, from the sorted samples.
struct Exact {
  double ks = 0, wasserstein = 0;
};
Exact exact(Column a, Column b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  Column all = a;
  all.insert(all.end(), b.begin(), b.end());
  std::sort(all.begin(), all.end());
  const auto share = [](const Column& sorted, double x) {
    return static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), x) - sorted.begin()) /
           static_cast<double>(sorted.size());
  };
  Exact result;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double gap = std::abs(share(a, all[i]) - share(b, all[i]));
    result.ks = std::max(result.ks, gap);
    if (i + 1 < all.size()) result.wasserstein += gap * (all[i + 1] - all[i]);
  }
  return result;
}

// Rows of `d` standard normals that all have correlation rho with each other.
std::vector<Column> equicorrelated(std::mt19937_64& random, std::size_t rows, std::size_t d,
                                   double rho) {
  std::normal_distribution<double> normal;
  std::vector<Column> columns(d, Column(rows));
  for (std::size_t i = 0; i < rows; ++i) {
    const double common = normal(random);
    for (std::size_t j = 0; j < d; ++j) {
      columns[j][i] = std::sqrt(rho) * common + std::sqrt(1 - rho) * normal(random);
    }
  }
  return columns;
}

std::shared_ptr<const Reference> reference_of(const std::vector<Column>& columns) {
  const std::size_t rows = columns[0].size(), d = columns.size();
  auto reference = std::make_shared<Reference>();
  reference->rows = rows;
  Pca::Moments moments(d);
  Column row(d);
  const auto load = [&](std::size_t i) {
    for (std::size_t j = 0; j < d; ++j) row[j] = columns[j][i];
  };
  std::vector<std::size_t> features;
  for (std::size_t j = 0; j < d; ++j) {
    reference->features.push_back(frozen_numeric("x" + std::to_string(j), columns[j]));
    features.push_back(j);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    load(i);
    moments.add(row);
  }
  MultivariateReference multivariate{features, *Pca::fit(moments), {}, {}, {}};
  const std::size_t k = multivariate.pca.components();
  std::vector<Column> scores(k + 2);
  Column z(k);
  for (std::size_t i = 0; i < rows; ++i) {
    load(i);
    const auto distance = multivariate.pca.project(row, z);
    for (std::size_t j = 0; j < k; ++j) scores[j].push_back(z[j]);
    scores[k].push_back(distance.t2);
    scores[k + 1].push_back(distance.q);
  }
  for (std::size_t j = 0; j < k + 2; ++j) {
    multivariate.scores.push_back(frozen_numeric("s" + std::to_string(j), scores[j]));
    std::sort(scores[j].begin(), scores[j].end());
    if (j < k) multivariate.tails.add_component(scores[j]);
  }
  reference->multivariate = std::move(multivariate);
  return reference;
}

std::vector<Verdict> judged(const std::shared_ptr<const Reference>& reference,
                            const std::vector<Column>& columns) {
  VersionWatch watch(reference);
  std::vector<Value> row(columns.size());
  for (std::size_t i = 0; i < columns[0].size(); ++i) {
    for (std::size_t j = 0; j < columns.size(); ++j) row[j] = Value::of(columns[j][i]);
    watch.observe(row, Value::none(), std::nan(""), test::watch_start);
  }
  return watch.judge_all();
}

struct Power {
  double univariate = 0;    // Some feature's p below its Bonferroni share of 5 %.
  double multivariate = 0;  // The multivariate subject's p below 5 %.
  double family = 0;        // Any subject's p below its Bonferroni share of 5 %.
};

template <class Draw>
Power power(int rounds, const std::shared_ptr<const Reference>& reference, Draw draw) {
  Power power;
  for (int round = 0; round < rounds; ++round) {
    const auto verdicts = judged(reference, draw());
    const auto d = static_cast<double>(verdicts.size() - 1);
    double smallest = 1;
    for (std::size_t i = 0; i + 1 < verdicts.size(); ++i)
      smallest = std::min(smallest, verdicts[i].scores.p);
    const double multivariate = verdicts.back().scores.p;
    power.univariate += smallest < 0.05 / d;
    power.multivariate += multivariate < 0.05;
    power.family += std::min(smallest, multivariate) < 0.05 / (d + 1);
  }
  power.univariate /= rounds;
  power.multivariate /= rounds;
  power.family /= rounds;
  return power;
}

}  // namespace

TEST_CASE("binned KS is within 0.004 of the exact one on average, 0.012 at most, at n = 2 000") {
  std::mt19937_64 random(1);
  double sum = 0, most = 0;
  int rounds = 0;
  for (const double shift : {0.0, 0.05, 0.1, 0.3, 1.0}) {
    for (int round = 0; round < 60; ++round, ++rounds) {
      const Column reference = normals(random, 10'000);
      const Column live = normals(random, 2000, shift, round % 2 ? 1.0 : 1.1);
      const FrozenSubject frozen = frozen_numeric("x", reference);
      const BinCounts counts = binned(frozen, live);
      const double error = std::abs(
          kolmogorov_smirnov(frozen.counts.values(frozen.bins), counts.values(frozen.bins)) -
          exact(reference, live).ks);
      sum += error;
      most = std::max(most, error);
    }
  }
  INFO("mean " << sum / rounds << ", max " << most);
  CHECK(sum / rounds <= 0.004);
  CHECK(most <= 0.012);
}

TEST_CASE("binned Wasserstein is within 2 % of the exact one for shifts that matter") {
  std::mt19937_64 random(2);
  double sum = 0;
  for (int round = 0; round < 50; ++round) {
    const Column reference = normals(random, 10'000);
    const Column live = normals(random, 2000, 0.3);
    const FrozenSubject frozen = frozen_numeric("x", reference);
    const BinCounts counts = binned(frozen, live);
    const double distance =
        wasserstein(frozen.bins.edges(), frozen.counts.values(frozen.bins), frozen.counts.tails,
                    counts.values(frozen.bins), counts.tails);
    sum += std::abs(distance / exact(reference, live).wasserstein - 1);
  }
  INFO("mean relative error " << sum / 50);
  CHECK(sum / 50 <= 0.02);
}

TEST_CASE("PSI0 is 0 on no drift: its mean is within 10 % of the bias it removes") {
  std::mt19937_64 random(3);
  for (const auto& [m, n] :
       {std::pair<std::size_t, std::size_t>{2000, 500}, {2000, 2000}, {10'000, 1000}}) {
    double sum = 0, plain = 0;
    constexpr int rounds = 1500;
    for (int round = 0; round < rounds; ++round) {
      const FrozenSubject frozen = frozen_numeric("x", normals(random, m));
      const BinCounts counts = binned(frozen, normals(random, n));
      sum += psi0(frozen.counts.values(frozen.bins), counts.values(frozen.bins));
      plain += psi(frozen.counts.values(frozen.bins), counts.values(frozen.bins));
    }
    const double bias = 19 * (1 / static_cast<double>(n) + 1 / static_cast<double>(m));
    INFO("m " << m << " n " << n << ": mean PSI0 " << sum / rounds << ", plain " << plain / rounds
              << ", bias " << bias);
    CHECK(std::abs(sum / rounds) <= 0.1 * bias);
  }
}

TEST_CASE("plain PSI over many bins alarms on nothing, PSI0 over 20 does not") {
  std::mt19937_64 random(4);
  int plain = 0, debiased = 0;
  for (int round = 0; round < 300; ++round) {
    const FrozenSubject frozen = frozen_numeric("x", normals(random, 500));
    const BinCounts counts = binned(frozen, normals(random, 500));
    plain += psi(frozen.counts.values(frozen.bins), counts.values(frozen.bins)) > 0.1 ? 1 : 0;
    debiased += psi0(frozen.counts.values(frozen.bins), counts.values(frozen.bins)) > 0.1 ? 1 : 0;
  }
  INFO("plain " << plain << ", debiased " << debiased << " of 300");
  CHECK(plain > 30);
  CHECK(debiased <= 6);
}

TEST_CASE(
    "a correlation that falls from 0.6 to 0.45 is seen by the PCA bins and not by the features") {
  std::mt19937_64 random(5);
  const auto reference = reference_of(equicorrelated(random, 10'000, 2, 0.6));
  const Power null = power(200, reference, [&] { return equicorrelated(random, 2000, 2, 0.6); });
  const Power changed =
      power(200, reference, [&] { return equicorrelated(random, 2000, 2, 0.45); });
  INFO("null: univariate " << null.univariate << ", multivariate " << null.multivariate);
  INFO("changed: univariate " << changed.univariate << ", multivariate " << changed.multivariate);
  CHECK(null.multivariate <= 0.1);
  CHECK(changed.univariate <= 0.15);
  CHECK(changed.multivariate >= 0.95);
}

TEST_CASE("a shift of 0.15 sigma in 1 of 20 features is found in 80 % at a family-wise 5 %") {
  // Several references: the luck of one of them is the same in all its rounds.
  std::mt19937_64 random(6);
  constexpr int references = 8, rounds = 25;
  for (const double rho : {0.0, 0.3}) {
    double null = 0, found = 0;
    for (int one = 0; one < references; ++one) {
      const auto reference = reference_of(equicorrelated(random, 20'000, 20, rho));
      const auto draw = [&](double shift) {
        auto columns = equicorrelated(random, 2000, 20, rho);
        for (double& x : columns[7]) x += shift;
        return columns;
      };
      null += power(rounds, reference, [&] { return draw(0); }).family / references;
      found += power(rounds, reference, [&] { return draw(0.15); }).family / references;
    }
    INFO("correlation " << rho << ": on no drift " << null << ", found " << found);
    CHECK(null <= 0.09);
    CHECK(found >= 0.80);
  }
}
