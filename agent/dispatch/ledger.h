// SPDX-License-Identifier: Apache-2.0
#pragma once

// What each decision asks of the journal's actions, kept at hand: reading it from disk takes time
// that grows with how much was done. PURE; not thread-safe; O(log n) a note. Its entries are the
// actions that wait for a person, and those of the last hour that change production.

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "agent/decide/care.h"

namespace outrider {

class Ledger {
 public:
  // An action as the journal has it now. Once it is on disk, not before.
  void note(const decide::Action& action);

  std::size_t awaiting() const { return awaiting_.size(); }  // A person.
  // What was let go within the window, as the limits of the whole fleet count it (decide/care.h).
  void add_releases(Time now, Duration window, decide::Situation& situation);

 private:
  struct Release {
    Time at;
    std::string owner;
    double pods = 0;
    bool automatic = true;
  };
  void forget(const std::string& action);

  std::set<std::string> awaiting_;
  std::map<std::string, Release> releases_;  // By action.
  std::set<std::pair<Time, std::string>> by_time_;
};

}  // namespace outrider
