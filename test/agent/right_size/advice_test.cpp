// SPDX-License-Identifier: Apache-2.0
#include "agent/right_size/advice.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::right_size;

namespace {

constexpr double mebibyte = 1 << 20;

ContainerUsage usual() {
  ContainerUsage usage;
  usage.name_space = "shop";
  usage.workload = "price";
  usage.container = "model";
  usage.pods = 3;
  usage.hours = 24 * 7;
  usage.cpu_request = 2;
  usage.memory_request = 4096 * mebibyte;
  usage.memory_limit = 4096 * mebibyte;
  usage.cpu_p95 = 0.4004;
  usage.cpu_max = 0.5;
  usage.memory_max = 1000 * mebibyte;
  return usage;
}

Labels pod(const std::string& name, std::initializer_list<Label> more = {}) {
  Labels labels{{"namespace", "shop"}, {"pod", name}, {"container", "model"}};
  for (const Label& label : more) labels.set(label.name, label.value);
  return labels;
}

std::string notes_of(const RightSize& result) {
  std::string all;
  for (const std::string& note : result.notes) all += note + "\n";
  return all;
}

}  // namespace

TEST_CASE("CPU follows the 95th percentile, memory the highest use and 15 percent, for all pods") {
  const RightSize result = advise(usual());
  CHECK(result.cpu == Approx(0.401));
  CHECK(*result.memory == Approx(1150 * mebibyte));
  CHECK(result.cpu_saved == Approx(3 * (2 - 0.401)));
  CHECK(result.memory_saved == Approx(3 * 2946 * mebibyte));
  CHECK(result.notes.empty());
}

TEST_CASE("a container whose use is cut off by its limit is never proposed less than it has") {
  ContainerUsage usage = usual();
  usage.throttled = 0.4;
  const RightSize result = advise(usage);
  CHECK(*result.cpu == 2);
  CHECK(result.cpu_saved == 0);
  CHECK_THAT(notes_of(result), Catch::Contains("throttled in 40 % of its periods"));
}

TEST_CASE(
    "a container that was killed for want of memory gets more than the limit that was too low") {
  ContainerUsage usage = usual();
  usage.out_of_memory = true;
  usage.memory_limit = usage.memory_request = 1000 * mebibyte;
  const RightSize result = advise(usage);
  CHECK(*result.memory == Approx(1250 * mebibyte));
  CHECK(result.memory_saved < 0);
  CHECK_THAT(notes_of(result), Catch::Contains("the limit has to rise"));
}

TEST_CASE("from less than a day nothing is proposed") {
  ContainerUsage usage = usual();
  usage.hours = 5;
  const RightSize result = advise(usage);
  CHECK_FALSE(result.cpu);
  CHECK_FALSE(result.memory);
  CHECK(result.cpu_saved == 0);
  CHECK_THAT(notes_of(result), Catch::Contains("seen for 5 hours, a day is needed"));
}

TEST_CASE("models without a prediction are named idle, and a GPU that is hardly used is told") {
  ContainerUsage usage = usual();
  usage.requests = 0;
  usage.gpus = 1;
  usage.gpu_p95 = 0.12;
  const RightSize result = advise(usage);
  CHECK(result.idle);
  CHECK_THAT(notes_of(result), Catch::Contains("idle: no prediction"));
  CHECK_THAT(notes_of(result), Catch::Contains("used to 12 %"));
  usage.requests.reset();
  CHECK_FALSE(advise(usage).idle);
}

TEST_CASE("a peak far above the proposal is told as its risk") {
  ContainerUsage usage = usual();
  usage.cpu_max = 3;
  CHECK_THAT(notes_of(advise(usage)), Catch::Contains("used up to 3000m of CPU"));
}

TEST_CASE("pods of one deployment are one row, by their ReplicaSets, with the pod that uses most") {
  Answers answers;
  answers["replicaset_owner"] = {{{{"namespace", "shop"},
                                   {"replicaset", "price-7c"},
                                   {"owner_kind", "Deployment"},
                                   {"owner_name", "price"}},
                                  1}};
  for (const char* name : {"price-7c-a", "price-7c-b"}) {
    answers["pod_owner"].push_back({{{"namespace", "shop"},
                                     {"pod", name},
                                     {"owner_kind", "ReplicaSet"},
                                     {"owner_name", "price-7c"}},
                                    1});
    answers["requests"].push_back({pod(name, {{"resource", "cpu"}}), 1});
    answers["requests"].push_back({pod(name, {{"resource", "memory"}}), 512 * mebibyte});
    answers["samples"].push_back({pod(name), 12 * 48});
    answers["predictions"].push_back({{{"namespace", "shop"}, {"pod", name}}, 10});
  }
  answers["cpu_p95"] = {{pod("price-7c-a"), 0.2}, {pod("price-7c-b"), 0.7}};
  const auto rows = usage_of(answers);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].workload == "price");
  CHECK(rows[0].pods == 2);
  CHECK(*rows[0].cpu_p95 == 0.7);
  CHECK(rows[0].hours == 48);
  CHECK(*rows[0].requests == 20);
  CHECK_FALSE(rows[0].memory_max);
  CHECK_FALSE(advise(rows[0]).memory);
}

TEST_CASE("two clusters that have a pod of one name stay two rows, each with its own use") {
  Answers answers;
  for (const auto& [cluster, cpu] : {std::pair{"eu-1", 0.2}, std::pair{"us-1", 0.7}}) {
    answers["cpu_p95"].push_back({pod("price-0", {{"cluster", cluster}}), cpu});
    answers["predictions"].push_back(
        {{{"cluster", cluster}, {"namespace", "shop"}, {"pod", "price-0"}}, 10 * cpu});
  }
  const auto rows = usage_of(answers);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].cluster == "eu-1");
  CHECK(*rows[0].cpu_p95 == 0.2);
  CHECK(*rows[1].cpu_p95 == 0.7);
  CHECK(*rows[1].requests == Approx(7));
  for (const Question& question : questions(std::chrono::hours(24), ""))
    CHECK(question.promql.find("by (namespace") == std::string::npos);
}

TEST_CASE("the table adds up what is saved, and the JSON says null for what is not known") {
  ContainerUsage unknown = usual();
  unknown.cpu_p95.reset();
  const std::vector<RightSize> all = {advise(usual()), advise(unknown)};
  const std::string table = to_table(all);
  CHECK_THAT(table, Catch::Contains("shop/price/model  3     2000m -> 401m  4096Mi -> 1150Mi"));
  CHECK_THAT(table, Catch::Contains("In all: 4797m of CPU and 17676Mi of memory less requested."));
  CHECK_THAT(to_json(all),
             Catch::Contains("\"p95\":null,\"max\":0.5,\"throttled\":0.0,\"proposed\":null"));
}
