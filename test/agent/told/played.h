// SPDX-License-Identifier: Apache-2.0
#pragma once

// One incident as the agent lives through it, step by step.

#include <memory>
#include <string>

#include "agent/decide/decision.h"
#include "agent/decide/delivery.h"
#include "agent/decide/life.h"
#include "test/agent/suspects/system.h"
#include "test/agent/told/scenes.h"

namespace outrider::page::testing {

using suspects::testing::alerted;
using suspects::testing::System;

class Played {
 public:
  Played(std::string title, std::string world, Labels labels, Labels annotations);

  const incident::Incident& incident() const { return *book_.find(id_); }
  Labels of_model() const;  // Of the model's series.

  void facts(incident::Facts facts, const std::vector<incident::Change>& changes);
  void diagnose(System& system, const std::vector<incident::Change>& changes);
  // The policy's actions, each with what its conditions say at the decision.
  void decide(const std::string& policy, double verify_value, Time at);

  // Of the action of this kind.
  void approve(decide::Kind kind, const std::string& person, Time at);
  void send(decide::Kind kind, int status, Time at);
  void verify(decide::Kind kind, double value, bool holds, Time at);
  void send_undo(decide::Kind kind, int status, Time at);
  void resolve(Time at);

  // The model's accuracy, failures, latency …: `before`, from `since` on `during`, from `mended`
  // on `after`.
  void chart(const std::string& what, Unit unit, double before, double during, double after,
             Time since, Time mended);
  Told told(Time now);

 private:
  decide::Action& action_of(decide::Kind kind);
  void note(const decide::Action& action, Time at, const std::string& text);

  Told told_;
  Labels labels_, annotations_;
  incident::IncidentBook book_;
  std::string id_;
};

}  // namespace outrider::page::testing
