// SPDX-License-Identifier: Apache-2.0
#include "agent/right_size/usage.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace outrider::right_size {
namespace {

constexpr double minutes_a_sample = 5;

std::string join(const std::string& first, const std::string& second) {
  return first.empty() || second.empty() ? first + second : first + ", " + second;
}

using Name = std::tuple<std::string, std::string, std::string>;  // Cluster, namespace, name.

Name name_of(const query::InstantValue& value, std::string_view label) {
  return {std::string(value.labels.get("cluster")), std::string(value.labels.get("namespace")),
          std::string(value.labels.get(label))};
}

// Pod to workload.
class Owners {
 public:
  explicit Owners(const Answers& answers) {
    for (const auto& value : of(answers, "replicaset_owner"))
      sets_[name_of(value, "replicaset")] = value.labels.get("owner_name");
    for (const auto& value : of(answers, "pod_owner")) {
      std::string owner(value.labels.get("owner_name"));
      if (value.labels.get("owner_kind") == "ReplicaSet") {
        const auto set = sets_.find(name_of(value, "owner_name"));
        if (set != sets_.end() && !set->second.empty()) owner = set->second;
      }
      if (!owner.empty() && owner != "<none>") pods_[name_of(value, "pod")] = owner;
    }
  }

  Name workload(Name pod) const {
    const auto found = pods_.find(pod);
    if (found != pods_.end()) std::get<2>(pod) = found->second;
    return pod;
  }

  static const std::vector<query::InstantValue>& of(const Answers& answers,
                                                    const std::string& name) {
    static const std::vector<query::InstantValue> none;
    const auto found = answers.find(name);
    return found == answers.end() ? none : found->second;
  }

 private:
  std::map<Name, std::string> sets_, pods_;
};

void keep_larger(std::optional<double>& kept, double value) {
  kept = std::max(kept.value_or(value), value);
}

// By workload.
std::map<Name, double> predictions_of(const Answers& answers, const Owners& owners) {
  std::map<Name, double> predictions;
  for (const auto& value : Owners::of(answers, "predictions")) {
    if (std::isfinite(value.value))
      predictions[owners.workload(name_of(value, "pod"))] += value.value;
  }
  return predictions;
}

void by_resource(std::optional<double>& cpu, std::optional<double>& memory,
                 std::optional<double>* gpus, const query::InstantValue& value) {
  const auto resource = value.labels.get("resource");
  if (resource == "cpu") keep_larger(cpu, value.value);
  if (resource == "memory") keep_larger(memory, value.value);
  if (resource == "nvidia_com_gpu" && gpus != nullptr) keep_larger(*gpus, value.value);
}

}  // namespace

std::vector<Question> questions(Duration past_span, const std::string& matchers) {
  const std::string history =
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(past_span).count()) + "s";
  const std::string real = "{" + join("container!=\"\", container!=\"POD\"", matchers) + "}";
  const std::string all = "{" + matchers + "}";
  const std::string by = "by (cluster, namespace, pod, container) ";
  const std::string range = "[" + history + ":5m]", past = "[" + history + "]";
  const std::string cpu =
      "(sum " + by + "(rate(container_cpu_usage_seconds_total" + real + "[5m])))" + range + ")";
  const std::string memory =
      "(sum " + by + "(container_memory_working_set_bytes" + real + "))" + range + ")";
  const std::string resources =
      "{" + join("resource=~\"cpu|memory|nvidia_com_gpu\"", matchers) + "}";
  return {
      {"cpu_p95", "quantile_over_time(0.95, " + cpu},
      {"cpu_max", "max_over_time(" + cpu},
      {"memory_max", "max_over_time(" + memory},
      {"samples", "count_over_time(" + memory},
      {"requests",
       "max by (cluster, namespace, pod, container, resource) "
       "(kube_pod_container_resource_requests" +
           resources + ")"},
      {"limits",
       "max by (cluster, namespace, pod, container, resource) "
       "(kube_pod_container_resource_limits" +
           resources + ")"},
      {"throttled", "sum " + by + "(increase(container_cpu_cfs_throttled_periods_total" + real +
                        past + ")) / (sum " + by + "(increase(container_cpu_cfs_periods_total" +
                        real + past + ")) > 0)"},
      {"killed", "max " + by + "(max_over_time(kube_pod_container_status_last_terminated_reason{" +
                     join("reason=\"OOMKilled\"", matchers) + "}" + past + ")) > 0 or sum " + by +
                     "(increase(container_oom_events_total" + real + past + ")) > 0"},
      {"gpu_p95",
       "max " + by + "(quantile_over_time(0.95, DCGM_FI_DEV_GPU_UTIL" + all + past + "))"},
      {"pod_owner",
       "max by (cluster, namespace, pod, owner_kind, owner_name) "
       "(last_over_time(kube_pod_owner" +
           all + past + "))"},
      {"replicaset_owner",
       "max by (cluster, namespace, replicaset, owner_kind, owner_name) "
       "(last_over_time(kube_replicaset_owner" +
           all + past + "))"},
      {"predictions",
       "sum by (cluster, namespace, pod) (increase(outrider_requests_total" + all + past + "))"},
  };
}

std::vector<ContainerUsage> usage_of(const Answers& answers) {
  using Key = std::pair<Name, std::string>;  // The workload, and its container.
  const Owners owners(answers);
  std::map<Key, ContainerUsage> rows;
  const std::map<Name, double> predictions = predictions_of(answers, owners);
  const auto each = [&](const std::string& question, const auto& take) {
    for (const auto& value : Owners::of(answers, question)) {
      if (!std::isfinite(value.value)) continue;
      const Name pod = name_of(value, "pod");
      const std::string container(value.labels.get("container"));
      if (std::get<2>(pod).empty() || container.empty()) continue;
      const Name workload = owners.workload(pod);
      ContainerUsage& row = rows[{workload, container}];
      std::tie(row.cluster, row.name_space, row.workload) = workload;
      row.container = container;
      take(row, value);
    }
  };
  std::map<Key, std::map<std::string, bool>> running;
  const auto key_of = [](const ContainerUsage& row) {
    return Key{{row.cluster, row.name_space, row.workload}, row.container};
  };
  each("requests", [&](ContainerUsage& row, const query::InstantValue& value) {
    by_resource(row.cpu_request, row.memory_request, &row.gpus, value);
    running[key_of(row)][std::string(value.labels.get("pod"))] = true;
  });
  each("limits", [&](ContainerUsage& row, const query::InstantValue& value) {
    by_resource(row.cpu_limit, row.memory_limit, nullptr, value);
  });
  each("cpu_p95",
       [](ContainerUsage& row, const auto& value) { keep_larger(row.cpu_p95, value.value); });
  each("cpu_max",
       [](ContainerUsage& row, const auto& value) { keep_larger(row.cpu_max, value.value); });
  each("memory_max",
       [](ContainerUsage& row, const auto& value) { keep_larger(row.memory_max, value.value); });
  each("samples", [](ContainerUsage& row, const auto& value) {
    row.hours = std::max(row.hours, value.value * minutes_a_sample / 60);
  });
  each("throttled", [](ContainerUsage& row, const auto& value) {
    row.throttled = std::max(row.throttled, value.value);
  });
  each("killed",
       [](ContainerUsage& row, const auto& value) { row.out_of_memory |= value.value > 0; });
  each("gpu_p95",
       [](ContainerUsage& row, const auto& value) { keep_larger(row.gpu_p95, value.value / 100); });
  std::vector<ContainerUsage> result;
  for (auto& [key, row] : rows) {
    row.pods = running[key].size();
    const auto found = predictions.find(key.first);
    if (found != predictions.end()) row.requests = found->second;
    result.push_back(std::move(row));
  }
  return result;
}

}  // namespace outrider::right_size
