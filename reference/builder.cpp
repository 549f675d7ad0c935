// SPDX-License-Identifier: Apache-2.0
#include "reference/builder.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "reference/cell_reader.h"
#include "reference/column_scan.h"
#include "reference/multivariate_counter.h"
#include "reference/row_sample.h"
#include "reference/subject_counter.h"
#include "reference/timed_rows.h"
#include "reference/truth_counter.h"

namespace outrider::reference {
namespace {

using detectors::Binning;
using detectors::FeatureKind;
using detectors::FrozenSubject;
using detectors::Value;

constexpr std::uint64_t progress_every = 8192;
constexpr std::size_t classes_max = 1000;  // More classes are not listed.

bool listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<Binning> categorical_bins(const ColumnScan& scan) {
  std::vector<std::string> all = scan.categories_by_count();
  std::erase_if(
      all, [](const std::string& text) { return text.size() > detectors::category_bytes_max; });
  const auto kept = std::min(all.size(), detectors::categories_max);
  const auto known = std::min(all.size(), kept + detectors::rare_categories_max);
  const bool complete = known == all.size() && !scan.overflowed();
  const auto at = [&](std::size_t i) { return all.begin() + static_cast<std::ptrdiff_t>(i); };
  return Binning::categorical({at(0), at(kept)}, {at(kept), at(known)}, complete);
}

// Where the columns that are no features stand; the number of columns for none.
struct Places {
  std::size_t target = 0, prediction = 0, score = 0, time = 0;
};

class Builder {
 public:
  Builder(const std::vector<std::string>& columns, const BuildSettings& settings)
      : names_(columns),
        settings_(settings),
        places_{place(settings.target), place(settings.prediction), place(settings.score),
                place(settings.time)},
        reader_(columns.size()) {
    begin_scan();
  }

  Result<void> check_names() const;
  void scan(std::span<const Value> row);
  // After a scan: whether some columns are to be read by another decimal mark, so that all rows
  // must be scanned again.
  bool read_otherwise();
  Result<void> freeze();
  void count(std::span<const Value> row);
  Result<Built> finish();

 private:
  std::size_t place(const std::string& name) const {
    if (name.empty()) return names_.size();
    return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin());
  }
  bool has(std::size_t column) const { return column < names_.size(); }
  // The column of the classes that the model tells apart.
  std::size_t truth_place() const {
    return has(places_.target) ? places_.target : places_.prediction;
  }
  void begin_scan();
  Result<void> refuse_ambiguous();
  void decide_roles();
  ColumnReport report_of(std::size_t column, bool leads) const;
  void decide_model_kind();
  TruthCounter::Settings truth_settings() const;
  Result<SubjectCounter> counter(std::size_t column, std::string name) const;
  Result<void> freeze_features();
  Result<void> freeze_times();
  void count_truth(std::span<const Value> row);
  Result<std::shared_ptr<detectors::Reference>> finish_statistics();

  const std::vector<std::string>& names_;
  const BuildSettings& settings_;
  const Places places_;

  // Of the first pass.
  CellReader reader_;
  std::vector<ColumnScan> scans_;
  std::optional<RowSample> sample_;
  std::optional<TimedRows> times_;  // Where there is a column of times.
  std::uint64_t rows_ = 0;

  ModelKind kind_ = ModelKind::unknown;
  std::vector<ColumnReport> reports_;

  // Of the second.
  struct Feature {
    std::size_t column = 0;
    SubjectCounter counter;
  };
  std::vector<Feature> features_;
  std::optional<SubjectCounter> prediction_;
  std::optional<MultivariateCounter> joint_;
  std::optional<TruthCounter> truth_;
  std::uint64_t rows_counted_ = 0;
};

Result<void> Builder::check_names() const {
  std::string mistakes;
  const auto check = [&](std::string_view what, const std::string& name) {
    if (name.empty() || listed(names_, name)) return;
    mistakes +=
        (mistakes.empty() ? "" : "\n") + std::string(what) + "=" + name + ": no such column";
  };
  check("target", settings_.target);
  check("prediction", settings_.prediction);
  check("score", settings_.score);
  check("time", settings_.time);
  for (const std::string& name : settings_.ignore) check("ignore", name);
  for (const std::string& name : settings_.categorical) check("categorical", name);
  for (const std::string& name : settings_.numeric) check("numeric", name);
  if (mistakes.empty()) return {};
  std::string known;
  for (const std::string& name : names_) known += (known.empty() ? "" : ", ") + name;
  return fail("unknown_column", mistakes + "\ncolumns: " + known);
}

void Builder::begin_scan() {
  if (has(places_.time)) times_.emplace(settings_.time);
  scans_.clear();
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const bool every_text =
        listed(settings_.categorical, names_[i]) || i == places_.target || i == places_.prediction;
    scans_.emplace_back(names_[i], settings_.distinct_max, every_text);
  }
  sample_.emplace(names_.size(), settings_.sample_rows_max, settings_.sample_cells_max);
  rows_ = 0;
}

bool Builder::read_otherwise() {
  bool otherwise = false;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (listed(settings_.categorical, names_[i])) continue;  // Its texts are names.
    if (reader_.set(i, scans_[i].numbers_decision())) otherwise = true;
  }
  if (otherwise) begin_scan();
  return otherwise;
}

Result<void> Builder::refuse_ambiguous() {
  std::string mistakes;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (reader_.refusal(i).empty() || reports_[i].role == ColumnRole::ignored) continue;
    if (settings_.provisional) {
      reports_[i].role = ColumnRole::ignored;
      reports_[i].note = reader_.refusal(i);
      continue;
    }
    mistakes +=
        (mistakes.empty() ? "" : "\n") + ("column '" + names_[i] + "': ") + reader_.refusal(i);
    if (reports_[i].role == ColumnRole::feature)
      mistakes += "; or name the column as one to ignore, or as categorical";
  }
  if (mistakes.empty()) return {};
  return fail("ambiguous_numbers", std::move(mistakes));
}

void Builder::scan(std::span<const Value> cells) {
  const auto row = reader_.read(cells);
  for (std::size_t i = 0; i < names_.size(); ++i) scans_[i].add(row[i]);
  sample_->add(row);
  ++rows_;
  if (times_) times_->scan(rows_, cells[places_.time]);
}

void Builder::decide_roles() {
  bool leads = true;  // Nothing but indices so far.
  for (std::size_t i = 0; i < names_.size(); ++i) {
    reports_.push_back(report_of(i, leads));
    leads = leads && scans_[i].is_index();
  }
}

ColumnReport Builder::report_of(std::size_t column, bool leads) const {
  const ColumnScan& scan = scans_[column];
  const std::string& name = names_[column];
  const ColumnScan::Kind inferred = scan.infer(name, leads);
  ColumnReport report{name, ColumnRole::feature, inferred.kind,     scan.missing(),
                      0,    scan.distinct(),     scan.overflowed(), inferred.note};
  const auto mark = reader_.mark(column);
  if (mark && report.note.empty() && !inferred.ignored) {
    report.note = *mark == detectors::DecimalMark::comma ? "read with a decimal comma"
                                                         : "read with marks between thousands";
  }
  const auto take_as = [&](ColumnRole role) {
    report.role = role;
    report.note.clear();
  };
  if (column == places_.target) {
    take_as(ColumnRole::target);
  } else if (column == places_.prediction) {
    take_as(ColumnRole::prediction);
  } else if (column == places_.score) {
    take_as(ColumnRole::score);
  } else if (column == places_.time) {
    take_as(ColumnRole::time);
  } else if (listed(settings_.ignore, name)) {
    report.role = ColumnRole::ignored;
    report.note = "asked for";
  } else if (listed(settings_.categorical, name) || listed(settings_.numeric, name)) {
    report.kind = listed(settings_.numeric, name) ? FeatureKind::numeric : FeatureKind::categorical;
    report.note = "asked for";
  } else if (inferred.ignored) {
    report.role = ColumnRole::ignored;
  }
  if (report.role == ColumnRole::feature && report.kind == FeatureKind::numeric) {
    report.wrong_type = scan.texts();
  }
  return report;
}

void Builder::decide_model_kind() {
  kind_ = settings_.kind;
  if (kind_ == ModelKind::unknown && has(truth_place())) {
    const ColumnScan& scan = scans_[truth_place()];
    const bool classes =
        scan.texts() > scan.numbers() || (!scan.overflowed() && scan.distinct() <= 2);
    kind_ = classes ? ModelKind::classification : ModelKind::regression;
  }
  for (const std::size_t i : {places_.target, places_.prediction}) {
    if (!has(i)) continue;
    reports_[i].kind =
        kind_ == ModelKind::classification ? FeatureKind::categorical : FeatureKind::numeric;
  }
}

TruthCounter::Settings Builder::truth_settings() const {
  std::string positive = settings_.positive;
  // A score without a prediction beside it is taken as the probability of 1 or true.
  if (positive.empty() && has(places_.score) && !has(places_.prediction) && has(places_.target)) {
    for (const std::string& text : scans_[places_.target].categories_by_count()) {
      if (text == "1" || text == "true") positive = text;
    }
  }
  return {.classification = kind_ == ModelKind::classification,
          .tolerance = settings_.tolerance,
          .absolute_tolerance = settings_.absolute_tolerance,
          .positive = std::move(positive),
          .scores_max = settings_.sample_rows_max};
}

Result<SubjectCounter> Builder::counter(std::size_t column, std::string name) const {
  if (reports_[column].kind == FeatureKind::categorical) {
    auto bins = categorical_bins(scans_[column]);
    if (!bins) return fail(bins);
    return SubjectCounter(FrozenSubject(std::move(name), std::move(*bins)));
  }
  const std::vector<double> sorted = sample_->sorted_finite(column);
  if (sorted.empty()) {
    return fail("bad_target",
                "column '" + names_[column] + "': expected numbers, and there are none");
  }
  return SubjectCounter(
      FrozenSubject(std::move(name), Binning::from_sorted_sample(sorted, settings_.bins)));
}

Result<void> Builder::freeze() {
  if (rows_ == 0) return fail("no_rows", "the table has a header but no rows");
  decide_roles();
  if (auto clear = refuse_ambiguous(); !clear) return clear;
  decide_model_kind();
  if (auto made = freeze_features(); !made) return made;
  if (has(places_.prediction)) {
    auto made = counter(places_.prediction, "prediction");
    if (!made) return fail(made);
    prediction_.emplace(std::move(*made));
  }
  truth_.emplace(truth_settings());
  return freeze_times();
}

Result<void> Builder::freeze_features() {
  std::vector<MultivariateCounter::Feature> numeric;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    ColumnReport& report = reports_[i];
    if (report.role != ColumnRole::feature) continue;
    if (report.kind == FeatureKind::numeric && sample_->sorted_finite(i).empty()) {
      report.role = ColumnRole::ignored;
      report.note = "it has no finite numbers";
      continue;
    }
    auto made = counter(i, names_[i]);
    if (!made) return fail(made);
    if (report.kind == FeatureKind::numeric) numeric.push_back({features_.size(), i});
    features_.push_back({i, std::move(*made)});
  }
  if (features_.empty()) {
    return fail(
        "no_features",
        "no column is a feature: see why each is ignored, and name some as numeric or categorical");
  }
  joint_.emplace(*sample_, std::move(numeric), settings_.bins);
  return {};
}

// The subjects in the order of a watch: features, prediction, PCA scores.
Result<void> Builder::freeze_times() {
  if (!times_) return {};
  std::vector<const Binning*> subjects;
  for (const Feature& feature : features_) subjects.push_back(&feature.counter.bins());
  if (prediction_) subjects.push_back(&prediction_->bins());
  for (const SubjectCounter& score : joint_->subjects()) subjects.push_back(&score.bins());
  return times_->freeze(subjects);
}

void Builder::count(std::span<const Value> cells) {
  const auto row = reader_.read(cells);
  ++rows_counted_;
  if (times_) times_->begin_row(rows_counted_, cells[places_.time]);
  std::size_t subject = 0;
  const auto note = [&](std::optional<std::size_t> slot) {
    if (times_ && slot) times_->add(subject, *slot);
    ++subject;
  };
  for (Feature& feature : features_) note(feature.counter.add(row[feature.column]));
  if (prediction_) note(prediction_->add(row[places_.prediction]));
  for (const auto slot : joint_->count(row)) note(slot);
  count_truth(row);
}

void Builder::count_truth(std::span<const Value> row) {
  if (!has(places_.target)) return;
  const auto cell = [&](std::size_t column) { return has(column) ? &row[column] : nullptr; };
  truth_->add(row[places_.target], cell(places_.prediction), cell(places_.score));
}

Result<std::shared_ptr<detectors::Reference>> Builder::finish_statistics() {
  auto statistics = std::make_shared<detectors::Reference>();
  if (times_) {
    auto counts = times_->finish();
    if (!counts && !settings_.provisional) {
      return fail(counts.error().code, "time=" + settings_.time + ": " + counts.error().message);
    }
    if (counts) statistics->timed = std::move(*counts);
    if (const auto without = times_->rows_without_time(); without > 0) {
      reports_[places_.time].note = std::to_string(without) + " rows without a time";
    }
  }
  statistics->rows = rows_;
  statistics->provisional = settings_.provisional;
  for (Feature& feature : features_) statistics->features.push_back(feature.counter.finish());
  if (prediction_) statistics->prediction = prediction_->finish();
  statistics->multivariate = joint_->finish();
  statistics->calibration = truth_->calibration();
  return statistics;
}

Result<Built> Builder::finish() {
  if (rows_counted_ != rows_) {
    return fail("no_rows", "the rows changed between the two passes: " + std::to_string(rows_) +
                               " and " + std::to_string(rows_counted_));
  }
  if (times_ && times_->bad_time()) return Failure(*times_->bad_time());
  auto statistics = finish_statistics();
  if (!statistics) return fail(statistics);

  Built built;
  built.rows = rows_;
  built.columns = std::move(reports_);
  ModelReference& reference = built.reference;
  reference.model_name = settings_.model_name;
  reference.model_version = settings_.model_version;
  reference.kind = kind_;
  reference.created = settings_.created;
  reference.source = settings_.source;
  if (const auto& errors = truth_->errors(); errors.labels() > 0) {
    const auto estimate = errors.estimate();
    const bool regression = kind_ == ModelKind::regression;
    reference.accuracy = AccuracyReference{
        estimate.error_rate, errors.labels(), estimate.design_effect,
        regression ? settings_.tolerance : 0, regression ? settings_.absolute_tolerance : 0};
  }
  if (kind_ == ModelKind::classification) {
    if (has(truth_place())) reference.classes = scans_[truth_place()].categories_by_count();
    if (reference.classes.size() > classes_max) reference.classes.resize(classes_max);
  }
  for (const ColumnReport& report : built.columns) {
    if (report.role == ColumnRole::ignored) reference.ignored.push_back({report.name, report.note});
    if (report.role == ColumnRole::time) {
      reference.ignored.push_back({report.name, "it is the rows' time"});
    }
  }
  reference.statistics = std::move(*statistics);
  return built;
}

}  // namespace

Result<Built> build_reference(const std::vector<std::string>& columns, const Rows& rows,
                              const BuildSettings& settings, const Progress& progress) {
  Builder builder(columns, settings);
  if (auto known = builder.check_names(); !known) return fail(known);
  std::uint64_t done = 0;
  const auto tell = [&](int pass) {
    if (progress && ++done % progress_every == 0) progress(pass, done);
  };
  const VisitRow scan = [&](std::span<const Value> row) {
    builder.scan(row);
    tell(1);
  };
  if (auto scanned = rows(scan); !scanned) return fail(scanned);
  if (builder.read_otherwise()) {
    done = 0;
    if (auto scanned = rows(scan); !scanned) return fail(scanned);
  }
  if (auto frozen = builder.freeze(); !frozen) return fail(frozen);
  if (progress) progress(1, done);
  done = 0;
  auto counted = rows([&](std::span<const Value> row) {
    builder.count(row);
    tell(2);
  });
  if (!counted) return fail(counted);
  if (progress) progress(2, done);
  return builder.finish();
}

}  // namespace outrider::reference
