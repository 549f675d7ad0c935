// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/reference_text.h"

#include "detectors/value_reader.h"
#include "reference/builder.h"
#include "reference/reference_json.h"

namespace outrider::train {
namespace {

using detectors::Value;

// Names for the columns that are no features; a feature may have the plain name itself.
std::string free_name(const model::Model& model, std::string name) {
  while (model.encoding.find(name) < model.encoding.features().size() || name == model.target) {
    name += "_";
  }
  return name;
}

reference::BuildSettings build_settings(const Trained& trained, const Settings& settings,
                                        const std::string& version, Time created,
                                        const std::string& source) {
  const model::Model& model = trained.model;
  reference::BuildSettings build;
  build.model_name = settings.model_name;
  build.model_version = version;
  build.kind = model.is_classifier() ? reference::ModelKind::classification
                                     : reference::ModelKind::regression;
  build.target = model.target;
  build.prediction = free_name(model, "prediction");
  if (model.is_classifier()) {
    build.score = free_name(model, "probability");
    build.positive = model.classes[1];
  }
  for (const model::Feature& feature : model.encoding.features()) {
    (feature.kind == model::Kind::numeric ? build.numeric : build.categorical)
        .push_back(feature.name);
  }
  build.tolerance = settings.tolerance.relative;
  build.absolute_tolerance = settings.tolerance.absolute;
  build.created = created;
  build.source = source;
  return build;
}

// One training row: features, target, prediction and, of a classifier, its probability.
void fill_row(std::vector<Value>& row, const wire::CsvRow& csv, const model::Model& model,
              const std::vector<std::size_t>& columns, std::size_t target) {
  row.clear();
  for (const std::size_t column : columns) row.push_back(detectors::read_value(csv.fields[column]));
  row.push_back(detectors::read_value(csv.fields[target]));
  const model::Prediction prediction = model.predict(model::read_row(model.encoding, columns, csv));
  if (!model.is_classifier()) {
    row.push_back(Value::of(prediction.value));
    return;
  }
  row.push_back(detectors::read_value(model.classes[prediction.value > 0.5 ? 1 : 0]));
  row.push_back(Value::of(prediction.probability));
}

}  // namespace

Result<std::string> reference_text(const Dataset& dataset, const Trained& trained,
                                   const Settings& settings, const std::string& version,
                                   Time created) {
  const model::Model& model = trained.model;
  const auto columns = model::feature_columns(model.encoding, dataset.table);
  if (!columns) return fail(columns);
  const std::size_t target = dataset.table.column(model.target);
  const auto build = build_settings(trained, settings, version, created, dataset.source);

  std::vector<std::string> names;
  for (const model::Feature& feature : model.encoding.features()) names.push_back(feature.name);
  names.push_back(model.target);
  names.push_back(build.prediction);
  if (model.is_classifier()) names.push_back(build.score);

  const reference::Rows rows = [&](const reference::VisitRow& visit) -> Result<void> {
    std::vector<Value> row;
    for (const std::size_t i : trained.split.training) {
      fill_row(row, dataset.table.rows[i], model, *columns, target);
      visit(row);
    }
    return {};
  };
  auto built = reference::build_reference(names, rows, build);
  if (!built) return fail(built);
  // Errors on rows the model was trained on would be too rosy: the held-out ones speak.
  const Evaluation& evaluation = trained.evaluation;
  built->reference.accuracy =
      reference::AccuracyReference{.error_rate = evaluation.overall.error_rate(),
                                   .rows = evaluation.overall.rows,
                                   .design_effect = evaluation.design_effect,
                                   .tolerance = settings.tolerance.relative,
                                   .absolute_tolerance = settings.tolerance.absolute};
  return reference::to_json(built->reference);
}

}  // namespace outrider::train
