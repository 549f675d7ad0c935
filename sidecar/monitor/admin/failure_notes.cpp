// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/admin/failure_notes.h"

#include "base/core/text.h"

namespace outrider::monitor {

bool FailureNotes::note(tap::FailReason reason, std::string_view words, Time now) {
  const std::lock_guard hold(lock_);
  Note& note = notes_[static_cast<std::size_t>(reason)];
  ++note.count;
  note.last = now;
  note.words.assign(words);
  if (note.count > 1 && now - note.told < told_every && now >= note.told) return false;
  note.told = now;
  return true;
}

wire::Json FailureNotes::to_json() const {
  wire::Json json = wire::Json::object();
  const std::lock_guard hold(lock_);
  for (std::size_t i = 0; i < notes_.size(); ++i) {
    const Note& note = notes_[i];
    if (note.count == 0) continue;
    wire::Json one = {{"count", note.count}, {"last", format_rfc3339(note.last)}};
    if (!note.words.empty()) one["message"] = note.words;
    json[std::string(to_string(static_cast<tap::FailReason>(i)))] = std::move(one);
  }
  return json;
}

}  // namespace outrider::monitor
