// SPDX-License-Identifier: Apache-2.0
#include "agent/page/model_page.h"

#include "agent/page/incident_page.h"
#include "agent/page/markup.h"
#include "agent/page/models_page.h"

namespace outrider::page {
namespace {

std::string dim(const std::string& html) {
  return "<span class=\"dim\">" + html + "</span>";
}

std::string known(Unit unit, const std::optional<double>& value, const char* otherwise) {
  return value ? escape_html(figure(unit, *value)) : dim(otherwise);
}

std::string accuracy_text(const ModelFigures& figures) {
  std::string html = known(Unit::share, figures.accuracy, "no labels in 1 h");
  if (figures.accuracy && figures.since_change) html += " since the change";
  if (figures.promised) {
    html += dim(std::string(figures.provisional ? ", learned " : ", promised ") +
                escape_html(figure(Unit::share, *figures.promised)));
  }
  return html;
}

std::string facts(const ModelContent& content) {
  const ModelLine& line = content.line;
  const auto item = [](const char* name, const std::string& html) {
    return html.empty() ? std::string()
                        : "<div><dt>" + std::string(name) + "</dt><dd>" + html + "</dd></div>";
  };
  std::string html = "<dl class=\"facts\">" +
                     item("Where", escape_html(incident::place_text(line.who))) +
                     item("Workload", escape_html(line.who.workload)) +
                     item("Owner", line.owner.empty() ? dim("not known") : escape_html(line.owner));
  if (line.figures) {
    const ModelFigures& figures = *line.figures;
    html += item("Accuracy", accuracy_text(figures)) +
            item("Requests", known(Unit::rate, figures.traffic, "none seen")) +
            item("Failures", known(Unit::share, figures.failed, "no requests")) +
            item("Drift", known(Unit::ratio, figures.drift, "not judged yet") +
                              (figures.drift_subject.empty()
                                   ? ""
                                   : dim(" in " + escape_html(figures.drift_subject)))) +
            item("Replicas", known(Unit::number, figures.replicas, "not known"));
  }
  if (line.change) {
    html += item("Last change",
                 escape_html(line.change->kind + (line.change->version.empty() ? "" : " ") +
                             line.change->version) +
                     ", " + age(line.change->at, content.now));
  }
  return html + item("Links", outside_link(content.grafana_url, "Grafana")) + "</dl>";
}

std::string section(const char* id, const char* title, const std::string& html) {
  return "<section aria-labelledby=\"" + std::string(id) + "-title\" id=\"" + id + "\"><h2 id=\"" +
         id + "-title\">" + title + "</h2>" + html + "</section>";
}

std::string ahead(const ModelContent& content) {
  if (!content.is_forecasting) {
    return "<p class=\"dim\">Nothing is forecast: give --prometheus.url, and --forecast.max-series "
           "above 0.</p>";
  }
  const std::string html = ahead_section(content.ahead, content.line.who.model);
  if (!html.empty()) return html;
  return "<p class=\"dim\">No forecast is about this model: its requests are not in the answers of "
         "the forecast's queries yet, or no rule of --forecast.rules asks for them.</p>";
}

std::string courses(const ModelLine& line) {
  if (!line.figures) return "<p class=\"dim\">No figures.</p>";
  const ModelFigures& figures = *line.figures;
  const auto one = [&line](const std::string& what, Unit unit, const Course& course,
                           std::optional<double> reference, const char* reference_name) {
    Chart made{.title = what + " of " + line.who.model, .unit = unit, .course = course};
    made.reference = reference;
    made.reference_name = reference_name;
    if (unit == Unit::share && what == "Accuracy") {
      made.ceiling = 1;
    } else {
      made.floor = 0;
    }
    return chart(made);
  };
  return "<div class=\"charts\">" +
         one("Accuracy", Unit::share, figures.accuracy_course, figures.promised,
             figures.provisional ? "learned" : "promised") +
         one("Requests", Unit::rate, figures.traffic_course, {}, "") +
         one("Failed requests", Unit::share, figures.failed_course, {}, "") +
         one("Drift in thresholds", Unit::ratio, figures.drift_course, 1.0, "threshold") + "</div>";
}

std::string incidents(const ModelContent& content) {
  if (content.incidents.empty()) return "<p class=\"dim\">None in the journal.</p>";
  std::string html = "<ul class=\"incidents\">";
  for (std::size_t i = 0; i < std::min(content.incidents.size(), incidents_of_model_max); ++i)
    html += incident_item(*content.incidents[i], 0, content.now);
  html += "</ul>";
  if (content.incidents.size() > incidents_of_model_max) {
    html += "<p>" +
            link(address("/incidents", {{"q", content.line.who.model}}),
                 "All " + std::to_string(content.incidents.size()) + " incidents") +
            "</p>";
  }
  return html;
}

std::string actions(const ModelContent& content) {
  if (content.actions.empty()) return "<p class=\"dim\">Nothing.</p>";
  std::string html = "<ul class=\"actions\">";
  for (std::size_t i = 0; i < std::min(content.actions.size(), actions_of_model_max); ++i) {
    html += action_block(content.actions[i],
                         {.now = content.now, .with_incident = true, .reader = content.reader});
  }
  return html + "</ul>";
}

}  // namespace

std::string model_main(const ModelContent& content) {
  const ModelLine& line = content.line;
  return "<article class=\"model\"><p class=\"crumbs\">" + link("/", "Models") + " / " +
         escape_html(line.who.model) + "</p><h1>" + escape_html(line.who.model) +
         (line.who.version.empty() ? "" : " " + escape_html(line.who.version)) + "</h1><p>" +
         state_badge(line) + "</p>" + facts(content) + section("ahead", "Ahead", ahead(content)) +
         section("charts", "The last three hours", courses(line)) +
         section("incidents", "Incidents", incidents(content)) +
         section("actions", "What was done", actions(content)) + "</article>";
}

}  // namespace outrider::page
