// SPDX-License-Identifier: Apache-2.0
#pragma once

// The life of a ticket in each system, as a conversation over Web. PURE but for that.
//
// Opened once: open_ticket() first looks for a ticket that bears the incident's marker, so that an
// agent that was killed between the creation and its report opens no second one, and an incident
// that reopens reopens its ticket. A comment is made where none of its first line is there yet. So
// each of these may be said again, and changes nothing.
//
// GitHub    the issues of the repository that changed since the incident opened are listed, the
//           oldest first (pages_max pages; past that it is refused, since one of the rest might be
//           it). Their text holds the marker as an HTML comment. The list is no search index, which
//           lags.
// Jira      a label is the marker; found by JQL, whose index lags (jira_lags). Closed and reopened
//           by the workflow's transition into a status of the category done, and out of it.
// PagerDuty Events API v2: the marker is the dedup_key, so PagerDuty itself opens it once; trigger,
//           and resolve at the end. It has no comments.
//
// Sources: GitHub, "REST API endpoints for issues", "Rate limits for the REST API"; Atlassian,
// "Jira REST API v2" (issue, search, transitions, comments); PagerDuty, "Send an alert event".

#include <string>

#include "agent/tickets/content.h"
#include "agent/tickets/web.h"

namespace outrider::tickets {

struct Ticket {
  std::string id;   // "17", "OPS-4", the dedup_key.
  std::string url;  // For people; "" where the system does not tell it.
  bool operator==(const Ticket&) const = default;
};

inline constexpr Duration jira_lags = std::chrono::seconds(10);  // Its search behind its issues.

// Errors of each: those of Web::ask, "refused" for an answer that is not the system's.
Result<Ticket> open_ticket(Web& web, const Target& target, const Content& content);
// `says_news`: content.news is told to those who follow it, too.
Result<void> update_ticket(Web& web, const Target& target, const Ticket& ticket,
                           const Content& content, bool says_news);
Result<void> close_ticket(Web& web, const Target& target, const Ticket& ticket,
                          const Content& content);
Result<void> reopen_ticket(Web& web, const Target& target, const Ticket& ticket,
                           const Content& content);

}  // namespace outrider::tickets
