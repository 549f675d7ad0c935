// SPDX-License-Identifier: Apache-2.0
#include "agent/act/journal.h"

#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

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
CREATE TABLE IF NOT EXISTS cases (
  incident TEXT PRIMARY KEY, opened_ms INTEGER NOT NULL, model TEXT NOT NULL, workload TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cases_by_model ON cases (model, opened_ms);
CREATE INDEX IF NOT EXISTS cases_by_workload ON cases (workload, opened_ms);
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY, action TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_action ON events (action);
CREATE TABLE IF NOT EXISTS changes (
  id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS changes_by_time ON changes (at_ms);
CREATE INDEX IF NOT EXISTS actions_by_release ON actions (queued_ms);
CREATE TRIGGER IF NOT EXISTS action_goes AFTER DELETE ON actions BEGIN
  DELETE FROM events WHERE action=old.id;
  DELETE FROM places WHERE action=old.id;
END;
CREATE TRIGGER IF NOT EXISTS incident_goes AFTER DELETE ON incidents BEGIN
  DELETE FROM cases WHERE incident=old.id;
END;
CREATE TABLE IF NOT EXISTS words (
  name TEXT PRIMARY KEY, by_whom TEXT NOT NULL, why TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tickets (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
)";

constexpr Duration counted_for = std::chrono::hours(24 * 7);  // By the policy's limits.
constexpr std::int64_t dropped_at_once = 2'000;
constexpr int drops_a_call = 3;
constexpr double kept_part = 0.95;  // Of the bytes that are allowed, where some must go.

// What may be dropped of the actions, whatever the limit.
const std::string done_with =
    "stage='done' AND incident NOT IN (SELECT id FROM incidents WHERE open=1)";

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

  void reset() { sqlite3_reset(statement_); }
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
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
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
    learn_cases();
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

// What has ended, by what it was about: so that earlier incidents are found without reading all.
void Journal::put_case(const incident::Incident& incident) {
  if (incident.open || !incident.merged_into.empty()) {
    Statement(*this, "DELETE FROM cases WHERE incident=?").bind(incident.id).step();
    return;
  }
  Statement(*this,
            "INSERT INTO cases VALUES (?,?,?,?) ON CONFLICT (incident) DO UPDATE SET "
            "opened_ms=excluded.opened_ms, model=excluded.model, workload=excluded.workload")
      .bind(incident.id)
      .bind(to_unix_ms(incident.opened_at))
      .bind(incident.model)
      .bind(incident.workload)
      .step();
}

// Those that an agent wrote which knew no cases.
void Journal::learn_cases() {
  std::vector<incident::Incident> found;
  {
    Statement without(
        *this,
        "SELECT body FROM incidents WHERE open=0 AND id NOT IN (SELECT incident FROM "
        "cases) AND CASE WHEN json_valid(body) THEN json_extract(body, '$.state')='resolved' END");
    found = without.all<incident::Incident>(incident::incident_from_json);
  }
  for (const incident::Incident& incident : found) put_case(incident);
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
  journal_.put_case(incident);
  journal_.changed_.insert(incident.id);
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
  journal_.changed_.insert(action.incident);
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

std::vector<incident::Incident> Journal::ended_like(const incident::Identity& who,
                                                    std::size_t count_max) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "SELECT body FROM incidents JOIN cases ON incident=id WHERE open=0 AND "
                      "((?1 <> '' AND model=?1) OR (?2 <> '' AND workload=?2)) "
                      "ORDER BY cases.opened_ms DESC LIMIT ?3");
  statement.bind(who.model).bind(who.workload).bind(static_cast<std::int64_t>(count_max));
  return statement.all<incident::Incident>(incident::incident_from_json);
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
                      "SELECT body FROM actions WHERE stage NOT IN ('held','done') "
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

std::vector<decide::Action> Journal::released_actions(Time since) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "SELECT body FROM actions WHERE queued_ms > ? AND kind NOT IN "
                      "('ticket','notify')");
  return statement.bind(to_unix_ms(since)).all<decide::Action>(decide::action_from_json);
}

void Journal::set_word(const std::string& name, const std::optional<Word>& word) {
  std::lock_guard lock(mutex_);
  if (!word) {
    Statement(*this, "DELETE FROM words WHERE name=?").bind(name).step();
    return;
  }
  Statement(*this,
            "INSERT INTO words VALUES (?,?,?,?) ON CONFLICT (name) DO UPDATE SET "
            "by_whom=excluded.by_whom, why=excluded.why, at_ms=excluded.at_ms")
      .bind(name)
      .bind(word->by)
      .bind(word->why)
      .bind(to_unix_ms(word->at))
      .step();
}

std::optional<Journal::Word> Journal::word(const std::string& name) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT by_whom, why, at_ms FROM words WHERE name=?");
  statement.bind(name);
  if (!statement.step()) return std::nullopt;
  return Word{
      .by = statement.text(0), .why = statement.text(1), .at = from_unix_ms(statement.number(2))};
}

void Journal::keep_ticket(const std::string& key, const std::string& text) {
  std::lock_guard lock(mutex_);
  if (text.empty()) {
    Statement(*this, "DELETE FROM tickets WHERE key=?").bind(key).step();
    return;
  }
  Statement(*this,
            "INSERT INTO tickets VALUES (?,?) ON CONFLICT (key) DO UPDATE SET body=excluded.body")
      .bind(key)
      .bind(text)
      .step();
}

std::vector<std::string> Journal::kept_tickets() const {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "SELECT body FROM tickets ORDER BY key");
  std::vector<std::string> found;
  while (statement.step()) found.push_back(statement.text(0));
  return found;
}

std::set<std::string> Journal::take_changed() {
  std::lock_guard lock(mutex_);
  return std::exchange(changed_, {});
}

std::vector<decide::Past> Journal::past(const incident::Identity& who, Time since) const {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "SELECT kind, queued_ms, by_person, cluster, namespace, workload, stage, "
                      "coalesce(json_extract(body, '$.life.outcome'), '') FROM actions "
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
    if (statement.text(6) == decide::name(decide::Stage::done))
      one.ended = decide::parse_outcome(statement.text(7));
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

std::array<Journal::Dropped, 3> Journal::prune(Time now) {
  std::lock_guard lock(mutex_);
  std::array<Dropped, 3> dropped{};
  drop_by_age_and_count(now, dropped);
  Dropped& for_bytes = dropped[static_cast<std::size_t>(Why::bytes)];
  bool any_left = true;
  for (int i = 0; i < drops_a_call && any_left && is_over(); ++i)
    any_left = drop_oldest(now, for_bytes);
  if (for_bytes.all() > 0) {
    spdlog::warn(
        "journal {}: over --journal.max-bytes; dropped {} incidents, {} actions and {} changes "
        "that ended longest ago",
        file_, for_bytes.incidents, for_bytes.actions, for_bytes.changes);
  }
  if (!any_left) {
    spdlog::error(
        "journal {}: {} bytes, over --journal.max-bytes, and all of it is open or counted by the "
        "policy's limits: raise it",
        file_, bytes());
  }
  return dropped;
}

std::int64_t Journal::bytes() const {
  std::lock_guard lock(mutex_);
  std::int64_t figures[3] = {};
  const char* const pragmas[3] = {"PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size"};
  for (std::size_t i = 0; i < 3; ++i) {
    Statement statement(*this, pragmas[i]);
    if (statement.step()) figures[i] = statement.number(0);
  }
  return (figures[0] - figures[1]) * figures[2];
}

void Journal::drop_by_age_and_count(Time now, std::array<Dropped, 3>& dropped) {
  const std::int64_t oldest = to_unix_ms(now - limits_.age_max);
  const auto run = [this](const std::string& sql, std::int64_t limit) {
    Statement(*this, sql.c_str()).bind(limit).step();
    return static_cast<std::size_t>(sqlite3_changes(database_));
  };
  execute("BEGIN IMMEDIATE");
  try {
    dropped[0].incidents = run("DELETE FROM incidents WHERE open=0 AND opened_ms < ?", oldest);
    dropped[0].actions =
        run("DELETE FROM actions WHERE " + done_with + " AND created_ms < ?", oldest);
    dropped[0].changes = run("DELETE FROM changes WHERE at_ms < ?", oldest);
    dropped[1].incidents =
        run("DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE open=0 "
            "ORDER BY opened_ms DESC LIMIT -1 OFFSET ?)",
            static_cast<std::int64_t>(limits_.incidents_max));
    dropped[1].actions = run("DELETE FROM actions WHERE id IN (SELECT id FROM actions WHERE " +
                                 done_with + " ORDER BY created_ms DESC LIMIT -1 OFFSET ?)",
                             static_cast<std::int64_t>(limits_.actions_max));
    dropped[1].changes =
        run("DELETE FROM changes WHERE id IN (SELECT id FROM changes ORDER BY at_ms DESC "
            "LIMIT -1 OFFSET ?)",
            static_cast<std::int64_t>(limits_.changes_max));
    execute("COMMIT");
  } catch (...) {
    sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

// Those of all kinds that are older than the others. False: there was nothing to drop.
bool Journal::drop_oldest(Time now, Dropped& dropped) {
  const std::int64_t counted_since = to_unix_ms(now - counted_for);
  const std::string where =
      done_with + " AND (kind IN ('ticket','notify') OR queued_ms IS NULL OR queued_ms < ?1)";
  const std::string all =
      "(SELECT opened_ms AS at FROM incidents WHERE open=0 UNION ALL SELECT created_ms FROM "
      "actions WHERE " +
      where + " UNION ALL SELECT at_ms FROM changes)";
  // As large a part of them as of the bytes; all weigh about the same.
  Statement count(*this, ("SELECT count(*) FROM " + all).c_str());
  const double rows = count.bind(counted_since).step() ? static_cast<double>(count.number(0)) : 0;
  count.reset();
  const auto there = static_cast<double>(bytes());
  const double part = 1 - kept_part * static_cast<double>(limits_.bytes_max) / there;
  const auto wanted = static_cast<std::int64_t>(std::ceil(rows * part));
  std::optional<std::int64_t> until;
  Statement oldest(
      *this, ("SELECT max(at) FROM (SELECT at FROM " + all + " ORDER BY at LIMIT ?2)").c_str());
  oldest.bind(counted_since).bind(std::clamp<std::int64_t>(wanted, 1, dropped_at_once));
  if (oldest.step() && !oldest.is_null(0)) until = oldest.number(0);
  oldest.reset();
  if (!until) return false;
  execute("BEGIN IMMEDIATE");
  try {
    const auto run = [this, &until](const std::string& sql, std::int64_t first) {
      Statement(*this, sql.c_str()).bind(first).bind(*until).step();
      return static_cast<std::size_t>(sqlite3_changes(database_));
    };
    dropped.incidents += run("DELETE FROM incidents WHERE open=?1 AND opened_ms <= ?2", 0);
    dropped.actions +=
        run("DELETE FROM actions WHERE " + where + " AND created_ms <= ?2", counted_since);
    dropped.changes += run("DELETE FROM changes WHERE at_ms >= ?1 AND at_ms <= ?2",
                           std::numeric_limits<std::int64_t>::min());
    execute("COMMIT");
  } catch (...) {
    sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
  return true;
}

}  // namespace outrider::act
