// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "sidecar/http2/connection_stage.h"
#include "sidecar/http2/connection_window.h"
#include "sidecar/http2/head_reader.h"
#include "sidecar/http2/head_writer.h"
#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

TEST_CASE("a connection's window is granted again in halves, and never opens past 2^31 - 1") {
  ConnectionWindow window(1000);
  CHECK(window.take(600));
  CHECK_FALSE(window.take(401));
  CHECK(window.take(400));
  CHECK(window.grant(499, 1000) == 0);
  CHECK_FALSE(window.take(1));
  CHECK(window.grant(1, 1000) == 500);
  CHECK(window.take(500));
  CHECK_FALSE(window.take(1));

  CHECK(window.sendable() == window_usual);
  window.note_sent(window_usual);
  CHECK(window.sendable() == 0);
  CHECK(window.open(window_max));
  CHECK_FALSE(window.open(1));
}

TEST_CASE("a server's connection opens with the preface, which may come in pieces") {
  Opening opening;
  std::size_t used = 0;
  CHECK(opening.read_preface(Role::server, client_preface.substr(0, 5), used) == Violation::none);
  CHECK_FALSE(opening.has_preface());
  const std::string bytes = std::string(client_preface) + "more";
  CHECK(opening.read_preface(Role::server, bytes, used) == Violation::none);
  CHECK(opening.has_preface());
  CHECK(used == client_preface.size());
  Opening other;
  CHECK(other.read_preface(Role::server, "GET / HTTP/1.1", used) == Violation::bad_preface);
  CHECK_FALSE(other.has_preface());
}

TEST_CASE("a client's connection opens with a frame, and no answer of HTTP/1.1 is one") {
  Opening opening;
  std::size_t used = 0;
  CHECK(opening.read_preface(Role::client, "HTTP/1.1", used) == Violation::none);  // Too short yet.
  CHECK(opening.read_preface(Role::client, "HTTP/1.1 400", used) == Violation::not_http2);
  CHECK_FALSE(opening.has_preface());
  CHECK(opening.read_preface(Role::client, std::string(frame_head_bytes, '\0'), used) ==
        Violation::none);
  CHECK(opening.has_preface());
  CHECK(used == 0);
}

TEST_CASE("a shutdown begins once, is told again of a lower id alone, and a failure ends both") {
  Ending ending;
  CHECK(ending.begin());
  CHECK(ending.awaits_ack());
  CHECK_FALSE(ending.begin());
  CHECK(ending.tell(7));
  CHECK_FALSE(ending.awaits_ack());
  CHECK_FALSE(ending.tell(7));
  CHECK_FALSE(ending.tell(9));
  CHECK(ending.tell(5));
  CHECK(ending.last_id() == 5);
  CHECK(ending.fail(Violation::bad_frame_size));
  CHECK_FALSE(ending.fail(Violation::bad_padding));
  CHECK(ending.violation() == Violation::bad_frame_size);
  Ending failed;
  CHECK(failed.fail(Violation::bad_preface));
  CHECK_FALSE(failed.begin());
  CHECK_FALSE(failed.tell(1));
}

TEST_CASE("a head of several frames is one block, within limits of frames and of bytes") {
  HeadReader reader;
  CHECK_FALSE(reader.awaits_end());
  reader.begin(5, "ab", true);
  CHECK(reader.awaits_end());
  CHECK(reader.id() == 5);
  CHECK(reader.add("cd", 2, 6) == Violation::none);
  CHECK(reader.add("ef", 2, 6) == Violation::none);
  CHECK(reader.add("", 2, 6) == Violation::too_many_continuations);
  const HeadReader::Block block = reader.take();
  CHECK(block.id == 5);
  CHECK(block.bytes == "abcdef");
  CHECK(block.ends);
  CHECK_FALSE(reader.awaits_end());

  reader.begin(7, "", false);  // The frames are counted anew.
  CHECK(reader.add("abcdef", 2, 6) == Violation::none);
  CHECK(reader.add("g", 2, 6) == Violation::block_too_large);
}

TEST_CASE("a head that is longer than a frame is written in several, and read as one block") {
  std::string out;
  HeadWriter writer(out);
  const std::string value(frame_payload_max + 100, '~');
  writer.begin(3);
  writer.add({"x-long", value});
  writer.end(3, true);

  std::string_view rest = out;
  const FrameHead first = read_frame_head(rest);
  CHECK(first.type == FrameType::headers);
  CHECK(first.length == frame_payload_max);
  CHECK(first.has(flag_end_stream));
  CHECK_FALSE(first.has(flag_end_headers));
  HeadReader reader;
  reader.begin(first.stream_id, rest.substr(frame_head_bytes, first.length), true);
  rest.remove_prefix(frame_head_bytes + first.length);
  const FrameHead second = read_frame_head(rest);
  CHECK(second.type == FrameType::continuation);
  CHECK(second.has(flag_end_headers));
  CHECK(rest.size() == frame_head_bytes + second.length);
  REQUIRE(reader.add(rest.substr(frame_head_bytes), 8, 64 << 10) == Violation::none);
  FieldBlock fields;
  const std::string block = reader.take().bytes;
  REQUIRE(reader.decode(block, fields) == Violation::none);
  CHECK(fields.count() == 1);
  CHECK(fields.find("x-long") == value);
}

}  // namespace
}  // namespace outrider::http2
