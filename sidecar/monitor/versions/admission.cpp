// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/admission.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/core/text.h"
#include "sidecar/tap/model_path.h"

namespace outrider::monitor {
namespace {

// How many of `limit` slots names may hold that were never answered.
std::size_t unproven_max(std::size_t limit) {
  return std::max<std::size_t>(1, limit / 4);
}

}  // namespace

Evidence evidence_of(const decode::Observation& observation) {
  if (!observation.model_failed) return Evidence::answered;
  return observation.refused ? Evidence::refused : Evidence::failed;
}

std::string clean_name(std::string_view name) {
  return std::string(tap::is_model_name(name) ? name : other_name);
}

Admission::Decision Admission::decide(VersionName name, Evidence evidence) const {
  const VersionName other_model{std::string(other_name), std::string(other_name)};
  if (name.model == other_name) return {other_model, {}};
  if (!is_listed(name.model)) return {other_model, {}, Decision::TurnedAway::model};
  Decision decision;
  if (!parts_.vouched.contains(name.model) && !has_model(name.model)) {
    if (evidence == Evidence::refused) return {other_model, {}};
    if (!find_room(models(), parts_.settings.limits.models, evidence, decision.leaving)) {
      return {other_model, {}, Decision::TurnedAway::model};
    }
  }
  decision.name = std::move(name);
  const VersionName& admitted = decision.name;
  const bool needs_slot = admitted.version != other_name &&
                          admitted.version != parts_.settings.of(admitted.model).default_version();
  if (needs_slot && !find_room(versions_of(admitted.model), parts_.settings.limits.versions,
                               evidence, decision.leaving)) {
    decision.name.version = other_name;
    if (evidence != Evidence::refused) decision.turned_away = Decision::TurnedAway::version;
  }
  return decision;
}

// Whether model.allow, where there is one, lets the name pass.
bool Admission::is_listed(std::string_view model) const {
  const auto& allowed = parts_.settings.allowed_models;
  return allowed.empty() || std::find(allowed.begin(), allowed.end(), model) != allowed.end() ||
         parts_.settings.models.find(model) != parts_.settings.models.end();
}

bool Admission::has_model(std::string_view model) const {
  return std::any_of(parts_.versions.begin(), parts_.versions.end(),
                     [&](const auto& version) { return version->name().model == model; });
}

void Admission::add_to(Holder& holder, const VersionMonitor& version) const {
  holder.proven = holder.proven || version.proven();
  holder.idle = holder.idle && version.idle(parts_.now);
  holder.in_use = holder.in_use || parts_.in_use(version);
  holder.last_active = holder.versions.empty()
                           ? version.last_active()
                           : std::max(holder.last_active, version.last_active());
  holder.versions.push_back(&version);
}

std::vector<Admission::Holder> Admission::models() const {
  std::map<std::string_view, Holder> by_name;
  for (const auto& version : parts_.versions) {
    const std::string& model = version->name().model;
    if (model == other_name || parts_.vouched.contains(model)) continue;
    add_to(by_name[model], *version);
  }
  std::vector<Holder> found;
  for (auto& [model, holder] : by_name) found.push_back(std::move(holder));
  return found;
}

std::vector<Admission::Holder> Admission::versions_of(std::string_view model) const {
  const std::string_view without_name = parts_.settings.of(model).default_version();
  std::vector<Holder> found;
  for (const auto& version : parts_.versions) {
    const VersionName& name = version->name();
    if (name.model != model || name.version == other_name || name.version == without_name) continue;
    add_to(found.emplace_back(), *version);
  }
  return found;
}

// Whether there is room for one more, and who leaves for it.
bool Admission::find_room(const std::vector<Holder>& holders, std::size_t limit, Evidence evidence,
                          std::vector<const VersionMonitor*>& leaving) {
  const auto unproven =
      std::count_if(holders.begin(), holders.end(), [](const Holder& h) { return !h.proven; });
  const auto longest_silent = [&](auto may_leave) {
    const Holder* found = nullptr;
    for (const Holder& holder : holders) {
      if (holder.in_use || !may_leave(holder)) continue;
      if (!found || holder.last_active < found->last_active) found = &holder;
    }
    return found;
  };
  const bool free = holders.size() < limit;
  const Holder* leaver = nullptr;
  switch (evidence) {
    case Evidence::refused:
      return false;
    case Evidence::failed:
      if (free && static_cast<std::size_t>(unproven) < unproven_max(limit)) return true;
      leaver = longest_silent([](const Holder& h) { return !h.proven && h.idle; });
      break;
    case Evidence::answered:
      if (free) return true;
      leaver = longest_silent([](const Holder& h) { return !h.proven; });
      if (!leaver) leaver = longest_silent([](const Holder& h) { return h.idle; });
      break;
  }
  if (!leaver) return false;
  leaving.insert(leaving.end(), leaver->versions.begin(), leaver->versions.end());
  return true;
}

}  // namespace outrider::monitor
