// SPDX-License-Identifier: Apache-2.0
#include "test/sidecar/http2/talk.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

const Fields ok_fields{{":status", "200"}, {"content-type", "application/grpc"}};

TEST_CASE("HTTP/2 client: it begins with the preface and settings that forbid push") {
  Talk talk(Role::client);
  REQUIRE(talk.out.starts_with(client_preface));
  const auto first = frames_in(std::string_view(talk.out).substr(client_preface.size())).front();
  CHECK(first.head.type == FrameType::settings);
  CHECK(first.payload.starts_with(setting(Setting::enable_push, 0)));
}

TEST_CASE("HTTP/2 client: interim heads, the head, DATA and trailers are told in turn") {
  Talk talk(Role::client);
  talk.open();
  talk.open_stream(1);
  talk.say(talk.head(1, {{":status", "103"}}, false) + talk.head(1, ok_fields, false) +
           talk.data(1, "message") + talk.head(1, {{"grpc-status", "0"}}, true));
  CHECK(talk.told ==
        Words{"response 1 103", "response 1 200", "data 1 message", "trailers 1 grpc-status end"});
}

TEST_CASE("HTTP/2 client: a response without a head, or a malformed one, ends its stream") {
  Talk talk(Role::client);
  talk.open();
  talk.open_stream(1);
  talk.open_stream(3);
  talk.open_stream(5);
  talk.out.clear();
  talk.say(talk.data(1, "early") + talk.head(3, {{":status", "101"}}, false) +
           talk.head(5, {{":status", "100"}}, true));
  CHECK(talk.sent() ==
        Words{"RST 1 PROTOCOL_ERROR", "RST 3 PROTOCOL_ERROR", "RST 5 PROTOCOL_ERROR"});
  CHECK(talk.told ==
        Words{"error 1 unexpected_frame", "error 3 malformed_head", "error 5 malformed_head"});
}

TEST_CASE("HTTP/2 client: a length that the body of HEAD, 204 and 304 has not is no fault") {
  Talk talk(Role::client);
  talk.open();
  talk.open_stream(1).is_head_request = true;
  talk.open_stream(3);
  talk.say(
      talk.head(1, {{":status", "200"}, {"content-length", "5"}}, false) + talk.data(1, "", true) +
      talk.head(3, {{":status", "304"}, {"content-length", "5"}}, false) + talk.data(3, "", true));
  CHECK(talk.violations.empty());
  talk.open_stream(5);
  talk.say(talk.head(5, {{":status", "200"}, {"content-length", "5"}}, false) +
           talk.data(5, "four", true));
  CHECK(talk.violations == std::vector{Violation::content_length_mismatch});
}

TEST_CASE("HTTP/2 client: a head that ends announces no body, and HEAD, 204 and 304 have none") {
  Talk talk(Role::client);
  talk.open();
  for (const std::uint32_t id : {1, 3, 5, 7, 9}) talk.open_stream(id);
  talk.streams.at(5)->is_head_request = true;
  talk.say(talk.head(1, {{":status", "200"}, {"content-length", "0"}}, true));
  CHECK(talk.violations.empty());
  talk.say(talk.head(3, {{":status", "200"}, {"content-length", "5"}}, true));
  CHECK(talk.violations.size() == 1);
  talk.say(talk.head(5, {{":status", "200"}}, false) + talk.data(5, "body", true));
  talk.say(talk.head(7, {{":status", "204"}}, false) + talk.data(7, "body", true));
  talk.say(talk.head(9, {{":status", "304"}, {"content-length", "5"}}, true));
  CHECK(talk.violations == std::vector(3, Violation::content_length_mismatch));
  CHECK_FALSE(talk.endpoint.has_failed());
}

TEST_CASE("HTTP/2 client: a server of HTTP/1.1 is known by its answer") {
  Talk talk(Role::client);
  talk.out.clear();
  talk.say("HTTP/1.1 400 Bad Request\r\n\r\n");
  CHECK(talk.endpoint.violation() == Violation::not_http2);
}

TEST_CASE("HTTP/2 client: pushes and streams that it did not open end the connection") {
  for (const std::string& bytes : {frame(FrameType::push_promise, flag_end_headers, 1, uint32(2)),
                                   frame(FrameType::headers, flag_end_headers, 2, "\x88"),
                                   frame(FrameType::headers, flag_end_headers, 3, "\x88"),
                                   settings(setting(Setting::enable_push, 1))}) {
    Talk talk(Role::client);
    talk.open();
    talk.open_stream(1);
    talk.out.clear();
    talk.say(bytes);
    CHECK(talk.endpoint.has_failed());
    CHECK(talk.sent().size() == 1);
  }
}

TEST_CASE("HTTP/2 client: a head or trailers past their limits end their stream, and no other") {
  Talk talk(Role::client);
  talk.open();
  for (const std::uint32_t id : {1, 3, 5}) talk.open_stream(id);
  talk.out.clear();
  Fields many{{":status", "200"}};
  for (int i = 0; i < 100; ++i) many.emplace_back("x-" + std::to_string(i), "1");
  talk.say(talk.head(1, many, false) + talk.head(3, {{":status", "200"}}, false));
  many.erase(many.begin());
  many.emplace_back("x-one-more", "1");
  talk.say(talk.head(3, many, true) + talk.head(5, {{":status", "200"}, {"x-99", "1"}}, true));
  CHECK(talk.violations == std::vector{Violation::too_many_fields, Violation::too_many_fields});
  CHECK_FALSE(talk.endpoint.has_failed());
  CHECK(talk.told.back().find("5") != std::string::npos);
  const Words sent = talk.sent();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].starts_with("RST 1"));
  CHECK(sent[1].starts_with("RST 3"));
}

TEST_CASE("HTTP/2 client: resets and GOAWAY are told with their code") {
  Talk talk(Role::client);
  talk.open();
  talk.open_stream(1);
  talk.say(frame(FrameType::rst_stream, 0, 1, uint32(7)) +
           frame(FrameType::goaway, 0, 0, uint32(1) + uint32(11) + "calm"));
  CHECK(talk.told == Words{"reset 1 REFUSED_STREAM", "goaway 1 ENHANCE_YOUR_CALM"});
}

}  // namespace
}  // namespace outrider::http2
