// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kill switch: while it is on, nothing that changes production leaves the agent. SHELL,
// thread-safe. Three hands hold it, and each must let go:
//
//   the option --actions.paused, as long as the program runs
//   a file (--actions.pause-file), as a mounted ConfigMap is: on while it is there and says anything
//     but "false", "off", "no" or 0; looked at once a second. A file that cannot be read is on
//   a person (POST /api/v1/actions/pause), kept in the journal until somebody resumes

#include <array>
#include <mutex>
#include <string>

#include "agent/act/journal.h"
#include "base/wire/exposition.h"

namespace outrider::act {

class PauseSwitch final : public wire::Collector {
 public:
  PauseSwitch(bool paused_by_option, std::string file, Journal& journal, const Clock& clock);

  // "" while it is off; else who holds it and why, for people.
  std::string reason() const;
  struct Held {
    bool option = false, file = false, person = false;
  };
  Held held() const;

  // outrider_agent_actions_paused{by}: 1 for each hand that holds it.
  void collect(wire::MetricSink& sink) override;

  // A person's hand. Throw JournalError when that cannot be kept.
  void pause(const std::string& by, const std::string& why);
  void resume();

 private:
  void look_at_file() const;

  const bool by_option_;
  const std::string file_;
  Journal& journal_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  mutable std::string by_file_;  // "": it is off.
  mutable std::optional<Time> looked_at_;
  std::optional<Journal::Word> word_;
};

}  // namespace outrider::act
