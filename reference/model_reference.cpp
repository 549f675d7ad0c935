// SPDX-License-Identifier: Apache-2.0
#include "reference/model_reference.h"

#include <cstdio>

#include "base/core/digest.h"
#include "base/wire/json.h"

namespace outrider::reference {
namespace {

// As Python's float.hex(), so that anyone can recompute a hash.
std::string hex_float(double x) {
  if (x == 0) return "0x0.0p+0";
  char text[40];
  std::snprintf(text, sizeof text, "%.13a", x);
  return text;
}

}  // namespace

std::string_view to_string(ModelKind kind) {
  switch (kind) {
    case ModelKind::unknown:
      return "unknown";
    case ModelKind::regression:
      return "regression";
    case ModelKind::classification:
      return "classification";
  }
  return "unknown";
}

std::string subject_hash(const detectors::Binning& bins, const detectors::BinCounts& counts) {
  std::string text = std::string(to_string(bins.kind())) + "\n";
  std::string_view comma;
  if (bins.kind() == detectors::FeatureKind::numeric) {
    for (const double edge : bins.edges()) {
      text += std::string(comma) + hex_float(edge);
      comma = ",";
    }
  }
  text += "\n";
  comma = "";
  for (const std::string& category : bins.categories()) {
    text += std::string(comma) + wire::to_text(category);
    comma = ",";
  }
  text += "\n";
  comma = "";
  for (const std::uint64_t count : counts.counts) {
    text += std::string(comma) + std::to_string(count);
    comma = ",";
  }
  return sha256_hex(text).substr(0, 12);
}

}  // namespace outrider::reference
