// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of predictions, joined rows and held labels in the store. PURE.
//
// Numbers are LEB128 varints (signed ones in zigzag) or 8-byte little-endian doubles; texts are a
// varint length and their bytes. Decoders take bytes of a disk that may be damaged: they never read
// past the end and answer nothing for what does not decode.
//
// A slot's value is a sequence of groups, one a request, each
//   length | low 3 bits of the id's ms + flags | 10 bytes of the id's tail | rows | time - id's ms,
//   in us | model name | model version | feature names if kept | rows…
// so that concatenating two values of the same slot gives the value of both.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "truth/prediction.h"
#include "truth/scope.h"

namespace outrider::truth {

// A slot is 8 ms of ids: it shares a key, and so the cost of a key, between the predictions of a
// busy model, and stays far below a disk block for a quiet one.
inline constexpr int slot_bits = 3;
inline std::uint64_t slot_of(const Uuid& id) {
  return static_cast<std::uint64_t>(id.unix_ms()) >> slot_bits;
}
inline std::uint64_t slot_of(Time time) {
  const std::int64_t ms = to_unix_ms(time);
  return ms < 0 ? 0 : static_cast<std::uint64_t>(ms) >> slot_bits;
}

// Big-endian, so that keys sort by number.
void append_u64_key(std::string& out, std::uint64_t value);
void append_u32_key(std::string& out, std::uint32_t value);
std::uint64_t read_u64_key(std::string_view key);      // Of the first 8 bytes; the key has them.
std::string prediction_key(const PredictionKey& key);  // 20 bytes: id, row.

void append_varint(std::string& out, std::uint64_t value);
void append_text(std::string& out, std::string_view text);
void append_number(std::string& out, double value);

// Reads from the front of `bytes`. After the first failure every read gives nothing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t varint();
  std::int64_t zigzag();
  double number();
  std::uint8_t byte();
  std::string_view text();
  std::string_view take(std::uint64_t bytes);
  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }
  void refuse() { take(rest_.size() + 1); }  // What was read makes no sense: fail.

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// In the key of a named prediction: all rows of the request, not one of them.
inline constexpr std::uint32_t whole_request = 0xFFFFFFFF;

// Under a hash stand the predictions that go by it, in the order of their time: 32 bytes for an
// alias (hash, id), 36 for a key (hash, id, row).
struct NamedPrediction {
  Uuid id;
  bool is_key = false;
  std::uint32_t row = whole_request;  // Of a key.
  bool operator==(const NamedPrediction&) const = default;
};
std::string name_key(const Uuid& hash, const NamedPrediction& named);
std::optional<NamedPrediction> decode_name_key(std::string_view key);  // Without its hash.

// Appends the group of one request. The id is the parsed prediction.id.
void append_group(std::string& out, const Uuid& id, const PredictionView& prediction,
                  bool keep_features);

// Finds rows of slots' values. Rows of one request that are asked for in their order are read once,
// all together: a batch of 10 000 rows is labelled row by row. The values must outlive the next
// find().
class RowFinder {
 public:
  // The row, or nothing when the value has no such request or row. When the request is there but
  // has not that many rows, `rows_found` says how many it has (else 0).
  std::optional<StoredPrediction> find(std::string_view slot_value, const PredictionKey& key,
                                       std::uint32_t& rows_found);

 private:
  bool open(std::string_view slot_value, const Uuid& id);

  bool is_open_ = false;
  std::string_view slot_;
  StoredPrediction head_;  // What is the same for all rows of the request.
  std::vector<std::string_view> names_;
  ByteReader in_{std::string_view()};  // At next_row_.
  std::uint32_t next_row_ = 0;
};
// The same, once.
std::optional<StoredPrediction> find_row(std::string_view slot_value, const PredictionKey& key,
                                         std::uint32_t& rows_found);

// Calls `on_row` with each row that has a prediction. False where the value does not decode to its
// end.
bool for_each_row(std::string_view slot_value, std::uint64_t slot,
                  const std::function<void(StoredPrediction&&)>& on_row);

// A slot's value without a request, or with one row of it as if the model had failed; of requests
// whose model is meant. `rows` with a prediction are gone.
struct TakenOut {
  std::string value;
  std::uint64_t rows = 0;
};
TakenOut take_out(std::string_view slot_value, const Uuid& id, std::optional<std::uint32_t> row,
                  const std::function<bool(std::string_view model)>& is_meant);

// The value under a joined row's key; the id's text is not stored when the key tells it. A row that
// is not counted here is another agent's of a pair to count.
std::string encode_joined(const JoinedRow& row, std::uint32_t rows, bool counted_here = true);
std::optional<JoinedRow> decode_joined(std::string_view key, std::string_view value);
// Only what a duplicate's answer needs. Views into the value.
struct JoinedModel {
  std::string_view name;
  std::string_view version;
  std::uint32_t rows = 1;
  bool counted_here = true;
};
std::optional<JoinedModel> joined_model(std::string_view value);

// The mark of a self-contained label of a foreign id: when it came, and whether it is counted here.
// An agent of before the pair's marks reads the uncounted ones as marks of a time to come.
struct LabelMark {
  std::uint64_t slot = 0;
  bool counted_here = true;
};
std::string encode_mark(const LabelMark& mark);
std::optional<LabelMark> decode_mark(std::string_view value);

struct HeldLabel {
  GroundTruth label;
  Time arrived{};
  bool passed = false;  // Another agent of a pair counts it.
  Scope scope = {};
  bool operator==(const HeldLabel&) const = default;
};
void append_scope(std::string& out, const Scope& scope);
Scope read_scope(ByteReader& in);
std::string encode_held(const HeldLabel& held);
std::optional<HeldLabel> decode_held(std::string_view value);

}  // namespace outrider::truth
