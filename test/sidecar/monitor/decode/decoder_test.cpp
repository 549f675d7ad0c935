// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/decoder.h"

#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "base/net/metrics_page.h"
#include "sidecar/monitor/decode/content_coding.h"
#include "sidecar/tap/capture_settings.h"
#include "test/sidecar/monitor/decode/decoding.h"
#include "test/support/catch.h"
#include "test/support/exchanges.h"

namespace outrider::decode {
namespace {

using test::decode_one;
using test::describe;
using test::MadeExchange;
using test::outcome_of;
using test::posted;
using test::queried;

std::string packed_by_zlib(std::string_view text) {
  std::string packed(compressBound(text.size()), '\0');
  uLongf bytes = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &bytes,
           reinterpret_cast<const Bytef*>(text.data()), text.size());
  packed.resize(bytes);
  return packed;
}

std::string packed_by_zstd(std::string_view text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
  return packed;
}

// The most that the process ever held.
std::size_t resident_bytes_max() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) << 10;
}

std::string fail_of(const std::string& body, const std::string& answer = R"({"prediction":1})") {
  return decode_one(posted("/predict", body, answer));
}

}  // namespace

TEST_CASE("query parameters are features, and the one number of a flat answer the prediction") {
  CHECK(decode_one(queried("/predict?size=1800&bedrooms=3&zip=01234&city=New+York%21",
                           R"({"price": 89.5})")) ==
        "unknown/unknown | size=1800 bedrooms=3 zip=1234 city='New York!' -> 89.5");
  CHECK(decode_one(queried("/predict?size=&a", R"({"price": 1})")) ==
        "unknown/unknown | size=- a=- -> 1");
}

TEST_CASE("a number that came as text keeps its spelling for those who want a category") {
  Rules rules;
  rules.features = {{"zip", *parse_place("query:zip"), FeatureKind::categorical},
                    {"size", {}, FeatureKind::numeric}};
  CHECK(decode_one(queried("/predict?size=18e2&zip=01234", R"({"price": 1})"), rules) ==
        "unknown/unknown | zip='01234' size=1800 -> 1");
}

TEST_CASE("a flat JSON body is one row, nested values are flattened, id is an alias") {
  CHECK(decode_one(posted("/predict",
                          R"({"id":"abc","size":1800,"new":true,"city":"Bonn","none":null,)"
                          R"("house":{"floors":2,"rooms":[3,4]}})",
                          R"({"prediction": "yes", "probability": 0.75, "model_version": "7"})")) ==
        "unknown/7 | size=1800 new='true' city='Bonn' none=- house.floors=2 house.rooms.0=3 "
        "house.rooms.1=4 -> 'yes'@0.75");
}

TEST_CASE("a list of flat objects is several rows, whatever the order of their keys") {
  CHECK(
      decode_one(posted("/predict", R"([{"a":1,"b":2},{"b":4,"a":3},{"a":5},{"a":6,"b":7,"c":8}])",
                        "[10, 20, 30, 40]")) ==
      "unknown/unknown | a=1 b=2 c=- -> 10 | a=3 b=4 c=- -> 20 | a=5 b=- c=- -> 30 | a=6 b=7 "
      "c=8 -> 40");
}

TEST_CASE("KServe V1 in rows of objects, of lists and of values") {
  const std::string path = "/v1/models/house:predict";
  CHECK(decode_one(posted(path, R"({"instances":[{"size":1,"rooms":2},{"size":3,"rooms":4}]})",
                          R"({"predictions":[10,20]})")) ==
        "house/unknown | size=1 rooms=2 -> 10 | size=3 rooms=4 -> 20");
  CHECK(decode_one(posted(path, R"({"signature_name":"x","instances":[[1,2],[3,4]]})",
                          R"({"predictions":[[10],[20]]})")) ==
        "house/unknown | x0=1 x1=2 -> 10 | x0=3 x1=4 -> 20");
  CHECK(decode_one(posted(path, R"({"instances":[7]})", R"({"predictions":["cat"]})")) ==
        "house/unknown | x0=7 -> 'cat'");
  CHECK(decode_one(posted("/v1/models/m/versions/3:predict", R"({"instances":[[[1,2],[3,4]]]})",
                          R"({"predictions":[{"label":"a","score":0.5}]})")) ==
        "m/3 | x0=1 x1=2 x2=3 x3=4 -> 'a'@0.5");
}

TEST_CASE("a list of probabilities is a class with its probability") {
  CHECK(decode_one(posted("/v1/models/m:predict", R"({"instances":[[1],[2]]})",
                          R"({"predictions":[[0.25,0.75],[0.9,0.1]]})")) ==
        "m/unknown | x0=1 -> '1'@0.75 | x0=2 -> '0'@0.9");
}

TEST_CASE("TF-Serving in columns") {
  CHECK(decode_one(posted("/v1/models/m:predict", R"({"inputs":{"a":[1,2],"b":[[3],[4]]}})",
                          R"({"outputs":{"prediction":[[5],[6]]}})")) ==
        "m/unknown | a=1 b=3 -> 5 | a=2 b=4 -> 6");
  CHECK(decode_one(posted("/v1/models/m:predict", R"({"inputs":[[1,2],[3,4]]})",
                          R"({"outputs":[[5],[6]]})")) ==
        "m/unknown | x0=1 x1=2 -> 5 | x0=3 x1=4 -> 6");
}

TEST_CASE("V2 with a tensor a feature, and with one matrix") {
  const std::string path = "/v2/models/house/versions/4/infer";
  CHECK(decode_one(posted(path,
                          R"({"id":"q1","inputs":[)"
                          R"({"name":"size","shape":[2],"datatype":"FP64","data":[1,2]},)"
                          R"({"data":["a","b"],"name":"city","datatype":"BYTES","shape":[2,1]}]})",
                          R"({"model_name":"house","model_version":"9","id":"q1","outputs":[)"
                          R"({"name":"price","shape":[2,1],"datatype":"FP64","data":[5,6]}]})")) ==
        "house/4 | size=1 city='a' -> 5 | size=2 city='b' -> 6");
  CHECK(
      decode_one(posted(
          "/v2/models/m/infer",
          R"({"inputs":[{"name":"in","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,4]]}]})",
          R"({"model_version":"9","outputs":[)"
          R"({"name":"label","shape":[2],"datatype":"BYTES","data":["a","b"]},)"
          R"({"name":"probabilities","shape":[2,2],"datatype":"FP32","data":[0.9,0.1,0.3,0.7]}]})")) ==
      "m/9 | x0=1 x1=2 -> 'a'@0.9 | x0=3 x1=4 -> 'b'@0.7");
}

TEST_CASE("V2 with null for what is absent, as KServe's own server writes it") {
  CHECK(
      decode_one(posted(
          "/v2/models/m/infer",
          R"({"id":null,"parameters":null,"inputs":[{"name":"size","shape":[1],"datatype":"FP64",)"
          R"("parameters":null,"data":[1]}]})",
          R"({"model_name":"m","model_version":null,"id":"q","parameters":null,"outputs":[)"
          R"({"name":"price","shape":[1],"datatype":"FP64","parameters":null,"data":[5]}]})")) ==
      "m/unknown | size=1 -> 5");
}

TEST_CASE("V2 with binary tensors in request and response") {
  const std::string header =
      R"({"inputs":[{"name":"f","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},)"
      R"({"name":"t","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}},)"
      R"({"name":"h","shape":[2],"datatype":"FP16","parameters":{"binary_data_size":4}}]})";
  std::string body = header;
  const float numbers[] = {1.5F, -2.F};
  body.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  body.append(std::string("\x01\x00\x00\x00", 4) + "a" + std::string("\x02\x00\x00\x00", 4) + "bc");
  body.append(std::string("\x00\x3c\x00\xc0", 4));  // 1 and -2 in half precision.
  MadeExchange made = posted("/v2/models/m/infer", body, "");
  made.request_head =
      "POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nContent-Type: "
      "application/octet-stream\r\nInference-Header-Content-Length: " +
      std::to_string(header.size()) + "\r\n\r\n";
  const std::string answer =
      R"({"outputs":[{"name":"y","shape":[2],"datatype":"INT32","parameters":{"binary_data_size":8}}]})";
  const std::int32_t values[] = {7, -8};
  made.response_body = answer + std::string(reinterpret_cast<const char*>(values), sizeof values);
  made.response_head =
      "HTTP/1.1 200 OK\r\nInference-Header-Content-Length: " + std::to_string(answer.size()) +
      "\r\n\r\n";
  CHECK(decode_one(made) == "m/unknown | f=1.5 t='a' h=1 -> 7 | f=-2 t='bc' h=-2 -> -8");
  made.request_body.pop_back();
  CHECK(decode_one(made) == "failed wrong_shape");
}

TEST_CASE("binary tensors whose sizes do not add up are refused by reason") {
  const auto asked = [](const std::string& tensors, const std::string& binary,
                        const std::string& length = "") {
    const std::string json = "{\"inputs\":[" + tensors + "]}";
    MadeExchange made = posted("/v2/models/m/infer", json + binary,
                               R"({"outputs":[{"name":"y","shape":[1],"data":[7]}]})");
    made.request_head =
        "POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nInference-Header-Content-Length: " +
        (length.empty() ? std::to_string(json.size()) : length) + "\r\n\r\n";
    return decode_one(made);
  };
  const auto tensor = [](const std::string& type, const std::string& shape, int bytes) {
    return R"({"name":"a","datatype":")" + type + R"(","shape":)" + shape +
           R"(,"parameters":{"binary_data_size":)" + std::to_string(bytes) + "}}";
  };
  const std::string zeros(64, '\0');
  const auto values = [&](int bytes) { return zeros.substr(0, static_cast<std::size_t>(bytes)); };
  for (const auto& [type, bytes] :
       std::initializer_list<std::pair<const char*, int>>{{"INT8", 1},
                                                          {"UINT8", 1},
                                                          {"INT16", 2},
                                                          {"UINT16", 2},
                                                          {"FP16", 2},
                                                          {"BF16", 2},
                                                          {"INT32", 4},
                                                          {"UINT32", 4},
                                                          {"FP32", 4},
                                                          {"INT64", 8},
                                                          {"UINT64", 8},
                                                          {"FP64", 8}}) {
    CHECK(asked(tensor(type, "[1]", bytes), values(bytes)) == "m/unknown | a=0 -> 7");
    CHECK(asked(tensor(type, "[1]", bytes), values(bytes - 1)) == "failed wrong_shape");
    CHECK(asked(tensor(type, "[1]", bytes), values(bytes + 1)) == "failed wrong_shape");
    CHECK(asked(tensor(type, "[2]", bytes), values(bytes)) == "failed wrong_shape");
  }
  CHECK(asked(tensor("BOOL", "[1]", 1), "\1") == "m/unknown | a='true' -> 7");
  CHECK(asked(tensor("BYTES", "[1]", 6), std::string("\2\0\0\0hi", 6)) ==
        "m/unknown | a='hi' -> 7");
  CHECK(asked(tensor("BYTES", "[1]", 6), std::string("\2\0\0\0\xff\xfe", 6)) ==
        "m/unknown | a=- -> 7");  // A picture, perhaps.
  CHECK(asked(tensor("BYTES", "[1]", 6), std::string("\3\0\0\0hi", 6)) == "failed wrong_shape");
  CHECK(asked(tensor("BYTES", "[1]", 6), std::string("\xff\xff\xff\xffhi", 6)) ==
        "failed wrong_shape");
  CHECK(asked(tensor("COMPLEX64", "[1]", 8), values(8)) == "failed unsupported_format");
  CHECK(asked(tensor("FP32", "[-1]", 4), values(4)) == "failed wrong_type");
  CHECK(asked(tensor("FP32", "[1,1099511627776]", 4), values(4)) == "failed wrong_shape");
  CHECK(asked(tensor("FP32", "[1,4294967296,4294967296]", 4), values(4)) == "failed wrong_shape");
  CHECK(asked(tensor("FP32", "[1,0]", 0), "") == "m/unknown | -> 7");
  CHECK(asked(tensor("FP32", "[1]", 4) + "," + tensor("INT8", "[1]", 1), values(5)) ==
        "m/unknown | a=0 a=0 -> 7");
  // What belongs to no tensor.
  CHECK(asked(R"({"name":"a","datatype":"FP32","shape":[1],"data":[1]})", "x") ==
        "failed wrong_shape");
  for (const char* length : {"-1", "1e3", "9999", "99999999999999999999", "0x10"}) {
    CHECK(asked(tensor("FP32", "[1]", 4), values(4), length) == "failed wrong_shape");
  }
  // Raw tensors: nothing says what they are, but the answer counts.
  CHECK(asked(tensor("FP32", "[1]", 4), values(4), "0") == "m/unknown | -> 7");
}

TEST_CASE("Seldon in ndarray and in tensor") {
  const std::string path = "/api/v1.0/predictions";
  CHECK(
      decode_one(posted(
          path, R"({"data":{"names":["a","b"],"ndarray":[[1,2],[3,4]]}})",
          R"({"meta":{"puid":"p1"},"data":{"names":["no","yes"],"ndarray":[[0.2,0.8],[0.6,0.4]]}})")) ==
      "unknown/unknown | a=1 b=2 -> 'yes'@0.8 | a=3 b=4 -> 'no'@0.6");
  CHECK(decode_one(posted(path, R"({"data":{"tensor":{"shape":[1,2],"values":[1,2]}}})",
                          R"({"data":{"tensor":{"shape":[1,1],"values":[5]}}})")) ==
        "unknown/unknown | x0=1 x1=2 -> 5");
}

TEST_CASE("MLflow in records and in a split frame") {
  CHECK(decode_one(posted("/invocations", R"({"dataframe_records":[{"a":1}]})",
                          R"({"predictions":[2]})")) == "unknown/unknown | a=1 -> 2");
  CHECK(
      decode_one(posted("/invocations",
                        R"({"dataframe_split":{"columns":["a","b"],"index":[0],"data":[[1,"x"]]}})",
                        R"({"predictions":[2]})")) == "unknown/unknown | a=1 b='x' -> 2");
}

TEST_CASE("rules say where model, features, prediction and score are") {
  Rules rules;
  rules.model_name = *parse_place("house-price");
  rules.model_version = *parse_place("header:X-Build");
  rules.features = {{"size", *parse_place("json:/house/size"), FeatureKind::numeric},
                    {"beds", *parse_place("json:/beds"), FeatureKind::categorical},
                    {"promo", *parse_place("query:promo"), FeatureKind::inferred}};
  rules.prediction = *parse_place("json:/out/price");
  rules.score = *parse_place("json:/out/sure");
  rules.segments = {"beds"};
  MadeExchange made = posted("/p?promo=x", R"({"noise":1,"beds":3,"house":{"size":"12.5"}})",
                             R"({"prediction":1,"out":{"price":2,"sure":0.5}})");
  made.response_head = "HTTP/1.1 200 OK\r\nX-Build: b7\r\n\r\n";
  CHECK(decode_one(made, rules) ==
        "house-price/b7 | size=12.5 beds='3' promo='x' -> 2@0.5 in beds=3");
}

TEST_CASE("values without names get those that are configured, by their order") {
  Rules rules;
  rules.features = {{"size", {}, FeatureKind::numeric}, {"beds", {}, FeatureKind::categorical}};
  CHECK(decode_one(
            posted("/v1/models/m:predict", R"({"instances":[[10,2]]})", R"({"predictions":[5]})"),
            rules) == "m/unknown | size=10 beds='2' -> 5");
}

TEST_CASE("a classifier's number is a class, and a score alone is judged by the threshold") {
  Rules rules;
  rules.prediction_kind = PredictionKind::classification;
  CHECK(decode_one(queried("/p?a=1", R"({"prediction": 1.0, "score": 0.9})"), rules) ==
        "unknown/unknown | a=1 -> '1'@0.9");
  CHECK(decode_one(queried("/p?a=1", R"({"probability": 0.3})"), rules) ==
        "unknown/unknown | a=1 -> '0'@0.3");
  rules.prediction_kind = PredictionKind::regression;
  CHECK(decode_one(queried("/p?a=1", R"({"prediction": "12"})"), rules) ==
        "unknown/unknown | a=1 -> 12");
  CHECK(decode_one(queried("/p?a=1", R"({"prediction": "dear"})"), rules) == "failed wrong_type");
}

TEST_CASE("the caller's ids are aliases, each once") {
  MadeExchange made = posted(
      "/v2/models/m/infer",
      R"({"id":"body-1","inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":[1]}]})",
      R"({"id":"body-1","outputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[1]}]})");
  made.request_head =
      "POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n"
      "X-Prediction-Id: mine\r\nX-Request-Id: gateway\r\nCe-Id: event\r\nSeldon-Puid: "
      "gateway\r\n\r\n";
  Decoder decoder(Rules{});
  const tap::Exchange exchange = made.view();
  const auto observation = decoder.decode(exchange);
  REQUIRE(observation);
  const std::vector<std::string_view> aliases(observation->aliases.begin(),
                                              observation->aliases.end());
  CHECK(aliases == std::vector<std::string_view>{"mine", "gateway", "event", "body-1"});
  CHECK(observation->id == made.id);
  CHECK(observation->time == made.started);
}

TEST_CASE("an error of the model is a failure, whatever its body") {
  MadeExchange made = posted("/v1/models/m:predict", "{broken", "oops");
  made.status = 503;
  made.outcome = tap::Outcome::server_error;
  made.response_head = "HTTP/1.1 503 Service Unavailable\r\nX-Model-Version: 3\r\n\r\n";
  CHECK(decode_one(made) == "m/3 failed");
  made.status = 0;
  made.outcome = tap::Outcome::unreachable;
  made.response_head.clear();
  CHECK(decode_one(made) == "m/unknown failed");
  made.outcome = tap::Outcome::cancelled;
  CHECK(decode_one(made) == "failed incomplete");
}

TEST_CASE("what is no prediction is skipped, not failed") {
  CHECK(decode_one(queried("/v2/health/ready", "{}")) == "skipped not_matched");
  CHECK(decode_one(queried("/metrics", "# HELP")) == "skipped not_matched");
  for (const char* path :
       {"/v2/repository/index", "/v2/repository/models/m/load", "/models/m/unload", "/v2/logging",
        "/v2/systemsharedmemory/region/a/register", "/v2/models/m/trace/setting",
        "/v1/models/m:explain", "/v2/models/m/explain", "/api/v1.0/feedback"}) {
    CAPTURE(path);
    CHECK(decode_one(posted(path, "{}", "[]")) == "skipped not_matched");
    Rules told;
    told.paths = {path};  // Who names it means it.
    CHECK(decode_one(posted(path, R"({"a": 1})", R"({"y": 2})"), told) != "skipped not_matched");
  }
  MadeExchange page = queried("/search?q=1", "<html>");
  page.response_head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
  CHECK(decode_one(page) == "skipped not_matched");
  MadeExchange moved = queried("/predict?a=1", "");
  moved.status = 302;
  CHECK(decode_one(moved) == "skipped not_matched");
  Rules rules;
  rules.paths = {"/predict"};
  CHECK(decode_one(posted("/login", "{}", "{}"), rules) == "skipped not_matched");
  rules.paths = {"/search"};
  CHECK(decode_one(page, rules) == "failed unsupported_format");
}

TEST_CASE("a broken packed body is judged the same whatever came before it") {
  const std::string_view frames[] = {
      // Promises 31 064 bytes and holds none: zstd notices only when there is room for all of them.
      {"\x28\xb5\x2f\xfd\x40\x58\x32\x79\x01\0\0", 11},
      // Promises as many and holds more than twice that: it passes if there is room in the context.
      {"\x28\xb5\x2f\xfd\x44\x58\x32\x79\x22\x04\x09\0", 12}};
  for (const std::string_view broken : frames) {
    Unpacker fresh(1 << 16), used(1 << 16);
    for (const std::size_t size : {1 << 16, 1 << 16, 1 << 17})
      CHECK(used.unpack("zstd", packed_by_zstd(std::string(size, ' '))).has_value() ==
            (size <= 1 << 16));
    const auto first = fresh.unpack("zstd", broken), later = used.unpack("zstd", broken);
    REQUIRE(first.has_value() == later.has_value());
    CHECK((first ? *first == *later : first.error() == later.error()));
  }
}

TEST_CASE("bodies are unpacked, within the limit") {
  MadeExchange made = posted("/p", net::gzip(R"({"a":1})"), net::gzip(R"({"y":2})"));
  made.request_head =
      "POST /p HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n"
      "Content-Encoding: gzip\r\n\r\n";
  made.response_head =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: "
      "x-gzip\r\n\r\n";
  CHECK(decode_one(made) == "unknown/unknown | a=1 -> 2");
  const std::string whole = made.response_body;
  made.response_body.resize(whole.size() - 9);
  CHECK(decode_one(made) == "failed invalid_encoding");
  made.response_body = "not gzip at all";
  CHECK(decode_one(made) == "failed invalid_encoding");
  made.response_body = net::gzip(std::string(1 << 20, ' ') + R"({"y":2})");
  Rules rules;
  rules.unpacked_bytes_max = 1 << 16;
  CHECK(decode_one(made, rules) == "failed unpacked_too_large");
  CHECK(decode_one(made) == "unknown/unknown | a=1 -> 2");
  made.response_head = "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n";
  CHECK(decode_one(made) == "failed unsupported_encoding");
}

// An exchange of whose answer only the beginning (`at` bytes) and the end are there.
std::string outcome_with_gap(const MadeExchange& made, std::size_t at) {
  tap::Exchange exchange = made.view();
  exchange.response_gap = {1'000'000, at};
  Decoder decoder({});
  const auto outcome = decoder.decode(exchange);
  if (outcome) return describe(*outcome);
  return std::string(outcome.error().kind == tap::Disposal::Kind::skipped
                         ? to_string(outcome.error().skip_reason)
                         : to_string(outcome.error().fail_reason));
}

TEST_CASE("of a stream that was too long to keep whole, the end counts as of any other") {
  MadeExchange made = posted("/predict", R"({"size": 1800})", "");
  made.response_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
  const std::string head = "data: {\"price\": 1}\n\n";
  made.response_body = head + "ce\": 2}\r\n\r\ndata: {\"price\": 90}\n\ndata: [DONE]\n\n";
  CHECK(outcome_with_gap(made, head.size()) == "unknown/unknown | size=1800 -> 90");
  // The end has no whole event.
  made.response_body = head + "\ndata: {\"price\": 90}";
  CHECK(outcome_with_gap(made, head.size()) == "too_long");
  // Anything else needs all of its body.
  made.response_body = head + "ce\": 2}\n\ndata: {\"price\": 90}\n\n";
  made.response_head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";
  CHECK(outcome_with_gap(made, head.size()) == "too_long");
  made.request_head = "POST /v1/chat/completions HTTP/1.1\r\nHost: model\r\n\r\n";
  CHECK(outcome_with_gap(made, head.size()) == "language_model");
}

TEST_CASE("a streamed answer is its last JSON event") {
  MadeExchange made = queried("/p?a=1", "");
  made.response_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
  made.response_body =
      "event: x\ndata: {\"y\": 1}\n\ndata: {\"y\":\ndata: 2}\n\ndata: [DONE]\n\n: bye\n\n";
  CHECK(decode_one(made) == "unknown/unknown | a=1 -> 2");
  made.response_body = "data: {\"y\":3}\r\n\r\ndata: hello";
  CHECK(decode_one(made) == "unknown/unknown | a=1 -> 3");
  made.response_body =
      R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",)"
      R"("system_fingerprint":"fp","choices":[{"index":0,"delta":{}}],"usage":{"tokens":7}})"
      "\n\ndata: [DONE]\n\n";
  CHECK(decode_one(made) == "skipped language_model");
  made.response_body = "data: [DONE]\n\n";
  CHECK(decode_one(made) == "failed missing_prediction");
  Rules rules;
  rules.skip_streams = true;
  CHECK(decode_one(made, rules) == "skipped not_matched");
}

TEST_CASE("codings are taken off in every form in which they come") {
  const auto answered = [](const std::string& codings, const std::string& body, Rules rules = {}) {
    MadeExchange made = posted("/p", R"({"a":1})", body);
    made.response_head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: " + codings +
        "\r\n\r\n";
    return decode_one(made, std::move(rules));
  };
  const std::string good = "unknown/unknown | a=1 -> 2";
  const std::string answer = R"({"y":2})";
  const std::string gzipped = net::gzip(answer);
  CHECK(answered("gzip", net::gzip(R"({"y")") + net::gzip(":2}")) == good);  // Two members.
  CHECK(answered("gzip", gzipped + "trailing") == "failed invalid_encoding");
  CHECK(answered("gzip", "") == "failed invalid_json");
  for (std::size_t bytes = 1; bytes < gzipped.size(); ++bytes) {
    CHECK(answered("gzip", gzipped.substr(0, bytes)) == "failed invalid_encoding");
  }
  // The bytes between gzip's header of ten and its trailer of eight are raw deflate.
  const std::string raw = gzipped.substr(10, gzipped.size() - 18);
  CHECK(answered("deflate", raw) == good);
  CHECK(answered("deflate", packed_by_zlib(answer)) == good);
  CHECK(answered("deflate", packed_by_zlib(answer).substr(0, 12)) == "failed invalid_encoding");
  CHECK(answered("zstd", packed_by_zstd(answer)) == good);
  CHECK(answered("zstd", packed_by_zstd(R"({"y")") + packed_by_zstd(":2}")) == good);
  CHECK(answered("zstd", packed_by_zstd(answer).substr(0, 12)) == "failed invalid_encoding");
  CHECK(answered("gzip, zstd", packed_by_zstd(gzipped)) == good);
  CHECK(answered("zstd, gzip", packed_by_zstd(gzipped)) == "failed invalid_encoding");
  CHECK(answered("identity, GZIP ,", gzipped) == good);
  CHECK(answered("gzip,gzip,gzip,gzip,gzip", gzipped) == "failed unsupported_encoding");
  CHECK(answered("br", answer) == "failed unsupported_encoding");
  // Small bombs, each coding by itself and one in another.
  const std::string zeros(64 << 20, '0');
  CHECK(answered("gzip", net::gzip(zeros)) == "failed unpacked_too_large");
  CHECK(answered("zstd", packed_by_zstd(zeros)) == "failed unpacked_too_large");
  CHECK(answered("zstd, gzip", net::gzip(packed_by_zstd(zeros))) == "failed unpacked_too_large");
}

TEST_CASE("a short body cannot make the decoder take much memory") {
  std::string wide = R"([{"f0":0)";
  for (int i = 1; i < 9'000; ++i) wide += ",\"f" + std::to_string(i) + "\":0";
  wide += "}";
  for (int i = 0; i < 9'000; ++i) wide += ",{}";
  const std::string key(200'000, 'k');
  std::string nested = "{\"" + key + "\":{\"a\":0";
  for (int i = 0; i < 9'000; ++i) nested += ",\"a\":0";
  nested += "}}";
  std::string lists = "{\"y\":1";
  for (int i = 0; i < 100'000; ++i) lists += ",\"\":[]";
  lists += "}";
  std::string tensors;
  const std::string ones(2 * 400'000, '0');
  for (int i = 0; i < 6; ++i) {
    std::string data = ones;
    for (std::size_t at = 1; at < data.size(); at += 2) data[at] = ',';
    data.pop_back();
    tensors += std::string(i ? "," : "") +
               R"({"name":"t","datatype":"INT8","shape":[400000],"data":[)" + data + "]}";
  }
  const std::string columns =
      "{\"inputs\":[{\"name\":\"" + key +
      R"(","shape":[1,9000],"parameters":{"binary_data_size":9000},"datatype":"INT8"},)"
      R"({"name":"b","shape":[1],"datatype":"INT8","data":[1]}]})";
  MadeExchange binary = posted("/p", columns + std::string(9'000, '\0'), R"({"y":1})");
  binary.request_head = "POST /p HTTP/1.1\r\nHost: m\r\nInference-Header-Content-Length: " +
                        std::to_string(columns.size()) + "\r\n\r\n";

  std::string nulls = "[null";
  for (int i = 0; i < 9'000; ++i) nulls += ",null";
  nulls += "]";

  const std::size_t before = resident_bytes_max();
  CHECK(fail_of(wide + "]", nulls) == "failed too_many_rows");
  CHECK(fail_of(nested) == "failed wrong_shape");
  CHECK(fail_of(R"({"a":1})", nested) == "failed wrong_shape");
  CHECK(fail_of(R"({"a":1})", lists) == "unknown/unknown | a=1 -> 1");
  CHECK(decode_one(binary) == "failed wrong_shape");
  CHECK(fail_of("{\"inputs\":[" + tensors + "]}") == "failed too_many_rows");
  CHECK(fail_of(R"({"a":1})", "{\"outputs\":[" + tensors + "]}") == "failed wrong_shape");
  std::string list(2 * 1'500'000, '0');
  for (std::size_t at = 1; at < list.size(); at += 2) list[at] = ',';
  list.back() = ']';
  CHECK(fail_of(R"({"a":1})", "{\"a\":[" + list + ",\"outputs\":[" + list + "}") ==
        "failed too_many_rows");
  CHECK(resident_bytes_max() - before < 1u << 30);  // A sanitizer's own memory included.
}

TEST_CASE("JSON with another type, or with a byte-order mark, is JSON") {
  const auto typed = [](const std::string& fields, const std::string& body) {
    MadeExchange made = posted("/v1/models/m:predict", body, R"({"predictions":[7]})");
    made.request_head = "POST /v1/models/m:predict HTTP/1.1\r\nHost: m\r\n" + fields + "\r\n";
    return decode_one(made);
  };
  const std::string good = "m/unknown | x0=1 x1=2 -> 7";
  const std::string body = R"( {"instances":[[1,2]]})";
  CHECK(typed("Content-Type: application/x-www-form-urlencoded\r\n", body) == good);  // curl -d
  CHECK(typed("Content-Type: text/plain; charset=utf-8\r\n", body) == good);
  CHECK(typed("Content-Type: application/octet-stream\r\n", body) == good);
  CHECK(typed("", body) == good);
  CHECK(typed("Content-Type: application/json\r\n", "\xEF\xBB\xBF" + body) == good);
  CHECK(typed("", "\xEF\xBB\xBF" + body) == good);
  CHECK(typed("Content-Type: application/x-www-form-urlencoded\r\n", "a=1&b=%7B") ==
        "m/unknown | a=1 b='{' -> 7");
}

TEST_CASE("CSV is a row a line, with or without a header") {
  const auto invoked = [](const std::string& body, const std::string& answer,
                          const std::string& type = "text/csv", Rules rules = {}) {
    MadeExchange made = posted("/invocations", body, answer);
    made.request_head =
        "POST /invocations HTTP/1.1\r\nHost: m\r\nContent-Type: text/csv; charset=utf-8\r\n\r\n";
    made.response_head = "HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\n\r\n";
    return decode_one(made, std::move(rules));
  };
  const std::string two = "unknown/unknown | x0=1.5 x1='a' -> 10 | x0=2 x1=- -> 20";
  CHECK(invoked("1.5,a\n2,\n", "10\n20\n") == two);
  CHECK(invoked("1.5,\"a\"\r\n2,", "10,20") == two);  // A batch in one line.
  CHECK(
      invoked("1.5,a\n2,", R"({"predictions":[{"score":10},{"score":20}]})", "application/json") ==
      "unknown/unknown | x0=1.5 x1='a' -> 10@10 | x0=2 x1=- -> 20@20");
  CHECK(invoked("size,city\n1.5,a\n2,", "price,id\n10,7\n20,8") ==
        "unknown/unknown | size=1.5 city='a' -> 10 | size=2 city=- -> 20");
  CHECK(invoked("yes,no", "cat") == "unknown/unknown | x0='yes' x1='no' -> 'cat'");
  CHECK(invoked("1,2", "0.1,0.9") == "unknown/unknown | x0=1 x1=2 -> '1'@0.9");
  CHECK(invoked("1,2\n3", "1\n2") == "failed wrong_shape");
  CHECK(invoked("1,2\n3,4", "1") == "failed wrong_shape");
  CHECK(invoked("\n\n", "1") == "failed wrong_shape");
  CHECK(invoked("1,\"2\"3", "1") == "failed invalid_csv");
  CHECK(invoked("1,\"2", "1") == "failed invalid_csv");
  CHECK(invoked("1,\xff", "1") == "failed invalid_utf8");
  CHECK(invoked("1,2", "") == "failed wrong_shape");
  Rules rules;
  rules.rows_max = 2;
  CHECK(invoked("a\n1\n2", "1\n2", "text/csv", rules) == "unknown/unknown | a=1 -> 1 | a=2 -> 2");
  CHECK(invoked("1\n2\n3\n4", "1\n2\n3\n4", "text/csv", rules) == "failed too_many_rows");
  MadeExchange file = queried("/export?day=3", "1,2\n3,4\n");
  file.response_head = "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n";
  CHECK(decode_one(file) == "skipped not_matched");
}

TEST_CASE("JSON lines are rows of a batch, or a stream whose last line counts") {
  const auto asked = [](const std::string& body, const std::string& answer) {
    MadeExchange made = posted("/p", body, answer);
    made.request_head =
        "POST /p HTTP/1.1\r\nHost: m\r\nContent-Type: application/jsonlines\r\n\r\n";
    made.response_head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";
    return decode_one(made);
  };
  CHECK(asked("{\"a\":1}\n{\"a\":2}\n", "{\"y\":3}\r\n\r\n{\"y\":4}") ==
        "unknown/unknown | a=1 -> 3 | a=2 -> 4");
  CHECK(asked("{\"instances\":[[1],[2]]}", "{\"predictions\":[3,4]}\n") ==
        "unknown/unknown | x0=1 -> 3 | x0=2 -> 4");
  CHECK(asked("{\"a\":1}", "{\"y\":1}\n{\"y\":2}\n{\"y\":3}\n") == "unknown/unknown | a=1 -> 3");
  CHECK(asked("{\"a\":1}", "\n") == "failed missing_prediction");
  CHECK(asked("{\"a\":1}", "{\"y\":1}\n{\"y\":") == "failed invalid_json");
  CHECK(asked("{\"a\":1}\n{\"a\"", "{\"y\":1}") == "failed invalid_json");
}

TEST_CASE("sampling leaves out here what the tap would have left out, by the same key") {
  Rules rules;
  rules.sample_rate = 0.3;
  const auto tap_settings = tap::compile({.sample_rate = rules.sample_rate});
  REQUIRE(tap_settings);
  Decoder decoder(rules);
  int taken = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::string key = "key-" + std::to_string(i);
    MadeExchange made = posted("/p", R"({"a":1})", R"({"y":1})");
    made.request_head = "POST /p HTTP/1.1\r\nHost: m\r\nSeldon-Puid: other\r\n" +
                        std::string(i % 2 ? "Ce-Id: " : "X-Request-Id: ") + key + "\r\n\r\n";
    const bool in = tap::is_sampled(*tap_settings, key);
    taken += in;
    CHECK(outcome_of(decoder, made) == (in ? "unknown/unknown | a=1 -> 1" : "skipped sampled_out"));
  }
  CHECK(taken > 240);
  CHECK(taken < 360);
  rules.sample_rate = 0;
  CHECK(decode_one(posted("/p", R"({"a":1})", R"({"y":1})"), rules) == "skipped sampled_out");
}

TEST_CASE("each way in which a body can be wrong has its reason") {
  CHECK(fail_of(R"({"instances":[[1]],"instances":[[2],[3]]})", "[4,5]") ==
        "unknown/unknown | x0=2 -> 4 | x0=3 -> 5");
  CHECK(fail_of(R"({"inputs":{"a":[1]},"inputs":{"b":[2]}})") == "unknown/unknown | b=2 -> 1");
  CHECK(fail_of(R"({"a":1}{"a":2})") == "failed invalid_json");
  CHECK(fail_of(R"({"a":1})", R"({"outputs":[1,{"name":"a","shape":[1],"data":[1]},2]})") ==
        "failed wrong_shape");
  CHECK(fail_of(R"({"a":1)") == "failed invalid_json");
  CHECK(fail_of(R"({"a":1}})") == "failed invalid_json");
  CHECK(fail_of(R"({"a" 1})") == "failed invalid_json");
  CHECK(fail_of("") == "unknown/unknown | -> 1");
  CHECK(fail_of("{\"a\":\"\xff\xfe\"}") == "failed invalid_utf8");
  CHECK(fail_of(R"({"a":1.2.3})") == "failed invalid_number");
  CHECK(fail_of(R"({"a":1})", "{}") == "failed missing_prediction");
  CHECK(fail_of(R"({"a":1})", R"({"message":"hi"})") == "failed missing_prediction");
  CHECK(fail_of(R"({"instances":[[1,2],[3]]})", R"({"predictions":[1,2]})") ==
        "failed wrong_shape");
  CHECK(fail_of(R"({"instances":[[1],[3]]})", R"({"predictions":[1]})") == "failed wrong_shape");
  CHECK(fail_of(R"({"inputs":[{"name":"a","shape":[3],"datatype":"FP32","data":[1]}]})") ==
        "failed wrong_shape");
  CHECK(
      fail_of(
          R"({"inputs":[{"name":"a","shape":[99999999999,99999999999],"datatype":"FP32","data":[1]}]})") ==
      "failed too_many_rows");
  CHECK(
      fail_of(
          R"({"inputs":[{"name":"a","shape":[2,99999999999,99999999999],"datatype":"FP32","data":[1]}]})") ==
      "failed wrong_shape");
  CHECK(fail_of(R"({"inputs":[{"name":1,"shape":[1],"data":[1]}]})") == "failed wrong_type");
  CHECK(fail_of("7") == "failed unsupported_format");
  CHECK(decode_one(queried("/p?a=%zz", "{}")) == "failed invalid_query");
  CHECK(decode_one(queried("/p?a=%ff", "{}")) == "failed invalid_utf8");
  MadeExchange image = posted("/p", "\x89PNG", "{}");
  image.request_head = "POST /p HTTP/1.1\r\nHost: m\r\nContent-Type: image/png\r\n\r\n";
  CHECK(decode_one(image) == "skipped opaque_body");
  Rules rules;
  rules.rows_max = 2;
  CHECK(decode_one(posted("/p", "[[1],[2],[3]]", "[1,2,3]"), rules) == "failed too_many_rows");
}

TEST_CASE("what JSON has no way for is a value all the same, and takes nothing along") {
  // As Python's json module reads it, but that no double stands for an integer that it is not.
  CHECK(fail_of(R"({"a":Infinity,"b":-Infinity,"c":NaN,"d":1e400,"e":"NaN"})") ==
        "unknown/unknown | a=+Inf b=-Inf c=- d=+Inf e=- -> 1");
  CHECK(fail_of(R"({"a":-0,"b":123456789012345678901234567890})") ==
        "unknown/unknown | a=-0 b='123456789012345678901234567890' -> 1");
  CHECK(fail_of(R"({"a":9007199254740993,"b":9007199254740992,"c":18446744073709551615})") ==
        "unknown/unknown | a='9007199254740993' b=9007199254740992 c='18446744073709551615' -> 1");
  CHECK(fail_of(R"({"a":["NaN, Infinity",NaN]})") ==
        "unknown/unknown | a.0='NaN, Infinity' a.1=- -> 1");
  CHECK(fail_of(R"({"a":NaN,})") == "failed invalid_json");
  // A row without a prediction is the model's failure; the others count.
  CHECK(fail_of(R"([[1],[2],[3],[4]])", "[1,null,NaN,Infinity]") ==
        "unknown/unknown | x0=1 -> 1 | x0=2 -> - | x0=3 -> - | x0=4 -> -");
  for (const char* answer : {R"({"y":null})", R"({"y":NaN})", R"({"y":1e400})", "NaN", "null"}) {
    CHECK(fail_of(R"({"a":1})", answer) == "unknown/unknown | a=1 -> -");
  }
}

TEST_CASE("deep nesting is refused, not followed") {
  const std::string deep = std::string(5'000, '[') + "1" + std::string(5'000, ']');
  CHECK(fail_of(R"({"a":)" + deep + "}") == "failed json_too_deep");
  CHECK(fail_of(deep) == "failed json_too_deep");
  std::string objects;
  for (int i = 0; i < 500; ++i) objects += R"({"a":)";
  objects += "1" + std::string(500, '}');
  CHECK(fail_of(objects) == "failed json_too_deep");
  CHECK(fail_of(R"({"a":1})", objects) == "failed json_too_deep");
}

TEST_CASE("exchanges of different shapes in turn are told apart") {
  Decoder decoder(Rules{});
  for (int i = 0; i < 3; ++i) {
    CHECK(outcome_of(decoder, posted("/p", R"({"a":1,"b":2})", R"({"y":1})")) ==
          "unknown/unknown | a=1 b=2 -> 1");
    CHECK(outcome_of(decoder, posted("/p", R"({"a":1})", R"({"y":1})")) ==
          "unknown/unknown | a=1 -> 1");
    CHECK(outcome_of(decoder, posted("/p", R"({"a":1,"c":2,"b":3})", R"({"y":1})")) ==
          "unknown/unknown | a=1 c=2 b=3 -> 1");
    CHECK(outcome_of(decoder, posted("/p", R"([[1,2]])", R"({"y":1})")) ==
          "unknown/unknown | x0=1 x1=2 -> 1");
    CHECK(outcome_of(decoder, posted("/p", R"({"a":1,"a":2})", R"({"y":1})")) ==
          "unknown/unknown | a=2 -> 1");
  }
}

TEST_CASE("what is unlike the last body is read for itself, and the usual one after it again") {
  struct Field {
    std::string key;
    int value;
  };
  const auto body_of = [](const std::vector<Field>& fields) {
    std::string body = "{";
    for (const Field& field : fields) {
      body += (body.size() > 1 ? ",\"" : "\"") + field.key + "\":" + std::to_string(field.value);
    }
    return body + "}";
  };
  const auto described = [](const std::vector<Field>& fields) {
    std::string text;
    for (const Field& f : fields) text += " " + f.key + "=" + std::to_string(f.value);
    return text;
  };
  // Few names are looked through, many have an index.
  for (const int count : {3, 20, 40}) {
    std::vector<Field> usual;
    for (int i = 0; i < count; ++i) usual.push_back({"f" + std::to_string(i), i});
    Decoder decoder(Rules{});
    const auto check = [&](const std::vector<Field>& fields, const std::vector<Field>& expected) {
      const auto read = [&](const std::string& body, const std::string& answer) {
        return outcome_of(decoder, posted("/p", body, answer));
      };
      const std::string plain = "unknown/unknown |" + described(usual) + " -> 1";
      REQUIRE(read(body_of(usual), R"({"y":1})") == plain);
      CHECK(read(body_of(fields), R"({"y":1})") ==
            "unknown/unknown |" + described(expected) + " -> 1");
      CHECK(read(body_of(usual), R"({"y":1})") == plain);
      // Of a later row what is not there is missing, so compare with the row alone only where it
      // names the same features.
      std::vector<Field> sorted = expected;
      std::sort(sorted.begin(), sorted.end(),
                [](const Field& a, const Field& b) { return a.value % 100 < b.value % 100; });
      if (sorted.size() != usual.size()) return;
      CHECK(read("[" + body_of(usual) + "," + body_of(fields) + "," + body_of(usual) + "]",
                 "[1,2,3]") == "unknown/unknown |" + described(usual) + " -> 1 |" +
                                   described(sorted) + " -> 2 |" + described(usual) + " -> 3");
    };
    std::vector<Field> other = usual;
    std::reverse(other.begin(), other.end());
    check(other, other);
    other = usual;
    std::swap(other[1], other[2]);
    check(other, other);
    for (const std::size_t twice : {std::size_t{0}, usual.size() / 2, usual.size() - 1}) {
      INFO(twice);
      // The last value counts, at the place of the first.
      std::vector<Field> last_counts = usual;
      last_counts[twice].value += 100;
      for (const std::size_t again : {twice + 1, usual.size()}) {
        other = usual;
        other.insert(other.begin() + static_cast<std::ptrdiff_t>(again), last_counts[twice]);
        check(other, last_counts);
      }
      other = usual;
      other.insert(other.begin() + static_cast<std::ptrdiff_t>(twice), {"extra", 7});
      check(other, other);
      other = usual;
      other.erase(other.begin() + static_cast<std::ptrdiff_t>(twice));
      check(other, other);
    }
  }
}

TEST_CASE("a name with a quote or a backslash is not taken for the bytes of another one") {
  Decoder decoder(Rules{});
  const auto read = [&](const std::string& body) {
    return outcome_of(decoder, posted("/p", body, R"({"y":1})"));
  };
  for (int i = 0; i < 2; ++i) {
    CHECK(read(R"({"a\":1,\"b":2})") == R"(unknown/unknown | a":1,"b=2 -> 1)");
    CHECK(read(R"({"a":1,"b":2})") == "unknown/unknown | a=1 b=2 -> 1");
    CHECK(read(R"({"a\\t":3})") == R"(unknown/unknown | a\t=3 -> 1)");
    CHECK(read(R"({"a\t":4})") == "unknown/unknown | a\t=4 -> 1");
    CHECK(read(R"({"\u0061":5})") == "unknown/unknown | a=5 -> 1");
    CHECK(read(R"({"a":6})") == "unknown/unknown | a=6 -> 1");
  }
}

TEST_CASE("names that look like positions are names, and values without names follow them") {
  Decoder decoder(Rules{});
  for (int i = 0; i < 2; ++i) {
    CHECK(outcome_of(decoder, posted("/p", R"({"x0":1,"x1":2})", R"({"y":1})")) ==
          "unknown/unknown | x0=1 x1=2 -> 1");
    const MadeExchange made = posted("/p", "[[1,2],[3,4]]", "[1,2]");
    const tap::Exchange exchange = made.view();
    const auto outcome = decoder.decode(exchange);
    REQUIRE(outcome);
    CHECK(describe(*outcome) == "unknown/unknown | x0=1 x1=2 -> 1 | x0=3 x1=4 -> 2");
    CHECK(outcome->names->positional);
  }
}

TEST_CASE("a query is taken as it stands, or decoded, or refused, piece by piece") {
  const auto answered = [](const std::string& query) {
    return decode_one(queried("/predict?" + query, R"({"y":1})"));
  };
  CHECK(answered("a=1&b+c=2&d=%41") == "unknown/unknown | a=1 b c=2 d='A' -> 1");
  CHECK(answered("a=1&b=%C3%BC") == "unknown/unknown | a=1 b='\xC3\xBC' -> 1");
  CHECK(answered("a=1&b=%C3") == "failed invalid_utf8");
  CHECK(answered("a=%4&b=%C3") == "failed invalid_query");
  CHECK(answered("a=%C3&b=%4") == "failed invalid_utf8");
}

TEST_CASE("feature names that never repeat do not pile up") {
  Decoder decoder(Rules{});
  for (int i = 0; i < 2'000; ++i) {
    const std::string name = "f" + std::to_string(i);
    CHECK(outcome_of(decoder, posted("/p", "{\"" + name + "\":1}", R"({"y":1})")) ==
          "unknown/unknown | " + name + "=1 -> 1");
  }
}

}  // namespace outrider::decode
