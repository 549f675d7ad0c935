// SPDX-License-Identifier: Apache-2.0
#include "truth/api/training_data.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/wire/csv.h"
#include "base/wire/json.h"
#include "truth/rows.h"

namespace outrider::truth {
namespace {

constexpr std::string_view own_columns[] = {"id", "timestamp", "prediction", "label",
                                            "model_version"};

std::string column_name(const std::string& feature) {
  const bool taken =
      std::find(std::begin(own_columns), std::end(own_columns), feature) != std::end(own_columns);
  return taken ? "feature_" + feature : feature;
}

std::string to_text(const FeatureValue& value) {
  if (const double* number = std::get_if<double>(&value)) return format_double(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "";
}

}  // namespace

std::string csv_header(const std::vector<std::string>& feature_names) {
  std::string line = "id,timestamp";
  for (const std::string& name : feature_names) line += ',' + wire::csv_field(column_name(name));
  return line + ",prediction,label,model_version\n";
}

void append_csv_row(std::string& out, const std::vector<std::string>& feature_names,
                    const JoinedRow& row) {
  out += wire::csv_field(row.id) + ',' + format_rfc3339(row.predicted);
  for (std::size_t i = 0; i < feature_names.size(); ++i) {
    out += ',';
    // Rows of one model have their features in the columns' order, mostly.
    auto feature = i < row.features.size() && row.features[i].name == feature_names[i]
                       ? row.features.begin() + static_cast<std::ptrdiff_t>(i)
                       : std::find_if(row.features.begin(), row.features.end(),
                                      [&](const Feature& f) { return f.name == feature_names[i]; });
    if (feature != row.features.end()) out += wire::csv_field(to_text(feature->value));
  }
  out += ',' + wire::csv_field(truth::to_text(row.prediction));
  out += ',' + wire::csv_field(truth::to_text(row.truth));
  out += ',' + wire::csv_field(row.model_version) + '\n';
}

void append_ndjson_row(std::string& out, const JoinedRow& row) {
  wire::Json features = wire::Json::object();
  for (const Feature& feature : row.features) features[feature.name] = to_json(feature.value);
  const wire::Json line = {{"id", row.id},
                           {"timestamp", format_rfc3339(row.predicted)},
                           {"features", std::move(features)},
                           {"prediction", to_json(row.prediction)},
                           {"label", to_json(row.truth)},
                           {"model_version", row.model_version}};
  out += wire::to_text(line) + '\n';
}

}  // namespace outrider::truth
