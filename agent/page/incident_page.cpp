// SPDX-License-Identifier: Apache-2.0
#include "agent/page/incident_page.h"

#include <algorithm>

#include "agent/incident/evidence.h"
#include "agent/page/cause_charts.h"
#include "agent/page/markup.h"
#include "agent/page/models_page.h"
#include "base/core/text.h"

namespace outrider::page {
namespace {

using incident::Diagnosis;
using incident::Incident;
using wire::Json;

constexpr std::size_t causes_shown = 5;
constexpr std::size_t alerts_shown = 50;
constexpr double told_probability = 0.05;  // Of a suspect in the timeline.

std::string section(const char* id, const char* title, const std::string& html) {
  if (html.empty()) return {};
  return "<section aria-labelledby=\"" + std::string(id) + "-title\" id=\"" + id + "\"><h2 id=\"" +
         id + "-title\">" + title + "</h2>" + html + "</section>";
}

std::string list_item(const std::string& name, const std::string& html) {
  return html.empty() ? "" : "<div><dt>" + name + "</dt><dd>" + html + "</dd></div>";
}

// A path in a repository leads nowhere from here, so it is told and not linked.
std::string runbook(const Incident& incident) {
  const std::string_view url = incident.annotations.get("runbook_url");
  if (const std::string linked = outside_link(url, "Runbook"); !linked.empty()) return linked;
  return url.starts_with("docs/") ? escape_html("Runbook " + std::string(url)) : std::string();
}

std::string links(const IncidentContent& content) {
  const Incident& incident = content.incident;
  std::string html = runbook(incident);
  const auto add = [&html](const std::string& one) {
    if (!one.empty()) html += (html.empty() ? "" : " · ") + one;
  };
  for (const Json& action : content.actions) {
    const auto url = action.find("ticket_url");
    if (url != action.end() && url->is_string())
      add(outside_link(url->get_ref<const std::string&>(), "Ticket"));
  }
  add(outside_link(content.grafana_url, "Grafana"));
  add(link("/api/v1/incidents/" + percent_encode(incident.id), "JSON"));
  return html;
}

std::string state_badges(const Incident& incident) {
  std::string html;
  if (!incident.severity.empty())
    html += badge(tone_of_severity(incident.severity), incident.severity) + " ";
  if (!incident.merged_into.empty()) return html + badge(Tone::dim, "merged");
  return html + (incident.open ? badge(Tone::warn, "open") : badge(Tone::good, "resolved"));
}

std::string headline(const IncidentContent& content) {
  const Incident& incident = content.incident;
  std::string html = "<p class=\"crumbs\">" + link("/incidents", "Incidents") + " / " +
                     escape_html(incident.id) + "</p><h1>" + escape_html(headline_text(incident)) +
                     "</h1><p>" + state_badges(incident) + "</p>";
  if (!incident.merged_into.empty()) {
    html += "<p>It turned out to be one with " +
            link(incident_address(incident.merged_into), incident.merged_into) + ".</p>";
  }
  html += "<dl class=\"facts\">" +
          list_item("Where", escape_html(incident::place_text(incident.identity()).empty()
                                             ? incident.workload
                                             : incident::place_text(incident.identity()))) +
          list_item("Owner", incident.owner.empty() ? "<span class=\"dim\">not known</span>"
                                                    : escape_html(incident.owner)) +
          list_item("Alert", escape_html(incident.alert)) +
          list_item("Opened",
                    moment(incident.opened_at) + " (" + age(incident.opened_at, content.now) + ")");
  if (incident.since) html += list_item("Began", moment(*incident.since) + " (estimated)");
  if (incident.resolved_at) {
    html += list_item("Resolved", moment(*incident.resolved_at) + " (" +
                                      age(*incident.resolved_at, content.now) + ")");
  }
  if (incident.episodes > 1)
    html += list_item("Reopened", plural(static_cast<std::size_t>(incident.episodes - 1), "time"));
  return html + list_item("Links", links(content)) + "</dl>";
}

std::string brief(const IncidentContent& content) {
  std::string html = "<ol class=\"brief\">";
  for (const std::string& line : incident::brief_lines(content.incident))
    html += "<li>" + escape_html(line) + "</li>";
  for (const Json& action : content.actions) {
    const std::string line = outcome_line(action);
    if (!line.empty()) html += "<li><a href=\"#actions\">" + escape_html(line) + "</a></li>";
  }
  return html + "</ol>";
}

// A bar of that length, which needs no style attribute.
std::string probability(double p) {
  const std::string percent = format_double(std::clamp(p, 0.0, 1.0) * 100);
  return "<svg class=\"bar\" aria-hidden=\"true\"><rect width=\"100%\" height=\"100%\"/><rect "
         "class=\"part\" width=\"" +
         percent + "%\" height=\"100%\"/></svg> <b>" + figure(Unit::share, p) + "</b>";
}

std::string evidence_of(const Diagnosis::Cause& cause) {
  if (cause.evidence.empty()) return "<span class=\"dim\">no evidence against it</span>";
  std::string html = "<ul>";
  for (const std::string& line : cause.evidence) html += "<li>" + escape_html(line) + "</li>";
  return html + "</ul>";
}

std::string cause_cell(const char* column, const std::string& html) {
  return "<td role=\"cell\" data-label=\"" + std::string(column) + "\"><div>" + html +
         "</div></td>";
}

std::string cause_table(const Diagnosis& diagnosis) {
  if (diagnosis.causes.empty()) return {};
  std::string html =
      "<div class=\"sheet inner\"><table role=\"table\" class=\"causes\"><caption>Possible "
      "causes, the likeliest first: " +
      std::to_string(std::min(causes_shown, diagnosis.causes.size())) + " of " +
      plural(diagnosis.suspects, "suspect") +
      "</caption><thead role=\"rowgroup\"><tr role=\"row\">";
  for (const char* column : {"Cause", "Kind", "Probability", "Since", "Evidence"}) {
    html += "<th scope=\"col\" role=\"columnheader\">" + std::string(column) + "</th>";
  }
  html += "</tr></thead><tbody role=\"rowgroup\">";
  std::size_t rank = 0;
  for (const Diagnosis::Cause& cause : diagnosis.causes) {
    if (++rank > causes_shown) break;
    html += "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">" + std::to_string(rank) + ". " +
            escape_html(cause.component) + "</th>" + cause_cell("Kind", escape_html(cause.kind)) +
            cause_cell("Probability", probability(cause.probability)) +
            cause_cell("Since", cause.onset ? clock_time(*cause.onset)
                                            : "<span class=\"dim\">not known</span>") +
            cause_cell("Evidence", evidence_of(cause)) + "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string why(const Incident& incident, Time now) {
  if (!incident.diagnosis) {
    return "<p class=\"dim\">" +
           std::string(incident.open ? "Not diagnosed yet." : "It was not diagnosed.") + "</p>";
  }
  const Diagnosis& diagnosis = *incident.diagnosis;
  std::string html = "<p class=\"lead\">" + escape_html(diagnosis.sentence) + "</p>";
  if (!diagnosis.reason.empty()) {
    html += "<p><b>" + std::string(diagnosis.named ? "Why it is named:" : "What would decide:") +
            "</b> " + escape_html(diagnosis.reason) + "</p>";
  }
  html += cause_table(diagnosis);
  if (!diagnosis.unknown.empty()) {
    html += "<p><b>Not known:</b></p><ul class=\"unknown\">";
    for (const std::string& what : diagnosis.unknown) html += "<li>" + escape_html(what) + "</li>";
    html += "</ul>";
  }
  html += "<p class=\"dim\">";
  if (!diagnosis.scope.empty()) html += escape_html(diagnosis.scope) + ". ";
  return html + "Diagnosed " + age(diagnosis.made_at, now) + ", with what was measured up to " +
         moment(diagnosis.to) + ".</p>";
}

std::string chart_group(const std::vector<Chart>& charts) {
  std::string html;
  for (const Chart& one : charts) html += chart(one);
  return html.empty() ? html : "<div class=\"charts\">" + html + "</div>";
}

// Its causes as they were measured when it was diagnosed: evidence that does not fade.
std::string cause_group(const Incident& incident, const std::vector<Marker>& markers) {
  std::vector<Chart> charts = cause_charts(incident);
  for (Chart& one : charts) one.markers = markers;
  if (charts.empty()) return {};
  return "<p>The likeliest causes, as they were measured for the diagnosis:</p>" +
         chart_group(charts);
}

std::string charts(const IncidentContent& content) {
  const auto markers = markers_of(content.incident, content.actions);
  std::string html = chart_group(content.charts) + cause_group(content.incident, markers);
  if (!html.empty()) {
    html += "<p class=\"dim\">Times are UTC. Shaded: since it began.";
    for (const Marker& marker : markers) {
      html += " <b>" + marker.sign + "</b> " + escape_html(marker.text) + " at " +
              clock_time(marker.at) + ".";
    }
    html += "</p>";
  }
  return html + "<p class=\"dim\">" + escape_html(content.charts_say) + "</p>";
}

std::string actions(const IncidentContent& content) {
  if (content.actions.empty()) {
    return "<p class=\"dim\">Nothing: " +
           std::string(content.has_policy ? "no rule of the policy asks for anything here."
                                          : "the agent has no policy (--policy FILE).") +
           "</p>";
  }
  std::string html = "<ul class=\"actions\">";
  const BlockView view{.now = content.now, .reader = content.reader};
  for (const Json& action : content.actions) html += action_block(action, view);
  return html + "</ul>";
}

// What nobody would look at at night: it stands in the table of causes, and in the JSON.
bool is_of_unlikely_suspect(const Incident& incident, const Json& event) {
  if (event.value("kind", "") != "suspect" || !incident.diagnosis) return false;
  const std::string text = event.value("text", "");
  return std::none_of(incident.diagnosis->causes.begin(), incident.diagnosis->causes.end(),
                      [&text](const Diagnosis::Cause& cause) {
                        return cause.probability >= told_probability &&
                               text.starts_with(cause.component + ": ");
                      });
}

struct Happening {
  Time at;
  std::string kind, text;
};

// What happened when: the incident's own timeline, and what the agent did.
std::vector<Happening> happenings(const IncidentContent& content) {
  std::vector<Happening> found;
  const auto add = [&found](const Json& event, const std::string& kind, const std::string& what) {
    const auto at = event.value("at", Json()).is_string()
                        ? parse_rfc3339(event.at("at").get_ref<const std::string&>())
                        : std::nullopt;
    if (at && event.value("text", Json()).is_string())
      found.push_back({*at, kind, what + event.at("text").get<std::string>()});
  };
  const Json told = incident::to_json(content.incident);
  for (const Json& event : told.at("timeline")) {
    if (!is_of_unlikely_suspect(content.incident, event)) add(event, event.value("kind", ""), "");
  }
  for (const Json& action : content.actions) {
    for (const Json& event : action.value("history", Json::array()))
      add(event, "action", action.value("kind", "") + ": ");
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Happening& a, const Happening& b) { return a.at < b.at; });
  return found;
}

std::string timeline(const IncidentContent& content) {
  const auto found = happenings(content);
  if (found.empty()) return {};
  std::string html = "<ol class=\"timeline\">";
  for (const Happening& event : found) {
    html += "<li>" + moment(event.at) + " <span class=\"kind\">" + escape_html(event.kind) +
            "</span> <span>" + escape_html(event.text) + "</span></li>";
  }
  return html + "</ol>";
}

std::string evidence(const Incident& incident) {
  std::string html = "<ul class=\"evidence\">";
  for (const incident::Evidence& line : incident.evidence) {
    // Told above already.
    if (line.kind == "cause" || line.kind == "unknown") continue;
    html += "<li><span class=\"kind\">" + escape_html(line.kind) + "</span> <span>" +
            escape_html(line.text) + "</span></li>";
  }
  return html + "</ul>";
}

std::string labels_text(const Labels& labels) {
  std::string text;
  for (const Label& label : labels)
    text += (text.empty() ? "" : ", ") + label.name + "=" + label.value;
  return text;
}

// Earlier incidents that are like this one, and what was done then.
std::string seen_before(const Incident& incident) {
  if (!incident.diagnosis || incident.diagnosis->earlier.cases.empty()) return {};
  const incident::Earlier& earlier = incident.diagnosis->earlier;
  std::string html = "<ul class=\"earlier\">";
  for (const incident::Earlier::Case& one : earlier.cases) {
    html += "<li>" + link(incident_address(one.incident), one.incident) + " " +
            moment(one.opened_at) + ", for " + span_text(one.ended_at - one.opened_at) + ": " +
            escape_html(one.alike);
    if (!one.cause.empty()) html += "; cause " + escape_html(one.cause);
    for (const incident::Earlier::Action& action : one.actions) {
      html += "; " + escape_html(action.action + " " + action.outcome);
      if (action.ended_after)
        html += ", the alerts ended " + span_text(*action.ended_after) + " later";
    }
    html += one.actions.empty() ? "; the agent did nothing.</li>" : ".</li>";
  }
  html += "</ul>";
  if (earlier.times > earlier.cases.size()) {
    html += "<p class=\"dim\">" + std::to_string(earlier.times - earlier.cases.size()) +
            " more are known.</p>";
  }
  return html;
}

std::string alerts(const Incident& incident) {
  if (incident.members.empty()) return {};
  std::string html =
      "<details><summary>" + plural(incident.members.size(), "alert") +
      "</summary><div class=\"sheet inner\"><table><thead><tr><th scope=\"col\">State</th><th "
      "scope=\"col\">Since</th><th scope=\"col\">Labels</th></tr></thead><tbody>";
  std::size_t shown = 0;
  for (const incident::Member& member : incident.members) {
    if (++shown > alerts_shown) break;
    html += "<tr><td>" +
            badge(member.firing ? Tone::warn : Tone::good, member.firing ? "firing" : "ended") +
            "</td><td>" + moment(member.starts_at) + "</td><td>" +
            escape_html(labels_text(member.labels)) + "</td></tr>";
  }
  html += "</tbody></table></div>";
  if (incident.members.size() > alerts_shown)
    html += "<p class=\"dim\">" + std::to_string(incident.members.size() - alerts_shown) +
            " more: see the JSON.</p>";
  return html + "</details>";
}

std::string model_dashboard(const std::string& base, const incident::Identity& who, Time from,
                            Time to) {
  if (base.empty() || who.model.empty()) return {};
  return address(base + (base.ends_with('/') ? "" : "/") + "d/outrider-model",
                 {{"var-cluster", who.cluster},
                  {"var-namespace", who.name_space},
                  {"var-job", who.workload},
                  {"var-model", who.model},
                  {"from", std::to_string(to_unix_ms(from))},
                  {"to", std::to_string(to_unix_ms(to))}});
}

}  // namespace

std::string grafana_address(const std::string& base, const Incident& incident, Time now) {
  constexpr Duration around = std::chrono::hours(1);
  const Time from = incident.since.value_or(incident.opened_at) - around;
  const Time to = incident.resolved_at ? std::min(now, *incident.resolved_at + around) : now;
  incident::Identity who = incident.identity();
  who.workload = incident.labels.get("job");
  return model_dashboard(base, who, from, to);
}

std::string grafana_address(const std::string& base, const incident::Identity& who, Time now) {
  return model_dashboard(base, who, now - std::chrono::hours(3), now);
}

std::string incident_main(const IncidentContent& content) {
  const Incident& incident = content.incident;
  return "<article class=\"incident\">" + headline(content) +
         section("brief", "In brief", brief(content)) +
         section("why", "Why", why(incident, content.now)) +
         section("earlier", "Seen before", seen_before(incident)) +
         section("charts", "Before and after", charts(content)) +
         section("actions", "What was done", actions(content)) +
         section("timeline", "What happened when", timeline(content)) +
         section("evidence", "Evidence", evidence(incident) + alerts(incident)) + "</article>";
}

}  // namespace outrider::page
