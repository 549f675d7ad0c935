// SPDX-License-Identifier: Apache-2.0
// The decoders: a request and its answer of any bytes, behind every kind of head, under several
// rules. The input is a byte that chooses head and rules, then the request's body, a line "----",
// the answer's.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/decoder.h"
#include "sidecar/monitor/decode/model_decoders.h"
#include "test/fuzz/require.h"

namespace {

using namespace outrider;

decode::Rules configured() {
  decode::Rules rules;
  rules.features = {{"a", *decode::parse_place("json:/a/b"), decode::FeatureKind::numeric},
                    {"c", *decode::parse_place("query:c"), decode::FeatureKind::categorical},
                    {"d", {}, decode::FeatureKind::inferred}};
  rules.prediction = *decode::parse_place("json:/out/y");
  rules.score = *decode::parse_place("json:/p");
  rules.prediction_kind = decode::PredictionKind::classification;
  rules.segments = {"a", "d"};
  rules.rows_max = 8;
  return rules;
}

decode::Rules keyed() {
  decode::Rules rules;
  rules.key = {*decode::parse_place("json:/k"), *decode::parse_place("row:/a"),
               *decode::parse_place("query:c"), *decode::parse_place("response:/id")};
  return rules;
}

// One part alone, which is found more often.
decode::Rules keyed_by(const char* place) {
  decode::Rules rules;
  rules.key = {*decode::parse_place(place)};
  return rules;
}

// All that was read, so that two readings can be compared: one that was in the way of the last
// body, and a fresh one.
std::string all_of(const decode::Observation& observation) {
  std::string all = observation.model_failed ? "failed" : "";
  const auto add = [&all](const decode::FeatureValue& value) {
    std::string scratch;
    all += value.kind == decode::ValueKind::text ? '\'' : ' ';
    all += decode::as_category(value, scratch);
  };
  for (const decode::Row& row : observation.rows) {
    for (std::size_t i = 0; i < row.features.size(); ++i) {
      all += '\n' + observation.names->names[i];
      add(row.features[i]);
    }
    all += "\n->";
    add(row.prediction.value);
    all += std::to_string(row.prediction.score);
    all += row.key;
  }
  all += observation.key;
  return all;
}

// What holds of every observation, whatever it was made of.
void check(const decode::Observation& observation) {
  using fuzz::require;
  const decode::KeyCounts& keys = observation.keys;
  const std::size_t counted = keys.found + keys.missing + keys.unusable;
  require(counted == 0 || counted == observation.rows.size(), "each row has a key or a reason");
  require(counted == keys.found || !observation.key_words.empty(), "what has no key says why");
  require(observation.key.size() <= decode::key_bytes_max, "a key is within its limit");
  for (const decode::Row& row : observation.rows) {
    const std::size_t names = observation.names ? observation.names->names.size() : 0;
    require(row.features.size() == names, "a row has a value for each name");
    require(row.failed == (row.prediction.value.kind == decode::ValueKind::missing),
            "a row has a prediction, or the model failed it");
    require(row.key.size() <= decode::key_bytes_max, "a key is within its limit");
    require(row.key.empty() || observation.key.empty(), "keys are the request's or the rows'");
    std::size_t bytes = row.segment.size();  // Every view can be read.
    for (const auto& value : row.features) {
      for (const char c : value.text) bytes += static_cast<unsigned char>(c);
    }
    for (const char c : row.prediction.value.text) bytes += static_cast<unsigned char>(c);
    require(bytes < SIZE_MAX, "views are readable");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static decode::Decoder inferring{decode::Rules{}};
  static decode::Decoder ruled{configured()};
  static decode::ModelDecoders several{decode::Rules{}, {{"m", configured()}}};
  static decode::Decoder joined_key{keyed()};
  static decode::Decoder row_key{keyed_by("row:/k")}, whole_key{keyed_by("json:/k")};
  if (size == 0) return 0;
  const std::uint8_t choice = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = rest.find("\n----\n");
  const std::string_view body = rest.substr(0, cut);
  const std::string_view answer = cut == std::string_view::npos ? "" : rest.substr(cut + 6);

  static constexpr std::string_view types[] = {"application/json",
                                               "application/octet-stream",
                                               "application/x-www-form-urlencoded",
                                               "",
                                               "text/csv; charset=utf-8",
                                               "application/x-ndjson",
                                               "application/x-www-form-urlencoded",
                                               ""};
  static constexpr std::string_view answer_types[] = {"application/json", "text/event-stream",
                                                      "text/csv", "application/jsonlines"};
  static constexpr std::string_view codings[] = {"", "gzip", "zstd", "deflate"};
  decode::ExchangeParts parts;
  parts.id = "01900000-0000-7000-8000-000000000001";
  parts.status = 200;
  parts.method = body.empty() ? "GET" : "POST";
  parts.path = "/v2/models/m/versions/1/infer";
  parts.query = body.substr(0, 40);
  parts.request_type = types[(choice & 3) + (choice & 128 ? 4 : 0)];
  parts.request_coding = codings[(choice >> 2) & 3];
  parts.response_type = answer_types[(choice & 16 ? 1 : 0) + (choice & 128 ? 2 : 0)];
  parts.request_json_bytes = (choice & 32) ? "20" : "";
  parts.response_json_bytes = (choice & 64) ? "20" : "";
  parts.request_body = body;
  parts.response_body = answer;
  decode::Decoder fresh{decode::Rules{}};  // One that has no buffers yet.
  std::string read[3];
  int i = 0;
  for (decode::Decoder* decoder : {&inferring, &ruled, &fresh}) {
    const auto outcome = decoder->decode(parts);
    if (outcome) check(*outcome);
    read[i++] = outcome ? "read " + all_of(*outcome)
                        : "not read " + std::to_string(static_cast<int>(outcome.error().kind));
  }
  fuzz::require(read[0] == read[2], "what came before changes nothing");
  for (decode::Decoder* decoder : {&joined_key, &row_key, &whole_key}) {
    const auto outcome = decoder->decode(parts);
    if (outcome) check(*outcome);
    fuzz::require(outcome.has_value() == read[0].starts_with("read"),
                  "a key changes nothing of what can be read");
  }
  const auto chosen = several.decode(parts);
  if (chosen) check(*chosen);
  fuzz::require(chosen.has_value() == read[1].starts_with("read"),
                "the path chooses the model's rules");
  return 0;
}
