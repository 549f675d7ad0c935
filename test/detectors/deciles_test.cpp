// SPDX-License-Identifier: Apache-2.0
#include "detectors/deciles.h"

#include <numeric>
#include <random>
#include <string>

#include "test/support/catch.h"

namespace outrider::detectors {
namespace {

FrozenSubject categories(std::vector<std::uint64_t> counts) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i + 1 < counts.size(); ++i) names.push_back("c" + std::to_string(i));
  FrozenSubject subject("colour", *Binning::categorical(std::move(names)));
  std::copy(counts.begin(), counts.end(), subject.counts.counts.begin());
  return subject;
}

double sum(const std::array<double, 10>& deciles) {
  return std::accumulate(deciles.begin(), deciles.end(), 0.0);
}

}  // namespace

TEST_CASE("what is distributed as the reference is a tenth in each decile") {
  for (const auto& shape : std::vector<std::vector<std::uint64_t>>{
           {100, 100}, {899, 50, 50}, {1, 0, 1'000'000}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}}) {
    const FrozenSubject reference = categories(shape);
    // Live counts in proportion to the smoothed shares: (count + 1/2), twice.
    std::vector<std::uint64_t> live;
    for (const std::uint64_t count : shape) live.push_back(2 * count + 1);
    const auto deciles = Deciles(reference).of(live);
    const double rows = std::accumulate(live.begin(), live.end(), 0.0);
    for (const double decile : deciles) CHECK(decile == Approx(rows / 10).epsilon(1e-9));
  }
}

TEST_CASE("a bin counts in the deciles that it lies in, in proportion") {
  // Smoothed shares 0.25 and 0.75: the first bin fills deciles 0 and 1 and half of 2.
  const FrozenSubject reference = categories({2, 7});
  const auto low = Deciles(reference).of(std::vector<std::uint64_t>{100, 0});
  CHECK(low[0] == Approx(40));
  CHECK(low[1] == Approx(40));
  CHECK(low[2] == Approx(20));
  CHECK(low[3] == 0);
  const auto high = Deciles(reference).of(std::vector<std::uint64_t>{0, 150});
  CHECK(high[1] == 0);
  CHECK(high[2] == Approx(10));
  CHECK(high[9] == Approx(20));
}

TEST_CASE("values that training hardly had are counted at their own end") {
  const FrozenSubject reference = categories({0, 10'000, 0});
  const auto above = Deciles(reference).of(std::vector<std::uint64_t>{0, 0, 70});
  CHECK(above[9] == Approx(70));
  const auto below = Deciles(reference).of(std::vector<std::uint64_t>{70, 0, 0});
  CHECK(below[0] == Approx(70));
}

TEST_CASE("the deciles of pods add up, lose no value and never fall") {
  std::mt19937_64 random(3);
  const FrozenSubject reference = categories({31, 4, 0, 77, 12, 12, 900, 5, 1, 63, 8, 0});
  const Deciles deciles(reference);
  std::vector<std::uint64_t> a(12), b(12), both(12);
  auto before = deciles.of(a);
  std::uint64_t rows = 0;
  for (int i = 0; i < 2'000; ++i) {
    const std::size_t bin = random() % 12;
    ++(random() % 2 ? a : b)[bin];
    ++both[bin];
    ++rows;
    const auto now = deciles.of(both);
    const auto of_a = deciles.of(a), of_b = deciles.of(b);
    CHECK(sum(now) == Approx(static_cast<double>(rows)).epsilon(1e-12));
    for (std::size_t d = 0; d < now.size(); ++d) {
      CHECK(now[d] >= before[d]);
      CHECK(now[d] == Approx(of_a[d] + of_b[d]).epsilon(1e-9));
    }
    before = now;
  }
}

TEST_CASE("of a numeric subject with twenty equal bins each decile is two of them") {
  std::vector<double> sample(2'000);
  std::iota(sample.begin(), sample.end(), 0.0);
  FrozenSubject reference("size", Binning::from_sorted_sample(sample));
  for (const double x : sample) ++reference.counts.counts[reference.bins.slot_of(x)];
  REQUIRE(reference.bins.value_bins() == 20);
  const auto deciles = Deciles(reference).of(reference.counts.values(reference.bins));
  for (const double decile : deciles) CHECK(decile == Approx(200).epsilon(1e-9));
}

}  // namespace outrider::detectors
