// SPDX-License-Identifier: Apache-2.0
#include "agent/act/journal_export.h"

#include <limits>

#include "base/core/text.h"

namespace outrider::act {
namespace {

using wire::Json;

constexpr std::size_t all = std::numeric_limits<std::int32_t>::max();

std::string line_of(const char* type, Time at, Json body) {
  body["type"] = type;
  body["at"] = format_rfc3339(at);
  return wire::to_text(body) + "\n";
}

}  // namespace

void export_journal(const Journal& journal, Time since,
                    const std::function<bool(std::string_view line)>& write) {
  for (const incident::Change& change : journal.changes(since, all)) {
    if (!write(line_of("change", change.at, incident::to_json(change)))) return;
  }
  for (const bool open : {true, false}) {
    for (const incident::Incident& incident : journal.incidents(open, all)) {
      if (incident.opened_at < since) continue;
      if (!write(line_of("incident", incident.opened_at, incident::to_json(incident)))) return;
    }
  }
  for (const decide::Action& action : journal.actions(all)) {
    if (action.created_at < since) continue;
    if (!write(line_of("action", action.created_at, decide::to_public_json(action)))) return;
    for (const Journal::Event& event : journal.events_of(action.id)) {
      const Json step = {
          {"action", action.id}, {"incident", action.incident}, {"text", event.text}};
      if (!write(line_of("step", event.at, step))) return;
    }
  }
}

}  // namespace outrider::act
