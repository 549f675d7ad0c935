// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a ticket says about an incident: what happened, why, what was done, whether it helped, and
// where to look. PURE; it follows from the incident and its actions, so that saying it again
// changes nothing.
//
// Much of it comes from outside: alerts' annotations, label values, values of the traffic. So in a
// system with markup nothing of it is markup: no image, no link, no mention of a person, no mark of
// another incident.

#include <string>
#include <vector>

#include "agent/decide/action.h"
#include "agent/incident/incident.h"
#include "agent/tickets/target.h"

namespace outrider::tickets {

struct Story {
  incident::Incident incident;
  std::vector<decide::Action> actions = {};  // Its own, the oldest first.
};

struct Content {
  std::string incident;  // Its id.
  std::string title;     // One line, at most title_bytes_max.
  std::vector<std::string> brief, evidence, done;
  std::string severity, source;
  std::string link;    // To the incident at the agent; "": its address is not known.
  std::string news;    // Severity and named cause in one line: told to those who follow.
  std::string ending;  // Once it has ended: when, and after how long; else "".
  Time opened_at = {}, episode_at = {};  // At first; since when its alert fires now.
  bool open = true;

  static constexpr std::size_t title_bytes_max = 200;
  static constexpr std::size_t line_bytes_max = 1'000;
  static constexpr std::size_t lines_max = 40;  // Of each list.
};

// `base`: the agent's address for people (--web.external-url); "": none.
Content content_of(const Story& story, const std::string& base);

// All of it, in the system's markup.
std::string text_of(const Content& content, System system);
// One line from outside, in the system's markup.
std::string plain(const std::string& line, System system);

// Of what a ticket is told again for: title, severity, cause, alerts, what became of its actions.
// Figures that move all the time are not in it.
std::string digest_of(const Story& story, const Content& content);

// What a ticket bears so that it is found again: of the incident, all its episodes.
std::string marker_of(const std::string& incident);

}  // namespace outrider::tickets
