// SPDX-License-Identifier: Apache-2.0
// What an upstream's answer may look like, and where its body ends: RFC 9112, section 6.3.
#include <string>

#include "sidecar/http1/head.h"
#include "test/sidecar/http1/feeding.h"
#include "test/support/catch.h"

namespace outrider::http1 {
namespace {

using namespace std::string_literals;

const ResponseContext to_get{};
const ResponseContext to_head{.method = Method::head};
const ResponseContext to_http10{.minor_version = 0};
const ResponseContext to_websocket{.websocket = true};

std::string_view judge(std::string_view bytes, ResponseContext context = {},
                       HeadLimits limits = {}) {
  const HeadVerdict verdict = feed_response(bytes, context, limits);
  if (verdict.progress == Progress::complete) return "complete";
  return verdict.progress == Progress::need_more ? "need_more" : to_string(verdict.violation);
}

std::string ok(std::string_view lines) {
  return "HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n";
}

ResponseSummary summary_of(const std::string& bytes, ResponseContext context = {}) {
  HeadCursor cursor;
  ResponseHead head;
  INFO(bytes);
  REQUIRE(parse(bytes, cursor, HeadLimits{}, context, head) == Progress::complete);
  return head.summary;
}

TEST_CASE("A status line is a version, three digits and a reason, which may be absent") {
  CHECK(feed_response("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n").description ==
        "404 Not Found 1.1 length=3 keep [Content-Length=3]");
  CHECK(feed_response("HTTP/1.0 200 \r\n\r\n").description == "200  1.0 close");
  CHECK(feed_response("HTTP/1.1 200\r\n\r\n").description == "200  1.1 close");
  CHECK(judge("HTTP/1.1 200 caf\xc3\xa9 \t!\r\n\r\n") == "complete");
  CHECK(judge("HTTP/1.1 999 X\r\n\r\n") == "complete");
  for (const char* line : {"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 X",
                           "HTTP/1.1  200 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 +20 OK", "HTTP/1.1",
                           "HTTP/1.1 ", "ICY 200 OK", "http/1.1 200 OK", " HTTP/1.1 200 OK",
                           "HTTP/1.1 200 a\x01", "HTTP/1.1\t200 OK", "", "<html>"}) {
    INFO(line);
    CHECK(judge(line + "\r\n\r\n"s) == "bad_status_line");
  }
  CHECK(judge("HTTP/2.0 200 OK\r\n\r\n") == "unsupported_version");
  CHECK(judge("HTTP/1.1 200 OK\n\r\n") == "bare_line_feed");
  CHECK(judge("\r\nHTTP/1.1 200 OK\r\n\r\n") == "bad_status_line");
}

TEST_CASE("The body of a response ends by its length, its last chunk or the connection's end") {
  CHECK(summary_of(ok("Content-Length: 5\r\n")).framing == Framing::content_length);
  CHECK(summary_of(ok("Content-Length: 5\r\n")).content_length == 5);
  CHECK(summary_of(ok("Transfer-Encoding: chunked\r\n")).framing == Framing::chunked);
  CHECK(summary_of(ok("")).framing == Framing::until_close);
}

TEST_CASE("Some responses have no body whatever their fields say") {
  CHECK(summary_of(ok("Content-Length: 5\r\n"), to_head).framing == Framing::none);
  CHECK(summary_of(ok("Transfer-Encoding: chunked\r\n"), to_head).framing == Framing::none);
  CHECK(summary_of(ok(""), to_head).framing == Framing::none);
  CHECK(summary_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").framing ==
        Framing::none);
  CHECK(summary_of("HTTP/1.1 204 No Content\r\n\r\n").framing == Framing::none);
  CHECK(summary_of("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").framing ==
        Framing::none);
  CHECK(summary_of("HTTP/1.1 100 Continue\r\n\r\n").framing == Framing::none);
  CHECK(summary_of("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n").framing ==
        Framing::content_length);
}

TEST_CASE("A status without a body must not announce one") {
  for (const char* status : {"100 Continue", "103 Early Hints", "204 No Content"}) {
    CHECK(judge("HTTP/1.1 "s + status + "\r\nContent-Length: 5\r\n\r\n") ==
          "body_on_bodiless_status");
    CHECK(judge("HTTP/1.1 "s + status + "\r\nTransfer-Encoding: chunked\r\n\r\n") ==
          "body_on_bodiless_status");
  }
}

TEST_CASE("1xx is followed by another head, except 101") {
  CHECK(summary_of("HTTP/1.1 100 Continue\r\n\r\n").interim());
  CHECK(summary_of("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").interim());
  CHECK_FALSE(summary_of(ok("")).interim());
  const std::string switching =
      "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
  CHECK_FALSE(summary_of(switching, to_websocket).interim());
  CHECK_FALSE(summary_of(switching, to_websocket).keep_alive);
}

TEST_CASE("101 is taken only as the answer to the websocket that was asked for") {
  CHECK(judge("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n") ==
        "unexpected_upgrade");
  CHECK(judge("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
              to_websocket) == "unexpected_upgrade");
  CHECK(judge("HTTP/1.1 101 Switching\r\n\r\n", to_websocket) == "unexpected_upgrade");
  CHECK(judge("HTTP/1.0 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
              to_websocket) == "unexpected_upgrade");
}

TEST_CASE("Framing that could be read in two ways is refused in responses too") {
  CHECK(judge(ok("Content-Length: 5\r\nContent-Length: 5\r\n")) == "duplicate_content_length");
  CHECK(judge(ok("Content-Length: 5, 5\r\n")) == "duplicate_content_length");
  CHECK(judge(ok("Content-Length: -1\r\n")) == "bad_content_length");
  CHECK(judge(ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")) == "length_and_encoding");
  CHECK(judge(ok("Transfer-Encoding: gzip\r\n")) == "bad_transfer_encoding");
  CHECK(judge(ok("Transfer-Encoding: gzip, chunked\r\n")) == "unsupported_transfer_encoding");
  CHECK(judge("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") == "encoding_on_http10");
  CHECK(judge(ok("X: a\r\n b\r\n")) == "folded_field");
  CHECK(judge(ok("X : a\r\n")) == "bad_field_name");
  CHECK(judge(ok("X: a\0\r\n"s)) == "bad_field_value");
}

TEST_CASE("Chunks for a client of HTTP/1.0 are to be taken apart") {
  CHECK(summary_of(ok("Transfer-Encoding: chunked\r\n"), to_http10).unchunk);
  CHECK_FALSE(summary_of(ok("Transfer-Encoding: chunked\r\n")).unchunk);
  CHECK_FALSE(summary_of(ok("Content-Length: 5\r\n"), to_http10).unchunk);
  // The answer to HEAD has no chunks, but would tell of them.
  CHECK(
      summary_of(ok("Transfer-Encoding: chunked\r\n"), {.method = Method::head, .minor_version = 0})
          .unchunk);
}

TEST_CASE("How long the upstream keeps an idle connection is read where it says so") {
  const auto seconds_of = [](const std::string& fields) {
    const std::string bytes = ok(fields);
    HeadCursor cursor;
    ResponseHead head;
    REQUIRE(parse(bytes, cursor, HeadLimits{}, ResponseContext{}, head) == Progress::complete);
    const auto timeout = head.keep_alive_timeout();
    return timeout ? timeout->count() : -1;
  };
  CHECK(seconds_of("Keep-Alive: timeout=5\r\n") == 5);
  CHECK(seconds_of("Keep-Alive: max=100, Timeout=72\r\n") == 72);
  CHECK(seconds_of("Keep-Alive: timeout=0\r\n") == 0);
  for (const char* none :
       {"", "Keep-Alive: \r\n", "Keep-Alive: max=5\r\n", "Keep-Alive: timeout\r\n",
        "Keep-Alive: timeout=\r\n", "Keep-Alive: timeout=-1\r\n", "Keep-Alive: timeout=soon\r\n",
        "Keep-Alive: timeout=99999999\r\n"})
    CHECK(seconds_of(none) == -1);
}

TEST_CASE("Whether an upstream connection can be used again") {
  CHECK(summary_of(ok("Content-Length: 0\r\n")).keep_alive);
  CHECK_FALSE(summary_of(ok("")).keep_alive);
  CHECK_FALSE(summary_of(ok("Content-Length: 0\r\nConnection: close\r\n")).keep_alive);
  CHECK_FALSE(summary_of("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive);
  CHECK(summary_of("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")
            .keep_alive);
}

TEST_CASE("An announced body that must not come may come late, and is not to be the next answer") {
  CHECK_FALSE(summary_of(ok("Content-Length: 5\r\n"), to_head).keep_alive);
  CHECK_FALSE(summary_of(ok("Transfer-Encoding: chunked\r\n"), to_head).keep_alive);
  CHECK_FALSE(summary_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").keep_alive);
  CHECK(summary_of(ok("Content-Length: 0\r\n"), to_head).keep_alive);
  CHECK(summary_of(ok(""), to_head).keep_alive);
  CHECK(summary_of("HTTP/1.1 304 Not Modified\r\n\r\n").keep_alive);
  CHECK(summary_of("HTTP/1.1 204 No Content\r\n\r\n").keep_alive);
}

TEST_CASE(
    "After a request in HTTP/1.0 the upstream connection is used again only when it says so") {
  CHECK_FALSE(summary_of(ok("Content-Length: 0\r\n"), to_http10).keep_alive);
  CHECK(summary_of(ok("Content-Length: 0\r\nConnection: keep-alive\r\n"), to_http10).keep_alive);
}

TEST_CASE("A response that names its framing in Connection keeps it") {
  CHECK(feed_response(ok("Connection: keep-alive, Transfer-Encoding, X-A\r\nTransfer-Encoding: "
                         "chunked\r\nX-A: 1\r\n"))
            .description ==
        "200 OK 1.1 chunked keep [Connection=keep-alive, Transfer-Encoding, X-A|hop] "
        "[Transfer-Encoding=chunked] [X-A=1|hop]");
}

TEST_CASE("A response head has the limits of a request head") {
  const std::string head = ok("X: 1\r\n");
  const auto size = static_cast<std::uint32_t>(head.size());
  CHECK(judge(head, to_get, {.head_bytes = size}) == "complete");
  CHECK(judge(head, to_get, {.head_bytes = size - 1}) == "head_too_large");
  CHECK(judge("HTTP/1.1 200 "s + std::string(70'000, 'a')) == "head_too_large");
  CHECK(judge(ok("a:\r\nb:\r\n"), to_get, {.fields = 1}) == "too_many_fields");
}

TEST_CASE("Several heads may stand in one buffer, as 100 before 200") {
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  HeadCursor cursor;
  ResponseHead head;
  REQUIRE(parse(bytes, cursor, HeadLimits{}, to_get, head) == Progress::complete);
  CHECK(head.summary.status == 100);
  const std::string rest = bytes.substr(head.size);
  cursor = {};
  REQUIRE(parse(rest, cursor, HeadLimits{}, to_get, head) == Progress::complete);
  CHECK(head.summary.status == 200);
  CHECK(head.size == rest.size());
}

}  // namespace
}  // namespace outrider::http1
