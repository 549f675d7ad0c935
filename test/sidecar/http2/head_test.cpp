// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/head.h"

#include <cstring>
#include <initializer_list>

#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

using List = std::initializer_list<Field>;

struct Judged {
  explicit Judged(List fields) {
    for (const Field& field : fields) block.add(field);
    is_request = judge(block, request);
    is_response = judge(block, response);
    is_trailers = judge_trailers(block);
  }
  FieldBlock block;
  RequestHead request;
  ResponseHead response;
  bool is_request = false, is_response = false, is_trailers = false;
};

bool is_good_request(List more) {
  Judged judged({});
  for (const Field& field : {Field{":method", "GET"}, Field{":scheme", "http"},
                             Field{":path", "/v1?q=1"}, Field{":authority", "m:80"}})
    judged.block.add(field);
  for (const Field& field : more) judged.block.add(field);
  return judge(judged.block, judged.request);
}

TEST_CASE("HTTP/2 heads: a request's facts are read") {
  const Judged judged({{":method", "POST"},
                       {":path", "/v1"},
                       {":scheme", "https"},
                       {":authority", "m"},
                       {"content-type", "application/grpc+proto"},
                       {"content-length", "12"},
                       {"x-model-name", "house"},
                       {"te", "trailers"}});
  REQUIRE(judged.is_request);
  CHECK(judged.request.is_grpc);
  CHECK(judged.request.content_length == 12);
  CHECK(judged.request.model_name == "house");
  CHECK(judged.request.authority == "m");
}

TEST_CASE("HTTP/2 heads: only what has a request's pseudo-fields, once and in front, is one") {
  CHECK(is_good_request({}));
  CHECK_FALSE(is_good_request({{":path", "/again"}}));
  CHECK_FALSE(is_good_request({{":status", "200"}}));
  CHECK_FALSE(is_good_request({{":unknown", "x"}}));
  CHECK_FALSE(Judged({{":method", "GET"}, {":path", "/"}}).is_request);
  CHECK_FALSE(
      Judged({{":method", "GET"}, {"x", "y"}, {":path", "/"}, {":scheme", "http"}}).is_request);
  for (const std::string_view path : {"", "v1", "*", "/a b", "/a#b", "/a\x80"})
    CHECK_FALSE(Judged({{":method", "GET"}, {":path", path}, {":scheme", "http"}}).is_request);
  CHECK(Judged({{":method", "OPTIONS"}, {":path", "*"}, {":scheme", "http"}}).is_request);
  CHECK_FALSE(Judged({{":method", ""}, {":path", "/"}, {":scheme", "http"}}).is_request);
}

TEST_CASE("HTTP/2 heads: fields of one connection, capitals and controls are malformed") {
  for (const std::string_view name :
       {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "X-Big",
        "with space", "", "colon:"})
    CHECK_FALSE(is_good_request({{name, "x"}}));
  for (const std::string_view value : {"a\rb", "a\nb", " a", "a ", "a\tb\t", "\x7f"})
    CHECK_FALSE(is_good_request({{"x", value}}));
  CHECK_FALSE(is_good_request({{"x", std::string_view("a\0b", 3)}}));
  CHECK(is_good_request({{"x", "a\tb \xc3\xa4"}, {"y", ""}}));
  CHECK_FALSE(is_good_request({{"te", "gzip"}}));
  CHECK(is_good_request({{"te", "trailers"}}));
}

TEST_CASE("HTTP/2 heads: lengths and hosts that contradict themselves are malformed") {
  CHECK(is_good_request({{"content-length", "0"}}));
  for (const std::string_view value : {"", "-1", "1x", "1, 1", "1234567890123456789"})
    CHECK_FALSE(is_good_request({{"content-length", value}}));
  CHECK_FALSE(is_good_request({{"content-length", "1"}, {"content-length", "1"}}));
  CHECK(is_good_request({{"host", "M:80"}}));
  CHECK_FALSE(is_good_request({{"host", "other"}}));
  CHECK_FALSE(is_good_request({{"host", "m:80"}, {"host", "m:80"}}));
}

TEST_CASE("HTTP/2 heads: CONNECT has an authority and no path") {
  CHECK(Judged({{":method", "CONNECT"}, {":authority", "db:5432"}}).request.is_connect);
  CHECK_FALSE(Judged({{":method", "CONNECT"}, {":authority", "db"}, {":path", "/"}}).is_request);
  CHECK_FALSE(Judged({{":method", "CONNECT"}}).is_request);
  CHECK_FALSE(Judged({{":method", "CONNECT"}, {"host", "db:5432"}}).is_request);
}

TEST_CASE("HTTP/2 heads: a response has a status of three digits, and never 101") {
  const Judged good({{":status", "200"}, {"grpc-status", "3"}});
  REQUIRE(good.is_response);
  CHECK(good.response.status == 200);
  CHECK(good.response.grpc_status == "3");
  CHECK(Judged({{":status", "100"}}).response.interim());
  for (const std::string_view status : {"", "20", "2000", "099", "2x0", "101"})
    CHECK_FALSE(Judged({{":status", status}}).is_response);
  CHECK_FALSE(Judged({{"server", "x"}}).is_response);
  CHECK_FALSE(Judged({{":status", "200"}, {":status", "200"}}).is_response);
}

TEST_CASE("HTTP/2 heads: trailers have no pseudo-fields") {
  CHECK(Judged({{"grpc-status", "0"}}).is_trailers);
  CHECK_FALSE(Judged({{":status", "200"}}).is_trailers);
}

}  // namespace
}  // namespace outrider::http2
