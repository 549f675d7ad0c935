// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/ledger.h"

namespace outrider {

void Ledger::note(const decide::Action& action) {
  if (action.stage == decide::Stage::held && action.needs_approval) {
    awaiting_.insert(action.id);
  } else {
    awaiting_.erase(action.id);
  }
  forget(action.id);
  if (!decide::changes_production(action.kind) || !action.queued_at) return;
  releases_.emplace(action.id, Release{.at = *action.queued_at,
                                       .owner = action.owner,
                                       .pods = action.plan.pods.value_or(0),
                                       .automatic = !action.decided_by_person});
  by_time_.emplace(*action.queued_at, action.id);
}

void Ledger::forget(const std::string& action) {
  const auto found = releases_.find(action);
  if (found == releases_.end()) return;
  by_time_.erase({found->second.at, action});
  releases_.erase(found);
}

void Ledger::add_releases(Time now, Duration window, decide::Situation& situation) {
  while (!by_time_.empty() && by_time_.begin()->first <= now - window)
    forget(std::string(by_time_.begin()->second));
  if (!by_time_.empty()) situation.hour_eases_at = by_time_.begin()->first + window;
  for (const auto& [action, release] : releases_) {
    situation.automatic_last_hour += release.automatic;
    situation.pods_last_hour[release.owner] += release.pods;
  }
}

}  // namespace outrider
