// SPDX-License-Identifier: Apache-2.0
#pragma once

// An Exchange between a client and an upstream that do what the test says and note what they are
// told: no socket, no codec, a clock that moves only when told to.

#include <cerrno>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "sidecar/proxy/exchange.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::proxy {

struct FakeMonotonicClock final : MonotonicClock {
  Monotonic now() const override { return time; }
  Monotonic time = Monotonic{} + std::chrono::hours(1000);
};

struct ScriptedClient final : Exchange::Client {
  void on_refused(const Answer& answer) override { note("refused", answer); }
  void on_failed(const Answer& answer) override { note("failed", answer); }
  void on_aborted() override { told.emplace_back("aborted"); }
  void advance() override { ++advances; }
  bool has_unsent() const override { return unsent; }

  void note(const std::string& word, const Answer& answer) {
    told.push_back(word + " " + std::to_string(answer.status) + " " + std::string(answer.code));
    retry_after_seconds = answer.retry_after_seconds;
  }

  std::vector<std::string> told;
  int retry_after_seconds = 0, advances = 0;
  bool unsent = false;
};

struct ScriptedUpstream final : Exchange::Upstream {
  Attempt connect() override { return attempt("connect"); }
  Attempt resend() override { return attempt("resend"); }
  void stop_connecting() override { told.emplace_back("stop connecting"); }
  void abandon() override { told.emplace_back("abandon"); }
  bool holds_request() const override { return unsent; }
  std::size_t address_count() const override { return addresses; }

  Attempt attempt(const std::string& word) {
    told.push_back(word);
    if (next.empty()) return {.state = Attempt::State::connecting};
    const Attempt attempt = next.front();
    next.pop_front();
    return attempt;
  }

  std::vector<std::string> told;
  std::deque<Attempt> next;  // What connect() and resend() come to; then: connecting.
  std::size_t addresses = 1;
  bool unsent = false;
};

inline constexpr Attempt sent_on_fresh{.state = Attempt::State::sent};
inline constexpr Attempt sent_on_reused{.state = Attempt::State::sent, .is_reused = true};
inline constexpr Attempt is_connecting{.state = Attempt::State::connecting};
inline constexpr Attempt is_queued{.state = Attempt::State::queued};
inline constexpr Attempt found_queue_full{.state = Attempt::State::queue_full};
inline constexpr Attempt refused_at_once{.state = Attempt::State::failed, .error = ECONNREFUSED};

// What the exchanges of one data thread share, and what became of them.
struct ScriptedThread {
  explicit ScriptedThread(const Settings& s = {})
      : settings(s),
        file(std::move(*tap::MemoryFile::create({.ring_bytes = 4 << 20, .models = 8}))),
        context(settings, file, 0, tap::PredictionIdMinter(1, 2), clock) {
    context.begin_turn(wall);
  }

  // Time passes, and a turn begins.
  void pass(Duration duration) {
    clock.time += duration;
    wall += duration;
    context.begin_turn(wall);
    context.timers.advance(clock.time,
                           [](TimerEntry& due) { static_cast<Timer&>(due).target.on_deadline(); });
  }

  // {"success 200": 1, …} of all models, or of one.
  std::map<std::string, std::uint64_t> requests(std::string_view model = "") const {
    std::map<std::string, std::uint64_t> found;
    for (const tap::ModelCounters& counters : file.models(0)) {
      if (!counters.is_taken() || (!model.empty() && counters.name() != model)) continue;
      counters.requests.each([&found](tap::Outcome outcome, int code, std::uint64_t count) {
        found[std::string(to_string(outcome)) + " " + std::to_string(code)] += count;
      });
    }
    return found;
  }
  std::uint64_t requests_counted() const {
    std::uint64_t total = 0;
    for (const auto& [word, count] : requests()) total += count;
    return total;
  }
  std::uint64_t in_flight() const { return context.counters.requests_in_flight.get(); }
  std::uint64_t failures(tap::UpstreamFailure how) const {
    return context.counters.upstream_failures[static_cast<std::size_t>(how)].get();
  }

  std::uint64_t failures() const {  // Of any kind.
    std::uint64_t total = 0;
    for (const tap::Counter& counter : context.counters.upstream_failures) total += counter.get();
    return total;
  }

  struct Captured {
    std::string request_head, request_body, response_head, response_body;
    int status = 0;
    tap::Outcome outcome{};
    Duration duration{};
    std::string id;
  };
  // All that were captured and not asked for before.
  std::vector<Captured> captured() {
    std::vector<Captured> all;
    while (const tap::Exchange* e = source.next()) {
      all.push_back({std::string(e->request_head), std::string(e->request_body),
                     std::string(e->response_head), std::string(e->response_body), e->status,
                     e->outcome, e->duration, std::string(tap::view(e->id))});
      source.dispose(tap::Disposal::analysed());
    }
    return all;
  }

  const Settings settings;
  FakeMonotonicClock clock;
  Time wall{std::chrono::seconds(1'700'000'000)};
  tap::MemoryFile file;
  ExchangeContext context;
  tap::RingSource source{file};
};

// One exchange of it, led to the stage that a test begins at.
struct Scripted {
  explicit Scripted(ScriptedThread& t) : thread(t) {}

  void begin(bool is_safe = false, std::string_view body = "body", bool ended = true,
             std::string_view path = "/v1/models/house:predict") {
    exchange.begin();
    exchange.name_request(path, "");
    exchange.capture_request({.method = is_safe ? "GET" : "POST",
                              .path = path,
                              .raw_head = "request head\r\n",
                              .is_safe = is_safe});
    exchange.capture_request_body(body);
    exchange.on_request_bytes(body.size());
    if (ended) exchange.end_request();
  }
  void respond(int status = 200, std::string_view body = "answer") {
    exchange.on_upstream_bytes();
    exchange.capture_response("response head\r\n", "", "");
    exchange.capture_response_body(body);
    exchange.begin_response(status, body.size());
  }
  void reach(Exchange::Stage stage) {
    if (stage == Exchange::Stage::head) return exchange.begin();
    begin();
    if (stage == Exchange::Stage::queued) return exchange.on_attempt(is_queued);
    if (stage == Exchange::Stage::connecting) return exchange.on_attempt(is_connecting);
    exchange.on_attempt(sent_on_fresh);
    if (stage == Exchange::Stage::responding) respond();
  }

  ScriptedThread& thread;
  ScriptedClient client;
  ScriptedUpstream upstream;
  Exchange exchange{thread.context, client, upstream};
};

}  // namespace outrider::proxy
