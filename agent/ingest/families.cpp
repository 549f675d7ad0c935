// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/families.h"

#include "base/core/text.h"

namespace outrider::ingest {
namespace {

using series::MetricKind;

constexpr std::string_view part_suffixes[] = {"_bucket", "_count", "_sum", "_gcount", "_gsum"};

bool has_parts(MetricKind kind) {
  return kind == MetricKind::histogram || kind == MetricKind::gauge_histogram ||
         kind == MetricKind::summary;
}

// OpenMetrics names a counter's family without the "_total" of its series, and an info's without
// "_info".
MetricKind kind_of_suffix(std::string_view suffix) {
  return suffix == "_total" ? MetricKind::counter : MetricKind::info;
}

// Cut between characters, not within one.
std::string_view cut_utf8(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

std::string_view to_string(MetricKind kind) {
  switch (kind) {
    case MetricKind::unknown:
      return "unknown";
    case MetricKind::counter:
      return "counter";
    case MetricKind::gauge:
      return "gauge";
    case MetricKind::histogram:
      return "histogram";
    case MetricKind::gauge_histogram:
      return "gaugehistogram";
    case MetricKind::summary:
      return "summary";
    case MetricKind::info:
      return "info";
    case MetricKind::stateset:
      return "stateset";
  }
  return "unknown";
}

// Both protocols number the types as MetricKind does.
MetricKind kind_of(std::uint8_t wire_type) {
  return wire_type < remote_write::metadata_types ? static_cast<MetricKind>(wire_type)
                                                  : MetricKind::unknown;
}

std::string_view family_of(std::string_view metric, MetricKind kind) {
  if (!has_parts(kind)) return metric;
  for (const std::string_view suffix : part_suffixes) {
    if (metric.size() > suffix.size() && metric.ends_with(suffix)) {
      return metric.substr(0, metric.size() - suffix.size());
    }
  }
  return metric;
}

Families::Outcome Families::set(std::string_view family,
                                const remote_write::WireMetadata& metadata) {
  if (family.empty() || family.size() > limits_.name_bytes_max || !is_valid_utf8(family) ||
      !is_valid_utf8(metadata.help) || !is_valid_utf8(metadata.unit)) {
    return Outcome::refused;
  }
  MetricFamily said{kind_of(metadata.type),
                    std::string(cut_utf8(metadata.unit, limits_.help_bytes_max)),
                    std::string(cut_utf8(metadata.help, limits_.help_bytes_max))};
  std::lock_guard lock(mutex_);
  const auto known = families_.find(family);
  if (known != families_.end()) {
    if (known->second == said) return Outcome::unchanged;
    known->second = std::move(said);
    return Outcome::changed;
  }
  if (families_.size() >= limits_.families_max) return Outcome::refused;
  families_.emplace(family, std::move(said));
  return Outcome::changed;
}

std::optional<MetricFamily> Families::find(std::string_view metric) const {
  std::lock_guard lock(mutex_);
  if (const auto known = families_.find(metric); known != families_.end()) return known->second;
  const auto find_whole = [&](std::string_view whole, auto&& is_kind) {
    const auto known = whole == metric ? families_.end() : families_.find(whole);
    return known != families_.end() && is_kind(known->second.kind)
               ? std::optional<MetricFamily>(known->second)
               : std::nullopt;
  };
  for (const std::string_view suffix : {std::string_view("_total"), std::string_view("_info")}) {
    if (!metric.ends_with(suffix)) continue;
    return find_whole(metric.substr(0, metric.size() - suffix.size()),
                      [&](MetricKind kind) { return kind == kind_of_suffix(suffix); });
  }
  return find_whole(family_of(metric, MetricKind::histogram), has_parts);
}

std::size_t Families::size() const {
  std::lock_guard lock(mutex_);
  return families_.size();
}

}  // namespace outrider::ingest
