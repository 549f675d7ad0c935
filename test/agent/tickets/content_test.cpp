// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/content.h"

#include "test/support/catch.h"

namespace outrider::tickets {
namespace {

using namespace std::chrono_literals;

Story story() {
  Story told;
  told.incident.id = "20260131T120000Z-0db0a6e8a7c9";
  told.incident.severity = "critical";
  told.incident.alert = "ModelAccuracyDropped";
  told.incident.model = "house";
  told.incident.summary = "accuracy fell";
  told.incident.opened_at = told.incident.episode_at = Time{1'700'000'000s};
  return told;
}

TEST_CASE("what comes from outside is no markup, no mention and no mark of another incident") {
  Story told = story();
  told.incident.evidence = {
      {"slices", "district = <!-- outrider-X --> @all #1 [a](b) *c* ![d](e)"}};
  const std::string github = text_of(content_of(told, ""), System::github);
  CHECK(github.find("<!-- ") != std::string::npos);
  CHECK(github.find("\\<!-- outrider-X --\\>") != std::string::npos);
  CHECK(github.find("@all") == std::string::npos);
  CHECK(github.find("#1") == std::string::npos);
  CHECK(github.find("\\[a\\](b) \\*c\\* !\\[d\\](e)") != std::string::npos);
  told.incident.evidence = {{"slices", "{noformat} [~ada] !x.png! h|l"}};
  CHECK_THAT(text_of(content_of(told, ""), System::jira),
             Catch::Contains("\\{noformat\\} \\[\\~ada\\] \\!x.png\\! h\\|l"));
  CHECK_THAT(text_of(content_of(told, ""), System::pagerduty),
             Catch::Contains("{noformat} [~ada]"));
}

TEST_CASE("a title is one line, and long texts are cut at a character") {
  Story told = story();
  told.incident.summary = "two\nlines ";
  for (int i = 0; i < 200; ++i) told.incident.summary += "ä";
  const Content content = content_of(told, "https://agent.example");
  CHECK(content.title.find('\n') == std::string::npos);
  CHECK(content.title.size() <= Content::title_bytes_max + 3);
  CHECK(content.title.ends_with("ä…"));
  for (int i = 0; i < 200; ++i) told.incident.evidence.push_back({"pods", "one more"});
  CHECK(content_of(told, "").evidence.size() == Content::lines_max);
}

TEST_CASE("a ticket tells what waits for a person, and how an action ended") {
  Story told = story();
  decide::Action action;
  action.kind = decide::Kind::rollback;
  action.model = "house";
  action.needs_approval = true;
  action.created_at = told.incident.opened_at;
  action.reason = "the rule asks for approval";
  told.actions = {action};
  CHECK_THAT(content_of(told, "").done.at(0),
             Catch::Contains("rollback of house, by the policy: recommended, waits for a person "
                             "until 2023-11-15 22:13:20 UTC (the rule asks for approval)"));
  told.actions[0].needs_approval = false;
  told.actions[0].person = "ada";
  told.actions[0].stage = decide::Stage::done;
  told.actions[0].outcome = decide::Outcome::succeeded;
  told.actions[0].plan.undo = decide::Delivery{};
  told.actions[0].reason = "verified";
  CHECK_THAT(content_of(told, "").done.at(0),
             Catch::Contains("by ada: succeeded (verified); its rule says how to take it back"));
  told.actions[0].kind = decide::Kind::ticket;  // Of itself it says nothing.
  CHECK(content_of(told, "").done.empty());
}

TEST_CASE("figures that move all the time are no news, but cause and severity and actions are") {
  Story told = story();
  const auto digest = [&told] { return digest_of(told, content_of(told, "")); };
  const std::string at_first = digest();
  told.incident.evidence = {{"inputs", "power 0.98"}};
  CHECK(digest() == at_first);
  told.incident.severity = "warning";
  CHECK(digest() != at_first);
  const std::string then = digest();
  told.incident.diagnosis.emplace();
  told.incident.diagnosis->sentence = "root cause: shop/cart";
  CHECK(digest() != then);
  const std::string named = digest();
  decide::Action action;
  action.id = "a";
  action.kind = decide::Kind::restart;
  told.actions = {action};
  CHECK(digest() != named);
}

}  // namespace
}  // namespace outrider::tickets
