// SPDX-License-Identifier: Apache-2.0
#include "reference/builder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "base/core/text.h"
#include "detectors/e_detector.h"
#include "detectors/value_reader.h"
#include "reference/column_scan.h"
#include "reference/row_times.h"
#include "reference/timed_counts.h"

namespace outrider::reference {
namespace {

using detectors::Binning;
using detectors::FeatureKind;
using detectors::FrozenSubject;
using detectors::Value;

constexpr std::uint64_t progress_every = 8192;
constexpr std::size_t classes_max = 1000;  // More classes are not listed.
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

double number_of(const Value& value) {
  return detectors::as_number(value).value_or(nan);
}

// A uniform sample of whole rows, as numbers (NaN where there is none): Vitter's algorithm R with a
// fixed seed, in the rows' order as long as all fit.
class RowSample {
 public:
  RowSample(std::size_t columns, const BuildSettings& settings)
      : columns_(columns),
        rows_max_(std::max<std::size_t>(
            1, std::min(settings.sample_rows_max,
                        settings.sample_cells_max / std::max<std::size_t>(columns, 1)))) {}

  void add(std::span<const Value> row) {
    std::size_t place = rows_;
    if (rows_ < rows_max_) {
      ++rows_;
      cells_.resize(rows_ * columns_);
    } else {
      place = static_cast<std::size_t>(random_() % (seen_ + 1));
    }
    ++seen_;
    if (place >= rows_max_) return;
    for (std::size_t i = 0; i < columns_; ++i) cells_[place * columns_ + i] = number_of(row[i]);
  }

  std::size_t rows() const { return rows_; }
  double at(std::size_t row, std::size_t column) const { return cells_[row * columns_ + column]; }

  std::vector<double> sorted_finite(std::size_t column) const {
    std::vector<double> values;
    for (std::size_t row = 0; row < rows_; ++row) {
      if (std::isfinite(at(row, column))) values.push_back(at(row, column));
    }
    std::sort(values.begin(), values.end());
    return values;
  }

 private:
  std::size_t columns_, rows_max_, rows_ = 0;
  std::uint64_t seen_ = 0;
  std::mt19937_64 random_{20260101};
  std::vector<double> cells_;
};

// Counts a subject over its frozen bins, with range and moments; finish() puts them into the
// subject.
class SubjectCounter {
 public:
  explicit SubjectCounter(FrozenSubject subject) : subject_(std::move(subject)) {}

  // The slot that the value is counted in; none for a wrong type.
  std::optional<std::size_t> add(const Value& value) {
    const auto outcome = subject_.counts.observe(subject_.bins, value);
    if (!outcome.counted) return std::nullopt;
    if (const double number = number_of(value); std::isfinite(number)) note(number);
    return outcome.slot;
  }

  const Binning& bins() const { return subject_.bins; }

  FrozenSubject finish() {
    if (finite_ > 0) subject_.deviation = std::sqrt(squares_ / static_cast<double>(finite_));
    if (subject_.bins.kind() == FeatureKind::categorical) {
      subject_.low = subject_.high = subject_.mean = subject_.deviation = 0;
    }
    subject_.hash = subject_hash(subject_.bins, subject_.counts);
    return std::move(subject_);
  }

 private:
  void note(double number) {
    // Welford's update: exact to rounding whatever the mean.
    ++finite_;
    const double step = number - subject_.mean;
    subject_.mean += step / static_cast<double>(finite_);
    squares_ += step * (number - subject_.mean);
    subject_.low = finite_ == 1 ? number : std::min(subject_.low, number);
    subject_.high = finite_ == 1 ? number : std::max(subject_.high, number);
  }

  FrozenSubject subject_;
  std::uint64_t finite_ = 0;
  double squares_ = 0;
};

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

class Builder {
 public:
  Builder(const std::vector<std::string>& columns, const BuildSettings& settings)
      : names_(columns),
        settings_(settings),
        sample_(columns.size(), settings),
        marks_(columns.size()),
        refusals_(columns.size()) {
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
  std::size_t column(const std::string& name) const {
    return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin());
  }
  bool has(std::size_t column) const { return column < names_.size(); }
  void begin_scan();
  std::span<const Value> read(std::span<const Value> row);
  Result<void> refuse_ambiguous();
  void decide_roles();
  void decide_model_kind();
  Result<SubjectCounter> counter(std::size_t column, FeatureKind kind, std::string name) const;
  Result<void> freeze_multivariate();
  void count_multivariate(std::span<const Value> row);
  Result<std::shared_ptr<detectors::Reference>> finish_statistics();
  void count_truth(std::span<const Value> row);
  void begin_timed_counts();
  void begin_row(std::span<const Value> cells);
  bool right(const Value& prediction, const Value& truth) const;

  const std::vector<std::string>& names_;
  const BuildSettings& settings_;
  std::vector<ColumnScan> scans_;
  RowSample sample_;
  std::vector<std::optional<detectors::DecimalMark>> marks_;  // Of columns that need one.
  std::vector<std::string> refusals_;  // Why a column's mark cannot be told; mostly empty.
  bool any_mark_ = false;
  std::vector<Value> read_;
  std::uint64_t rows_ = 0;
  std::uint64_t rows_counted_ = 0;
  ModelKind kind_ = ModelKind::unknown;
  // Columns; names_.size() for none.
  std::size_t target_ = 0, prediction_ = 0, score_ = 0, time_ = 0;
  std::string positive_;
  std::vector<ColumnReport> reports_;
  std::vector<std::size_t> feature_columns_;
  std::vector<SubjectCounter> features_;
  std::optional<SubjectCounter> prediction_counter_;

  std::vector<std::size_t> numeric_features_;  // Indices into features_.
  std::optional<detectors::Pca> pca_;
  detectors::TailTable tails_;
  detectors::ConformalHistogram anomaly_;
  std::vector<SubjectCounter> components_;
  std::vector<double> row_, z_;

  std::optional<RowTimes> times_;
  std::optional<TimedCounter> timed_;
  std::uint64_t rows_without_time_ = 0;
  std::optional<Error> bad_time_;  // The first.

  detectors::ErrorReferenceEstimator errors_;
  std::vector<double> scores_;
  std::vector<bool> hits_;
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
  time_ = settings_.time.empty() ? names_.size() : column(settings_.time);
  if (has(time_)) times_.emplace(settings_.time, "row");
  scans_.clear();
  for (const std::string& name : names_) {
    const bool every_text = listed(settings_.categorical, name) || name == settings_.target ||
                            name == settings_.prediction;
    scans_.emplace_back(name, settings_.distinct_max, every_text);
  }
  sample_ = RowSample(names_.size(), settings_);
  rows_ = 0;
}

bool Builder::read_otherwise() {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (listed(settings_.categorical, names_[i])) continue;  // Its texts are names.
    const auto decision = scans_[i].numbers_decision();
    marks_[i] = decision.mark;
    refusals_[i] = decision.refusal;
    any_mark_ = any_mark_ || decision.mark;
  }
  if (any_mark_) begin_scan();
  return any_mark_;
}

std::span<const Value> Builder::read(std::span<const Value> row) {
  if (!any_mark_) return row;
  read_.assign(row.begin(), row.end());
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (marks_[i] && !read_[i].text.empty())
      read_[i] = detectors::read_value(read_[i].text, *marks_[i]);
  }
  return read_;
}

Result<void> Builder::refuse_ambiguous() {
  std::string mistakes;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (refusals_[i].empty() || reports_[i].role == ColumnRole::ignored) continue;
    if (settings_.provisional) {
      reports_[i].role = ColumnRole::ignored;
      reports_[i].note = refusals_[i];
      continue;
    }
    mistakes += (mistakes.empty() ? "" : "\n") + ("column '" + names_[i] + "': ") + refusals_[i];
    if (reports_[i].role == ColumnRole::feature)
      mistakes += "; or name the column as one to ignore, or as categorical";
  }
  if (mistakes.empty()) return {};
  return fail("ambiguous_numbers", std::move(mistakes));
}

void Builder::scan(std::span<const Value> cells) {
  const auto row = read(cells);
  for (std::size_t i = 0; i < names_.size(); ++i) scans_[i].add(row[i]);
  sample_.add(row);
  ++rows_;
  if (times_) times_->add(rows_, cells[time_]);
}

void Builder::decide_roles() {
  target_ = settings_.target.empty() ? names_.size() : column(settings_.target);
  prediction_ = settings_.prediction.empty() ? names_.size() : column(settings_.prediction);
  score_ = settings_.score.empty() ? names_.size() : column(settings_.score);
  bool leads = true;  // Nothing but indices so far.
  for (std::size_t i = 0; i < names_.size(); ++i) {
    ColumnReport report{
        names_[i], ColumnRole::feature,  FeatureKind::numeric,   scans_[i].missing(),
        0,         scans_[i].distinct(), scans_[i].overflowed(), ""};
    const ColumnScan::Kind inferred = scans_[i].infer(names_[i], leads);
    leads = leads && scans_[i].is_index();
    report.kind = inferred.kind;
    report.note = inferred.note;
    if (marks_[i] && report.note.empty() && !inferred.ignored) {
      report.note = *marks_[i] == detectors::DecimalMark::comma
                        ? "read with a decimal comma"
                        : "read with marks between thousands";
    }
    if (i == target_ || i == prediction_ || i == score_) {
      report.role = i == target_       ? ColumnRole::target
                    : i == prediction_ ? ColumnRole::prediction
                                       : ColumnRole::score;
      report.note.clear();
    } else if (i == time_) {
      report.role = ColumnRole::time;
      report.note.clear();
    } else if (listed(settings_.ignore, names_[i])) {
      report.role = ColumnRole::ignored;
      report.note = "asked for";
    } else if (listed(settings_.categorical, names_[i]) || listed(settings_.numeric, names_[i])) {
      report.kind =
          listed(settings_.numeric, names_[i]) ? FeatureKind::numeric : FeatureKind::categorical;
      report.note = "asked for";
    } else if (inferred.ignored) {
      report.role = ColumnRole::ignored;
    }
    if (report.role == ColumnRole::feature && report.kind == FeatureKind::numeric) {
      report.wrong_type = scans_[i].texts();
    }
    reports_.push_back(std::move(report));
  }
}

void Builder::decide_model_kind() {
  kind_ = settings_.kind;
  const std::size_t truth = has(target_) ? target_ : prediction_;
  if (kind_ == ModelKind::unknown && has(truth)) {
    const ColumnScan& scan = scans_[truth];
    const bool classes =
        scan.texts() > scan.numbers() || (!scan.overflowed() && scan.distinct() <= 2);
    kind_ = classes ? ModelKind::classification : ModelKind::regression;
  }
  positive_ = settings_.positive;
  // A score without a prediction beside it is taken as the probability of 1 or true.
  if (positive_.empty() && has(score_) && !has(prediction_) && has(target_)) {
    for (const std::string& text : scans_[target_].categories_by_count()) {
      if (text == "1" || text == "true") positive_ = text;
    }
  }
  for (const std::size_t i : {target_, prediction_}) {
    if (!has(i)) continue;
    reports_[i].kind =
        kind_ == ModelKind::classification ? FeatureKind::categorical : FeatureKind::numeric;
  }
}

Result<SubjectCounter> Builder::counter(std::size_t column, FeatureKind kind,
                                        std::string name) const {
  if (kind == FeatureKind::categorical) {
    auto bins = categorical_bins(scans_[column]);
    if (!bins) return fail(bins);
    return SubjectCounter(FrozenSubject(std::move(name), std::move(*bins)));
  }
  const std::vector<double> sorted = sample_.sorted_finite(column);
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
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (reports_[i].role != ColumnRole::feature) continue;
    if (reports_[i].kind == FeatureKind::numeric && sample_.sorted_finite(i).empty()) {
      reports_[i].role = ColumnRole::ignored;
      reports_[i].note = "it has no finite numbers";
      continue;
    }
    auto made = counter(i, reports_[i].kind, names_[i]);
    if (!made) return fail(made);
    if (reports_[i].kind == FeatureKind::numeric) numeric_features_.push_back(features_.size());
    feature_columns_.push_back(i);
    features_.push_back(std::move(*made));
  }
  if (features_.empty()) {
    return fail(
        "no_features",
        "no column is a feature: see why each is ignored, and name some as numeric or categorical");
  }
  if (has(prediction_)) {
    auto made = counter(prediction_, reports_[prediction_].kind, "prediction");
    if (!made) return fail(made);
    prediction_counter_.emplace(std::move(*made));
  }
  if (auto made = freeze_multivariate(); !made) return made;
  if (times_) {
    if (auto settled = times_->settle(); !settled) return settled;
    begin_timed_counts();
  }
  return {};
}

// The subjects in the order of a watch: features, prediction, PCA scores.
void Builder::begin_timed_counts() {
  std::vector<const Binning*> subjects;
  for (const SubjectCounter& feature : features_) subjects.push_back(&feature.bins());
  if (prediction_counter_) subjects.push_back(&prediction_counter_->bins());
  for (const SubjectCounter& component : components_) subjects.push_back(&component.bins());
  timed_.emplace(subjects);
}

void Builder::begin_row(std::span<const Value> cells) {
  if (!timed_) return;
  timed_->begin_row(std::nullopt);
  if (cells[time_].kind == Value::Kind::missing) {
    ++rows_without_time_;
    return;
  }
  const auto at = times_->time_of(rows_counted_ + 1, cells[time_]);
  if (at) timed_->begin_row(*at);
  if (!at && !bad_time_) bad_time_ = at.error();
}

Result<void> Builder::freeze_multivariate() {
  const std::size_t d = numeric_features_.size();
  if (d == 0) return {};
  row_.resize(d);
  const auto load = [&](std::size_t row) {
    for (std::size_t i = 0; i < d; ++i) {
      row_[i] = sample_.at(row, feature_columns_[numeric_features_[i]]);
    }
  };
  // A missing value counts as the mean, as it will in live rows; a table with a gap in each row has
  // a PCA too.
  std::vector<double> means(d), present(d);
  for (std::size_t row = 0; row < sample_.rows(); ++row) {
    load(row);
    for (std::size_t i = 0; i < d; ++i) {
      if (!std::isfinite(row_[i])) continue;
      present[i] += 1;
      means[i] += (row_[i] - means[i]) / present[i];
    }
  }
  detectors::Pca::Moments moments(d);
  for (std::size_t row = 0; row < sample_.rows(); ++row) {
    load(row);
    for (std::size_t i = 0; i < d; ++i) {
      if (!std::isfinite(row_[i])) row_[i] = std::isfinite(means[i]) ? means[i] : 0;
    }
    moments.add(row_);
  }
  auto pca = detectors::Pca::fit(moments);
  if (!pca) return {};  // Nothing varies: there is no multivariate subject.
  pca_ = std::move(*pca);

  const std::size_t k = pca_->components();
  z_.resize(k);
  std::vector<std::vector<double>> columns(k + 2);
  for (std::size_t row = 0; row < sample_.rows(); ++row) {
    load(row);
    const auto distance = pca_->project(row_, z_);
    for (std::size_t j = 0; j < k; ++j) columns[j].push_back(z_[j]);
    columns[k].push_back(distance.t2);
    columns[k + 1].push_back(distance.q);
  }
  for (std::size_t j = 0; j < k + 2; ++j) {
    std::sort(columns[j].begin(), columns[j].end());
    if (j < k) tails_.add_component(columns[j]);
    const std::string name = j < k ? "z" + std::to_string(j) : j == k ? "t2" : "q";
    components_.emplace_back(
        FrozenSubject(name, Binning::from_sorted_sample(columns[j], settings_.bins)));
    columns[j] = {};
  }
  return {};
}

void Builder::count_multivariate(std::span<const Value> row) {
  for (std::size_t i = 0; i < numeric_features_.size(); ++i) {
    row_[i] = number_of(row[feature_columns_[numeric_features_[i]]]);
  }
  const auto distance = pca_->project(row_, z_);
  const std::size_t first = features_.size() + (prediction_counter_ ? 1 : 0);
  for (std::size_t j = 0; j < components_.size(); ++j) {
    const double score = j < z_.size() ? z_[j] : j == z_.size() ? distance.t2 : distance.q;
    const auto slot = components_[j].add(Value::of(score));
    if (timed_ && slot) timed_->add(first + j, *slot);
  }
  anomaly_.add(std::max(distance.t2_shrunk, tails_.score(z_)));
}

bool Builder::right(const Value& prediction, const Value& truth) const {
  if (kind_ == ModelKind::classification) return detectors::same_class(prediction, truth);
  const double said = number_of(prediction), true_number = number_of(truth);
  const double bound = settings_.tolerance * std::abs(true_number) + settings_.absolute_tolerance;
  return std::abs(said - true_number) <= bound;  // Of a text: NaN, and wrong.
}

void Builder::count_truth(std::span<const Value> row) {
  if (!has(target_) || row[target_].kind == Value::Kind::missing) return;
  const Value& truth = row[target_];
  const bool predicted = has(prediction_) && row[prediction_].kind != Value::Kind::missing;
  if (predicted) errors_.add(!right(row[prediction_], truth));
  if (!has(score_) || scores_.size() >= settings_.sample_rows_max) return;
  const double score = number_of(row[score_]);
  if (!(score >= 0 && score <= 1)) return;
  if (!positive_.empty()) {
    scores_.push_back(score);
    hits_.push_back(detectors::same_class(truth, detectors::read_value(positive_)));
  } else if (predicted) {
    scores_.push_back(score);
    hits_.push_back(detectors::same_class(row[prediction_], truth));
  }
}

void Builder::count(std::span<const Value> cells) {
  const auto row = read(cells);
  begin_row(cells);
  for (std::size_t i = 0; i < features_.size(); ++i) {
    const auto slot = features_[i].add(row[feature_columns_[i]]);
    if (timed_ && slot) timed_->add(i, *slot);
  }
  if (prediction_counter_) {
    const auto slot = prediction_counter_->add(row[prediction_]);
    if (timed_ && slot) timed_->add(features_.size(), *slot);
  }
  if (pca_) count_multivariate(row);
  count_truth(row);
  ++rows_counted_;
}

Result<std::shared_ptr<detectors::Reference>> Builder::finish_statistics() {
  auto statistics = std::make_shared<detectors::Reference>();
  if (timed_) {
    auto counts = timed_->finish();
    if (!counts && !settings_.provisional) {
      return fail(counts.error().code, "time=" + settings_.time + ": " + counts.error().message);
    }
    if (counts) statistics->timed = std::move(*counts);
    if (rows_without_time_ > 0) {
      reports_[time_].note = std::to_string(rows_without_time_) + " rows without a time";
    }
  }
  statistics->rows = rows_;
  statistics->provisional = settings_.provisional;
  for (SubjectCounter& feature : features_) statistics->features.push_back(feature.finish());
  if (prediction_counter_) statistics->prediction = prediction_counter_->finish();
  if (pca_) {
    detectors::MultivariateReference multivariate{
        numeric_features_, std::move(*pca_), {}, std::move(tails_), anomaly_};
    multivariate.anomaly.freeze();
    for (SubjectCounter& component : components_) multivariate.scores.push_back(component.finish());
    statistics->multivariate = std::move(multivariate);
  }
  if (!scores_.empty()) {
    auto calibration =
        detectors::Calibration::fit(positive_.empty() ? detectors::Calibration::Kind::confidence
                                                      : detectors::Calibration::Kind::binary,
                                    scores_, hits_);
    if (calibration) statistics->calibration = std::move(*calibration);
  }
  return statistics;
}

Result<Built> Builder::finish() {
  if (rows_counted_ != rows_) {
    return fail("no_rows", "the rows changed between the two passes: " + std::to_string(rows_) +
                               " and " + std::to_string(rows_counted_));
  }
  if (bad_time_) return Failure(*bad_time_);
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
  if (errors_.labels() > 0) {
    const auto estimate = errors_.estimate();
    const bool regression = kind_ == ModelKind::regression;
    reference.accuracy = AccuracyReference{
        estimate.error_rate, errors_.labels(), estimate.design_effect,
        regression ? settings_.tolerance : 0, regression ? settings_.absolute_tolerance : 0};
  }
  if (kind_ == ModelKind::classification) {
    const std::size_t truth = has(target_) ? target_ : prediction_;
    if (has(truth)) reference.classes = scans_[truth].categories_by_count();
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
