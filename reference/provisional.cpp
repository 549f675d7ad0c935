// SPDX-License-Identifier: Apache-2.0
#include "reference/provisional.h"

#include <algorithm>

#include "reference/builder.h"

namespace outrider::reference {

using detectors::Value;

ProvisionalReference::ProvisionalReference(std::vector<std::string> features, std::size_t rows_max)
    : features_(std::move(features)),
      rows_max_(std::max<std::size_t>(1, std::min(rows_max, cells_max / (features_.size() + 1)))) {}

void ProvisionalReference::keep(const Value& value) {
  Cell cell{value.kind, value.number, 0, 0};
  if (value.kind == Value::Kind::text) {
    if (texts_.size() + value.text.size() > text_bytes_max) {
      ++texts_dropped_;
      cell.kind = Value::Kind::missing;
    } else {
      cell.text_begin = static_cast<std::uint32_t>(texts_.size());
      cell.text_size = static_cast<std::uint32_t>(value.text.size());
      texts_.append(value.text);
    }
  }
  cells_.push_back(cell);
}

bool ProvisionalReference::add(std::span<const Value> features, const Value& prediction, Time at) {
  if (complete()) return true;
  const Value none;
  for (std::size_t i = 0; i < features_.size(); ++i) keep(i < features.size() ? features[i] : none);
  keep(prediction);
  times_.push_back(at);
  ++rows_;
  return complete();
}

Result<ModelReference> ProvisionalReference::build(std::string model_name,
                                                   std::string model_version, Time now) const {
  std::vector<std::string> columns = features_;
  const auto add_column = [&](std::string name) {
    while (std::find(columns.begin(), columns.end(), name) != columns.end()) name += "_";
    columns.push_back(name);
    return name;
  };
  const std::string prediction = add_column("prediction"), time = add_column("time");

  BuildSettings settings;
  settings.model_name = std::move(model_name);
  settings.model_version = std::move(model_version);
  settings.created = now;
  settings.source = "the first " + std::to_string(rows_) + " predictions";
  settings.provisional = true;
  settings.time = time;
  const std::size_t cells = features_.size() + 1;
  bool any_prediction = false;
  for (std::size_t row = 0; row < rows_; ++row) {
    any_prediction |= cells_[row * cells + features_.size()].kind != Value::Kind::missing;
  }
  if (any_prediction)
    settings.prediction = prediction;
  else
    settings.ignore.push_back(prediction);

  std::vector<Value> values(columns.size());
  const Rows rows = [&](const VisitRow& visit) -> Result<void> {
    for (std::size_t row = 0; row < rows_; ++row) {
      for (std::size_t i = 0; i < cells; ++i) {
        const Cell& cell = cells_[row * cells + i];
        values[i] = Value{cell.kind, cell.number,
                          std::string_view(texts_).substr(cell.text_begin, cell.text_size)};
      }
      values[cells] = Value::of(to_seconds(times_[row].time_since_epoch()));
      visit(values);
    }
    return {};
  };
  auto built = build_reference(columns, rows, settings);
  if (!built) return fail(built);
  return std::move(built->reference);
}

}  // namespace outrider::reference
