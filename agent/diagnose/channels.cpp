// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/channels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace outrider::diagnose {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view at_caller = "_at_caller_", of_calls_from = "_of_calls_from_";
// What is read as it is, and what it counts as. `gpu_errors` and `restarts` are counts.
struct Named {
  std::string_view metric;
  Group group;
};
constexpr std::array<Named, 8> named = {{{"drift_ratio", Group::drift},
                                         {"quality_failures", Group::quality},
                                         {"wrong_predictions", Group::wrong},
                                         {"upstream_failures", Group::upstream},
                                         {"gpu_utilisation", Group::gpu},
                                         {"gpu_memory", Group::gpu},
                                         {"gpu_errors", Group::gpu},
                                         {"restarts", Group::restarts}}};
constexpr std::array<std::string_view, 10> plain = {"cpu",
                                                    "memory",
                                                    "self_latency_ms",
                                                    "latency_at_callers_mean_ms",
                                                    "latency_mean_ms",
                                                    "calls_out",
                                                    "spans",
                                                    "requests",
                                                    "errors",
                                                    "availability"};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The factor that makes milliseconds of it; nothing where it is no latency of the component's own
// side.
std::optional<double> latency_factor(std::string_view name) {
  for (const std::string_view stranger : {"client", "caller", "calls"}) {
    if (contains(name, stranger)) return std::nullopt;
  }
  double factor = 0;
  if (name.ends_with("_ms")) {
    factor = 1;
    name.remove_suffix(3);
  } else if (name.ends_with("_s")) {
    factor = 1000;
    name.remove_suffix(2);
  }
  if (factor == 0) return std::nullopt;
  for (const std::string_view statistic : {"mean", "p50", "p90", "p95", "p99"}) {
    if (!name.ends_with(statistic)) continue;
    const std::string_view rest = name.substr(0, name.size() - statistic.size());
    if (rest == "latency_" || rest.ends_with("_latency_")) return factor;
  }
  return std::nullopt;
}

template <class F>
Values each(const Values& a, const Values& b, const F& f) {
  Values out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = f(a[i], b[i]);
  return out;
}

Values scaled(const Values& values, double factor) {
  Values out(values);
  for (double& value : out) value *= factor;
  return out;
}

// NaN where either is.
double a_request(double count, double requests) {
  return std::isnan(requests) ? nan : count / std::max(requests, 1.0);
}

// Less than nothing is the noise of two clocks and two sets of requests. NaN where either is.
double waited(double outside, double inside) {
  const double wire = outside - inside;
  return wire < 0 ? 0 : wire;
}

// How much longer calls took at their callers than here: the worst caller, in ms. Empty without
// such metrics.
Values mesh_wire(const Rows& rows) {
  Values worst;
  for (const auto& [name, values] : rows.metrics) {
    const std::size_t at = name.rfind(at_caller);
    if (at == std::string::npos || at == 0) continue;
    const std::string stem = name.substr(0, at);
    const Values* here =
        rows.find(stem + std::string(of_calls_from) + name.substr(at + at_caller.size()));
    if (here == nullptr) continue;
    if (worst.empty()) worst.assign(rows.size(), nan);
    const double factor = stem.ends_with("_s") ? 1000 : 1;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double wire = waited(values[i], (*here)[i]) * factor;
      if (!std::isnan(wire) && !(worst[i] >= wire)) worst[i] = wire;
    }
  }
  return worst;
}

void add_errors(const Rows& rows, std::vector<Channel>& out) {
  const Values *requests = rows.find("requests"), *errors = rows.find("errors");
  Channel channel{.name = "errors", .group = Group::errors};
  if (const Values* availability = rows.find("availability")) {
    for (const double percent : *availability) channel.values.push_back(1 - percent / 100);
  } else if (errors != nullptr && requests != nullptr) {
    channel.values = each(*errors, *requests, a_request);
  } else {
    return;
  }
  // One failure of five requests is not twenty times the normal.
  channel.least.assign(rows.size(), 0);
  if (requests != nullptr) {
    for (std::size_t i = 0; i < rows.size(); ++i) channel.least[i] = a_request(1, (*requests)[i]);
  }
  out.push_back(std::move(channel));
}

}  // namespace

std::vector<Channel> channels_of(const Rows& rows) {
  std::vector<Channel> out;
  const auto add = [&out](std::string name, Group group, Values values,
                          Worse worse = Worse::higher) {
    out.push_back(
        {.name = std::move(name), .group = group, .worse = worse, .values = std::move(values)});
  };
  if (const Values* cpu = rows.find("cpu")) add("cpu", Group::cpu, *cpu);
  if (const Values* memory = rows.find("memory")) add("memory", Group::memory, *memory);
  if (const Values* self = rows.find("self_latency_ms")) add("self", Group::self, *self);
  const Values *outside = rows.find("latency_at_callers_mean_ms"),
               *inside = rows.find("latency_mean_ms");
  if (outside != nullptr && inside != nullptr)
    add("wire", Group::wire, each(*outside, *inside, waited));
  if (Values wire = mesh_wire(rows); !wire.empty()) add("mesh wire", Group::wire, std::move(wire));
  for (const auto& [name, values] : rows.metrics) {
    if (const auto factor = latency_factor(name))
      add("latency " + name, Group::latency, scaled(values, *factor));
  }
  if (const Values* requests = rows.find("requests")) {
    const Values *calls = rows.find("calls_out"), *spans = rows.find("spans");
    if (calls != nullptr)
      add("calls", Group::calls, each(*calls, *requests, a_request), Worse::either);
    if (spans != nullptr)
      add("spans", Group::calls, each(*spans, *requests, a_request), Worse::either);
  }
  add_errors(rows, out);
  for (const Named& one : named) {
    if (const Values* values = rows.find(one.metric))
      add(std::string(one.metric), one.group, *values);
  }
  std::sort(out.begin(), out.end(),
            [](const Channel& a, const Channel& b) { return a.name < b.name; });
  return out;
}

bool is_read(std::string_view metric) {
  return std::find(plain.begin(), plain.end(), metric) != plain.end() || metric.ends_with("_ops") ||
         contains(metric, at_caller) || contains(metric, of_calls_from) ||
         std::any_of(named.begin(), named.end(),
                     [metric](const Named& one) { return one.metric == metric; }) ||
         latency_factor(metric).has_value();
}

}  // namespace outrider::diagnose
