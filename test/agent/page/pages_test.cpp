// SPDX-License-Identifier: Apache-2.0
#include "agent/page/frame.h"
#include "agent/page/incident_page.h"
#include "agent/page/lists_page.h"
#include "agent/page/model_page.h"
#include "agent/page/models_page.h"
#include "agent/page/right_size_page.h"
#include "base/core/text.h"
#include "test/support/catch.h"

// The pages as a whole: nothing of outside breaks out, nothing is asked of elsewhere, and each has
// what a screen reader goes by.

namespace outrider::page {
namespace {

using wire::Json;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");
const std::string evil = "<script>alert(1)</script>\"'&\u202E";

// Everything that has a text has this one.
struct Filled {
  explicit Filled(const std::string& text) {
    incident.id = incident.alert = incident.model = incident.version = incident.severity = text;
    incident.cluster = incident.name_space = incident.workload = incident.owner = text;
    incident.summary = incident.key = text;
    incident.annotations = {{"runbook_url", "javascript:alert(1)"}, {"description", text}};
    incident.evidence = {{"alert", text}};
    incident.members = {{{{"a", text}}, true, noon, {}, noon}};
    incident.grouped = {{text, text, text, {{"a", text}}, {}, noon, text}};
    incident.changes = {{text, text, text, text, text, noon, text, text, text}};
    incident.opened_at = incident.episode_at = noon;
    incident.diagnosis.emplace();
    incident.diagnosis->sentence = incident.diagnosis->reason = incident.diagnosis->scope = text;
    incident.diagnosis->unknown = {text};
    incident.diagnosis->causes = {{text, text, 0.5, 1, noon, {text}}};
    incident.diagnosis->earlier = {1, text, {{text, noon, noon, text, text, {{text, text, {}}}}}};
    for (const char* key : {"id", "incident", "rule", "kind", "state", "outcome", "reason",
                            "person", "model", "owner", "ticket_url"})
      action[key] = text;
    action["stage"] = "held";
    action["needs_approval"] = true;
    action["request"] = {{"method", text}, {"url", text}, {"body", text}};
    action["undo"] = {{"why", text}, {"request", {{"method", text}, {"url", text}}}};
    action["verify"] = {{"query", text}, {"within", text}};
    action["history"] = {{{"at", "2026-01-31T12:00:00Z"}, {"text", text}}};
    action["evidence"] = {{{"moment", text}, {"of", text}, {"query", text}, {"words", text}}};
    ModelFigures figures;
    figures.who = {text, text, text, text, text};
    figures.owner = figures.drift_subject = figures.advice = text;
    figures.drift = figures.replicas = figures.accuracy = figures.promised = 1;
    figures.traffic = figures.failed = 0;
    figures.accuracy_course = figures.drift_course = {noon, std::chrono::minutes(1), {1, 2}};
    fleet.models = {figures};
    fleet.source = text;
    fleet.trouble = {text};
    fleet.asked_at = noon;
    overall.policy_trouble = overall.notice = text;
    overall.warnings = {text};
    overall.open = overall.waiting = 1;
    overall.waiting_incident = text;
    overall.has_policy = true;
    open = {incident};
    lines = model_lines(fleet, open, {}, {}, incident.changes);
    lines.front().last_action = text;
    lines.front().acted_at = noon;
    ahead.series = {{.forecast = text, .labels = {{"a", text}}, .notes = {text}, .trouble = text}};
    ahead.series.front().to_limit = ToLimit{.limit = 1, .earliest = std::chrono::hours(1)};
    ahead.series.front().ahead = Band{noon, std::chrono::minutes(1), {1}, {2}, {3}};
    ahead.series.front().horizons = {{std::chrono::hours(1), 1, 2, 3}};
    ahead.services = {{.capacity = text, .labels = {{"a", text}}, .says = text, .bears = 2}};
    view = {text, text, text, text, text, text, 1};
    list = {text, text, text, 1};
  }

  std::string models(bool filtered) const {
    ModelsContent content{.now = noon, .fleet = &fleet, .lines = &lines, .open = &open};
    content.limits = {&ahead.series.front()};
    if (filtered) content.view = view;
    return document({overall, list.search, "models", models_main(content)});
  }
  std::string model(const std::string& cannot_approve) const {
    return document({overall, list.search, "models",
                     model_main({.now = noon,
                                 .line = lines.front(),
                                 .incidents = {&open.front()},
                                 .actions = {action},
                                 .ahead = ahead,
                                 .is_forecasting = true,
                                 .grafana_url = list.search,
                                 .reader = {.cannot_approve = cannot_approve}})});
  }
  std::string one() const {
    Chart shown{.title = incident.model,
                .course = {noon, std::chrono::minutes(1), {1, 2}},
                .since = noon,
                .reference = 1,
                .reference_name = incident.model};
    shown.markers = {{noon, incident.model, incident.model}};
    return document({overall, list.search, "incidents",
                     incident_main({.now = noon,
                                    .incident = incident,
                                    .actions = {action},
                                    .charts = {shown},
                                    .charts_say = incident.model,
                                    .grafana_url = incident.model}),
                     true});
  }
  std::string right_size() const {
    const std::string& text = list.search;
    const Json row = {{"cluster", text},   {"namespace", text},     {"workload", text},
                      {"container", text}, {"notes", {text, text}}, {"cpu", {{"request", 1}}}};
    const Json report = {{"containers", {row}}, {"trouble", text}, {"others", 1}, {"left_out", 1}};
    return document(
        {overall, "Right-size", "right-size", right_size_main({.now = noon, .report = report})});
  }
  std::string incidents(bool filtered) const {
    IncidentsContent content{.now = noon, .incidents = &open};
    if (filtered) content.view = list;
    return document({overall, "Incidents", "incidents", incidents_main(content)});
  }
  std::string actions(bool filtered) const {
    const std::vector<Json> all = {action};
    ActionsContent content{.now = noon, .actions = &all};
    if (filtered) content.view = list;
    return document({overall, "Actions", "actions", actions_main(content), true});
  }
  std::vector<std::string> pages() const {
    return {models(false),  models(true),  one(),     incidents(false),   incidents(true),
            actions(false), actions(true), model(""), model(list.search), right_size()};
  }

  Overall overall{.now = noon};
  incident::Incident incident;
  std::vector<incident::Incident> open;
  Json action = Json::object();
  Fleet fleet;
  std::vector<ModelLine> lines;
  Ahead ahead;
  ModelsView view;
  ListView list;
};

std::size_t count(const std::string& text, const std::string& piece) {
  std::size_t found = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1))
    ++found;
  return found;
}

TEST_CASE("nothing that comes from outside reaches a page unescaped") {
  std::size_t shown = 0;
  for (const std::string& page : Filled(evil).pages()) {
    CHECK(page.find("<script>alert") == std::string::npos);
    CHECK(page.find("\"'&") == std::string::npos);
    CHECK(page.find("\u202E") == std::string::npos);
    CHECK(page.find("javascript:") == std::string::npos);
    CHECK(count(page, "<script") == 1);
    shown += count(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
  }
  CHECK(shown > 60);
}

TEST_CASE("a page needs nothing of any other place, no style and no script of its own") {
  for (const std::string& page : Filled("x").pages()) {
    for (const char* forbidden : {"http://", "https://", "@import", "url(",
                                  " style=", " onclick=", "<style", "href=\"//", "src=\"//"}) {
      CAPTURE(forbidden);
      CHECK(page.find(forbidden) == std::string::npos);
    }
  }
}

TEST_CASE("every page has one main, one first heading, a skip link, and no level left out") {
  for (const std::string& page : Filled("x").pages()) {
    CHECK(count(page, "<main id=\"content\"") == 1);
    CHECK(count(page, "<h1") == 1);
    CHECK(count(page, "<a class=\"skip\" href=\"#content\">") == 1);
    CHECK(count(page, "<nav aria-label=\"Pages\">") == 1);
    CHECK(count(page, "<html lang=\"en\">") == 1);
    CHECK(count(page, "role=\"status\"") == 1);
    CHECK(count(page, "<h3") == 0);
  }
}

TEST_CASE("what nobody knows is said in words, and never 0") {
  Fleet fleet;
  std::vector<incident::Incident> open;
  std::vector<ModelLine> lines;
  const auto said = [&] {
    return models_main({.now = noon, .fleet = &fleet, .lines = &lines, .open = &open});
  };
  CHECK_THAT(said(), Catch::Contains("no Prometheus is given"));
  fleet.source = "Prometheus at http://p";
  CHECK_THAT(said(), Catch::Contains("Prometheus has not answered yet"));
  fleet.asked_at = noon;
  CHECK_THAT(said(), Catch::Contains("no series of Outrider"));
  ModelFigures figures;
  figures.who.model = "rent";
  fleet.models = {figures};
  lines = model_lines(fleet, open, {}, {}, {});
  const std::string html = said();
  for (const char* words : {"no labels in 1 h", "no promise known", "none seen", "no requests",
                            "not judged yet", "none in 24 h"}) {
    CAPTURE(words);
    CHECK_THAT(html, Catch::Contains(words));
  }
  CHECK(html.find("0 %") == std::string::npos);
}

TEST_CASE("figures older than two minutes are called old, and what was not answered is told") {
  Fleet fleet{.source = "Prometheus at http://p", .asked_at = noon};
  CHECK(source_line(fleet, noon + std::chrono::minutes(2)).find("old") == std::string::npos);
  CHECK_THAT(source_line(fleet, noon + std::chrono::seconds(121)),
             Catch::Contains("They are old: Prometheus no longer answers."));
  fleet.trouble = {"Prometheus did not answer what is asked about drift: timeout"};
  CHECK_THAT(source_line(fleet, noon), Catch::Contains("about drift: timeout"));
}

TEST_CASE("the first line says how grave it is, and leads to what waits for a person") {
  Overall overall{.now = noon, .open = 2, .critical = 1, .waiting = 1, .waiting_incident = "i 1"};
  CHECK(state_line(overall) ==
        "<p role=\"status\" class=\"state bad\"><b>2 open incidents</b>, 1 critical. <a "
        "href=\"/incidents/i%201#actions\">1 action waits for a person</a>.</p>");
  CHECK_THAT(state_line({.now = noon}), Catch::Contains("state good\"><b>No open incident.</b>"));
}

TEST_CASE("a list is turned by links that keep what was asked for") {
  std::vector<incident::Incident> many(120);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i].id = "i" + std::to_string(i);
    many[i].summary = "rent " + std::to_string(i);
    many[i].opened_at = noon;
  }
  const std::string html = incidents_main(
      {.now = noon, .incidents = &many, .view = {.search = "rent", .page = 2}, .cut = true});
  CHECK_THAT(html, Catch::Contains("51 to 100 of 120 incidents"));
  CHECK_THAT(html, Catch::Contains("href=\"/incidents?q=rent\">Previous"));
  CHECK_THAT(html, Catch::Contains("href=\"/incidents?q=rent&amp;page=3\">Next"));
  CHECK(count(html, "<li class=") == 50);
  CHECK_THAT(html, Catch::Contains("Older incidents are in the journal"));
}

TEST_CASE("a page that loses nobody's words reloads itself without script, another does not") {
  const Overall overall{.now = noon};
  CHECK_THAT(document({overall, "x", "models", ""}),
             Catch::Contains("<noscript><meta http-equiv=\"refresh\" content=\"30\">"));
  CHECK(document({overall, "x", "models", "", true}).find("http-equiv") == std::string::npos);
}

TEST_CASE("embedded files have a digest in their name, so that a new one is another") {
  for (const Asset& asset : assets()) {
    CHECK(asset.content.size() > 100);
    CHECK(asset.path.starts_with("/assets/"));
  }
  CHECK(assets()[0].path.size() == std::string("/assets/page-0123456789ab.css").size());
}

}  // namespace
}  // namespace outrider::page
