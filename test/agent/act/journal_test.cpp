// SPDX-License-Identifier: Apache-2.0
#include "agent/act/journal.h"

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/core/text.h"
#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::act;
using namespace std::chrono_literals;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

struct Folder {
  std::string file() const { return own.file("deep/agent.db"); }
  TemporaryFolder own;
};

incident::Incident incident_of(const std::string& id, bool open, Time at = noon) {
  incident::Incident incident;
  incident.id = id;
  incident.open = open;
  incident.opened_at = incident.updated_at = incident.episode_at = at;
  return incident;
}
decide::Action action_of(const std::string& id, decide::Stage stage, Time at = noon) {
  decide::Action action;
  action.id = id;
  action.incident = "i1";
  action.kind = decide::Kind::retrain;
  action.model = "m";
  action.stage = stage;
  action.created_at = action.updated_at = action.next_at = at;
  if (stage != decide::Stage::held) action.queued_at = at;
  return action;
}

}  // namespace

TEST_CASE("what was committed is there when the journal is opened again, what was not is not") {
  const Folder folder;
  {
    Journal journal(folder.file(), {});
    Journal::Write write(journal);
    write.put(incident_of("i1", true));
    write.put(action_of("a1", decide::Stage::queued), noon, "queued");
    write.put(action_of("a1", decide::Stage::watching), noon + 1s, "accepted");
    CHECK(write.put(incident::Change{"c1", "config", "", "", "x", noon}));
    CHECK(!write.put(incident::Change{"c1", "config", "", "", "x", noon}));
    write.commit();
    Journal::Write lost(journal);
    lost.put(incident_of("i2", true));
  }
  Journal journal(folder.file(), {});
  REQUIRE(journal.incidents(true, 10).size() == 1);
  CHECK(journal.incident("i1"));
  CHECK(!journal.incident("i2"));
  REQUIRE(journal.active_actions().size() == 1);
  CHECK(journal.action("a1")->stage == decide::Stage::watching);
  const auto events = journal.events_of("a1");
  REQUIRE(events.size() == 2);
  CHECK(events[1].text == "accepted");
  CHECK(journal.changes(noon, 10).front() == incident::Change{"c1", "config", "", "", "x", noon});
  CHECK(journal.changes(noon + 1ms, 10).empty());
}

TEST_CASE("the past of a model is what was let go since then") {
  const Folder folder;
  Journal journal(folder.file(), {});
  Journal::Write write(journal);
  write.put(action_of("old", decide::Stage::done, noon - 2h), noon, "");
  write.put(action_of("new", decide::Stage::done), noon, "");
  write.put(action_of("held", decide::Stage::held), noon, "");
  decide::Action approved = action_of("approved", decide::Stage::queued);
  approved.decided_by_person = true;
  write.put(approved, noon, "");
  write.commit();
  const auto past = journal.past(
      {.cluster = "", .name_space = "", .workload = "", .model = "m", .version = ""}, noon - 1h);
  REQUIRE(past.size() == 2);
  CHECK(std::count_if(past.begin(), past.end(), [](const auto& one) { return one.automatic; }) ==
        1);
  CHECK(
      journal
          .past({.cluster = "", .name_space = "", .workload = "", .model = "other", .version = ""},
                noon - 1h)
          .empty());
  CHECK(journal.held_actions().size() == 1);
}

TEST_CASE(
    "past its bytes the oldest that ended goes, and what the policy counts or is open stays") {
  const Folder folder;
  Journal journal(folder.file(), {.bytes_max = 1 << 20});
  const auto put = [&journal](int from, int to) {
    Journal::Write write(journal);
    for (int i = from; i < to; ++i) {
      const std::string number = std::to_string(1'000 + i);
      incident::Incident incident = incident_of("r" + number, false, noon + i * 1s);
      incident.summary = std::string(1'000, 'x');
      write.put(incident);
      decide::Action told = action_of("t" + number, decide::Stage::done, noon + i * 1s);
      told.kind = decide::Kind::notify;
      told.incident = incident.id;
      write.put(told, noon, "done");
    }
    write.commit();
  };
  {
    Journal::Write write(journal);
    write.put(incident_of("i1", true, noon - 48h));
    write.put(action_of("of-open", decide::Stage::done, noon - 48h), noon, "done");
    decide::Action counted = action_of("counted", decide::Stage::done, noon - 48h);
    counted.incident = "gone";
    write.put(counted, noon, "done");
    decide::Action old = action_of("old", decide::Stage::done, noon - 24h * 8);
    old.incident = "gone";
    write.put(old, noon, "done");
    write.commit();
  }
  put(0, 50);
  CHECK(!journal.is_over());
  CHECK(journal.prune(noon)[2].all() == 0);
  put(50, 800);
  REQUIRE(journal.is_over());
  const auto dropped = journal.prune(noon + 1h)[static_cast<std::size_t>(Journal::Why::bytes)];
  CHECK(dropped.incidents > 200);
  CHECK(dropped.actions > 200);
  CHECK(!journal.is_over());
  CHECK(journal.incident("i1"));
  CHECK(journal.action("of-open"));
  CHECK(journal.action("counted"));
  CHECK(!journal.action("old"));
  CHECK(journal.events_of("t1000").empty());
  // In order: what is left is newer than what went.
  CHECK(!journal.incident("r1000"));
  CHECK(journal.incident("r1799"));
}

TEST_CASE("an action of an open incident is not dropped, as it would be done again") {
  const Folder folder;
  Journal journal(folder.file(), {.actions_max = 1, .age_max = 24h});
  Journal::Write write(journal);
  write.put(incident_of("i1", true, noon - 48h));
  write.put(incident_of("i2", false, noon - 1h));
  for (const char* id : {"a", "b"})
    write.put(action_of(id, decide::Stage::done, noon - 48h), noon, "done");
  decide::Action other = action_of("c", decide::Stage::done, noon - 48h);
  other.incident = "i2";
  write.put(other, noon, "done");
  write.commit();
  const auto dropped = journal.prune(noon);
  CHECK(dropped[static_cast<std::size_t>(Journal::Why::age)].actions == 1);
  CHECK(journal.action("a"));
  CHECK(journal.action("b"));
  CHECK(!journal.action("c"));
}

TEST_CASE("limits drop what ended longest ago and keep what is open or under way") {
  const Folder folder;
  Journal journal(folder.file(), {.incidents_max = 2,
                                  .actions_max = 2,
                                  .changes_max = 2,
                                  .events_per_action_max = 3,
                                  .age_max = 24h});
  {
    Journal::Write write(journal);
    write.put(incident_of("open", true, noon - 48h));
    for (int i = 0; i < 5; ++i) {
      const std::string number = std::to_string(i);
      write.put(incident_of("r" + number, false, noon + i * 1s));
      write.put(action_of("d" + number, decide::Stage::done, noon + i * 1s), noon, "done");
      write.put(incident::Change{"c" + number, "config", "", "", "", noon + i * 1s});
    }
    write.put(incident_of("ancient", false, noon - 48h));
    for (int i = 0; i < 9; ++i) {
      write.put(action_of("active", decide::Stage::queued, noon - 48h), noon,
                "event " + std::to_string(i));
    }
    write.commit();
  }
  journal.prune(noon + 10s);
  CHECK(journal.incidents(true, 10).size() == 1);
  const auto resolved = journal.incidents(false, 10);
  REQUIRE(resolved.size() == 2);
  CHECK(resolved[0].id == "r4");
  CHECK(journal.actions(10).size() == 3);
  CHECK(journal.action("active"));
  CHECK(journal.events_of("d0").empty());
  const auto events = journal.events_of("active");
  REQUIRE(events.size() == 3);
  CHECK(events.back().text == "event 8");
  CHECK(journal.changes(Time{}, 10).size() == 2);
}

TEST_CASE("a second agent on the same journal is refused, as it would send everything twice") {
  const Folder folder;
  Journal journal(folder.file(), {});
  const pid_t child = fork();
  if (child == 0) {
    int status = 1;
    try {
      Journal second(folder.file(), {});
    } catch (const JournalError&) {
      status = 42;
    }
    _exit(status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 42);
}

TEST_CASE("a file that is no journal is refused by name") {
  const Folder folder;
  std::filesystem::create_directories(folder.own.path() / "deep");
  std::ofstream(folder.file()) << std::string(8192, 'x');
  CHECK_THROWS_WITH(Journal(folder.file(), {}), Catch::Contains("agent.db"));
}

TEST_CASE(
    "after kill -9 in the middle of writing every commit that returned is there, and none is "
    "torn") {
  const Folder folder;
  std::filesystem::create_directories(folder.own.path());
  for (int round = 0; round < 3; ++round) {
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
      Journal journal(folder.file(), {});
      for (int i = 0;; ++i) {
        const std::string number = std::to_string(round) + "-" + std::to_string(i);
        Journal::Write write(journal);
        write.put(incident_of("i" + number, true));
        write.put(action_of("a" + number, decide::Stage::queued), noon, "queued");
        write.commit();
        if (::write(pipe_ends[1], &i, sizeof i) != sizeof i) _exit(1);
      }
    }
    close(pipe_ends[1]);
    int committed = -1;
    while (committed < 20 + 17 * round &&
           read(pipe_ends[0], &committed, sizeof committed) == sizeof committed) {
    }
    kill(child, SIGKILL);
    while (read(pipe_ends[0], &committed, sizeof committed) == sizeof committed) {
    }
    close(pipe_ends[0]);
    waitpid(child, nullptr, 0);
    Journal journal(folder.file(), {});
    std::size_t incidents = 0, actions = 0;
    for (int i = 0; i <= committed + 1; ++i) {
      const std::string number = std::to_string(round) + "-" + std::to_string(i);
      const bool has_incident = journal.incident("i" + number).has_value();
      CHECK(has_incident == journal.action("a" + number).has_value());
      incidents += has_incident;
      actions += journal.action("a" + number).has_value();
    }
    CHECK(incidents >= static_cast<std::size_t>(committed + 1));
    CHECK(actions == incidents);
  }
}

TEST_CASE("what was done is remembered by where the model runs") {
  const Folder folder;
  Journal journal(folder.file(), {});
  {
    Journal::Write write(journal);
    for (const std::string cluster : {"eu", "us", ""}) {
      decide::Action action = action_of("a-" + cluster, decide::Stage::done);
      action.cluster = cluster;
      action.name_space = "shop";
      write.put(action, noon, "");
    }
    write.commit();
  }
  const auto count = [&](const std::string& cluster, const std::string& name_space) {
    return journal
        .past({.cluster = cluster,
               .name_space = name_space,
               .workload = "w",
               .model = "m",
               .version = "v2"},
              noon - 1s)
        .size();
  };
  CHECK(count("eu", "shop") == 2);  // Its own, and the one of a cluster that is not known.
  CHECK(count("", "shop") == 3);
  CHECK(count("eu", "bank") == 0);
  const auto past = journal.past(
      {.cluster = "us", .name_space = "shop", .workload = "", .model = "m", .version = ""},
      noon - 1s);
  REQUIRE(past.size() == 2);
  CHECK(past.front().kind == decide::Kind::retrain);
  CHECK(past.front().at == noon);
}

namespace {

// A journal as the agent wrote it that knew a model by its name alone.
void write_old_journal(const std::string& file) {
  std::filesystem::create_directories(std::filesystem::path(file).parent_path());
  incident::Incident incident = incident_of("i1", true);
  incident.model = "m";
  incident.labels = {{"alertname", "A"}, {"cluster", "eu"}, {"job", "w"}, {"model_name", "m"}};
  wire::Json incident_json = to_json(incident);
  for (const char* key : {"cluster", "namespace", "workload", "owner"}) incident_json.erase(key);
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  std::string sql = R"(
CREATE TABLE incidents (
  id TEXT PRIMARY KEY, open INTEGER NOT NULL, opened_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE actions (
  id TEXT PRIMARY KEY, incident TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL,
  stage TEXT NOT NULL, created_ms INTEGER NOT NULL, queued_ms INTEGER, by_person INTEGER NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
  number INTEGER PRIMARY KEY, action TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE changes (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version=1;
)";
  const std::string ms = std::to_string(to_unix_ms(noon));
  sql += "INSERT INTO incidents VALUES ('i1',1," + ms + "," + ms + ",'" +
         wire::to_text(incident_json) + "');";
  for (const std::string of : {"i1", "gone"}) {
    decide::Action action = action_of("retrain-" + of, decide::Stage::queued);
    action.incident = of;
    wire::Json json = decide::to_json(action);
    for (const char* key : {"version", "cluster", "namespace", "workload", "owner"})
      json.erase(key);
    sql += "INSERT INTO actions VALUES ('retrain-" + of + "','" + of + "','m','retrain','queued'," +
           ms + "," + ms + ",0,'" + wire::to_text(json) + "');";
  }
  char* error = nullptr;
  const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error);
  INFO((error ? error : ""));
  REQUIRE(code == SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace

TEST_CASE("an older agent's journal is read: its actions are of where their incidents were") {
  const Folder folder;
  write_old_journal(folder.file());
  const Journal journal(folder.file(), {});
  CHECK(journal.active_actions().size() == 2);
  REQUIRE(journal.incident("i1"));
  CHECK(journal.incident("i1")->identity() ==
        incident::Identity{
            .cluster = "eu", .name_space = "", .workload = "w", .model = "m", .version = ""});
  const auto count = [&](const std::string& cluster, const std::string& workload) {
    return journal
        .past({.cluster = cluster,
               .name_space = "shop",
               .workload = workload,
               .model = "m",
               .version = "v1"},
              noon - 1s)
        .size();
  };
  CHECK(count("eu", "w") == 2);
  // Of the action whose incident is gone only the model's name is known: it counts for each of that
  // name.
  CHECK(count("us", "w") == 1);
  CHECK(count("eu", "other") == 1);
}

TEST_CASE("an agent of before can go on with the journal, and what it adds is learnt again") {
  const Folder folder;
  {
    Journal journal(folder.file(), {});
    Journal::Write write(journal);
    incident::Incident incident = incident_of("i1", true);
    incident.labels = {{"alertname", "A"}, {"cluster", "eu"}, {"model_name", "m"}};
    incident.model = "m";
    incident.cluster = "eu";
    write.put(incident);
    write.put(action_of("a1", decide::Stage::done), noon, "");
    write.commit();
  }
  // Its very statement: nine values, in the order of the columns that it knows.
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(folder.file().c_str(), &database) == SQLITE_OK);
  const std::string ms = std::to_string(to_unix_ms(noon));
  CHECK(sqlite3_exec(database,
                     ("INSERT INTO actions VALUES ('a2','i1','m','retrain','done'," + ms + "," +
                      ms + ",0,'{}')")
                         .c_str(),
                     nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
  const Journal journal(folder.file(), {});
  CHECK(journal
            .past({.cluster = "eu", .name_space = "", .workload = "", .model = "m", .version = ""},
                  noon - 1s)
            .size() == 2);
  CHECK(journal
            .past({.cluster = "us", .name_space = "", .workload = "", .model = "m", .version = ""},
                  noon - 1s)
            .size() == 1);
}

TEST_CASE("ended incidents are found by model or workload, those of an older agent too") {
  const Folder folder;
  const auto ended = [](const std::string& id, const std::string& model,
                        const std::string& workload, Time at) {
    incident::Incident made = incident_of(id, false, at);
    made.resolved_at = at + 1min;
    made.model = model;
    made.workload = workload;
    return made;
  };
  const auto found = [](const Journal& journal, const std::string& model,
                        const std::string& workload) {
    std::vector<std::string> ids;
    for (const auto& one : journal.ended_like({"", "", workload, model, ""}, 2))
      ids.push_back(one.id);
    return ids;
  };
  using Ids = std::vector<std::string>;
  {
    Journal journal(folder.file(), {});
    Journal::Write write(journal);
    for (int hour = 1; hour <= 3; ++hour)
      write.put(ended("h" + std::to_string(hour), "house", "", noon - hour * 1h));
    write.put(ended("w", "", "shop", noon));
    incident::Incident merged = ended("merged", "house", "", noon);
    merged.merged_into = "h1";
    write.put(merged);
    incident::Incident open = ended("h4", "house", "", noon);
    open.open = true;
    write.put(open);
    write.commit();
    CHECK(found(journal, "house", "") == Ids{"h1", "h2"});
    CHECK(found(journal, "", "shop") == Ids{"w"});
    CHECK(found(journal, "", "").empty());
    Journal::Write reopened(journal);
    incident::Incident again = ended("h1", "house", "", noon - 1h);
    again.open = true;
    reopened.put(again);
    reopened.commit();
    CHECK(found(journal, "house", "") == Ids{"h2", "h3"});
  }
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(folder.file().c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, "DROP TABLE cases", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
  const Journal journal(folder.file(), {});
  CHECK(found(journal, "house", "") == Ids{"h2", "h3"});
}

TEST_CASE("tickets that are followed are there again, and what changed is told once") {
  const Folder folder;
  {
    Journal journal(folder.file(), {});
    journal.keep_ticket("i1 github 7", "first");
    journal.keep_ticket("i1 github 7", "second");
    journal.keep_ticket("i2 jira OPS-1", "other");
    journal.keep_ticket("i2 jira OPS-1", "");
    Journal::Write write(journal);
    write.put(incident_of("i2", true));
    write.put(action_of("a1", decide::Stage::queued), noon, "queued");
    write.commit();
    CHECK(journal.take_changed() == std::set<std::string>{"i1", "i2"});
    CHECK(journal.take_changed().empty());
  }
  const Journal journal(folder.file(), {});
  CHECK(journal.kept_tickets() == std::vector<std::string>{"second"});
}
