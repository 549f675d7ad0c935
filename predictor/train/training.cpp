// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/training.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <unordered_map>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "predictor/model/fit.h"

namespace outrider::train {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double cells_max = 400e6;  // Of the design matrix: 3.2 GB.

void report(const OnProgress& on_progress, std::string_view stage, double fraction) {
  if (on_progress) on_progress(stage, fraction);
}

bool listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Without an index, unless it is asked for by name, and without times, unless they are to be
// categories.
Result<std::vector<std::string>> feature_names(const Dataset& dataset, const Settings& settings,
                                               std::vector<std::string>& notes) {
  std::set<std::string> left_out(settings.exclude.begin(), settings.exclude.end());
  left_out.insert(settings.target);
  const bool chosen = !settings.features.empty();
  if (!chosen && !settings.split_column.empty()) left_out.insert(settings.split_column);
  std::vector<std::string> names;
  for (const std::string& name : chosen ? settings.features : dataset.table.header) {
    if (left_out.count(name) > 0) continue;
    const bool categorical = listed(settings.categorical, name);
    if (!chosen && !categorical && listed(dataset.index_columns, name)) {
      notes.push_back("column '" + name +
                      "' is an index, which counts or names the rows, and was left out" +
                      (name.empty() ? "" : "; --features would keep it"));
    } else if (!categorical && listed(dataset.time_columns, name)) {
      notes.push_back("column '" + name + "' holds dates and was left out; --split.column " + name +
                      " holds out the newest rows by it");
    } else if (const auto ambiguous = dataset.ambiguous_columns.find(name);
               !categorical && ambiguous != dataset.ambiguous_columns.end()) {
      return fail("ambiguous_numbers", dataset.source + ": column '" + name +
                                           "': " + ambiguous->second + "; or --exclude " + name);
    } else {
      names.push_back(name);
    }
  }
  return names;
}

// The two classes of a logistic model, sorted; numbers by value, so that "1" follows "0".
Result<std::vector<std::string>> find_classes(const Dataset& dataset, const Split& split,
                                              const std::string& target) {
  const std::size_t column = dataset.table.column(target);
  std::unordered_map<std::string, std::uint64_t> found;
  for (const auto* rows : {&split.training, &split.held_out}) {
    for (const std::size_t row : *rows) {
      ++found[model::canonical_category(dataset.table.rows[row].fields[column])];
      if (found.size() > 4) break;  // Two, and 1 and 0 for true and false.
    }
  }
  detectors::merge_booleans(found);
  if (found.size() != 2) {
    return fail("bad_classes", "column '" + target + "' holds " +
                                   (found.size() < 2 ? "one class" : "more than two classes") +
                                   "; logistic learns exactly two" +
                                   (found.size() < 2 ? "" : ", ols and ridge learn numbers"));
  }
  std::vector<std::string> classes;
  for (const auto& [name, count] : found) classes.push_back(name);
  std::sort(classes.begin(), classes.end());
  const auto a = parse_double(classes[0]), b = parse_double(classes[1]);
  if (a && b && *a > *b) std::swap(classes[0], classes[1]);
  return classes;
}

// A row's truth as the model counts it: the number, or the index of the class (NaN: a class that
// the model does not know, which every prediction gets wrong).
double truth_of(const model::Model& model, std::string_view text) {
  const detectors::Value truth = detectors::read_value(text);
  if (!model.is_classifier()) return detectors::as_number(truth).value_or(std::nan(""));
  for (std::size_t i = 0; i < model.classes.size(); ++i) {
    if (detectors::same_class(detectors::read_value(model.classes[i]), truth))
      return static_cast<double>(i);
  }
  return std::nan("");
}

struct Design {
  MatrixXd x;
  VectorXd y;
};

Design build_design(const model::Model& model, const Dataset& dataset,
                    const std::vector<std::size_t>& rows, const std::vector<std::size_t>& columns) {
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto width = static_cast<Index>(model.encoding.columns());
  RowMajor x(static_cast<Index>(rows.size()), width);
  VectorXd y(static_cast<Index>(rows.size()));
  const std::size_t target = dataset.table.column(model.target);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const wire::CsvRow& row = dataset.table.rows[rows[i]];
    model.encoding.encode(model::read_row(model.encoding, columns, row),
                          x.row(static_cast<Index>(i)).data());
    y(static_cast<Index>(i)) = truth_of(model, row.fields[target]);
  }
  return {x, y};
}

Result<model::Fit> fit(const Design& design, const Settings& settings,
                       const OnProgress& on_progress) {
  switch (settings.algorithm) {
    case model::Algorithm::ridge:
      return model::fit_ridge(design.x, design.y, settings.ridge_lambda);
    case model::Algorithm::logistic:
      return model::fit_logistic(
          design.x, design.y, settings.logistic_lambda,
          [&](double fraction) { report(on_progress, "fitting", fraction); });
    case model::Algorithm::ols:
      break;
  }
  return model::fit_ols(design.x, design.y);
}

// The dummy columns of one categorical feature always sum to 1; without its first one, collinearity
// that remains is the data's own.
std::vector<Index> columns_without_dummy_trap(const model::Encoding& encoding) {
  std::vector<Index> kept;
  for (std::size_t f = 0; f < encoding.features().size(); ++f) {
    const bool categorical = encoding.features()[f].kind == model::Kind::categorical;
    for (std::size_t c = categorical ? 1 : 0; c < encoding.features()[f].columns(); ++c) {
      kept.push_back(static_cast<Index>(encoding.first_column(f) + c));
    }
  }
  return kept;
}

void warn_of_collinear_columns(const Design& design, const model::Encoding& encoding,
                               Trained& trained) {
  const std::vector<Index> kept = columns_without_dummy_trap(encoding);
  const model::Collinearity found = model::find_collinear(design.x(Eigen::all, kept));
  trained.condition_number = found.condition_number;
  if (found.columns.empty()) return;
  const std::vector<std::string> names = encoding.column_names();
  std::string list;
  constexpr std::size_t named_max = 10;
  for (std::size_t i = 0; i < found.columns.size() && i < named_max; ++i) {
    list += (i ? ", " : "") + names[static_cast<std::size_t>(kept[found.columns[i]])];
  }
  if (found.columns.size() > named_max) {
    list += " and " + std::to_string(found.columns.size() - named_max) + " more";
  }
  const bool exact = std::isinf(found.condition_number);
  trained.warnings.push_back(
      "collinear columns (condition number " +
      (exact ? std::string("infinite") : format_double(std::round(found.condition_number))) +
      "): " + list +
      (exact ? " are linear combinations of each other" : " nearly depend on each other") +
      "; their coefficients say little alone. Leave one out, or use ridge");
}

evaluate::Segments segment(const Dataset& dataset, const std::vector<std::size_t>& rows,
                           const std::string& name, const std::string& prefix) {
  const std::size_t column = dataset.table.column(name);
  evaluate::Segments all;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    all[prefix + model::canonical_category(dataset.table.rows[rows[i]].fields[column])].push_back(
        i);
  }
  if (all.size() <= segment_values_max) return all;
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& [value, places] : all) ranked.emplace_back(places.size(), value);
  std::sort(ranked.rbegin(), ranked.rend());
  evaluate::Segments kept;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    auto& from = all[ranked[i].second];
    auto& to = kept[i < segment_values_max ? ranked[i].second : prefix + "other"];
    to.insert(to.end(), from.begin(), from.end());
  }
  return kept;
}

Result<Trained> finish(Trained trained, const Dataset& dataset, const Settings& settings) {
  if (!std::isfinite(trained.model.intercept) || !trained.model.coefficients.allFinite()) {
    return fail("not_finite",
                "the fit has coefficients that are no finite numbers; look for huge "
                "values in the columns");
  }
  const bool in_sample = trained.split.held_out.empty();
  const auto& rows = in_sample ? trained.split.training : trained.split.held_out;
  const auto judged = judge_rows(trained.model, dataset, rows, settings);
  if (!judged) return fail(judged);
  trained.evaluation = evaluate(*judged, in_sample);
  return trained;
}

}  // namespace

Result<Judged> judge_rows(const model::Model& model, const Dataset& dataset,
                          const std::vector<std::size_t>& rows, const Settings& settings) {
  const auto columns = model::feature_columns(model.encoding, dataset.table);
  if (!columns) return fail(columns);
  const std::size_t target = dataset.table.column(model.target);
  std::vector<std::string> needed = settings.segments;
  needed.push_back(model.target);
  if (!settings.group.empty()) needed.push_back(settings.group);
  for (const std::string& name : needed) {
    if (dataset.table.column(name) == dataset.table.header.size()) {
      return fail("unknown_column", dataset.source + " has no column '" + name + "'");
    }
  }
  std::vector<model::Cells> cells;
  std::vector<double> truths;
  for (const std::size_t row : rows) {
    cells.push_back(model::read_row(model.encoding, *columns, dataset.table.rows[row]));
    truths.push_back(truth_of(model, dataset.table.rows[row].fields[target]));
  }
  Judged judged{evaluate::judge(model, cells, truths, settings.tolerance), {}, {}};
  for (const std::string& name : settings.segments) {
    judged.segments.merge(segment(dataset, rows, name, name + "="));
  }
  if (!settings.group.empty()) judged.groups = segment(dataset, rows, settings.group, "");
  return judged;
}

Evaluation evaluate(const Judged& judged, bool on_training_rows) {
  Evaluation evaluation;
  evaluation.on_training_rows = on_training_rows;
  evaluation.overall = evaluate::measure(judged.outcomes, judged.outcomes.all_rows());
  for (const auto& [name, rows] : judged.segments) {
    evaluation.segments[name] = evaluate::measure(judged.outcomes, rows);
  }
  evaluation.design_effect = evaluate::design_effect(judged.outcomes.wrong);
  return evaluation;
}

Result<Trained> train(const Dataset& dataset, const Split& split, const Settings& settings,
                      const OnProgress& on_progress) {
  report(on_progress, "reading columns", 0);
  const model::EncodingRules rules{{settings.categorical.begin(), settings.categorical.end()},
                                   settings.categories_max};
  std::vector<std::string> notes = split.notes;
  notes.insert(notes.end(), dataset.notes.begin(), dataset.notes.end());
  const auto features = feature_names(dataset, settings, notes);
  if (!features) return fail(features);
  auto learned = model::learn_encoding(dataset.table, split.training, *features, rules);
  if (!learned) return fail(learned.error().code, dataset.source + ": " + learned.error().message);

  Trained trained;
  trained.model.name = settings.model_name;
  trained.model.target = settings.target;
  trained.model.algorithm = settings.algorithm;
  trained.model.encoding = std::move(learned->encoding);
  trained.split = split;
  trained.notes = std::move(notes);
  trained.notes.insert(trained.notes.end(), learned->notes.begin(), learned->notes.end());
  if (settings.algorithm == model::Algorithm::logistic) {
    auto classes = find_classes(dataset, split, settings.target);
    if (!classes) return fail(classes);
    trained.model.classes = std::move(*classes);
  }
  const std::size_t width = trained.model.encoding.columns();
  if (static_cast<double>(width) * static_cast<double>(split.training.size()) > cells_max) {
    return fail("too_large",
                std::to_string(split.training.size()) + " rows of " + std::to_string(width) +
                    " columns are more than fit in memory; train "
                    "on fewer rows (--since) or columns (--features, --categories-max)");
  }
  if (split.training.size() <= width) {
    trained.warnings.push_back(std::to_string(split.training.size()) + " training rows for " +
                               std::to_string(width) +
                               " columns: the fit says little about new rows");
  }

  report(on_progress, "building the matrix", 0.2);
  const auto columns = model::feature_columns(trained.model.encoding, dataset.table);
  const Design design = build_design(trained.model, dataset, split.training, *columns);
  report(on_progress, "fitting", 0.4);
  auto fitted = fit(design, settings, on_progress);
  if (!fitted) return fail(fitted);
  trained.model.intercept = fitted->intercept;
  trained.model.coefficients = std::move(fitted->coefficients);
  if (!fitted->converged)
    trained.warnings.push_back("the logistic fit did not converge; standardise or raise lambda");
  report(on_progress, "looking for collinear columns", 0.8);
  warn_of_collinear_columns(design, trained.model.encoding, trained);
  report(on_progress, "evaluating", 0.9);
  auto finished = finish(std::move(trained), dataset, settings);
  report(on_progress, "trained", 1);
  return finished;
}

Result<Trained> recalibrate(const model::Model& parent, const Dataset& dataset, const Split& split,
                            const Settings& settings) {
  const auto columns = model::feature_columns(parent.encoding, dataset.table);
  if (!columns) return fail(columns);
  const Design design = build_design(parent, dataset, split.training, *columns);
  // One column: what the parent says (of a classifier, its log-odds).
  const VectorXd said = (design.x * parent.coefficients).array() + parent.intercept;
  auto fitted = parent.is_classifier()
                    ? model::fit_logistic(said, design.y, settings.logistic_lambda)
                    : model::fit_ols(said, design.y);
  if (!fitted) return fail(fitted);
  Trained trained;
  trained.model = parent;
  trained.split = split;
  trained.notes = split.notes;
  const double scale = fitted->coefficients(0);
  trained.model.coefficients = parent.coefficients * scale;
  trained.model.intercept = fitted->intercept + scale * parent.intercept;
  trained.notes.push_back("recalibrated: the parent's prediction times " + format_double(scale) +
                          " plus " + format_double(fitted->intercept));
  return finish(std::move(trained), dataset, settings);
}

}  // namespace outrider::train
