// SPDX-License-Identifier: Apache-2.0
#include "agent/right_size/advice.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::right_size {
namespace {

constexpr double hours_min = 24;
constexpr double cpu_min = 0.01;
constexpr double memory_min = 32 << 20;
constexpr double memory_more = 1.15;
constexpr double memory_more_killed = 1.25;
constexpr double throttled_max = 0.05;
constexpr double peak_told = 1.5;  // A peak so many times the proposal is told.
constexpr double gpu_share_told = 0.5;

// Millicores and mebibytes, upwards: what manifests are written in.
double whole_millicores(double cores) {
  return std::ceil(cores * 1000 - 1e-9) / 1000;
}
double whole_mebibytes(double bytes) {
  constexpr double mebibyte = 1 << 20;
  return std::ceil(bytes / mebibyte - 1e-9) * mebibyte;
}

std::string cores(double value) {
  return format_double(std::round(value * 1000)) + "m";
}
std::string mebibytes(double value) {
  return format_double(std::round(value / (1 << 20))) + "Mi";
}
std::string percent(double share) {
  return format_double(std::round(share * 100)) + " %";
}

void propose_cpu(RightSize& result) {
  const ContainerUsage& usage = result.usage;
  if (!usage.cpu_p95) return;
  double cpu = whole_millicores(std::max(*usage.cpu_p95, cpu_min));
  if (usage.throttled > throttled_max) {
    result.notes.push_back("throttled in " + percent(usage.throttled) +
                           " of its periods: its CPU limit cuts its use off; raise the limit, or "
                           "drop it, and look again");
    cpu = std::max(cpu, usage.cpu_request.value_or(cpu));
  }
  if (usage.cpu_max && *usage.cpu_max > peak_told * cpu)
    result.notes.push_back("used up to " + cores(*usage.cpu_max) + " of CPU in five minutes");
  result.cpu = cpu;
}

void propose_memory(RightSize& result) {
  const ContainerUsage& usage = result.usage;
  if (!usage.memory_max) return;
  double memory = std::max(*usage.memory_max * memory_more, memory_min);
  if (usage.out_of_memory) {
    const double limit =
        usage.memory_limit.value_or(usage.memory_request.value_or(*usage.memory_max));
    memory = std::max(memory, limit * memory_more_killed);
    result.notes.push_back("was killed for want of memory: the limit has to rise with the request");
  }
  result.memory = whole_mebibytes(memory);
}

wire::Json or_null(const std::optional<double>& value) {
  return value ? wire::Json(*value) : wire::Json();
}

}  // namespace

RightSize advise(const ContainerUsage& usage) {
  RightSize result{.usage = usage};
  result.idle = usage.requests && *usage.requests < 0.5;
  if (result.idle) result.notes.push_back("idle: no prediction; consider to scale it to zero");
  if (usage.hours < hours_min) {
    result.notes.push_back("no proposal: seen for " + format_double(std::round(usage.hours)) +
                           " hours, a day is needed");
    return result;
  }
  propose_cpu(result);
  propose_memory(result);
  if (usage.gpus && usage.gpu_p95 && *usage.gpu_p95 < gpu_share_told) {
    result.notes.push_back("its GPU is used to " + percent(*usage.gpu_p95) +
                           " (95th percentile): a share of one (MIG, time-slicing) may do");
  }
  if (!usage.cpu_request && !usage.memory_request)
    result.notes.push_back("requests nothing today: the scheduler does not know its needs");
  const auto pods = static_cast<double>(usage.pods);
  if (result.cpu && usage.cpu_request) result.cpu_saved = pods * (*usage.cpu_request - *result.cpu);
  if (result.memory && usage.memory_request)
    result.memory_saved = pods * (*usage.memory_request - *result.memory);
  return result;
}

std::string to_table(const std::vector<RightSize>& all) {
  using Row = std::array<std::string, 5>;
  std::vector<Row> rows = {{"CONTAINER", "PODS", "CPU", "MEMORY", "NOTES"}};
  double cpu = 0, memory = 0;
  const auto change = [](const std::optional<double>& from, const std::optional<double>& to,
                         const auto& word) {
    const std::string now = from ? word(*from) : "none";
    return to ? now + " -> " + word(*to) : now;
  };
  for (const RightSize& one : all) {
    std::string notes;
    for (const std::string& note : one.notes) notes += (notes.empty() ? "" : "; ") + note;
    rows.push_back({(one.usage.cluster.empty() ? "" : one.usage.cluster + "/") +
                        one.usage.name_space + "/" + one.usage.workload + "/" + one.usage.container,
                    std::to_string(one.usage.pods), change(one.usage.cpu_request, one.cpu, cores),
                    change(one.usage.memory_request, one.memory, mebibytes), notes});
    cpu += one.cpu_saved;
    memory += one.memory_saved;
  }
  std::array<std::size_t, 4> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i)
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    text += std::string(trim(line + row[4])) + "\n";
  }
  return text + "In all: " + cores(cpu) + " of CPU and " + mebibytes(memory) +
         " of memory less requested.\n";
}

std::string to_json(const std::vector<RightSize>& all) {
  wire::Json json = {{"containers", wire::Json::array()}};
  double cpu = 0, memory = 0;
  for (const RightSize& one : all) {
    const ContainerUsage& usage = one.usage;
    json["containers"].push_back(
        {{"cluster", usage.cluster},
         {"namespace", usage.name_space},
         {"workload", usage.workload},
         {"container", usage.container},
         {"pods", usage.pods},
         {"hours", usage.hours},
         {"idle", one.idle},
         {"predictions", or_null(usage.requests)},
         {"cpu",
          {{"request", or_null(usage.cpu_request)},
           {"p95", or_null(usage.cpu_p95)},
           {"max", or_null(usage.cpu_max)},
           {"throttled", usage.throttled},
           {"proposed", or_null(one.cpu)}}},
         {"memory_bytes",
          {{"request", or_null(usage.memory_request)},
           {"max", or_null(usage.memory_max)},
           {"killed", usage.out_of_memory},
           {"proposed", or_null(one.memory)}}},
         {"gpu", {{"request", or_null(usage.gpus)}, {"p95", or_null(usage.gpu_p95)}}},
         {"saved", {{"cpu", one.cpu_saved}, {"memory_bytes", one.memory_saved}}},
         {"notes", one.notes}});
    cpu += one.cpu_saved;
    memory += one.memory_saved;
  }
  json["saved"] = {{"cpu", cpu}, {"memory_bytes", memory}};
  return json.dump();
}

}  // namespace outrider::right_size
