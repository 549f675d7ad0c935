// SPDX-License-Identifier: Apache-2.0
#pragma once

// KeyReader: the key by which the one who labels knows a prediction (Rules::key: an order's
// number), from where the configuration says. One for the whole request, or one a row. PURE; not
// thread-safe.
//
//   KeyReader keys(rules);
//   keys.begin(rows);                       // For each exchange: so many rows.
//   keys.put(0, value);                     // A part that is the request's: the same for each row …
//   keys.put_rows(1, values);               // … or that differs from row to row.
//   keys.refuse(0, "is a list …");          // A part that is there and names nothing.
//   keys.join(observation, rows);           // Parts that were not put are missing.
//
// A key is text: a number in its shortest form (12 of 12.0), a text that is a number as it is
// written ("007"), any other text without the blanks around it. What says that it is missing
// (detectors/value_reader.h), true and false name nothing. Nor does a key of more than
// key_bytes_max bytes, nor, of several parts, one with the separator in it: two keys must never
// look alike. Cost: a copy of the key where it has several parts.

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sidecar/monitor/decode/observation.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

// A parameter of a query, decoded, the first of that name; nothing where it is absent or not
// decodable.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

class KeyReader {
 public:
  // Where a part is looked for, with its pointer taken apart.
  struct Part {
    Place place;
    std::string written;              // "json:/order_id"
    std::vector<std::string> tokens;  // Of a pointer.
    std::string column;               // The name that it has in a table of features.
  };

  explicit KeyReader(const std::vector<Place>& parts);

  bool empty() const { return parts_.empty(); }
  const std::vector<Part>& parts() const { return parts_; }

  // The features but the key's parts, of a list of names that is kept; no places: all of them are.
  struct Features {
    const FeatureNames* names = nullptr;
    std::vector<std::size_t> places;
  };
  // Valid until some thousand other lists came after it.
  const Features& without_key(const FeatureNames& names);
  // The place of the part's column among the names, or their number.
  static std::size_t column_of(const Part& part, const FeatureNames& names);

  void begin(std::size_t rows);
  void put(std::size_t part, const FeatureValue& value);
  void put_rows(std::size_t part, std::vector<FeatureValue> values);
  void refuse(std::size_t part, std::string why);
  // Keys and counts. Views are valid until the next begin().
  void join(Observation& observation, std::span<Row> rows);

 private:
  enum class Judgement { good, missing, unusable };
  struct Found {
    std::vector<FeatureValue> values;  // One, or one a row; none: missing.
    bool is_row = false;
    std::string refused;
  };
  struct Left {
    FeatureNames names;
    Features features;
  };

  Judgement join_row(std::size_t row, std::string_view& key);
  Judgement text_of(std::size_t part, std::size_t row, std::string_view& text);
  Judgement complain(std::size_t part, Judgement judgement, std::string_view why);

  std::vector<Part> parts_;
  std::vector<Found> found_;  // As many as parts_.
  std::size_t rows_ = 0;
  std::deque<std::string> kept_;
  std::string words_;
  std::unordered_map<std::uint64_t, Left> left_;  // By the names' serial; bounded.
};

}  // namespace outrider::decode
