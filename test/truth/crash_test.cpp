// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>
#include <sstream>

#include "test/support/catch.h"

#include "test/truth/log_fixture.h"

extern char** environ;

namespace outrider::truth::test {
namespace {

struct Told {
  std::set<std::string> acknowledged;
  std::map<std::string, double> sent;
  std::uint64_t accepted = 0;
};

// Runs the child, kills it `after` its first word (or, at latest, when it has said enough), and
// gives what it said.
std::string run_and_kill(const std::string& folder, std::uint64_t serial, int after_ms) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  std::string first = std::to_string(serial), name = OUTRIDER_CRASH_CHILD, path = folder;
  char* arguments[] = {name.data(), path.data(), first.data(), nullptr};
  pid_t child = 0;
  REQUIRE(::posix_spawn(&child, name.c_str(), &actions, nullptr, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);

  std::string said;
  char piece[65536];
  const auto read_some = [&](int wait_ms) {
    pollfd readable{ends[0], POLLIN, 0};
    if (::poll(&readable, 1, wait_ms) <= 0) return false;
    const ssize_t got = ::read(ends[0], piece, sizeof piece);
    if (got <= 0) return false;
    said.append(piece, static_cast<std::size_t>(got));
    return true;
  };
  read_some(20'000);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(after_ms);
  while (std::chrono::steady_clock::now() < end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    read_some(static_cast<int>(left.count()) + 1);
  }
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));  // It never ends by itself, unless something is wrong.
  while (read_some(0)) {
  }
  ::close(ends[0]);
  return said;
}

void listen_to(const std::string& said, Told& told) {
  std::istringstream lines(said.substr(0, said.rfind('\n') + 1));
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind, id;
    double truth = 0;
    words >> kind >> id >> truth;
    if (kind == "a") told.acknowledged.insert(id);
    if (kind == "s") told.sent[id] = truth;
    if (kind == "p") told.accepted = std::stoull(id);
  }
}

TEST_CASE("after a kill -9 at any moment every acknowledged label is joined exactly once") {
  LogFixture f;
  f.settings.bytes_max = 256 << 20;
  const SystemClock clock;  // As the child has it.
  Told told;
  std::mt19937 random(11);
  std::uint64_t lost = 0, accepted_at_least = 0;
  constexpr int kills = 60;
  for (int round = 0; round < kills; ++round) {
    told.accepted = 0;
    const std::string said =
        run_and_kill(f.settings.folder.string(), 1'000'000ull * static_cast<std::uint64_t>(round),
                     static_cast<int>(random() % 60));
    listen_to(said, told);
    accepted_at_least += told.accepted;

    // Every few rounds look; in the others the child itself recovers.
    if (round % 3 != 2 && round != kills - 1) continue;
    CountingConsumer consumer;
    auto log = PredictionLog::open(f.settings, consumer, clock);
    if (!log) FAIL(log.error().message);
    std::set<std::string> joined;
    double sum = 0;
    std::uint64_t rows = 0;
    REQUIRE((*log)->for_each_joined({}, [&](const JoinedRow& row) {
      ++rows;
      joined.insert(row.id);
      sum += std::get<double>(row.truth);
      CHECK(row.prediction == row.truth);
      return true;
    }));
    CHECK(joined.size() == rows);
    std::size_t missing = 0, invented = 0;
    for (const std::string& id : told.acknowledged) missing += joined.count(id) == 0;
    for (const std::string& id : joined) invented += told.sent.count(id) == 0;
    CHECK(missing == 0);
    CHECK(invented == 0);
    // The consumer's state is the state after exactly the rows on disk.
    CHECK(consumer.rows() == rows);
    CHECK(consumer.sum() == Approx(sum).epsilon(1e-12));
    // Sent again, they are duplicates, all of them.
    std::vector<GroundTruth> again;
    for (const std::string& id : told.acknowledged) again.push_back(LogFixture::truth(id, 0.0));
    const auto answers = (*log)->join(again);
    REQUIRE(answers);
    std::size_t not_duplicate = 0;
    for (const LabelAnswer& answer : *answers) {
      not_duplicate += answer.result != LabelResult::duplicate;
    }
    CHECK(not_duplicate == 0);
    lost += (*log)->figures().dropped[static_cast<std::size_t>(AppendDrop::crash)];
    // What was joined is not pending; what was accepted is there, or counted as lost.
    CHECK((*log)->figures().pending + rows + lost <= accepted_at_least + 40u * kills);
  }
  CHECK(told.acknowledged.size() > 100);
}

}  // namespace
}  // namespace outrider::truth::test
