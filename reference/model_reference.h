// SPDX-License-Identifier: Apache-2.0
#pragma once

// ModelReference: all that training leaves behind about one model version, beside the model: the
// frozen distributions (detectors::Reference) and what the accuracy detector starts from. Written
// as reference.json (reference_json.h, documented in docs/reference-format.md). PURE. A value.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "detectors/reference.h"

namespace outrider::reference {

enum class ModelKind : std::uint8_t { unknown, regression, classification };
std::string_view to_string(ModelKind kind);

// The model's errors on rows it was not trained on (or its best stand-in), for the e-detector.
struct AccuracyReference {
  double error_rate = 0;          // share of wrong predictions
  std::uint64_t rows = 0;         // how many rows that was estimated on
  double design_effect = 1;       // 1 when rows are independent
  double tolerance = 0;           // regression: what counted as wrong, relative …
  double absolute_tolerance = 0;  // … and absolute
};

struct IgnoredColumn {
  std::string name;
  std::string reason;
};

struct ModelReference {
  std::string model_name;
  std::string model_version;
  ModelKind kind = ModelKind::unknown;
  Time created{};
  std::string source;  // what it was made from, e.g. "train.csv"; for people
  std::optional<AccuracyReference> accuracy;
  std::vector<std::string> classes;  // classification: as they are in the data
  std::vector<IgnoredColumn> ignored;
  std::shared_ptr<const detectors::Reference> statistics;

  std::string hash;  // 12 hexadecimal digits over the whole document; set by parse()
};

// The `reference` label of one subject: first 12 hexadecimal digits of SHA-256 over kind, edges
// (hexadecimal floats), categories and counts, exactly as docs/reference-format.md writes it.
std::string subject_hash(const detectors::Binning& bins, const detectors::BinCounts& counts);

}  // namespace outrider::reference
