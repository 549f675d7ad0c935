// SPDX-License-Identifier: Apache-2.0
#include "agent/web/page.h"

#include <algorithm>

#include "agent/incident/evidence.h"
#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::web {
namespace {

using decide::Action;
using decide::Outcome;
using incident::Incident;

constexpr const char* style = R"(
:root { color-scheme: light dark; --line: #8884; --dim: #777; --bad: #c62828; --warn: #b26a00; --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --dim: #aaa; --bad: #ff6b6b; --warn: #ffb74d; --good: #81c784; } }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 1rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.15rem; margin: 1.6rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 0; } ul { margin: .4rem 0 .4rem 1.1rem; padding: 0; }
article { border: 1px solid var(--line); border-left: .4rem solid var(--dim); border-radius: .3rem; padding: .6rem .9rem; margin: .6rem 0; }
article.critical { border-left-color: var(--bad); } article.warning { border-left-color: var(--warn); }
article.resolved { border-left-color: var(--good); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.dim { color: var(--dim); } .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
.banner { border: 1px solid var(--warn); border-radius: .3rem; padding: .4rem .8rem; margin: .8rem 0; white-space: pre-wrap; }
form { display: inline-flex; flex-wrap: wrap; gap: .4rem; margin: .4rem 0; } input, button { font: inherit; padding: .2rem .6rem; }
details { margin: .3rem 0; } pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; } code { overflow-wrap: anywhere; }
)";

// Replaces the figures each 3 s; leaves them alone while a field of a form has the focus or words
// in it.
constexpr const char* script = R"(
setInterval(async () => {
  const main = document.querySelector("main");
  if (!main || [...main.querySelectorAll("input")].some(i => i === document.activeElement || i.value)) return;
  try {
    const answer = await fetch("/", {headers: {Accept: "text/html"}});
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    const opened = [...main.querySelectorAll("details[open]")].map(d => d.id);
    main.replaceWith(next);
    for (const id of opened) { const d = document.getElementById(id); if (d) d.open = true; }
  } catch (e) {
    document.getElementById("stale").hidden = false;
  }
}, 3000);
)";

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
         "maxlength=\"100\"><button>Approve</button><button formaction=\"" +
         path + "/reject\">Reject</button></form>";
}

std::string action_block(const Action& action, const PageContent& content) {
  std::string html = "<li><b class=\"" + std::string(tone(action.outcome)) + "\">" +
                     std::string(decide::name(action.kind)) + ": " +
                     std::string(decide::name(action.outcome)) + "</b> <span>" +
                     escape_html(action.reason) + "</span> <span class=\"dim\">" +
                     ago(action.updated_at, content.now) + "</span>";
  if (action.needs_approval && action.stage == decide::Stage::held)
    html += "<br>" + approval_form(action);
  html += "<details id=\"" + escape_html(action.id) + "\"><summary class=\"dim\">rule " +
          escape_html(action.rule) + ", request and history</summary><pre>" +
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

std::string incident_block(const Incident& incident, const PageContent& content) {
  const std::string kind = !incident.open ? "resolved"
                           : incident.severity == "critical" || incident.severity == "warning"
                               ? incident.severity
                               : "info";
  std::string html = "<article class=\"" + kind + "\" id=\"" + escape_html(incident.id) +
                     "\"><h3>" + escape_html(incident.alert);
  if (!incident.model.empty()) html += " · " + escape_html(incident.model);
  if (!incident.version.empty()) html += " " + escape_html(incident.version);
  html += "</h3><div class=\"dim\">" + escape_html(incident.severity) + " · opened " +
          clock_time(incident.opened_at) + " (" + ago(incident.opened_at, content.now) + ")";
  if (incident.resolved_at) html += " · resolved " + clock_time(*incident.resolved_at);
  if (incident.episodes > 1) html += " · reopened " + std::to_string(incident.episodes - 1) + "×";
  html += runbook_link(incident) + " · <a href=\"/api/v1/incidents/" +
          escape_html(percent_encode(incident.id)) + "\">JSON</a></div><ul>";
  for (const incident::Evidence& line : incident.evidence)
    html += "<li>" + escape_html(line.text) + "</li>";
  html += "</ul>";
  std::string actions;
  for (const Action& action : content.actions) {
    if (action.incident == incident.id) actions += action_block(action, content);
  }
  if (actions.empty()) {
    html += std::string("<div class=\"dim\">No action: ") +
            (content.has_policy ? "no rule of the policy asks for one."
                                : "the agent has no policy (--policy).") +
            "</div>";
  } else {
    html += "<ul>" + actions + "</ul>";
  }
  return html + "</article>";
}

// One line a model that the agent has heard of.
std::string model_table(const PageContent& content) {
  struct Line {
    std::size_t open = 0;
    std::string worst, version, last_action;
  };
  std::map<std::string, Line> models;
  for (const auto* list : {&content.resolved, &content.open}) {
    for (const Incident& incident : *list) {
      if (incident.model.empty()) continue;
      Line& line = models[incident.model];
      if (!incident.version.empty()) line.version = incident.version;
      if (!incident.open) continue;
      ++line.open;
      if (line.worst != "critical") line.worst = incident.severity;
    }
  }
  for (const Action& action : content.actions) {
    const auto found = models.find(action.model);
    if (found == models.end() || !found->second.last_action.empty()) continue;
    found->second.last_action = std::string(decide::name(action.kind)) + " " +
                                std::string(decide::name(action.outcome)) + ", " +
                                ago(action.updated_at, content.now);
  }
  if (models.empty()) return "<p class=\"dim\">No model has had an incident.</p>";
  std::string html = "<table><tr><th>Model</th><th>State</th><th>Last action</th></tr>";
  for (const auto& [model, line] : models) {
    const std::string state =
        line.open == 0 ? "<span class=\"good\">no open incident</span>"
                       : "<span class=\"" + std::string(line.worst == "critical" ? "bad" : "warn") +
                             "\">" + std::to_string(line.open) +
                             (line.open == 1 ? " open incident" : " open incidents") + "</span>";
    html += "<tr><td>" + escape_html(model) + "</td><td>" + state + "</td><td>" +
            escape_html(line.last_action) + "</td></tr>";
  }
  return html + "</table>";
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
  std::string html = "<h2>Changes</h2><table>";
  for (const incident::Change& change : content.changes) {
    html += "<tr><td>" + clock_time(change.at) + "</td><td>" + escape_html(change.kind) +
            "</td><td>" + escape_html(change.model + " " + change.version) + "</td><td>" +
            escape_html(change.summary) + "</td></tr>";
  }
  return html + "</table>";
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
      nonce + "\">" + style +
      "</style></head><body><main><header><h1>Outrider</h1><span class=\"dim\">" +
      clock_time(content.now) + " · " + escape_html(version_line("outrider-agent")) +
      " · <a href=\"/metrics\">metrics</a> <span id=\"stale\" class=\"bad\" hidden>The agent does "
      "not "
      "answer: what you see is old.</span></span></header>";
  html += banners(content);
  html += "<h2>Open incidents</h2>";
  if (content.open.empty()) html += "<p class=\"good\">None.</p>";
  for (const Incident& incident : content.open) html += incident_block(incident, content);
  html += "<h2>Models</h2>" + model_table(content);
  if (!content.resolved.empty()) html += "<h2>Resolved lately</h2>";
  for (const Incident& incident : content.resolved) html += incident_block(incident, content);
  html += change_list(content);
  return html + "</main><script nonce=\"" + nonce + "\">" + script + "</script></body></html>";
}

}  // namespace outrider::web
