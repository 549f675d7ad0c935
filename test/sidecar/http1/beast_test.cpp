// SPDX-License-Identifier: Apache-2.0
// Our parser against Boost.Beast's: what ours accepts, Beast reads the same way. The messages are
// put together from fragments that parsers have disagreed about, with a fixed seed.
#include <random>
#include <string>
#include <vector>

#include "test/support/catch.h"

#include "test/sidecar/http1/beast_oracle.h"

namespace outrider::http1 {
namespace {

using Random = std::mt19937;

std::string pick(Random& random, const std::vector<std::string>& from) {
  return from[random() % from.size()];
}

const std::vector<std::string> line_ends = {"\r\n", "\r\n", "\r\n", "\r\n", "\r\n",  "\r\n",
                                            "\r\n", "\r\n", "\n",   "\r",   "\r\n ", "\r\r\n"};
const std::vector<std::string> names = {"Host",
                                        "Host",
                                        "Host",
                                        "Content-Length",
                                        "content-length",
                                        "Transfer-Encoding",
                                        "transfer-encoding",
                                        "Connection",
                                        "Upgrade",
                                        "Expect",
                                        "X-A",
                                        "x_b",
                                        "Proxy-Connection",
                                        "X-Prediction-Id",
                                        "Trailer",
                                        "TE",
                                        "Via",
                                        "",
                                        "X A",
                                        "X\x80",
                                        "Content-Length "};
const std::vector<std::string> values = {"a",
                                         "a:80",
                                         "",
                                         "0",
                                         "5",
                                         "5",
                                         "+5",
                                         "5, 5",
                                         "5,6",
                                         "0x5",
                                         "99999999999999999999",
                                         "chunked",
                                         "Chunked",
                                         "chunked, gzip",
                                         "gzip, chunked",
                                         "xchunked",
                                         "identity",
                                         "close",
                                         "keep-alive, upgrade",
                                         "x-a,,close",
                                         "websocket",
                                         "100-continue",
                                         "caf\xc3\xa9",
                                         "a\tb",
                                         "  a  ",
                                         "\ta\t",
                                         "a\x01",
                                         "\"q\"",
                                         "a;b=c"};
const std::vector<std::string> request_lines = {
    "GET / HTTP/1.1",     "GET / HTTP/1.1",          "POST /a?b=c|d HTTP/1.1", "GET / HTTP/1.0",
    "OPTIONS * HTTP/1.1", "GET http://a/b HTTP/1.1", "FROB /\" HTTP/1.1",      "GET  / HTTP/1.1",
    "GET / HTTP/2.0",     "GET /#a HTTP/1.1",        "CONNECT a:1 HTTP/1.1",   "G@T / HTTP/1.1",
    "GET /\x80 HTTP/1.1", "GET /<>{}\\^` HTTP/1.1",  "GET / HTTP/1.1 "};
const std::vector<std::string> status_lines = {
    "HTTP/1.1 200 OK", "HTTP/1.1 200 OK",       "HTTP/1.0 200 OK",   "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 ",   "HTTP/1.1 200",          "HTTP/1.1 999 \x80", "HTTP/1.1 20 OK",
    "HTTP/1.2 200 OK", "HTTP/1.1 100 Continue", "HTTP/1.1 200 a  b "};

std::string make_head(Random& random, const std::vector<std::string>& start_lines) {
  std::string head = pick(random, start_lines) + pick(random, line_ends);
  if (random() % 4 != 0) head += "Host: a\r\n";
  for (std::size_t i = random() % 5; i > 0; --i) {
    head += pick(random, names) + ":" + (random() % 4 == 0 ? "" : " ") + pick(random, values) +
            pick(random, line_ends);
  }
  return head + "\r\n";
}

template <class AnyHead, class Parse>
std::size_t compare_many(const std::vector<std::string>& start_lines, Parse&& parse_with) {
  Random random(20260131);
  std::size_t accepted = 0;
  AnyHead head;
  for (int i = 0; i < 60'000; ++i) {
    const std::string bytes = make_head(random, start_lines);
    const Progress progress = parse_with(bytes, head);
    accepted += progress == Progress::complete ? 1 : 0;
    const std::string difference = compare_heads(progress, head, bytes);
    INFO(bytes);
    CHECK(difference == "");
  }
  return accepted;
}

TEST_CASE("Beast reads every request head that we accept as we do") {
  const std::size_t accepted =
      compare_many<RequestHead>(request_lines, [](const std::string& bytes, RequestHead& head) {
        HeadCursor cursor;
        return parse(bytes, cursor, HeadLimits{}, head);
      });
  CHECK(accepted > 3'000);  // The fragments are such that there was something to compare.
}

TEST_CASE("Beast reads every response head that we accept as we do") {
  const std::size_t accepted =
      compare_many<ResponseHead>(status_lines, [](const std::string& bytes, ResponseHead& head) {
        HeadCursor cursor;
        return parse(bytes, cursor, HeadLimits{}, ResponseContext{}, head);
      });
  CHECK(accepted > 3'000);
}

TEST_CASE("Beast reads every chunked body that we accept as we do") {
  const std::vector<std::string> fragments = {"5\r\nhello\r\n",
                                              "1\r\na\r\n",
                                              "00a\r\n0123456789\r\n",
                                              "A;x=y\r\n0123456789\r\n",
                                              "3;q=\"a\\\"b\";r\r\nabc\r\n",
                                              "0\r\n",
                                              "\r\n",
                                              "X: y\r\n",
                                              "5 \r\nhello\r\n",
                                              "5;\r\nhello\r\n",
                                              "2\nab\r\n",
                                              "ffffffffffffffff\r\n",
                                              "1\r\na",
                                              "0;x\r\n",
                                              "X : y\r\n",
                                              ":\r\n"};
  Random random(20260131);
  std::size_t accepted = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string bytes;
    for (std::size_t k = random() % 4; k > 0; --k) bytes += pick(random, fragments);
    bytes += "0\r\n";
    if (random() % 2 == 0) bytes += pick(random, fragments);
    bytes += "\r\n";
    BodyReader reader(Framing::chunked);
    accepted += reader.take(bytes).progress == Progress::complete ? 1 : 0;
    const std::string difference = compare_bodies(bytes);
    INFO(bytes);
    CHECK(difference == "");
  }
  CHECK(accepted > 3'000);
}

TEST_CASE("Beast accepts what we refuse as smuggling: the reason for a parser of our own") {
  const auto accepted_by_beast = [](std::string_view lines) {
    return beast_head<true>("POST / HTTP/1.1\r\n" + std::string(lines) + "\r\n").complete;
  };
  CHECK(accepted_by_beast("Host: a\r\nTransfer-Encoding: xchunked\r\n"));
  CHECK(accepted_by_beast("Host: a\r\nTransfer-Encoding: chunked, gzip\r\n"));
  CHECK(accepted_by_beast("Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n"));
  CHECK(accepted_by_beast("Host: a\r\nX: a\r\n b\r\n"));
  CHECK(accepted_by_beast("Host: a\r\nHost: b\r\n"));
  CHECK(accepted_by_beast(""));
}

}  // namespace
}  // namespace outrider::http1
