// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/capture.h"

#include "test/sidecar/tap/tap_support.h"
#include "test/support/catch.h"

namespace outrider::tap {
namespace {

struct Tapped {
  explicit Tapped(std::size_t capture_bytes = 1 << 20, std::size_t ring_bytes = 1 << 20)
      : file(std::move(*MemoryFile::create({.lanes = 1, .ring_bytes = ring_bytes}))),
        tap(file, 0, capture_bytes, true) {}

  void publish(const CaptureSettings& settings) {
    file.capture_settings().publish(*compile(settings));
  }
  std::uint64_t dropped(DropReason reason) {
    return count_exchanges(file).dropped[static_cast<std::size_t>(reason)];
  }
  std::uint64_t skipped(SkipReason reason) {
    return count_exchanges(file).skipped[static_cast<std::size_t>(reason)];
  }

  MemoryFile file;
  Tap tap;
};

void pass(Tapped& tapped, std::string_view request_body, std::string_view response_body) {
  Capture capture(tapped.tap);
  capture.begin("POST", "/predict", "key");
  capture.request_head("POST /predict HTTP/1.1\r\n\r\n");
  capture.request_body(request_body);
  capture.response_head("HTTP/1.1 200 OK\r\n\r\n");
  capture.response_body(response_body);
  capture.finish({});
}

TEST_CASE("an exchange is captured whole, however its pieces come and interleave") {
  Tapped tapped;
  const std::string request(10'000, 'q'), response(9'000, 'r');
  Capture capture(tapped.tap);
  capture.begin("POST", "/predict", "key");
  capture.request_head("HEAD1");
  for (std::size_t at = 0; at < request.size(); at += 100)
    capture.request_body(std::string_view(request).substr(at, 100));
  capture.response_head("HEAD2");
  capture.response_body(std::string_view(response).substr(0, 5000));
  capture.response_body(std::string_view(response).substr(5000));
  PredictionId id;
  id.fill('7');
  capture.finish({id, from_unix_ms(5), Duration(9), 201, Outcome::success});
  RingSource source(tapped.file);
  const Exchange* got = source.next();
  REQUIRE(got != nullptr);
  CHECK(got->id == id);
  CHECK(got->status == 201);
  CHECK(got->started == from_unix_ms(5));
  CHECK(got->request_head == "HEAD1");
  CHECK(got->request_body == request);
  CHECK(got->response_head == "HEAD2");
  CHECK(got->response_body == response);
}

TEST_CASE("a body past its cap drops the exchange as too large") {
  Tapped tapped;
  tapped.publish({.request_body_bytes_max = 10, .response_body_bytes_max = 20});
  pass(tapped, std::string(10, 'x'), std::string(20, 'y'));
  CHECK(count_exchanges(tapped.file).waiting == 1);
  pass(tapped, std::string(11, 'x'), "");
  pass(tapped, "", std::string(21, 'y'));
  CHECK(tapped.dropped(DropReason::too_large) == 2);
  CHECK(count_exchanges(tapped.file).waiting == 1);
}

TEST_CASE("an exchange that no ring could hold is too large whatever the caps say") {
  Tapped tapped(1 << 20, 8192);
  tapped.publish({.request_body_bytes_max = 1 << 30});
  pass(tapped, std::string(5000, 'x'), "");
  CHECK(tapped.dropped(DropReason::too_large) == 1);
}

TEST_CASE("what the capture budget cannot hold is dropped, and the budget is free again") {
  Tapped tapped(16 << 10);
  pass(tapped, std::string(40'000, 'x'), "");
  CHECK(tapped.dropped(DropReason::capture_full) == 1);
  pass(tapped, "small", "small");
  CHECK(count_exchanges(tapped.file).waiting == 1);
}

TEST_CASE("what is held for captures is shown while they last and is nothing afterwards") {
  Tapped tapped;
  const auto shown = [&] { return tapped.file.lane(0).counters.capture_bytes.get(); };
  for (const bool is_refused : {false, true}) {
    Capture capture(tapped.tap);
    capture.begin("POST", "/predict", "key");
    capture.request_body(std::string(10'000, 'q'));
    CHECK(shown() >= 10'000);
    is_refused ? capture.abandon() : capture.finish({});
    CHECK(shown() == 0);
  }
}

TEST_CASE("a full ring drops and never waits") {
  Tapped tapped(1 << 20, 8192);
  for (int i = 0; i < 100; ++i) pass(tapped, std::string(200, 'x'), "");
  const ExchangeCounts counts = count_exchanges(tapped.file);
  CHECK(counts.waiting + counts.dropped[static_cast<std::size_t>(DropReason::ring_full)] == 100);
  CHECK(counts.waiting > 5);
}

TEST_CASE("what is not matched or not sampled is skipped, and settings change between exchanges") {
  Tapped tapped;
  tapped.publish({.paths = {"/other"}});
  pass(tapped, "", "");
  CHECK(tapped.skipped(SkipReason::not_matched) == 1);
  tapped.publish({.sample_rate = 0});
  pass(tapped, "", "");
  CHECK(tapped.skipped(SkipReason::sampled_out) == 1);
  tapped.publish({});
  pass(tapped, "", "");
  CHECK(count_exchanges(tapped.file).waiting == 1);
}

TEST_CASE("a request that the proxy refused half-way is no exchange") {
  Tapped tapped;
  {
    Capture capture(tapped.tap);
    capture.begin("POST", "/predict", "key");
    capture.request_head("HEAD");
    capture.abandon();
    capture.finish({});
    capture.begin("POST", "/predict", "key");
    capture.request_head("HEAD");
  }
  const ExchangeCounts counts = count_exchanges(tapped.file);
  CHECK(counts.seen + counts.waiting == 0);
}

TEST_CASE("a tunnel is an exchange that is skipped") {
  Tapped tapped;
  Capture capture(tapped.tap);
  capture.begin("GET", "/ws", "key");
  capture.request_head("HEAD");
  capture.skip(SkipReason::not_matched);
  capture.finish({});
  CHECK(tapped.skipped(SkipReason::not_matched) == 1);
}

TEST_CASE("a tap that is off captures and counts nothing") {
  auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 8192});
  Tap off(*file, 0, 1 << 20, false);
  Capture capture(off);
  capture.begin("GET", "/", "");
  capture.request_head("HEAD");
  capture.finish({});
  const ExchangeCounts counts = count_exchanges(*file);
  CHECK(counts.seen + counts.waiting == 0);
}

}  // namespace
}  // namespace outrider::tap
