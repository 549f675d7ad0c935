// SPDX-License-Identifier: Apache-2.0
// Where bodies end and what is content in them: RFC 9112, sections 6 and 7.
#include "sidecar/http1/body.h"

#include <string>
#include <vector>

#include "test/sidecar/http1/feeding.h"
#include "test/support/catch.h"

namespace outrider::http1 {
namespace {

using namespace std::string_literals;

std::string_view judge(std::string_view bytes, BodyLimits limits = {}) {
  const BodyVerdict verdict = feed_chunked(bytes, limits);
  if (verdict.progress == Progress::complete) return "complete";
  return verdict.progress == Progress::need_more ? "need_more" : to_string(verdict.violation);
}

TEST_CASE("No body takes no bytes") {
  const BodyVerdict verdict = feed_body(BodyReader(), "GET /");
  CHECK(verdict.progress == Progress::complete);
  CHECK(verdict.taken == 0);
  CHECK(feed_body(BodyReader(Framing::content_length, 0), "GET /").taken == 0);
}

TEST_CASE("A body of known length ends at its last byte") {
  const BodyReader body(Framing::content_length, 5);
  CHECK(feed_body(body, "hell").progress == Progress::need_more);
  const BodyVerdict verdict = feed_body(body, "helloGET /");
  CHECK(verdict.progress == Progress::complete);
  CHECK(verdict.taken == 5);
  CHECK(verdict.content == "hello");
  BodyReader reader = body;
  reader.take("he");
  CHECK(reader.content_left() == 3);
  CHECK(reader.content_bytes() == 2);
  CHECK_FALSE(reader.end_of_input());
}

TEST_CASE("A body up to the connection's end takes everything") {
  BodyReader body(Framing::until_close);
  CHECK(body.take("abc").progress == Progress::need_more);
  CHECK(body.take("def").taken == 3);
  CHECK_FALSE(body.over());
  CHECK(body.end_of_input());
  CHECK(body.over());
  CHECK(body.content_bytes() == 6);
}

TEST_CASE("Chunks are content, their lines are not, and both pass") {
  const std::string bytes = "5\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\n";
  const BodyVerdict verdict = feed_chunked(bytes + "GET / HTTP/1.1\r\n");
  CHECK(verdict.progress == Progress::complete);
  CHECK(verdict.taken == bytes.size());
  CHECK(verdict.content == "hello 0123456789");
  CHECK(judge(bytes.substr(0, bytes.size() - 1)) == "need_more");
}

TEST_CASE("The content of chunks may look like anything") {
  CHECK(feed_chunked("7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n").content == "0\r\n\r\n\r\n");
}

TEST_CASE("Runs of content are views into the bytes that came") {
  const std::string bytes = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  std::vector<std::size_t> offsets;
  BodyReader body(Framing::chunked);
  body.take(bytes, [&](std::string_view content) {
    offsets.push_back(static_cast<std::size_t>(content.data() - bytes.data()));
  });
  CHECK(offsets == std::vector<std::size_t>{3, 11});
  CHECK(body.content_bytes() == 5);
}

TEST_CASE("A chunk's size is hexadecimal digits and nothing around them") {
  CHECK(judge("a\r\n0123456789\r\n0\r\n\r\n") == "complete");
  CHECK(judge("0000000000000005\r\nhello\r\n0\r\n\r\n") == "complete");
  CHECK(judge("0000000000000000\r\n\r\n") == "complete");
  for (const char* line :
       {" 5\r\n", "5 \r\n", "\t5\r\n", "5\t\r\n", "+5\r\n", "-5\r\n", "0x5\r\n", "g\r\n", "\r\n",
        ";a\r\n", "5,5\r\n", "5 ;a=b\r\n", "\"5\"\r\n", "5_0\r\n", "5h\r\n", "5\x0b\r\n"}) {
    INFO(line);
    CHECK(judge(line + "hello\r\n0\r\n\r\n"s) == "bad_chunk_size");
  }
  CHECK(judge("5\0\r\nhello\r\n0\r\n\r\n"s) == "bad_chunk_size");
}

TEST_CASE("A chunk's size that overflows is refused before its data") {
  CHECK(judge("7fffffffffffffff\r\n") == "need_more");
  CHECK(judge("8000000000000000\r\n") == "chunk_size_overflow");
  CHECK(judge("ffffffffffffffff\r\n") == "chunk_size_overflow");
  CHECK(judge("10000000000000005\r\nhello\r\n") == "chunk_size_overflow");
  CHECK(judge("00000000000000005\r\nhello\r\n") == "chunk_size_overflow");  // 17 digits
}

TEST_CASE("Lines of the chunked coding end in CR LF and in nothing else") {
  CHECK(judge("5\nhello\r\n0\r\n\r\n") == "bare_line_feed");
  CHECK(judge("5;\nhello\r\n0\r\n\r\n") == "bare_line_feed");
  CHECK(judge("5;a\nhello\r\n0\r\n\r\n") == "bare_line_feed");
  CHECK(judge("5\rhello\r\n0\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("5\r\r\nhello\r\n0\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("5\r\nhello\n0\r\n\r\n") == "bad_chunk_end");
  CHECK(judge("5\r\nhello0\r\n\r\n") == "bad_chunk_end");
  CHECK(judge("5\r\nhello!\r\n0\r\n\r\n") == "bad_chunk_end");
  CHECK(judge("5\r\nhello\rX0\r\n\r\n") == "bad_chunk_end");
  CHECK(judge("5\r\nhello\r\n0\n\r\n") == "bare_line_feed");
  CHECK(judge("5\r\nhello\r\n0\r\n\n") == "bare_line_feed");
  CHECK(judge("5\r\nhello\r\n0\r\n\rX") == "bare_carriage_return");
}

TEST_CASE("Chunk extensions pass when they are names with optional values") {
  for (const char* extension :
       {";a", ";a=b", ";a=b;c=d", ";a=\"b c\\\"\\\\;\"", ";a=\"\"", ";a=\"x\";b"}) {
    INFO(extension);
    CHECK(feed_chunked("5"s + extension + "\r\nhello\r\n0" + extension + "\r\n\r\n").content ==
          "hello");
  }
  for (const char* extension : {";", ";;a", ";=b", ";a=", "; a", ";a =b", ";a= b", ";a b", ";a=\"b",
                                ";a=\"b\"c", ";a=b=c", ";a=\"\x01\"", ";a\x7f", ";a=\"b\\\x01\""}) {
    INFO(extension);
    CHECK(judge("5"s + extension + "\r\nhello\r\n0\r\n\r\n") == "bad_chunk_extension");
  }
}

TEST_CASE("Chunk extensions have a limit for each line and one for the message") {
  const BodyLimits limits{.chunk_extension_line_bytes = 10, .chunk_extension_bytes = 15};
  CHECK(judge("1;123456789\r\na\r\n0\r\n\r\n", {.chunk_extension_line_bytes = 10}) == "complete");
  CHECK(judge("1;1234567890\r\na\r\n0\r\n\r\n", {.chunk_extension_line_bytes = 10}) ==
        "chunk_extension_too_large");
  CHECK(judge("1;12345\r\na\r\n0\r\n\r\n", limits) == "complete");
  CHECK(judge("1;1234567\r\na\r\n1;1234567\r\na\r\n0\r\n\r\n", limits) ==
        "chunk_extension_too_large");
}

TEST_CASE("Trailers pass when they are fields and change nothing that was acted on") {
  const BodyVerdict verdict =
      feed_chunked("1\r\na\r\n0\r\nChecksum: x\r\nX-Y:\tz \xc3\xa9\r\n\r\nGET");
  CHECK(verdict.progress == Progress::complete);
  CHECK(verdict.taken == 35);
  for (const char* name : {"Content-Length", "transfer-encoding", "HOST", "Connection",
                           "Authorization", "Content-Encoding", "X-Prediction-Id", "Trailer",
                           "Proxy-Authorization", "X-Forwarded-Host", "X-Forwarded-Proto",
                           "X-Real-Ip", "Content_Length", "TRANSFER_ENCODING", "x_prediction-id"}) {
    INFO(name);
    CHECK(judge("0\r\n"s + name + ": 1\r\n\r\n") == "forbidden_trailer");
    CHECK(judge("0\r\nx"s + name + ": 1\r\n\r\n") == "complete");
    CHECK(judge("0\r\n"s + name + "x: 1\r\n\r\n") == "complete");
  }
  CHECK(judge("0\r\n"s + std::string(300, 'a') + ": 1\r\n\r\n") == "complete");
}

TEST_CASE("Trailers are as strict as fields of a head") {
  CHECK(judge("0\r\nA : 1\r\n\r\n") == "bad_trailer");
  CHECK(judge("0\r\n: 1\r\n\r\n") == "bad_trailer");
  CHECK(judge("0\r\nA\r\n\r\n") == "bad_trailer");
  CHECK(judge("0\r\n A: 1\r\n\r\n") == "bad_trailer");
  CHECK(judge("0\r\nA: 1\r\n b\r\n\r\n") == "bad_trailer");
  CHECK(judge("0\r\nA: \x01\r\n\r\n") == "bad_trailer");
  CHECK(judge("0\r\nA: 1\n\r\n") == "bare_line_feed");
  CHECK(judge("0\r\nA: 1\rB\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("0\r\nGET / HTTP/1.1\r\n\r\n") == "bad_trailer");
}

TEST_CASE("Trailers have a limit in bytes and in number") {
  CHECK(judge("0\r\nA: 1\r\n\r\n", {.trailer_bytes = 8}) == "complete");
  CHECK(judge("0\r\nA: 1\r\n\r\n", {.trailer_bytes = 7}) == "trailers_too_large");
  CHECK(judge("0\r\nA: 1\r\nB: 2\r\n\r\n", {.trailer_fields = 1}) == "trailers_too_large");
}

TEST_CASE("A body past the configured limit is refused as soon as it is known") {
  CHECK(judge("6\r\n", {.content_bytes = 5}) == "body_too_large");
  CHECK(judge("5\r\nhello\r\n0\r\n\r\n", {.content_bytes = 5}) == "complete");
  CHECK(judge("5\r\nhello\r\n1\r\n", {.content_bytes = 5}) == "body_too_large");
  BodyReader announced(Framing::content_length, 6, {.content_bytes = 5});
  CHECK(announced.take("").progress == Progress::invalid);
  CHECK(announced.violation() == Violation::body_too_large);
  BodyReader endless(Framing::until_close, 0, {.content_bytes = 5});
  CHECK(endless.take("hello").progress == Progress::need_more);
  CHECK(endless.take("!").progress == Progress::invalid);
  CHECK(status_of(Violation::body_too_large) == 413);
}

TEST_CASE("Of bytes that turn out invalid none is to be forwarded, and the reader stays invalid") {
  BodyReader body(Framing::chunked);
  const BodyReader::Run run = body.take("5\r\nhello\r\n5;\n");
  CHECK(run.progress == Progress::invalid);
  CHECK(run.taken == 0);
  CHECK(body.take("0\r\n\r\n").progress == Progress::invalid);
  CHECK_FALSE(body.end_of_input());
}

TEST_CASE("A chunked body that is cut short is not complete") {
  for (const char* bytes : {"", "5", "5\r\nhel", "5\r\nhello\r\n", "0\r\n", "0\r\nA: 1\r\n"}) {
    BodyReader body(Framing::chunked);
    body.take(bytes);
    CHECK_FALSE(body.end_of_input());
  }
}

}  // namespace
}  // namespace outrider::http1
