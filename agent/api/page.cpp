// SPDX-License-Identifier: Apache-2.0
#include "agent/api/page.h"

#include <algorithm>

#include "agent/api/assets.h"  // Generated of assets/.
#include "agent/incident/evidence.h"
#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::api {
namespace {

using decide::Action;
using decide::Outcome;
using incident::Incident;

std::string clock_time(Time time) {
  return incident::plain_time(time);
}

std::string ago(Time time, Time now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now - time);
  if (seconds.count() < 0) return "just now";
  if (seconds < std::chrono::minutes(2)) return std::to_string(seconds.count()) + " s ago";
  if (seconds < std::chrono::hours(2)) return std::to_string(seconds.count() / 60) + " min ago";
  if (seconds < std::chrono::hours(48)) return std::to_string(seconds.count() / 3600) + " h ago";
  return std::to_string(seconds.count() / 86400) + " days ago";
}

const char* tone(Outcome outcome) {
  switch (outcome) {
    case Outcome::succeeded:
      return "good";
    case Outcome::failed:
      return "bad";
    case Outcome::suppressed:
      return "dim";
    case Outcome::recommended:
    case Outcome::sent:
      break;
  }
  return "warn";
}

std::string approval_form(const Action& action) {
  const std::string path = "/api/v1/actions/" + escape_html(percent_encode(action.id));
  return "<form method=\"post\" action=\"" + path +
         "/approve\"><input name=\"by\" placeholder=\"your name\" aria-label=\"your name\" "
         "required "
         "maxlength=\"100\"><button class=\"yes\">Approve</button><button formaction=\"" +
         path + "/reject\">Reject</button></form>";
}

std::string badge(std::string_view tone, std::string_view text) {
  return "<span class=\"badge " + std::string(tone) + "\">" + escape_html(text) + "</span>";
}

std::string action_block(const Action& action, const PageContent& content) {
  std::string html = "<li>" + badge(tone(action.outcome), decide::name(action.outcome)) + " <b>" +
                     std::string(decide::name(action.kind)) + "</b> " + escape_html(action.reason) +
                     " <span class=\"dim\">" + ago(action.updated_at, content.now) + "</span>";
  if (action.needs_approval && action.stage == decide::Stage::held) html += approval_form(action);
  html += "<details id=\"" + escape_html(action.id) +
          "\"><summary class=\"dim\">Rule, request and history</summary><div class=\"dim\">Rule " +
          escape_html(action.rule) + "</div><pre>" +
          escape_html(action.delivery.method + " " + action.delivery.url +
                      "\nIdempotency-Key: " + action.id + "\n\n" + action.delivery.body) +
          "</pre><ul>";
  if (const auto events = content.events.find(action.id); events != content.events.end()) {
    for (const act::Journal::Event& event : events->second) {
      html += "<li>" + clock_time(event.at) + ": " + escape_html(event.text) + "</li>";
    }
  }
  return html + "</ul></details></li>";
}

// A link only where it is one: an annotation may hold "javascript:…".
std::string runbook_link(const Incident& incident) {
  const std::string_view url = incident.annotations.get("runbook_url");
  if (!url.starts_with("https://") && !url.starts_with("http://")) return {};
  return " · <a rel=\"noopener noreferrer\" href=\"" + escape_html(url) + "\">runbook</a>";
}

std::string_view tone_of(std::string_view severity) {
  return severity == "critical" ? "bad" : severity == "warning" ? "warn" : "dim";
}

std::string who(const Incident& incident) {
  if (incident.model.empty()) return incident.alert;
  return incident.version.empty() ? incident.model : incident.model + " " + incident.version;
}

// Where it runs and whose it is, to be told from another of its name; "" where neither has a name.
std::string where(const incident::Identity& identity, const std::string& owner) {
  std::string text = place_text(identity);
  if (!owner.empty()) text += (text.empty() ? "" : " · ") + ("owner " + owner);
  return text;
}

std::string evidence_list(const Incident& incident) {
  if (incident.evidence.empty()) return {};
  std::string html = "<h4>Evidence</h4><ul>";
  for (const incident::Evidence& line : incident.evidence) {
    html += "<li><span class=\"kind\">" + escape_html(line.kind) + "</span> " +
            escape_html(line.text) + "</li>";
  }
  return html + "</ul>";
}

std::string action_list(const Incident& incident, const PageContent& content) {
  std::string html = "<h4>Actions</h4>";
  std::string actions;
  for (const Action& action : content.actions) {
    if (action.incident == incident.id) actions += action_block(action, content);
  }
  if (!actions.empty()) return html + "<ul>" + actions + "</ul>";
  return html + "<div class=\"dim\">None: " +
         (content.has_policy ? "no rule of the policy asks for one."
                             : "the agent has no policy (--policy).") +
         "</div>";
}

std::string when(const Incident& incident, const PageContent& content) {
  std::string text = "opened " + clock_time(incident.opened_at) + " (" +
                     ago(incident.opened_at, content.now) + ")";
  if (incident.resolved_at) text += " · resolved " + clock_time(*incident.resolved_at);
  if (incident.episodes > 1) text += " · reopened " + std::to_string(incident.episodes - 1) + "×";
  return text;
}

// What everybody wants to know first: how grave, which model, what happened.
std::string headline(const Incident& incident, const PageContent& content) {
  std::string html = "<header>" +
                     (incident.open ? badge(tone_of(incident.severity), incident.severity)
                                    : badge("good", "resolved")) +
                     "<h3>" + escape_html(who(incident)) + "</h3><span class=\"dim\">";
  const std::string place = where(incident.identity(), incident.owner);
  if (!place.empty()) html += escape_html(place) + " · ";
  if (!incident.model.empty()) html += escape_html(incident.alert) + " · ";
  return html + when(incident, content) + runbook_link(incident) +
         " · <a href=\"/api/v1/incidents/" + escape_html(percent_encode(incident.id)) +
         "\">JSON</a></span></header><p class=\"lead\">" + escape_html(incident.summary) + "</p>";
}

// An open incident shows all of it; a resolved one unfolds.
std::string incident_block(const Incident& incident, const PageContent& content) {
  const std::string kind = !incident.open ? "resolved"
                           : incident.severity == "critical" || incident.severity == "warning"
                               ? incident.severity
                               : "info";
  const std::string rest = evidence_list(incident) + action_list(incident, content);
  std::string html = "<article class=\"" + kind + "\" id=\"" + escape_html(incident.id) + "\">" +
                     headline(incident, content);
  if (incident.open) return html + rest + "</article>";
  return html + "<details id=\"of-" + escape_html(incident.id) +
         "\"><summary class=\"dim\">Evidence and actions</summary>" + rest + "</details></article>";
}

// One sentence at the top, for whom it wakes.
std::string state_line(const PageContent& content) {
  std::size_t critical = 0;
  for (const Incident& incident : content.open) critical += incident.severity == "critical" ? 1 : 0;
  const Action* waiting = nullptr;
  std::size_t waits = 0;
  for (const Action& action : content.actions) {
    if (!action.needs_approval || action.stage != decide::Stage::held) continue;
    waiting = &action;
    ++waits;
  }
  std::string html = "<p role=\"status\" class=\"state " +
                     std::string(critical > 0            ? "bad"
                                 : !content.open.empty() ? "warn"
                                                         : "good") +
                     "\">";
  const std::size_t open = content.open.size();
  if (open == 0) html += "<b>No open incident.</b>";
  if (open > 0) {
    html += "<b>" + std::to_string(open) + (open == 1 ? " open incident" : " open incidents") +
            "</b>" + (critical > 0 ? ", " + std::to_string(critical) + " critical" : "") + ".";
  }
  if (waiting != nullptr) {
    html += " <a href=\"#" + escape_html(waiting->incident) + "\">" + std::to_string(waits) +
            (waits == 1 ? " action waits" : " actions wait") + " for a person</a>.";
  }
  return html + "</p>";
}

// One line a model of a workload that the agent has heard of.
std::string model_table(const PageContent& content) {
  struct Line {
    std::size_t open = 0;
    std::string worst, version, owner, last_action;
  };
  const auto unversioned = [](incident::Identity identity) {
    identity.version.clear();
    return identity;
  };
  std::map<incident::Identity, Line> models;
  for (const auto* list : {&content.resolved, &content.open}) {
    for (const Incident& incident : *list) {
      if (incident.model.empty()) continue;
      Line& line = models[unversioned(incident.identity())];
      if (!incident.version.empty()) line.version = incident.version;
      if (!incident.owner.empty()) line.owner = incident.owner;
      if (!incident.open) continue;
      ++line.open;
      if (line.worst != "critical") line.worst = incident.severity;
    }
  }
  for (const Action& action : content.actions) {
    const auto found = models.find(unversioned(action.identity()));
    if (found == models.end() || !found->second.last_action.empty()) continue;
    found->second.last_action = std::string(decide::name(action.kind)) + " " +
                                std::string(decide::name(action.outcome)) + ", " +
                                ago(action.updated_at, content.now);
  }
  if (models.empty()) return "<p class=\"dim\">No model has had an incident.</p>";
  std::string html =
      "<div class=\"sheet\"><table><tr><th scope=\"col\">Model</th><th scope=\"col\">Where, "
      "whose</th>"
      "<th scope=\"col\">State</th>"
      "<th scope=\"col\">Last incident's version</th><th scope=\"col\">Last action</th></tr>";
  for (const auto& [model, line] : models) {
    const std::string state =
        line.open == 0 ? "<span class=\"good\">no open incident</span>"
                       : "<span class=\"" + std::string(line.worst == "critical" ? "bad" : "warn") +
                             "\">" + std::to_string(line.open) +
                             (line.open == 1 ? " open incident" : " open incidents") + "</span>";
    html += "<tr><td><b>" + escape_html(model.model) + "</b></td><td>" +
            escape_html(where(model, line.owner)) + "</td><td>" + state + "</td><td>" +
            escape_html(line.version) + "</td><td>" + escape_html(line.last_action) + "</td></tr>";
  }
  return html + "</table></div>";
}

std::string banners(const PageContent& content) {
  std::string html;
  const auto add = [&html](const std::string& text) {
    html += "<div class=\"banner\">" + escape_html(text) + "</div>";
  };
  if (!content.notice.empty()) add(content.notice);
  if (!content.policy_trouble.empty()) {
    add("The policy file has mistakes; the policy before it is still in force:\n" +
        content.policy_trouble);
  }
  if (!content.has_policy) {
    add("No policy: incidents are filed, no action is recommended. Start with --policy FILE.");
  } else if (content.dry_run) {
    add("Dry run: actions are recommended and nothing is sent.");
  }
  return html;
}

std::string change_list(const PageContent& content) {
  if (content.changes.empty()) return {};
  std::string html =
      "<h2>Changes</h2><div class=\"sheet\"><table><tr><th scope=\"col\">When</th><th "
      "scope=\"col\">Kind</th><th scope=\"col\">Model</th><th scope=\"col\">What</th></tr>";
  for (const incident::Change& change : content.changes) {
    html += "<tr><td>" + clock_time(change.at) + "</td><td>" + escape_html(change.kind) +
            "</td><td>" + escape_html(change.model + " " + change.version) +
            " <span class=\"dim\">" + escape_html(place_text(change.identity())) +
            "</span></td><td>" + escape_html(change.summary) + "</td></tr>";
  }
  return html + "</table></div>";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string render_page(const PageContent& content, const std::string& nonce) {
  std::string html =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Outrider" +
      (content.open.empty() ? std::string() : " (" + std::to_string(content.open.size()) + ")") +
      "</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript><style nonce=\"" +
      nonce + "\">" + std::string(page_css) +
      "</style></head><body><main><header><h1>Outrider</h1><span class=\"dim\">" +
      clock_time(content.now) +
      "</span> <b id=\"stale\" class=\"bad\" role=\"alert\" hidden>The agent "
      "does not answer: what you see is old.</b><span class=\"dim push\">" +
      escape_html(version_line("outrider-agent")) +
      " · <a href=\"/metrics\">metrics</a></span></header>";
  html += state_line(content) + banners(content);
  html += "<h2>Open incidents</h2>";
  if (content.open.empty()) html += "<p class=\"dim\">None.</p>";
  for (const Incident& incident : content.open) html += incident_block(incident, content);
  html += "<h2>Models</h2>" + model_table(content);
  if (!content.resolved.empty()) html += "<h2>Resolved lately</h2>";
  for (const Incident& incident : content.resolved) html += incident_block(incident, content);
  html += change_list(content);
  return html + "</main><script nonce=\"" + nonce + "\">" + std::string(page_js) +
         "</script></body></html>";
}

}  // namespace outrider::api
