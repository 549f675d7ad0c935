// SPDX-License-Identifier: Apache-2.0
// gRPC calls: what real protobuf wrote (recorded/make_grpc.py), and what nobody should write.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/core/text.h"
#include "sidecar/monitor/decode/grpc_frames.h"
#include "sidecar/monitor/decode/grpc_stream.h"
#include "sidecar/monitor/decode/message_schemas.h"
#include "sidecar/monitor/decode/model_decoders.h"
#include "sidecar/monitor/decode/protobuf_reader.h"
#include "test/sidecar/monitor/decode/decoding.h"
#include "test/support/catch.h"

namespace outrider::decode {
namespace {

using test::MadeExchange;

constexpr std::string_view infer = "/inference.GRPCInferenceService/ModelInfer";

std::string from_hex(std::string_view hex) {
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  return bytes;
}

std::string read_recorded(const std::string& name) {
  std::ifstream file(OUTRIDER_RECORDED + std::string("/") + name, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A call as the tap has it.
struct Call : MadeExchange {
  Call(std::string_view path, std::string request, std::string response,
       std::string_view coding = "-", const std::string& fields = "") {
    const std::string packing =
        coding == "-" ? "" : "grpc-encoding: " + std::string(coding) + "\r\n";
    request_head = "POST " + std::string(path) +
                   " HTTP/1.1\r\nhost: model:8001\r\ncontent-type: application/grpc\r\nte: "
                   "trailers\r\n" +
                   packing + fields + "\r\n";
    response_head = "HTTP/1.1 200 \r\ncontent-type: application/grpc\r\n" + packing + "\r\n";
    request_body = std::move(request);
    response_body = std::move(response);
    response_trailers = "grpc-status: 0\r\n";
    protocol = tap::Protocol::grpc;
    grpc_status = 0;
  }
};

struct Recorded {
  std::string what;
  Call call;
  std::vector<std::string> expected;
};

std::vector<Recorded> recorded(const std::string& name) {
  std::vector<Recorded> all;
  const std::string text = read_recorded(name);
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const auto fields = split(line, '\t');
    REQUIRE(fields.size() >= 6);
    Recorded one{std::string(fields[0]),
                 Call(fields[1], from_hex(fields[3]), from_hex(fields[4]), fields[2]),
                 {}};
    for (std::size_t i = 5; i < fields.size(); ++i) one.expected.emplace_back(fields[i]);
    all.push_back(std::move(one));
  }
  return all;
}

// As decoding.h describes it, with the aliases behind the model.
std::string describe(const Decoder::Outcome& outcome) {
  if (!outcome) {
    const tap::Disposal& disposal = outcome.error();
    return disposal.kind == tap::Disposal::Kind::skipped
               ? "skipped " + std::string(to_string(disposal.skip_reason))
               : "failed " + std::string(to_string(disposal.fail_reason));
  }
  std::string text = test::describe(*outcome);
  std::string aliases;
  for (const std::string_view alias : outcome->aliases)
    aliases += (aliases.empty() ? " [" : " ") + std::string(alias);
  const std::size_t model = std::min(text.find(" |"), text.find(" failed"));
  return aliases.empty() ? text : text.insert(std::min(model, text.size()), aliases + "]");
}

std::string decoded(const Call& call, Rules rules = {}) {
  Decoder decoder(std::move(rules));
  const tap::Exchange exchange = call.view();
  return describe(decoder.decode(exchange));
}

const Recorded& find(const std::vector<Recorded>& all, std::string_view what) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Recorded& one) { return one.what == what; });
  REQUIRE(found != all.end());
  return *found;
}

TEST_CASE("each recorded call says what the same one would say over HTTP") {
  Decoder decoder({});
  const auto all = recorded("grpc.txt");
  CHECK(all.size() >= 35);
  for (const Recorded& one : all) {
    INFO(one.what);
    const tap::Exchange exchange = one.call.view();
    CHECK(describe(decoder.decode(exchange)) == one.expected.front());
  }
}

// What is kept from one body for the next that has the same JSON must not show in any other.
TEST_CASE("whatever came before it, an exchange is read as by a decoder that has seen none") {
  std::vector<MadeExchange> all;
  for (const Recorded& one : recorded("grpc.txt")) all.push_back(one.call);
  const auto posted = [&all](const std::string& answer, const std::string& type) {
    all.push_back(test::posted("/predict", "[[1,2],[3,4]]", answer));
    all.back().response_head = "HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\n\r\n";
  };
  for (const char* answer :
       {R"({"predictions":[1,2]})", R"([1,2])", R"({"error":"no"})", R"("{\"predictions\":[5,6]}")",
        R"({"predictions":[5,6]})", R"({"data":{"ndarray":[[1],[2]]},"meta":{"puid":"p-1"}})",
        R"({"choices":[],"model":"m"})",
        R"({"model_name":"m","model_version":7,"id":"i","y":[1,2]})",
        R"({"model_name":"m","outputs":[{"name":"y","shape":[2],"datatype":"FP64","data":[1,2]}]})",
        "{\"y\":1}\n{\"y\":2}", "{", "3"})
    posted(answer, "application/json");
  posted("{\"y\":1}\n{\"y\":2}\n", "application/x-ndjson");
  posted("1\n2\n", "text/csv");
  posted("data: {\"y\":[1,2]}\n\n", "text/event-stream");

  std::vector<std::string> fresh;
  for (const MadeExchange& one : all) {
    Decoder decoder({});
    fresh.push_back(describe(decoder.decode(one.view())));
  }
  Decoder used({});
  std::mt19937 random(7);
  std::uniform_int_distribution<std::size_t> any(0, all.size() - 1);
  for (int turn = 0; turn < 4'000; ++turn) {
    const std::size_t which = any(random);
    const int times = 1 + turn % 3;
    for (int time = 0; time < times; ++time) {
      const MadeExchange& one = all[which];
      INFO(one.request_head << one.response_head << one.response_body);
      REQUIRE(describe(used.decode(one.view())) == fresh[which]);
    }
  }
}

TEST_CASE("each message of a recorded stream is an exchange with the response that is its own") {
  GrpcStream stream(1 << 20);
  ModelDecoders decoders({});
  const auto all = recorded("grpc_streams.txt");
  CHECK(all.size() >= 9);
  for (const Recorded& one : all) {
    INFO(one.what);
    const tap::Exchange call = one.call.view();
    std::vector<std::string> seen, ids;
    if (!stream.open(call)) {
      seen.push_back(describe(decoders.decode(call)));
    } else {
      while (const tap::Exchange* exchange = stream.next()) {
        seen.push_back(describe(decoders.decode(*exchange)));
        ids.emplace_back(tap::view(exchange->id));
        if (ids.size() == 1) CHECK(ids.front() == tap::view(call.id));
      }
    }
    CHECK(seen == one.expected);
    std::sort(ids.begin(), ids.end());
    CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
  }
}

// A message of three fields as protobuf writes it: 1 model_name, 5 a tensor, 7 or 6 its raw
// content.
std::string framed(const std::string& message, char flag = 0) {
  std::string frame(5, '\0');
  frame[0] = flag;
  for (std::size_t i = 0; i < 4; ++i)
    frame[1 + i] = static_cast<char>(message.size() >> (8 * (3 - i)) & 0xff);
  return frame + message;
}

Call house_call(const std::string& fields = "") {
  static const auto all = recorded("grpc.txt");
  const Recorded& one = find(all, "raw FP32, a matrix");
  return Call(infer, one.call.request_body, one.call.response_body, "-", fields);
}

TEST_CASE("the caller's ids are those of the request's metadata and what the server adds") {
  Call call =
      house_call("x-request-id: r1\r\nce-id: c1\r\nseldon-puid: s1\r\nx-prediction-id: p1\r\n");
  CHECK(decoded(call).starts_with("house/3 [p1 r1 c1 s1 7] |"));
  // MLServer says them in trailing metadata.
  call = house_call();
  call.response_trailers = "grpc-status: 0\r\nce-id: c2\r\nSeldon-Puid:  s2 \r\nx: y\r\n";
  CHECK(decoded(call).starts_with("house/3 [c2 s2 7] |"));
}

TEST_CASE("the configuration's places mean in gRPC what they mean over HTTP") {
  Rules rules;
  rules.model_version = *parse_place("header:x-served-by");
  rules.features = {{"area", *parse_place("row:/x0"), {}}};
  rules.key = {*parse_place("header:x-order")};
  rules.prediction = *parse_place("json:/outputs/price");
  Call call = house_call("x-order: A-17\r\n");
  call.response_trailers += "x-served-by: v9\r\n";
  Decoder decoder(rules);
  const tap::Exchange exchange = call.view();
  const auto outcome = decoder.decode(exchange);
  REQUIRE(outcome);
  CHECK(test::describe(*outcome) == "house/v9 | area=1800 -> 90.5 | area=950.5 -> 60");
  CHECK(outcome->key == "A-17");
  for (const char* place : {"json:/outputs/0", "json:/outputs/0/data", "row:/price"}) {
    rules.prediction = *parse_place(place);
    INFO(place);
    CHECK(decoded(call, rules) == "house/v9 [7] | area=1800 -> 90.5 | area=950.5 -> 60");
  }
  rules.prediction = *parse_place("json:/outputs/rent");
  CHECK(decoded(call, rules) == "failed pointer_not_found");
}

TEST_CASE("the grpc-status decides whether the model has failed, not the HTTP status") {
  struct {
    int status;
    const char* expected;
  } const cases[] = {{0, "house/3 [7] | x0=1800 x1=3 -> 90.5 | x0=950.5 x1=2 -> 60"},
                     {1, "failed incomplete"},  // The client went away.
                     {3, "house/unknown failed"},
                     {4, "house/unknown failed"},
                     {13, "house/unknown failed"},
                     {99, "house/unknown failed"},
                     {tap::no_grpc_status, "house/unknown failed"}};
  for (const auto& one : cases) {
    INFO(one.status);
    Call call = house_call();
    call.grpc_status = one.status;
    if (one.status != 0) call.response_body.clear();
    CHECK(decoded(call) == one.expected);
  }
  // Of a failure: was the request refused, as one for a model that there is not?
  ModelDecoders decoders({});
  for (const int status : {3, 5, 13}) {
    Call call = house_call();
    call.grpc_status = status;
    const tap::Exchange exchange = call.view();
    const auto outcome = decoders.decode(exchange);
    REQUIRE(outcome);
    CHECK(outcome->refused == (status != 13));
  }
}

TEST_CASE("a model's own rules are chosen by the name in the request's message") {
  Rules own;
  own.prediction_kind = PredictionKind::classification;
  ModelDecoders decoders({}, {{"house", own}});
  const Call call = house_call();
  const tap::Exchange exchange = call.view();
  CHECK(describe(decoders.decode(exchange)) ==
        "house/3 [7] | x0=1800 x1=3 -> '90.5' | x0=950.5 x1=2 -> '60'");
  CHECK(decoders.kept() == 1);
}

TEST_CASE("a call of an unknown service is traffic, unless its path is named") {
  Call call = house_call();
  call.request_head = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: m\r\n\r\n";
  CHECK(decoded(call) == "skipped not_matched");
  Rules rules;
  rules.paths = {"/grpc.health.v1.Health/Check"};
  Decoder decoder(rules);
  const tap::Exchange exchange = call.view();
  CHECK(describe(decoder.decode(exchange)) == "failed unsupported_format");
  CHECK_THAT(std::string(decoder.words()), Catch::Contains("write request.proto"));
}

TEST_CASE("an output in shared memory is refused with a word that names it") {
  const auto all = recorded("grpc.txt");
  Decoder decoder({});
  const tap::Exchange exchange = find(all, "an output in shared memory").call.view();
  CHECK(describe(decoder.decode(exchange)) == "failed missing_prediction");
  CHECK_THAT(std::string(decoder.words()), Catch::Contains("'price' is in shared memory"));
}

// ---- Services of the user's own ----

Rules with_descriptors() {
  auto schemas = MessageSchemas::parse(read_recorded("scorer.bin"));
  REQUIRE(schemas);
  Rules rules;
  rules.schemas = *schemas;
  return rules;
}

TEST_CASE("by its descriptors a service of the user's own says all that a flat body would") {
  const auto all = recorded("grpc.txt");
  const Call& call = find(all, "a service of the user's own").call;
  Rules rules = with_descriptors();
  rules.prediction = *parse_place("json:/fraud/probability");
  rules.model_version = *parse_place("response:/model");
  rules.key = {*parse_place("json:/order_id")};
  Decoder decoder(rules);
  const tap::Exchange exchange = call.view();
  const auto outcome = decoder.decode(exchange);
  REQUIRE(outcome);
  CHECK(test::describe(*outcome) ==
        "unknown/v7 | amount=99.5 items=3 channel='WEB' customer.age=41 customer.is_new='false' "
        "embedding.0=0.5 embedding.1=0.25 -> 0.75@0.75");
  CHECK(outcome->key == "A-17");
  rules.features = {{"age", *parse_place("json:/customer/age"), {}}};
  CHECK(decoded(call, rules) == "unknown/v7 | age=41 -> 0.75@0.75");
}

TEST_CASE("messages that do not fit their descriptors are refused") {
  const Rules rules = with_descriptors();
  const std::string verdict = framed("");
  CHECK(decoded(Call("/shop.Scorer/Score", framed("\x0a\x05"), verdict), rules) ==
        "failed invalid_message");
  CHECK(decoded(Call("/shop.Scorer/Score", framed("\x0a\x01\xff"), verdict), rules) ==
        "failed invalid_message");  // A text that is none.
  CHECK(decoded(Call("/shop.Scorer/Other", framed(""), verdict), rules) == "skipped not_matched");
}

TEST_CASE("a file that is no set of descriptors is refused with what to run") {
  const std::pair<std::string, const char*> files[] = {
      {"", "is empty"},
      {"syntax = \"proto3\";", "is text, as the source of a service (.proto) is"},
      {read_recorded("scorer.bin").substr(0, 100), "was cut off"}};
  for (const auto& [text, seen] : files) {
    const auto schemas = MessageSchemas::parse(text);
    REQUIRE_FALSE(schemas);
    CHECK(schemas.error().code == "bad_config");
    CHECK_THAT(schemas.error().message, Catch::Contains(seen));
    CHECK_THAT(schemas.error().message, Catch::Contains("--include_imports"));
  }
}

// ---- What nobody should write ----

TEST_CASE("framing that is broken is refused, and so is a number of messages that is not one") {
  const Call good = house_call();
  const std::string& request = good.request_body;
  const std::string& response = good.response_body;
  CHECK(decoded(Call(infer, request.substr(0, request.size() - 1), response)) ==
        "failed invalid_message");
  CHECK(decoded(Call(infer, request.substr(0, 3), response)) == "failed invalid_message");
  CHECK(decoded(Call(infer, request + "x", response)) == "failed invalid_message");
  CHECK(decoded(Call(infer, "\x02" + request.substr(1), response)) == "failed invalid_message");
  CHECK(decoded(Call(infer, request, "")) == "failed wrong_shape");
  CHECK(decoded(Call(infer, request + request, response)) == "failed wrong_shape");
  // A flag of compression without a word of which.
  CHECK(decoded(Call(infer, "\x01" + request.substr(1), response)) == "failed invalid_encoding");
  CHECK(decoded(Call(infer, "\x01" + request.substr(1), response, "snappy")) ==
        "failed unsupported_encoding");
  CHECK(decoded(Call(infer, "\x01" + request.substr(1), response, "gzip")) ==
        "failed invalid_encoding");
}

TEST_CASE("a packed message may not unpack past its limit") {
  const auto all = recorded("grpc.txt");
  Rules rules;
  rules.unpacked_bytes_max = 20;
  CHECK(decoded(find(all, "packed by gzip, each message for itself").call, rules) ==
        "failed unpacked_too_large");
}

TEST_CASE("protobuf that no encoder writes is broken") {
  const auto read = [](std::string_view message) {
    ProtobufReader reader(message);
    while (reader.next()) {
    }
    return !reader.is_broken();
  };
  using namespace std::string_view_literals;
  CHECK(read(""));
  CHECK(
      read("\x08\x01\x12\x02"
           "ab\x1d\x01\x02\x03\x04"sv));
  CHECK(read("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv));        // 2^64 - 1
  CHECK_FALSE(read("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"sv));  // More than 64 bits.
  CHECK_FALSE(read("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv));
  CHECK_FALSE(read("\x08"sv));      // A tag alone.
  CHECK_FALSE(read("\x08\x80"sv));  // A varint cut short.
  CHECK_FALSE(
      read("\x12\x03"
           "ab"sv));  // Past the end.
  CHECK_FALSE(
      read("\x12\x82\x80\x80\x80\x10"
           "ab"sv));  // 2^32 + 2: not 2.
  CHECK_FALSE(read("\x1d\x01\x02\x03"sv));
  CHECK_FALSE(read("\x19\x01\x02\x03\x04\x05\x06\x07"sv));
  CHECK_FALSE(read("\x00\x01"sv));  // Field number 0.
  CHECK_FALSE(read("\x0b\x0c"sv));  // A group.
  CHECK_FALSE(read("\x0e\x01"sv));
  CHECK_FALSE(read("\x80\x80\x80\x80\x80\x01"sv));  // A tag of 36 bits.
}

TEST_CASE("known fields of the wrong wire type are a message of another schema") {
  const std::string response = house_call().response_body;
  for (const char* message : {"\x08\x01", "\x10\x01", "\x18\x01", "\x28\x01", "\x38\x01",
                              "\x2a\x02\x08\x01", "\x2a\x05\x2a\x03\x35\x01\x02"}) {
    CHECK(decoded(Call(infer, framed(message), response)) == "failed invalid_message");
  }
}

TEST_CASE("no call of cut or changed bytes harms the decoder, and what it cannot read it says") {
  Decoder decoder(with_descriptors());
  GrpcStream stream(1 << 20);
  std::size_t decoded_count = 0;
  for (const char* name : {"grpc.txt", "grpc_streams.txt"}) {
    for (const Recorded& one : recorded(name)) {
      const auto look = [&](const Call& call) {
        const tap::Exchange exchange = call.view();
        if (stream.open(exchange)) {
          while (const tap::Exchange* part = stream.next()) decoder.decode(*part);
        }
        decoded_count += decoder.decode(exchange).has_value();
      };
      Call call = one.call;
      for (std::string* body : {&call.request_body, &call.response_body}) {
        const std::string whole = *body;
        for (std::size_t at = 0; at < whole.size(); at += 3) {
          *body = whole.substr(0, at);
          look(call);
          // Within a frame that is right.
          if (at > 5) *body = framed(whole.substr(5, at - 5));
          look(call);
          *body = whole;
          (*body)[at] = static_cast<char>((*body)[at] ^ (1 << at % 8));
          look(call);
        }
        *body = whole;
      }
    }
  }
  CHECK(decoded_count > 100);
}

TEST_CASE("a stream that its client left has answered what it has answered") {
  const auto all = recorded("grpc_streams.txt");
  Call call = find(all, "a request that was not answered").call;
  call.outcome = tap::Outcome::cancelled;
  call.grpc_status = tap::no_grpc_status;
  const tap::Exchange exchange = call.view();
  GrpcStream stream(1 << 20);
  Decoder decoder({});
  REQUIRE(stream.open(exchange));
  CHECK(describe(decoder.decode(*stream.next())) == "failed incomplete");
  CHECK(describe(decoder.decode(*stream.next())) == "house/3 [b] | x=2 -> 20");
  CHECK(stream.next() == nullptr);
}

TEST_CASE("of a stream too long to keep whole, the beginning's messages are looked at") {
  const auto all = recorded("grpc_streams.txt");
  const Call& call = find(all, "answers in order, without ids").call;
  tap::Exchange exchange = call.view();
  const std::string requests = call.request_body + "the middle of a message";
  exchange.request_body = requests;
  exchange.request_gap = {1'000'000, call.request_body.size()};
  GrpcStream stream(1 << 20);
  Decoder decoder({});
  REQUIRE(stream.open(exchange));
  CHECK(describe(decoder.decode(*stream.next())) == "house/3 | x=1 -> 10");
  CHECK(describe(decoder.decode(*stream.next())) == "house/3 | x=2 -> 20");
}

}  // namespace
}  // namespace outrider::decode
