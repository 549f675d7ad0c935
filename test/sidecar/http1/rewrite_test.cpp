// SPDX-License-Identifier: Apache-2.0
// What changes in a head on its way through: RFC 9110, section 7.6.
#include "sidecar/http1/rewrite.h"

#include <string>

#include "test/support/catch.h"

namespace outrider::http1 {
namespace {

std::string joined(const Pieces& pieces) {
  std::string out;
  for (const std::string_view piece : pieces) out += piece;
  CHECK(out.size() == pieces.bytes());
  return out;
}

std::string to_upstream(const std::string& bytes, const RequestAdditions& additions = {}) {
  HeadCursor cursor;
  RequestHead head;
  REQUIRE(parse(bytes, cursor, HeadLimits{}, head) == Progress::complete);
  Pieces pieces;
  rewrite(head, additions, pieces);
  return joined(pieces);
}

std::string to_client(const std::string& bytes, const ResponseAdditions& additions = {},
                      ResponseContext context = {}) {
  HeadCursor cursor;
  ResponseHead head;
  REQUIRE(parse(bytes, cursor, HeadLimits{}, context, head) == Progress::complete);
  Pieces pieces;
  rewrite(head, additions, pieces);
  return joined(pieces);
}

TEST_CASE("Without additions and hop-by-hop fields a request passes byte for byte") {
  const std::string bytes =
      "PoST //x?y=|z HTTP/1.1\r\nhOsT:a\r\nX-Odd:   spaced \t \r\nContent-Length: 007\r\nx-odd:\r\n"
      "Expect: 100-continue\r\nProxy-Authorization: Basic eA==\r\nTrailer: Checksum\r\n\r\n";
  CHECK(to_upstream(bytes) == bytes);
  CHECK(to_upstream("GET / HTTP/1.0\r\n\r\n") == "GET / HTTP/1.0\r\n\r\n");
}

TEST_CASE("A skipped empty line before the request is not forwarded") {
  CHECK(to_upstream("\r\nGET / HTTP/1.0\r\n\r\n") == "GET / HTTP/1.0\r\n\r\n");
}

TEST_CASE("Hop-by-hop fields of a request and those that Connection names are dropped") {
  CHECK(to_upstream("GET / HTTP/1.1\r\nTE: trailers\r\nHost: a\r\nConnection: keep-alive, "
                    "X-Hop\r\nX-Hop: 1\r\n"
                    "X-Stay: 2\r\nKeep-Alive: timeout=5\r\nx-hop: 3\r\nProxy-Connection: close\r\n"
                    "Upgrade: h2c\r\nHTTP2-Settings: x\r\nX-Last: 4\r\n\r\n") ==
        "GET / HTTP/1.1\r\nHost: a\r\nX-Stay: 2\r\nX-Last: 4\r\n\r\n");
}

TEST_CASE("Trailer goes where Connection names it") {
  CHECK(to_upstream("GET / HTTP/1.1\r\nHost: a\r\nConnection: trailer\r\nTrailer: X\r\n\r\n") ==
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST_CASE("Transfer-Encoding passes, because the chunks do") {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
  CHECK(to_upstream(bytes) == bytes);
  const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n";
  CHECK(to_client(answer) == answer);
}

TEST_CASE("The client's prediction ids are dropped and ours is added") {
  CHECK(
      to_upstream(
          "GET / HTTP/1.1\r\nX-Prediction-Id: theirs\r\nHost: a\r\nx-prediction-id: again\r\n\r\n",
          {.prediction_id = "ours"}) ==
      "GET / HTTP/1.1\r\nHost: a\r\nX-Prediction-Id: ours\r\n\r\n");
}

TEST_CASE("Via, Forwarded and traceparent are added where given, after those that came") {
  CHECK(
      to_upstream("GET / HTTP/1.0\r\nVia: 1.1 edge\r\nForwarded: for=b\r\n\r\n",
                  {.via = "outrider", .forwarded = "for=192.0.2.7", .traceparent = "00-a-b-01"}) ==
      "GET / HTTP/1.0\r\nVia: 1.1 edge\r\nForwarded: for=b\r\nVia: 1.0 outrider\r\nForwarded: "
      "for=192.0.2.7\r\n"
      "traceparent: 00-a-b-01\r\n\r\n");
}

TEST_CASE("A trace that the client is in goes on, anything else gives way to ours") {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c", parent = "b7ad6b7169203331";
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  const auto goes_on = [&](const std::string& value) {
    const std::string bytes =
        get + "Traceparent: " + value + "\r\nTraceState: x=y\r\nTracestate: z=1\r\n\r\n";
    const std::string out = to_upstream(bytes, {.traceparent = "ours"});
    INFO(value);
    if (out != bytes) CHECK(out == get + "traceparent: ours\r\n\r\n");
    CHECK(to_upstream(bytes) == bytes);  // Not configured: whatever it is, it is not ours to judge.
    return out == bytes;
  };
  CHECK(goes_on("00-" + trace + "-" + parent + "-01"));
  CHECK(goes_on("00-" + trace + "-" + parent + "-00"));
  CHECK(goes_on("cc-" + trace + "-" + parent + "-01"));
  CHECK(goes_on("cc-" + trace + "-" + parent + "-01-what-is-to-come"));
  for (const std::string& none :
       {std::string("t"), std::string(), "00-" + trace + "-" + parent + "-01-more",
        "cc-" + trace + "-" + parent + "-01.more", "ff-" + trace + "-" + parent + "-01",
        "00-" + std::string(32, '0') + "-" + parent + "-01",
        "00-" + trace + "-" + std::string(16, '0') + "-01", "00-" + trace + "-" + parent + "-0x",
        "0x-" + trace + "-" + parent + "-01", "00-" + trace + "-" + parent + "-0A",
        "00-" + std::string(32, 'A') + "-" + parent + "-01", "00_" + trace + "-" + parent + "-01",
        "00-" + trace + "_" + parent + "-01", "00-" + trace + "-" + parent + "_01",
        "00-" + trace + "-" + parent + "-1"})
    CHECK_FALSE(goes_on(none));
  const std::string twice = "traceparent: 00-" + trace + "-" + parent + "-01\r\n";
  CHECK(to_upstream(get + twice + twice + "\r\n", {.traceparent = "ours"}) ==
        get + "traceparent: ours\r\n\r\n");
  CHECK(to_upstream(get + "Tracestate: x=y\r\n\r\n", {.traceparent = "ours"}) ==
        get + "traceparent: ours\r\n\r\n");
}

TEST_CASE("A Forwarded that would swallow ours in its quotes is dropped") {
  const auto stays = [](const std::string& value) {
    const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\nForwarded: " + value + "\r\n";
    const std::string out = to_upstream(bytes + "\r\n", {.forwarded = "for=192.0.2.7"});
    CHECK(to_upstream(bytes + "\r\n") == bytes + "\r\n");
    return out == bytes + "Forwarded: for=192.0.2.7\r\n\r\n";
  };
  for (const char* value : {"for=b", "", "for=\"[2001:db8::1]\", for=\"_x\\\"y\"", "for=\"\\\\\""})
    CHECK(stays(value));
  for (const char* value : {"for=\"", "for=\"b", "for=b, for=\"x\\\"", "\"\"\""})
    CHECK_FALSE(stays(value));
}

TEST_CASE("An absolute target goes upstream in origin form") {
  const auto line = [](const std::string& target, const std::string& method = "GET") {
    const std::string out = to_upstream(method + " " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(out.substr(out.find("\r\n")) == "\r\nHost: a\r\n\r\n");
    return out.substr(0, out.find("\r\n"));
  };
  CHECK(line("http://a/b?c=/d?e") == "GET /b?c=/d?e HTTP/1.1");
  CHECK(line("http://a") == "GET / HTTP/1.1");
  CHECK(line("http://a?") == "GET /? HTTP/1.1");
  CHECK(line("http://a?b") == "GET /?b HTTP/1.1");
  CHECK(line("http://a", "OPTIONS") == "OPTIONS * HTTP/1.1");
  CHECK(line("http://a/", "OPTIONS") == "OPTIONS / HTTP/1.1");
  CHECK(line("*", "OPTIONS") == "OPTIONS * HTTP/1.1");
}

TEST_CASE("An absolute target of HTTP/1.0 says which Host there was none for") {
  CHECK(to_upstream("GET http://a:8/b HTTP/1.0\r\nX: y\r\n\r\n") ==
        "GET /b HTTP/1.0\r\nX: y\r\nHost: a:8\r\n\r\n");
  CHECK(to_upstream("GET http://a:8/b HTTP/1.0\r\nHost: a:8\r\n\r\n") ==
        "GET /b HTTP/1.0\r\nHost: a:8\r\n\r\n");
  CHECK(to_upstream("GET /b HTTP/1.0\r\n\r\n") == "GET /b HTTP/1.0\r\n\r\n");
}

TEST_CASE("A websocket's upgrade passes in both directions") {
  CHECK(
      to_upstream(
          "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Key: x\r\n\r\n") ==
      "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nConnection: "
      "Upgrade\r\n\r\n");
  CHECK(to_client(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            {.prediction_id = "id", .close = true}, {.websocket = true}) ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\nX-Prediction-Id: id\r\n\r\n");
}

TEST_CASE("A response passes byte for byte, but in our version and with our id") {
  CHECK(to_client("HTTP/1.0 200  odd reason\r\nserver:x\r\nX-Prediction-Id: echoed\r\nKeep-Alive: "
                  "timeout=5\r\n"
                  "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n",
                  {.prediction_id = "ours", .via = "outrider"}) ==
        "HTTP/1.1 200  odd reason\r\nserver:x\r\nContent-Length: 0\r\nX-Prediction-Id: "
        "ours\r\nVia: 1.0 outrider\r\n\r\n");
}

TEST_CASE("An interim response gets no additions") {
  CHECK(to_client("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n",
                  {.prediction_id = "ours", .via = "v", .close = true}) ==
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

TEST_CASE("The client is told what becomes of its connection") {
  const std::string sized = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
  CHECK(to_client(sized + "\r\n", {.close = true}) == sized + "Connection: close\r\n\r\n");
  CHECK(to_client(sized + "\r\n", {.keep_alive = true}) ==
        sized + "Connection: keep-alive\r\n\r\n");
  CHECK(to_client(sized + "Connection: close\r\n\r\n") == sized + "\r\n");
  CHECK(to_client("HTTP/1.1 200 OK\r\n\r\n", {.keep_alive = true}) ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  CHECK(to_client("HTTP/1.1 304 Not Modified\r\n\r\n") == "HTTP/1.1 304 Not Modified\r\n\r\n");
}

TEST_CASE("A client of HTTP/1.0 is told of no chunks, and that the connection ends the body") {
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\nTrailer: Sum\r\n\r\n";
  HeadCursor cursor;
  ResponseHead head;
  Pieces pieces;
  REQUIRE(parse(chunked, cursor, HeadLimits{}, {.minor_version = 0}, head) == Progress::complete);
  rewrite(head, {.keep_alive = true}, pieces);
  std::string out;
  for (const std::string_view piece : pieces) out += piece;
  CHECK(out == "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n");
}

TEST_CASE("The answer to a HEAD of HTTP/1.0 tells of no chunks either") {
  CHECK(to_client("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nX: y\r\n\r\n", {},
                  {.method = Method::head, .minor_version = 0}) ==
        "HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\n");
}

TEST_CASE("A typical request is few pieces, and the worst one fits") {
  HeadCursor cursor;
  RequestHead head;
  Pieces pieces;
  const std::string typical =
      "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAccept: */*\r\n\r\n";
  REQUIRE(parse(typical, cursor, HeadLimits{}, head) == Progress::complete);
  rewrite(head, {.prediction_id = "id"}, pieces);
  CHECK(pieces.count() == 6);

  std::string worst = "GET http://a?b HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 63; ++i) worst += "Te:\r\nx:\r\n";
  worst += "\r\n";
  cursor = {};
  REQUIRE(parse(worst, cursor, {.fields = 128}, head) == Progress::complete);
  rewrite(head, {.prediction_id = "id", .via = "v", .forwarded = "f", .traceparent = "t"}, pieces);
  CHECK(pieces.count() <= Pieces::capacity);
}

}  // namespace
}  // namespace outrider::http1
