// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much load one replica bears within a latency objective, learned from what was seen, and how
// many replicas a load needs. PURE, not thread-safe.
//
// Idea. Each minute has a load a replica and a latency. Loads are binned, 5 % wide, and each bin
//   keeps the mean and spread of the logarithm of its latencies. From the bin of the lowest latency
//   upwards the curve is made monotone (isotonic regression), and where it crosses the objective is
//   the capacity of one replica. A batching server is slow at low loads too; that branch is left
//   out. The interval comes from the same crossing with every bin moved by two standard errors.
//   Minutes hang together, so neighbours within five minutes count as one.
// What had queued. In the minutes after the load a replica fell, latencies are those of requests
//   that came before. They are kept apart, and count only in a bin that has too few others.
// Never an extrapolation. Where no load was seen at which the objective fails, the capacity is
//   "at least" the highest load seen healthy, and a load that may need fewer replicas than that is
//   answered "unknown", with the count that is surely enough.
// Replicas that share a queue (an activator, a worker pool behind one broker) bear more each the
//   more there are; replicas with queues of their own do not. Which it is shows where the same load
//   a replica was seen at different counts. Until it has shown, both laws are asked: proportional,
//   and Erlang's C; where they differ by more than two, the answer is "unknown".
// Parameters. Constants in replica_capacity.cpp; chosen on simulated M/M/1, M/M/c and batching
//   services, other seeds and rates than those of the tests.
// Cost. add O(log cells), memory 72 bytes a cell (bin x count x after a fall), at most cells_max.
//   estimate O(cells log cells).
// Fails. A load whose kind changes (longer requests at night) has no one capacity: the curve mixes
//   them, and its interval widens. A new version bears another load: use one object a version.
// Source. Barlow et al., "Statistical Inference under Order Restrictions", 1972 (isotonic
//   regression); Erlang, "Solution of some problems in the theory of probabilities of significance
//   in automatic telephone exchanges", 1917.

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/core/clock.h"

namespace outrider::detectors {

// What was seen in one interval, a minute or so.
struct LoadSample {
  Time at;
  double load = 0;          // Requests a second, of all replicas together.
  double replicas = 0;      // That served it.
  double latency = 0;       // Seconds: what the objective is about, such as the 95th percentile.
  double mean_latency = 0;  // Seconds.
};

enum class Knowledge : std::uint8_t { known, at_least, unknown };
enum class Queues : std::uint8_t { not_seen, one_each, shared };
std::string_view to_string(Knowledge knowledge);
std::string_view to_string(Queues queues);

struct ReplicaCapacity {
  Knowledge knowledge = Knowledge::unknown;
  double load = 0;           // Requests a second that one replica bears.
  double low = 0, high = 0;  // Its interval, about 95 %. `at_least`: high is infinite.
  double replicas = 0;       // How many there were most often, near that load.
  double service_time = 0;   // Seconds: the mean latency where nothing queues.
  Queues queues = Queues::not_seen;
  std::uint64_t samples = 0;
  std::string reason;  // In words: what it rests on, or what is lacking.
};

struct ReplicasWanted {
  bool known = false;
  std::uint64_t wanted = 0;    // Where known: by the middle of the interval.
  std::uint64_t at_least = 0;  // Fewer do not suffice; 1 where nothing is known.
  std::uint64_t at_most = 0;   // So many suffice; 0: nobody knows.
  std::string reason;
};

class CapacityLearner {
 public:
  static constexpr std::size_t cells_max = 2'000;
  static constexpr std::uint64_t samples_min = 30;

  // False: not a number, negative, without load or replicas; nothing is learned from it.
  bool add(const LoadSample& sample);

  // `objective` in seconds, of LoadSample::latency.
  ReplicaCapacity estimate(double objective) const;

  std::uint64_t samples() const { return samples_; }

 private:
  struct Cell {
    std::uint64_t samples = 0, blocks = 0;
    double load = 0, latency = 0, latency_squares = 0;  // Sums; latencies as logarithms.
    double mean_latency = 0;
    Time block_at{}, newest{};
  };
  using Key = std::tuple<int, std::uint64_t, bool>;  // Bin of the load, replicas, after a fall.

  void forget_oldest();
  bool after_fall(const LoadSample& sample);

  std::map<Key, Cell> cells_;
  std::uint64_t samples_ = 0;
  std::deque<std::pair<Time, double>> recent_;  // Loads a replica of the last minutes.
  double latency_after_fall_ = 0;               // Of the newest sample; 0: not after a fall.

  friend class CapacityCurve;
};

// `load`: requests a second, of all replicas together.
ReplicasWanted replicas_for(double load, const ReplicaCapacity& capacity);

// The load that so many replicas bear, by the middle of the interval; while it has not shown
// whether they share a queue, the smaller of both laws'. `capacity` is not unknown. O(replicas).
double load_borne(std::uint64_t replicas, const ReplicaCapacity& capacity);

}  // namespace outrider::detectors
