// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small reference and live rows like it: size and age (correlation 0.8), colour, a numeric
// prediction and calibrated, uniform scores. Built by hand from 20 000 rows, without the room
// reference/.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "base/core/clock.h"
#include "detectors/reference.h"

namespace outrider::test {

inline const Time watch_start{std::chrono::hours(24 * 365 * 50)};

struct LiveRow {
  std::vector<detectors::Value> features;
  detectors::Value prediction;
  double score = 0;
  bool positive = false;
};

class LiveRows {
 public:
  explicit LiveRows(std::uint64_t seed) : random_(seed) {}

  LiveRow next() {
    using detectors::Value;
    const double size = normal_(random_);
    const double age = 0.8 * size + 0.6 * normal_(random_);
    const double pick = uniform_(random_);
    LiveRow row;
    row.features = {Value::of(size), Value::of(age),
                    Value::of(std::string_view(pick < 0.5   ? "red"
                                               : pick < 0.8 ? "green"
                                                            : "blue"))};
    row.prediction = Value::of(2 * size + 0.5 * normal_(random_));
    row.score = uniform_(random_);
    row.positive = uniform_(random_) < row.score;
    return row;
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::uniform_real_distribution<double> uniform_;
};

inline detectors::FrozenSubject frozen_numeric(const std::string& name,
                                               std::vector<double> values) {
  using namespace detectors;
  std::sort(values.begin(), values.end());
  FrozenSubject subject(name, Binning::from_sorted_sample(values));
  double squares = 0;
  for (const double value : values) {
    subject.counts.observe(subject.bins, Value::of(value));
    subject.mean += value / static_cast<double>(values.size());
  }
  for (const double value : values) squares += (value - subject.mean) * (value - subject.mean);
  subject.deviation = std::sqrt(squares / static_cast<double>(values.size()));
  subject.low = values.front();
  subject.high = values.back();
  subject.hash = name + "-hash";
  return subject;
}

inline std::shared_ptr<const detectors::Reference> make_watch_reference() {
  using namespace detectors;
  constexpr std::size_t rows = 20'000;
  LiveRows live(20260101);
  std::vector<double> size, age, prediction, scores;
  std::vector<bool> positive;
  auto reference = std::make_shared<Reference>();
  FrozenSubject colour("colour", *Binning::categorical({"red", "green", "blue"}));
  colour.hash = "colour-hash";
  Pca::Moments moments(2);
  for (std::size_t i = 0; i < rows; ++i) {
    const LiveRow row = live.next();
    size.push_back(row.features[0].number);
    age.push_back(row.features[1].number);
    colour.counts.observe(colour.bins, row.features[2]);
    prediction.push_back(row.prediction.number);
    scores.push_back(row.score);
    positive.push_back(row.positive);
    moments.add(std::vector<double>{size.back(), age.back()});
  }
  reference->rows = rows;
  reference->features = {frozen_numeric("size", size), frozen_numeric("age", age), colour};
  reference->prediction = frozen_numeric("prediction", prediction);

  MultivariateReference multivariate{{0, 1}, *Pca::fit(moments), {}, {}, {}};
  std::vector<std::vector<double>> columns(4);
  std::vector<double> z(2);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto distance = multivariate.pca.project(std::vector<double>{size[i], age[i]}, z);
    columns[0].push_back(z[0]);
    columns[1].push_back(z[1]);
    columns[2].push_back(distance.t2);
    columns[3].push_back(distance.q);
  }
  const char* names[] = {"z0", "z1", "t2", "q"};
  for (std::size_t j = 0; j < 4; ++j) {
    multivariate.scores.push_back(frozen_numeric(names[j], columns[j]));
    std::sort(columns[j].begin(), columns[j].end());
    if (j < 2) multivariate.tails.add_component(columns[j]);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    const auto distance = multivariate.pca.project(std::vector<double>{size[i], age[i]}, z);
    multivariate.anomaly.add(std::max(distance.t2_shrunk, multivariate.tails.score(z)));
  }
  multivariate.anomaly.freeze();
  reference->multivariate = std::move(multivariate);
  reference->calibration = *Calibration::fit(Calibration::Kind::binary, scores, positive);
  return reference;
}

inline std::shared_ptr<const detectors::Reference> shared_reference() {
  static const auto reference = make_watch_reference();
  return reference;
}

}  // namespace outrider::test
