// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/component_scores.h"

#include "test/support/catch.h"

using namespace outrider::diagnose;

namespace {
constexpr std::size_t shop = 0, cart = 1, store = 2;

// shop -> cart -> store
struct Chain {
  std::vector<GroupExcess> groups = std::vector<GroupExcess>(3);
  CallGraph graph{{{cart}, {store}, {}}, {{}, {shop}, {cart}}};
  std::vector<bool> reports_errors = std::vector<bool>(3, true);
  std::vector<ComponentScore> scores() const {
    return component_scores(groups, graph, reports_errors);
  }
};
}  // namespace

TEST_CASE("inclusive latency counts by what callees do not explain, own time counts whole") {
  Chain chain;
  chain.groups[shop][Group::latency] = 2;
  chain.groups[cart][Group::latency] = 2.5;
  chain.groups[store][Group::latency] = 0.5;
  CHECK(chain.scores()[shop].latency == 0);
  CHECK(chain.scores()[cart].latency == 2);
  chain.groups[shop][Group::self] = 1;
  CHECK(chain.scores()[shop].latency == 1);
}

TEST_CASE("a network delay is blamed on the callee, and explains its callers' latency") {
  Chain chain;
  chain.groups[cart][Group::wire] = 3;
  chain.groups[shop][Group::latency] = 2;
  CHECK(chain.scores()[cart].wire == 3);
  CHECK(chain.scores()[shop].sum() == 0);
}

TEST_CASE("callers fail because their callees do, and log lines of failures count as errors") {
  Chain chain;
  chain.groups[shop][Group::errors] = 2;
  chain.groups[cart].more_lines = 3;
  CHECK(chain.scores()[shop].errors == 0);
  CHECK(chain.scores()[cart].errors == 3);
}

TEST_CASE("failures above callees that report none are shared among all that could have them") {
  Chain chain;
  chain.groups[shop][Group::errors] = 2;
  chain.reports_errors[cart] = false;
  CHECK(chain.scores()[shop].errors == 1);
  CHECK(chain.scores()[cart].errors == 1);
  CHECK(chain.scores()[store].errors == 0);
}

TEST_CASE("a component is silent because its callers no longer ask") {
  Chain chain;
  chain.groups[shop][Group::calls] = 1.5;
  chain.groups[cart].fewer_lines = 1;
  CHECK(chain.scores()[shop].path == 1.5);
  CHECK(chain.scores()[cart].path == 0);
}

TEST_CASE(
    "a component that asks its callees less is not blamed where one of those is slow or fails") {
  Chain chain;
  chain.groups[cart][Group::calls] = 2;
  CHECK(chain.scores()[cart].path == 2);
  chain.groups[store][Group::wire] = 3;
  CHECK(chain.scores()[cart].path == 0);
}

TEST_CASE("groups add up") {
  Chain chain;
  chain.groups[store][Group::cpu] = 1;
  chain.groups[store][Group::memory] = 0.5;
  chain.groups[store][Group::self] = 2;
  CHECK(chain.scores()[store].sum() == 3.5);
}
