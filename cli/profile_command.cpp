// SPDX-License-Identifier: Apache-2.0
// `outrider profile --data train.csv --target price --out reference.json`: training rows ->
// reference.json, by the code that also serves (reference/builder.h).
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/config/files.h"
#include "base/core/clock.h"
#include "cli/commands.h"
#include "cli/table/table_file.h"
#include "reference/builder.h"
#include "reference/reference_json.h"

namespace outrider::cli {
namespace {

struct Profile {
  std::string data;
  std::string out;
  std::string kind;
  std::int64_t bins = detectors::default_bins;
  reference::BuildSettings build;
  config::OptionTable options;
};

const char* role_text(reference::ColumnRole role) {
  switch (role) {
    case reference::ColumnRole::feature:
      return "feature";
    case reference::ColumnRole::target:
      return "target";
    case reference::ColumnRole::prediction:
      return "prediction";
    case reference::ColumnRole::score:
      return "score";
    case reference::ColumnRole::time:
      return "time";
    case reference::ColumnRole::ignored:
      return "ignored";
  }
  return "";
}

void print_columns(const reference::Built& built) {
  std::printf("%-28s %-11s %-12s %9s %15s  %s\n", "column", "role", "type", "missing", "distinct",
              "");
  for (const reference::ColumnReport& column : built.columns) {
    const bool ignored =
        column.role == reference::ColumnRole::ignored || column.role == reference::ColumnRole::time;
    const std::string distinct =
        (column.distinct_more ? "more than " : "") + std::to_string(column.distinct);
    std::printf("%-28.60s %-11s %-12s %9llu %15s  %s\n",
                column.name.empty() ? "(no name)" : column.name.c_str(), role_text(column.role),
                ignored ? "" : std::string(to_string(column.kind)).c_str(),
                static_cast<unsigned long long>(column.missing), distinct.c_str(),
                column.note.c_str());
  }
}

int profile(Profile& wanted) {
  const auto columns = read_columns(wanted.data);
  if (!columns) {
    std::cerr << "data=" << columns.error().message << "\n";
    return 1;
  }
  reference::BuildSettings& build = wanted.build;
  build.bins = static_cast<std::size_t>(wanted.bins);
  build.source = std::filesystem::path(wanted.data).filename().string();
  build.created = SystemClock().now();
  if (wanted.kind == "regression") build.kind = reference::ModelKind::regression;
  if (wanted.kind == "classification") build.kind = reference::ModelKind::classification;

  ProgressBar bar("profile");
  int pass = 0;
  const reference::Rows rows = [&](const reference::VisitRow& visit) {
    const double before = pass++;
    return visit_table(
        wanted.data, [&](std::uint64_t, std::span<const detectors::Value> row) { visit(row); },
        [&](double share) { bar.show((before + share) / 2); });
  };
  const auto built = reference::build_reference(*columns, rows, build);
  if (!built) {
    // What is wrong with the file names it already.
    const std::string& message = built.error().message;
    const bool named = message.starts_with(wanted.data + ": ");
    std::cerr << "data=" << (named ? "" : wanted.data + ": ") << message << "\n";
    return 1;
  }
  if (auto written = config::put_file(wanted.out, reference::to_json(built->reference)); !written) {
    std::cerr << "out=" << written.error().message << "\n";
    return 1;
  }
  print_columns(*built);
  std::printf("%llu rows -> %s\n", static_cast<unsigned long long>(built->rows),
              wanted.out.c_str());
  if (const auto& accuracy = built->reference.accuracy) {
    std::printf("error rate %.4g on %llu rows\n", accuracy->error_rate,
                static_cast<unsigned long long>(accuracy->rows));
  } else {
    std::printf(
        "no error rate: it needs --target and --prediction; the sidecar will learn it from "
        "labels\n");
  }
  return 0;
}

void add_options(Profile& wanted) {
  config::OptionTable& options = wanted.options;
  reference::BuildSettings& build = wanted.build;
  options.add("data", wanted.data, "Training rows: CSV with a header line, or NDJSON.")
      .value_name("FILE")
      .required();
  options.add("out", wanted.out, "Where to write the reference; folders are created.")
      .value_name("FILE")
      .example("reference.json")
      .required();
  options.add("target", build.target, "Column of the truth.").value_name("COLUMN");
  options
      .add("prediction", build.prediction,
           "Column of the model's predictions: gives their distribution, and with the target the "
           "error rate.")
      .value_name("COLUMN");
  options
      .add("score", build.score,
           "Column of the model's probability: gives accuracy without labels.")
      .value_name("COLUMN");
  options
      .add("positive", build.positive,
           "The class that the score is the probability of; without it, of the predicted class.")
      .value_name("CLASS");
  options
      .add("time", build.time,
           "Column of the rows' times: the reference knows the hour of the week, and daily and "
           "weekly seasons are no drift.")
      .value_name("COLUMN");
  options.add("ignore", build.ignore, "A column that is no feature.").value_name("COLUMN");
  options
      .add("categorical", build.categorical,
           "A column to take as categories, whatever it looks like.")
      .value_name("COLUMN");
  options.add("numeric", build.numeric, "A column to take as numbers.").value_name("COLUMN");
  options.add("kind", wanted.kind, "What the model does; inferred from the target by default.")
      .one_of({"", "regression", "classification"});
  options.add("bins", wanted.bins, "Quantile bins a numeric feature.").between(4, 32);
  options
      .add("truth.tolerance", build.tolerance,
           "Regression: a prediction is right within this share of the truth …")
      .between(0, 10);
  options.add("truth.absolute-tolerance", build.absolute_tolerance, "… plus this.")
      .between(0, 1e300);
  options.add("model.name", build.model_name, "Written into the reference.").value_name("NAME");
  options.add("model.version", build.model_version, "Written into the reference.")
      .value_name("VERSION");
}

}  // namespace

config::Command profile_command() {
  const auto wanted = std::make_shared<Profile>();
  add_options(*wanted);
  return {"profile", "Makes reference.json from training data.", "",
          std::shared_ptr<config::OptionTable>(wanted, &wanted->options),
          [wanted](const config::Positional&) { return profile(*wanted); }};
}

}  // namespace outrider::cli
