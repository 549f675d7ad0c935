// SPDX-License-Identifier: Apache-2.0
#include "agent/api/page.h"

#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::api;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");
const std::string evil = "<script>alert(1)</script>\"'&";

PageContent full_of(const std::string& text) {
  PageContent content{.now = noon};
  incident::Incident incident;
  incident.id = incident.alert = incident.model = incident.version = incident.severity = text;
  incident.cluster = incident.name_space = incident.workload = incident.owner = text;
  incident.annotations = {{"runbook_url", "javascript:alert(1)"}, {"description", text}};
  incident.evidence = {{"alert", text}};
  incident.opened_at = noon;
  content.open = {incident};
  incident.open = false;
  incident.resolved_at = noon;
  content.resolved = {incident};
  decide::Action action;
  action.id = action.incident = action.rule = action.reason = action.person = action.model = text;
  action.cluster = action.name_space = action.workload = action.owner = text;
  action.delivery.url = action.delivery.body = text;
  action.needs_approval = true;
  action.created_at = action.updated_at = noon;
  content.actions = {action};
  content.events[text] = {{noon, text}};
  content.changes = {{text, text, text, text, text, noon, text, text, text}};
  content.policy_trouble = content.notice = text;
  content.has_policy = true;
  return content;
}
std::size_t count(const std::string& text, const std::string& piece) {
  std::size_t found = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1))
    ++found;
  return found;
}

}  // namespace

TEST_CASE("nothing that comes from outside reaches the page unescaped") {
  const std::string page = render_page(full_of(evil), "nonce");
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("\"'&") == std::string::npos);
  CHECK(page.find("javascript:") == std::string::npos);
  CHECK(count(page, "&lt;script&gt;alert(1)&lt;/script&gt;") > 10);
  CHECK(count(page, "<script") == 1);
}

TEST_CASE("the page asks nothing of any other place") {
  const std::string page = render_page(full_of("x"), "nonce");
  for (const char* foreign : {"http://", "https://", "src=", "@import", "url("}) {
    CAPTURE(foreign);
    CHECK(page.find(foreign) == std::string::npos);
  }
}

TEST_CASE("an action that waits for a person has a form without script, others have none") {
  PageContent content = full_of("x");
  CHECK(count(render_page(content, "n"),
              "<form method=\"post\" action=\"/api/v1/actions/x/approve\"") == 2);
  content.actions.front().needs_approval = false;
  CHECK(count(render_page(content, "n"), "<form") == 0);
}

TEST_CASE("an empty agent says so in words") {
  const std::string page = render_page({.now = noon}, "n");
  CHECK(page.find("None.") != std::string::npos);
  CHECK(page.find("No policy") != std::string::npos);
  CHECK(page.find("2026-01-31 12:00:00 UTC") != std::string::npos);
}

TEST_CASE("the first line says how grave it is, and leads to what waits for a person") {
  PageContent content = full_of("x");
  content.open.front().severity = "critical";
  std::string page = render_page(content, "n");
  CHECK(page.find("class=\"state bad\"><b>1 open incident</b>, 1 critical.") != std::string::npos);
  CHECK(page.find("<a href=\"#x\">1 action waits for a person</a>") != std::string::npos);
  content.open.front().severity = "warning";
  content.actions.front().stage = decide::Stage::done;
  page = render_page(content, "n");
  CHECK(page.find("class=\"state warn\"><b>1 open incident</b>.</p>") != std::string::npos);
  content.open.clear();
  CHECK(render_page(content, "n").find("class=\"state good\"><b>No open incident.</b>") !=
        std::string::npos);
}

TEST_CASE(
    "models of one name in two clusters are two lines, each with its own owner, state and last "
    "action") {
  PageContent content{.now = noon};
  for (const std::string cluster : {"eu-1", "us-1"}) {
    incident::Incident incident;
    incident.id = "i-" + cluster;
    incident.alert = "A";
    incident.model = "house-price";
    incident.cluster = cluster;
    incident.name_space = "shop";
    incident.workload = "rent";
    incident.owner = "team-" + cluster;
    incident.severity = "critical";
    incident.opened_at = noon;
    (cluster == "eu-1" ? content.open : content.resolved).push_back(incident);
  }
  content.resolved.front().open = false;
  decide::Action action;
  action.kind = decide::Kind::retrain;
  action.model = "house-price";
  action.cluster = "us-1";
  action.name_space = "shop";
  action.workload = "rent";
  action.updated_at = noon;
  content.actions = {action};
  const std::string page = render_page(content, "nonce");
  CHECK(count(page, "<tr><td><b>house-price</b></td>") == 2);
  const std::string eu =
      "<td>shop/rent in eu-1 · owner team-eu-1</td><td><span class=\"bad\">1 open "
      "incident</span></td><td></td><td></td>";
  const std::string us =
      "<td>shop/rent in us-1 · owner team-us-1</td><td><span class=\"good\">no open "
      "incident</span></td><td></td><td>retrain recommended";
  CHECK(count(page, eu) == 1);
  CHECK(count(page, us) == 1);
}
