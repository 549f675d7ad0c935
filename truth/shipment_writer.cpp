// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "truth/codec.h"
#include "truth/shipment.h"

// By hand: the generated classes would allocate for each row, and this is the sidecar's hot path.
// Field numbers are those of shipment.proto; a test reads it back with the generated classes.

namespace outrider::truth {
namespace {

enum Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2 };

void append_tag(std::string& out, std::uint32_t field, Wire wire) {
  append_varint(out, (field << 3) | wire);
}
void append_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  if (value == 0) return;
  append_tag(out, field, varint);
  append_varint(out, value);
}
void append_fixed(std::string& out, std::uint32_t field, std::uint64_t bits) {
  append_tag(out, field, fixed64);
  char little[8];
  for (int i = 0; i < 8; ++i) little[i] = static_cast<char>(bits >> (8 * i));
  out.append(little, sizeof little);
}
void append_double(std::string& out, std::uint32_t field, double value) {
  append_fixed(out, field, std::bit_cast<std::uint64_t>(value));
}
void append_bytes(std::string& out, std::uint32_t field, std::string_view value) {
  append_tag(out, field, bytes);
  append_text(out, value);
}
void append_string(std::string& out, std::uint32_t field, std::string_view value) {
  if (!value.empty()) append_bytes(out, field, value);
}
std::string_view view_of(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

void append_feature(std::string& out, const FeatureValueView& value) {
  constexpr std::uint32_t features = 7;
  if (const double* number = std::get_if<double>(&value)) {
    append_tag(out, features, bytes);
    append_varint(out, 9);
    append_double(out, 1, *number);
  } else if (const auto* text = std::get_if<std::string_view>(&value)) {
    std::string field;
    append_bytes(field, 2, *text);
    append_bytes(out, features, field);
  } else {
    append_bytes(out, features, "");
  }
}

void append_row(std::string& out, const RowView& row, bool with_features) {
  if (!row.failed) {
    if (const double* number = std::get_if<double>(&row.prediction)) {
      append_double(out, 1, *number);
    } else {
      append_bytes(out, 2, std::get<std::string_view>(row.prediction));
    }
  }
  if (row.score) append_double(out, 3, *row.score);
  append_string(out, 4, row.segment);
  append_number(out, 5, row.failed ? 1 : 0);
  append_string(out, 6, row.key);
  if (!with_features) return;
  for (const FeatureValueView& value : row.features) append_feature(out, value);
}

std::uint64_t micros_of(Time time) {
  return static_cast<std::uint64_t>(
      std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch()).count());
}

}  // namespace

std::uint64_t ShipmentWriter::model_of(std::string_view name, std::string_view version) {
  for (std::size_t i = 0; i < models_.size(); ++i) {
    if (models_[i].version == version && models_[i].name == name) return i;
  }
  models_.push_back({std::string(name), std::string(version)});
  return models_.size() - 1;
}

std::uint64_t ShipmentWriter::features_of(const PredictionView& prediction, std::uint64_t serial) {
  if (serial == 0 || prediction.feature_names.empty()) return 0;
  for (std::size_t i = 0; i < features_.size(); ++i) {
    if (features_[i].serial == serial) return i + 1;
  }
  features_.push_back({serial, {prediction.feature_names.begin(), prediction.feature_names.end()}});
  return features_.size();
}

bool ShipmentWriter::add(const Uuid& id, std::uint64_t sequence, const PredictionView& prediction,
                         std::uint64_t feature_set, std::size_t bytes_max) {
  const std::uint64_t features = features_of(prediction, feature_set);
  message_.clear();
  append_bytes(message_, 1, view_of(id));
  append_number(message_, 2, sequence);
  append_fixed(message_, 3, micros_of(prediction.time));
  append_number(message_, 4, model_of(prediction.model_name, prediction.model_version));
  for (const std::string_view alias : prediction.aliases) append_string(message_, 5, alias);
  append_string(message_, 6, prediction.key);
  append_number(message_, 7, features);
  for (const RowView& row : prediction.rows) {
    row_.clear();
    append_row(row_, row, features > 0 && row.features.size() == prediction.feature_names.size());
    append_bytes(message_, 8, row_);
  }
  if (message_.size() > bytes_max) return false;
  append_bytes(predictions_, 9, message_);
  rows_ += prediction.rows.size();
  ends_.push_back({predictions_.size(), rows_});
  return true;
}

std::vector<ShipmentBody> ShipmentWriter::finish(
    const ShipmentHead& head,
    const std::function<JudgeRule(std::string_view model, std::string_view version)>& rule_of,
    std::size_t bytes_max) {
  std::string common;
  append_number(common, 1, shipment_version);
  append_string(common, 2, head.workload.cluster);
  append_string(common, 3, head.workload.name_space);
  append_string(common, 4, head.workload.name);
  append_string(common, 5, head.pod);
  append_bytes(common, 6, view_of(head.stream));
  std::string part;
  for (const Model& model : models_) {
    const JudgeRule rule = rule_of(model.name, model.version);
    part.clear();
    append_string(part, 1, model.name);
    append_string(part, 2, model.version);
    append_number(part, 3, rule.classification ? 1 : 0);
    append_double(part, 4, rule.tolerance.relative);
    append_double(part, 5, rule.tolerance.absolute);
    if (head.sample.share < 1) {
      append_double(part, 6, head.sample.share);
      append_number(part, 7, (head.sample.by_id ? 1u : 0u) | (head.sample.by_key ? 2u : 0u));
    }
    append_bytes(common, 7, part);
  }
  for (const Features& features : features_) {
    part.clear();
    for (const std::string& name : features.names) append_bytes(part, 1, name);
    append_bytes(common, 8, part);
  }
  std::vector<ShipmentBody> bodies;
  End begin;
  const auto cut = [&](const End& end) {
    bodies.push_back({common + predictions_.substr(begin.bytes, end.bytes - begin.bytes),
                      end.rows - begin.rows});
    begin = end;
  };
  for (std::size_t i = 0; i + 1 < ends_.size(); ++i) {
    if (ends_[i + 1].bytes - begin.bytes > bytes_max) cut(ends_[i]);
  }
  cut({predictions_.size(), rows_});
  append_number(bodies.back().bytes, 10,
                static_cast<std::uint64_t>(to_unix_ms(head.complete_until)));
  append_number(bodies.back().bytes, 12, head.closed ? 1 : 0);
  predictions_.clear();
  ends_.clear();
  models_.clear();
  features_.clear();
  rows_ = 0;
  return bodies;
}

std::string sent_at(Time now) {
  std::string out;
  append_number(out, 11, static_cast<std::uint64_t>(to_unix_ms(now)));
  return out;
}

}  // namespace outrider::truth
