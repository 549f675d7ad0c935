// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/capture.h"

#include <cstdio>
#include <deque>
#include <string>

#include "sidecar/http1/head.h"
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
  capture.response_body(response_body, {});
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
  capture.response_body(std::string_view(response).substr(0, 5000), Duration(3));
  capture.response_body(std::string_view(response).substr(5000), Duration(7));
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
  CHECK(got->protocol == Protocol::http1);
  CHECK(got->grpc_status == no_grpc_status);
  CHECK(got->response_trailers.empty());
  CHECK(got->response_gap == Gap{});
  REQUIRE(got->marks.size() == 2);
  CHECK(got->marks[0] == ArrivalMark{0, 3});
  CHECK(got->marks[1] == ArrivalMark{5000, 7});
}

TEST_CASE("what came in one turn has one arrival mark") {
  Tapped tapped;
  Capture capture(tapped.tap);
  capture.begin("GET", "/", "key");
  for (const int turn : {1, 1, 1, 2, 2}) capture.response_body("event\n\n", Duration(turn));
  capture.finish({});
  RingSource source(tapped.file);
  const Exchange* got = source.next();
  REQUIRE(got != nullptr);
  REQUIRE(got->marks.size() == 2);
  CHECK(got->marks[1] == ArrivalMark{21, 2});
}

// Event n of a stream: 16 bytes that tell its number.
std::string event(std::size_t n) {
  char text[17];
  std::snprintf(text, sizeof text, "%015zu\n", n);
  return text;
}

TEST_CASE(
    "of a stream of any length the beginning, the end and their times are kept, and the gap is "
    "said") {
  Tapped tapped;
  const auto held = [&] { return tapped.file.lane(0).counters.capture_bytes.get(); };
  for (const std::size_t events : {100U, 8'000U, 8'200U, 100'000U}) {
    Capture capture(tapped.tap);
    capture.begin("POST", "/v1/chat/completions", "key");
    capture.request_head("HEAD1");
    capture.response_head("HEAD2");
    capture.stream_response();
    for (std::size_t n = 0; n < events; ++n)
      capture.response_body(event(n), Duration(static_cast<std::int64_t>(n) + 1));
    capture.trailer("x-end", "there");
    CHECK(held() <= 160 << 10);
    capture.finish({});
    CHECK(held() == 0);
    RingSource source(tapped.file);
    const Exchange* got = source.next();
    REQUIRE(got != nullptr);
    CHECK(got->response_head == "HEAD2");
    CHECK(got->response_trailers == "x-end: there\r\n");
    const std::size_t total = events * 16;
    REQUIRE(got->response_body.size() + got->response_gap.bytes == total);
    CHECK((got->response_gap.bytes == 0) == (total <= 2 * stream_head_bytes - 256));
    std::string expected;
    for (std::size_t n = 0; n < events; ++n) expected += event(n);
    const std::size_t at = got->response_gap.at;
    CHECK(got->response_body.substr(0, at) == std::string_view(expected).substr(0, at));
    const auto tail = got->response_body.substr(at);
    CHECK(tail == std::string_view(expected).substr(total - tail.size()));
    if (got->response_gap.bytes != 0) CHECK(tail.size() >= stream_head_bytes - 4096 - 256);

    CHECK(got->marks.size() <= arrival_marks_max);
    REQUIRE(got->marks.size() + got->marks_gap.bytes == events);
    for (std::size_t i = 0; i < got->marks.size(); ++i) {
      const std::size_t n = i < got->marks_gap.at ? i : i + got->marks_gap.bytes;
      REQUIRE(got->marks[i] == ArrivalMark{n * 16, static_cast<std::int64_t>(n) + 1});
    }
    source.dispose(Disposal::analysed());
  }
}

TEST_CASE("a stream's exchange leaves no trace in the next one of its connection") {
  Tapped tapped;
  tapped.publish({.sample_rate = 0});
  Capture capture(tapped.tap);
  capture.begin("GET", "/", "key");
  capture.stream_response();
  capture.finish({});
  tapped.publish({.response_body_bytes_max = 20});
  capture.begin("GET", "/", "key");
  capture.response_body(std::string(21, 'x'), {});
  capture.finish({});
  CHECK(tapped.dropped(DropReason::too_large) == 1);
}

TEST_CASE("only server-sent events are a stream by their type") {
  CHECK(is_stream_type("text/event-stream"));
  CHECK(is_stream_type("Text/Event-Stream; charset=utf-8"));
  CHECK_FALSE(is_stream_type("text/event-streams"));
  CHECK_FALSE(is_stream_type("application/json"));
  CHECK_FALSE(is_stream_type(""));
}

TEST_CASE("heads of decoded fields are captured as HTTP/1.1 writes them, trailers beside") {
  Tapped tapped;
  Capture capture(tapped.tap);
  capture.begin("POST", "/inference.GRPCInferenceService/ModelInfer", "key");
  capture.request_line("POST", "/inference.GRPCInferenceService/ModelInfer", "model:8001");
  capture.request_field("content-type", "application/grpc");
  capture.request_field("x-empty", "");
  capture.end_request_head();
  capture.request_body("BODY");
  capture.response_status(200);
  capture.response_field("content-type", "application/grpc");
  capture.end_response_head();
  capture.response_body("ANSWER", Duration(5));
  capture.trailer("grpc-status", "0");
  capture.trailer("ce-id", "a1");
  capture.finish({.status = 200, .protocol = Protocol::grpc, .grpc_status = 0});
  RingSource source(tapped.file);
  const Exchange* got = source.next();
  REQUIRE(got != nullptr);
  CHECK(got->protocol == Protocol::grpc);
  CHECK(got->grpc_status == 0);
  CHECK(got->response_trailers == "grpc-status: 0\r\nce-id: a1\r\n");
  CHECK(got->response_body == "ANSWER");

  http1::HeadCursor cursor;
  http1::RequestHead request;
  REQUIRE(parse(got->request_head, cursor, {}, request) == http1::Progress::complete);
  CHECK(request.path() == "/inference.GRPCInferenceService/ModelInfer");
  CHECK(request.value_of("content-type") == "application/grpc");
  CHECK(request.value_of("host") == "model:8001");
  cursor = {};
  http1::ResponseHead response;
  const auto context = http1::ResponseContext::of(request.summary);
  REQUIRE(parse(got->response_head, cursor, {}, context, response) == http1::Progress::complete);
  CHECK(response.summary.status == 200);
  CHECK(response.value_of("content-type") == "application/grpc");
}

TEST_CASE("trailers that are too long lose fields, and the exchange stays") {
  Tapped tapped;
  Capture capture(tapped.tap);
  capture.begin("POST", "/", "key");
  capture.trailer("grpc-message", std::string(trailers_bytes_max, 'x'));
  capture.trailer("ce-id", "a1");
  capture.finish({});
  RingSource source(tapped.file);
  const Exchange* got = source.next();
  REQUIRE(got != nullptr);
  CHECK(got->response_trailers == "ce-id: a1\r\n");
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

TEST_CASE("a call that waits holds hardly more than its head and its message") {
  Tapped tapped;
  const auto shown = [&] { return tapped.file.lane(0).counters.capture_bytes.get(); };
  Capture capture(tapped.tap);
  capture.begin("POST", "/inference.GRPCInferenceService/ModelInfer", "key");
  capture.request_line("POST", "/inference.GRPCInferenceService/ModelInfer", "model:8001");
  for (const char* name : {"content-type", "te", "user-agent", "grpc-timeout"})
    capture.request_field(name, "a value of some length");
  capture.end_request_head();
  capture.request_body(std::string(200, 'm'));
  CHECK(shown() == 4 * BlockBudget::small_bytes);
}

TEST_CASE("many calls that wait leave room for a large one, and are all whole") {
  Tapped tapped(8 * BlockBudget::page_bytes);
  std::deque<Capture> waiting;
  // Two pages of small blocks, then large ones are lent until two are left.
  for (int i = 0; i < 2 * 32 + 4; ++i) {
    Capture& one = waiting.emplace_back(tapped.tap);
    one.begin("POST", "/", "key");
    one.request_head("HEAD" + std::to_string(i));
  }
  pass(tapped, std::string(4000, 'x'), "");
  CHECK(tapped.dropped(DropReason::capture_full) == 0);
  for (Capture& one : waiting) one.finish({});
  RingSource source(tapped.file);
  CHECK(source.next()->request_body == std::string(4000, 'x'));
  source.dispose(Disposal::analysed());
  for (int i = 0; i < 2 * 32 + 4; ++i) {
    const Exchange* got = source.next();
    REQUIRE(got != nullptr);
    CHECK(got->request_head == "HEAD" + std::to_string(i));
    source.dispose(Disposal::analysed());
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
