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

// Colours come in pairs for light and dark, each readable on its own ground (WCAG AA).
constexpr const char* style = R"(
:root { color-scheme: light dark; --page: #f3f4f6; --card: #fff; --ink: #1c1f24; --dim: #5a606b; --line: #dcdfe4; --link: #0b57d0;
  --bad: #b3261e; --bad-soft: #fdeceb; --warn: #7f4d00; --warn-soft: #fff3dd; --good: #1a6b2e; --good-soft: #e6f4e9; }
@media (prefers-color-scheme: dark) { :root { --page: #111317; --card: #1a1d22; --ink: #e4e6ea; --dim: #a4aab5; --line: #2d3139; --link: #9ec1ff;
  --bad: #ff8f86; --bad-soft: #3a1816; --warn: #ffc66d; --warn-soft: #35270e; --good: #86d79c; --good-soft: #132f1b; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; background: var(--page); color: var(--ink); margin: 0; }
main { max-width: 68rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); } :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
h1 { font-size: 1.25rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .6rem; } h3 { font-size: 1.05rem; margin: 0; }
h4 { font-size: .8rem; margin: .9rem 0 .2rem; color: var(--dim); text-transform: uppercase; letter-spacing: .04em; }
main > header, article > header { display: flex; flex-wrap: wrap; gap: .2rem .7rem; align-items: baseline; }
main > header .dim, article > header .dim { font-size: .85rem; } .push { margin-left: auto; }
.state, .banner { border: 1px solid var(--line); border-left: .35rem solid var(--dim); border-radius: .4rem; background: var(--card); padding: .6rem .9rem; margin: .8rem 0; }
.state { font-size: 1.05rem; } .banner { white-space: pre-wrap; border-left-color: var(--warn); background: var(--warn-soft); }
.state.bad { border-left-color: var(--bad); background: var(--bad-soft); } .state.warn { border-left-color: var(--warn); background: var(--warn-soft); }
.state.good { border-left-color: var(--good); background: var(--good-soft); }
article, .sheet { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; margin: .6rem 0; }
article { border-left: .35rem solid var(--dim); } article.critical { border-left-color: var(--bad); } article.warning { border-left-color: var(--warn); }
article.resolved { border-left-color: var(--good); } .lead { margin: .4rem 0 0; font-size: 1.05rem; overflow-wrap: anywhere; }
.badge { font-size: .78rem; font-weight: 600; border-radius: 1rem; padding: .05rem .6rem; border: 1px solid currentColor; white-space: nowrap; }
ul { margin: .2rem 0; padding: 0; list-style: none; } li { padding: .2rem 0; overflow-wrap: anywhere; } li + li { border-top: 1px solid var(--line); }
.kind { display: inline-block; min-width: 4.5rem; color: var(--dim); font-size: .85rem; }
.sheet { padding: .2rem 1rem; overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .4rem .8rem .4rem 0; vertical-align: top; } tr + tr > * { border-top: 1px solid var(--line); } th { color: var(--dim); font-size: .85rem; }
.dim { color: var(--dim); } .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
.state.bad, .state.warn, .state.good { color: var(--ink); }
form { display: flex; flex-wrap: wrap; gap: .4rem; margin: .4rem 0; } input, button { font: inherit; padding: .25rem .7rem; border: 1px solid var(--dim); border-radius: .3rem; }
button { cursor: pointer; } button.yes { background: var(--link); border-color: var(--link); color: var(--card); }
summary { cursor: pointer; } details { margin: .2rem 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; padding: .5rem .7rem; background: var(--page); border-radius: .3rem; font-size: .85rem; }
)";

// Replaces the figures each 3 s; leaves them alone while a field of a form has the focus or words
// in it. Only <main> is parsed: the answer's style has a nonce of its own, which our policy refuses.
constexpr const char* script = R"(
setInterval(async () => {
  const main = document.querySelector("main");
  if (!main || [...main.querySelectorAll("input")].some(i => i === document.activeElement || i.value)) return;
  try {
    const answer = await fetch("/", {headers: {Accept: "text/html"}});
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    const part = text.slice(text.indexOf("<main>"), text.indexOf("</main>") + 7);
    const next = new DOMParser().parseFromString(part, "text/html").querySelector("main");
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
      nonce + "\">" + style +
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
  return html + "</main><script nonce=\"" + nonce + "\">" + script + "</script></body></html>";
}

}  // namespace outrider::web
