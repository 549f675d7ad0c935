// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the prediction log keeps of a prediction, and what a label is once it is read. PURE values.
//
// A prediction is named by the id that the proxy minted for its request (a UUIDv7: its first 48
// bits are milliseconds since the epoch) and its row in that request, from 0. In text a single-row
// request is "{id}" and a row of several is "{id}_{row}".

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/core/clock.h"

namespace outrider::truth {

// 128 bits of a UUID, in the order in which its text has them.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;

  // Milliseconds since the epoch that a version 7 carries.
  std::int64_t unix_ms() const;
  // That time; ids from past the clock's end, in 2262, are given its end.
  Time time() const;
};

// The canonical 36 characters, hexadecimal digits in either case; nothing for anything else and for
// versions other than 7.
std::optional<Uuid> parse_uuid7(std::string_view text);
// Of any version, with its dashes or as 32 digits without.
std::optional<Uuid> parse_uuid(std::string_view text);
std::string format_uuid(const Uuid& id);
// A UUIDv7 of the time and of 74 random bits: for tests, benchmarks and posted exchanges.
Uuid make_uuid7(Time time, std::uint64_t random_high, std::uint64_t random_low);

struct PredictionKey {
  Uuid id;
  std::uint32_t row = 0;
  auto operator<=>(const PredictionKey&) const = default;
};
std::string format_key(const PredictionKey& key, std::uint32_t rows);  // "{id}" or "{id}_{row}"

// A prediction's or a truth's value: a number, or a class by its text. JSON's true and false are
// the texts "true" and "false".
using Value = std::variant<double, std::string>;
using ValueView = std::variant<double, std::string_view>;
std::string to_text(const Value& value);
inline ValueView view(const Value& value) {
  if (const double* number = std::get_if<double>(&value)) return *number;
  return std::string_view(std::get<std::string>(value));
}

// A feature's value: missing, a number, or a category.
using FeatureValue = std::variant<std::monostate, double, std::string>;
using FeatureValueView = std::variant<std::monostate, double, std::string_view>;

struct Feature {
  std::string name;
  FeatureValue value;
  bool operator==(const Feature&) const = default;
};

// One row of a request, as it is handed to PredictionLog::append(). Views: nothing is kept of them.
struct RowView {
  ValueView prediction = 0.0;
  std::optional<double> score =
      std::nullopt;               // The model's own confidence or probability, if it said one.
  std::string_view segment = {};  // Empty: none.
  std::span<const FeatureValueView> features = {};  // As many as feature_names, or none.
  bool failed = false;        // The model gave this row no prediction: its label is `unknown`.
  std::string_view key = {};  // What the one who labels calls this row; empty: nothing.
};

struct PredictionView {
  std::string_view
      id;       // The minted UUIDv7 in text; anything else is refused (dropped: invalid_id).
  Time time{};  // When the request came.
  std::string_view model_name = {};
  std::string_view model_version = {};
  std::span<const std::string_view> aliases = {};  // The caller's ids; empty ones are passed over.
  std::string_view key = {};  // What the one who labels calls the request; empty: nothing.
  std::span<const std::string_view> feature_names = {};
  std::span<const RowView> rows = {};
};

// One row as it comes back from the log.
struct StoredPrediction {
  PredictionKey key;
  std::uint32_t rows = 1;  // Of its request.
  Time time{};
  std::string model_name;
  std::string model_version;
  Value prediction = 0.0;
  std::optional<double> score;
  std::string segment;
  std::vector<Feature> features;  // Empty unless log.keep_features.
  bool operator==(const StoredPrediction&) const = default;
};

// A prediction and its truth: what a joined label becomes.
struct JoinedRow {
  std::string
      id;  // As format_key() has it; the label's own id when it was self-contained and not ours.
  Time predicted{};                // For a self-contained label of an unknown time: when it came.
  Time labelled{};                 // When the label came in here: delay = labelled - predicted.
  std::optional<Time> truth_time;  // The label's own `timestamp`.
  std::string model_name;
  std::string model_version;
  Value prediction = 0.0;
  Value truth = 0.0;
  std::optional<double> score;
  std::string segment;
  std::vector<Feature> features;
  bool operator==(const JoinedRow&) const = default;
};

// A prediction with its truth, where that is known.
struct LoggedRow {
  PredictionKey key;
  JoinedRow row;  // Its truth and `labelled` hold only where it is labelled.
  bool labelled = false;
  bool operator==(const LoggedRow&) const = default;
};

// What became of one label: the `result` of outrider_labels_total.
enum class LabelResult : std::uint8_t {
  joined,     // Found its prediction (or brought it along); on disk, counted once.
  early,      // Its prediction is not in the log yet; held for early_hold, on disk, then joined or
              // unknown.
  late,       // Came more than truth.max_delay after its prediction. Not joined.
  unknown,    // No prediction of that id here.
  ambiguous,  // Two predictions go by that alias or key, or the request had rows and none is named.
  duplicate,  // That prediction has its label already; the first one stands.
  invalid,    // Not a label: see its message.
  evicted,    // Its prediction has fallen to the log's byte cap.
  sampled_out,  // Its prediction is not kept, by truth.sample.
};
inline constexpr std::size_t label_result_count = 9;
std::string_view to_string(LabelResult result);

struct LabelAnswer {
  LabelResult result = LabelResult::unknown;
  std::string message;  // Empty for joined.
  // Joined (now or before) or held, and left to the other agent of a pair to count.
  bool uncounted = false;
  bool operator==(const LabelAnswer&) const = default;
};

// What a self-contained label brings along.
struct BroughtPrediction {
  Value prediction = 0.0;
  std::string model_version = {};
  std::string model_name = {};  // Empty: the configured model.
  std::string segment = {};
  std::optional<double> score = {};
  bool operator==(const BroughtPrediction&) const = default;
};

// One label as its sender wrote it.
struct GroundTruth {
  std::string id;
  std::optional<std::uint32_t> row;  // The `row` field; a suffix "_{row}" stays in the id.
  Value truth = 0.0;
  std::optional<Time> timestamp;
  std::optional<BroughtPrediction> brought;
  bool operator==(const GroundTruth&) const = default;
};

}  // namespace outrider::truth
