// SPDX-License-Identifier: Apache-2.0
#include "test/sidecar/http2/talk.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

// How many of a frame are taken before the connection ends, by which violation.
template <class Make>
std::pair<int, std::string> taken(Talk& talk, Make make, int most = 200'000) {
  for (int i = 0; i < most; ++i) {
    talk.say(make(i));
    talk.endpoint.on_flushed();
    talk.out.clear();
    if (talk.endpoint.has_failed()) return {i, std::string(to_string(talk.endpoint.violation()))};
  }
  return {most, ""};
}

struct Attacked : Talk {
  Attacked() : Talk(Role::server) { open(); }
  std::uint32_t next() { return id += 2; }
  std::uint32_t id = 0xffffffff;  // 1 comes next.
};

TEST_CASE("HTTP/2 floods: rapid resets end the connection past 1000, and 33 a second are borne") {
  Attacked talk;
  const auto request_and_reset = [&](int) {
    const std::uint32_t id = talk.next();
    return talk.head(id, get_fields, true) + frame(FrameType::rst_stream, 0, id, uint32(8));
  };
  CHECK(taken(talk, request_and_reset) == std::pair<int, std::string>(1000, "reset_flood"));
  Attacked slow;
  const auto in_time = [&](int) {
    slow.now += std::chrono::milliseconds(31);
    slow.endpoint.begin_turn(slow.now);
    const std::uint32_t id = slow.next();
    return slow.head(id, get_fields, true) + frame(FrameType::rst_stream, 0, id, uint32(8));
  };
  CHECK(taken(slow, in_time, 5000).second.empty());
}

TEST_CASE("HTTP/2 floods: resets that a client provokes count as its own") {
  Attacked talk;
  const auto provoke = [&](int) {
    const std::uint32_t id = talk.next();
    return talk.head(id, post_fields, false) + frame(FrameType::window_update, 0, id, uint32(0));
  };
  const auto [count, why] = taken(talk, provoke, 5000);
  CHECK(count == 1000);
  CHECK(why == "reset_flood");
}

TEST_CASE("HTTP/2 floods: CONTINUATION without an end is bounded in number and bytes") {
  Attacked talk;
  talk.say(talk.head(1, get_fields, true, false));
  const auto empty = [](int) { return frame(FrameType::continuation, 0, 1, ""); };
  CHECK(taken(talk, empty) == std::pair<int, std::string>(8, "too_many_continuations"));
  Attacked large;
  large.say(large.head(1, get_fields, true, false));
  const auto full = [](int) {
    return frame(FrameType::continuation, 0, 1, std::string(16384, 'x'));
  };
  CHECK(taken(large, full) == std::pair<int, std::string>(3, "block_too_large"));
}

TEST_CASE("HTTP/2 floods: empty DATA, PRIORITY, WINDOW_UPDATE and unknown frames have limits") {
  Attacked empty;
  empty.say(empty.head(1, post_fields, false));
  CHECK(taken(empty, [&](int) { return empty.data(1, ""); }) ==
        std::pair<int, std::string>(100, "empty_data_flood"));
  Attacked priority;
  CHECK(taken(priority, [](int) { return frame(FrameType::priority, 0, 1, uint32(0) + "x"); }) ==
        std::pair<int, std::string>(100, "priority_flood"));
  Attacked window;
  window.say(window.head(1, post_fields, false));
  CHECK(taken(window, [](int) { return frame(FrameType::window_update, 0, 0, uint32(1)); }) ==
        std::pair<int, std::string>(7, "window_update_flood"));
  Attacked unknown;
  const auto [count, why] = taken(unknown, [](int) {
    return frame(static_cast<FrameType>(99), 0, 0, std::string(16000, 'x'));
  });
  CHECK(why == "overhead_flood");
  CHECK(count < 530);  // 8 MiB.
}

TEST_CASE("HTTP/2 floods: answers that the peer does not take are at most 100") {
  Attacked talk;
  const std::string ping = frame(FrameType::ping, 0, 0, "12345678");
  talk.endpoint.on_flushed();
  for (int i = 0; i < 100; ++i) talk.say(ping);
  CHECK_FALSE(talk.endpoint.has_failed());
  talk.endpoint.on_flushed();
  for (int i = 0; i < 100; ++i) talk.say(i % 2 == 0 ? ping : settings());
  CHECK_FALSE(talk.endpoint.has_failed());
  talk.say(ping);
  CHECK(talk.endpoint.violation() == Violation::reply_flood);
}

TEST_CASE("HTTP/2 floods: what grpcio sends in a long bidirectional stream is none") {
  Attacked talk;
  talk.say(talk.head(1, post_fields, false));
  Stream& stream = *talk.streams[1];
  const auto message = [&](int) {
    talk.endpoint.send_data(stream, "answer", false);
    talk.endpoint.grant(stream, 7);
    return talk.data(1, "message") + frame(FrameType::window_update, 0, 1, uint32(7)) +
           frame(FrameType::window_update, 0, 0, uint32(7)) +
           frame(FrameType::ping, 0, 0, "12345678");
  };
  CHECK(taken(talk, message, 100'000).second.empty());
}

}  // namespace
}  // namespace outrider::http2
