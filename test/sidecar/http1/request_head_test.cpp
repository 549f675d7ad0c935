// SPDX-License-Identifier: Apache-2.0
// What a request's head may look like, and why each other one is refused: RFC 9112 and RFC 9110.
#include "sidecar/http1/head.h"

#include <deque>
#include <string>
#include <type_traits>
#include <utility>

#include "test/sidecar/http1/feeding.h"
#include "test/support/catch.h"

namespace outrider::http1 {
namespace {

using namespace std::string_literals;

// The word a request is refused with; "complete" or "need_more" when it is not.
std::string_view judge(std::string_view bytes, HeadLimits limits = {}) {
  const HeadVerdict verdict = feed_request(bytes, limits);
  if (verdict.progress == Progress::complete) return "complete";
  return verdict.progress == Progress::need_more ? "need_more" : to_string(verdict.violation);
}

// A GET with these field lines beside Host.
std::string get(std::string_view lines) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}
std::string post(std::string_view lines) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}
std::string to_host(std::string_view host) {
  return "GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
}

RequestHead parsed(std::string bytes) {
  static std::deque<std::string> kept;  // A head is views; they live as long as the tests.
  HeadCursor cursor;
  RequestHead head;
  REQUIRE(parse(kept.emplace_back(std::move(bytes)), cursor, HeadLimits{}, head) ==
          Progress::complete);
  return head;
}

TEST_CASE("A request head is complete with its empty line and leaves what follows alone") {
  const std::string bytes = post("Content-Length: 5\r\n");
  CHECK(judge(bytes.substr(0, bytes.size() - 1)) == "need_more");
  const HeadVerdict verdict = feed_request(bytes + "helloGET /");
  CHECK(verdict.progress == Progress::complete);
  CHECK(verdict.size == bytes.size());
  CHECK(verdict.description ==
        "POST path=/ query= host=a 1.1 length=5 keep [Host=a] [Content-Length=5]");
}

TEST_CASE("A request line is a method, one blank, a target, one blank and a version") {
  CHECK(judge("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == "complete");
  CHECK(judge("FROB / HTTP/1.1\r\nHost: a\r\n\r\n") == "complete");
  CHECK(judge("get / HTTP/1.1\r\nHost: a\r\n\r\n") ==
        "complete");  // A method of its own; case matters.
  CHECK(judge("GET  / HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_request_line");
  CHECK(judge("GET /  HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_request_line");
  CHECK(judge("GET / HTTP/1.1 \r\nHost: a\r\n\r\n") == "bad_request_line");
  CHECK(judge("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_request_line");
  CHECK(judge("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_method");
  CHECK(judge("GET /\r\n\r\n") == "bad_request_line");  // HTTP/0.9
  CHECK(judge("GET\r\n\r\n") == "bad_request_line");
  CHECK(judge(" GET / HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_method");
  CHECK(judge("G@T / HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_method");
  CHECK(judge("GET HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_request_line");
}

TEST_CASE("What does not begin like HTTP is refused at its first byte") {
  CHECK(judge("\x16\x03\x01\x02") == "bad_method");  // A TLS handshake.
  CHECK(judge("\0"s) == "bad_method");
  CHECK(judge("\n") == "bare_line_feed");
}

TEST_CASE("One empty line before the request line is skipped, a second is refused") {
  const HeadVerdict verdict = feed_request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(verdict.progress == Progress::complete);
  CHECK(verdict.size == 29);
  CHECK(judge("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_request_line");
  CHECK(judge("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") == "bare_line_feed");
  CHECK(judge("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("\r\n\x16") == "bad_method");
}

TEST_CASE("HTTP/1.0 and HTTP/1.1 are spoken, other versions of HTTP are answered with 505") {
  CHECK(judge("GET / HTTP/1.0\r\n\r\n") == "complete");
  for (const char* version : {"HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0"}) {
    CHECK(judge("GET / "s + version + "\r\nHost: a\r\n\r\n") == "unsupported_version");
  }
  for (const char* version : {"HTTP/1.10", "HTTP/1", "HTTP/11", "http/1.1", "HTTP/1,1", "ICY/1.1",
                              "HTTP/1.1a", "HTTP/+1.1"}) {
    CHECK(judge("GET / "s + version + "\r\nHost: a\r\n\r\n") == "bad_request_line");
  }
  CHECK(status_of(Violation::unsupported_version) == 505);
  CHECK(judge("PRI * HTTP/2.0\r\n\r\n") == "unsupported_version");
}

TEST_CASE("A target in origin form passes as it came, with a path and a query") {
  const std::string bytes = "GET //a/../b%2F|{x}?q=1?&r=%00 HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK(feed_request(bytes).description.find("GET path=//a/../b%2F|{x} query=q=1?&r=%00 ") == 0);
  CHECK(parsed(bytes).summary.form == TargetForm::origin);
}

TEST_CASE("A target with a fragment, a control character or bytes past ASCII is refused") {
  CHECK(judge("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_target");
  CHECK(judge("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_target");
  CHECK(judge("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_target");
  CHECK(judge("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"s) == "bad_target");
  CHECK(judge("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_target");
  CHECK(judge("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_target");
}

TEST_CASE("An absolute target is taken apart and must agree with Host") {
  const auto request = [](std::string_view target, std::string_view host) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
  };
  const auto described = [&](std::string_view target, std::string_view host) {
    const std::string text = feed_request(request(target, host)).description;
    return text.substr(0, text.find(" 1.1"));
  };
  CHECK(described("http://a/b?c", "a") == "GET path=/b query=c host=a");
  CHECK(described("HTTP://A:80", "a") == "GET path=/ query= host=A:80");
  CHECK(described("http://a?q", "a:80") == "GET path=/ query=q host=a");
  CHECK(described("https://a:443/", "a") == "GET path=/ query= host=a:443");
  CHECK(described("http://[::1]:8080/x", "[::1]:8080") == "GET path=/x query= host=[::1]:8080");
  CHECK(judge(request("http://a/", "b")) == "host_mismatch");
  CHECK(judge(request("http://a/", "a:8080")) == "host_mismatch");
  CHECK(judge(request("http://a:443/", "a")) == "host_mismatch");
  CHECK(judge(request("http://user@a/", "a")) == "bad_target");  // RFC 9110, 4.2.4
  CHECK(judge(request("http:///", "a")) == "bad_target");
  CHECK(judge(request("http://", "a")) == "bad_target");
  CHECK(judge(request("http://a:x/", "a")) == "bad_target");
  CHECK(judge(request("ftp://a/", "a")) == "bad_target");
  CHECK(judge(request("a/b", "a")) == "bad_target");
  CHECK(judge(request("a:80", "a")) == "bad_target");  // The authority form belongs to CONNECT.
  CHECK(judge("GET http://a/ HTTP/1.0\r\n\r\n") == "complete");
}

TEST_CASE("The asterisk is a target of OPTIONS only") {
  CHECK(judge("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") == "complete");
  CHECK(judge("GET * HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_target");
  CHECK(judge("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n") == "bad_target");
  CHECK(parsed("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n").path() == "*");
}

TEST_CASE("CONNECT is refused in every form") {
  CHECK(judge("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n") == "connect_refused");
  CHECK(judge("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n") == "connect_refused");
  CHECK(status_of(Violation::connect_refused) == 501);
}

TEST_CASE("Lines end in CR LF and in nothing else") {
  CHECK(judge("GET / HTTP/1.1\nHost: a\r\n\r\n") == "bare_line_feed");
  CHECK(judge("GET / HTTP/1.1\r\nHost: a\n\r\n") == "bare_line_feed");
  CHECK(judge("GET / HTTP/1.1\r\nHost: a\r\n\n") == "bare_line_feed");
  CHECK(judge("GET / HTTP/1.1\r\nHost: a\n\n") == "bare_line_feed");
  CHECK(judge("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n") == "bare_carriage_return");
  CHECK(judge("GET / HTTP/1.1\rHost: a\r\n\r\n") == "bare_carriage_return");
}

TEST_CASE("A folded field is refused, also before the first field") {
  CHECK(judge(get("X: a\r\n b\r\n")) == "folded_field");
  CHECK(judge(get("X: a\r\n\tb\r\n")) == "folded_field");
  CHECK(judge("GET / HTTP/1.1\r\n Host: a\r\n\r\n") == "folded_field");
  CHECK(judge("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n") == "folded_field");
}

TEST_CASE("A field's name is a token directly before its colon") {
  CHECK(judge(get("X-a.b_c!#$%&'*+^`|~1: b\r\n")) == "complete");
  for (const char* line :
       {"X : b", "X\t: b", ": b", "X Y: b", "X\"Y: b", "X/Y: b", "X@: b", "X\x80: b", "(X): b",
        "X\x01: b", "Content-Length : 0", "Transfer-Encoding : chunked"}) {
    CHECK(judge(get(line + "\r\n"s)) == "bad_field_name");
  }
  CHECK(judge(get("X\0Y: b\r\n"s)) == "bad_field_name");
  CHECK(judge(get("X\r\n")) == "line_without_colon");
  CHECK(judge(get("Host\r\n")) == "line_without_colon");
}

TEST_CASE("A name that is a framing field once underscores are read as dashes is refused") {
  CHECK(judge(post("Content_Length: 5\r\n")) == "bad_field_name");
  CHECK(judge(post("transfer_encoding: chunked\r\n")) == "bad_field_name");
  CHECK(judge(get("X_Content_Length: 5\r\n")) == "complete");
  CHECK(judge(get("Content_Lengthy: 5\r\nHost_: b\r\n")) == "complete");
  CHECK(parsed(get("X_Prediction-Id: theirs\r\n")).field(1).hop_by_hop);
}

TEST_CASE("A field's value has no control characters but tabs, and may have bytes past ASCII") {
  for (int c = 1; c < 256; ++c) {
    if (c == '\n' || c == '\r') continue;
    const bool allowed = c == '\t' || (c >= 0x20 && c != 0x7f);
    // At each place of the 16 bytes that are looked at together, and past them.
    for (const std::size_t before : {0, 1, 14, 15, 16, 17, 40}) {
      const std::string line =
          "X: " + std::string(before, 'a') + static_cast<char>(c) + "aaaaaaaaaaaaaaaaaaaa\r\n";
      HeadCursor cursor;
      RequestHead head;
      const Progress progress = parse(get(line), cursor, HeadLimits{}, head);
      CHECK((progress == Progress::complete) == allowed);
      if (!allowed) CHECK(head.violation == Violation::bad_field_value);
    }
  }
  CHECK(judge(get("X: a\0b\r\n"s)) == "bad_field_value");
  CHECK(judge(get("X: a\x7f\r\n")) == "bad_field_value");
}

TEST_CASE("Each byte is judged alike at each place of a name and of a target") {
  const std::string_view token =
      "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (int c = 1; c < 256; ++c) {
    if (c == '\n' || c == '\r') continue;
    const char byte = static_cast<char>(c);
    for (const std::size_t before : {0, 1, 14, 15, 16, 17, 31, 40}) {
      const std::string text = std::string(before, 'a') + byte + "aaaaaaaaaaaaaaaaaaaa";
      HeadCursor cursor;
      RequestHead head;
      const bool in_name =
          parse(get("b" + text + ": b\r\n"), cursor, HeadLimits{}, head) == Progress::complete;
      CHECK(in_name == (token.find(byte) != std::string_view::npos || c == ':'));
      if (c == ':') CHECK(head.field(1).name_size == before + 1);
      cursor = {};
      const std::string line = "GET /" + text + " HTTP/1.1\r\nHost: a\r\n\r\n";
      const bool in_target = parse(line, cursor, HeadLimits{}, head) == Progress::complete;
      CHECK(in_target == (c > 0x20 && c < 0x7f && c != '#'));
    }
  }
}

TEST_CASE("White space around a value is not part of it, white space inside is") {
  const RequestHead head = parsed(get("A:b\r\nB: \t b  c\t \r\nC:\r\nD:   \r\n"));
  CHECK(head.value_of("a") == "b");
  CHECK(head.value_of("b") == "b  c");
  CHECK(head.value_of("c").empty());
  CHECK(head.find("d") != nullptr);
  CHECK(head.value_of("d").empty());
}

TEST_CASE("HTTP/1.1 needs exactly one Host, HTTP/1.0 at most one") {
  CHECK(judge("GET / HTTP/1.1\r\n\r\n") == "missing_host");
  CHECK(judge("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n") == "missing_host");
  CHECK(judge(get("Host: a\r\n")) == "duplicate_host");
  CHECK(judge(get("hOST: b\r\n")) == "duplicate_host");
  CHECK(judge("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == "duplicate_host");
}

TEST_CASE("Host is a name or an address with an optional port") {
  for (const char* host : {"a", "a.b-c_d~", "127.0.0.1", "a:80", "a:", "[::1]",
                           "[::ffff:1.2.3.4]:65535", "a%41", "xn--bcher-kva.example"}) {
    INFO(host);
    CHECK(judge(to_host(host)) == "complete");
  }
  for (const char* host :
       {"",         "a,b",  "a b",   "a/b",       "a@b", "a:b",     "a:-1", "a:65536",
        "a:000080", "[::1", "::1",   "[]",        "[x]", "[::1]a",  "a%4",  "a%zz",
        "a\\b",     "a?b",  "\"a\"", "a\xc3\xa9", ":80", "http://a"}) {
    INFO(host);
    // "a,b" is a proper reg-name: commas are sub-delims. It is no list of hosts either way.
    CHECK(judge(to_host(host)) == (host == "a,b"s ? "complete" : "bad_host"));
  }
}

TEST_CASE("Content-Length is one number of digits alone") {
  CHECK(parsed(post("Content-Length: 0\r\n")).summary.framing == Framing::content_length);
  CHECK(parsed(post("Content-Length: 007\r\n")).summary.content_length == 7);
  CHECK(parsed(post("Content-Length: 999999999999999999\r\n")).summary.content_length ==
        999999999999999999u);
  for (const char* value :
       {"", "+5", "-5", "5 5", "0x5", "5.0", "5e1", "five", "5;", "1000000000000000000",
        "18446744073709551616", "99999999999999999999", "5\xa0", "\"5\"", "5_0"}) {
    INFO(value);
    CHECK(judge(post("Content-Length: "s + value + "\r\n")) == "bad_content_length");
  }
  CHECK(judge(post("Content-Length: 5\r\nContent-Length: 5\r\n")) == "duplicate_content_length");
  CHECK(judge(post("Content-Length: 5\r\ncontent-length: 6\r\n")) == "duplicate_content_length");
  CHECK(judge(post("Content-Length: 5, 5\r\n")) == "duplicate_content_length");
  CHECK(judge(post("Content-Length: 5,\r\n")) == "duplicate_content_length");
}

TEST_CASE("Transfer-Encoding is exactly chunked") {
  CHECK(parsed(post("Transfer-Encoding: chunked\r\n")).summary.framing == Framing::chunked);
  CHECK(parsed(post("transfer-encoding:CHUNKED\r\n")).summary.framing == Framing::chunked);
  for (const char* value :
       {"", "identity", "gzip", "xchunked", "chunkedx", "chunked, gzip", "chunked, chunked",
        "chunked,", ",chunked", ", chunked", "chunked;q=1", "\"chunked\"", "chunked gzip",
        "chunk\x0b"
        "ed",
        "gzip, chunked, chunked", "chunked, identity", "x\xa0, chunked"}) {
    INFO(value);
    const std::string_view word = judge(post("Transfer-Encoding: "s + value + "\r\n"));
    CHECK((word == "bad_transfer_encoding" || word == "bad_field_value"));
  }
  CHECK(judge(post("Transfer-Encoding: gzip, chunked\r\n")) == "unsupported_transfer_encoding");
  CHECK(judge(post("Transfer-Encoding: identity, chunked\r\n")) == "unsupported_transfer_encoding");
  CHECK(status_of(Violation::unsupported_transfer_encoding) == 501);
  CHECK(judge(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")) ==
        "bad_transfer_encoding");
  CHECK(judge(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")) ==
        "bad_transfer_encoding");
  CHECK(judge(post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n")) ==
        "bad_transfer_encoding");
}

TEST_CASE("Content-Length and Transfer-Encoding exclude each other, in either order") {
  CHECK(judge(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")) ==
        "length_and_encoding");
  CHECK(judge(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")) ==
        "length_and_encoding");
  CHECK(judge(post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")) ==
        "length_and_encoding");
  CHECK(judge(post("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n")) == "length_and_encoding");
}

TEST_CASE("HTTP/1.0 has no Transfer-Encoding") {
  CHECK(judge("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == "encoding_on_http10");
  CHECK(judge("POST / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n") == "encoding_on_http10");
}

TEST_CASE("A connection is kept unless close is asked for, on HTTP/1.0 only when keep-alive is") {
  const auto keeps = [](const std::string& bytes) { return parsed(bytes).summary.keep_alive; };
  CHECK(keeps(get("")));
  CHECK(keeps(get("Connection: keep-alive\r\n")));
  CHECK_FALSE(keeps(get("Connection: close\r\n")));
  CHECK_FALSE(keeps(get("Connection: Keep-Alive, , CLOSE\r\n")));
  CHECK_FALSE(keeps(get("Connection: x\r\nConnection: close\r\n")));
  CHECK(keeps(get("Connection: closed\r\n")));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  CHECK(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

TEST_CASE("Fields that Connection names are hop-by-hop, wherever they stand") {
  const HeadVerdict verdict =
      feed_request(get("X-A: 1\r\nConnection: x-a, X-B\r\nX-B: 2\r\nX-C: 3\r\nx-a: 4\r\n"));
  CHECK(verdict.description ==
        "GET path=/ query= host=a 1.1 none keep [Host=a] [X-A=1|hop] [Connection=x-a, X-B|hop] "
        "[X-B=2|hop] "
        "[X-C=3] [x-a=4|hop]");
}

TEST_CASE("A Connection that names a field meant for every recipient is refused") {
  for (const char* name :
       {"Host", "content-length", "Transfer-Encoding", "Authorization", "Cookie", "X-Forwarded-For",
        "X-Prediction-Id", "Content-Type", "X-Request-Id", "Ce-Id", "traceparent", "tracestate"}) {
    CHECK(judge(get("Connection: close, "s + name + "\r\n")) == "bad_connection_option");
  }
  CHECK(judge(get("Connection: a b\r\n")) == "bad_connection_option");
  CHECK(judge(get("Connection: \"close\"\r\n")) == "bad_connection_option");
  std::string many = "Connection: ";
  for (int i = 0; i < 16; ++i) many += "x" + std::to_string(i) + ",";
  CHECK(judge(get(many + "\r\n")) == "complete");
  CHECK(judge(get(many + "x16\r\n")) == "bad_connection_option");
}

TEST_CASE("A websocket may pass, every other upgrade is only ignored") {
  const auto passes = [](const std::string& bytes) { return parsed(bytes).summary.websocket; };
  CHECK(passes(get("Connection: Upgrade\r\nUpgrade: websocket\r\n")));
  CHECK(passes(get("Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n")));
  CHECK_FALSE(passes(get("Upgrade: websocket\r\n")));
  CHECK_FALSE(passes(get("Connection: Upgrade\r\n")));
  CHECK_FALSE(
      passes(get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n")));
  CHECK_FALSE(passes(get("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n")));
  CHECK_FALSE(passes(get("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n")));
  CHECK_FALSE(passes("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
  CHECK_FALSE(passes(post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n")));
}

TEST_CASE("100-continue is the only expectation, and HTTP/1.0 has none") {
  const auto expects = [](const std::string& bytes) {
    return parsed(bytes).summary.expect_continue;
  };
  CHECK(expects(post("Expect: 100-continue\r\nContent-Length: 5\r\n")));
  CHECK(expects(post("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n")));
  CHECK_FALSE(expects(get("Expect: 100-continue\r\n")));
  CHECK_FALSE(expects("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
  CHECK(judge(post("Expect: 200-ok\r\nContent-Length: 5\r\n")) == "bad_expectation");
  CHECK(judge(post("Expect:\r\n")) == "bad_expectation");
  CHECK(judge(post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n")) ==
        "bad_expectation");
  CHECK(judge("POST / HTTP/1.0\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n") == "complete");
  CHECK(status_of(Violation::bad_expectation) == 417);
}

TEST_CASE("GET may have a body, TRACE must not") {
  CHECK(judge(get("Content-Length: 5\r\n")) == "complete");
  CHECK(judge("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n") == "complete");
  CHECK(judge("TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n") == "body_not_allowed");
  CHECK(judge("TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") ==
        "body_not_allowed");
}

TEST_CASE("The head's limit holds to the byte, however the bytes come") {
  const std::string head = get("X: 1\r\n");
  const auto size = static_cast<std::uint32_t>(head.size());
  CHECK(judge(head, {.head_bytes = size}) == "complete");
  CHECK(judge(head, {.head_bytes = size - 1}) == "head_too_large");
  CHECK(judge(head.substr(0, size - 1), {.head_bytes = size}) == "need_more");
  CHECK(judge(head.substr(0, size - 1), {.head_bytes = size - 1}) == "head_too_large");
  CHECK(judge(get("X: "s + std::string(70'000, 'a') + "\r\n")) == "head_too_large");
  CHECK(judge("GET / HTTP/1.1\r\nX: "s + std::string(70'000, 'a')) == "head_too_large");
  CHECK(status_of(Violation::head_too_large) == 431);
}

TEST_CASE("A fault past the head's limit is not looked at") {
  CHECK(judge(get("X: "s + std::string(200, 'a') + "\x01\r\n"), {.head_bytes = 100}) ==
        "head_too_large");
}

TEST_CASE("The request line's limit holds to the byte, however the bytes come") {
  const auto line = [](std::size_t size) {
    return "GET /" + std::string(size - 14, 'a') + " HTTP/1.1";
  };
  const auto bytes = [&](std::size_t size) { return line(size) + "\r\nHost: a\r\n\r\n"; };
  const HeadLimits limits{.request_line_bytes = 40};
  CHECK(judge(bytes(40), limits) == "complete");
  CHECK(judge(bytes(41), limits) == "request_line_too_large");
  CHECK(judge(line(42), limits) == "request_line_too_large");
  CHECK(judge(bytes(80), {.head_bytes = 50, .request_line_bytes = 60}) == "request_line_too_large");
  CHECK(status_of(Violation::request_line_too_large) == 414);
}

TEST_CASE("There is a limit to the number of fields") {
  std::string lines;
  for (int i = 0; i < 99; ++i) lines += "a:\r\n";
  CHECK(judge(get(lines)) == "complete");  // With Host: 100.
  CHECK(judge(get(lines + "a:\r\n")) == "too_many_fields");
  CHECK(judge(get("a:\r\n"), {.fields = 1}) == "too_many_fields");
  CHECK(status_of(Violation::too_many_fields) == 431);
}

TEST_CASE("Fields are found by kind and by name in any case, the first of several") {
  const RequestHead head =
      parsed(get("content-TYPE: a\r\nX-Request-Id: r\r\nContent-Type: b\r\nx-own: "
                 "1\r\nX-Prediction-Id: mine\r\n"));
  CHECK(head.value_of(FieldId::content_type) == "a");
  CHECK(head.value_of(FieldId::x_request_id) == "r");
  CHECK(head.value_of("X-OWN") == "1");
  CHECK(head.find(FieldId::trailer) == nullptr);
  CHECK(head.find("none") == nullptr);
  CHECK(head.value_of(FieldId::via).empty());
  CHECK(head.alias() == "mine");
  CHECK(head.line(head.field(0)) == "Host: a\r\n");
}

TEST_CASE("Every kind of field is known by its name") {
  const std::string_view names[] = {"Accept-Encoding",
                                    "Authorization",
                                    "Ce-Id",
                                    "Connection",
                                    "Content-Encoding",
                                    "Content-Length",
                                    "Content-Type",
                                    "Expect",
                                    "Forwarded",
                                    "Host",
                                    "HTTP2-Settings",
                                    "Inference-Header-Content-Length",
                                    "Keep-Alive",
                                    "Proxy-Connection",
                                    "Seldon-Puid",
                                    "TE",
                                    "traceparent",
                                    "tracestate",
                                    "Trailer",
                                    "Transfer-Encoding",
                                    "Upgrade",
                                    "User-Agent",
                                    "Via",
                                    "X-Amzn-SageMaker-Inference-Id",
                                    "X-Model-Name",
                                    "X-Model-Version",
                                    "X-Prediction-Id",
                                    "X-Request-Id"};
  REQUIRE(std::size(names) + 1 == field_id_count);
  for (std::size_t i = 0; i < std::size(names); ++i) {
    const std::string bytes = "HTTP/1.1 200 OK\r\n" + std::string(names[i]) + ": ";
    const std::string_view value = names[i] == "Content-Length"      ? "1"
                                   : names[i] == "Transfer-Encoding" ? "chunked"
                                                                     : "x";
    HeadCursor cursor;
    ResponseHead head;
    INFO(names[i]);
    const std::string all_bytes = bytes + std::string(value) + "\r\n\r\n";
    REQUIRE(parse(all_bytes, cursor, HeadLimits{}, ResponseContext{}, head) == Progress::complete);
    CHECK(head.field(0).id == static_cast<FieldId>(i + 1));
    CHECK(head.find(static_cast<FieldId>(i + 1)) == &head.field(0));
  }
}

TEST_CASE("After the bytes have moved, rebase makes the views right again") {
  std::string bytes = get("X: 1\r\n");
  HeadCursor cursor;
  RequestHead head;
  REQUIRE(parse(bytes, cursor, HeadLimits{}, head) == Progress::complete);
  const std::string moved = bytes;
  bytes.assign(bytes.size(), '?');
  head.rebase(moved.data());
  CHECK(head.value_of("x") == "1");
  CHECK(head.raw() == moved);
}

TEST_CASE("What outlives a head holds no views") {
  STATIC_REQUIRE(std::is_trivially_copyable_v<RequestSummary>);
  STATIC_REQUIRE(std::is_trivially_copyable_v<ResponseSummary>);
  STATIC_REQUIRE(sizeof(RequestSummary) <= 24);
  STATIC_REQUIRE(sizeof(HeadCursor) == 8);
  STATIC_REQUIRE(sizeof(RequestHead) < 4096);
}

}  // namespace
}  // namespace outrider::http1
