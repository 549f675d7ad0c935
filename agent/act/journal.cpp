// SPDX-License-Identifier: Apache-2.0
#include "agent/act/journal.h"

#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <filesystem>

#include "base/core/text.h"

namespace outrider::act {
namespace {

constexpr int schema_version = 1;

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS incidents (
  id TEXT PRIMARY KEY, open INTEGER NOT NULL, opened_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (open, opened_ms);
CREATE TABLE IF NOT EXISTS actions (
  id TEXT PRIMARY KEY, incident TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL,
  stage TEXT NOT NULL, created_ms INTEGER NOT NULL, queued_ms INTEGER, by_person INTEGER NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS actions_by_time ON actions (created_ms);
CREATE INDEX IF NOT EXISTS actions_by_incident ON actions (incident);
CREATE INDEX IF NOT EXISTS actions_by_model ON actions (model, queued_ms);
CREATE INDEX IF NOT EXISTS actions_by_stage ON actions (stage);
CREATE TABLE IF NOT EXISTS places (
  action TEXT PRIMARY KEY, cluster TEXT NOT NULL, namespace TEXT NOT NULL, workload TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY, action TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_action ON events (action);
CREATE TABLE IF NOT EXISTS changes (
  id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS changes_by_time ON changes (at_ms);
)";

[[noreturn]] void fail_with(const std::string& file, sqlite3* database) {
  throw JournalError("journal " + file + ": " +
                     (database ? sqlite3_errmsg(database) : "out of memory"));
}

}  // namespace

// One prepared statement, run once.
class Journal::Statement {
 public:
  Statement(const Journal& journal, const char* sql) : journal_(journal) {
    if (sqlite3_prepare_v2(journal.database_, sql, -1, &statement_, nullptr) != SQLITE_OK) {
      fail_with(journal.file_, journal.database_);
    }
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text) {
    sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(std::int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  Statement& bind(const std::optional<Time>& time) {
    if (time) return bind(to_unix_ms(*time));
    sqlite3_bind_null(statement_, ++bound_);
    return *this;
  }

  bool step() {  // True: a row.
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) fail_with(journal_.file_, journal_.database_);
    return false;
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes ? std::string(bytes,
                               static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
                 : std::string();
  }
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

  // Every row's column 0, read as JSON of T. A row that this version cannot read is left out,
  // loudly.
  template <class T, class Read>
  std::vector<T> all(Read read) {
    std::vector<T> found;
    while (step()) {
      const auto json = wire::parse_json(text(0));
      auto value = json ? read(*json) : Result<T>(fail(json));
      if (value) {
        found.push_back(std::move(*value));
      } else {
        spdlog::error("journal {}: a row cannot be read and is left out: {}", journal_.file_,
                      value.error().message);
      }
    }
    return found;
  }

 private:
  const Journal& journal_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

Journal::Journal(const std::string& file, Limits limits) : file_(file), limits_(limits) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
  if (error) throw JournalError("journal " + file + ": cannot make its folder: " + error.message());
  try {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(file.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
      fail_with(file, database_);
    }
    sqlite3_busy_timeout(database_, 5'000);
    // One agent a journal: a second one would send everything twice.
    execute("PRAGMA locking_mode=EXCLUSIVE");
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=FULL");
    std::int64_t found = 0;
    {
      Statement version(*this, "PRAGMA user_version");
      if (version.step()) found = version.number(0);
    }
    if (found > schema_version) {
      throw JournalError("journal " + file + ": written by a newer agent (schema " +
                         std::to_string(found) + "); use that one, or another --data.dir");
    }
    execute("BEGIN IMMEDIATE");
    execute(schema);
    execute(("PRAGMA user_version=" + std::to_string(schema_version)).c_str());
    learn_places();
    execute("COMMIT");
  } catch (...) {
    sqlite3_close_v2(database_);
    throw;
  }
}

void Journal::put_place(const std::string& action, const incident::Identity& who) {
  Statement(*this,
            "INSERT INTO places VALUES (?,?,?,?) ON CONFLICT (action) DO UPDATE SET "
            "cluster=excluded.cluster, namespace=excluded.namespace, workload=excluded.workload")
      .bind(action)
      .bind(who.cluster)
      .bind(who.name_space)
      .bind(who.workload)
      .step();
}

// Actions that an older agent wrote have no place; the labels of their incidents do. Of one whose
// incident is gone nothing is known but the model's name, which then counts for each of that name.
void Journal::learn_places() {
  std::vector<std::pair<std::string, incident::Identity>> found;
  {
    Statement without(*this,
                      "SELECT a.id, i.body FROM actions a LEFT JOIN incidents i ON i.id=a.incident "
                      "WHERE a.id NOT IN (SELECT action FROM places)");
    while (without.step()) {
      const auto json = wire::parse_json(without.text(1));
      const auto incident =
          json ? incident::incident_from_json(*json) : Result<incident::Incident>(fail(json));
      found.emplace_back(without.text(0), incident ? incident->identity() : incident::Identity{});
    }
  }
  for (const auto& [action, who] : found) put_place(action, who);
}

Journal::~Journal() {
  sqlite3_close_v2(database_);
}

void Journal::execute(const char* sql) const {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    fail_with(file_, database_);
}

Journal::Write::Write(Journal& journal) : journal_(journal), lock_(journal.mutex_) {
  journal_.execute("BEGIN IMMEDIATE");
}

Journal::Write::~Write() {
  if (open_) sqlite3_exec(journal_.database_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Journal::Write::put(const incident::Incident& incident) {
  Statement(
      journal_,
      "INSERT INTO incidents VALUES (?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET open=excluded.open, "
      "opened_ms=excluded.opened_ms, updated_ms=excluded.updated_ms, body=excluded.body")
      .bind(incident.id)
      .bind(std::int64_t{incident.open})
      .bind(to_unix_ms(incident.opened_at))
      .bind(to_unix_ms(incident.updated_at))
      .bind(wire::to_text(incident::to_json(incident)))
      .step();
}

void Journal::Write::put(const decide::Action& action, Time now, const std::string& event) {
  Statement(journal_,
            "INSERT INTO actions VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
            "stage=excluded.stage, queued_ms=excluded.queued_ms, by_person=excluded.by_person, "
            "body=excluded.body")
      .bind(action.id)
      .bind(action.incident)
      .bind(action.model)
      .bind(decide::name(action.kind))
      .bind(decide::name(action.stage))
      .bind(to_unix_ms(action.created_at))
      .bind(action.queued_at)
      .bind(std::int64_t{action.decided_by_person})
      .bind(wire::to_text(decide::to_json(action)))
      .step();
  journal_.put_place(action.id, action.identity());
  if (event.empty()) return;
  Statement(journal_, "INSERT INTO events (action, at_ms, text) VALUES (?,?,?)")
      .bind(action.id)
      .bind(to_unix_ms(now))
      .bind(event)
      .step();
  // The latest events are the ones a person wants; the first few tell how it began, and go with
  // them.
  Statement(
      journal_,
      "DELETE FROM events WHERE action=?1 AND number <= (SELECT number FROM events WHERE action=?1 "
      "ORDER BY number DESC LIMIT 1 OFFSET ?2)")
      .bind(action.id)
      .bind(static_cast<std::int64_t>(journal_.limits_.events_per_action_max))
      .step();
}

bool Journal::Write::put(const incident::Change& change) {
  Statement(journal_, "INSERT INTO changes VALUES (?,?,?) ON CONFLICT (id) DO NOTHING")
      .bind(change.id)
      .bind(to_unix_ms(change.at))
      .bind(wire::to_text(incident::to_json(change)))
      .step();
  return sqlite3_changes(journal_.database_) > 0;
}

void Journal::Write::commit() {
  journal_.execute("COMMIT");
  open_ = false;
}

std::vector<incident::Incident> Journal::incidents(bool open, std::size_t count_max) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "SELECT body FROM incidents WHERE open=? ORDER BY opened_ms DESC LIMIT ?");
  statement.bind(std::int64_t{open}).bind(static_cast<std::int64_t>(count_max));
  return statement.all<incident::Incident>(incident::incident_from_json);
}

std::optional<incident::Incident> Journal::incident(const std::string& id) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT body FROM incidents WHERE id=?");
  auto found = statement.bind(id).all<incident::Incident>(incident::incident_from_json);
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::vector<decide::Action> Journal::actions(std::size_t count_max) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT body FROM actions ORDER BY created_ms DESC LIMIT ?");
  return statement.bind(static_cast<std::int64_t>(count_max))
      .all<decide::Action>(decide::action_from_json);
}

std::vector<decide::Action> Journal::actions_of(const std::string& incident) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT body FROM actions WHERE incident=? ORDER BY created_ms");
  return statement.bind(incident).all<decide::Action>(decide::action_from_json);
}

std::vector<decide::Action> Journal::active_actions() const {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "SELECT body FROM actions WHERE stage IN ('queued','sending','watching') "
                      "ORDER BY created_ms");
  return statement.all<decide::Action>(decide::action_from_json);
}

std::vector<decide::Action> Journal::held_actions() const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT body FROM actions WHERE stage='held' ORDER BY created_ms");
  return statement.all<decide::Action>(decide::action_from_json);
}

std::optional<decide::Action> Journal::action(const std::string& id) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT body FROM actions WHERE id=?");
  auto found = statement.bind(id).all<decide::Action>(decide::action_from_json);
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::vector<Journal::Event> Journal::events_of(const std::string& action) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT at_ms, text FROM events WHERE action=? ORDER BY number");
  statement.bind(action);
  std::vector<Event> found;
  while (statement.step()) found.push_back({from_unix_ms(statement.number(0)), statement.text(1)});
  return found;
}

std::vector<decide::Past> Journal::past(const incident::Identity& who, Time since) const {
  std::lock_guard lock(mutex_);
  Statement statement(
      *this,
      "SELECT kind, queued_ms, by_person, cluster, namespace, workload FROM actions "
      "LEFT JOIN places ON action=id WHERE model=? AND queued_ms > ?");
  statement.bind(who.model).bind(to_unix_ms(since));
  std::vector<decide::Past> found;
  while (statement.step()) {
    const auto kind = decide::parse_kind(statement.text(0));
    decide::Past one{.who = {.cluster = statement.text(3),
                             .name_space = statement.text(4),
                             .workload = statement.text(5),
                             .model = who.model,
                             .version = {}},
                     .at = from_unix_ms(statement.number(1)),
                     .automatic = statement.number(2) == 0};
    if (!kind || !may_be_same(one.who, who)) continue;
    one.kind = *kind;
    found.push_back(std::move(one));
  }
  return found;
}

std::vector<incident::Change> Journal::changes(Time since, std::size_t count_max) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "SELECT body FROM changes WHERE at_ms >= ? ORDER BY at_ms DESC LIMIT ?");
  statement.bind(to_unix_ms(since)).bind(static_cast<std::int64_t>(count_max));
  return statement.all<incident::Change>(
      [](const wire::Json& json) { return incident::parse_change(wire::to_text(json), Time{}); });
}

void Journal::prune(Time now) {
  std::lock_guard lock(mutex_);
  execute("BEGIN IMMEDIATE");
  try {
    const std::int64_t oldest = to_unix_ms(now - limits_.age_max);
    Statement(
        *this,
        "DELETE FROM incidents WHERE open=0 AND (opened_ms < ? OR id IN (SELECT id FROM incidents "
        "WHERE open=0 ORDER BY opened_ms DESC LIMIT -1 OFFSET ?))")
        .bind(oldest)
        .bind(static_cast<std::int64_t>(limits_.incidents_max))
        .step();
    Statement(*this,
              "DELETE FROM actions WHERE stage='done' AND (created_ms < ? OR id IN (SELECT id FROM "
              "actions "
              "WHERE stage='done' ORDER BY created_ms DESC LIMIT -1 OFFSET ?))")
        .bind(oldest)
        .bind(static_cast<std::int64_t>(limits_.actions_max))
        .step();
    Statement(*this, "DELETE FROM events WHERE action NOT IN (SELECT id FROM actions)").step();
    Statement(*this, "DELETE FROM places WHERE action NOT IN (SELECT id FROM actions)").step();
    Statement(
        *this,
        "DELETE FROM changes WHERE at_ms < ? OR id IN (SELECT id FROM changes ORDER BY at_ms DESC "
        "LIMIT -1 OFFSET ?)")
        .bind(oldest)
        .bind(static_cast<std::int64_t>(limits_.changes_max))
        .step();
    execute("COMMIT");
  } catch (...) {
    sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

}  // namespace outrider::act
