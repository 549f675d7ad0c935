// SPDX-License-Identifier: Apache-2.0
#include "agent/page/incident_page.h"

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::page {
namespace {

using wire::Json;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

incident::Incident fallen() {
  incident::Incident incident;
  incident.id = "20260131-1";
  incident.alert = "ModelAccuracyDropped";
  incident.severity = "critical";
  incident.model = "rent";
  incident.version = "v1";
  incident.summary = "accuracy of rent v1 fell from 95% to 72%";
  incident.opened_at = incident.episode_at = noon;
  return incident;
}

Json retrain() {
  return {{"id", "retrain-1"},
          {"incident", "20260131-1"},
          {"rule", "retrain"},
          {"kind", "retrain"},
          {"outcome", "recommended"},
          {"stage", "held"},
          {"needs_approval", true},
          {"reason", "waits for a person"},
          {"updated_at", "2026-01-31T12:00:05Z"},
          {"request", {{"method", "POST"}, {"url", "http://trainer/retrain"}, {"body", "{}"}}},
          {"history", {{{"at", "2026-01-31T12:00:01Z"}, {"text", "decided"}}}}};
}

std::size_t count(const std::string& text, const std::string& piece) {
  std::size_t found = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1))
    ++found;
  return found;
}

TEST_CASE("causes are ranked with their probability and evidence, and what would decide is said") {
  auto incident = fallen();
  incident.diagnosis.emplace();
  incident.diagnosis->sentence = "insufficient evidence: two suspects are as likely";
  incident.diagnosis->reason = "calls between shop/cart and shop/stock would decide";
  incident.diagnosis->suspects = 2;
  incident.diagnosis->causes = {{"shop/cart", "cpu", 0.48, 3, noon, {"CPU 4 times normal"}},
                                {"shop/stock", "errors", 0.41, 2, {}, {}}};
  incident.diagnosis->unknown = {"the service graph"};
  const std::string html = incident_main({.now = noon, .incident = incident});
  CHECK_THAT(html, Catch::Contains("What would decide:</b> calls between shop/cart"));
  CHECK_THAT(html, Catch::Contains("<b>48 %</b>"));
  CHECK_THAT(html, Catch::Contains("<li>CPU 4 times normal</li>"));
  CHECK_THAT(html, Catch::Contains("no evidence against it"));
  CHECK_THAT(html, Catch::Contains("<li>the service graph</li>"));
}

TEST_CASE("an action that waits for a person has a form without script, others have none") {
  Json action = retrain();
  CHECK(count(action_block(action, {noon}),
              "<form method=\"post\" class=\"approval\" "
              "action=\"/api/v1/actions/retrain-1/approve\"") == 1);
  CHECK(count(action_block(action, {noon}), "formaction=\"/api/v1/actions/retrain-1/reject\"") ==
        1);
  action["stage"] = "done";
  CHECK(count(action_block(action, {noon}), "<form") == 0);
}

TEST_CASE("states that the page has never heard of are told in their own words") {
  Json action = retrain();
  action["state"] = "handed_over";
  CHECK_THAT(action_block(action, {noon}), Catch::Contains("bad\">handed over</span>"));
  action["state"] = "pondering";
  CHECK_THAT(action_block(action, {noon}), Catch::Contains("warn\">pondering</span>"));
}

TEST_CASE("what was read before and after an action stands beside it") {
  Json action = retrain();
  action["evidence"] = {{{"moment", "decision"},
                         {"of", "verify"},
                         {"at", "2026-01-31T12:00:00Z"},
                         {"query", "accuracy > 0.9"},
                         {"value", 0.72},
                         {"holds", false},
                         {"words", "0.72 is not above 0.9"}},
                        {{"moment", "end"}, {"of", "verify"}, {"value", nullptr}, {"holds", true}}};
  const std::string html = action_block(action, {noon});
  CHECK_THAT(html, Catch::Contains("Evidence before and after"));
  CHECK_THAT(html, Catch::Contains("<td>0.72</td><td><span class=\"badge warn\">no</span>"));
  CHECK_THAT(html, Catch::Contains("<td>no data</td><td><span class=\"badge good\">yes</span>"));
}

TEST_CASE("how to undo an action is said, or that its rule does not say it") {
  Json action = retrain();
  CHECK_THAT(
      action_block(action, {noon}),
      Catch::Contains("To undo it:</b> its rule says no way back; undo it where it was done: "
                      "http://trainer/retrain"));
  action["undo"] = {{"why", "worse than before"},
                    {"request", {{"method", "POST"}, {"url", "http://trainer/rollback"}}}};
  CHECK_THAT(action_block(action, {noon}),
             Catch::Contains("To undo it:</b> POST http://trainer/rollback (worse than before)"));
  action.erase("undo");
  action["kind"] = "notify";
  CHECK(count(action_block(action, {noon}), "To undo") == 0);
}

TEST_CASE("who may not approve is told why, in the place of the form") {
  const std::string html = action_block(
      retrain(),
      {.now = noon, .reader = {.cannot_approve = "Your token (eve) has no role approve."}});
  CHECK(count(html, "<form") == 0);
  CHECK_THAT(html, Catch::Contains("<b>Waits for a person.</b> Your token (eve) has no role"));
}

TEST_CASE("who is known is not asked for a name") {
  const std::string unknown = action_block(retrain(), {.now = noon});
  CHECK(count(unknown, "name=\"by\"") == 1);
  const std::string known =
      action_block(retrain(), {.now = noon, .reader = {.name = "ada <o'hara>"}});
  CHECK(count(known, "name=\"by\"") == 0);
  CHECK(count(known, "<form method=\"post\"") == 1);
  CHECK_THAT(known, Catch::Contains("<span>As</span> <b>ada &lt;o"));
}

TEST_CASE("what was asked stands in a line, and what was taken back is not offered to be undone") {
  Json action = retrain();
  action["first_attempt_at"] = "2026-01-31T12:00:02Z";
  action["request"]["body"] = "{\"since\":\n 3}";
  CHECK_THAT(action_block(action, {noon}),
             Catch::Contains("What was asked:</b> <code>POST http://trainer/retrain "
                             "{&quot;since&quot;:  3}</code>"));
  action["outcome"] = "undone";
  action["undo"] = {{"request", {{"method", "POST"}, {"url", "http://trainer/back"}}}};
  const std::string html = action_block(action, {noon});
  CHECK_THAT(html, Catch::Contains("It was taken back:</b> POST http://trainer/back"));
  CHECK(count(html, "To undo it") == 0);
}

TEST_CASE("the brief says what was done and what came of it, but not what only tells people") {
  const auto incident = fallen();
  Json done = retrain(), ticket = retrain();
  done["stage"] = "done";
  done["needs_approval"] = false;
  done["state"] = "succeeded";
  done["reason"] = "verified: accuracy is 0.95";
  ticket["kind"] = "ticket";
  const std::string html =
      incident_main({.now = noon, .incident = incident, .actions = {done, ticket}});
  CHECK_THAT(html, Catch::Contains("<li><a href=\"#actions\">Retrain succeeded at 12:00:05 UTC: "
                                   "verified: accuracy is 0.95</a></li>"));
  CHECK(html.find("Ticket ") == std::string::npos);
}

TEST_CASE("earlier incidents like it are told with what was done then, and lead to their pages") {
  auto incident = fallen();
  incident.diagnosis.emplace();
  incident.diagnosis->earlier.times = 3;
  incident.diagnosis->earlier.cases = {{"20260101-7",
                                        noon - std::chrono::hours(720),
                                        noon - std::chrono::hours(719),
                                        "the same alerts",
                                        "rent (version)",
                                        {{"retrain", "succeeded", std::chrono::minutes(4)}}},
                                       {"20260102-1", noon, noon, "the same leading alert"}};
  const std::string html = incident_main({.now = noon, .incident = incident});
  CHECK_THAT(html, Catch::Contains("<h2 id=\"earlier-title\">Seen before</h2>"));
  CHECK_THAT(html, Catch::Contains("<a href=\"/incidents/20260101-7\">20260101-7</a>"));
  CHECK_THAT(html, Catch::Contains("for 60 min: the same alerts; cause rent (version); retrain "
                                   "succeeded, the alerts ended 4 min later."));
  CHECK_THAT(html, Catch::Contains("the same leading alert; the agent did nothing."));
  CHECK_THAT(html, Catch::Contains("1 more are known."));
}

TEST_CASE("an action's JSON that lacks everything is no reason to fail") {
  CHECK_FALSE(action_block(Json::object(), {noon, true}).empty());
  Json wrong = {
      {"history", "x"}, {"evidence", {1, "x"}}, {"request", 3}, {"needs_approval", "yes"}};
  CHECK_FALSE(action_block(wrong, {noon, true}).empty());
  CHECK_FALSE(waits_for_person(wrong));
}

TEST_CASE("Grafana is asked for the incident's model and time") {
  auto incident = fallen();
  incident.name_space = "shop";
  incident.labels = {{"job", "rent"}};
  CHECK(grafana_address("https://g.example", incident, noon) ==
        "https://g.example/d/outrider-model?var-namespace=shop&var-job=rent&var-model=rent&"
        "from=1769857200000&to=1769860800000");
  CHECK(grafana_address("", incident, noon).empty());
  incident.model.clear();
  CHECK(grafana_address("https://g.example", incident, noon).empty());
}

TEST_CASE("what the agent did stands in the timeline among what happened") {
  const auto incident = fallen();
  const std::string html =
      incident_main({.now = noon, .incident = incident, .actions = {retrain()}});
  const std::size_t alert = html.find(">alert</span> <span>ModelAccuracyDropped");
  const std::size_t action = html.find(">action</span> <span>retrain: decided");
  CHECK(alert != std::string::npos);
  CHECK(action != std::string::npos);
  CHECK(alert < action);
}

}  // namespace
}  // namespace outrider::page
