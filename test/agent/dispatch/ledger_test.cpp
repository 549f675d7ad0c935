// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/ledger.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace std::chrono_literals;
using decide::Stage;

namespace {

const Time noon{1'700'000'000s};

decide::Action let_go(const std::string& id, Time at, double pods = 0, bool by_person = false) {
  decide::Action action;
  action.id = id;
  action.kind = decide::Kind::scale;
  action.owner = "homes";
  action.stage = Stage::queued;
  action.queued_at = at;
  action.plan.pods = pods;
  action.decided_by_person = by_person;
  return action;
}
decide::Situation since(Ledger& ledger, Time at) {
  decide::Situation situation;
  ledger.add_releases(at + 1h, 1h, situation);
  return situation;
}

}  // namespace

TEST_CASE("what was let go counts for an hour, each action once, people's apart") {
  Ledger ledger;
  ledger.note(let_go("a", noon, 3));
  ledger.note(let_go("a", noon, 3));
  ledger.note(let_go("b", noon + 1min, 2, true));
  const auto both = since(ledger, noon - 1min);
  CHECK(both.automatic_last_hour == 1);
  CHECK(both.pods_last_hour.at("homes") == 5);
  CHECK(both.hour_eases_at == noon + 1h);
  const auto one = since(ledger, noon);
  CHECK(one.automatic_last_hour == 0);
  CHECK(one.pods_last_hour.at("homes") == 2);
  CHECK(one.hour_eases_at == noon + 1min + 1h);
  CHECK(since(ledger, noon + 1h).pods_last_hour.empty());
  CHECK(!since(ledger, noon + 1h).hour_eases_at);
}

TEST_CASE("what was held again was not let go, and what tells people never counts") {
  Ledger ledger;
  auto action = let_go("a", noon);
  ledger.note(action);
  action.stage = Stage::held;
  action.queued_at.reset();
  ledger.note(action);
  auto ticket = let_go("t", noon);
  ticket.kind = decide::Kind::ticket;
  ledger.note(ticket);
  CHECK(since(ledger, noon - 1h).automatic_last_hour == 0);
}

TEST_CASE("those that wait for a person are counted while they do") {
  Ledger ledger;
  decide::Action action = let_go("a", noon);
  action.stage = Stage::held;
  action.needs_approval = true;
  ledger.note(action);
  ledger.note(action);
  CHECK(ledger.awaiting() == 1);
  action.stage = Stage::queued;
  action.needs_approval = false;
  ledger.note(action);
  CHECK(ledger.awaiting() == 0);
}
