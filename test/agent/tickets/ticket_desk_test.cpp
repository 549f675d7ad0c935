// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/ticket_desk.h"

#include <fstream>
#include <set>
#include <utility>

#include "agent/incident/evidence.h"
#include "test/agent/tickets/played_trackers.h"
#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

namespace outrider::tickets::testing {
namespace {

using namespace std::chrono_literals;
using decide::Report;
using decide::Step;

struct Office {
  Office() {
    std::ofstream(folder.file("key")) << "R0UT1NG\n";
    played.clock = &clock;
    incident.id = "20260131T120000Z-0db0a6e8a7c9";
    incident.alert = "ModelLatencyHigh";
    incident.severity = "warning";
    incident.model = "house";
    incident.annotations = {{"summary", "slow"}};
    incident.opened_at = incident.episode_at = clock.now();
    incident::explain(incident);
    start();
  }
  // As after kill -9: what was not kept is gone.
  void start() {
    desk.reset();
    TicketDesk::Dependencies dependencies;
    dependencies.find = [this](const std::string& id) {
      return id == incident.id && !pruned ? std::optional(Story{incident, actions}) : std::nullopt;
    };
    dependencies.changed = [this] { return std::exchange(changed, {}); };
    dependencies.keep = [this](const std::string& key, const std::string& text) {
      if (disk_full) throw std::runtime_error("disk full");
      if (text.empty()) {
        kept.erase(key);
      } else {
        kept[key] = text;
      }
    };
    dependencies.kept = [this] {
      std::vector<std::string> texts;
      for (const auto& [key, text] : kept) texts.push_back(text);
      return texts;
    };
    dependencies.may_leave = [this] { return holds_lease; };
    dependencies.make_web = [this](const Target& target, Duration) {
      return std::make_unique<PlayedWeb>(played, target, clock);
    };
    desk = std::make_unique<TicketDesk>(
        TicketDesk::Settings{.link_base = "https://agent.example", .opened_per_hour_max = 3},
        std::move(dependencies), clock);
  }
  Json target(const std::string& kind) const {
    Json json = {{"kind", kind}, {"credentials_file", folder.file("key")}};
    if (kind == "github") json["repository"] = "acme/shop";
    if (kind == "jira") json["project"] = "OPS", json["url"] = "https://jira.example";
    return json;
  }
  Report open(const std::string& kind, int attempt = 1) {
    return desk->carry_out({.step = Step::effect,
                            .id = "a1",
                            .kind = decide::Kind::ticket,
                            .who = incident.identity(),
                            .incident = incident.id,
                            .target = target(kind),
                            .receipt = {},
                            .attempt = attempt});
  }
  void diagnose(const std::string& sentence) {
    incident.diagnosis.emplace();
    incident.diagnosis->named = true;
    incident.diagnosis->causes.emplace_back();
    incident.diagnosis->causes.back().component = "shop/cart";
    incident.diagnosis->causes.back().kind = "cpu";
    incident.diagnosis->sentence = sentence;
    incident::explain(incident);
    changed.insert(incident.id);
  }
  void end(bool ended = true) {
    incident.open = !ended;
    incident.resolved_at = ended ? std::optional(clock.now()) : std::nullopt;
    if (!ended) incident.episode_at = clock.now();
    changed.insert(incident.id);
  }
  void look_after(Duration time) {
    clock.advance(time);
    desk->look();
  }
  std::string state(const std::string& kind) {
    if (kind == "github") return played.issues.at(0)["state"];
    if (kind == "jira")
      return played.jira.at("OPS-1")["fields"]["status"]["statusCategory"]["key"] == "done"
                 ? "closed"
                 : "open";
    return played.events.back()["event_action"] == "resolve" ? "closed" : "open";
  }
  std::string text(const std::string& kind) {
    if (kind == "github") return played.issues.at(0)["body"];
    if (kind == "jira") return played.jira.at("OPS-1")["fields"]["description"];
    return played.events.back()["payload"]["custom_details"]["text"];
  }
  std::size_t tickets() const {
    std::size_t opened = played.issues.size() + played.jira.size();
    std::set<std::string> keys;
    for (const Json& event : played.events) keys.insert(event["dedup_key"]);
    return opened + keys.size();
  }

  TemporaryFolder folder;
  test::FakeClock clock;
  incident::Incident incident;
  std::vector<decide::Action> actions;
  std::set<std::string> changed;
  std::map<std::string, std::string> kept;
  bool holds_lease = true, disk_full = false, pruned = false;
  Played played;
  std::unique_ptr<TicketDesk> desk;
};

const std::vector<std::string> kinds = {"github", "jira", "pagerduty"};

TEST_CASE("a ticket is opened once, told what is new, closed at the end, opened again") {
  for (const std::string& kind : kinds) {
    INFO(kind);
    Office office;
    const Report opened = office.open(kind);
    INFO(opened.text);
    REQUIRE(opened.what == Report::What::done);
    CHECK(opened.receipt["system"] == kind);
    CHECK_THAT(office.text(kind),
               Catch::Contains("https://agent.example/incidents/" + office.incident.id));
    office.look_after(10min);
    const std::size_t asked = office.played.asked.size();
    office.look_after(10min);
    CHECK(office.played.asked.size() == asked);  // Nothing new, nothing said.

    office.diagnose("root cause: shop/cart (cpu, 97 %)");
    office.look_after(1min);
    CHECK_THAT(office.text(kind), Catch::Contains("root cause: shop/cart"));
    office.diagnose("root cause: shop/cart (cpu, 98 %)");
    office.look_after(1min);
    CHECK_THAT(office.text(kind), Catch::Contains("97 %"));  // Not more often than each 5 minutes.
    office.look_after(5min);
    CHECK_THAT(office.text(kind), Catch::Contains("98 %"));

    office.end();
    office.look_after(2s);
    CHECK(office.state(kind) == "closed");
    office.look_after(10min);
    office.end(false);
    office.look_after(2s);
    CHECK(office.state(kind) == "open");
    if (kind != "pagerduty") {
      REQUIRE(office.played.comments.size() == 3);  // The cause once, the end, the reopening.
      CHECK(office.played.comments[0]["body"] == "Severity warning. Cause: shop/cart, cpu.");
      CHECK_THAT(office.played.comments[1]["body"].get<std::string>(),
                 Catch::Contains("Its alerts ended at"));
      CHECK_THAT(office.played.comments[2]["body"].get<std::string>(),
                 Catch::Contains("has reopened"));
    }
    CHECK(office.tickets() == 1);
    const Json shown = office.desk->tickets_of(office.incident.id);
    REQUIRE(shown.size() == 1);
    CHECK(shown[0]["state"] == "open");
    if (kind == "github") CHECK(shown[0]["url"] == "https://github.com/acme/shop/issues/1");
    if (kind == "jira") CHECK(shown[0]["url"] == "https://jira.example/browse/OPS-1");
  }
}

TEST_CASE("an agent that is killed after the creation and before its report opens no second") {
  for (const std::string& kind : kinds) {
    INFO(kind);
    Office office;
    office.played.lose_next_effect = true;
    const Report lost = office.open(kind);
    CHECK(lost.what == Report::What::failed);
    CHECK(lost.may_have_acted);
    office.start();
    if (kind == "jira") {  // Whose search lags.
      const Report waits = office.open(kind, 2);
      CHECK(waits.what == Report::What::failed);
      CHECK(waits.again == std::optional<Duration>(jira_lags));
      office.clock.advance(jira_lags);
    }
    CHECK(office.open(kind, 2).what == Report::What::done);
    CHECK(office.open(kind, 3).what == Report::What::done);
    CHECK(office.tickets() == 1);
    // What is followed outlives the agent.
    office.start();
    office.end();
    office.look_after(2s);
    CHECK(office.state(kind) == "closed");
  }
}

TEST_CASE("killed at any request of the end or the reopening, it is said once") {
  for (const std::string& kind : kinds) {
    for (std::size_t at = 0; at < 6; ++at) {
      INFO(kind << ", request " << at);
      Office office;
      REQUIRE(office.open(kind).what == Report::What::done);
      for (const bool ends : {true, false}) {
        office.clock.advance(1min);
        office.end(ends);
        // The at-th request has its effect, and its answer is lost with the agent.
        office.played.lose_after = at;
        office.look_after(2s);
        office.played.lose_after.reset();
        office.start();
        office.look_after(30s);
        office.look_after(30s);
        CHECK(office.state(kind) == (ends ? "closed" : "open"));
      }
      CHECK(office.tickets() == 1);
      if (kind != "pagerduty") CHECK(office.played.comments.size() == 2);
    }
  }
}

TEST_CASE("an incident that reopens as a new action has its old ticket opened again") {
  for (const std::string& kind : kinds) {
    INFO(kind);
    Office office;
    office.open(kind);
    office.end();
    office.look_after(2s);
    office.clock.advance(40min);
    office.end(false);
    CHECK(office.open(kind).what == Report::What::done);
    CHECK(office.state(kind) == "open");
    CHECK(office.tickets() == 1);
    office.look_after(2s);
    CHECK(office.state(kind) == "open");
  }
}

TEST_CASE("what the system cannot do now is tried again as it asks, what it refuses is not") {
  const auto answer = [](int status, std::vector<net::Header> headers = {}) {
    return net::ClientResponse{status, std::move(headers), R"({"message": "No."})"};
  };
  Office office;
  office.played.first = {answer(503)};
  CHECK(office.open("github").what == Report::What::failed);
  office.played.first = {answer(429, {{"Retry-After", "30"}})};
  CHECK(office.open("github").again == std::optional<Duration>(30s));
  // Meanwhile nothing is asked of it.
  const std::size_t asked = office.played.asked.size();
  office.clock.advance(10s);
  CHECK(office.open("github").again == std::optional<Duration>(20s));
  CHECK(office.played.asked.size() == asked);
  office.clock.advance(20s);
  const std::string reset = std::to_string(to_unix_ms(office.clock.now() + 90s) / 1000);
  office.played.first = {
      answer(403, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", reset}})};
  const Report limited = office.open("github");
  CHECK(limited.what == Report::What::failed);
  CHECK(limited.again >= std::optional<Duration>(89s));
  office.clock.advance(90s);
  office.played.first = {answer(401)};
  const Report refused = office.open("github");
  CHECK(refused.what == Report::What::refused);
  CHECK_THAT(refused.text, Catch::Contains("401: No.") && Catch::Contains("token"));
  office.played.first = {answer(404)};
  CHECK(office.open("github").what == Report::What::refused);
  office.played.first = {net::ClientResponse{200, {}, "<html>sign on</html>"}};
  CHECK_THAT(office.open("github").text, Catch::Contains("is https://api.github.com its API?"));
  CHECK(office.tickets() == 0);
}

TEST_CASE("the end is told once the system is back, and a ticket that is gone is let be") {
  Office office;
  office.open("github");
  office.end();
  office.played.first = {net::ClientResponse{502, {}, ""}};
  office.look_after(2s);
  CHECK(office.state("github") == "open");
  CHECK_THAT(office.desk->tickets_of(office.incident.id)[0]["trouble"].get<std::string>(),
             Catch::Contains("502"));
  office.look_after(2s);
  CHECK(office.played.count("GET", "/issues/1/comments") == 1);  // Backing off.
  office.look_after(5s);
  CHECK(office.state("github") == "closed");

  Office other;
  other.open("github");
  other.end();
  other.played.first = {net::ClientResponse{404, {}, R"({"message": "Not Found"})"}};
  other.look_after(2s);
  other.look_after(1h);
  CHECK(other.played.count("GET", "/issues/1/comments") == 1);
  CHECK(other.played.count("PATCH", "/issues/1") == 0);
}

TEST_CASE("a ticket says what was done and whether it helped, after its incident too") {
  Office office;
  office.open("github");
  decide::Action action;
  action.id = "roll-back-1";
  action.kind = decide::Kind::rollback;
  action.model = "house";
  action.stage = decide::Stage::verifying;
  action.reason = "errors is 3";
  office.actions = {action};
  office.changed.insert(office.incident.id);
  office.look_after(10min);
  CHECK_THAT(office.text("github"), Catch::Contains("What was done") &&
                                        Catch::Contains("rollback of house, by the policy: "
                                                        "verifying (errors is 3)"));
  office.end();
  office.look_after(2s);
  office.actions[0].stage = decide::Stage::done;
  office.actions[0].outcome = decide::Outcome::succeeded;
  office.changed.insert(office.incident.id);
  office.look_after(10min);
  CHECK_THAT(office.text("github"), Catch::Contains("by the policy: succeeded"));
  CHECK(office.state("github") == "closed");

  Office pager;  // Where a trigger after the end would page somebody again.
  pager.open("pagerduty");
  pager.end();
  pager.look_after(2s);
  pager.actions = {action};
  pager.changed.insert(pager.incident.id);
  pager.look_after(10min);
  CHECK(pager.state("pagerduty") == "closed");
}

TEST_CASE("without the lease nothing is told, and with it all of it") {
  Office office;
  office.open("github");
  office.holds_lease = false;
  office.end();
  office.look_after(1h);
  CHECK(office.state("github") == "open");
  office.holds_lease = true;
  office.look_after(2s);
  CHECK(office.state("github") == "closed");
}

TEST_CASE("no more tickets are opened within an hour than there may be") {
  Office office;
  for (int i = 0; i < 3; ++i) {
    CHECK(office.open("pagerduty").what == Report::What::done);
    office.clock.advance(1min);
  }
  const Report waits = office.open("pagerduty");
  CHECK(waits.what == Report::What::failed);
  CHECK_THAT(waits.text, Catch::Contains("3 tickets were opened within the hour"));
  office.clock.advance(58min);
  CHECK(office.open("pagerduty").what == Report::What::done);
}

TEST_CASE("a ticket that cannot be kept on disk is found again") {
  Office office;
  office.disk_full = true;
  const Report full = office.open("github");
  CHECK(full.what == Report::What::failed);
  CHECK(full.may_have_acted);
  office.disk_full = false;
  CHECK(office.open("github", 2).what == Report::What::done);
  CHECK(office.tickets() == 1);
}

TEST_CASE("an incident that ended before its ticket was opened gets none") {
  Office office;
  office.end();
  CHECK(office.open("pagerduty").what == Report::What::refused);
  CHECK(office.played.asked.empty());
}

TEST_CASE("what is followed is let go a week after its end, or with its incident") {
  Office office;
  office.open("github");
  office.end();
  office.look_after(2s);
  office.look_after(8 * 24h);
  CHECK(office.kept.empty());
  Office other;
  other.open("github");
  other.pruned = true;
  other.changed.insert(other.incident.id);
  other.look_after(2s);
  CHECK(other.kept.empty());
  CHECK(other.desk->tickets_of(other.incident.id).empty());
}

TEST_CASE("in a busy repository the ticket is found among all that changed, or none is opened") {
  Office office;
  REQUIRE(office.open("github").what == Report::What::done);
  for (int i = 0; i < 250; ++i) office.played.add({{"title", "other"}, {"body", "other"}});
  CHECK(office.open("github", 2).receipt["id"] == "1");
  office.played.issues.front()["body"] = "somebody has taken the mark away";
  for (int i = 0; i < 800; ++i) office.played.add({{"title", "other"}, {"body", nullptr}});
  const Report refused = office.open("github", 3);
  CHECK(refused.what == Report::What::refused);
  CHECK_THAT(refused.text, Catch::Contains("more than 1000 issues"));
}

TEST_CASE("Jira's Data Center is searched where its cloud's search is not") {
  Office office;
  office.played.jira_is_cloud = false;
  CHECK(office.open("jira").what == Report::What::done);
  CHECK(office.open("jira").what == Report::What::done);
  CHECK(office.tickets() == 1);
}

TEST_CASE("PagerDuty has its documented event, with the key from its file") {
  Office office;
  office.incident.severity = "page";
  office.open("pagerduty");
  const Json event = office.played.events.at(0);
  CHECK(event["routing_key"] == "R0UT1NG");
  CHECK(event["event_action"] == "trigger");
  CHECK(event["payload"]["severity"] == "critical");
  CHECK(event["payload"]["source"] == "house");
  CHECK_FALSE(event["payload"]["summary"].get<std::string>().empty());
  CHECK(event["links"][0]["href"] == "https://agent.example/incidents/" + office.incident.id);
  office.end();
  office.look_after(2s);
  CHECK(office.played.events.back() == Json({{"routing_key", "R0UT1NG"},
                                             {"event_action", "resolve"},
                                             {"dedup_key", event["dedup_key"]}}));
}

TEST_CASE(
    "a target says every mistake, and takes no placeholder where it would choose who is asked") {
  const auto why = [](const Json& json) {
    const auto target = parse_target(json);
    REQUIRE_FALSE(target);
    return target.error().message;
  };
  CHECK_THAT(why({{"kind", "trello"}}), Catch::Contains("github, jira or pagerduty"));
  const std::string all =
      why({{"kind", "github"}, {"repository", "acme"}, {"project", "OPS"}, {"x", 1}});
  for (const char* part : {"OWNER/NAME", "belongs to kind jira", "ticket.x", "credentials_file"})
    CHECK_THAT(all, Catch::Contains(part));
  const Json good = {{"kind", "jira"},
                     {"project", "OPS"},
                     {"url", "https://jira.example/"},
                     {"credentials_file", "/f"},
                     {"update_every", "1m"}};
  CHECK(parse_target(good)->url == "https://jira.example");
  for (const auto& [key, value] :
       std::map<std::string, std::string>{{"url", "https://jira.example?x"},
                                          {"url", "ftp://jira.example"},
                                          {"project", "OPS\" OR project = \"HR"},
                                          {"update_every", "0s"},
                                          {"credentials_file", "sam\"ple\\\n"}}) {
    Json bad = good;
    bad[key] = value;
    CHECK_THAT(why(bad), Catch::Contains("ticket." + key));
  }
  for (const char* repository : {"acme/shop/../x", "acme/", "/shop", "a b/c", "acme/shop?x"})
    CHECK_FALSE(
        parse_target({{"kind", "github"}, {"repository", repository}, {"credentials_file", "f"}}));
}

TEST_CASE("only an action of the kind ticket opens one") {
  Office office;
  CHECK(office.desk->check_target(decide::Kind::ticket, office.target("github")));
  CHECK_FALSE(office.desk->check_target(decide::Kind::retrain, office.target("github")));
}

TEST_CASE("placeholders stand where they do not choose who is asked") {
  const Office office;
  CHECK(office.desk->takes_placeholder("/repository"));
  CHECK(office.desk->takes_placeholder("/labels/0"));
  for (const char* place : {"/url", "/credentials_file", "/ca_file", "/kind"})
    CHECK_FALSE(office.desk->takes_placeholder(place));
}

TEST_CASE("what is kept and cannot be read is left out, and the others are followed") {
  Office office;
  office.open("github");
  office.kept["x"] = "{\"format\": 2}";
  office.kept["y"] = "no JSON";
  office.start();
  office.end();
  office.look_after(2s);
  CHECK(office.state("github") == "closed");
}

}  // namespace
}  // namespace outrider::tickets::testing
