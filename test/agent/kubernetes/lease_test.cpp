// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/lease.h"

#include <thread>

#include "agent/kubernetes/lease_holder.h"
#include "base/core/text.h"
#include "test/agent/kubernetes/played_api.h"

namespace outrider::kubernetes::testing {
namespace {

using namespace std::chrono_literals;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

// An API server in a map: one lease, written by compare and swap.
struct Store {
  Json lease;  // Null: none.
  int version = 0;

  bool write(const Json& wanted) {
    const std::string read = text_at(wanted, {"metadata", "resourceVersion"});
    const std::string there =
        lease.is_null() ? "" : text_at(lease, {"metadata", "resourceVersion"});
    if (read != there) return false;
    lease = wanted;
    lease["metadata"]["resourceVersion"] = std::to_string(++version);
    return true;
  }
};

struct Agent {
  Agent(Store& server, const std::string& name) : store(server), state(name, LeaseTimes{}) {}

  // One round, whose write takes `took`.
  bool round(Duration monotonic, bool answered = true) {
    if (store.lease.is_null()) {
      state.see_none();
    } else {
      REQUIRE(state.see(store.lease, monotonic));
    }
    const auto wanted = state.wanted("outrider", "agent", monotonic, noon);
    if (!wanted || !store.write(*wanted)) return false;
    if (answered) REQUIRE(state.won(store.lease, monotonic));
    return true;
  }
  Store& store;
  LeaseState state;
};

TEST_CASE("the first takes the lease, the other waits") {
  Store store;
  Agent a(store, "a"), b(store, "b");
  CHECK(a.round(0s));
  CHECK(a.state.held(0s) == 1);
  CHECK_FALSE(b.round(1s));
  CHECK_FALSE(b.state.held(1s));
  // Renewed, it is the same number.
  CHECK(a.round(3s));
  CHECK(a.state.held(12s) == 1);
}

TEST_CASE("a holder stops to act before another may begin, by nobody's clock but its own") {
  Store store;
  Agent a(store, "a"), b(store, "b");
  a.round(0s);
  b.round(1'000s);  // Of its own clock, which is another.
  CHECK(a.state.held(9s));
  CHECK_FALSE(a.state.held(10s));
  CHECK_FALSE(b.round(1'000s + 14s));
  CHECK(b.round(1'000s + 15s));
  CHECK(b.state.held(1'000s + 15s) == 2);
}

TEST_CASE("who renews late takes nothing that another has") {
  Store store;
  Agent a(store, "a"), b(store, "b");
  a.round(0s);
  b.round(0s);
  CHECK(b.round(20s));
  CHECK_FALSE(a.round(21s));
  CHECK_FALSE(a.state.held(21s));
  CHECK(a.state.seen_holder() == "b");
}

TEST_CASE("two that find it free write once") {
  Store store;
  Agent a(store, "a"), b(store, "b");
  a.state.see_none();
  b.state.see_none();
  const auto of_a = a.state.wanted("outrider", "agent", 0s, noon);
  const auto of_b = b.state.wanted("outrider", "agent", 0s, noon);
  CHECK(store.write(*of_a));
  CHECK_FALSE(store.write(*of_b));
}

TEST_CASE("a write whose answer was not heard gives nothing to act on") {
  Store store;
  Agent a(store, "a");
  CHECK(a.round(0s, false));
  CHECK_FALSE(a.state.held(0s));
  // It is found at the next look, and renewed under the number that was written.
  CHECK(a.round(3s));
  CHECK(a.state.held(3s) == 1);
}

TEST_CASE("a lease that is given back is taken at once, under the next number") {
  Store store;
  Agent a(store, "a"), b(store, "b");
  a.round(0s);
  b.round(0s);
  CHECK(store.write(*a.state.released(noon)));
  CHECK(b.round(1s));
  CHECK(b.state.held(1s) == 2);
}

TEST_CASE("where somebody deletes the lease the numbers go on") {
  Store store;
  Agent a(store, "a");
  a.round(0s);
  store.lease = {};
  store.lease = Json();
  CHECK(a.round(3s));
  CHECK(a.state.held(3s) == 2);
}

TEST_CASE("what is no lease is not understood") {
  LeaseState state("a", {});
  CHECK(state.see(json("{}"), 0s).error().code == "bad_lease");
  CHECK(state
            .won(json(R"({"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": "b"}})"),
                 0s)
            .error()
            .code == "bad_lease");
  CHECK_FALSE(state.held(0s));
}

TEST_CASE("a lease has a namespace and a name") {
  CHECK(parse_lease_name("outrider/agent") ==
        std::pair<std::string, std::string>("outrider", "agent"));
  for (const char* text : {"", "agent", "/agent", "a/", "a/b/c", "A/b", "../x"})
    CHECK(parse_lease_name(text).error().code == "bad_lease_name");
}

// Over HTTP.

const std::string place = "/apis/coordination.k8s.io/v1/namespaces/outrider/leases/agent";

struct Holder {
  Holder(PlayedApi& api, const std::string& name)
      : holder({.client = {.url = api.url()},
                .name_space = "outrider",
                .name = "agent",
                .holder = name,
                .times = {.lasts = 2s, .renew_every = 50ms, .margin = 500ms}},
               clock) {
    holder.start();
  }
  bool becomes(bool held) {
    for (int i = 0; i < 1'000; ++i) {
      if (holder.held().has_value() == held) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  SystemClock clock;
  LeaseHolder holder;
};

TEST_CASE("of two agents one holds the lease, and the other when it ends") {
  PlayedApi api;
  auto a = std::make_unique<Holder>(api, "a");
  REQUIRE(a->becomes(true));
  Holder b(api, "b");
  CHECK(a->holder.held() == 1);
  CHECK_FALSE(b.holder.held());
  a.reset();  // Gives it back.
  REQUIRE(b.becomes(true));
  CHECK(b.holder.held() == 2);
  Client client({.url = api.url()});
  CHECK(b.holder.check(client, 2));
  CHECK(b.holder.check(client, 1).error().code == "lease_lost");
}

TEST_CASE("without an answer of the API server the lease runs out, and nothing is held") {
  PlayedApi api;
  Holder a(api, "a");
  REQUIRE(a.becomes(true));
  const int status = GENERATE(500, 403, 404);
  api.refuse(status);
  CHECK(a.becomes(false));
  api.refuse(0);
  CHECK(a.becomes(true));
}

TEST_CASE("whose lease was taken meanwhile is told before it acts") {
  PlayedApi api;
  Holder a(api, "a");
  REQUIRE(a.becomes(true));
  Json stolen = api.at(place);
  stolen["spec"]["holderIdentity"] = "b";
  stolen["spec"]["leaseTransitions"] = 7;
  stolen["spec"]["leaseDurationSeconds"] = 3'600;
  api.put(place, stolen);
  Client client({.url = api.url()});
  const auto checked = a.holder.check(client, 1);
  REQUIRE_FALSE(checked);
  CHECK_THAT(checked.error().message, Catch::Contains("held by 'b'"));
  CHECK(a.becomes(false));
}

}  // namespace
}  // namespace outrider::kubernetes::testing
