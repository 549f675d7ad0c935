// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/collection.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/core/text.h"

namespace outrider::suspects {
namespace {

using incident::Change;
using incident::Component;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Duration window_min = std::chrono::minutes(1);
constexpr int rows_a_window = 20;

// Requests, errors and latency go together; the others stand for themselves.
std::string kind_of_metric(const std::string& metric) {
  if (metric == "requests" || metric == "errors" || metric == "availability" ||
      metric.find("latency") != std::string::npos) {
    return "calls";
  }
  return metric;
}

std::string first_of(const Labels& labels, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const auto value = labels.get(name); !value.empty()) return std::string(value);
  }
  return {};
}

// A template may hold what was logged: its figures are left out, and it is cut.
std::string masked(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, Collection::log_site_bytes_max)) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    if (is_digit && (out.empty() || out.back() != '#')) out += '#';
  }
  while (!out.empty() && !is_valid_utf8(out)) out.pop_back();
  return out;
}

void put(double& into, double value, Combine combine) {
  if (std::isnan(into)) {
    into = value;
  } else if (!std::isnan(value)) {
    into = combine == Combine::sum ? into + value : std::max(into, value);
  }
}

std::optional<std::size_t> row_of(const Plan& plan, std::int64_t timestamp_ms) {
  const double at = to_seconds(from_unix_ms(timestamp_ms) - plan.from) / to_seconds(plan.step);
  const double row = std::round(at);
  if (row < 0 || row >= static_cast<double>(plan.rows())) return std::nullopt;
  return static_cast<std::size_t>(row);
}

}  // namespace

Plan plan_of(const incident::Incident& incident, Time now, const Times& times) {
  Time first = incident.episode_at;
  for (const incident::Member& member : incident.members) {
    if (member.firing) first = std::min(first, member.starts_at);
  }
  Plan plan;
  plan.at = incident.since ? std::min(*incident.since, first) : first - times.lead;
  plan.at = std::min(plan.at, now - window_min);
  const Duration window = std::min<Duration>(now - plan.at, times.window_max);
  plan.step = std::max<Duration>(times.step, window / rows_a_window);
  // Whole seconds: a step of 31.7 s would fall between the samples in ever another way.
  plan.step = std::chrono::ceil<std::chrono::seconds>(plan.step);
  plan.rate = std::max(times.rate, plan.step);
  const auto before = static_cast<std::int64_t>(times.baseline / times.step);
  plan.from = plan.at - before * plan.step;
  plan.to = plan.from + ((plan.at + window - plan.from) / plan.step) * plan.step;
  return plan;
}

std::string Suspect::name() const {
  switch (role) {
    case Role::model: {
      const bool says_more = !place.name.empty() && place.name != detail;
      return "model " + detail + (says_more ? " of " + text_of(place) : "");
    }
    case Role::gpu:
      return "GPU " + detail + " of " + text_of(place);
    case Role::workload:
    case Role::machine:
      break;
  }
  return text_of(place);
}

std::optional<Suspect> Collection::suspect_of(const MetricQuery& query,
                                              const Labels& labels) const {
  Suspect out{.role = query.role, .place = {}};
  const std::string cluster(labels.get("cluster"));
  const incident::Spot spot = incident::spot_of(labels);
  const std::string given = first_of(labels, query.component);
  switch (query.role) {
    case Role::workload:
    case Role::model:
      if (!query.component.empty()) {
        if (given.empty()) return std::nullopt;
        out.place = {cluster, std::string(labels.get(query.name_space)), given, false};
      } else if (spot.workload) {
        out.place = *spot.workload;
      } else {
        return std::nullopt;
      }
      if (query.role == Role::model) {
        out.detail = labels.get("model_name");
        if (out.detail.empty()) return std::nullopt;
      }
      return out;
    case Role::machine:
    case Role::gpu: {
      const std::string machine =
          given.empty() && !spot.machines.empty() ? spot.machines.front().name : given;
      if (machine.empty()) return std::nullopt;
      out.place = {cluster, "", machine, true};
      if (query.role == Role::gpu) out.detail = labels.get("gpu");
      return out;
    }
  }
  return std::nullopt;
}

void Collection::add(const MetricQuery& query, const std::vector<Series>& series) {
  std::map<Suspect, diagnose::Values> found;
  std::size_t nameless = 0;
  for (const Series& one : series) {
    ++series_;
    const auto suspect = suspect_of(query, one.labels);
    if (!suspect) {
      ++nameless;
      continue;
    }
    if (!suspects_.contains(*suspect) && suspects_.size() + found.size() >= suspects_max &&
        !found.contains(*suspect)) {
      if (!full_) unknown("more than " + std::to_string(suspects_max) + " suspects: the rest");
      full_ = true;
      continue;
    }
    diagnose::Values& values =
        found.try_emplace(*suspect, diagnose::Values(plan_.rows(), nan)).first->second;
    for (const Sample& sample : one.samples) {
      const auto row = row_of(plan_, sample.timestamp_ms);
      const double factor = query.a_row ? to_seconds(plan_.step) : 1;
      if (row && std::isfinite(sample.value))
        put(values[*row], sample.value * factor, query.combine);
    }
  }
  if (nameless > 0) {
    unknown(std::to_string(nameless) + " series of " + query.metric + " (" + query.family +
            ") name no component");
  }
  const std::string kind = kind_of_metric(query.metric);
  for (auto& [suspect, values] : found) {
    Metrics& metrics = suspects_[suspect];
    const std::string& owner = metrics.family.try_emplace(kind, query.family).first->second;
    if (owner == query.family) metrics.values.emplace(query.metric, std::move(values));
  }
}

std::optional<std::uint32_t> Collection::log_site(const std::string& name) {
  if (const auto known = log_site_numbers_.find(name); known != log_site_numbers_.end())
    return known->second;
  if (log_sites_.size() == log_sites_max) return std::nullopt;
  const auto number = static_cast<std::uint32_t>(log_sites_.size());
  log_sites_.push_back(name);
  log_site_numbers_.emplace(name, number);
  return number;
}

void Collection::add_logs(const LogsQuery& query, const std::vector<Series>& series) {
  const MetricQuery like{.family = query.family,
                         .needs = query.needs,
                         .metric = "log lines",
                         .promql = "",
                         .component = query.component,
                         .name_space = query.name_space};
  std::size_t nameless = 0, past_limit = 0;
  for (const Series& one : series) {
    ++series_;
    const auto suspect = suspect_of(like, one.labels);
    const std::string name = masked(first_of(one.labels, query.site));
    if (!suspect || name.empty()) {
      ++nameless;
      continue;
    }
    const bool has_room = suspects_.contains(*suspect) || suspects_.size() < suspects_max;
    const auto site = has_room ? log_site(name) : std::nullopt;
    if (!site) {
      ++past_limit;
      continue;
    }
    Metrics& metrics = suspects_[*suspect];
    if (metrics.logs_family.empty()) metrics.logs_family = query.family;
    if (metrics.logs_family != query.family) continue;
    for (const Sample& sample : one.samples) {
      if (std::isfinite(sample.value) && sample.value >= 0)
        metrics.logs.push_back({to_seconds(from_unix_ms(sample.timestamp_ms).time_since_epoch()),
                                *site, sample.value});
    }
  }
  if (nameless > 0)
    unknown(std::to_string(nameless) + " series of log lines (" + query.family +
            ") name no component, or no level or template");
  if (past_limit > 0)
    unknown(std::to_string(past_limit) + " series of log lines: more than " +
            std::to_string(suspects_max) + " suspects or " + std::to_string(log_sites_max) +
            " levels and templates");
}

void Collection::add_versions(const std::vector<Series>& series) {
  for (const Series& one : series) {
    std::optional<Time> first;
    bool answered_before = false;
    for (const Sample& sample : one.samples) {
      if (!(sample.value > 0)) continue;
      const Time time = from_unix_ms(sample.timestamp_ms);
      if (!first) {
        first = time;
        // What answers in the first rows did so before, as far as is known.
        answered_before = time < plan_.from + 3 * plan_.step;
      }
    }
    if (!first || answered_before || promotions_.size() >= versions_max) continue;
    const std::string version(one.labels.get("model_version"));
    Change change;
    change.kind = "promotion";
    change.model = one.labels.get("model_name");
    change.version = version;
    change.summary = "version " + version + " of " + change.model + " answers for the first time";
    change.at = *first - plan_.step;  // The rate's first row is up to a row late.
    const incident::Identity who = incident::identity_of(one.labels);
    change.cluster = who.cluster;
    change.name_space = who.name_space;
    change.workload = who.workload;
    change.id = "seen-" + change.model + "-" + version + "-" + std::to_string(to_unix_ms(*first));
    promotions_.push_back(std::move(change));
  }
}

void Collection::fold(Metrics& into, Metrics from) {
  if (into.logs_family.empty()) into.logs_family = from.logs_family;
  if (into.logs_family == from.logs_family)
    into.logs.insert(into.logs.end(), from.logs.begin(), from.logs.end());
  for (auto& [metric, values] : from.values) {
    const std::string kind = kind_of_metric(metric);
    const std::string& family = from.family.at(kind);
    if (into.family.try_emplace(kind, family).first->second == family)
      into.values.emplace(metric, std::move(values));
  }
}

void Collection::merge_names() {
  std::multimap<std::string, Suspect> full;
  for (const auto& [suspect, metrics] : suspects_) {
    if (suspect.role == Role::workload && !suspect.place.name_space.empty())
      full.emplace(suspect.place.name, suspect);
  }
  for (auto it = suspects_.begin(); it != suspects_.end();) {
    const Suspect& bare = it->first;
    const auto [first, last] = full.equal_range(bare.place.name);
    const bool one = first != last && std::next(first) == last;
    if (bare.role != Role::workload || !bare.place.name_space.empty() || !one ||
        !may_be_same(bare.place, first->second.place)) {
      ++it;
      continue;
    }
    fold(suspects_.at(first->second), std::move(it->second));
    it = suspects_.erase(it);
  }
  leave_out_silent();
}

// Lines alone say too little: no other metric speaks for the component or against it.
void Collection::leave_out_silent() {
  const std::size_t left_out =
      std::erase_if(suspects_, [](const auto& one) { return one.second.values.empty(); });
  if (left_out > 0)
    unknown("log lines of " + std::to_string(left_out) +
            " components: Prometheus has no other metrics of them");
}

}  // namespace outrider::suspects
