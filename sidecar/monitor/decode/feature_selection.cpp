// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/feature_selection.h"

#include <algorithm>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/feature_names.h"
#include "sidecar/monitor/decode/json.h"
#include "sidecar/monitor/decode/json_pointer.h"

namespace outrider::decode {

FeatureSelection::FeatureSelection(const std::vector<FeatureRule>& rules) : rules_(rules) {
  for (const FeatureRule& rule : rules_) {
    const bool from_body = rule.from.kind == Place::Kind::json;
    const bool pointer = from_body || rule.from.kind == Place::Kind::row;
    const bool query = rule.from.kind == Place::Kind::query;
    sources_.push_back(pointer ? flattened_name(rule.from.text)
                       : query ? rule.from.text
                               : rule.name);
    pointers_.push_back(from_body ? pointer_tokens(rule.from.text) : std::vector<std::string>());
    wants_query_ = wants_query_ || query;
    names_.names.push_back(rule.name);
  }
  names_.serial = next_names_serial();
}

const std::vector<std::size_t>& FeatureSelection::places_in(const FeatureNames& from) {
  constexpr std::size_t lists_max = 1'024;
  const auto known = places_.find(from.serial);
  if (known != places_.end()) return known->second;
  if (places_.size() >= lists_max) places_.clear();
  std::vector<std::size_t> places(rules_.size(), absent);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (from.positional && from.names.size() == rules_.size()) {
      places[i] = i;  // Values without names, and as many as are configured: by their order.
      continue;
    }
    const auto found = std::find(from.names.begin(), from.names.end(), sources_[i]);
    if (found != from.names.end()) places[i] = static_cast<std::size_t>(found - from.names.begin());
  }
  return places_.emplace(from.serial, std::move(places)).first->second;
}

void FeatureSelection::select(const FeatureNames* from, std::span<const FeatureValue> row,
                              std::vector<FeatureValue>& out) {
  if (!from) {
    out.resize(out.size() + rules_.size());
    return;
  }
  const std::vector<std::size_t>& places = places_in(*from);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    out.push_back(places[i] == absent ? FeatureValue{} : as_kind(row[places[i]], rules_[i].kind));
  }
}

FeatureValue FeatureSelection::as_kind(const FeatureValue& value, FeatureKind kind) {
  if (kind == FeatureKind::numeric && value.kind == ValueKind::text) {
    const auto number = detectors::as_number(value);
    return number ? FeatureValue::of(*number) : value;  // Text stays text: a quality matter.
  }
  if (kind == FeatureKind::categorical && value.kind == ValueKind::number) {
    if (!value.text.empty()) return FeatureValue::of(value.text);
    return FeatureValue::of(std::string_view(kept_.emplace_back(format_double(value.number))));
  }
  return value;
}

}  // namespace outrider::decode
