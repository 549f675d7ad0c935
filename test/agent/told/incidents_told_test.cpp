// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agent/page/incident_page.h"
#include "base/core/text.h"
#include "test/agent/told/page_text.h"
#include "test/agent/told/scenes.h"
#include "test/support/catch.h"

// docs/incidents-told.md is what the renderers say, not what somebody wrote: with
// OUTRIDER_WRITE_REFERENCE=1 this test writes it.

namespace outrider::page::testing {
namespace {

using wire::Json;

std::vector<Json> actions_of(const Told& told) {
  std::vector<Json> actions;
  for (std::size_t i = 0; i < told.actions.size(); ++i) {
    Json json = decide::to_public_json(told.actions[i]);
    Json history = Json::array();
    for (const auto& [at, text] : told.histories[i])
      history.push_back({{"at", format_rfc3339(at)}, {"text", text}});
    json["history"] = history;
    actions.push_back(std::move(json));
  }
  return actions;
}

std::string page_of(const Told& told) {
  IncidentContent content{.now = told.now, .incident = told.incident};
  content.actions = actions_of(told);
  content.charts = told.charts;
  for (Chart& chart : content.charts) chart.markers = markers_of(told.incident, content.actions);
  content.charts_say = "From Prometheus at http://prometheus:9090.";
  content.has_policy = true;
  return page_text(incident_main(content));
}

// The body that the ticket's receiver got.
std::string ticket_of(const Told& told) {
  for (const decide::Action& action : told.actions) {
    if (action.kind != decide::Kind::ticket) continue;
    const auto body = wire::parse_json(action.delivery.body);
    if (!body) throw std::runtime_error(body.error().message);
    std::string text;
    for (const char* key : {"title", "assignee", "cause", "text"}) {
      const Json value = body->value(key, Json());
      const std::string said = value.is_string() ? value.get<std::string>() : value.dump();
      std::istringstream lines(std::string(key) + ": " + said);
      for (std::string line; std::getline(lines, line);) text += wrapped(line, 112) + "\n";
    }
    return text;
  }
  throw std::runtime_error("no ticket");
}

std::string document_of(const std::vector<Told>& incidents) {
  std::string text =
      "# Five incidents told\n\n"
      "What the agent's page and its ticket say of five incidents, word for word: a test plays "
      "them through the agent's\n"
      "rooms and compares this file (`OUTRIDER_WRITE_REFERENCE=1 test_agent_told` writes it). The "
      "world "
      "is made, with series as\n"
      "Prometheus would give them; what is said about it is not. Pictures are left out; [the "
      "pages](page.md) have them.\n\n";
  int number = 0;
  for (const Told& told : incidents) {
    text += "## " + std::to_string(++number) + ". " + told.title + "\n";
    text += wrapped("What really happens, and nobody tells the agent: " + told.world, 118);
    text += "\n\n### The page\n```text\n" + page_of(told) + "```\n\n### The ticket\n```text\n" +
            ticket_of(told) + "```\n\n";
  }
  text.pop_back();
  return text;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("the docs tell the incidents as the product does") {
  const std::string document = document_of(five_incidents());
  if (std::getenv("OUTRIDER_WRITE_REFERENCE") != nullptr) std::ofstream(OUTRIDER_TOLD) << document;
  // Not CHECK(a == b): what differs is a line, and the file is long.
  std::istringstream made(document), kept(file_text(OUTRIDER_TOLD));
  std::string one, other;
  int number = 0;
  while (std::getline(made, one)) {
    ++number;
    if (!std::getline(kept, other)) other = "(the file ends)";
    INFO("line " << number << "; OUTRIDER_WRITE_REFERENCE=1 writes the file anew");
    REQUIRE(other == one);
  }
  CHECK_FALSE(std::getline(kept, other));
}

TEST_CASE("each says what happened, why, what was done, whether it helped, and how to undo it") {
  const auto incidents = five_incidents();
  REQUIRE(incidents.size() == 5);
  for (const Told& told : incidents) {
    const std::string page = page_of(told);
    CAPTURE(told.title);
    for (const char* part :
         {"== In brief ==", "== Why ==", "== Before and after ==", "== What was done ==",
          "== What happened when ==", "It has helped when", "Evidence before and after"})
      CHECK_THAT(page, Catch::Contains(part));
  }
  for (std::size_t i = 0; i < 4; ++i)
    CHECK_THAT(page_of(incidents[i]), Catch::Contains("To undo it:"));
  CHECK_THAT(page_of(incidents[4]), Catch::Contains("It was taken back:"));
  CHECK_THAT(page_of(incidents[0]), Catch::Contains("succeeded retrain"));
  CHECK_THAT(page_of(incidents[1]), Catch::Contains("root cause: deployment v7.2"));
  CHECK_THAT(page_of(incidents[1]), Catch::Contains("Decided by ada"));
  CHECK_THAT(page_of(incidents[2]), Catch::Contains("root cause: promotion v3"));
  CHECK_THAT(page_of(incidents[3]), Catch::Contains("\"replicas\": 3"));
  CHECK_THAT(page_of(incidents[4]), Catch::Contains("insufficient evidence"));
  CHECK_THAT(page_of(incidents[4]), Catch::Contains("undone rollback"));
}

}  // namespace
}  // namespace outrider::page::testing
