// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/exchange.h"

#include <cstring>
#include <functional>
#include <memory>
#include <random>

#include "test/sidecar/proxy/scripted_codec.h"
#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Stage = Exchange::Stage;
using Words = std::vector<std::string>;
using tap::Outcome;
using tap::UpstreamFailure;

constexpr milliseconds two_ticks = 2 * TimerWheel::tick;

// ---- Ends ----

struct Ending {
  const char* name;
  std::function<void(Scripted&)> lead;
  const char* counted;  // Outcome and code; "": not counted.
  Words told_client;
  int captured_status;  // -1: not captured.
  bool counts_overhead = false;
};

const std::vector<Ending>& endings() {
  static const std::vector<Ending> all = {
      {"finished",
       [](Scripted& s) { s.reach(Stage::responding), s.exchange.finish(); },
       "success 200",
       {},
       200,
       true},
      {"finished with 404",
       [](Scripted& s) { s.reach(Stage::waiting), s.respond(404), s.exchange.finish(); },
       "client_error 404",
       {},
       404,
       true},
      {"finished with 503",
       [](Scripted& s) { s.reach(Stage::waiting), s.respond(503), s.exchange.finish(); },
       "server_error 503",
       {},
       503,
       true},
      {"finished with 302",
       [](Scripted& s) { s.reach(Stage::waiting), s.respond(302), s.exchange.finish(); },
       "success 302",
       {},
       302,
       true},
      {"withdrawn before its head",
       [](Scripted& s) { s.exchange.begin(), s.exchange.withdraw(); },
       "",
       {},
       -1},
      {"withdrawn when it was being captured",
       [](Scripted& s) { s.begin(), s.exchange.withdraw(); },
       "",
       {},
       -1},
      {"refused in its head",
       [](Scripted& s) {
         s.exchange.begin(), s.exchange.refuse({400, "bad_host", "x"});
       },
       "rejected 400",
       {"refused 400 bad_host"},
       -1},
      {"refused in its body",
       [](Scripted& s) {
         s.reach(Stage::waiting), s.exchange.refuse({413, "body_too_large", "x"});
       },
       "rejected 413",
       {"refused 413 body_too_large"},
       -1},
      {"refused while it was answered",
       [](Scripted& s) { s.reach(Stage::responding), s.exchange.abort(Outcome::rejected); },
       "rejected 200",
       {"aborted"},
       -1},
      {"found the queue full",
       [](Scripted& s) { s.begin(), s.exchange.on_attempt(found_queue_full); },
       "rejected 503",
       {"refused 503 queue_full"},
       -1},
      {"refused a connection at once",
       [](Scripted& s) { s.begin(), s.exchange.on_attempt(refused_at_once); },
       "unreachable 503",
       {"failed 503 upstream_unreachable"},
       0},
      {"refused a connection later",
       [](Scripted& s) { s.reach(Stage::connecting), s.exchange.on_connect_failed("refused"); },
       "unreachable 503",
       {"failed 503 upstream_unreachable"},
       0},
      {"lost by a reset before the answer",
       [](Scripted& s) {
         s.reach(Stage::waiting), s.exchange.on_upstream_lost(UpstreamFailure::reset);
       },
       "unreachable 502",
       {"failed 502 upstream_reset"},
       0},
      {"lost by a close before the answer",
       [](Scripted& s) {
         s.reach(Stage::waiting), s.exchange.on_upstream_lost(UpstreamFailure::closed);
       },
       "unreachable 502",
       {"failed 502 upstream_closed"},
       0},
      {"lost within the answer",
       [](Scripted& s) {
         s.reach(Stage::responding), s.exchange.on_upstream_lost(UpstreamFailure::closed);
       },
       "unreachable 200",
       {"aborted"},
       200},
      {"answered with no HTTP",
       [](Scripted& s) { s.reach(Stage::waiting), s.exchange.on_invalid_response("x"); },
       "server_error 502",
       {"failed 502 upstream_invalid_response"},
       0},
      {"answered with a body that turns bad",
       [](Scripted& s) { s.reach(Stage::responding), s.exchange.on_invalid_response("x"); },
       "server_error 200",
       {"aborted"},
       200},
      {"cancelled while it waited in the queue",
       [](Scripted& s) { s.reach(Stage::queued), s.exchange.cancel(); },
       "cancelled 0",
       {"aborted"},
       0},
      {"cancelled while it connected",
       [](Scripted& s) { s.reach(Stage::connecting), s.exchange.cancel(); },
       "cancelled 0",
       {"aborted"},
       0},
      {"cancelled before the answer",
       [](Scripted& s) { s.reach(Stage::waiting), s.exchange.cancel(); },
       "cancelled 0",
       {"aborted"},
       0},
      {"cancelled within the answer",
       [](Scripted& s) { s.reach(Stage::responding), s.exchange.cancel(); },
       "cancelled 200",
       {"aborted"},
       200},
      {"a tunnel",
       [](Scripted& s) { s.reach(Stage::waiting), s.exchange.switch_protocols(); },
       "success 101",
       {},
       -1},
      {"closed in its head",
       [](Scripted& s) { s.reach(Stage::head), s.exchange.close(); },
       "",
       {},
       -1},
      {"closed in the queue",
       [](Scripted& s) { s.reach(Stage::queued), s.exchange.close(); },
       "cancelled 0",
       {},
       0},
      {"closed within the answer",
       [](Scripted& s) { s.reach(Stage::responding), s.exchange.close(); },
       "cancelled 200",
       {},
       200},
  };
  return all;
}

TEST_CASE("each way to end is counted once, captured at most once, and told to whom it concerns") {
  for (const Ending& ending : endings()) {
    CAPTURE(ending.name);
    ScriptedThread thread;
    Scripted test(thread);
    ending.lead(test);
    const bool is_counted = *ending.counted != '\0';
    for (int i = 0; i < 2; ++i) {  // And stays so, whatever comes too late.
      CHECK(thread.in_flight() == 0);
      CHECK(thread.requests_counted() == (is_counted ? 1 : 0));
      if (is_counted) CHECK(thread.requests()[ending.counted] == 1);
      CHECK(test.client.told == ending.told_client);
      CHECK(thread.context.counters.overhead.sum_nanoseconds.get() == 0);  // The clock stood still.
      CHECK(thread.context.counters.overhead.buckets[0].get() == (ending.counts_overhead ? 1 : 0));
      CHECK(thread.context.counters.capture_bytes.get() == 0);
      const std::string counted = ending.counted;
      if (counted.starts_with("cancelled") || counted.starts_with("rejected") || !is_counted)
        CHECK(thread.failures() == 0);
      CHECK_FALSE(test.exchange.has_begun());
      CHECK(test.client.advances == 0);
      thread.pass(std::chrono::hours(1));
      test.exchange.close();
      test.exchange.withdraw();
    }
    const auto captured = thread.captured();
    REQUIRE(captured.size() == (ending.captured_status < 0 ? 0 : 1));
    if (!captured.empty()) {
      CHECK(captured[0].status == ending.captured_status);
      CHECK_THAT(ending.counted, Catch::StartsWith(std::string(to_string(captured[0].outcome))));
    }
  }
}

TEST_CASE("a tunnel is an exchange that is skipped, and a request that is refused is none") {
  for (const auto& [refuse, seen] : {std::pair{false, 1}, std::pair{true, 0}}) {
    ScriptedThread thread;
    Scripted test(thread);
    test.reach(Stage::waiting);
    refuse ? test.exchange.refuse({400, "x", "x"}) : test.exchange.switch_protocols();
    const tap::ExchangeCounts counts = count_exchanges(thread.file);
    CHECK(counts.seen == static_cast<std::uint64_t>(seen));
    CHECK(counts.skipped[static_cast<std::size_t>(tap::SkipReason::not_matched)] ==
          static_cast<std::uint64_t>(seen));
  }
}

TEST_CASE("whatever ends an exchange by force gives up its upstream") {
  for (const Stage stage : {Stage::queued, Stage::connecting, Stage::waiting, Stage::responding}) {
    for (const bool is_close : {false, true}) {
      CAPTURE(static_cast<int>(stage), is_close);
      ScriptedThread thread;
      Scripted test(thread);
      test.reach(stage);
      CHECK(test.upstream.told.empty());
      is_close ? test.exchange.close() : test.exchange.cancel();
      CHECK(test.upstream.told == Words{"abandon"});
    }
  }
}

// ---- Capture ----

TEST_CASE("what is captured is what had passed when the exchange ended") {
  struct Case {
    Stage stage;
    const char *response_head, *response_body;
  };
  for (const Case& c :
       {Case{Stage::queued, "", ""}, Case{Stage::connecting, "", ""}, Case{Stage::waiting, "", ""},
        Case{Stage::responding, "response head\r\n", "answer"}}) {
    CAPTURE(static_cast<int>(c.stage));
    ScriptedThread thread;
    Scripted test(thread);
    test.reach(c.stage);
    thread.pass(milliseconds(250));
    test.exchange.cancel();
    const auto captured = thread.captured();
    REQUIRE(captured.size() == 1);
    CHECK(captured[0].request_head == "request head\r\n");
    CHECK(captured[0].request_body == "body");
    CHECK(captured[0].response_head == c.response_head);
    CHECK(captured[0].response_body == c.response_body);
    CHECK(captured[0].duration == milliseconds(250));
    CHECK(captured[0].id == test.exchange.prediction_id());
  }
}

TEST_CASE("content that came before the response turned out invalid is captured with status 0") {
  ScriptedThread thread;
  Scripted test(thread);
  test.reach(Stage::waiting);
  test.exchange.capture_response("response head\r\n", "", "");
  test.exchange.capture_response_body("so far");
  test.exchange.on_invalid_response("x");
  const auto captured = thread.captured();
  REQUIRE(captured.size() == 1);
  CHECK(captured[0].response_body == "so far");
  CHECK(captured[0].status == 0);
}

TEST_CASE("a body that comes in pieces, while the response does too, is captured whole") {
  ScriptedThread thread;
  Scripted test(thread);
  test.begin(false, "one ", false);
  test.exchange.on_attempt(sent_on_fresh);
  test.respond(200, "eins ");
  for (const auto& [request, response] : {std::pair{"two ", "zwei "}, std::pair{"three", "drei"}}) {
    test.exchange.capture_request_body(request);
    test.exchange.on_request_bytes(std::strlen(request));
    test.exchange.capture_response_body(response);
    test.exchange.on_response_bytes(std::strlen(response));
  }
  test.exchange.end_request();
  test.exchange.finish();
  const auto captured = thread.captured();
  REQUIRE(captured.size() == 1);
  CHECK(captured[0].request_body == "one two three");
  CHECK(captured[0].response_body == "eins zwei drei");
  CHECK(thread.context.counters.request_bytes.get() == 13);
  CHECK(thread.context.counters.response_bytes.get() == 14);
}

TEST_CASE("the caller's key decides what is sampled, and without one the prediction id does") {
  ScriptedThread thread;
  const tap::CompiledCapture capture = *tap::compile({.sample_rate = .5});
  thread.file.capture_settings().publish(capture);
  Scripted test(thread);
  for (int i = 0; i < 200; ++i) {
    const std::string key = i % 2 == 0 ? "" : "key-" + std::to_string(i);
    test.exchange.begin();
    test.exchange.name_request("/predict", "");
    test.exchange.capture_request(
        {.method = "POST", .path = "/predict", .sampling_key = key, .raw_head = "head"});
    test.exchange.on_attempt(sent_on_fresh);
    test.respond();
    test.exchange.finish();
    const bool wanted =
        is_sampled(capture, key.empty() ? test.exchange.prediction_id() : std::string_view(key));
    REQUIRE(thread.captured().size() == (wanted ? 1 : 0));
  }
  const std::uint64_t skipped =
      count_exchanges(thread.file).skipped[static_cast<std::size_t>(tap::SkipReason::sampled_out)];
  CHECK(skipped > 50);
  CHECK(skipped < 150);
}

TEST_CASE(
    "overhead is what passes until the request is sent, and from the response to when it is passed "
    "on") {
  ScriptedThread thread;
  Scripted test(thread);
  test.begin();
  thread.clock.time += std::chrono::microseconds(30);
  test.exchange.on_attempt(sent_on_fresh);
  thread.pass(seconds(5));  // The upstream's own.
  thread.clock.time += std::chrono::microseconds(400);
  test.respond();
  thread.pass(seconds(1));
  test.exchange.finish();
  CHECK(thread.context.counters.overhead.sum_nanoseconds.get() == 430'000);
}

// ---- Models ----

TEST_CASE("the path's model goes before a field's, and the response's field before the request's") {
  struct Case {
    const char *path, *request_field, *response_field, *model;
  };
  for (const Case& c :
       {Case{"/v1/models/house:predict", "field", "other", "house"},
        Case{"/predict", "field", "", "field"}, Case{"/predict", "field", "answered", "answered"},
        Case{"/predict", "", "answered", "answered"}, Case{"/predict", "", "", "unknown"}}) {
    CAPTURE(c.path, c.request_field, c.response_field);
    ScriptedThread thread;
    Scripted test(thread);
    test.exchange.begin();
    test.exchange.name_request(c.path, c.request_field);
    test.exchange.on_attempt(sent_on_fresh);
    test.exchange.capture_response("", c.response_field, "");
    test.exchange.begin_response(200, 0);
    test.exchange.finish();
    CHECK(thread.requests(c.model)["success 200"] == 1);
  }
}

// ---- Attempts ----

TEST_CASE("each address of the upstream is tried once") {
  for (const std::size_t addresses : {1, 2, 5}) {
    ScriptedThread thread;
    Scripted test(thread);
    test.upstream.addresses = addresses;
    test.reach(Stage::connecting);
    while (test.exchange.has_begun()) test.exchange.on_connect_failed("refused");
    Words told(addresses - 1, "connect");
    told.emplace_back("abandon");
    CHECK(test.upstream.told == told);
    CHECK(test.client.told == Words{"failed 503 upstream_unreachable"});
    CHECK(test.client.retry_after_seconds == 1);
  }
}

TEST_CASE("an address that answers after others failed serves the request") {
  ScriptedThread thread;
  Scripted test(thread);
  test.upstream.addresses = 2;
  test.reach(Stage::connecting);
  test.exchange.on_connect_failed("refused");
  CHECK(test.exchange.stage() == Stage::connecting);
  test.exchange.on_connected();
  test.respond();
  test.exchange.finish();
  CHECK(thread.requests()["success 200"] == 1);
}

TEST_CASE("a request that found the queue full at its second address is refused") {
  ScriptedThread thread;
  Scripted test(thread);
  test.upstream.addresses = 2;
  test.upstream.next = {found_queue_full};
  test.reach(Stage::connecting);
  test.exchange.on_connect_failed("refused");
  CHECK(test.client.told == Words{"refused 503 queue_full"});
}

TEST_CASE(
    "only a safe request without a body, on a reused connection that said nothing, is sent again") {
  for (int i = 0; i < 32; ++i) {
    const bool is_safe = i & 1, has_body = i & 2, has_ended = i & 4, is_reused = i & 8,
               said_something = i & 16;
    CAPTURE(is_safe, has_body, has_ended, is_reused, said_something);
    ScriptedThread thread;
    Scripted test(thread);
    test.begin(is_safe, has_body ? "body" : "", has_ended);
    const bool keeps_copy = is_safe && !has_body && has_ended;
    CHECK(test.exchange.may_be_resent() == keeps_copy);
    test.exchange.on_attempt(is_reused ? sent_on_reused : sent_on_fresh);
    if (said_something) test.exchange.on_upstream_bytes();
    test.exchange.on_upstream_lost(UpstreamFailure::closed);
    const bool is_retried = keeps_copy && is_reused && !said_something;
    CHECK(thread.context.counters.upstream_retries.get() == (is_retried ? 1 : 0));
    CHECK(test.upstream.told == Words{is_retried ? "resend" : "abandon"});
    CHECK(test.client.told == (is_retried ? Words{} : Words{"failed 502 upstream_closed"}));
  }
}

TEST_CASE(
    "a request is sent again only once, and a connection that had to be made is no reused one") {
  ScriptedThread thread;
  Scripted test(thread);
  test.begin(true, "");
  test.exchange.on_attempt(sent_on_reused);
  test.exchange.on_upstream_lost(UpstreamFailure::reset);
  CHECK(test.exchange.stage() == Stage::connecting);
  CHECK(thread.requests_counted() == 0);
  test.exchange.on_connected();
  test.exchange.on_upstream_lost(UpstreamFailure::reset);
  CHECK(test.upstream.told == Words{"resend", "abandon"});
  CHECK(test.client.told == Words{"failed 502 upstream_reset"});
  CHECK(thread.requests()["unreachable 502"] == 1);
}

TEST_CASE("a request that waited for its connection is not sent again") {
  for (const Attempt& first : {is_queued, is_connecting}) {
    ScriptedThread thread;
    Scripted test(thread);
    test.begin(true, "");
    test.exchange.on_attempt(first);
    if (test.exchange.stage() == Stage::queued) test.exchange.on_attempt(is_connecting);
    test.exchange.on_connected();
    test.exchange.on_upstream_lost(UpstreamFailure::closed);
    CHECK(test.client.told == Words{"failed 502 upstream_closed"});
  }
}

TEST_CASE("a retry that finds no connection waits in the queue, or fails as any request does") {
  ScriptedThread thread;
  Scripted test(thread);
  test.begin(true, "");
  test.upstream.next = {is_queued};
  test.exchange.on_attempt(sent_on_reused);
  test.exchange.on_upstream_lost(UpstreamFailure::closed);
  CHECK(test.exchange.stage() == Stage::queued);
  thread.pass(thread.settings.queue_timeout + two_ticks);
  CHECK(test.client.told == Words{"refused 503 queue_timeout"});
  CHECK(thread.requests_counted() == 1);
}

TEST_CASE("sixteen interim responses pass, a seventeenth fails the exchange") {
  ScriptedThread thread;
  Scripted test(thread);
  test.reach(Stage::waiting);
  for (int i = 0; i < 16; ++i) REQUIRE(test.exchange.on_interim_response());
  CHECK_FALSE(test.exchange.on_interim_response());
  CHECK(test.client.told == Words{"failed 502 upstream_invalid_response"});
}

// ---- Deadlines ----

struct Deadline {
  const char* name;
  std::function<void(Scripted&)> lead;
  Duration Settings::*limit;
  Words told_client;
  const char* counted;
  UpstreamFailure failure = UpstreamFailure::unreachable;  // That it counts as; unreachable: none.
};

TEST_CASE("who is waited for decides how long, and what it is called when it was too long") {
  const std::vector<Deadline> deadlines = {
      {"the head",
       [](Scripted& s) { s.exchange.begin(); },
       &Settings::head_timeout,
       {"refused 408 client_timeout"},
       "rejected 408"},
      {"the queue",
       [](Scripted& s) { s.reach(Stage::queued); },
       &Settings::queue_timeout,
       {"refused 503 queue_timeout"},
       "rejected 503"},
      {"the connection",
       [](Scripted& s) { s.reach(Stage::connecting); },
       &Settings::connect_timeout,
       {"failed 503 upstream_connect_timeout"},
       "unreachable 503",
       UpstreamFailure::connect_timeout},
      {"the answer",
       [](Scripted& s) { s.reach(Stage::waiting); },
       &Settings::response_timeout,
       {"failed 504 upstream_timeout"},
       "timeout 504",
       UpstreamFailure::timeout},
      {"the request's body",
       [](Scripted& s) { s.begin(false, "half", false), s.exchange.on_attempt(sent_on_fresh); },
       &Settings::body_timeout,
       {"refused 408 client_timeout"},
       "rejected 408"},
      {"the upstream's reading of the body",
       [](Scripted& s) {
         s.begin(false, "half", false);
         s.upstream.unsent = true;
         s.exchange.on_attempt(sent_on_fresh);
       },
       &Settings::response_timeout,
       {"failed 504 upstream_timeout"},
       "timeout 504",
       UpstreamFailure::timeout},
      {"the response's body",
       [](Scripted& s) { s.reach(Stage::responding); },
       &Settings::stream_timeout,
       {"aborted"},
       "timeout 200",
       UpstreamFailure::truncated},
      {"the client's reading",
       [](Scripted& s) {
         s.reach(Stage::waiting);
         s.client.unsent = true;
         s.respond();
       },
       &Settings::write_timeout,
       {"aborted"},
       "cancelled 200"},
  };
  for (const Deadline& deadline : deadlines) {
    CAPTURE(deadline.name);
    ScriptedThread thread;
    Scripted test(thread);
    deadline.lead(test);
    thread.pass(thread.settings.*deadline.limit - milliseconds(1));
    CHECK(test.client.told.empty());
    CHECK(test.client.advances == 0);
    CHECK(thread.in_flight() == 1);
    thread.pass(two_ticks);
    CHECK(test.client.told == deadline.told_client);
    CHECK(test.client.advances == 1);
    CHECK(thread.requests()[deadline.counted] == 1);
    CHECK(thread.requests_counted() == 1);
    CHECK(thread.in_flight() == 0);
    if (deadline.failure != UpstreamFailure::unreachable)
      CHECK(thread.failures(deadline.failure) == 1);
  }
}

TEST_CASE("a connection that took too long is given up before the exchange is") {
  ScriptedThread thread;
  Scripted test(thread);
  test.reach(Stage::connecting);
  thread.pass(thread.settings.connect_timeout + two_ticks);
  CHECK(test.upstream.told == Words{"stop connecting", "abandon"});
}

TEST_CASE("a stream that goes on has no deadline, one that falls silent has its timeout") {
  ScriptedThread thread;
  Scripted test(thread);
  test.reach(Stage::responding);
  for (int i = 0; i < 100; ++i) {
    thread.pass(thread.settings.stream_timeout - seconds(1));
    test.exchange.on_response_bytes(1);
  }
  CHECK(test.client.told.empty());
  thread.pass(thread.settings.stream_timeout + two_ticks);
  CHECK(test.client.told == Words{"aborted"});
}

TEST_CASE("a body that drips is refused however steadily it does, one at the rate is not") {
  for (const auto& [bytes, is_refused] : {std::pair{1, true}, std::pair{1500, false}}) {
    ScriptedThread thread;
    Scripted test(thread);
    test.begin(false, "", false);
    test.exchange.on_attempt(sent_on_fresh);
    for (int i = 0; i < 20 && test.client.told.empty(); ++i) {
      thread.pass(seconds(15));
      if (test.exchange.has_begun())
        test.exchange.on_request_bytes(static_cast<std::size_t>(bytes));
    }
    CHECK(test.client.told == (is_refused ? Words{"refused 408 client_timeout"} : Words{}));
  }
}

TEST_CASE("a client that once lagged and has read on is no longer what is waited for") {
  ScriptedThread thread;
  Scripted test(thread);
  test.reach(Stage::waiting);
  test.client.unsent = true;
  test.respond();
  thread.pass(thread.settings.write_timeout - seconds(1));
  test.client.unsent = false;
  test.exchange.on_progress(6);
  thread.pass(thread.settings.stream_timeout - seconds(1));
  CHECK(test.client.told.empty());
}

// ---- One after the other, and many at a time ----

TEST_CASE("nothing of an exchange is left in the next one on its connection") {
  ScriptedThread thread;
  Scripted test(thread);
  test.begin(true, "");
  const std::string first_id(test.exchange.prediction_id());
  test.exchange.on_attempt(sent_on_reused);
  for (int i = 0; i < 16; ++i) test.exchange.on_interim_response();
  test.respond(500);
  test.exchange.finish();
  thread.pass(thread.settings.response_timeout -
              seconds(1));  // The first one's deadline comes within the next.

  test.exchange.begin();
  CHECK(test.exchange.prediction_id().empty());
  CHECK(test.exchange.status() == 0);
  CHECK_FALSE(test.exchange.request_ended());
  test.exchange.withdraw();
  test.begin(false, "body");
  CHECK(test.exchange.prediction_id() != first_id);
  CHECK_FALSE(test.exchange.may_be_resent());
  test.exchange.on_attempt(sent_on_reused);
  thread.pass(seconds(2));
  CHECK(test.client.told.empty());
  CHECK(test.exchange.on_interim_response());
  test.respond();
  test.exchange.finish();
  CHECK(thread.requests() ==
        std::map<std::string, std::uint64_t>{{"server_error 500", 1}, {"success 200", 1}});
}

TEST_CASE("time that an exchange has waited is not taken off the next one") {
  ScriptedThread thread;
  Scripted test(thread);
  for (int i = 0; i < 5; ++i) {
    test.reach(Stage::waiting);
    thread.pass(thread.settings.response_timeout - seconds(1));
    REQUIRE(test.client.told.empty());
    test.respond();
    test.exchange.finish();
    test.reach(Stage::waiting);  // Ends as it waits for the same that the next one does.
    thread.pass(thread.settings.response_timeout - seconds(1));
    REQUIRE(test.client.told.empty());
    test.exchange.switch_protocols();
  }
}

TEST_CASE("exchanges of one connection that go on at the same time do not know of one another") {
  ScriptedThread thread;
  Scripted first(thread), second(thread), third(thread);
  first.reach(Stage::waiting);
  second.reach(Stage::responding);
  third.begin(false, "late ", false);
  third.exchange.on_attempt(sent_on_fresh);
  CHECK(thread.in_flight() == 3);
  first.exchange.cancel();  // As a reset of its stream alone.
  thread.pass(thread.settings.body_timeout + two_ticks);
  CHECK(third.client.told == Words{"refused 408 client_timeout"});
  CHECK(second.client.told.empty());
  second.exchange.finish();
  CHECK(thread.in_flight() == 0);
  CHECK(thread.requests() == std::map<std::string, std::uint64_t>{
                                 {"cancelled 0", 1}, {"rejected 408", 1}, {"success 200", 1}});
  const auto captured = thread.captured();
  REQUIRE(captured.size() == 2);
  CHECK(captured[0].outcome == Outcome::cancelled);
  CHECK(captured[1].response_body == "answer");
  CHECK(captured[0].id != captured[1].id);
}

// What a codec may do next, by the exchange's stage; chance decides.
void do_something(Scripted& test, std::mt19937& random) {
  Exchange& exchange = test.exchange;
  const auto choice = random() % 12;
  if (choice == 0) return exchange.cancel();
  if (choice == 1) return exchange.close();
  switch (exchange.stage()) {
    case Stage::idle:
      return;
    case Stage::head:
      if (choice == 2) return exchange.withdraw();
      if (choice == 3) return exchange.refuse({400, "x", "x"});
      exchange.name_request("/v1/models/house:predict", "");
      exchange.capture_request({.method = "GET", .path = "/", .raw_head = "head", .is_safe = true});
      exchange.end_request();
      [[fallthrough]];
    case Stage::queued: {
      static const Attempt attempts[] = {sent_on_fresh, sent_on_reused,   sent_on_reused,
                                         is_connecting, found_queue_full, refused_at_once};
      return exchange.on_attempt(choice == 4 ? is_queued : attempts[random() % 6]);
    }
    case Stage::connecting:
      return choice < 5 ? exchange.on_connect_failed("refused") : exchange.on_connected();
    case Stage::waiting:
      if (choice == 2) return exchange.on_upstream_lost(UpstreamFailure::reset);
      if (choice == 3) return exchange.on_invalid_response("x");
      if (choice == 4) return exchange.switch_protocols();
      if (choice == 5) return static_cast<void>(exchange.on_interim_response());
      return test.respond(choice == 6 ? 500 : 200);
    case Stage::responding:
      if (choice == 2) return exchange.on_upstream_lost(UpstreamFailure::closed);
      if (choice == 3) return exchange.abort(Outcome::rejected);
      if (choice < 8) return exchange.on_response_bytes(10);
      return exchange.finish();
  }
}

TEST_CASE("whatever happens in whatever order, all that began is in flight or counted once") {
  Settings settings;
  settings.tap_bytes_max = 16 << 20;
  ScriptedThread thread(settings);
  std::mt19937 random(14);
  std::vector<std::unique_ptr<Scripted>> tests;
  for (int i = 0; i < 20; ++i) {
    tests.push_back(std::make_unique<Scripted>(thread));
    tests.back()->upstream.addresses = 2;
  }
  std::uint64_t begun = 0, not_counted = 0, captured = 0;
  for (int i = 0; i < 20'000; ++i) {
    Scripted& test = *tests[random() % tests.size()];
    if (!test.exchange.has_begun()) {
      test.exchange.begin();
      ++begun;
    } else {
      const std::uint64_t counted = thread.requests_counted();
      const bool was_head = test.exchange.stage() == Stage::head;
      do_something(test, random);
      const bool is_over = !test.exchange.has_begun();
      // Only what is withdrawn, or closed, before its head is complete is counted nowhere.
      if (is_over && thread.requests_counted() == counted) {
        REQUIRE(was_head);
        ++not_counted;
      }
    }
    if (random() % 10 == 0) thread.pass(milliseconds(random() % 40'000));
    std::uint64_t in_flight = 0;
    for (const auto& t : tests) in_flight += t->exchange.has_begun();
    REQUIRE(thread.in_flight() == in_flight);
    REQUIRE(begun == in_flight + thread.requests_counted() + not_counted);
    captured += thread.captured().size();
  }
  tests.clear();
  std::uint64_t rejected = 0;
  for (const auto& [word, count] : thread.requests())
    if (word.starts_with("rejected")) rejected += count;
  const tap::ExchangeCounts counts = count_exchanges(thread.file);
  CHECK(rejected > 100);
  CHECK(captured > 1000);
  CHECK(counts.analysed == captured);
  CHECK(counts.seen <= thread.requests_counted() - rejected);
  CHECK(thread.context.counters.upstream_retries.get() > 20);
  CHECK(thread.context.counters.capture_bytes.get() == 0);
}

}  // namespace
}  // namespace outrider::proxy
