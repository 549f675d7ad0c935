// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/drift.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <limits>

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/wire/json.h"
#include "cli/table/file_survey.h"
#include "cli/table/table_file.h"
#include "detectors/e_detector.h"
#include "detectors/value_reader.h"
#include "reference/reference_json.h"

namespace outrider::cli {
namespace {

using detectors::Value;

constexpr double unusual_p = 0.001;

// Which column is which; the table's column count for none.
struct Columns {
  std::vector<std::size_t> features;  // In the reference's order.
  std::size_t prediction, target, score, time;
};

class Backtest {
 public:
  Backtest(const reference::ModelReference& reference, Columns columns, std::size_t count,
           FileSurvey& survey)
      : reference_(reference),
        survey_(survey),
        columns_(std::move(columns)),
        count_(count),
        watch_(reference.statistics),
        quality_(watch_),
        features_(columns_.features.size()) {
    drifting_.resize(watch_.verdicts().size());
    if (!reference.accuracy) return;
    const auto settings = detectors::settings_from({reference.accuracy->error_rate,
                                                    static_cast<double>(reference.accuracy->rows),
                                                    reference.accuracy->design_effect});
    if (!settings) return;
    if (auto made = detectors::EDetector::make(*settings))
      accuracy_alarm_.emplace(std::move(*made));
  }

  void take(std::uint64_t line, std::span<const Value> cells) {
    if (mistake_) return;
    const auto row = survey_.read(cells);
    Time at{};
    if (has(columns_.time)) {
      const auto time = survey_.time_of(line, row[columns_.time]);
      if (!time) {
        mistake_ = time.error();
        return;
      }
      at = *time;
      const std::uint64_t judged = watch_.judgements();
      watch_.advance(at);
      if (watch_.judgements() != judged) note_alarms();
      quality_.advance(at, report_.rows);
    }
    observe(row, at);
    last_ = std::max(last_, at);
    ++report_.rows;
  }

  const std::optional<Error>& mistake() const { return mistake_; }

  DriftReport finish() {
    if (has(columns_.time)) {
      const std::uint64_t judged = watch_.judgements();
      watch_.advance(last_ + std::chrono::minutes(5));
      if (watch_.judgements() != judged) note_alarms();
      report_.subjects = watch_.verdicts();
    } else {
      report_.subjects = watch_.judge_all();
      for (const detectors::Verdict& verdict : report_.subjects) {
        if (verdict.state != detectors::State::drift) continue;
        report_.alarms.push_back({report_.rows - 1, verdict.subject});
      }
    }
    if (!has(columns_.prediction)) {
      std::erase_if(report_.subjects, [](const auto& v) { return v.subject == "prediction"; });
    }
    quality_.finish(report_.rows);
    report_.quality_alarms = quality_.alarms();
    for (std::size_t i = 0; i < features_.size(); ++i) {
      report_.quality.emplace_back(watch_.subject(i).name, watch_.quality(i));
    }
    if (labels_ > 0) report_.accuracy = static_cast<double>(right_) / static_cast<double>(labels_);
    if (has(columns_.score)) report_.accuracy_estimated = watch_.estimated_accuracy();
    if (reference_.accuracy) report_.accuracy_reference = 1 - reference_.accuracy->error_rate;
    return std::move(report_);
  }

 private:
  bool has(std::size_t column) const { return column < count_; }

  void observe(std::span<const Value> row, Time at) {
    for (std::size_t i = 0; i < features_.size(); ++i) {
      features_[i] = has(columns_.features[i]) ? row[columns_.features[i]] : Value::none();
    }
    const Value prediction = has(columns_.prediction) ? row[columns_.prediction] : Value::none();
    const Value said = has(columns_.score) ? row[columns_.score] : Value::none();
    const double score =
        detectors::as_number(said).value_or(std::numeric_limits<double>::quiet_NaN());
    const detectors::Surprise surprise = watch_.observe(features_, prediction, score, at);
    report_.scored_rows += surprise.scored ? 1 : 0;
    report_.unusual_rows += surprise.scored && surprise.p <= unusual_p ? 1 : 0;
    if (has(columns_.target) && prediction.kind != Value::Kind::missing)
      label(prediction, row[columns_.target]);
  }

  void label(const Value& prediction, const Value& truth) {
    if (truth.kind == Value::Kind::missing) return;
    const bool correct = is_right(prediction, truth);
    ++labels_;
    right_ += correct ? 1 : 0;
    if (!accuracy_alarm_) return;
    const auto stamp = static_cast<std::int64_t>(report_.rows);
    if (accuracy_alarm_->update(!correct, stamp) == detectors::AlarmEvent::raised) {
      report_.alarms.push_back({report_.rows, "accuracy"});
    }
  }

  bool is_right(const Value& prediction, const Value& truth) const {
    const bool numbers =
        prediction.kind == Value::Kind::number && truth.kind == Value::Kind::number;
    if (reference_.kind == reference::ModelKind::classification || !numbers)
      return detectors::same_class(prediction, truth);
    const double relative = reference_.accuracy ? reference_.accuracy->tolerance : 0.1;
    const double absolute = reference_.accuracy ? reference_.accuracy->absolute_tolerance : 0;
    return std::abs(prediction.number - truth.number) <=
           relative * std::abs(truth.number) + absolute;
  }

  // An alarm is where a subject begins to drift; while it goes on it is the same alarm.
  void note_alarms() {
    const auto& verdicts = watch_.verdicts();
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      const bool drifts = verdicts[i].state == detectors::State::drift;
      if (drifts && !drifting_[i])
        report_.alarms.push_back({report_.rows - 1, verdicts[i].subject});
      drifting_[i] = drifts;
    }
  }

  const reference::ModelReference& reference_;
  FileSurvey& survey_;
  Columns columns_;
  std::size_t count_;
  detectors::VersionWatch watch_;
  QualityBacktest quality_;
  std::optional<detectors::EDetector> accuracy_alarm_;
  std::vector<Value> features_;
  std::vector<bool> drifting_;
  std::uint64_t labels_ = 0, right_ = 0;
  Time last_{};
  DriftReport report_;
  std::optional<Error> mistake_;
};

Result<Columns> find_columns(const DriftBacktest& wanted,
                             const reference::ModelReference& reference,
                             const std::vector<std::string>& names,
                             std::vector<std::string>& absent) {
  const auto column = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  std::string mistakes;
  const auto named = [&](std::string_view option, const std::string& name) {
    if (!name.empty() && column(name) == names.size()) {
      mistakes += std::string(option) + "=" + name + ": no such column\n";
    }
    return name.empty() ? names.size() : column(name);
  };
  Columns columns{{},
                  named("prediction", wanted.prediction),
                  named("target", wanted.target),
                  named("score", wanted.score),
                  named("time", wanted.time)};
  for (const detectors::FrozenSubject& feature : reference.statistics->features) {
    columns.features.push_back(column(feature.name));
    if (columns.features.back() == names.size()) absent.push_back(feature.name);
  }
  if (!wanted.target.empty() && wanted.prediction.empty()) {
    mistakes += "target=" + wanted.target +
                ": needs prediction=COLUMN too: accuracy is how often the two agree\n";
  }
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  if (absent.size() == columns.features.size()) {
    mistakes += "none of the reference's features is a column\n";
  }
  if (!mistakes.empty()) return fail("unknown_column", mistakes + "columns: " + known);
  return columns;
}

// Where the file is to have numbers.
std::vector<std::size_t> numeric_columns(const reference::ModelReference& reference,
                                         const Columns& columns) {
  std::vector<std::size_t> numeric{columns.score};
  const auto& features = reference.statistics->features;
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (features[i].bins.kind() == detectors::FeatureKind::numeric)
      numeric.push_back(columns.features[i]);
  }
  if (reference.kind != reference::ModelKind::classification) {
    numeric.push_back(columns.prediction);
    numeric.push_back(columns.target);
  }
  return numeric;
}

wire::Json quality_json(const DriftReport& report) {
  wire::Json all = wire::Json::object();
  for (const auto& [feature, quality] : report.quality) {
    all[feature] = {{"missing", quality.missing},
                    {"type", quality.type},
                    {"range", quality.range},
                    {"unseen", quality.unseen}};
  }
  return all;
}

wire::Json subject_json(const detectors::Verdict& verdict) {
  const detectors::Scores& s = verdict.scores;
  wire::Json json;
  json["subject"] = verdict.subject;
  json["verdict"] = to_string(verdict.state);
  json["n"] = verdict.n;
  json["scores"] = {{"psi", s.psi},
                    {"ks", s.ks},
                    {"js", s.js},
                    {"wasserstein", s.wasserstein},
                    {"chi2", s.chi2},
                    {"hellinger", s.hellinger},
                    {"l_infinity", s.l_infinity},
                    {"psi_plain", s.psi_plain}};
  json["thresholds"] = {{"psi", verdict.thresholds.psi}, {"chi2", verdict.thresholds.chi2}};
  const bool numeric = verdict.kind == detectors::FeatureKind::numeric;
  json["thresholds"][numeric ? "ks" : "l_infinity"] = verdict.thresholds.ks;
  json["kind"] = to_string(verdict.kind);
  json["reference"] = verdict.reference;
  json["reference_n"] = verdict.m;
  json["degrees_of_freedom"] = s.degrees;
  json["design_effect"] = verdict.design.rank;
  json["p"] = s.p;
  json["q"] = verdict.q;
  return json;
}

wire::Json report_json(const DriftReport& report) {
  wire::Json json;
  json["rows"] = report.rows;
  json["subjects"] = wire::Json::array();
  for (const detectors::Verdict& verdict : report.subjects)
    json["subjects"].push_back(subject_json(verdict));
  json["alarms"] = wire::Json::array();
  for (const DriftAlarm& alarm : report.alarms) {
    json["alarms"].push_back({{"row", alarm.row}, {"subject", alarm.subject}});
  }
  json["quality"] = quality_json(report);
  json["quality_alarms"] = wire::Json::array();
  for (const QualityAlarm& alarm : report.quality_alarms) {
    json["quality_alarms"].push_back({{"row", alarm.row},
                                      {"feature", alarm.feature},
                                      {"check", alarm.check},
                                      {"share", alarm.share},
                                      {"trained_share", alarm.trained_share}});
  }
  json["anomalies"] = {{"scored", report.scored_rows}, {"p_at_most_0.001", report.unusual_rows}};
  const auto ratio = [](const std::optional<double>& x) {
    return x ? wire::Json(*x) : wire::Json();
  };
  json["accuracy"] = {{"realised", ratio(report.accuracy)},
                      {"estimated", ratio(report.accuracy_estimated)},
                      {"reference", ratio(report.accuracy_reference)}};
  json["absent_features"] = report.absent;
  return json;
}

void print_table(const DriftReport& report) {
  std::printf("%llu rows, %zu alarms\n", static_cast<unsigned long long>(report.rows),
              report.alarms.size() + report.quality_alarms.size());
  std::printf("%-28s %-11s %9s %8s %8s %8s %11s %9s\n", "subject", "verdict", "n", "psi", "ks",
              "js", "wasserstein", "q");
  for (const detectors::Verdict& verdict : report.subjects) {
    const detectors::Scores& s = verdict.scores;
    std::printf("%-28.60s %-11s %9llu %8.4f %8.4f %8.4f %11.4g %9.2g\n", verdict.subject.c_str(),
                std::string(to_string(verdict.state)).c_str(),
                static_cast<unsigned long long>(verdict.n), s.psi, s.ks, s.js, s.wasserstein,
                verdict.q);
  }
  for (const DriftAlarm& alarm : report.alarms) {
    std::printf("alarm at row %llu: %s\n", static_cast<unsigned long long>(alarm.row),
                alarm.subject.c_str());
  }
  for (const QualityAlarm& alarm : report.quality_alarms) {
    std::printf("alarm at row %llu: %s: %s in %.1f%% of the rows (training %.1f%%)\n",
                static_cast<unsigned long long>(alarm.row), alarm.feature.c_str(),
                std::string(alarm.check).c_str(), 100 * alarm.share, 100 * alarm.trained_share);
  }
  for (const std::string& name : report.absent) {
    std::printf("feature %s has no column in the data: counted as missing\n", name.c_str());
  }
  if (report.accuracy) std::printf("accuracy %.1f%%", 100 * *report.accuracy);
  if (report.accuracy && report.accuracy_reference)
    std::printf(" (reference %.1f%%)", 100 * *report.accuracy_reference);
  if (report.accuracy) std::printf("\n");
  if (report.accuracy_estimated)
    std::printf("accuracy estimated without labels %.1f%%\n", 100 * *report.accuracy_estimated);
}

}  // namespace

Result<DriftReport> backtest_drift(const DriftBacktest& wanted) {
  const auto text = config::read_file(wanted.reference, reference::bytes_max);
  if (!text) return fail(text.error().code, "reference=" + text.error().message);
  const auto reference = reference::parse(*text);
  if (!reference)
    return fail(reference.error().code,
                "reference=" + wanted.reference + ": " + reference.error().message);
  const auto names = read_columns(wanted.data);
  if (!names) return fail(names.error().code, "data=" + names.error().message);
  std::vector<std::string> absent;
  auto columns = find_columns(wanted, *reference, *names, absent);
  if (!columns) return fail(columns);

  ProgressBar bar("backtest");
  FileSurvey survey(*names, numeric_columns(*reference, *columns), columns->time);
  auto surveyed = visit_table(
      wanted.data, [&](std::uint64_t line, std::span<const Value> row) { survey.take(line, row); },
      [&](double share) { bar.show(share / 2); });
  if (!surveyed) return fail(surveyed.error().code, "data=" + surveyed.error().message);
  if (auto settled = survey.settle(); !settled) {
    return fail(settled.error().code, "data=" + wanted.data + ": " + settled.error().message);
  }
  Backtest backtest(*reference, std::move(*columns), names->size(), survey);
  auto visited = visit_table(
      wanted.data,
      [&](std::uint64_t line, std::span<const Value> row) { backtest.take(line, row); },
      [&](double share) { bar.show((1 + share) / 2); });
  if (!visited) return fail(visited.error().code, "data=" + visited.error().message);
  if (backtest.mistake()) {
    return fail(backtest.mistake()->code,
                "data=" + wanted.data + ": " + backtest.mistake()->message);
  }
  DriftReport report = backtest.finish();
  if (report.rows == 0)
    return fail("no_rows", "data=" + wanted.data + ": it has a header but no rows");
  report.absent = std::move(absent);
  return report;
}

void add_drift_options(config::OptionTable& options, DriftBacktest& wanted) {
  options
      .add("reference", wanted.reference,
           "The reference to judge against, as profile or train made it.")
      .value_name("FILE");
  options.add("data", wanted.data, "Recorded rows: CSV with a header line, or NDJSON.")
      .value_name("FILE");
  options.add("prediction", wanted.prediction, "Column of the model's predictions.")
      .value_name("COLUMN");
  options
      .add("target", wanted.target,
           "Column of the truth, beside --prediction: the accuracy alarm runs too.")
      .value_name("COLUMN");
  options
      .add("score", wanted.score,
           "Column of the model's probability: accuracy is estimated from it.")
      .value_name("COLUMN");
  options.add("time", wanted.time, "Column of the time; without it all rows are one pane.")
      .value_name("COLUMN");
}

int print_drift_backtest(const DriftBacktest& wanted, bool json) {
  if (wanted.reference.empty() || wanted.data.empty()) {
    std::cerr << (wanted.reference.empty() ? "reference: required; see --help\n" : "")
              << (wanted.data.empty() ? "data: required; see --help\n" : "");
    return 2;
  }
  const auto report = backtest_drift(wanted);
  if (!report) {
    std::cerr << report.error().message << "\n";
    return 1;
  }
  if (json) {
    std::cout << wire::to_text(report_json(*report)) << "\n";
  } else {
    print_table(*report);
  }
  return 0;
}

}  // namespace outrider::cli
