// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/tracker.h"

#include <algorithm>

#include "agent/incident/evidence.h"
#include "base/core/text.h"
#include "base/wire/json_path.h"

namespace outrider::tickets {
namespace {

using wire::find;
using wire::items_at;
using wire::Json;
using wire::text_at;

constexpr int pages_max = 10;
constexpr std::size_t page_size = 100;
constexpr Duration clocks_differ = std::chrono::minutes(10);  // Theirs and ours, at most.
constexpr std::size_t jira_summary_max = 250;

Failure no_answer_of(const Target& target, const std::string& what) {
  return fail("refused", "the answer of " + target.url + " is not " +
                             std::string(name(target.system)) + "'s: " + what);
}

// A text, or a whole number as one.
std::string id_at(const Json& json, const char* key) {
  const Json* found = find(json, {key});
  if (found && found->is_number_integer()) return found->dump();
  return text_at(json, {key});
}

Result<void> done(const Result<Json>& answer) {
  if (!answer) return fail(answer);
  return {};
}

std::string first_line(std::string_view text) {
  return std::string(trim(text.substr(0, text.find('\n'))));
}

bool is_said(const Json& comments, const std::string& comment) {
  return std::any_of(comments.begin(), comments.end(), [&comment](const Json& one) {
    return first_line(text_at(one, {"body"})) == first_line(comment);
  });
}

std::string reopening_of(const Content& content) {
  return "The incident has reopened: its alert fires again, since " +
         incident::plain_time(content.episode_at) + ".";
}

std::string since_text(Time time) {
  return percent_encode(format_rfc3339(time - clocks_differ).substr(0, 19) + "Z");
}

// --- GitHub

std::string issues_of(const Target& target) {
  return "/repos/" + target.repository + "/issues";
}

std::string github_marker(const Content& content) {
  return "<!-- " + marker_of(content.incident) + " -->";
}

Json github_body(const Content& content) {
  return {{"title", content.title},
          {"body", text_of(content, System::github) + "\n" + github_marker(content) + "\n"}};
}

Result<Ticket> github_ticket(const Target& target, const Json& issue) {
  const Ticket ticket{id_at(issue, "number"), text_at(issue, {"html_url"})};
  // Its number becomes part of a path.
  if (!parse_uint(ticket.id)) return no_answer_of(target, "an issue has no number");
  return ticket;
}

// Null: there is none.
Result<Json> github_find(Web& web, const Target& target, const Content& content) {
  // Of its first opening: a ticket of an earlier episode last changed before this one began.
  const std::string path = issues_of(target) + "?state=all&sort=created&direction=asc&per_page=" +
                           std::to_string(page_size) + "&since=" + since_text(content.opened_at) +
                           "&page=";
  for (int page = 1; page <= pages_max; ++page) {
    const auto issues = web.ask("GET", path + std::to_string(page));
    if (!issues) return fail(issues);
    if (!issues->is_array()) return no_answer_of(target, "issues are no list");
    for (const Json& issue : *issues) {
      if (text_at(issue, {"body"}).find(github_marker(content)) != std::string::npos) return issue;
    }
    if (issues->size() < page_size) return Json();
  }
  return fail("refused", "more than " + std::to_string(pages_max * page_size) + " issues of " +
                             target.repository +
                             " changed since the incident opened, and its own may be among them: "
                             "open a ticket by hand, or use a repository of its own for incidents");
}

Result<void> github_say(Web& web, const Target& target, const Ticket& ticket,
                        const Content& content, const std::string& comment) {
  if (comment.empty()) return {};
  const std::string path = issues_of(target) + "/" + ticket.id + "/comments";
  const auto comments = web.ask("GET", path + "?per_page=" + std::to_string(page_size) +
                                           "&since=" + since_text(content.episode_at));
  if (!comments) return fail(comments);
  if (!comments->is_array()) return no_answer_of(target, "comments are no list");
  if (is_said(*comments, comment)) return {};
  return done(web.ask("POST", path, {{"body", comment}}));
}

// `state`: "": as it is.
Result<void> github_set(Web& web, const Target& target, const Ticket& ticket,
                        const Content& content, const std::string& state) {
  Json body = github_body(content);
  if (!state.empty()) body["state"] = state;
  if (state == "closed") body["state_reason"] = "completed";
  return done(web.ask("PATCH", issues_of(target) + "/" + ticket.id, body));
}

// Its comment first: whoever follows it reads why before it is closed.
Result<void> github_tell(Web& web, const Target& target, const Ticket& ticket,
                         const Content& content, const std::string& state,
                         const std::string& comment) {
  if (auto said = github_say(web, target, ticket, content, comment); !said) return said;
  return github_set(web, target, ticket, content, state);
}

Result<Ticket> github_open(Web& web, const Target& target, const Content& content) {
  const auto found = github_find(web, target, content);
  if (!found) return fail(found);
  if (!found->is_null()) {
    auto ticket = github_ticket(target, *found);
    if (ticket && text_at(*found, {"state"}) == "closed") {
      const auto opened = github_tell(web, target, *ticket, content, "open", reopening_of(content));
      if (!opened) return fail(opened);
    }
    return ticket;
  }
  Json body = github_body(content);
  if (!target.labels.empty()) body["labels"] = target.labels;
  const auto made = web.ask("POST", issues_of(target), body);
  if (!made) return fail(made);
  return github_ticket(target, *made);
}

// --- Jira

const std::string jira = "/rest/api/2";

std::string issue_path(const Ticket& ticket) {
  return jira + "/issue/" + percent_encode(ticket.id);
}

std::string jira_summary(const Content& content) {
  std::string text = content.title.substr(0, jira_summary_max);
  while (!is_valid_utf8(text)) text.pop_back();
  return text;
}

// Nothing: there is none.
Result<std::optional<Ticket>> jira_find(Web& web, const Target& target, const Content& content) {
  const std::string query = "?fields=status&maxResults=1&jql=" +
                            percent_encode("project = \"" + target.project + "\" AND labels = \"" +
                                           marker_of(content.incident) + "\" ORDER BY created ASC");
  auto found = web.ask("GET", jira + "/search/jql" + query);  // Cloud.
  if (!found && found.error().code == "not_found")
    found = web.ask("GET", jira + "/search" + query);  // Data Center.
  if (!found) return fail(found);
  const Json* issues = find(*found, {"issues"});
  if (issues == nullptr || !issues->is_array())
    return no_answer_of(target, "the search has no issues");
  if (issues->empty()) return std::optional<Ticket>();
  const std::string key = text_at(issues->front(), {"key"});
  if (key.empty()) return no_answer_of(target, "an issue has no key");
  return std::optional(Ticket{key, target.url + "/browse/" + key});
}

bool is_done(const Json* status) {
  return status != nullptr && text_at(*status, {"statusCategory", "key"}) == "done";
}

// Moves it into a status that is done, or out of one; nothing where it is there already.
Result<void> jira_move(Web& web, const Target& target, const Ticket& ticket, bool to_done) {
  const auto issue = web.ask("GET", issue_path(ticket) + "?fields=status");
  if (!issue) return fail(issue);
  const Json* status = find(*issue, {"fields", "status"});
  if (status == nullptr) return no_answer_of(target, "an issue has no status");
  if (is_done(status) == to_done) return {};
  const auto moves = web.ask("GET", issue_path(ticket) + "/transitions");
  if (!moves) return fail(moves);
  for (const Json& move : items_at(*moves, {"transitions"})) {
    const Json* to = find(move, {"to"});
    if (to == nullptr || is_done(to) != to_done) continue;
    return done(web.ask("POST", issue_path(ticket) + "/transitions",
                        {{"transition", {{"id", id_at(move, "id")}}}}));
  }
  return fail("refused", ticket.id + ": its workflow has no transition " +
                             (to_done ? "into" : "out of") +
                             " a status of the category done that the agent may take");
}

Result<void> jira_say(Web& web, const Target& target, const Ticket& ticket,
                      const std::string& comment) {
  if (comment.empty()) return {};
  const std::string path = issue_path(ticket) + "/comment";
  const auto comments =
      web.ask("GET", path + "?orderBy=-created&maxResults=" + std::to_string(page_size));
  if (!comments) return fail(comments);
  const Json* list = find(*comments, {"comments"});
  if (list == nullptr || !list->is_array()) return no_answer_of(target, "comments are no list");
  if (is_said(*list, comment)) return {};
  return done(web.ask("POST", path, {{"body", comment}}));
}

Result<void> jira_update(Web& web, const Ticket& ticket, const Content& content) {
  return done(web.ask(
      "PUT", issue_path(ticket),
      {{"fields",
        {{"summary", jira_summary(content)}, {"description", text_of(content, System::jira)}}}}));
}

// A closed issue often cannot be edited: that it is not changes nothing else.
Result<void> jira_update_closed(Web& web, const Ticket& ticket, const Content& content) {
  auto updated = jira_update(web, ticket, content);
  if (!updated && updated.error().code != "refused") return updated;
  return {};
}

Result<void> jira_close(Web& web, const Target& target, const Ticket& ticket,
                        const Content& content) {
  if (auto updated = jira_update_closed(web, ticket, content); !updated) return updated;
  if (auto said = jira_say(web, target, ticket, content.ending); !said) return said;
  return jira_move(web, target, ticket, true);
}

Result<void> jira_reopen(Web& web, const Target& target, const Ticket& ticket,
                         const Content& content) {
  if (auto moved = jira_move(web, target, ticket, false); !moved) return moved;
  if (auto updated = jira_update(web, ticket, content); !updated) return updated;
  return jira_say(web, target, ticket, reopening_of(content));
}

Result<Ticket> jira_open(Web& web, const Target& target, const Content& content) {
  const auto found = jira_find(web, target, content);
  if (!found) return fail(found);
  if (*found) {
    const auto issue = web.ask("GET", issue_path(**found) + "?fields=status");
    if (!issue) return fail(issue);
    if (!is_done(find(*issue, {"fields", "status"}))) return **found;
    const auto opened = jira_reopen(web, target, **found, content);
    if (!opened) return fail(opened);
    return **found;
  }
  std::vector<std::string> labels = target.labels;
  labels.push_back(marker_of(content.incident));
  const auto made = web.ask("POST", jira + "/issue",
                            {{"fields",
                              {{"project", {{"key", target.project}}},
                               {"issuetype", {{"name", target.issue_type}}},
                               {"summary", jira_summary(content)},
                               {"description", text_of(content, System::jira)},
                               {"labels", labels}}}});
  if (!made) return fail(made);
  const std::string key = text_at(*made, {"key"});
  if (key.empty()) return no_answer_of(target, "the issue that it made has no key");
  return Ticket{key, target.url + "/browse/" + key};
}

// --- PagerDuty

std::string pagerduty_severity(const std::string& severity) {
  for (const char* known : {"critical", "error", "warning", "info"}) {
    if (severity == known) return severity;
  }
  return severity == "page" ? "critical" : "error";
}

Result<Ticket> pagerduty_send(Web& web, const Target& target, const Content& content,
                              const char* action) {
  const auto key = credentials_of(target);
  if (!key) return fail(key);
  const std::string dedup = marker_of(content.incident);
  Json body = {{"routing_key", *key}, {"event_action", action}, {"dedup_key", dedup}};
  if (std::string_view(action) == "trigger") {
    body["client"] = "Outrider";
    body["payload"] = {
        {"summary", content.title},
        {"source", content.source},
        {"severity", pagerduty_severity(content.severity)},
        {"timestamp", format_rfc3339(content.episode_at)},
        {"custom_details",
         {{"text", text_of(content, System::pagerduty)}, {"incident", content.incident}}}};
    if (!content.link.empty()) {
      body["client_url"] = content.link;
      body["links"] = Json::array({{{"href", content.link}, {"text", "incident"}}});
    }
  }
  const auto answer = web.ask("POST", "/v2/enqueue", body);
  if (!answer) return fail(answer);
  if (text_at(*answer, {"status"}) != "success")
    return no_answer_of(target, "it does not say success");
  return Ticket{dedup, ""};
}

Result<void> pagerduty_tell(Web& web, const Target& target, const Content& content,
                            const char* action) {
  const auto sent = pagerduty_send(web, target, content, action);
  if (!sent) return fail(sent);
  return {};
}

}  // namespace

Result<Ticket> open_ticket(Web& web, const Target& target, const Content& content) {
  switch (target.system) {
    case System::github:
      return github_open(web, target, content);
    case System::jira:
      return jira_open(web, target, content);
    case System::pagerduty:
      break;
  }
  return pagerduty_send(web, target, content, "trigger");
}

Result<void> update_ticket(Web& web, const Target& target, const Ticket& ticket,
                           const Content& content, bool says_news) {
  const std::string news = says_news ? plain(content.news, target.system) : "";
  switch (target.system) {
    case System::github:
      return github_tell(web, target, ticket, content, "", news);
    case System::jira: {
      if (!content.open) return jira_update_closed(web, ticket, content);
      if (auto said = jira_say(web, target, ticket, news); !said) return said;
      return jira_update(web, ticket, content);
    }
    case System::pagerduty:
      break;
  }
  // A trigger after the end would page somebody again.
  return content.open ? pagerduty_tell(web, target, content, "trigger") : Result<void>();
}

Result<void> close_ticket(Web& web, const Target& target, const Ticket& ticket,
                          const Content& content) {
  switch (target.system) {
    case System::github:
      return github_tell(web, target, ticket, content, "closed", content.ending);
    case System::jira:
      return jira_close(web, target, ticket, content);
    case System::pagerduty:
      break;
  }
  return pagerduty_tell(web, target, content, "resolve");
}

Result<void> reopen_ticket(Web& web, const Target& target, const Ticket& ticket,
                           const Content& content) {
  switch (target.system) {
    case System::github:
      return github_tell(web, target, ticket, content, "open", reopening_of(content));
    case System::jira:
      return jira_reopen(web, target, ticket, content);
    case System::pagerduty:
      break;
  }
  return pagerduty_tell(web, target, content, "trigger");
}

}  // namespace outrider::tickets
