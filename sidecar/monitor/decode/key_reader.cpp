// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/key_reader.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/feature_names.h"
#include "sidecar/monitor/decode/json.h"
#include "sidecar/monitor/decode/json_pointer.h"

namespace outrider::decode {
namespace {

constexpr std::size_t lists_max = 1'024;

bool is_pointer(Place::Kind kind) {
  return kind == Place::Kind::json || kind == Place::Kind::row || kind == Place::Kind::response;
}

std::string written(const Place& place) {
  switch (place.kind) {
    case Place::Kind::header:
      return "header:" + place.text;
    case Place::Kind::query:
      return "query:" + place.text;
    case Place::Kind::row:
      return "row:" + place.text;
    case Place::Kind::response:
      return "response:" + place.text;
    case Place::Kind::literal:
      return "'" + place.text + "'";
    default:
      return "json:" + place.text;
  }
}

// The name under which the part is a feature of a request's table; "" of what is in none.
std::string column_name(const Place& place) {
  if (place.kind == Place::Kind::query) return place.text;
  const bool in_request = place.kind == Place::Kind::json || place.kind == Place::Kind::row;
  return in_request ? flattened_name(place.text) : std::string();
}

}  // namespace

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  for (const std::string_view piece : split(query, '&')) {
    const std::size_t equals = std::min(piece.find('='), piece.size());
    const auto own = percent_decode(piece.substr(0, equals), true);
    if (!own || *own != name) continue;
    auto value = percent_decode(piece.substr(std::min(equals + 1, piece.size())), true);
    return value && is_valid_utf8(*value) ? value : std::nullopt;
  }
  return std::nullopt;
}

KeyReader::KeyReader(const std::vector<Place>& parts) : found_(parts.size()) {
  for (const Place& place : parts) {
    parts_.push_back(
        {.place = place,
         .written = written(place),
         .tokens = is_pointer(place.kind) ? pointer_tokens(place.text) : std::vector<std::string>(),
         .column = column_name(place)});
  }
}

std::size_t KeyReader::column_of(const Part& part, const FeatureNames& names) {
  if (part.column.empty()) return names.names.size();
  const auto found = std::find(names.names.begin(), names.names.end(), part.column);
  if (found != names.names.end()) return static_cast<std::size_t>(found - names.names.begin());
  // Values of a list have no names: "row:/0" is the first of them.
  const auto index =
      names.positional && part.tokens.size() == 1 ? list_index(part.tokens[0]) : std::nullopt;
  return index ? std::min<std::size_t>(*index, names.names.size()) : names.names.size();
}

const KeyReader::Features& KeyReader::without_key(const FeatureNames& names) {
  const auto known = left_.find(names.serial);
  if (known != left_.end()) return known->second.features;
  if (left_.size() >= lists_max) left_.clear();
  Left& left = left_[names.serial];
  std::vector<bool> is_key(names.names.size() + 1, false);
  for (const Part& part : parts_) is_key[column_of(part, names)] = true;
  const bool any = std::find(is_key.begin(), is_key.end() - 1, true) != is_key.end() - 1;
  if (!any) {
    left.names = names;  // A copy: lists of a table may go before this one does.
  } else {
    left.names.serial = next_names_serial();
    left.names.positional = names.positional;
    left.names.plain = names.plain;
    for (std::size_t i = 0; i < names.names.size(); ++i) {
      if (is_key[i]) continue;
      left.names.names.push_back(names.names[i]);
      left.features.places.push_back(i);
    }
  }
  left.features.names = left.names.names.empty() ? nullptr : &left.names;
  return left.features;
}

void KeyReader::begin(std::size_t rows) {
  rows_ = rows;
  kept_.clear();
  words_.clear();
  for (Found& one : found_) {
    one.values.clear();
    one.is_row = false;
    one.refused.clear();
  }
}

void KeyReader::put(std::size_t part, const FeatureValue& value) {
  found_[part].values.assign(1, value);
}

void KeyReader::put_rows(std::size_t part, std::vector<FeatureValue> values) {
  found_[part].values = std::move(values);
  found_[part].is_row = true;
}

void KeyReader::refuse(std::size_t part, std::string why) {
  found_[part].refused = std::move(why);
}

void KeyReader::join(Observation& observation, std::span<Row> rows) {
  const bool is_row =
      std::any_of(found_.begin(), found_.end(), [](const Found& f) { return f.is_row; });
  const std::size_t keys = is_row ? rows_ : 1;
  const auto stands_for = static_cast<std::uint32_t>(is_row ? 1 : rows_);
  for (std::size_t i = 0; i < keys; ++i) {
    std::string_view key;
    const Judgement judgement = join_row(i, key);
    if (judgement == Judgement::good) {
      observation.keys.found += stands_for;
      (is_row ? rows[i].key : observation.key) = key;
    } else if (judgement == Judgement::missing) {
      observation.keys.missing += stands_for;
    } else {
      observation.keys.unusable += stands_for;
    }
  }
  observation.key_words = words_;
}

KeyReader::Judgement KeyReader::join_row(std::size_t row, std::string_view& key) {
  std::string joined;
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    std::string_view text;
    const Judgement judgement = text_of(part, row, text);
    if (judgement != Judgement::good) return judgement;
    key = text;
    if (parts_.size() == 1) break;
    if (text.find(key_separator) != std::string_view::npos) {
      return complain(part, Judgement::unusable,
                      std::string("has a '") + key_separator +
                          "' in it, which stands between the parts of a key");
    }
    if (part > 0) joined += key_separator;
    joined += text;
  }
  if (parts_.size() > 1) key = kept_.emplace_back(std::move(joined));
  if (key.size() <= key_bytes_max) return Judgement::good;
  return complain(0, Judgement::unusable,
                  "makes a key of " + std::to_string(key.size()) + " bytes; at most " +
                      std::to_string(key_bytes_max) + " are taken");
}

KeyReader::Judgement KeyReader::text_of(std::size_t part, std::size_t row, std::string_view& text) {
  const Found& found = found_[part];
  if (!found.refused.empty()) return complain(part, Judgement::unusable, found.refused);
  const FeatureValue value = found.values.empty() ? FeatureValue{}
                             : found.is_row       ? found.values[row]
                                                  : found.values[0];
  if (value.kind == ValueKind::missing) {
    return complain(part, Judgement::missing, "is not there, is null or says that it is missing");
  }
  text = value.text;
  if (value.kind == ValueKind::number) {
    if (!std::isfinite(value.number)) {
      return complain(part, Judgement::unusable, "is no finite number, which names nothing");
    }
    if (text.empty()) text = kept_.emplace_back(format_double(value.number));
  } else if (detectors::parse_boolean(text)) {
    return complain(part, Judgement::unusable, "is true or false, which names nothing");
  }
  return Judgement::good;
}

KeyReader::Judgement KeyReader::complain(std::size_t part, Judgement judgement,
                                         std::string_view why) {
  if (!words_.empty()) return judgement;
  words_ = "request.id: " + parts_[part].written + " " + std::string(why) +
           "; the prediction can be labelled by its X-Prediction-Id only";
  return judgement;
}

}  // namespace outrider::decode
