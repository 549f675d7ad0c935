// SPDX-License-Identifier: Apache-2.0
#include "truth/codec.h"

#include <bit>
#include <cstring>

namespace outrider::truth {
namespace {

constexpr std::uint8_t group_has_features = 1 << 3;
constexpr std::uint8_t ms_mask = (1 << slot_bits) - 1;
constexpr std::size_t id_tail_bytes = 10;  // What follows the 48 bits of time.

enum RowFlag : std::uint8_t {
  row_text = 1,
  row_score = 2,
  row_segment = 4,
  row_features = 8,
  row_failed = 16,  // Nothing follows.
};
enum JoinedFlag : std::uint8_t {
  joined_truth_time = 1,
  joined_score = 2,
  joined_segment = 4,
  joined_features = 8,
  joined_uncounted = 16,  // Of the row alone: nothing follows for it.
};
constexpr std::uint64_t mark_uncounted = std::uint64_t{1} << 63;  // A slot has 45 bits.
enum class Kind : std::uint8_t { missing, number, text };

std::uint64_t to_zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

void append_zigzag(std::string& out, std::int64_t value) {
  append_varint(out, to_zigzag(value));
}

void append_value(std::string& out, const ValueView& value) {
  if (const double* number = std::get_if<double>(&value)) {
    out += static_cast<char>(Kind::number);
    append_number(out, *number);
  } else {
    out += static_cast<char>(Kind::text);
    append_text(out, std::get<std::string_view>(value));
  }
}

void append_feature_value(std::string& out, const FeatureValueView& value) {
  if (std::holds_alternative<std::monostate>(value)) {
    out += static_cast<char>(Kind::missing);
  } else if (const double* number = std::get_if<double>(&value)) {
    append_value(out, *number);
  } else {
    append_value(out, std::get<std::string_view>(value));
  }
}

FeatureValueView view(const FeatureValue& value) {
  if (const double* number = std::get_if<double>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return std::string_view(*text);
  return std::monostate{};
}

FeatureValue read_feature_value(ByteReader& in) {
  switch (static_cast<Kind>(in.byte())) {
    case Kind::number:
      return in.number();
    case Kind::text:
      return std::string(in.text());
    default:
      return std::monostate{};
  }
}

Value read_value(ByteReader& in) {
  FeatureValue value = read_feature_value(in);
  if (auto* text = std::get_if<std::string>(&value)) return std::move(*text);
  if (const double* number = std::get_if<double>(&value)) return *number;
  return 0.0;
}

// Times go to and from the bytes in microseconds. A damaged number must not overflow the clock,
// which ends in 2262: what is past it does not decode.
std::int64_t micros(Time time) {
  return std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch()).count();
}

Time read_time(ByteReader& in, std::int64_t base_micros = 0) {
  constexpr std::int64_t micros_max = 9'200'000'000'000'000;
  const std::int64_t offset = in.zigzag();
  const bool fits = offset >= -2 * micros_max && offset <= 2 * micros_max;
  const std::int64_t sum = fits ? base_micros + offset : micros_max + 1;
  if (sum < -micros_max || sum > micros_max) {
    in.refuse();
    return {};
  }
  return Time{std::chrono::microseconds(sum)};
}

void append_row(std::string& out, const RowView& row, bool with_features) {
  if (row.failed) {
    out += static_cast<char>(row_failed);
    return;
  }
  const auto* text = std::get_if<std::string_view>(&row.prediction);
  std::uint8_t flags = 0;
  if (text) flags |= row_text;
  if (row.score) flags |= row_score;
  if (!row.segment.empty()) flags |= row_segment;
  if (with_features && !row.features.empty()) flags |= row_features;
  out += static_cast<char>(flags);
  if (text) {
    append_text(out, *text);
  } else {
    append_number(out, std::get<double>(row.prediction));
  }
  if (row.score) append_number(out, *row.score);
  if (flags & row_segment) append_text(out, row.segment);
  if (flags & row_features) {
    for (const FeatureValueView& value : row.features) append_feature_value(out, value);
  }
}

// Reads one row; keeps it only when `into` is given. False for one that the model failed: there is
// none.
bool read_row(ByteReader& in, const std::vector<std::string_view>& names, StoredPrediction* into) {
  const std::uint8_t flags = in.byte();
  if (flags & row_failed) return false;
  Value prediction = 0.0;
  if (flags & row_text) {
    const std::string_view text = in.text();
    if (into) prediction = std::string(text);
  } else {
    prediction = in.number();
  }
  const double score = flags & row_score ? in.number() : 0.0;
  const std::string_view segment = flags & row_segment ? in.text() : std::string_view();
  if (into) {
    into->prediction = std::move(prediction);
    if (flags & row_score) into->score = score;
    into->segment = segment;
  }
  if (!(flags & row_features)) return true;
  for (const std::string_view name : names) {
    FeatureValue value = read_feature_value(in);
    if (into) into->features.push_back({std::string(name), std::move(value)});
  }
  return true;
}

void append_features(std::string& out, const std::vector<Feature>& features) {
  append_varint(out, features.size());
  for (const Feature& feature : features) {
    append_text(out, feature.name);
    append_feature_value(out, view(feature.value));
  }
}

std::vector<Feature> read_features(ByteReader& in) {
  std::vector<Feature> features;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string name(in.text());
    features.push_back({std::move(name), read_feature_value(in)});
  }
  return features;
}

}  // namespace

void append_u64_key(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

void append_u32_key(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

std::uint64_t read_u64_key(std::string_view key) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = (value << 8) | static_cast<std::uint8_t>(key[i]);
  return value;
}

std::string prediction_key(const PredictionKey& key) {
  std::string bytes(reinterpret_cast<const char*>(key.id.bytes.data()), key.id.bytes.size());
  append_u32_key(bytes, key.row);
  return bytes;
}

std::string name_key(const Uuid& hash, const NamedPrediction& named) {
  std::string bytes(reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size());
  bytes.append(reinterpret_cast<const char*>(named.id.bytes.data()), named.id.bytes.size());
  if (named.is_key) append_u32_key(bytes, named.row);
  return bytes;
}

std::optional<NamedPrediction> decode_name_key(std::string_view key) {
  if (key.size() != 32 && key.size() != 36) return std::nullopt;
  NamedPrediction named;
  std::memcpy(named.id.bytes.data(), key.data() + 16, named.id.bytes.size());
  named.is_key = key.size() == 36;
  if (named.is_key)
    named.row = static_cast<std::uint32_t>(read_u64_key(key.substr(28)) & 0xFFFFFFFF);
  return named;
}

void append_number(std::string& out, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(bits >> (8 * i));
  out.append(bytes, sizeof bytes);
}

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t piece = byte();
    value |= static_cast<std::uint64_t>(piece & 0x7F) << shift;
    if (!(piece & 0x80)) return value;
  }
  ok_ = false;
  return 0;
}

std::int64_t ByteReader::zigzag() {
  const std::uint64_t value = varint();
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

double ByteReader::number() {
  const std::string_view bytes = take(8);
  if (!ok_) return 0;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    bits |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * i);
  }
  return std::bit_cast<double>(bits);
}

std::uint8_t ByteReader::byte() {
  const std::string_view one = take(1);
  return one.empty() ? 0 : static_cast<std::uint8_t>(one[0]);
}

std::string_view ByteReader::text() {
  return take(varint());
}

std::string_view ByteReader::take(std::uint64_t bytes) {
  if (!ok_ || bytes > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

void append_group(std::string& out, const Uuid& id, const PredictionView& prediction,
                  bool keep_features) {
  const bool with_features = keep_features && !prediction.feature_names.empty();
  std::string group;
  const auto low_ms = static_cast<std::uint8_t>(id.unix_ms() & ms_mask);
  group += static_cast<char>(low_ms | (with_features ? group_has_features : 0));
  group.append(reinterpret_cast<const char*>(id.bytes.data()) + 6, id_tail_bytes);
  append_varint(group, prediction.rows.size());
  append_zigzag(group, micros(prediction.time) - micros(id.time()));
  append_text(group, prediction.model_name);
  append_text(group, prediction.model_version);
  if (with_features) {
    append_varint(group, prediction.feature_names.size());
    for (const std::string_view name : prediction.feature_names) append_text(group, name);
  }
  for (const RowView& row : prediction.rows) {
    append_row(group, row, with_features && row.features.size() == prediction.feature_names.size());
  }
  append_varint(out, group.size());
  out += group;
}

namespace {

// A group up to its rows.
struct GroupHead {
  StoredPrediction head;
  std::vector<std::string_view> names;
};

// `high_ms`: the 48 bits of time of the slot; the group has the lowest of them.
GroupHead read_head(ByteReader& in, std::uint64_t slot_ms) {
  GroupHead group;
  const std::uint8_t flags = in.byte();
  const std::string_view tail = in.take(id_tail_bytes);
  if (!in.ok()) return group;
  Uuid& id = group.head.key.id;
  const std::uint64_t ms = slot_ms | (flags & ms_mask);
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  std::memcpy(id.bytes.data() + 6, tail.data(), id_tail_bytes);
  group.head.rows = static_cast<std::uint32_t>(in.varint());
  group.head.time = read_time(in, micros(id.time()));
  group.head.model_name = in.text();
  group.head.model_version = in.text();
  if (flags & group_has_features) {
    const std::uint64_t count = in.varint();
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) group.names.push_back(in.text());
  }
  return group;
}

}  // namespace

bool for_each_row(std::string_view slot_value, std::uint64_t slot,
                  const std::function<void(StoredPrediction&&)>& on_row) {
  ByteReader groups(slot_value);
  while (!groups.rest().empty()) {
    ByteReader in(groups.text());
    if (!groups.ok()) return false;
    const GroupHead group = read_head(in, slot << slot_bits);
    for (std::uint32_t row = 0; row < group.head.rows && in.ok(); ++row) {
      StoredPrediction found = group.head;
      found.key.row = row;
      if (read_row(in, group.names, &found) && in.ok()) on_row(std::move(found));
    }
    if (!in.ok()) return false;
  }
  return true;
}

TakenOut take_out(std::string_view slot_value, const Uuid& id, std::optional<std::uint32_t> row,
                  const std::function<bool(std::string_view model)>& is_meant) {
  TakenOut taken;
  const auto keep = [&taken](std::string_view group) { append_text(taken.value, group); };
  ByteReader groups(slot_value);
  while (!groups.rest().empty()) {
    const std::string_view rest = groups.rest(), bytes = groups.text();
    if (!groups.ok()) {  // Damaged from here on: as it is.
      taken.value += rest;
      break;
    }
    ByteReader in(bytes);
    const GroupHead group = read_head(in, slot_of(id) << slot_bits);
    if (!in.ok() || group.head.key.id != id || !is_meant(group.head.model_name)) {
      keep(bytes);
      continue;
    }
    std::string without;
    for (std::uint32_t i = 0; i < group.head.rows && in.ok(); ++i) {
      const std::string_view before = in.rest();
      const bool had_prediction = read_row(in, group.names, nullptr);
      if (!in.ok() || !had_prediction || (row && *row != i)) continue;
      ++taken.rows;
      if (!row) continue;
      without.assign(bytes.substr(0, bytes.size() - before.size()));
      without += static_cast<char>(row_failed);
      without += in.rest();
    }
    if (!row) continue;
    keep(without.empty() ? bytes : std::string_view(without));
  }
  return taken;
}

bool RowFinder::open(std::string_view slot_value, const Uuid& id) {
  is_open_ = false;
  const auto low_ms = static_cast<std::uint8_t>(id.unix_ms() & ms_mask);
  ByteReader groups(slot_value);
  while (!groups.rest().empty()) {
    const std::string_view group = groups.text();
    if (!groups.ok() || group.size() < 1 + id_tail_bytes) return false;
    if ((static_cast<std::uint8_t>(group[0]) & ms_mask) != low_ms) continue;
    if (std::memcmp(group.data() + 1, id.bytes.data() + 6, id_tail_bytes) != 0) continue;
    in_ = ByteReader(group);
    const std::uint8_t flags = in_.byte();
    in_.take(id_tail_bytes);
    head_ = StoredPrediction();
    head_.key.id = id;
    head_.rows = static_cast<std::uint32_t>(in_.varint());
    head_.time = read_time(in_, micros(id.time()));
    head_.model_name = in_.text();
    head_.model_version = in_.text();
    names_.clear();
    if (flags & group_has_features) {
      const std::uint64_t count = in_.varint();
      for (std::uint64_t i = 0; i < count && in_.ok(); ++i) names_.push_back(in_.text());
    }
    slot_ = slot_value;
    next_row_ = 0;
    is_open_ = in_.ok();
    return is_open_;
  }
  return false;
}

std::optional<StoredPrediction> RowFinder::find(std::string_view slot_value,
                                                const PredictionKey& key,
                                                std::uint32_t& rows_found) {
  rows_found = 0;
  const bool goes_on = is_open_ && slot_.data() == slot_value.data() &&
                       slot_.size() == slot_value.size() && head_.key.id == key.id &&
                       next_row_ <= key.row;
  if (!goes_on && !open(slot_value, key.id)) return std::nullopt;
  rows_found = head_.rows;
  if (key.row >= head_.rows) return std::nullopt;
  for (; next_row_ < key.row && in_.ok(); ++next_row_) read_row(in_, names_, nullptr);
  StoredPrediction found = head_;
  found.key = key;
  const bool has_prediction = read_row(in_, names_, &found);
  ++next_row_;
  is_open_ = in_.ok();
  return has_prediction && is_open_ ? std::optional(std::move(found)) : std::nullopt;
}

std::optional<StoredPrediction> find_row(std::string_view slot_value, const PredictionKey& key,
                                         std::uint32_t& rows_found) {
  return RowFinder().find(slot_value, key, rows_found);
}

std::string encode_joined(const JoinedRow& row, std::uint32_t rows, bool counted_here) {
  std::uint8_t flags = 0;
  if (row.truth_time) flags |= joined_truth_time;
  if (row.score) flags |= joined_score;
  if (!row.segment.empty()) flags |= joined_segment;
  if (!row.features.empty()) flags |= joined_features;
  if (!counted_here) flags |= joined_uncounted;
  std::string out;
  out.reserve(64 + row.features.size() * 24);
  out += static_cast<char>(flags);
  append_text(out, row.model_name);
  append_text(out, row.model_version);
  append_varint(out, rows);
  append_zigzag(out, micros(row.predicted));
  append_zigzag(out, micros(row.labelled) - micros(row.predicted));
  if (row.truth_time) append_zigzag(out, micros(*row.truth_time));
  append_value(out, truth::view(row.prediction));
  append_value(out, truth::view(row.truth));
  if (row.score) append_number(out, *row.score);
  if (flags & joined_segment) append_text(out, row.segment);
  if (flags & joined_features) append_features(out, row.features);
  return out;
}

std::optional<JoinedRow> decode_joined(std::string_view key, std::string_view value) {
  if (key.size() != 20) return std::nullopt;
  PredictionKey prediction;
  std::memcpy(prediction.id.bytes.data(), key.data(), 16);
  prediction.row = static_cast<std::uint32_t>(read_u64_key(key.substr(12)) & 0xFFFFFFFF);
  ByteReader in(value);
  JoinedRow row;
  const std::uint8_t flags = in.byte();
  row.model_name = in.text();
  row.model_version = in.text();
  row.id = format_key(prediction, static_cast<std::uint32_t>(in.varint()));
  row.predicted = read_time(in);
  row.labelled = read_time(in, micros(row.predicted));
  if (flags & joined_truth_time) row.truth_time = read_time(in);
  row.prediction = read_value(in);
  row.truth = read_value(in);
  if (flags & joined_score) row.score = in.number();
  if (flags & joined_segment) row.segment = in.text();
  if (flags & joined_features) row.features = read_features(in);
  return in.ok() ? std::optional(std::move(row)) : std::nullopt;
}

std::optional<JoinedModel> joined_model(std::string_view value) {
  ByteReader in(value);
  JoinedModel model;
  model.counted_here = (in.byte() & joined_uncounted) == 0;
  model.name = in.text();
  model.version = in.text();
  model.rows = static_cast<std::uint32_t>(in.varint());
  return in.ok() ? std::optional(model) : std::nullopt;
}

std::string encode_mark(const LabelMark& mark) {
  std::string value;
  append_u64_key(value, mark.slot | (mark.counted_here ? 0 : mark_uncounted));
  return value;
}

std::optional<LabelMark> decode_mark(std::string_view value) {
  if (value.size() != 8) return std::nullopt;
  const std::uint64_t bits = read_u64_key(value);
  return LabelMark{bits & ~mark_uncounted, (bits & mark_uncounted) == 0};
}

// The model stands at the end, where it is named: an agent of before it was reads the rest.
void append_scope(std::string& out, const Scope& scope) {
  for (const auto* part : {&scope.cluster, &scope.name_space, &scope.workload}) {
    append_varint(out, part->has_value() ? 1 : 0);
    if (*part) append_text(out, **part);
  }
  if (scope.model) append_text(out, *scope.model);
}

Scope read_scope(ByteReader& in) {
  Scope scope;
  for (auto* part : {&scope.cluster, &scope.name_space, &scope.workload}) {
    if (in.varint() == 1) *part = std::string(in.text());
  }
  if (!in.rest().empty()) scope.model = std::string(in.text());
  return scope;
}

std::string encode_held(const HeldLabel& held) {
  const GroundTruth& label = held.label;
  std::uint8_t flags = 0;
  if (label.timestamp) flags |= 1;
  if (label.row) flags |= 2;
  if (held.passed) flags |= 4;
  if (!held.scope.any()) flags |= 8;
  std::string out;
  out += static_cast<char>(flags);
  append_zigzag(out, micros(held.arrived));
  append_text(out, label.id);
  append_value(out, truth::view(label.truth));
  if (label.timestamp) append_zigzag(out, micros(*label.timestamp));
  if (label.row) append_varint(out, *label.row);
  if (flags & 8) append_scope(out, held.scope);
  return out;
}

std::optional<HeldLabel> decode_held(std::string_view value) {
  ByteReader in(value);
  HeldLabel held;
  const std::uint8_t flags = in.byte();
  held.arrived = read_time(in);
  held.label.id = in.text();
  held.label.truth = read_value(in);
  if (flags & 1) held.label.timestamp = read_time(in);
  if (flags & 2) held.label.row = static_cast<std::uint32_t>(in.varint());
  held.passed = (flags & 4) != 0;
  if (flags & 8) held.scope = read_scope(in);
  return in.ok() ? std::optional(std::move(held)) : std::nullopt;
}

}  // namespace outrider::truth
