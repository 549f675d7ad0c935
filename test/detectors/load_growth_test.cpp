// SPDX-License-Identifier: Apache-2.0
#include "detectors/load_growth.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace std::chrono_literals;

namespace {

Time at_minute(int minute) {
  return Time{std::chrono::minutes(minute)};
}

// One replica bears 10 a second; queues of their own.
ReplicaCapacity bears_ten() {
  ReplicaCapacity capacity;
  capacity.knowledge = Knowledge::known;
  capacity.load = 10;
  capacity.low = 9.9;
  capacity.high = 10.1;
  capacity.replicas = 4;
  capacity.service_time = 0.05;
  capacity.queues = Queues::one_each;
  capacity.samples = 1'000;
  return capacity;
}

// A load of 20 that is `burst` in one minute of each `every`.
LoadGrowth bursts(double burst, int every, int minutes, Duration ahead = 3min) {
  LoadGrowth growth(ahead);
  for (int i = 0; i < minutes; ++i) growth.add(at_minute(i), i % every == every - 1 ? burst : 20);
  return growth;
}

std::uint64_t wanted(const LoadGrowth& growth, double miss_cost) {
  const auto capacity = bears_ten();
  return worth_having(growth, capacity, replicas_for(growth.newest(), capacity), miss_cost)
      .replicas.wanted;
}

}  // namespace

TEST_CASE("the chance that a load grows is the share of the windows in which it did") {
  // Of ten minutes, three are followed by a burst within three, and one is the burst itself.
  const LoadGrowth growth = bursts(58, 10, 2'005);
  CHECK(growth.newest() == 20);
  CHECK(growth.chance_above(19) == 1);
  CHECK(growth.chance_above(20) == Approx(0.3).margin(0.02));
  CHECK(growth.chance_above(57) == Approx(0.3).margin(0.02));
  CHECK(growth.chance_above(60) == 0);
  CHECK(growth.usual() == Approx(23.8).epsilon(0.02));
}

TEST_CASE("growth begins from the load of this moment, which teaches nothing") {
  LoadGrowth growth = bursts(58, 10, 2'005);
  growth.begin_from(40);
  CHECK(growth.newest() == 40);
  CHECK(growth.chance_above(39) == 1);
  CHECK(growth.chance_above(40) == Approx(0.3).margin(0.02));
  CHECK(growth.windows() == 2'002);
  growth.begin_from(std::numeric_limits<double>::quiet_NaN());
  growth.begin_from(-1);
  CHECK(growth.newest() == 40);
  growth.add(at_minute(2'005), 20);
  CHECK(growth.newest() == 20);
  CHECK(growth.windows() == 2'003);
}

TEST_CASE(
    "the same by simulation: a log-normal walk outgrows what it is said to as often as said") {
  std::mt19937_64 random(11);
  std::normal_distribution<double> step(0, 0.1);
  LoadGrowth growth(5min);
  double load = 50;
  std::vector<double> course;
  for (int i = 0; i < 30'000; ++i) {
    load = 50 * std::exp(0.95 * std::log(load / 50) + step(random));
    course.push_back(load);
  }
  int checked = 0, above = 0;
  double said = 0;
  for (std::size_t i = 0; i + 5 < course.size(); ++i) {
    growth.add(at_minute(static_cast<int>(i)), course[i]);
    if (i < 5'000) continue;
    const double limit = 1.2 * course[i];
    double highest = 0;
    for (std::size_t k = 1; k <= 5; ++k) highest = std::max(highest, course[i + k]);
    ++checked;
    above += highest > limit ? 1 : 0;
    said += growth.chance_above(limit);
  }
  CHECK(said / checked == Approx(double(above) / checked).margin(0.02));
  CHECK(said / checked > 0.1);
}

TEST_CASE(
    "a replica is worth having where the minutes above that it saves cost more than it does") {
  // Six replicas would be enough at each burst, in 30 % of the windows. Four more than now cost
  // 4 / 2.4 of the usual fleet.
  const LoadGrowth growth = bursts(58, 10, 2'005);
  CHECK(wanted(growth, 4) == 2);  // 0.3 x 4 < 4 / 2.4.
  CHECK(wanted(growth, 8) == 6);  // 0.3 x 8 > 4 / 2.4.
  const auto capacity = bears_ten();
  const auto now = replicas_for(20, capacity);
  const WorthHaving worth = worth_having(growth, capacity, now, 8);
  CHECK(worth.replicas.known);
  CHECK(worth.chance_short == 0);
  CHECK(worth_having(growth, capacity, now, 4).chance_short == Approx(0.3).margin(0.02));
}

TEST_CASE("a steady load needs no more than it needs now") {
  const LoadGrowth growth = bursts(20, 10, 500);
  CHECK(wanted(growth, 2) == 2);
  CHECK(wanted(growth, 100) == 2);
}

TEST_CASE("never fewer than now, and of a fleet ten times as large about ten times as many") {
  std::vector<double> means;
  auto capacity = bears_ten();
  capacity.low = 9.999;
  capacity.high = 10.001;
  for (const double size : {1.0, 10.0}) {
    std::mt19937_64 random(5);
    std::normal_distribution<double> jump(0, 0.3);
    LoadGrowth growth(5min);
    double sum = 0, count = 0;
    for (int i = 0; i < 3'000; ++i) {
      growth.add(at_minute(i), size * 60 * std::exp(jump(random)));
      if (i < 500) continue;
      const auto now = replicas_for(growth.newest(), capacity);
      const auto worth = worth_having(growth, capacity, now, 2);
      REQUIRE(worth.replicas.known);
      CHECK(worth.replicas.wanted >= now.wanted);
      sum += static_cast<double>(worth.replicas.wanted);
      count += 1;
    }
    means.push_back(sum / count);
  }
  CHECK(means[0] > 7.5);  // 6.8 are needed on average.
  CHECK(means[1] / 10 == Approx(means[0]).epsilon(0.1));
}

TEST_CASE("what was learned long ago is forgotten: half of it in a day and a half") {
  LoadGrowth growth(1min);
  for (int i = 0; i < 3 * 1'440; ++i) growth.add(at_minute(i), i % 2 == 0 ? 20 : 40);
  growth.add(at_minute(3 * 1'440), 20);
  CHECK(growth.chance_above(25) == Approx(0.5).margin(0.01));
  for (int i = 3 * 1'440 + 1; i < 9 * 1'440; ++i) growth.add(at_minute(i), 20);
  CHECK(growth.chance_above(25) < 0.05);
}

TEST_CASE("gaps, zeros and what is out of order teach no growth") {
  LoadGrowth growth(2min);
  for (int i = 0; i < 1'000; ++i) {
    if (i % 3 != 0) growth.add(at_minute(i), 20);  // No three minutes hang together.
  }
  CHECK(growth.windows() == 0);
  CHECK_FALSE(growth.ready());
  growth.add(at_minute(5), 90);
  growth.add(at_minute(1'001), std::nan(""));
  growth.add(at_minute(1'001), -1);
  growth.add(at_minute(1'001), std::numeric_limits<double>::infinity());
  CHECK(growth.newest() == 20);
  growth.add(at_minute(1'001), 0);
  CHECK(growth.newest() == 0);
  growth.add(at_minute(1'002), 20);
  growth.add(at_minute(1'003), 20);
  CHECK(growth.windows() == 0);
  growth.add(at_minute(1'004), 20);
  CHECK(growth.windows() == 1);
}

TEST_CASE("unknown stays unknown, with the reason") {
  const auto capacity = bears_ten();
  LoadGrowth young(3min);
  for (int i = 0; i < 30; ++i) young.add(at_minute(i), 20);
  const auto early = worth_having(young, capacity, replicas_for(20, capacity), 2);
  CHECK_FALSE(early.replicas.known);
  CHECK(early.replicas.wanted == 0);
  CHECK(early.replicas.reason == "27 minutes of load and what followed were seen, 120 are needed");

  ReplicaCapacity unknown;
  unknown.reason = "nothing was seen";
  const LoadGrowth growth = bursts(58, 10, 505);
  const auto lost = worth_having(growth, unknown, replicas_for(20, unknown), 2);
  CHECK_FALSE(lost.replicas.known);
  CHECK(lost.replicas.reason == "nothing was seen");

  // The load was never too much: more than one replica is beyond what was seen.
  ReplicaCapacity at_least = bears_ten();
  at_least.knowledge = Knowledge::at_least;
  at_least.low = at_least.load = 20;
  at_least.high = std::numeric_limits<double>::infinity();
  CHECK_FALSE(worth_having(growth, at_least, replicas_for(20, at_least), 20).replicas.known);
}

TEST_CASE("replicas at one queue bear more each the more there are, by either way round") {
  ReplicaCapacity capacity = bears_ten();
  capacity.queues = Queues::shared;
  for (const std::uint64_t replicas : {1, 3, 8, 40}) {
    const double load = load_borne(replicas, capacity);
    INFO(replicas << " replicas bear " << load);
    CHECK(replicas_for(0.999 * load, capacity).wanted == replicas);
    CHECK(replicas_for(1.01 * load, capacity).wanted == replicas + 1);
  }
  CHECK(load_borne(40, capacity) / 40 > 1.2 * load_borne(4, capacity) / 4);
  CHECK(load_borne(4, capacity) == Approx(40).epsilon(0.01));
  capacity.queues = Queues::not_seen;
  CHECK(load_borne(40, capacity) == Approx(400));
  CHECK(load_borne(1, capacity) < 9);
}
