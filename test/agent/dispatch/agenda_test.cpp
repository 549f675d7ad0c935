// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/agenda.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace std::chrono_literals;

namespace {

const Time noon{1'700'000'000s};

std::vector<std::string> taken(Agenda& agenda, Time now, std::size_t count = 10) {
  std::vector<std::string> ids;
  for (const Agenda::Due& due : agenda.take(now, count)) ids.push_back(due.incident);
  return ids;
}
using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("what has changed comes up once, the oldest first, and before all that only waits") {
  Agenda agenda;
  agenda.wait("w", noon - 1h, noon);
  agenda.changed("b", noon + 2s, noon + 3s);
  agenda.changed("a", noon + 1s, noon + 4s);
  agenda.changed("b", noon + 2s, noon + 5s);
  const auto due = agenda.take(noon + 6s, 10);
  REQUIRE(due.size() == 3);
  CHECK(due[0].incident == "a");
  CHECK(due[1].incident == "b");
  CHECK(due[1].changed_at == noon + 3s);  // It has waited since it changed first.
  CHECK(due[2].incident == "w");
  CHECK(!due[2].changed_at);
  CHECK(taken(agenda, noon + 1h).empty());
}

TEST_CASE("what waits comes up in its time, or when it is hurried, or changes") {
  Agenda agenda;
  agenda.wait("old", noon - 2h, noon + 10s);
  agenda.wait("young", noon - 1h, noon + 5s);
  CHECK(!agenda.has_due(noon + 4s));
  CHECK(taken(agenda, noon + 4s).empty());
  CHECK(agenda.has_due(noon + 5s));
  CHECK(taken(agenda, noon + 5s) == Ids{"young"});
  agenda.wait("young", noon - 1h, noon + 1h);
  agenda.hurry();
  CHECK(taken(agenda, noon + 5s) == Ids{"old", "young"});
  agenda.wait("old", noon - 2h, noon + 1h);
  agenda.changed("old", noon - 2h, noon);
  // It was decided by what was known before the change.
  agenda.wait("old", noon - 2h, std::nullopt);
  CHECK(taken(agenda, noon) == Ids{"old"});
  agenda.wait("old", noon - 2h, noon + 1h);
  agenda.wait("old", noon - 2h, std::nullopt);
  CHECK(taken(agenda, noon + 2h).empty());
}

TEST_CASE("an event brings up what waits for it, and nothing else") {
  Agenda agenda;
  agenda.wait("a", noon, noon + 1h, {"end x"});
  agenda.wait("b", noon + 1s, noon + 1h, {"end x", "end y"});
  agenda.wait("c", noon + 2s, noon + 1h, {"end y"});
  agenda.wait("d", noon + 3s, noon + 1h);
  CHECK(agenda.waiting_for("end x") == 2);
  agenda.hurry("end z");
  CHECK(!agenda.has_due(noon));
  agenda.hurry("end x");
  CHECK(taken(agenda, noon) == Ids{"a", "b"});
  agenda.hurry("end x");
  CHECK(!agenda.has_due(noon));
  CHECK(agenda.waiting_for("end x") == 0);
  // Decided anew it may wait for another.
  agenda.wait("c", noon + 2s, noon + 1h, {"end x"});
  agenda.hurry("end y");
  CHECK(!agenda.has_due(noon));
}

TEST_CASE("what waits for an event alone comes up by no time, and leaves with its incident") {
  Agenda agenda;
  agenda.wait("a", noon, std::nullopt, {"end x"});
  agenda.wait("b", noon + 1s, std::nullopt, {"end x"});
  CHECK(!agenda.has_due(noon + 8'760h));
  agenda.ended("b");
  agenda.hurry("end x");
  CHECK(taken(agenda, noon) == Ids{"a"});
  agenda.wait("a", noon, std::nullopt, {"end x"});
  agenda.hurry();
  CHECK(taken(agenda, noon) == Ids{"a"});
}

TEST_CASE("a round is bounded, and those that wait have their part of it") {
  Agenda agenda;
  for (int i = 0; i < 5; ++i) {
    agenda.changed("c" + std::to_string(i), noon + i * 1s, noon);
    agenda.wait("w" + std::to_string(i), noon + i * 1s, noon);
  }
  CHECK(taken(agenda, noon, 2) == Ids{"c0", "c1", "w0", "w1"});
  CHECK(taken(agenda, noon, 4) == Ids{"c2", "c3", "c4", "w2", "w3", "w4"});
  CHECK(!agenda.has_due(noon));
}

TEST_CASE("an incident that ended is told once") {
  Agenda agenda;
  agenda.ended("a");
  agenda.ended("a");
  CHECK(agenda.take_ended() == std::set<std::string>{"a"});
  CHECK(agenda.take_ended().empty());
}
