// SPDX-License-Identifier: Apache-2.0
#include "predictor/evaluate/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "detectors/e_detector.h"

namespace outrider::evaluate {
namespace {

double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

void measure_regression(const Outcomes& outcomes, const std::vector<std::size_t>& rows,
                        Metrics& m) {
  const auto n = static_cast<double>(rows.size());
  double absolute = 0, squared = 0, signed_sum = 0, truth_sum = 0;
  for (const std::size_t i : rows) {
    const double error = outcomes.predicted[i] - outcomes.truth[i];
    absolute += std::abs(error);
    squared += error * error;
    signed_sum += error;
    truth_sum += outcomes.truth[i];
  }
  double spread = 0;
  for (const std::size_t i : rows) spread += std::pow(outcomes.truth[i] - truth_sum / n, 2);
  m.mae = absolute / n;
  m.rmse = std::sqrt(squared / n);
  m.bias = signed_sum / n;
  m.r2 = spread > 0 ? 1 - squared / spread : 0;
}

// The area under the ROC curve by ranks, ties counted half.
double area_under_curve(const Outcomes& outcomes, std::vector<std::size_t> rows) {
  std::sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) {
    return outcomes.probability[a] < outcomes.probability[b];
  });
  double positives = 0, rank_sum = 0;
  for (std::size_t from = 0; from < rows.size();) {
    std::size_t to = from;
    const double p = outcomes.probability[rows[from]];
    while (to < rows.size() && outcomes.probability[rows[to]] == p) ++to;
    const double middle_rank = (static_cast<double>(from + to) + 1) / 2;
    for (std::size_t i = from; i < to; ++i) {
      if (outcomes.truth[rows[i]] != 1) continue;
      positives += 1;
      rank_sum += middle_rank;
    }
    from = to;
  }
  const double negatives = static_cast<double>(rows.size()) - positives;
  if (positives == 0 || negatives == 0) return 0.5;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

void measure_classes(const Outcomes& outcomes, const std::vector<std::size_t>& rows, Metrics& m) {
  double true_positive = 0, predicted_positive = 0, positive = 0, loss = 0;
  for (const std::size_t i : rows) {
    const bool truth = outcomes.truth[i] == 1, predicted = outcomes.predicted[i] == 1;
    true_positive += truth && predicted;
    predicted_positive += predicted;
    positive += truth;
    const double p = truth ? outcomes.probability[i] : 1 - outcomes.probability[i];
    loss -= std::log(std::max(p, 1e-15));
  }
  m.precision = ratio(true_positive, predicted_positive);
  m.recall = ratio(true_positive, positive);
  m.f1 = ratio(2 * true_positive, predicted_positive + positive);
  m.log_loss = loss / static_cast<double>(rows.size());
  m.auc = area_under_curve(outcomes, rows);
}

}  // namespace

std::vector<std::size_t> Outcomes::all_rows() const {
  std::vector<std::size_t> rows(truth.size());
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

Outcomes judge(const model::Model& model, const std::vector<model::Cells>& rows,
               const std::vector<double>& truths, const Tolerance& tolerance) {
  Outcomes outcomes;
  outcomes.classes = model.is_classifier();
  outcomes.truth = truths;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const model::Prediction prediction = model.predict(rows[i]);
    const double allowed =
        outcomes.classes ? 0 : tolerance.relative * std::abs(truths[i]) + tolerance.absolute;
    outcomes.predicted.push_back(prediction.value);
    if (outcomes.classes) outcomes.probability.push_back(prediction.probability);
    // Written so that a prediction that is no number is wrong.
    outcomes.wrong.push_back(!(std::abs(prediction.value - truths[i]) <= allowed));
  }
  return outcomes;
}

Metrics measure(const Outcomes& outcomes, const std::vector<std::size_t>& rows) {
  Metrics metrics;
  metrics.rows = rows.size();
  if (rows.empty()) return metrics;
  for (const std::size_t i : rows) metrics.wrong += outcomes.wrong[i] != 0;
  if (outcomes.classes)
    measure_classes(outcomes, rows, metrics);
  else
    measure_regression(outcomes, rows, metrics);
  return metrics;
}

double design_effect(const std::vector<char>& wrong) {
  detectors::ErrorReferenceEstimator estimator;
  for (const char error : wrong) estimator.add(error != 0);
  return std::max(1.0, estimator.estimate().design_effect);
}

}  // namespace outrider::evaluate
