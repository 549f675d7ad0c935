// SPDX-License-Identifier: Apache-2.0
#include "reference/multivariate_counter.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace outrider::reference {

MultivariateCounter::MultivariateCounter(const RowSample& sample, std::vector<Feature> features,
                                         std::size_t bins)
    : features_(std::move(features)), row_(features_.size()) {
  if (!features_.empty() && fit(sample)) freeze(sample, bins);
}

void MultivariateCounter::load(const RowSample& sample, std::size_t row) {
  for (std::size_t i = 0; i < features_.size(); ++i) {
    row_[i] = sample.at(row, features_[i].column);
  }
}

// A missing value counts as the mean, as it will in live rows; a table with a gap in each row has
// a PCA too.
bool MultivariateCounter::fit(const RowSample& sample) {
  const std::size_t d = features_.size();
  std::vector<double> means(d), present(d);
  for (std::size_t row = 0; row < sample.rows(); ++row) {
    load(sample, row);
    for (std::size_t i = 0; i < d; ++i) {
      if (!std::isfinite(row_[i])) continue;
      present[i] += 1;
      means[i] += (row_[i] - means[i]) / present[i];
    }
  }
  detectors::Pca::Moments moments(d);
  for (std::size_t row = 0; row < sample.rows(); ++row) {
    load(sample, row);
    for (std::size_t i = 0; i < d; ++i) {
      if (!std::isfinite(row_[i])) row_[i] = std::isfinite(means[i]) ? means[i] : 0;
    }
    moments.add(row_);
  }
  auto pca = detectors::Pca::fit(moments);
  if (pca) pca_ = std::move(*pca);
  return pca_.has_value();
}

void MultivariateCounter::freeze(const RowSample& sample, std::size_t bins) {
  const std::size_t k = pca_->components();
  z_.resize(k);
  std::vector<std::vector<double>> columns(k + 2);
  for (std::size_t row = 0; row < sample.rows(); ++row) {
    load(sample, row);
    const auto distance = pca_->project(row_, z_);
    for (std::size_t j = 0; j < k; ++j) columns[j].push_back(z_[j]);
    columns[k].push_back(distance.t2);
    columns[k + 1].push_back(distance.q);
  }
  for (std::size_t j = 0; j < k + 2; ++j) {
    std::sort(columns[j].begin(), columns[j].end());
    if (j < k) tails_.add_component(columns[j]);
    const std::string name = j < k ? "z" + std::to_string(j) : j == k ? "t2" : "q";
    subjects_.emplace_back(
        detectors::FrozenSubject(name, detectors::Binning::from_sorted_sample(columns[j], bins)));
    columns[j] = {};
  }
  slots_.resize(subjects_.size());
}

std::span<const std::optional<std::size_t>> MultivariateCounter::count(
    std::span<const detectors::Value> row) {
  if (!pca_) return {};
  for (std::size_t i = 0; i < features_.size(); ++i) row_[i] = number_of(row[features_[i].column]);
  const auto distance = pca_->project(row_, z_);
  for (std::size_t j = 0; j < subjects_.size(); ++j) {
    const double score = j < z_.size() ? z_[j] : j == z_.size() ? distance.t2 : distance.q;
    slots_[j] = subjects_[j].add(detectors::Value::of(score));
  }
  anomaly_.add(std::max(distance.t2_shrunk, tails_.score(z_)));
  return slots_;
}

std::optional<detectors::MultivariateReference> MultivariateCounter::finish() {
  if (!pca_) return std::nullopt;
  std::vector<std::size_t> places;
  for (const Feature& feature : features_) places.push_back(feature.place);
  detectors::MultivariateReference reference{
      std::move(places), std::move(*pca_), {}, std::move(tails_), anomaly_};
  reference.anomaly.freeze();
  for (SubjectCounter& subject : subjects_) reference.scores.push_back(subject.finish());
  return reference;
}

}  // namespace outrider::reference
