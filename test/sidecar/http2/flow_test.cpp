// SPDX-License-Identifier: Apache-2.0
#include "test/sidecar/http2/talk.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

struct Responding : Talk {
  explicit Responding(const Limits& l = {}) : Talk(Role::server, l) {}
  Stream& respond(std::uint32_t id = 1) {
    say(head(id, post_fields, false));
    out.clear();
    return *streams[id];
  }
};

TEST_CASE("HTTP/2 windows: DATA goes as far as the peer allows, in frames of at most 16 KiB") {
  Responding talk;
  talk.open();
  Stream& stream = talk.respond();
  const std::string content(100'000, 'x');
  CHECK(talk.endpoint.send_data(stream, content, true) == 65535);
  CHECK(talk.sent() == Words{"DATA 1 16384", "DATA 1 16384", "DATA 1 16384", "DATA 1 16383"});
  CHECK_FALSE(stream.local_ended);
  talk.out.clear();
  talk.say(frame(FrameType::window_update, 0, 1, uint32(100'000)));
  CHECK(talk.endpoint.sendable(stream) == 0);  // The connection's window is used up too.
  talk.say(frame(FrameType::window_update, 0, 0, uint32(34'465)));
  CHECK(talk.told.back() == "window");
  CHECK(talk.endpoint.send_data(stream, std::string_view(content).substr(65535), true) == 34'465);
  CHECK(talk.sent().back() == "DATA 1 1697 end");
  CHECK(stream.local_ended);
}

TEST_CASE("HTTP/2 windows: an end without DATA needs no window") {
  Responding talk;
  talk.say(settings(setting(Setting::initial_window_size, 0)));
  Stream& stream = talk.respond();
  CHECK(talk.endpoint.send_data(stream, "x", true) == 0);
  CHECK(talk.endpoint.send_data(stream, "", false) == 0);
  CHECK(talk.out.empty());
  talk.endpoint.send_data(stream, "", true);
  CHECK(talk.sent() == Words{"DATA 1 0 end"});
}

TEST_CASE("HTTP/2 windows: new initial sizes count for open streams, and may turn them negative") {
  Responding talk;
  talk.open();
  Stream& stream = talk.respond();
  talk.endpoint.send_data(stream, std::string(1000, 'x'), false);
  talk.say(settings(setting(Setting::initial_window_size, 10)));
  CHECK(stream.send_window == 10 - 1000);
  CHECK(talk.endpoint.send_data(stream, "x", false) == 0);
  talk.say(settings(setting(Setting::initial_window_size, 1003)));
  CHECK(talk.endpoint.send_data(stream, "four", false) == 3);
}

TEST_CASE("HTTP/2 windows: grants wait until they are worth a frame") {
  Responding talk;
  talk.open();
  Stream& stream = talk.respond();
  const std::size_t half = talk.limits.stream_window / 2;
  talk.endpoint.grant(stream, half - 1);
  CHECK(talk.out.empty());
  talk.endpoint.grant(stream, 1);
  CHECK(talk.sent() == Words{"WINDOW 1 131072"});
  talk.endpoint.grant_connection(talk.limits.connection_window / 2 - half);
  CHECK(talk.sent().back() == "WINDOW 0 262144");
}

TEST_CASE("HTTP/2 windows: more than was granted, of a stream or of all, is refused") {
  const Limits small{.stream_window = 70'000, .connection_window = 80'000};
  Responding talk(small);
  talk.open();
  talk.respond();
  for (int i = 0; i < 5; ++i) talk.say(talk.data(1, std::string(14'000, 'x')));
  CHECK(talk.violations.empty());
  talk.say(talk.data(1, "x"));
  CHECK(talk.sent() == Words{"RST 1 FLOW_CONTROL_ERROR"});
  talk.respond(3);
  talk.say(talk.data(3, std::string(10'000, 'x')));
  CHECK(talk.sent() == Words{"GOAWAY FLOW_CONTROL_ERROR window_exceeded"});
}

TEST_CASE("HTTP/2 windows: padding and what nobody reads is granted again") {
  const Limits small{.stream_window = 70'000, .connection_window = 70'000};
  Responding talk(small);
  talk.open();
  Stream& stream = talk.respond();
  std::string padded(1, '\xff');
  padded += std::string(255, '\0');
  for (int i = 0; i < 500; ++i)
    talk.say(frame(FrameType::data, flag_padded, 1,
                   padded + "x"
                            ""));
  CHECK_FALSE(talk.endpoint.has_failed());
  talk.endpoint.reset(stream, ErrorCode::cancel);
  for (int i = 0; i < 20; ++i) talk.say(talk.data(1, std::string(14'000, 'x')));
  CHECK_FALSE(talk.endpoint.has_failed());
}

TEST_CASE("HTTP/2 windows: an increment of 0, or past 2^31 - 1, is refused") {
  Responding talk;
  talk.open();
  talk.respond();
  talk.say(frame(FrameType::window_update, 0, 1, uint32(0)));
  CHECK(talk.sent() == Words{"RST 1 PROTOCOL_ERROR"});
  talk.respond(3);
  talk.say(frame(FrameType::window_update, 0, 3, uint32(0x7fffffff)));
  CHECK(talk.sent() == Words{"RST 3 FLOW_CONTROL_ERROR"});
  talk.out.clear();
  talk.say(frame(FrameType::window_update, 0, 0, uint32(0x7fffffff)));
  CHECK(talk.sent() == Words{"GOAWAY FLOW_CONTROL_ERROR window_overflow"});
  Responding other;
  other.open();
  other.say(frame(FrameType::window_update, 0, 0, uint32(0)));
  CHECK(other.sent() == Words{"GOAWAY PROTOCOL_ERROR bad_window_update"});
}

}  // namespace
}  // namespace outrider::http2
