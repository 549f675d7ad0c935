// SPDX-License-Identifier: Apache-2.0
#include "reference/histogram_text.h"

#include <algorithm>
#include <cstdio>

#include "base/core/text.h"

namespace outrider::reference {
namespace {

using detectors::FeatureKind;
using detectors::FrozenSubject;

std::string short_number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", x);
  return text;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%5.1f%%", 100 * share);
  return text;
}

// Bytes that begin a character: what a terminal counts, for texts that are not all ASCII.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t used = columns_of(text);
  if (used < width) text.append(width - used, ' ');
  return text;
}

// Categories are outside text: control characters would steer the terminal.
std::string printable(std::string text, std::size_t columns_max) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  while (columns_of(text) > columns_max) {
    do {
      text.pop_back();
    } while (!text.empty() && (text.back() & 0xC0) == 0x80);
  }
  return text;
}

std::string title(const FrozenSubject& subject, std::size_t slot) {
  const auto& bins = subject.bins;
  if (bins.kind() == FeatureKind::categorical || slot >= bins.value_bins())
    return bins.bin_title(slot);
  const auto edges = bins.edges();
  const std::string low = slot == 0 ? "-Inf" : short_number(edges[slot - 1]);
  const std::string high = slot == edges.size() ? "+Inf" : short_number(edges[slot]);
  return "(" + low + ", " + high + (slot == edges.size() ? ")" : "]");
}

void describe_subject(const FrozenSubject& subject, std::size_t width, std::string& out) {
  const auto& bins = subject.bins;
  const auto total = static_cast<double>(std::max<std::uint64_t>(1, subject.counts.total()));
  out += "\n" + printable(subject.name, 60) + "  " + std::string(to_string(bins.kind())) +
         "  reference " + subject.hash;
  if (bins.kind() == FeatureKind::numeric) {
    out += "  range " + short_number(subject.low) + " to " + short_number(subject.high) +
           "  mean " + short_number(subject.mean) + "  deviation " +
           short_number(subject.deviation);
  }
  out += "\n";
  std::uint64_t largest = 1;
  for (const std::uint64_t count : subject.counts.counts) largest = std::max(largest, count);
  constexpr std::size_t title_width = 28;
  const std::size_t bar_width = width > title_width + 30 ? width - title_width - 30 : 10;
  for (std::size_t slot = 0; slot < bins.slots(); ++slot) {
    const std::uint64_t count = subject.counts.counts[slot];
    if (count == 0 && slot >= bins.value_bins())
      continue;  // Special slots only where they occurred.
    const double share = static_cast<double>(count) / static_cast<double>(largest);
    const auto bar = static_cast<std::size_t>(share * static_cast<double>(bar_width) + 0.5);
    out += "  " + padded(bins.bin_name(slot), 8) +
           padded(printable(title(subject, slot), title_width - 1), title_width) +
           percent(static_cast<double>(count) / total) + " " + std::string(bar, '#') + "\n";
  }
}

}  // namespace

std::string describe(const ModelReference& reference, std::size_t width) {
  const detectors::Reference& statistics = *reference.statistics;
  std::string out =
      "model      " +
      (reference.model_name.empty() ? "(unnamed)" : printable(reference.model_name, 80)) + " " +
      printable(reference.model_version, 80) + "  " + std::string(to_string(reference.kind)) + "\n";
  out += "made       " + format_rfc3339(reference.created) + " from " +
         printable(reference.source, 200) + "\n";
  out += "rows       " + std::to_string(statistics.rows) +
         (statistics.provisional ? "  (provisional: learned from live traffic)" : "") + "\n";
  if (!reference.hash.empty()) out += "hash       " + reference.hash + "\n";
  if (reference.accuracy) {
    out += "error rate " + short_number(reference.accuracy->error_rate) + " on " +
           std::to_string(reference.accuracy->rows) + " rows, design effect " +
           short_number(reference.accuracy->design_effect) + "\n";
  }
  if (statistics.multivariate) {
    out += "pca        " + std::to_string(statistics.multivariate->pca.components()) +
           " components of " + std::to_string(statistics.multivariate->pca.features()) +
           " numeric features\n";
  }
  if (statistics.calibration) out += "calibrated accuracy can be estimated without labels\n";
  if (statistics.timed) {
    const auto hours = std::count_if(statistics.timed->rows.begin(), statistics.timed->rows.end(),
                                     [](std::uint64_t rows) { return rows > 0; });
    out += "rhythm     " + std::to_string(hours) + " of " + std::to_string(detectors::week_hours) +
           " hours of the week\n";
  }
  for (const IgnoredColumn& column : reference.ignored) {
    out += "ignored    " + printable(column.name, 60) + ": " + column.reason + "\n";
  }
  for (const FrozenSubject& feature : statistics.features) describe_subject(feature, width, out);
  if (statistics.prediction) describe_subject(*statistics.prediction, width, out);
  return out;
}

}  // namespace outrider::reference
