// SPDX-License-Identifier: Apache-2.0
#include "agent/page/models_page.h"

#include <algorithm>
#include <set>

#include "agent/page/frame.h"
#include "agent/page/markup.h"

namespace outrider::page {
namespace {

using incident::Incident;

constexpr std::size_t incidents_shown = 5;
constexpr std::size_t ahead_shown = 5;    // Models, and limits.
constexpr std::size_t choices_max = 300;  // Of a filter; more are found by searching.
constexpr Duration old_after = std::chrono::minutes(2);

std::string dim(const std::string& html) {
  return "<span class=\"dim\">" + html + "</span>";
}

// A cell that names its column on narrow screens, where the head is not seen.
std::string cell(const char* column, const std::string& html) {
  return "<td role=\"cell\" data-label=\"" + std::string(column) + "\"><div>" + html +
         "</div></td>";
}

std::string value_line(const std::string& value, const std::string& more = {}) {
  return "<b class=\"value\">" + escape_html(value) + "</b>" +
         (more.empty() ? "" : " " + dim(escape_html(more)));
}

// Words and the picture of the last hours beside them.
std::string with_picture(const std::string& words, const std::string& picture) {
  return "<div class=\"figures\"><div>" + words + "</div>" + picture + "</div>";
}

Tone tone_of(State state) {
  switch (state) {
    case State::critical:
    case State::alarm:
      return Tone::bad;
    case State::warning:
    case State::drift:
      return Tone::warn;
    case State::fine:
      return Tone::good;
    case State::unknown:
    case State::quiet:
      break;
  }
  return Tone::dim;
}

std::string model_cell(const ModelLine& line) {
  std::string html = "<th scope=\"row\" role=\"rowheader\"><b><a href=\"" +
                     escape_html(model_address(line.who)) + "\">" + escape_html(line.who.model) +
                     "</a></b>";
  if (!line.who.version.empty()) html += " " + escape_html(line.who.version);
  std::string place = place_text(line.who);
  if (place.empty()) place = line.who.workload;
  std::string under = escape_html(place);
  if (!line.owner.empty()) under += (under.empty() ? "" : " · ") + escape_html(line.owner);
  if (!under.empty()) html += "<br>" + dim(under);
  return html + "</th>";
}

std::string unanswered() {
  return dim("not answered");
}

std::string promise_text(const ModelFigures& figures) {
  if (figures.lacks(Asked::promised)) return "promise not answered";
  if (!figures.promised) return "no promise known";
  return (figures.provisional ? "learned " : "promised ") + figure(Unit::share, *figures.promised);
}

std::string accuracy_cell(const ModelLine& line) {
  if (!line.figures) return cell("Accuracy", dim("no figures"));
  const ModelFigures& figures = *line.figures;
  std::string html;
  if (figures.accuracy) {
    html = value_line(figure(Unit::share, *figures.accuracy));
    if (figures.since_change) {
      html += "<br>" + dim("since the change");
    } else if (figures.labels) {
      html += "<br>" + dim("of " + figure(Unit::number, *figures.labels) + " labels in 1 h");
    }
  } else {
    html = figures.lacks(Asked::accuracy) ? unanswered() : dim("no labels in 1 h");
  }
  html += "<br>" + dim(escape_html(promise_text(figures)));
  return cell("Accuracy", with_picture(html, sparkline(figures.accuracy_course,
                                                       {.what = "accuracy of " + line.who.model,
                                                        .unit = Unit::share,
                                                        .ceiling = 1,
                                                        .reference = figures.promised})));
}

std::string traffic_cell(const ModelLine& line) {
  if (!line.figures) return cell("Requests", dim("not known"));
  if (line.figures->lacks(Asked::traffic)) return cell("Requests", unanswered());
  if (!line.figures->traffic) return cell("Requests", dim("none seen"));
  return cell(
      "Requests",
      with_picture(
          value_line(figure(Unit::rate, *line.figures->traffic)),
          sparkline(line.figures->traffic_course,
                    {.what = "requests to " + line.who.model, .unit = Unit::rate, .floor = 0})));
}

std::string failures_cell(const ModelLine& line) {
  if (!line.figures) return cell("Failures", dim("not known"));
  if (line.figures->lacks(Asked::failures) || line.figures->lacks(Asked::traffic))
    return cell("Failures", unanswered());
  if (!line.figures->failed) return cell("Failures", dim("no requests"));
  return cell("Failures", with_picture(value_line(figure(Unit::share, *line.figures->failed)),
                                       sparkline(line.figures->failed_course,
                                                 {.what = "failures of " + line.who.model,
                                                  .unit = Unit::share,
                                                  .floor = 0,
                                                  .ceiling = 0.01})));
}

std::string drift_cell(const ModelLine& line) {
  if (!line.figures) return cell("Drift", dim("not known"));
  if (line.figures->lacks(Asked::drift)) return cell("Drift", unanswered());
  if (!line.figures->drift) return cell("Drift", dim("not judged yet"));
  const ModelFigures& figures = *line.figures;
  std::string html = value_line(figure(Unit::ratio, *figures.drift)) + "<br>" +
                     dim(*figures.drift > 1 ? "over its threshold" : "its threshold");
  if (!figures.drift_subject.empty())
    html += "<br>" + dim("in " + escape_html(figures.drift_subject));
  return cell("Drift", with_picture(html, sparkline(figures.drift_course,
                                                    {.what = "drift of " + line.who.model,
                                                     .unit = Unit::ratio,
                                                     .floor = 0,
                                                     .reference = 1})));
}

std::string change_cell(const ModelLine& line, Time now) {
  std::string html;
  if (line.change) {
    html = escape_html(line.change->kind +
                       (line.change->version.empty() ? "" : " " + line.change->version)) +
           "<br>" + dim(age(line.change->at, now));
  }
  if (line.acted_at) {
    html += (html.empty() ? "" : "<br>") + escape_html(line.last_action) + "<br>" +
            dim(age(*line.acted_at, now));
  }
  return cell("Last change", html.empty() ? dim("none in 24 h") : html);
}

std::string replicas_cell(const ModelLine& line, Time now) {
  if (!line.figures || !line.figures->replicas) return cell("Replicas", dim("not known"));
  const ModelFigures& figures = *line.figures;
  const auto wanted = figures.wanted_ahead ? figures.wanted_ahead : figures.wanted_now;
  std::string more;
  if (wanted && *wanted > *figures.replicas) {
    more = figure(Unit::number, *wanted) + " wanted";
  } else if (wanted) {
    more = "enough";
  } else {
    more = "need not known";
  }
  std::string html = value_line(figure(Unit::number, *figures.replicas), more);
  const bool by_time = wanted && *wanted > *figures.replicas && figures.wanted_by;
  if (by_time) html += " " + dim("by " + age(*figures.wanted_by, now));
  if (!figures.advice.empty()) {
    html += "<details><summary>Why</summary>" + escape_html(figures.advice) + "</details>";
  }
  return cell("Replicas", html);
}

std::string row(const ModelLine& line, bool with_replicas, Time now) {
  std::string html = "<tr role=\"row\" class=\"" + std::string(css_class(tone_of(line.state()))) +
                     "\">" + model_cell(line) + cell("State", state_badge(line)) +
                     accuracy_cell(line) + traffic_cell(line) + failures_cell(line) +
                     drift_cell(line) + change_cell(line, now);
  if (with_replicas) html += replicas_cell(line, now);
  return html + "</tr>";
}

std::string table(const ShownModels& shown, bool with_replicas, Time now) {
  std::string html =
      "<div class=\"sheet\"><table role=\"table\" class=\"models\"><caption "
      "class=\"hidden\">Models with their "
      "figures; the small pictures show the last three hours</caption><thead role=\"rowgroup\"><tr "
      "role=\"row\">";
  for (const char* column :
       {"Model", "State", "Accuracy", "Requests", "Failures", "Drift", "Last change"}) {
    html += "<th scope=\"col\" role=\"columnheader\">" + std::string(column) + "</th>";
  }
  if (with_replicas) html += "<th scope=\"col\" role=\"columnheader\">Replicas</th>";
  html += "</tr></thead><tbody role=\"rowgroup\">";
  for (const ModelLine* line : shown.lines) html += row(*line, with_replicas, now);
  return html + "</tbody></table></div>";
}

std::string choice(const char* name, const char* label, const std::set<std::string>& values,
                   const std::string& chosen) {
  if (values.size() < 2 && chosen.empty()) return {};
  std::vector<std::pair<std::string, std::string>> words = {{"", "all"}};
  for (const std::string& value : values) {
    if (words.size() <= choices_max || value == chosen) words.emplace_back(value, value);
  }
  if (!chosen.empty() && !values.contains(chosen)) words.emplace_back(chosen, chosen);
  return "<label>" + std::string(label) + " <select name=\"" + name + "\">" +
         options(words, chosen) + "</select></label>";
}

std::string filters(const ModelsContent& content) {
  std::set<std::string> owners, clusters, namespaces;
  for (const ModelLine& line : *content.lines) {
    if (!line.owner.empty()) owners.insert(line.owner);
    if (!line.who.cluster.empty()) clusters.insert(line.who.cluster);
    if (!line.who.name_space.empty()) namespaces.insert(line.who.name_space);
  }
  const ModelsView& view = content.view;
  return "<form class=\"filters\" method=\"get\" action=\"/\" role=\"search\" "
         "aria-label=\"Models\"><label>Search <input type=\"search\" name=\"q\" value=\"" +
         escape_html(view.search) + "\" maxlength=\"200\"></label>" +
         choice("owner", "Owner", owners, view.owner) +
         choice("cluster", "Cluster", clusters, view.cluster) +
         choice("namespace", "Namespace", namespaces, view.name_space) +
         "<label>State <select name=\"state\">" + options(state_filters(), view.state) +
         "</select></label><label>Sort by <select name=\"sort\">" +
         options(sort_orders(), view.sort) +
         "</select></label><button>Show</button> <a href=\"/\">Reset</a></form>";
}

// How many of the models are how: the whole in one line.
std::string summary(const std::vector<ModelLine>& lines) {
  std::size_t trouble = 0, fine = 0, unjudged = 0;
  for (const ModelLine& line : lines) {
    const State state = line.state();
    ++(state < State::unknown ? trouble : state == State::fine ? fine : unjudged);
  }
  return "<p class=\"summary\"><b>" + plural(lines.size(), "model") + "</b> " +
         badge(trouble > 0 ? Tone::bad : Tone::dim, std::to_string(trouble) + " in trouble") + " " +
         badge(fine > 0 ? Tone::good : Tone::dim, std::to_string(fine) + " without alarm") + " " +
         badge(Tone::dim, std::to_string(unjudged) + " not judged") + "</p>";
}

std::string open_incidents(const ModelsContent& content) {
  if (content.open->empty()) return {};
  std::vector<const Incident*> order;
  for (const Incident& incident : *content.open) order.push_back(&incident);
  std::stable_sort(order.begin(), order.end(), [](const Incident* a, const Incident* b) {
    return (a->severity == "critical") > (b->severity == "critical");
  });
  std::string html =
      "<section aria-labelledby=\"open\"><h2 id=\"open\">Open incidents</h2><ul "
      "class=\"incidents\">";
  for (std::size_t i = 0; i < std::min(order.size(), incidents_shown); ++i) {
    const auto waits = content.waiting.find(order[i]->id);
    html +=
        incident_item(*order[i], waits == content.waiting.end() ? 0 : waits->second, content.now);
  }
  html += "</ul>";
  if (order.size() > incidents_shown) {
    html +=
        "<p>" +
        link("/incidents?state=open", "All " + std::to_string(order.size()) + " open incidents") +
        "</p>";
  }
  return html + "</section>";
}

bool needs_more(const ModelLine& line) {
  if (!line.figures || !line.figures->replicas) return false;
  const auto& wanted =
      line.figures->wanted_ahead ? line.figures->wanted_ahead : line.figures->wanted_now;
  return wanted && *wanted > *line.figures->replicas;
}

// What runs out within what is forecast: replicas, the soonest first, then disks and the like.
std::string ahead_list(const ModelsContent& content) {
  std::vector<const ModelLine*> short_of;
  for (const ModelLine& line : *content.lines) {
    if (needs_more(line)) short_of.push_back(&line);
  }
  std::stable_sort(short_of.begin(), short_of.end(), [](const ModelLine* a, const ModelLine* b) {
    return a->figures->wanted_by.value_or(Time{}) < b->figures->wanted_by.value_or(Time{});
  });
  if (short_of.empty() && content.limits.empty()) return {};
  std::string html =
      "<section aria-labelledby=\"ahead\"><h2 id=\"ahead\">Ahead</h2><ul class=\"ahead\">";
  for (std::size_t i = 0; i < std::min(short_of.size(), ahead_shown); ++i) {
    const ModelLine& line = *short_of[i];
    html += "<li>" + link(model_address(line.who) + "#ahead", line.who.model) + " " +
            escape_html(line.figures->advice) + "</li>";
  }
  for (std::size_t i = 0; i < std::min(content.limits.size(), ahead_shown); ++i) {
    html += "<li>" +
            escape_html(series_name(*content.limits[i]) +
                        " reaches its limit: " + to_limit_text(*content.limits[i]->to_limit)) +
            "</li>";
  }
  html += "</ul>";
  const std::size_t more = short_of.size() - std::min(short_of.size(), ahead_shown) +
                           content.limits.size() - std::min(content.limits.size(), ahead_shown);
  if (more > 0) {
    html += "<p>" + std::to_string(more) +
            " more: " + link("/api/v1/forecasts", "all that is forecast, as JSON") + "</p>";
  }
  return html + "</section>";
}

std::string nothing_shown(const ModelsContent& content) {
  if (!content.lines->empty())
    return "<p class=\"dim\">No model is like that. " + link("/", "Show all models") + "</p>";
  if (content.fleet->source.empty()) {
    return "<p class=\"dim\">No model has had an incident, and no Prometheus is given to ask for "
           "the others: start the agent with --prometheus.url URL.</p>";
  }
  if (!content.fleet->asked_at)
    return "<p class=\"dim\">Prometheus has not answered yet; the models appear here.</p>";
  return "<p class=\"dim\">Prometheus has no series of Outrider's sidecars "
         "(outrider_requests_total): does it scrape them?</p>";
}

}  // namespace

std::string state_badge(const ModelLine& line) {
  const std::string said = badge(tone_of(line.state()), line.state_text());
  if (line.open == 0) return said;
  const std::string to = line.open == 1
                             ? incident_address(line.incident)
                             : address("/incidents", {{"state", "open"}, {"q", line.who.model}});
  return "<a href=\"" + escape_html(to) + "\">" + said + "</a>";
}

std::string source_line(const Fleet& fleet, Time now) {
  std::string html = "<p class=\"source dim\">";
  if (fleet.source.empty()) {
    return html +
           "Figures: none. No Prometheus is given (--prometheus.url); models are those of "
           "incidents.</p>";
  }
  html += "Figures of " + escape_html(fleet.source);
  if (!fleet.asked_at) {
    html += ", which has not answered yet.";
  } else {
    const bool old = now - *fleet.asked_at > old_after;
    html += ", asked " + age(*fleet.asked_at, now) + " in " +
            figure(Unit::milliseconds, 1000 * to_seconds(fleet.took)) + ".";
    if (old) html += " <b class=\"bad\">They are old: Prometheus no longer answers.</b>";
  }
  for (const std::string& trouble : fleet.trouble)
    html += " <b class=\"warn\">" + escape_html(trouble) + "</b>";
  if (fleet.left_out > 0) {
    html += " <b class=\"warn\">" + plural(fleet.left_out, "further model") +
            " left out: the page's bound is reached.</b>";
  }
  return html + " Pictures show three hours.</p>";
}

std::string headline_text(const Incident& incident) {
  const std::string& text = incident.summary.empty() ? incident.alert : incident.summary;
  if (incident.model.empty() || text.find(incident.model) != std::string::npos) return text;
  return incident.model + (incident.version.empty() ? "" : " " + incident.version) + ": " + text;
}

std::string incident_item(const Incident& incident, std::size_t waiting, Time now) {
  std::string html =
      "<li class=\"" + std::string(css_class(tone_of_severity(incident.severity))) + "\"><div>";
  html += incident.open ? badge(tone_of_severity(incident.severity),
                                incident.severity.empty() ? "open" : incident.severity)
                        : badge(Tone::good, "resolved");
  html += " " + link(incident_address(incident.id), headline_text(incident)) + "</div>";
  if (incident.diagnosis) html += "<p>" + escape_html(incident.diagnosis->sentence) + "</p>";
  std::string place = incident::place_text(incident.identity());
  html += "<p class=\"dim\">" + (place.empty() ? "" : escape_html(place) + " · ") +
          (incident.owner.empty() ? "" : escape_html("owner " + incident.owner) + " · ") +
          "opened " + age(incident.opened_at, now);
  if (incident.resolved_at) html += " · resolved " + age(*incident.resolved_at, now);
  if (waiting > 0) {
    html += " · " + link(incident_address(incident.id) + "#actions",
                         plural(waiting, "action waits", "actions wait") + " for a person");
  }
  return html + "</p></li>";
}

std::string models_main(const ModelsContent& content) {
  const ShownModels shown = shown_models(*content.lines, content.view);
  const bool with_replicas =
      std::any_of(content.lines->begin(), content.lines->end(),
                  [](const ModelLine& line) { return line.figures && line.figures->replicas; });
  const ModelsView& view = content.view;
  const Pager turned{.page = shown.page,
                     .pages = shown.pages,
                     .first = (shown.page - 1) * models_a_page,
                     .count = shown.lines.size(),
                     .matching = shown.matching,
                     .path = "/",
                     .query = {{"q", view.search},
                               {"owner", view.owner},
                               {"cluster", view.cluster},
                               {"namespace", view.name_space},
                               {"state", view.state},
                               {"sort", view.sort == "worst" ? "" : view.sort}}};
  std::string html = "<h1 class=\"hidden\">Outrider: models</h1>" + open_incidents(content) +
                     ahead_list(content) +
                     "<section aria-labelledby=\"models\"><h2 id=\"models\">Models</h2>";
  if (!content.lines->empty()) html += summary(*content.lines) + filters(content);
  html += shown.lines.empty() ? nothing_shown(content)
                              : table(shown, with_replicas, content.now) + pager(turned, "models");
  return html + source_line(*content.fleet, content.now) + "</section>";
}

}  // namespace outrider::page
