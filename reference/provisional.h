// SPDX-License-Identifier: Apache-2.0
#pragma once

// The provisional reference: learned from the first predictions of a model version that came
// without one. Every verdict against it is marked provisional, because what it learned from may
// already have drifted. PURE; not thread-safe. Memory: at most `rows_max` rows of at most
// `features_max` features.
//
//   ProvisionalReference learning(names);
//   if (learning.add(values, prediction, at)) reference = learning.build(now);   // 10 000 rows are in
//
// It knows at which hours of the week its rows came: an hour is no week, and its level is that of
// those hours.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "detectors/value.h"
#include "reference/model_reference.h"

namespace outrider::reference {

class ProvisionalReference {
 public:
  static constexpr std::size_t rows_default = 10'000;
  static constexpr std::size_t cells_max = 4'000'000;  // fewer rows when there are many features
  static constexpr std::size_t text_bytes_max = 32
                                                << 20;  // texts beyond that become missing, counted

  explicit ProvisionalReference(std::vector<std::string> features,
                                std::size_t rows_max = rows_default);

  // Keeps a copy of one prediction. True once there are enough (and from then on adds nothing).
  bool add(std::span<const detectors::Value> features, const detectors::Value& prediction, Time at);
  bool complete() const { return rows_ >= rows_max_; }
  std::size_t rows() const { return rows_; }
  std::size_t rows_max() const { return rows_max_; }
  std::size_t memory_bytes() const { return cells_.capacity() * sizeof(Cell) + texts_.capacity(); }
  std::uint64_t texts_dropped() const { return texts_dropped_; }

  // The reference of the rows so far; no accuracy, no calibration (those need labels). The feature
  // order is that of the built reference's `features` (columns without variety or with too many
  // texts are ignored). Errors: "no_rows", "no_features".
  Result<ModelReference> build(std::string model_name, std::string model_version, Time now) const;

 private:
  struct Cell {
    detectors::Value::Kind kind = detectors::Value::Kind::missing;
    double number = 0;
    std::uint32_t text_begin = 0, text_size = 0;
  };
  void keep(const detectors::Value& value);

  std::vector<std::string> features_;
  std::size_t rows_max_;
  std::size_t rows_ = 0;
  std::vector<Cell> cells_;
  std::vector<Time> times_;
  std::string texts_;
  std::uint64_t texts_dropped_ = 0;
};

}  // namespace outrider::reference
