// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/rules.h"

#include <algorithm>
#include <set>

#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider::forecast {
namespace {

using namespace std::chrono_literals;
using config::Yaml;
using config::YamlReader;

constexpr Duration step_min = 1min, step_max = 24h;

std::vector<Duration> usual_horizons() {
  return {1h, 6h, 24h};
}

class Reader {
 public:
  Reader(const std::string& file, const std::string& text)
      : reader_(file), root_(reader_.parse(text)) {}

  Result<Rules> read() {
    reader_.only_keys(root_, {"step", "history", "horizons", "series", "capacity"});
    rules_.step = reader_.duration(root_, "step").value_or(rules_.step);
    rules_.history = reader_.duration(root_, "history").value_or(rules_.history);
    if (rules_.step < step_min || rules_.step > step_max) {
      reader_.mistake(reader_.child(root_, "step"), "expected between 1m and 24h");
      rules_.step = 15min;
    }
    const auto slots = static_cast<std::size_t>(rules_.history / rules_.step);
    if (slots < 10 || slots > Rules::slots_past_max)
      reader_.mistake(reader_.child(root_, "history"), "expected between 10 and 10000 steps");
    horizons_ = horizons_of(root_, usual_horizons());
    const auto capacities = reader_.items(root_, "capacity"),
               series = reader_.items(root_, "series");
    if (capacities.empty() && series.empty())
      reader_.mistake(root_, "expected a list under series or capacity");
    if (capacities.size() + series.size() > Rules::rules_max) {
      reader_.mistake(root_, "expected at most 100 entries under series and capacity");
    } else {
      for (const Yaml& item : capacities) read_capacity(item);
      for (const Yaml& item : series) read_series(item);
    }
    if (auto ok = reader_.finish(); !ok) return fail(ok);
    return std::move(rules_);
  }

 private:
  std::vector<Duration> horizons_of(const Yaml& at, std::vector<Duration> otherwise) {
    const Yaml list = reader_.child(at, "horizons");
    if (!list.node.IsDefined()) return otherwise;
    std::vector<Duration> horizons;
    for (const std::string& text : reader_.texts(at, "horizons")) {
      const auto horizon = parse_duration(text);
      const bool fits = horizon && *horizon >= rules_.step && *horizon % rules_.step == 0ns &&
                        *horizon / rules_.step <= static_cast<std::int64_t>(Rules::slots_ahead_max);
      if (!fits) {
        reader_.mistake(list,
                        "'" + text + "': expected a multiple of the step, 2000 steps at most");
      } else {
        horizons.push_back(*horizon);
      }
    }
    std::sort(horizons.begin(), horizons.end());
    horizons.erase(std::unique(horizons.begin(), horizons.end()), horizons.end());
    if (horizons.empty() || horizons.size() > 5) reader_.mistake(list, "expected one to five");
    return horizons;
  }

  std::string needed(const Yaml& item, std::string_view key) {
    auto text = reader_.text(item, key);
    if (!text || text->empty())
      reader_.mistake(item, std::string(key) + " is missing: expected a PromQL expression");
    return text.value_or("");
  }

  std::string name_of(const Yaml& item) {
    const auto name = reader_.text(item, "name");
    if (!name || name->empty()) {
      reader_.mistake(item, "name is missing");
    } else if (!names_.insert(*name).second) {
      reader_.mistake(item, "the name '" + *name + "' stands twice");
    }
    return name.value_or("");
  }

  void read_series(const Yaml& item) {
    reader_.only_keys(item, {"name", "query", "limit", "horizons"});
    rules_.series.push_back({.name = name_of(item),
                             .query = needed(item, "query"),
                             .limit = reader_.text(item, "limit").value_or(""),
                             .horizons = horizons_of(item, horizons_)});
  }

  void read_capacity(const Yaml& item) {
    reader_.only_keys(item, {"name", "load", "replicas", "latency", "mean_latency", "objective",
                             "cold_start", "miss_cost"});
    CapacityRule rule{.name = name_of(item),
                      .load = needed(item, "load"),
                      .replicas = needed(item, "replicas"),
                      .latency = needed(item, "latency"),
                      .mean_latency = needed(item, "mean_latency")};
    rule.objective = reader_.duration(item, "objective").value_or(Duration{});
    if (rule.objective <= Duration{})
      reader_.mistake(item, "objective is missing: expected a latency, such as 500ms");
    rule.cold_start = reader_.duration(item, "cold_start").value_or(rule.cold_start);
    if (rule.cold_start < Duration{} || rule.cold_start > 6h)
      reader_.mistake(reader_.child(item, "cold_start"), "expected between 0s and 6h");
    rule.miss_cost = reader_.number(item, "miss_cost").value_or(rule.miss_cost);
    if (!(rule.miss_cost > 0 && rule.miss_cost <= 1'000))
      reader_.mistake(reader_.child(item, "miss_cost"),
                      "expected hours of the whole fleet, above 0 and at most 1000");
    rules_.series.push_back(
        {.name = rule.name, .query = rule.load, .limit = "", .horizons = horizons_});
    rules_.capacity.push_back(std::move(rule));
  }

  YamlReader reader_;
  Yaml root_;
  Rules rules_;
  std::vector<Duration> horizons_;
  std::set<std::string> names_;
};

}  // namespace

Rules Rules::defaults() {
  Rules rules;
  const auto add = [&](std::string name, std::string query, std::string limit = "",
                       std::vector<Duration> horizons = usual_horizons()) {
    rules.series.push_back(
        {std::move(name), std::move(query), std::move(limit), std::move(horizons)});
  };
  add("requests",
      "sum by (cluster, namespace, job, workload, model_name) "
      "(rate(outrider_requests_total[15m]))");
  add("cpu",
      "sum by (cluster, namespace, container) "
      "(rate(container_cpu_usage_seconds_total{container!=\"\", container!=\"POD\"}[15m]))");
  add("memory",
      "sum by (cluster, namespace, container) "
      "(container_memory_working_set_bytes{container!=\"\", container!=\"POD\"})");
  add("gpu", "avg by (cluster, namespace, container, pod) (DCGM_FI_DEV_GPU_UTIL)");
  const std::string disks = "{fstype!~\"tmpfs|ramfs|overlay|squashfs\"}";
  add("disk", "node_filesystem_size_bytes" + disks + " - node_filesystem_avail_bytes" + disks,
      "node_filesystem_size_bytes" + disks, {24h, std::chrono::days(3), std::chrono::days(7)});
  add("volume", "kubelet_volume_stats_used_bytes", "kubelet_volume_stats_capacity_bytes",
      {24h, std::chrono::days(3), std::chrono::days(7)});
  return rules;
}

Result<Rules> parse_rules(const std::string& file, const std::string& text) {
  return Reader(file, text).read();
}

}  // namespace outrider::forecast
