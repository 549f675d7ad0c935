// SPDX-License-Identifier: Apache-2.0
// A week of load replayed over a simulated service: replicas as the agent wants them, beside the
// rule of Kubernetes' HorizontalPodAutoscaler.
//   bench_scaling_replay WORKERS OBJECTIVE_SECONDS COLD_START_SECONDS HORIZON_SECONDS
//                        EVERY_SECONDS RATE_SECONDS FLEET line|hold CONTROLLER,... FILE...
// FILE is CSV of time and value, three weeks at least. Its values are scaled so that the 99th
// percentile of its last week needs FLEET replicas' full capacity; between its rows the load goes
// in a line, or holds. CONTROLLER: hpa70 is the HPA at 70 % CPU; ahead follows the larger of now
// and ahead; cost2 those worth having until a new one serves, at a miss_cost of 2. The weeks before
// the last are scaled by the HPA at 70 % in every run, and are what the agent learns from. One line
// a file and controller: name,controller,minutes_above,replica_hours,unknown_share.
//
// The service: each replica has a queue of its own and WORKERS workers of 10 requests a second
//   each (M/M/c), the load is spread evenly, the latency is its 95th percentile; beyond capacity a
//   backlog grows, and is waited for. CPU use is the share of busy workers. A replica serves
//   COLD_START_SECONDS after it was asked for.
// The HPA, as documented: each 15 s, CPU of the last 30 s; tolerance 10 %; pods that do not serve
//   yet count as idle when scaling up; at most 4 pods or as many as there are, whichever is more,
//   are added in 15 s; down only to the highest of what was wanted in the last 5 minutes.
// Ours: the same HPA with outrider_replicas_wanted as an external metric of average value 1; its
//   tolerance and stabilization hold. A round of the agent is each EVERY_SECONDS, of rates over
//   RATE_SECONDS; it learns each minute. Where it says "unknown" the HPA's CPU rule at 70 % decides.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "agent/forecast/capacity_board.h"
#include "cli/forecast/forecast_table.h"

namespace {

using namespace outrider;
using namespace std::chrono_literals;

constexpr Duration tick = 15s;
constexpr double tick_seconds = 15, rate_of_worker = 10;
constexpr std::int64_t ticks_a_minute = 4;
constexpr Duration week = std::chrono::days(7);
constexpr double usual_target = 0.7;

struct Controller {
  std::string name;
  bool ours = false;
  double target = usual_target;  // Of the HPA's CPU.
  double miss_cost = 0;          // 0: the larger of now and ahead.
};

struct Service {
  double workers = 1, objective = 1;
  Duration cold_start{};

  double capacity() const { return workers * rate_of_worker; }
};

// P(T > t) of M/M/c: Erlang's C for the wait, exponential service.
double exceeds(const Service& service, double load, double t) {
  const double c = service.workers, offered = load / rate_of_worker;
  double term = 1, sum = 1;
  for (double k = 1; k < c; ++k) sum += term *= offered / k;
  const double full = term * (offered / c) * (c / (c - offered));
  const double waits = full / (sum + full);
  const double spare = service.capacity() - load, mu = rate_of_worker;
  const double served = std::exp(-mu * t);
  if (std::fabs(spare - mu) < 1e-9) return served * (1 + waits * mu * t);
  return (1 - waits) * served +
         waits * (spare * std::exp(-mu * t) - mu * std::exp(-spare * t)) / (spare - mu);
}

double p95(const Service& service, double load) {
  double low = 0, high = 1;
  while (exceeds(service, load, high) > 0.05) high *= 2;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (exceeds(service, load, middle) > 0.05 ? low : high) = middle;
  }
  return high;
}

double mean(const Service& service, double load) {
  double sum = 0;
  const double step = 0.02;
  for (double t = 0; t < 20; t += step) sum += exceeds(service, load, t + step / 2) * step;
  return sum;
}

// Latencies by load a replica, looked up: the formulas are asked a million times.
class Latencies {
 public:
  explicit Latencies(const Service& service) : service_(service) {
    for (std::size_t i = 0; i <= cells; ++i) {
      const double load = 0.995 * service.capacity() * static_cast<double>(i) / cells;
      p95_.push_back(p95(service, load));
      mean_.push_back(mean(service, load));
    }
  }
  double p95_at(double load) const { return at(p95_, load); }
  double mean_at(double load) const { return at(mean_, load); }

 private:
  static constexpr std::size_t cells = 400;
  double at(const std::vector<double>& values, double load) const {
    const double place = std::clamp(load / (0.995 * service_.capacity()), 0.0, 1.0) * cells;
    const auto below = std::min(static_cast<std::size_t>(place), cells - 1);
    return values[below] +
           (place - static_cast<double>(below)) * (values[below + 1] - values[below]);
  }
  const Service service_;
  std::vector<double> p95_, mean_;
};

// Kubernetes' autoscaler: what a metric asks for becomes what is there.
class Autoscaler {
 public:
  explicit Autoscaler(double replicas) : replicas_(replicas) {}

  double replicas() const { return replicas_; }

  // `use` of those that serve, against the target.
  double by_cpu(double use, double serving, double target) const {
    double ratio = use / target;
    if (std::fabs(ratio - 1) <= tolerance) return replicas_;
    if (ratio < 1 || serving >= replicas_) return std::ceil(ratio * serving - 1e-9);
    ratio *= serving / replicas_;  // Those that start count as idle.
    return ratio <= 1 + tolerance ? replicas_ : std::ceil(ratio * replicas_ - 1e-9);
  }
  double by_average(double wanted) const {
    return std::fabs(wanted / replicas_ - 1) <= tolerance ? replicas_ : wanted;
  }
  void decide(double wanted, Time now) {
    recent_.emplace_back(now, wanted);
    while (recent_.front().first + 5min < now) recent_.pop_front();
    double highest = wanted;
    for (const auto& [at, one] : recent_) highest = std::max(highest, one);
    const double most = replicas_ + std::max(4.0, replicas_);
    if (wanted > replicas_)
      replicas_ = std::min(wanted, most);
    else
      replicas_ = std::max(1.0, std::min(replicas_, highest));
  }

 private:
  static constexpr double tolerance = 0.1;
  double replicas_;
  std::deque<std::pair<Time, double>> recent_;
};

struct Outcome {
  double minutes_above = 0, replica_hours = 0, unknown = 0, rounds = 0;
};

// When the agent looks, and at what.
struct Looks {
  Duration horizon{};      // The shortest of the rules.
  std::int64_t every = 1;  // Ticks; a minute is a multiple of it.
  std::size_t rate = 4;    // Ticks.
};

// What the service does with the load, tick by tick, and what the agent sees of it.
class Run {
 public:
  Run(const Service& service, const Latencies& latencies, const Looks& looks,
      const Controller& controller, std::uint64_t seed)
      : service_(service),
        latencies_(latencies),
        looks_(looks),
        controller_(controller),
        random_(seed) {
    rules_.step = 15min;
    rules_.history = std::chrono::days(21);
    rules_.series = {{"load", "a", "", {looks.horizon}}};
    rules_.capacity = {{.name = "load",
                        .load = "a",
                        .replicas = "b",
                        .latency = "c",
                        .mean_latency = "d",
                        .objective = from_seconds(service.objective),
                        .cold_start = service.cold_start}};
    if (controller.miss_cost > 0) rules_.capacity[0].miss_cost = controller.miss_cost;
  }

  Outcome play(const std::vector<double>& load, Time begin, Time judged_from) {
    const bool ours = controller_.ours;
    Outcome outcome;
    forecast::ForecastBoard forecasts(rules_, {});
    forecast::CapacityBoard board(rules_, forecasts);
    Autoscaler scaler(std::ceil(load.front() / (usual_target * service_.capacity())));
    std::deque<std::pair<Time, double>> starting;  // When, and how many there are from then on.
    double serving = scaler.replicas(), backlog = 0, wanted = 0;
    std::deque<double> uses;
    Rates rates;
    for (std::size_t i = 0; i < load.size(); ++i) {
      const Time now = begin + static_cast<std::int64_t>(i) * tick;
      while (!starting.empty() && starting.front().first <= now) {
        serving = starting.front().second;
        starting.pop_front();
      }
      std::poisson_distribution<long> arrivals(load[i] * tick_seconds);
      const double arrived = static_cast<double>(arrivals(random_)) / tick_seconds;
      const double latency = serve(arrived, serving, backlog);
      uses.push_back(
          std::min(1.0, (arrived + backlog / tick_seconds) / serving / service_.capacity()));
      if (uses.size() > 2) uses.pop_front();
      rates.add(
          {now, arrived, serving, latency,
           latencies_.mean_at(arrived / serving) + latency - latencies_.p95_at(arrived / serving)},
          looks_.rate);
      const bool judged = now >= judged_from;
      if (judged) {
        outcome.minutes_above += latency > service_.objective ? tick_seconds / 60 : 0;
        outcome.replica_hours += std::max(scaler.replicas(), serving) * tick_seconds / 3600;
      }
      if (ours && (now.time_since_epoch() / tick + 1) % looks_.every == 0)
        wanted = round(forecasts, board, rates.at(now), judged, outcome);
      double use = 0;
      for (const double one : uses) use += one / static_cast<double>(uses.size());
      const double before = scaler.replicas();
      const double by_cpu = scaler.by_cpu(use, serving, judged ? controller_.target : usual_target);
      scaler.decide(judged && ours && wanted > 0 ? scaler.by_average(wanted) : by_cpu, now);
      follow(before, scaler.replicas(), now, serving, starting);
    }
    return outcome;
  }

 private:
  // Means over the newest ticks.
  struct Rates {
    std::deque<detectors::LoadSample> ticks;
    void add(const detectors::LoadSample& sample, std::size_t kept) {
      ticks.push_back(sample);
      if (ticks.size() > kept) ticks.pop_front();
    }
    detectors::LoadSample at(Time now) const {
      detectors::LoadSample means{now, 0, ticks.back().replicas, 0, 0};
      const auto count = static_cast<double>(ticks.size());
      for (const detectors::LoadSample& one : ticks) {
        means.load += one.load / count;
        means.latency += one.latency / count;
        means.mean_latency += one.mean_latency / count;
      }
      return means;
    }
  };

  double serve(double arrived, double serving, double& backlog) {
    const double all = serving * service_.capacity();
    backlog = std::max(0.0, backlog + (arrived - 0.995 * all) * tick_seconds);
    std::lognormal_distribution<double> noise(0, 0.05);
    return latencies_.p95_at(arrived / serving) * noise(random_) + backlog / all;
  }

  // One round of the agent; each minute it learns. Nothing wanted: unknown.
  double round(forecast::ForecastBoard& forecasts, forecast::CapacityBoard& board,
               const detectors::LoadSample& sample, bool judged, Outcome& outcome) {
    const Time end = sample.at + tick;
    if ((end.time_since_epoch() / tick) % ticks_a_minute == 0) {
      board.put(0, {}, sample);
      recent_ = {previous_, sample.load};
      previous_ = sample.load;
    } else {
      board.put_now(0, {}, sample.at, sample.load, sample.replicas);
    }
    if (end.time_since_epoch() % rules_.step == 0s)
      forecasts.put(0, {}, end - 1ms, (recent_.first + recent_.second) / 2);
    if (!judged && end.time_since_epoch() % rules_.step != 0s) return 0;
    if (judged) forecasts.advance(end);
    if (judged) board.advance(end);
    if (!judged) return 0;
    const auto advice = board.advice(end).begin()->second;
    outcome.rounds += 1;
    if (!advice.now.known) {
      outcome.unknown += 1;
      return 0;
    }
    if (controller_.miss_cost > 0) {
      if (!advice.soon.replicas.known) outcome.unknown += 1;
      return static_cast<double>(advice.soon.replicas.wanted);
    }
    double wanted = static_cast<double>(advice.now.wanted);
    if (advice.ahead && advice.ahead->wanted.known)
      wanted = std::max(wanted, static_cast<double>(advice.ahead->wanted.wanted));
    return wanted;
  }

  void follow(double before, double after, Time now, double& serving,
              std::deque<std::pair<Time, double>>& starting) const {
    if (after == before) return;
    if (after > before) {
      starting.emplace_back(now + service_.cold_start, after);
      return;
    }
    for (auto& one : starting) one.second = std::min(one.second, after);
    serving = std::min(serving, after);
  }

  const Service service_;
  const Latencies& latencies_;
  const Looks looks_;
  const Controller controller_;
  forecast::Rules rules_;
  std::mt19937_64 random_;
  std::pair<double, double> recent_;
  double previous_ = 0;
};

// Ticks between the file's rows, in a line, or each row's value until the next; a gap of over two
// hours is bridged likewise.
std::vector<double> ticks_of(const detectors::forecast::History& history, bool hold) {
  std::vector<double> ticks;
  std::size_t before = 0;
  const auto a_step = static_cast<std::int64_t>(history.step_ms) / 15'000;
  for (std::size_t i = 1; i < history.values.size(); ++i) {
    if (!std::isfinite(history.values[i])) continue;
    const auto between = static_cast<std::int64_t>(i - before) * a_step;
    for (std::int64_t k = 0; k < between; ++k) {
      const double share = hold ? 0 : static_cast<double>(k) / static_cast<double>(between);
      ticks.push_back(history.values[before] +
                      share * (history.values[i] - history.values[before]));
    }
    before = i;
  }
  return ticks;
}

struct Play {
  Looks looks;
  double fleet = 8;
  bool hold = false;
  std::vector<Controller> controllers;
};

// hpa70, ahead, cost2.5.
std::vector<Controller> controllers_of(const std::string& list) {
  std::vector<Controller> result;
  std::istringstream names(list);
  for (std::string name; std::getline(names, name, ',');) {
    const bool is_hpa = name.starts_with("hpa");
    Controller one{.name = name, .ours = !is_hpa};
    if (is_hpa) one.target = std::atof(name.c_str() + 3) / 100;
    if (name.starts_with("cost")) one.miss_cost = std::atof(name.c_str() + 4);
    result.push_back(one);
  }
  return result;
}

void run(const Service& service, const Latencies& latencies, const Play& play,
         const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto table = cli::parse_forecast_table(file, text);
  if (!table) {
    std::fprintf(stderr, "%s\n", table.error().message.c_str());
    std::exit(1);
  }
  std::vector<double> load = ticks_of(table->history, play.hold);
  const auto a_week = static_cast<std::size_t>(week / tick);
  if (load.size() < 3 * a_week) {
    std::fprintf(stderr, "%s: shorter than three weeks\n", file.c_str());
    return;
  }
  if (load.size() > 4 * a_week)
    load.erase(load.begin(), load.end() - static_cast<std::ptrdiff_t>(4 * a_week));
  std::vector<double> last(load.end() - static_cast<std::ptrdiff_t>(a_week), load.end());
  const auto high = last.begin() + static_cast<std::ptrdiff_t>(last.size() / 100 * 99);
  std::nth_element(last.begin(), high, last.end());
  const double scale = play.fleet * service.capacity() / *high;
  for (double& one : load) one = std::max(0.02 * service.capacity(), one * scale);
  const Time begin{std::chrono::floor<std::chrono::days>(from_unix_ms(table->history.start_ms))};
  const Time judged_from = begin + static_cast<std::int64_t>(load.size() - a_week) * tick;
  for (const Controller& controller : play.controllers) {
    const Outcome outcome =
        Run(service, latencies, play.looks, controller, 7).play(load, begin, judged_from);
    std::printf("%s,%s,%.1f,%.1f,%.3f\n", std::filesystem::path(file).stem().c_str(),
                controller.name.c_str(), outcome.minutes_above, outcome.replica_hours,
                outcome.rounds > 0 ? outcome.unknown / outcome.rounds : 0);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 11) {
    std::fprintf(stderr,
                 "bench_scaling_replay WORKERS OBJECTIVE COLD_START HORIZON EVERY RATE FLEET "
                 "line|hold CONTROLLER,... FILE...\n");
    return 2;
  }
  const std::int64_t every = std::atoll(argv[5]) / 15, rate = std::atoll(argv[6]) / 15;
  if (every < 1 || ticks_a_minute % every != 0 || rate < 1) {
    std::fprintf(stderr, "EVERY is 15, 30 or 60 seconds, RATE 15 seconds or more\n");
    return 2;
  }
  const Service service{std::atof(argv[1]), std::atof(argv[2]), from_seconds(std::atof(argv[3]))};
  const Latencies latencies(service);
  const Play play{.looks = {.horizon = from_seconds(std::atof(argv[4])),
                            .every = every,
                            .rate = static_cast<std::size_t>(rate)},
                  .fleet = std::atof(argv[7]),
                  .hold = std::string(argv[8]) == "hold",
                  .controllers = controllers_of(argv[9])};
  for (int i = 10; i < argc; ++i) run(service, latencies, play, argv[i]);
  return 0;
}
