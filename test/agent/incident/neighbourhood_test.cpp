// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/neighbourhood.h"

#include <algorithm>
#include <random>

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::incident::testing {
namespace {

using namespace std::chrono_literals;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

// Alerts as a fleet raises them: of models, services, pods on machines, machines.
class Storm {
 public:
  explicit Storm(unsigned seed) : random_(seed) {}

  Told one() {
    Labels labels = {{"alertname", pick({"ErrorsHigh", "LatencyHigh", "DbSlow", "NodeDown"})}};
    if (chance(0.3)) labels.set("cluster", pick({"eu", "us"}));
    if (chance(0.7)) labels.set("namespace", pick({"shop", "bank"}));
    if (chance(0.4)) labels.set("model_name", "m" + std::to_string(number(12)));
    if (chance(0.5)) labels.set("job", "s" + std::to_string(number(12)));
    if (chance(0.3)) labels.set("pod", "s" + std::to_string(number(12)) + "-7d9f8b6c5-x2x1z");
    if (chance(0.3)) labels.set("node", "node-" + std::to_string(number(5)));
    return told_of(labels, noon + std::chrono::seconds(number(3000)));
  }
  Topology topology() {
    Topology made;
    for (int i = 0; i < 6; ++i) {
      made.learn({"", "shop", "s" + std::to_string(number(12)), false},
                 {"", "shop", "s" + std::to_string(number(12)), false},
                 Topology::Source::service_graph, noon);
    }
    made.learn({"", "shop", "s3", false}, {"", "", "node-1", true}, Topology::Source::owners, noon);
    return made;
  }
  int number(int below) { return std::uniform_int_distribution<>(0, below - 1)(random_); }

 private:
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }
  std::string pick(const std::vector<std::string>& words) {
    return words[static_cast<std::size_t>(number(static_cast<int>(words.size())))];
  }
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("placed among its neighbours alone, an alert lands where it does among all") {
  std::size_t left_out = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Storm storm(seed);
    GroupingRules rules;
    if (seed % 4 != 3) rules.within = 10min;
    if (seed % 2 == 1)
      rules.correlate = {{"databases", {{"alertname", {"Db*"}}}, {"namespace"}, 30min}};
    Reach reach;
    if (seed % 3 != 0) reach.set(storm.topology(), 3);
    std::vector<Told> all;
    Neighbourhood neighbourhood;
    for (int i = 0; i < 25; ++i) {
      all.push_back(storm.one());
      neighbourhood.add(std::to_string(100 + i), handles_of(all.back(), reach, rules));
    }
    all.push_back(storm.one());
    const auto around = neighbourhood.around(handles_of(all.back(), reach, rules));
    std::vector<Told> near;
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i + 1 < all.size() && !around.contains(std::to_string(100 + i))) continue;
      near.push_back(all[i]);
      numbers.push_back(i);
    }
    left_out += all.size() - near.size();
    const auto among_all = place(all, reach, rules), among_near = place(near, reach, rules);
    int otherwise = 0;
    for (std::size_t a = 0; a < near.size(); ++a) {
      otherwise += among_near[a].why != among_all[numbers[a]].why;
      for (std::size_t b = 0; b < near.size(); ++b) {
        const bool together = among_all[numbers[a]].group == among_all[numbers[b]].group;
        otherwise += (among_near[a].group == among_near[b].group) != together;
      }
      for (std::size_t b = 0; b < all.size(); ++b) {
        const bool is_near = std::binary_search(numbers.begin(), numbers.end(), b);
        otherwise += !is_near && among_all[b].group == among_all[numbers[a]].group;
      }
    }
    CHECK(otherwise == 0);
  }
  CHECK(left_out > 300);  // Else nothing was tried.
}

TEST_CASE("an alert about a model of its own has no neighbours, however many others there are") {
  const Reach reach;
  const GroupingRules rules{.within = 10min, .hops_max = 3, .correlate = {}};
  const auto of = [&](int model) {
    return handles_of({{{"alertname", "ModelRequestsFailing"},
                        {"namespace", "shop"},
                        {"model_name", "m" + std::to_string(model)}},
                       {},
                       noon},
                      reach, rules);
  };
  Neighbourhood neighbourhood;
  for (int i = 0; i < 1000; ++i) neighbourhood.add(std::to_string(i), of(i));
  CHECK(neighbourhood.around(of(1000)).empty());
  CHECK(neighbourhood.around(of(7)) == std::set<std::string>{"7"});
  neighbourhood.remove("7");
  CHECK(neighbourhood.around(of(7)).empty());
}

}  // namespace outrider::incident::testing
