// SPDX-License-Identifier: Apache-2.0
#include "detectors/replica_capacity.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "base/core/text.h"

namespace outrider::detectors {
namespace {

constexpr double bin_width = 1.05;  // The ratio of a bin's ends.
constexpr Duration block = std::chrono::minutes(5);
constexpr Duration fall = std::chrono::minutes(5);
constexpr double fall_min = 1.25;      // The ratio of an earlier load a replica to the one at hand.
constexpr double still_falling = 0.9;  // The ratio of a latency to the minute's before.
constexpr double errors_wide = 2;      // Of the interval, in standard errors.
constexpr double prior_blocks = 3;     // The spread of all bins counts as so many.
constexpr double gap_max = 1.15;       // Neighbouring bins further apart are not interpolated.
constexpr std::uint64_t bin_samples_min = 3;
constexpr double queueing_min = 0.18;     // Logarithm: 20 % above the lowest latency.
constexpr double counts_apart_min = 1.5;  // Ratio of replicas that are compared.
constexpr double one_each_max = 0.15;     // Logarithms of latency ratios.
constexpr double shared_min = 0.05;
constexpr double undecided_max = 2;  // Replicas between the ends of a known answer.
constexpr double replicas_max = 1e6;
constexpr double staffed_max = 2'000;  // More at one queue are not counted out.

struct Sums {
  double samples = 0, blocks = 0, load = 0, latency = 0, squares = 0, mean_latency = 0;
};

// A bin of the curve: logarithms of load and latency.
struct Point {
  double load = 0, latency = 0, error = 0, weight = 0;
};

using Curve = std::vector<Point>;

// Pool adjacent violators: the nearest curve that never falls.
std::vector<double> monotone(const Curve& curve, double shift) {
  struct Pool {
    double value, weight;
    std::size_t points;
  };
  std::vector<Pool> pools;
  for (const Point& point : curve) {
    pools.push_back({point.latency + shift * point.error, point.weight, 1});
    while (pools.size() > 1 && pools[pools.size() - 2].value > pools.back().value) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& before = pools.back();
      const double weight = before.weight + last.weight;
      before.value = (before.value * before.weight + last.value * last.weight) / weight;
      before.weight = weight;
      before.points += last.points;
    }
  }
  std::vector<double> values;
  for (const Pool& pool : pools) values.insert(values.end(), pool.points, pool.value);
  return values;
}

struct Crossing {
  bool from_start = false;  // Already the first point is above.
  bool never = false;
  double load = 0;        // Logarithm.
  std::size_t above = 0;  // The first point above.
};

Crossing crossing_of(const Curve& curve, double shift, double objective) {
  const std::vector<double> values = monotone(curve, shift);
  const auto above = static_cast<std::size_t>(
      std::upper_bound(values.begin(), values.end(), objective) - values.begin());
  Crossing result{.above = above};
  if (above == 0) {
    result.from_start = true;
    result.load = curve.front().load;
  } else if (above == values.size()) {
    result.never = true;
    result.load = curve.back().load;
  } else {
    const double share = (objective - values[above - 1]) / (values[above] - values[above - 1]);
    result.load = curve[above - 1].load + share * (curve[above].load - curve[above - 1].load);
  }
  return result;
}

std::string per_second(double load) {
  return format_double(std::round(load * 100) / 100) + " requests a second";
}

std::string seconds(double value) {
  return format_double(std::round(value * 10'000) / 10'000) + " s";
}

}  // namespace

std::string_view to_string(Knowledge knowledge) {
  switch (knowledge) {
    case Knowledge::known:
      return "known";
    case Knowledge::at_least:
      return "at_least";
    case Knowledge::unknown:
      return "unknown";
  }
  return "unknown";
}

std::string_view to_string(Queues queues) {
  switch (queues) {
    case Queues::not_seen:
      return "not_seen";
    case Queues::one_each:
      return "one_each";
    case Queues::shared:
      return "shared";
  }
  return "not_seen";
}

bool CapacityLearner::add(const LoadSample& sample) {
  const double load = sample.load / sample.replicas;
  const auto usable = [](double value) { return std::isfinite(value) && value > 0; };
  if (!usable(sample.replicas) || !usable(load) || !usable(sample.latency) ||
      !usable(sample.mean_latency) || sample.replicas > replicas_max) {
    return false;
  }
  const Key key{static_cast<int>(std::floor(std::log(load) / std::log(bin_width))),
                static_cast<std::uint64_t>(std::llround(std::max(sample.replicas, 1.0))),
                after_fall(sample)};
  if (cells_.size() >= cells_max && !cells_.contains(key)) forget_oldest();
  Cell& cell = cells_[key];
  const double latency = std::log(sample.latency);
  if (cell.blocks == 0 || sample.at >= cell.block_at + block || sample.at < cell.block_at) {
    ++cell.blocks;
    cell.block_at = sample.at;
  }
  ++cell.samples;
  cell.load += std::log(load);
  cell.latency += latency;
  cell.latency_squares += latency * latency;
  cell.mean_latency += std::log(sample.mean_latency);
  cell.newest = std::max(cell.newest, sample.at);
  ++samples_;
  return true;
}

bool CapacityLearner::after_fall(const LoadSample& sample) {
  const double load = sample.load / sample.replicas;
  if (!recent_.empty() && sample.at < recent_.back().first) recent_.clear();
  while (!recent_.empty() && recent_.front().first + fall < sample.at) recent_.pop_front();
  // A long queue takes longer than that: as long as the latency still falls.
  bool fell = !recent_.empty() && latency_after_fall_ > 0 &&
              sample.latency < still_falling * latency_after_fall_;
  for (const auto& [at, earlier] : recent_) fell = fell || earlier > fall_min * load;
  recent_.emplace_back(sample.at, load);
  latency_after_fall_ = fell ? sample.latency : 0;
  return fell;
}

void CapacityLearner::forget_oldest() {
  const auto oldest = std::min_element(
      cells_.begin(), cells_.end(),
      [](const auto& a, const auto& b) { return a.second.newest < b.second.newest; });
  samples_ -= oldest->second.samples;
  cells_.erase(oldest);
}

// The cells as a curve of latency over load, and what else they tell.
class CapacityCurve {
 public:
  // Of all counts of replicas, or of one.
  explicit CapacityCurve(const CapacityLearner& learner, std::uint64_t only = 0)
      : cells_(learner.cells_) {
    std::map<int, Sums> after_fall;
    for (const auto& [key, cell] : cells_) {
      const auto& [bin, replicas, fell] = key;
      if (only == 0 || replicas == only) add((fell ? after_fall : bins_)[bin], cell);
    }
    for (const auto& [bin, sums] : after_fall) {
      if (bins_[bin].samples < bin_samples_min) add(bins_[bin], sums);
    }
    std::erase_if(bins_, [](const auto& bin) { return bin.second.samples < bin_samples_min; });
    double squares = 0, samples = 0;
    for (const auto& [bin, sums] : bins_) {
      squares += sums.squares - sums.latency * sums.latency / sums.samples;
      samples += sums.samples - 1;
    }
    spread_ = samples > 0 ? std::max(squares / samples, 1e-6) : 1;
    for (const auto& [bin, sums] : bins_) points_.push_back(point_of(sums));
    leave_out_the_falling_branch();
  }

  const Curve& points() const { return points_; }
  double lowest_latency() const { return points_.front().latency; }

  // The mean latency of the bins where hardly anything queues.
  double service_time() const {
    const double ceiling = lowest_latency() + queueing_min;
    double samples = 0, sum = 0;
    for (const auto& [bin, sums] : bins_) {
      if (sums.latency / sums.samples > ceiling) continue;
      samples += sums.samples;
      sum += sums.mean_latency;
    }
    return std::exp(sum / samples);
  }

  // The count of replicas that was seen most, within 20 % of that load.
  std::uint64_t replicas_near(double log_load) const {
    std::map<std::uint64_t, std::uint64_t> seen;
    for (const auto& [key, cell] : cells_) {
      const auto samples = static_cast<double>(cell.samples);
      if (std::fabs(cell.load / samples - log_load) <= 0.2) seen[std::get<1>(key)] += cell.samples;
    }
    const auto most = std::max_element(
        seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == seen.end() ? 0 : most->first;
  }

  // Are latencies lower where the same load a replica was spread over more replicas?
  Queues queues() const {
    const double floor = lowest_latency() + queueing_min;
    double weights = 0, sum = 0;
    for (auto a = cells_.begin(); a != cells_.end(); ++a) {
      const auto& [bin, few, few_fell] = a->first;
      for (auto b = std::next(a); b != cells_.end() && std::get<0>(b->first) == bin; ++b) {
        const auto& [same, many, many_fell] = b->first;
        if (few_fell || many_fell) continue;
        if (static_cast<double>(many) < counts_apart_min * static_cast<double>(few)) continue;
        const Point of_few = point_of(sums_of(a->second)), of_many = point_of(sums_of(b->second));
        if (std::max(of_few.latency, of_many.latency) < floor) continue;
        const double weight = 1 / (of_few.error * of_few.error + of_many.error * of_many.error);
        weights += weight;
        sum += weight * (of_few.latency - of_many.latency);
      }
    }
    if (weights <= 0) return Queues::not_seen;
    const double difference = sum / weights, error = errors_wide / std::sqrt(weights);
    if (difference + error < one_each_max) return Queues::one_each;
    if (difference - error > shared_min) return Queues::shared;
    return Queues::not_seen;
  }

 private:
  using Cells = decltype(CapacityLearner::cells_);

  static void add(Sums& sums, const Sums& more) {
    sums.samples += more.samples;
    sums.blocks += more.blocks;
    sums.load += more.load;
    sums.latency += more.latency;
    sums.squares += more.squares;
    sums.mean_latency += more.mean_latency;
  }
  static void add(Sums& sums, const CapacityLearner::Cell& cell) {
    sums.samples += static_cast<double>(cell.samples);
    sums.blocks += static_cast<double>(cell.blocks);
    sums.load += cell.load;
    sums.latency += cell.latency;
    sums.squares += cell.latency_squares;
    sums.mean_latency += cell.mean_latency;
  }
  static Sums sums_of(const CapacityLearner::Cell& cell) {
    Sums sums;
    add(sums, cell);
    return sums;
  }

  Point point_of(const Sums& sums) const {
    const double mean = sums.latency / sums.samples;
    const double own = std::max(sums.squares / sums.samples - mean * mean, 0.0);
    const double variance =
        (own * sums.blocks + spread_ * prior_blocks) / (sums.blocks + prior_blocks);
    return {sums.load / sums.samples, mean, std::sqrt(variance / sums.blocks), sums.blocks};
  }

  // From the lowest latency upwards; a batching server waits for its batch at low loads.
  void leave_out_the_falling_branch() {
    const auto lowest = std::min_element(
        points_.begin(), points_.end(),
        [](const Point& a, const Point& b) { return a.latency + a.error < b.latency + b.error; });
    points_.erase(points_.begin(), lowest);
  }

  const Cells& cells_;
  std::map<int, Sums> bins_;
  double spread_ = 1;
  Curve points_;
};

ReplicaCapacity CapacityLearner::estimate(double objective) const {
  ReplicaCapacity result;
  result.samples = samples_;
  if (samples_ < samples_min) {
    result.reason = std::to_string(samples_) + " minutes with load were seen, " +
                    std::to_string(samples_min) + " are needed";
    return result;
  }
  const double goal = std::log(objective);
  const CapacityCurve all(*this);
  if (all.points().empty()) {
    result.reason = "no load was seen for " + std::to_string(bin_samples_min) + " minutes";
    return result;
  }
  result.queues = all.queues();
  result.service_time = all.service_time();
  // At a shared queue each count of replicas has a curve of its own.
  const std::uint64_t replicas = all.replicas_near(crossing_of(all.points(), 0, goal).load);
  result.replicas = static_cast<double>(replicas);
  std::optional<CapacityCurve> one_count;
  if (result.queues == Queues::shared) {
    one_count.emplace(*this, replicas);
    if (one_count->points().empty()) one_count.reset();
  }
  const CapacityCurve& curve = one_count ? *one_count : all;
  const Curve& points = curve.points();
  const Crossing point = crossing_of(points, 0, goal);
  if (point.from_start) {
    result.reason = "at the lowest load seen, " + per_second(std::exp(points.front().load)) +
                    " a replica, the latency is above " + seconds(objective) +
                    " already: more replicas are no remedy";
    return result;
  }
  const Crossing low = crossing_of(points, errors_wide, goal);
  const Crossing high = crossing_of(points, -errors_wide, goal);
  if (point.never) {
    const std::size_t healthy = low.above == 0 ? 0 : low.above - 1;
    result.knowledge = Knowledge::at_least;
    result.low = result.load = std::exp(points[healthy].load);
    result.high = std::numeric_limits<double>::infinity();
    result.reason = "no load was seen at which the latency is above " + seconds(objective) +
                    "; one replica bears at least " + per_second(result.low);
    return result;
  }
  double low_load = std::min(low.load, point.load), high_load = std::max(high.load, point.load);
  if (points[point.above].load - points[point.above - 1].load > std::log(gap_max)) {
    low_load = std::min(low_load, points[point.above - 1].load);
    high_load = std::max(high_load, points[point.above].load);
  }
  result.knowledge = Knowledge::known;
  result.load = std::exp(point.load);
  result.low = std::exp(low_load);
  result.high = high.never ? std::numeric_limits<double>::infinity() : std::exp(high_load);
  result.reason = "one replica bears " + per_second(result.load) + " within " + seconds(objective) +
                  ", seen in " + std::to_string(samples_) + " minutes";
  return result;
}

namespace {

// The mean wait of M/M/c in service times: Erlang's C by the recursion of his B. O(replicas).
double mean_wait(std::uint64_t replicas, double offered) {
  const auto all = static_cast<double>(replicas);
  if (offered >= all) return std::numeric_limits<double>::infinity();
  double blocked = 1;
  for (std::uint64_t i = 1; i <= replicas; ++i)
    blocked = offered * blocked / (static_cast<double>(i) + offered * blocked);
  const double waits = blocked * all / (all - offered * (1 - blocked));
  return waits / (all - offered);
}

// The wait that was seen where `capacity.replicas` bore `per_replica` each.
double wait_seen(double per_replica, const ReplicaCapacity& capacity) {
  const auto seen = static_cast<std::uint64_t>(std::llround(std::max(capacity.replicas, 1.0)));
  return mean_wait(seen, static_cast<double>(seen) * per_replica * capacity.service_time);
}

// As many replicas at one queue as keep that wait.
double staffed(double load, double per_replica, const ReplicaCapacity& capacity) {
  const double wait = wait_seen(per_replica, capacity);
  const double offered = load * capacity.service_time;
  auto replicas = static_cast<std::uint64_t>(offered) + 1;
  while (static_cast<double>(replicas) < staffed_max && mean_wait(replicas, offered) > wait)
    ++replicas;
  return static_cast<double>(replicas);
}

// False where the rule does not apply: servers that batch do more than one request at a time.
bool staffing_applies(const ReplicaCapacity& capacity) {
  return capacity.load * capacity.service_time < 1;
}

}  // namespace

ReplicasWanted replicas_for(double load, const ReplicaCapacity& capacity) {
  ReplicasWanted result;
  result.at_least = 1;
  if (!std::isfinite(load) || load < 0) {
    result.reason = "the load is not known";
    return result;
  }
  if (capacity.knowledge == Knowledge::unknown) {
    result.reason = capacity.reason;
    return result;
  }
  double few = load / capacity.high, many = load / capacity.low;
  const auto consider = [&](double count) {
    few = std::min(few, count);
    many = std::max(many, count);
  };
  const bool both = capacity.queues != Queues::one_each && staffing_applies(capacity);
  if (both && capacity.queues == Queues::shared) {
    few = std::numeric_limits<double>::infinity();
    many = 0;
  }
  if (both) {
    consider(staffed(load, capacity.low, capacity));
    if (std::isfinite(capacity.high) && capacity.high * capacity.service_time < 1) {
      consider(staffed(load, capacity.high, capacity));
    } else {
      consider(staffed(load, capacity.load, capacity));
    }
  }
  const auto count = [](double replicas) {
    return static_cast<std::uint64_t>(std::clamp(std::ceil(replicas - 1e-9), 1.0, replicas_max));
  };
  result.at_most = count(many);
  if (capacity.knowledge == Knowledge::at_least) {
    result.known = result.at_most == 1;
    result.wanted = result.known ? 1 : 0;
    result.reason = capacity.reason;
    return result;
  }
  result.at_least = count(few);
  const std::uint64_t between = result.at_most - result.at_least;
  result.known = static_cast<double>(between) <= undecided_max;
  if (result.known && both && capacity.queues == Queues::not_seen) {
    result.wanted = result.at_most - between / 2;
  } else if (result.known) {
    const double middle = both ? staffed(load, capacity.load, capacity) : load / capacity.load;
    result.wanted = std::clamp(count(middle), result.at_least, result.at_most);
  }
  result.reason = capacity.reason;
  if (!result.known) {
    result.reason += "; for " + per_second(load) + " between " + std::to_string(result.at_least) +
                     " and " + std::to_string(result.at_most) + " replicas";
    if (capacity.queues == Queues::not_seen)
      result.reason += ": whether they share a queue shows when their count changes under load";
  }
  return result;
}

double load_borne(std::uint64_t replicas, const ReplicaCapacity& capacity) {
  const double each = static_cast<double>(replicas) * capacity.load;
  if (capacity.queues == Queues::one_each || !staffing_applies(capacity) ||
      static_cast<double>(replicas) > staffed_max)
    return each;
  const double wait = wait_seen(capacity.load, capacity);
  double low = 0, high = static_cast<double>(replicas);  // Service times a second.
  while (high - low > 1e-4 * high) {
    const double middle = (low + high) / 2;
    (mean_wait(replicas, middle) <= wait ? low : high) = middle;
  }
  const double shared = low / capacity.service_time;
  return capacity.queues == Queues::shared ? shared : std::min(each, shared);
}

}  // namespace outrider::detectors
