// SPDX-License-Identifier: Apache-2.0
#include "test/sidecar/http2/talk.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

// What a server answers to bytes that come behind the settings.
Words answer_to(const std::string& bytes) {
  Talk talk(Role::server);
  talk.open();
  talk.say(bytes);
  return talk.sent();
}

TEST_CASE("HTTP/2 server: a request with a body and trailers is told in its pieces") {
  Talk talk(Role::server);
  talk.open();
  talk.say(talk.head(1, post_fields, false) + talk.data(1, "half, ") + talk.data(1, "whole") +
           talk.head(1, {{"x-sum", "1"}}, true));
  CHECK(talk.told ==
        Words{"request 1 POST /v1", "data 1 half, ", "data 1 whole", "trailers 1 x-sum end"});
  CHECK(talk.streams[1]->remote_ended);
  CHECK(talk.out.empty());
}

TEST_CASE("HTTP/2 server: bytes may come one by one, and nothing changes") {
  Talk whole(Role::server), split(Role::server);
  std::string bytes = settings() + whole.head(1, post_fields, false) +
                      frame(FrameType::data, flag_padded, 1, std::string("\3abc\0\0\0", 7)) +
                      whole.data(1, "d", true) + whole.head(3, get_fields, true) +
                      frame(FrameType::ping, 0, 0, "12345678");
  whole.say(bytes);
  for (const char c : bytes) split.say(std::string(1, c));
  CHECK(whole.bodies == split.bodies);
  CHECK(whole.bodies[1] == "abcd");
  CHECK(whole.out == split.out);
  CHECK(whole.pending.empty());
}

TEST_CASE("HTTP/2 server: its first frame is SETTINGS, and it acknowledges the peer's") {
  Talk talk(Role::server);
  talk.say(settings(setting(Setting::max_frame_size, 32768)));
  CHECK(talk.sent(true) == Words{"SETTINGS", "WINDOW 0 458753", "SETTINGS ack"});
  CHECK(talk.told == Words{"settings"});
  CHECK(talk.endpoint.peer().frame_payload_max == 32768);
}

TEST_CASE("HTTP/2 server: what is not the preface ends the connection") {
  Talk talk(Role::client);  // Has no preface to receive.
  Scratch scratch;
  std::string out;
  Endpoint server(Role::server, talk.limits, scratch, out, talk);
  CHECK(server.receive("PRI * HTTP/2.0\r\n") == 0);
  CHECK_FALSE(server.has_failed());
  CHECK(server.receive("GET / HTTP/1.1\r\n") == 16);
  CHECK(server.violation() == Violation::bad_preface);
}

TEST_CASE("HTTP/2 server: SETTINGS come first, and have values in their range") {
  Talk talk(Role::server);
  talk.out.clear();
  talk.say(frame(FrameType::ping, 0, 0, "12345678"));
  CHECK(talk.sent() == Words{"GOAWAY PROTOCOL_ERROR missing_settings"});
  CHECK(answer_to(settings(setting(Setting::enable_push, 2))) ==
        Words{"GOAWAY PROTOCOL_ERROR bad_setting"});
  CHECK(answer_to(settings(setting(Setting::initial_window_size, 0x80000000u))) ==
        Words{"GOAWAY FLOW_CONTROL_ERROR window_overflow"});
  CHECK(answer_to(settings(setting(Setting::max_frame_size, 16383))) ==
        Words{"GOAWAY PROTOCOL_ERROR bad_setting"});
  CHECK(answer_to(settings("12345")) == Words{"GOAWAY FRAME_SIZE_ERROR bad_frame_size"});
  CHECK(answer_to(frame(FrameType::settings, flag_ack, 0, "123456")) ==
        Words{"GOAWAY FRAME_SIZE_ERROR bad_frame_size"});
  CHECK(answer_to(frame(FrameType::settings, 0, 1, "")) ==
        Words{"GOAWAY PROTOCOL_ERROR bad_stream_id"});
  CHECK(answer_to(settings(setting(static_cast<Setting>(99), 7))).empty());
}

TEST_CASE("HTTP/2 server: a frame of the wrong length, stream or place ends the connection") {
  const auto size = Words{"GOAWAY FRAME_SIZE_ERROR bad_frame_size"};
  const auto id = Words{"GOAWAY PROTOCOL_ERROR bad_stream_id"};
  const auto place = Words{"GOAWAY PROTOCOL_ERROR unexpected_frame"};
  CHECK(answer_to(frame(FrameType::ping, 0, 0, "1234567")) == size);
  CHECK(answer_to(frame(FrameType::ping, 0, 1, "12345678")) == id);
  CHECK(answer_to(frame(FrameType::goaway, 0, 0, "1234")) == size);
  CHECK(answer_to(frame(FrameType::window_update, 0, 0, "123")) == size);
  CHECK(answer_to(frame(FrameType::window_update, 0, 5, uint32(1))) == id);
  CHECK(answer_to(frame(FrameType::rst_stream, 0, 0, uint32(8))) == id);
  CHECK(answer_to(frame(FrameType::rst_stream, 0, 1, uint32(8))) == id);  // Idle.
  CHECK(answer_to(frame(FrameType::headers, flag_end_headers, 2, "\x82")) == id);
  CHECK(answer_to(frame(FrameType::headers, flag_end_headers, 0, "\x82")) == id);
  CHECK(answer_to(frame(FrameType::data, 0, 1, "x")) == place);
  CHECK(answer_to(frame(FrameType::data, 0, 0, "x")) == id);
  CHECK(answer_to(frame(FrameType::continuation, flag_end_headers, 1, "\x82")) == place);
  CHECK(answer_to(frame(FrameType::push_promise, flag_end_headers, 1, uint32(2))) == place);
  CHECK(answer_to(frame(FrameType::data, 0, 1, "").replace(0, 3, "\x00\x40\x01", 3)) == size);
}

TEST_CASE("HTTP/2 server: a stream that nobody can have opened is idle, however many were") {
  for (const std::string& bytes :
       {frame(FrameType::rst_stream, 0, 2, uint32(8)),
        frame(FrameType::window_update, 0, 2, uint32(1)), frame(FrameType::data, 0, 2, "x")}) {
    Talk talk(Role::server);
    talk.open();
    talk.say(talk.head(5, get_fields, true));
    CHECK_FALSE(talk.endpoint.has_failed());
    talk.say(bytes);
    CHECK(talk.endpoint.has_failed());
    CHECK(code_of(talk.endpoint.violation()) == ErrorCode::protocol_error);
  }
}

TEST_CASE("HTTP/2 server: padding that does not fit its frame is refused") {
  Talk talk(Role::server);
  talk.open();
  talk.say(talk.head(1, post_fields, false) +
           frame(FrameType::data, flag_padded, 1, std::string("\5abc", 4)));
  CHECK(talk.sent() == Words{"GOAWAY PROTOCOL_ERROR bad_padding"});
  CHECK(answer_to(frame(FrameType::headers, flag_padded | flag_end_headers, 1, "\x9\x82")) ==
        Words{"GOAWAY PROTOCOL_ERROR bad_padding"});
}

TEST_CASE("HTTP/2 server: nothing may stand between HEADERS and its CONTINUATION") {
  Talk talk(Role::server);
  talk.open();
  const std::string head = talk.head(1, get_fields, true, false);
  talk.say(head);
  CHECK(talk.endpoint.awaits_head_end());
  talk.say(frame(FrameType::continuation, flag_end_headers, 1, ""));
  CHECK(talk.told == Words{"request 1 GET /v1 end"});
  CHECK_FALSE(talk.endpoint.awaits_head_end());
  talk.say(talk.head(3, get_fields, true, false) + frame(FrameType::ping, 0, 0, "12345678"));
  CHECK(talk.sent() == Words{"GOAWAY PROTOCOL_ERROR interrupted_block"});
}

TEST_CASE("HTTP/2 server: a malformed head, or a body of another length, ends the stream alone") {
  Talk talk(Role::server);
  talk.open();
  talk.say(talk.head(1, {{":method", "GET"}}, true));
  Fields sized = post_fields;
  sized.emplace_back("content-length", "3");
  talk.say(talk.head(3, sized, false) + talk.data(3, "four"));
  talk.say(talk.head(5, sized, false) + talk.data(5, "tw", true));
  talk.say(talk.head(7, sized, true));
  CHECK(talk.sent() == Words{"RST 1 PROTOCOL_ERROR", "RST 3 PROTOCOL_ERROR", "RST 5 PROTOCOL_ERROR",
                             "RST 7 PROTOCOL_ERROR"});
  talk.say(talk.head(9, sized, false) + talk.data(9, "yes", true));
  CHECK(talk.told.back() == "data 9 yes end");
  CHECK(talk.violations.size() == 4);
}

TEST_CASE("HTTP/2 server: a stream takes nothing behind its end or a reset") {
  Talk talk(Role::server);
  talk.open();
  talk.say(talk.head(1, get_fields, true) + talk.data(1, "more"));
  CHECK(talk.sent() == Words{"RST 1 STREAM_CLOSED"});
  talk.say(talk.head(3, post_fields, false) + frame(FrameType::rst_stream, 0, 3, uint32(8)) +
           talk.data(3, "more"));
  CHECK(talk.sent().back() == "RST 3 STREAM_CLOSED");
  CHECK(talk.told.back() == "reset 3 CANCEL");
  // What we reset ourselves may have been on its way.
  talk.say(talk.head(5, post_fields, false));
  talk.endpoint.reset(*talk.streams[5], ErrorCode::cancel);
  talk.out.clear();
  talk.say(talk.data(5, "late") + talk.head(5, {{"x", "y"}}, true));
  CHECK(talk.out.empty());
  talk.say(talk.head(3, get_fields, true) + talk.head(1, get_fields, true));
  CHECK_FALSE(talk.endpoint.has_failed());
}

TEST_CASE("HTTP/2 server: an id that was closed in order is not used again") {
  Talk talk(Role::server);
  talk.open();
  talk.say(talk.head(1, get_fields, true));
  talk.endpoint.close(*talk.streams[1]);
  talk.say(talk.head(1, get_fields, true));
  CHECK(talk.sent() == Words{"GOAWAY STREAM_CLOSED stream_is_closed"});
}

TEST_CASE("HTTP/2 server: streams past the limit are refused, and the table stays in step") {
  Talk talk(Role::server, {.streams_max = 2});
  talk.open();
  HpackEncoder peer;
  const auto say = [&](std::uint32_t id) {
    Fields named = get_fields;
    named.emplace_back("x-name", "indexed");
    talk.say(
        frame(FrameType::headers, flag_end_headers | flag_end_stream, id, block_of(peer, named)));
  };
  say(1);
  say(3);
  say(5);
  CHECK(talk.sent() == Words{"RST 5 REFUSED_STREAM"});
  talk.endpoint.close(*talk.streams[1]);
  say(7);
  CHECK(talk.told.back() == "request 7 GET /v1 end");
  CHECK(talk.scratch.fields.find("x-name") == "indexed");
  talk.refuses = true;
  say(9);
  CHECK(talk.sent().back() == "RST 9 REFUSED_STREAM");
}

TEST_CASE("HTTP/2 server: PING is answered with its bytes") {
  CHECK(answer_to(frame(FrameType::ping, 0, 0, "12345678")) == Words{"PING 12345678"});
  CHECK(answer_to(frame(FrameType::ping, flag_ack, 0, "12345678")).empty());
}

TEST_CASE("HTTP/2 server: a shutdown refuses nothing until the peer has heard of it") {
  Talk talk(Role::server);
  talk.open();
  talk.say(talk.head(1, get_fields, true));
  talk.endpoint.begin_shutdown();
  talk.endpoint.begin_shutdown();
  CHECK(talk.sent() == Words{"GOAWAY NO_ERROR ", "PING outrider"});
  talk.say(talk.head(3, get_fields, true));
  CHECK(talk.told.back() == "request 3 GET /v1 end");
  talk.out.clear();
  talk.say(frame(FrameType::ping, flag_ack, 0, "outrider"));
  const auto last = frames_in(talk.out);
  REQUIRE(last.size() == 1);
  CHECK(read_uint32(last[0].payload.data()) == 3);
  CHECK(talk.endpoint.is_shut());
  talk.say(talk.head(5, post_fields, false) + talk.data(5, "ignored", true));
  CHECK(talk.told.back() == "request 3 GET /v1 end");
  CHECK_FALSE(talk.endpoint.has_failed());
}

TEST_CASE("HTTP/2 server: a head longer than a frame is cut into CONTINUATION frames") {
  Talk talk(Role::server);
  talk.open();
  talk.say(talk.head(1, get_fields, true));
  talk.endpoint.begin_head(*talk.streams[1]);
  std::string expected = ":status=200\n";
  talk.endpoint.add({":status", "200"});
  for (int i = 0; i < 15; ++i)
    talk.endpoint.add({"t-" + std::to_string(i), std::string(4000, '~')});
  talk.endpoint.end_head(*talk.streams[1], true);
  CHECK(talk.sent(true) ==
        Words{"HEADERS 1", "CONTINUATION 1", "CONTINUATION 1", "CONTINUATION 1"});
  std::string block;
  for (const Frame& f : frames_in(talk.out)) block += f.payload;
  HpackDecoder decoder;
  FieldBlock fields;
  REQUIRE(decoder.decode(block, fields) == Violation::none);
  CHECK(fields.count() == 16);
  CHECK(fields.find("t-14") == std::string(4000, '~'));
  CHECK(frames_in(talk.out).front().head.flags == flag_end_stream);
  CHECK(frames_in(talk.out).back().head.flags == flag_end_headers);
}

TEST_CASE("HTTP/2 server: while it is paused it takes no further frame") {
  Talk talk(Role::server);
  talk.open();
  talk.endpoint.pause(true);
  const std::string bytes = talk.head(1, get_fields, true);
  talk.say(bytes);
  CHECK(talk.told.empty());
  CHECK(talk.pending == bytes);
  talk.endpoint.pause(false);
  talk.say("");
  CHECK(talk.told == Words{"request 1 GET /v1 end"});
}

}  // namespace
}  // namespace outrider::http2
