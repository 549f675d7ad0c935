// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "base/core/text.h"
#include "predictor/app/commands.h"
#include "predictor/gates/gates.h"
#include "predictor/train/promotion.h"

namespace outrider::app {
namespace {

struct TrainOptions {
  std::string data, registry, algorithm = "ols", split_by, since;
  std::vector<std::string> features, exclude, categorical, segments;
  std::size_t data_bytes_max = 1 << 30;
  bool promote = false, force = false;
  train::Settings settings;
  gates::Bounds gates;
};

std::shared_ptr<config::OptionTable> option_table(TrainOptions& o) {
  auto table = std::make_shared<config::OptionTable>();
  config::OptionTable& t = *table;
  t.add("data", o.data, "CSV file with a header line.").value_name("FILE.csv").required();
  t.add("target", o.settings.target, "Column to predict.").value_name("COLUMN").required();
  t.add("algorithm", o.algorithm,
        "ols: least squares, as scikit-learn's LinearRegression; ridge and "
        "logistic standardise.")
      .one_of({"ols", "ridge", "logistic"});
  t.add("name", o.settings.model_name, "The model's name.").value_name("MODEL").required();
  t.add("registry", o.registry, "Folder of model versions; created.").value_name("DIR").required();
  t.add("promote", o.promote, "Make it production when the gates pass.");
  t.add("force", o.force, "With --promote: whatever the gates say.");
  t.add("features", o.features, "Columns to learn from (a,b,c); default: all others.")
      .value_name("COLUMNS");
  t.add("exclude", o.exclude, "Columns to leave out (a,b,c).").value_name("COLUMNS");
  t.add("categorical", o.categorical, "Columns of numbers that are categories (zip codes).")
      .value_name("COLUMNS");
  t.add("categories-max", o.settings.categories_max, "Categories kept a column, the most frequent.")
      .between(2, 10000);
  t.add("split.by", o.split_by,
        "How rows are held out; default: time with --split.column, else hash.")
      .one_of({"time", "hash"});
  t.add("split.column", o.settings.split_column,
        "Column with the rows' time; with hash: rows of the same value stay together.")
      .value_name("COLUMN");
  t.add("holdout", o.settings.holdout, "Share of rows held out, by time the newest.")
      .between(0, 0.9);
  t.add("rows.drop-max", o.settings.rows_drop_max,
        "Largest share of rows left out for want of a usable target or time; more is an error.")
      .between(0, 1);
  t.add("since", o.since, "Use only rows from this time on (RFC 3339); needs --split.by time.")
      .value_name("TIME");
  t.add("tolerance", o.settings.tolerance.relative,
        "A prediction within this share of the truth is correct.")
      .between(0, 10);
  t.add(
       "tolerance.absolute", o.settings.tolerance.absolute,
       "Distance from the truth that is allowed beside --tolerance, e.g. where the truth can be 0.")
      .between(0, 1e300);
  t.add("segments", o.segments, "Columns by whose values the metrics are told apart (a,b).")
      .value_name("COLUMNS");
  t.add("group", o.settings.group, "Column of the fairness gate.").value_name("COLUMN");
  t.add("group.privileged", o.settings.privileged,
        "Its value that others are compared with; default: the largest group.");
  t.add("ridge.lambda", o.settings.ridge_lambda, "Penalty of ridge, as scikit-learn's alpha.")
      .between(0, std::int64_t{1} << 40);
  t.add("logistic.lambda", o.settings.logistic_lambda, "Penalty of logistic, 1/C of scikit-learn.")
      .between(0, std::int64_t{1} << 40);
  t.add("data.max-bytes", o.data_bytes_max, "Largest CSV file read.")
      .as_bytes()
      .between(1, std::int64_t{1} << 40);
  o.gates.add_to(t);
  return table;
}

std::vector<std::string> by_commas(const std::vector<std::string>& texts) {
  std::vector<std::string> names;
  for (const std::string& text : texts) {
    for (const std::string_view piece : split(text, ',')) {
      if (!trim(piece).empty()) names.emplace_back(trim(piece));
    }
  }
  return names;
}

train::Settings settings_of(const TrainOptions& o) {
  train::Settings settings = o.settings;
  settings.algorithm = *model::parse_algorithm(o.algorithm);
  settings.features = by_commas(o.features);
  settings.exclude = by_commas(o.exclude);
  settings.categorical = by_commas(o.categorical);
  settings.segments = by_commas(o.segments);
  settings.split_by_time =
      o.split_by.empty() ? !settings.split_column.empty() : o.split_by == "time";
  if (settings.split_by_time && settings.split_column.empty()) {
    throw std::runtime_error(
        "split.by=time: name the column with the rows' time by --split.column");
  }
  if (!o.since.empty()) {
    settings.since = parse_rfc3339(o.since);
    if (!settings.since) {
      throw std::runtime_error("since=" + o.since + ": expected a time like 2026-01-31T12:00:00Z");
    }
  }
  return settings;
}

// One line that is written over and over; nothing when no person watches.
train::OnProgress progress_line() {
  if (::isatty(STDERR_FILENO) == 0) return {};
  return [](std::string_view stage, double fraction) {
    std::fprintf(stderr, "\r\033[K%3.0f%% %.*s%s", fraction * 100, static_cast<int>(stage.size()),
                 stage.data(), fraction >= 1 ? "\n" : "");
  };
}

template <class T>
T or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void print_result(const std::string& version, const train::Settings& settings,
                  const train::Trained& trained) {
  const evaluate::Metrics& m = trained.evaluation.overall;
  for (const std::string& note : trained.notes) std::cout << "note: " << note << "\n";
  for (const std::string& warning : trained.warnings) std::cout << "warning: " << warning << "\n";
  std::printf("%s %s: trained on %zu rows, %zu columns; on %zu %s rows accuracy %.1f%%",
              settings.model_name.c_str(), version.c_str(), trained.split.training.size(),
              trained.model.encoding.columns(), m.rows,
              trained.evaluation.on_training_rows ? "training" : "held-out", 100 * m.accuracy());
  if (trained.model.is_classifier()) {
    std::printf(", F1 %.3f, AUC %.3f, log loss %.4f\n", m.f1, m.auc, m.log_loss);
  } else {
    std::printf(" (within %g%%), MAE %s, RMSE %s, R² %.3f\n", 100 * settings.tolerance.relative,
                format_double(m.mae).c_str(), format_double(m.rmse).c_str(), m.r2);
  }
  std::fflush(stdout);
}

int run(const TrainOptions& o) {
  static const SystemClock clock;
  const train::Settings settings = settings_of(o);
  registry::Registry registry(o.registry, settings.model_name, clock);
  const train::OnProgress progress = progress_line();
  if (progress) progress("reading " + o.data, 0);
  const train::Dataset dataset = or_throw(train::load_dataset(o.data, o.data_bytes_max));
  const train::Split split = or_throw(train::split_rows(dataset, settings));
  const train::Trained trained = or_throw(train::train(dataset, split, settings, progress));
  const std::string version =
      train::store_version(registry,
                           {.dataset = dataset,
                            .settings = settings,
                            .trained = trained,
                            .original = std::filesystem::absolute(o.data).string()},
                           clock.now());
  print_result(version, settings, trained);
  if (!o.promote) {
    or_throw(registry.set_candidate(version));
    std::cout << version << " is the candidate; outrider-predictor models promote " << version
              << " makes it production\n";
    return 0;
  }
  const auto trial = train::promote_version(registry, version, o.gates, o.force, "train --promote");
  if (!trial) {
    std::cerr << "outrider-predictor: " << trial.error().message << "\n";
    return 1;
  }
  for (const gates::Verdict& verdict : trial->judgement.verdicts) {
    std::cout << "gate " << verdict.gate << (verdict.passed ? " passes: " : " refuses, forced: ")
              << verdict.message << "\n";
  }
  std::cout << version << " is production\n";
  return 0;
}

}  // namespace

config::Command train_command() {
  auto options = std::make_shared<TrainOptions>();
  return {.name = "train",
          .summary = "Learns a model from a CSV file and stores it as a new version.",
          .positional = "",
          .options = option_table(*options),
          .run = [options](const config::Positional&) { return run(*options); }};
}

}  // namespace outrider::app
