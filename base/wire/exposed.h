// SPDX-License-Identifier: Apache-2.0
#pragma once

// Metrics as values: what a page says, what a program's collectors say, and both on one page. PURE.
//
//   const auto families = parse_exposition(body, format, limits);     // exposition_parser.h
//   GatheringSink sink; collector.collect(sink); merge(all, sink.take());
//   std::string page = render(all, Format::openmetrics);

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/series.h"
#include "base/wire/exposition.h"

namespace outrider::wire {

struct ExposedSample {
  std::string name;  // With its suffix: "x_bucket".
  Labels labels;     // Without "__name__".
  double value = 0;
  std::optional<std::int64_t> timestamp_ms = {};
  std::int64_t start_timestamp_ms = 0;  // When a counter began; 0: unknown.
  std::optional<Exemplar> exemplar = {};
  bool operator==(const ExposedSample&) const = default;
};

struct ExposedFamily {
  std::string name;  // As its TYPE line has it.
  MetricType type = MetricType::unknown;
  std::string help = {};
  std::string unit = {};
  std::vector<ExposedSample> samples = {};
  bool operator==(const ExposedFamily&) const = default;
};

using ExposedFamilies = std::vector<ExposedFamily>;

// Whether a sample of this name belongs to the family: "x_bucket" to the histogram "x".
bool is_of_family(std::string_view sample, std::string_view family, MetricType type);

// Gathers what collectors say. Bounds are written in canonical form.
class GatheringSink final : public MetricSink {
 public:
  void family(const Family& family) override;
  void value(const SeriesKey& key, double value, const Exemplar* exemplar = nullptr) override;
  void histogram(const SeriesKey& key, const HistogramValue& value) override;
  ExposedFamilies take() { return std::move(families_); }

 private:
  ExposedFamilies families_;
};

// Adds `more`; a family that is there already gets the samples and keeps its type and help.
// O(families log families).
void merge(ExposedFamilies& families, ExposedFamilies more);

// Leaves out each sample that says again what an earlier one said: the same name, labels and time
// (or none). The first one stands. Gives how many. O(samples) expected.
std::uint64_t drop_duplicates(ExposedFamilies& families);

// A page. A type that the format cannot say of these samples is given as unknown, and "_created"
// samples stand as gauges of their own in text 0.0.4. Families and samples keep their order.
std::string render(const ExposedFamilies& families, Format format);

}  // namespace outrider::wire
