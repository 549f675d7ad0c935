// SPDX-License-Identifier: Apache-2.0
#include "detectors/replica_capacity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace std::chrono_literals;

namespace {

// A service in simulated time: Poisson arrivals, first come first served.
class Service {
 public:
  enum class Kind { shared_queue, one_queue_each, batching };

  Service(Kind kind, double mean_service, std::uint64_t seed)
      : kind_(kind), mean_service_(mean_service), random_(seed) {}

  // One minute at a load; nothing where no request came.
  LoadSample minute(double load, std::size_t replicas) {
    free_.resize(replicas, now_);
    std::vector<double> latencies;
    const double end = now_ + 60;
    std::exponential_distribution<double> gap(load);
    std::vector<double> arrivals;
    for (double at = now_ + gap(random_); at < end; at += gap(random_)) arrivals.push_back(at);
    if (kind_ == Kind::batching) {
      serve_batches(arrivals, latencies);
    } else {
      for (const double at : arrivals) latencies.push_back(serve(at));
    }
    now_ = end;
    LoadSample sample{.at = Time{from_seconds(now_)}, .load = 0, .replicas = double(replicas)};
    if (latencies.empty()) return sample;
    sample.load = static_cast<double>(latencies.size()) / 60;
    double sum = 0;
    for (const double latency : latencies) sum += latency;
    sample.latency = sample.mean_latency = sum / static_cast<double>(latencies.size());
    return sample;
  }

  // The mean latency of a long time at a load.
  double mean_latency(double load, std::size_t replicas) {
    double sum = 0, load_sum = 0;
    for (int minute_at = 0; minute_at < 120; ++minute_at) {
      const LoadSample sample = minute(load, replicas);
      if (minute_at < 20) continue;
      sum += sample.mean_latency * sample.load;
      load_sum += sample.load;
    }
    return sum / load_sum;
  }

 private:
  double serve(double at) {
    std::exponential_distribution<double> service(1 / mean_service_);
    auto replica = kind_ == Kind::shared_queue
                       ? std::min_element(free_.begin(), free_.end())
                       : free_.begin() + static_cast<std::ptrdiff_t>(random_() % free_.size());
    *replica = std::max(*replica, at) + service(random_);
    return *replica - at;
  }

  // Each replica takes up to eight requests at once, as soon as it is free and they have waited for
  // half a service time or are eight. A batch takes (1 + size / 4) service times.
  void serve_batches(const std::vector<double>& arrivals, std::vector<double>& latencies) {
    std::vector<std::vector<double>> queues(free_.size());
    for (const double at : arrivals) queues[random_() % queues.size()].push_back(at);
    for (std::size_t replica = 0; replica < queues.size(); ++replica) {
      const std::vector<double>& queue = queues[replica];
      for (std::size_t first = 0; first < queue.size();) {
        const std::size_t full = first + 7;
        double start = queue[first] + mean_service_ / 2;
        if (full < queue.size()) start = std::min(start, queue[full]);
        start = std::max(start, free_[replica]);
        std::size_t past = first;
        while (past < queue.size() && past - first < 8 && queue[past] <= start) ++past;
        free_[replica] = start + mean_service_ * (1 + static_cast<double>(past - first) / 4);
        for (; first < past; ++first) latencies.push_back(free_[replica] - queue[first]);
      }
    }
  }

  const Kind kind_;
  const double mean_service_;
  std::mt19937_64 random_;
  double now_ = 0;
  std::vector<double> free_;
};

// The mean latency of M/M/c by Erlang's formula, as a sum.
double mean_latency(double load, double mean_service, std::size_t replicas) {
  const double offered = load * mean_service, all = static_cast<double>(replicas);
  if (offered >= all) return std::numeric_limits<double>::infinity();
  double term = 1, sum = 0;  // offered^k / k!
  for (std::size_t k = 0; k < replicas; ++k) {
    sum += term;
    term *= offered / static_cast<double>(k + 1);
  }
  const double last = term * all / (all - offered);
  return mean_service * (1 + last / (sum + last) / (all - offered));
}

// The fewest replicas whose mean latency, over a long time, is within the objective.
std::size_t truth(Service::Kind kind, double mean_service, double load, double objective) {
  const auto latency = [&](std::size_t replicas) {
    switch (kind) {
      case Service::Kind::shared_queue:
        return mean_latency(load, mean_service, replicas);
      case Service::Kind::one_queue_each:
        return mean_latency(load / static_cast<double>(replicas), mean_service, 1);
      case Service::Kind::batching:
        break;
    }
    return Service(kind, mean_service, 99).mean_latency(load, replicas);
  };
  const double at_once = kind == Service::Kind::batching ? 8.0 / 3 : 1;
  auto replicas = static_cast<std::size_t>(load * mean_service / at_once) + 1;
  while (latency(replicas) > objective) ++replicas;
  return replicas;
}

// Days of a load that swings by day around `load`; every six hours the next count of replicas.
CapacityLearner learned(Service service, int days, double load,
                        const std::vector<std::size_t>& counts) {
  std::mt19937_64 random(17);
  std::normal_distribution<double> noise(0, 0.05);
  CapacityLearner learner;
  for (int minute = 0; minute < days * 1'440; ++minute) {
    const double phase = std::sin(2 * std::numbers::pi * minute / 1'440.0);
    const std::size_t count = counts[static_cast<std::size_t>(minute / 360) % counts.size()];
    const double share = static_cast<double>(count) / static_cast<double>(counts[0]);
    learner.add(service.minute(
        share * load * (0.55 + 0.45 * phase + 0.02) * std::exp(noise(random)), count));
  }
  return learner;
}

// How far the answers at half, one, two and four times the load are from the truth; -1: unknown.
std::vector<std::int64_t> misses(Service::Kind kind, double mean_service, double load,
                                 double objective, const ReplicaCapacity& capacity) {
  std::vector<std::int64_t> result;
  for (const double times : {0.5, 1.0, 2.0, 4.0}) {
    const ReplicasWanted answer = replicas_for(times * load, capacity);
    const auto right =
        static_cast<std::int64_t>(truth(kind, mean_service, times * load, objective));
    INFO(times << " x load: " << answer.wanted << " where " << right << " are right; "
               << answer.reason);
    if (answer.known) {
      CHECK(std::abs(static_cast<std::int64_t>(answer.wanted) - right) <= 1);
    } else {
      CHECK_FALSE(answer.reason.empty());
    }
    result.push_back(answer.known ? std::abs(static_cast<std::int64_t>(answer.wanted) - right)
                                  : -1);
  }
  return result;
}

// A latency that depends on the load a replica only.
LoadSample seen(int minute, double load, double latency) {
  return {Time{std::chrono::minutes(minute)}, 2 * load, 2, latency, latency};
}

}  // namespace

TEST_CASE("replicas with queues of their own: as many as the load needs, within one, or unknown") {
  const double service = 0.3, objective = 0.9, load = 5 / service * 0.8;
  const ReplicaCapacity capacity =
      learned(Service(Service::Kind::one_queue_each, service, 5), 2, load, {5, 9})
          .estimate(objective);
  CHECK(capacity.knowledge == Knowledge::known);
  CHECK(capacity.queues == Queues::one_each);
  // M/M/1: 1 / (1 / service - load) = objective.
  CHECK(capacity.load == Approx(1 / service - 1 / objective).epsilon(0.05));
  const auto miss = misses(Service::Kind::one_queue_each, service, load, objective, capacity);
  CHECK(miss[0] >= 0);
  CHECK(miss[1] >= 0);
}

TEST_CASE("replicas at one queue bear more each the more there are, and are not multiplied") {
  const double service = 0.3, objective = 0.6, load = 5 / service * 0.9;
  const ReplicaCapacity capacity =
      learned(Service(Service::Kind::shared_queue, service, 5), 2, load, {5, 9})
          .estimate(objective);
  CHECK(capacity.knowledge == Knowledge::known);
  CHECK(capacity.queues == Queues::shared);
  const auto miss = misses(Service::Kind::shared_queue, service, load, objective, capacity);
  CHECK(miss[0] >= 0);
  CHECK(miss[1] >= 0);
}

TEST_CASE("a batching server waits for its batch at low loads, and its capacity is found above") {
  const double service = 0.3, objective = 1.0, load = 5 / service * 2;
  const ReplicaCapacity capacity =
      learned(Service(Service::Kind::batching, service, 5), 2, load, {5, 9}).estimate(objective);
  CHECK(capacity.knowledge == Knowledge::known);
  const auto miss = misses(Service::Kind::batching, service, load, objective, capacity);
  CHECK(std::all_of(miss.begin(), miss.end(), [](std::int64_t by) { return by >= 0; }));
}

TEST_CASE("where one count of replicas was seen only, far loads may be unknown, never wrong") {
  const double service = 0.3, objective = 0.39, load = 8 / service * 0.7;
  const ReplicaCapacity capacity =
      learned(Service(Service::Kind::one_queue_each, service, 5), 2, load, {8}).estimate(objective);
  CHECK(capacity.queues == Queues::not_seen);
  const auto miss = misses(Service::Kind::one_queue_each, service, load, objective, capacity);
  CHECK(miss[3] == -1);
}

TEST_CASE(
    "above the highest load seen healthy the answer is unknown, with a count that is enough") {
  CapacityLearner learner;
  for (int minute = 0; minute < 600; ++minute)
    learner.add(seen(minute, 1 + minute % 40 * 0.1, 0.1));
  const ReplicaCapacity capacity = learner.estimate(0.5);
  CHECK(capacity.knowledge == Knowledge::at_least);
  CHECK(capacity.low == Approx(4.9).epsilon(0.05));
  const ReplicasWanted wanted = replicas_for(40, capacity);
  CHECK_FALSE(wanted.known);
  CHECK(wanted.wanted == 0);
  CHECK(wanted.at_most == 9);
  CHECK(replicas_for(2, capacity).known);  // One is the least that there can be.
  CHECK(replicas_for(2, capacity).wanted == 1);
}

TEST_CASE("between the last healthy load and the first unhealthy one nothing is interpolated") {
  CapacityLearner learner;
  for (int minute = 0; minute < 600; ++minute)
    learner.add(seen(minute, minute % 2 == 0 ? 2 : 8, minute % 2 == 0 ? 0.1 : 2.0));
  const ReplicaCapacity capacity = learner.estimate(0.5);
  CHECK(capacity.low == Approx(2).epsilon(0.01));
  CHECK(capacity.high == Approx(8).epsilon(0.01));
  CHECK_FALSE(replicas_for(16, capacity).known);
  CHECK(replicas_for(16, capacity).at_least == 2);
  CHECK(replicas_for(16, capacity).at_most == 8);
}

TEST_CASE("what had queued before the load fell is not held against the lower load") {
  // M/M/1 of 11 a second, objective 0.5 s: 9 a second. Each twenty minutes a burst of four minutes
  // queues up, and what queued is worked off for six more.
  CapacityLearner learner;
  for (int minute = 0; minute < 6'000; ++minute) {
    const int phase = minute % 20;
    const double calm = 4 + 0.1 * (minute / 20 % 65);  // To 10.4 a second.
    if (phase < 4)
      learner.add(seen(minute, 16, 10.0 * (phase + 1)));
    else if (phase < 10)
      learner.add(seen(minute, calm, 40 * std::pow(0.5, phase - 3)));
    else
      learner.add(seen(minute, calm, 1 / (11 - calm)));
  }
  const ReplicaCapacity capacity = learner.estimate(0.5);
  CHECK(capacity.knowledge == Knowledge::known);
  CHECK(capacity.load == Approx(9).epsilon(0.03));
}

TEST_CASE("what cannot be answered says why") {
  CapacityLearner learner;
  CHECK(learner.estimate(0.5).reason == "0 minutes with load were seen, 30 are needed");
  for (int minute = 0; minute < 60; ++minute) learner.add(seen(minute, 1 + minute % 5, 0.8));
  const ReplicaCapacity capacity = learner.estimate(0.5);
  CHECK(capacity.knowledge == Knowledge::unknown);
  CHECK_THAT(capacity.reason, Catch::Contains("more replicas are no remedy"));
  CHECK(replicas_for(5, capacity).reason == capacity.reason);
  CHECK(replicas_for(std::nan(""), capacity).reason == "the load is not known");
}

TEST_CASE("minutes without load, replicas or latency teach nothing") {
  CapacityLearner learner;
  CHECK_FALSE(learner.add({Time{}, 0, 2, 0.1, 0.1}));
  CHECK_FALSE(learner.add({Time{}, 5, 0, 0.1, 0.1}));
  CHECK_FALSE(learner.add({Time{}, 5, 2, std::nan(""), 0.1}));
  CHECK_FALSE(learner.add({Time{}, 5, 2, 0.1, -1}));
  CHECK(learner.samples() == 0);
}

TEST_CASE("the memory is bounded: of too many kinds of minutes the oldest are forgotten") {
  CapacityLearner learner;
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> load(0, 12);
  for (int minute = 0; minute < 20'000; ++minute) {
    learner.add({Time{std::chrono::minutes(minute)}, std::exp(load(random)),
                 static_cast<double>(1 + random() % 40), 0.1, 0.1});
  }
  CHECK(learner.samples() < 20'000);
  CHECK(learner.samples() >= CapacityLearner::cells_max);
}
