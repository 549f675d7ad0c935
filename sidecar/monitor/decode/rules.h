// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rules: where in an exchange the decoder finds the model's name and version, the features and the
// prediction. Everything is optional: what no rule names is recognised from the traffic.
//
// A Place is written in the model configuration as
//   "header:X-Model-Version"   a field of the response, else of the request
//   "query:size"               a parameter of the request's query
//   "json:/bedrooms"           a JSON pointer (RFC 6901) from the whole of the body at hand (request or
//                              response); where that has no such place, from each row of a list of
//                              rows
//   "row:/bedrooms"            a JSON pointer from each row alone
//   "response:/model_version"  a JSON pointer from the whole of the response's body
//   "path"                     the segment of the path after /models/ (or after /versions/)
//   anything else              a literal

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace outrider::decode {

class MessageSchemas;

struct Place {
  enum class Kind : std::uint8_t { inferred, literal, header, query, json, row, response, path };
  Kind kind = Kind::inferred;
  std::string text;  // The literal, the field's or parameter's name, or the JSON pointer.

  bool operator==(const Place&) const = default;
};

// Errors: "bad_place", for a prefix without its name, or a pointer that does not begin with '/'.
Result<Place> parse_place(std::string_view text);

// Stands between the parts of a key; a part that has it itself names nothing.
inline constexpr char key_separator = '|';
inline constexpr std::size_t key_parts_max = 8;
inline constexpr std::size_t key_bytes_max = 256;  // As truth::id_bytes_max.

enum class FeatureKind : std::uint8_t { inferred, numeric, categorical };
enum class PredictionKind : std::uint8_t { inferred, regression, classification };

struct FeatureRule {
  std::string name;
  Place from;  // query or json; inferred: the name, wherever the protocol puts it.
  FeatureKind kind = FeatureKind::inferred;

  bool operator==(const FeatureRule&) const = default;
};

struct Rules {
  Place model_name;
  Place model_version;

  // Which exchanges are predictions. Empty: all that the decoder recognises.
  std::vector<std::string> methods;
  std::vector<std::string> paths;  // Exact, or a prefix that ends in '*'.
  bool names_paths() const { return !paths.empty() || !methods.empty(); }

  // By what the one who labels knows a prediction: parts, joined by key_separator. Empty: no such
  // key.
  std::vector<Place> key;

  std::vector<FeatureRule> features;  // Empty: all that the request has, but the key.
  bool one_row = false;               // Every request is one row, whatever its shape: no batches.
  Place prediction;                   // json; inferred: by the protocol.
  Place score;
  PredictionKind prediction_kind = PredictionKind::inferred;
  // With a score only: the class predicted when score >= threshold is positive_class, else
  // negative_class.
  std::string positive_class = "1";
  std::string negative_class = "0";
  std::vector<std::string> classes;  // Names of a vector's places; empty: its indices, from 0.
  double score_threshold = 0.5;

  // Messages of gRPC services that no protocol of ours knows; null: there are none.
  std::shared_ptr<const MessageSchemas> schemas;

  std::vector<std::string> segments;  // Features whose values name an observation's segment.

  double sample_rate =
      1;  // Exchanges analysed, chosen by a hash of the id: alike in every replica.
  bool skip_streams = false;  // Server-sent events are not_matched instead of decoded at their end.

  // Limits. What exceeds them is counted as failed with the reason beside it.
  std::size_t rows_max = 10'000;              // too_many_rows
  std::size_t features_max = 10'000;          // wrong_shape
  std::size_t unpacked_bytes_max = 16 << 20;  // unpacked_too_large

  bool operator==(const Rules&) const = default;
};

}  // namespace outrider::decode
