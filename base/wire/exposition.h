// SPDX-License-Identifier: Apache-2.0
#pragma once

// Metrics as Prometheus reads them: text 0.0.4 and OpenMetrics 1.0. PURE.
//
// A Collector hands its metrics to a MetricSink at each scrape. The sink may render text (TextSink)
// or gather series for remote write. A series' labels are rendered once, when its SeriesKey is
// made, so that a scrape of 10 000 series copies prefixes and formats numbers, nothing more.
//
// Registries of prometheus-cpp join through collect(prometheus::Collectable&, MetricSink&).
//
// Source of the formats: the Prometheus documentation, "Exposition formats"; OpenMetrics 1.0.

#include <prometheus/collectable.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/core/series.h"

namespace outrider::wire {

enum class Format { text, openmetrics };

// The last three come from other programs' pages; a MetricSink is never given them.
enum class MetricType {
  counter,
  gauge,
  histogram,
  info,
  unknown,
  summary,
  gauge_histogram,
  stateset
};

// As "# TYPE" has it. Text 0.0.4 knows fewer types: it says "gauge" or "untyped" instead.
std::string_view type_word(MetricType type, Format format);

struct Family {
  std::string name;  // With its unit and, for counters, "_total": as PromQL sees it.
  MetricType type = MetricType::unknown;
  std::string help;  // One line. Escaped by the sink.
};

// A label set without the metric's name, with its text `a="x",b="y"` rendered and escaped.
class SeriesKey {
 public:
  SeriesKey() = default;
  explicit SeriesKey(Labels labels);
  const Labels& labels() const { return labels_; }
  std::string_view text() const { return text_; }

 private:
  Labels labels_;
  std::string text_;
};

struct Exemplar {
  Labels labels;  // At most 128 characters in all, e.g. trace_id.
  double value = 0;
  std::int64_t timestamp_ms = 0;
  bool operator==(const Exemplar&) const = default;
};

struct HistogramValue {
  std::span<const double> upper_bounds;          // Ascending, without +Inf.
  std::span<const std::uint64_t> bucket_counts;  // Not cumulative; one more than bounds: +Inf.
  double sum = 0;
  std::span<const std::optional<Exemplar>> exemplars = {};  // Empty, or one a bucket.
};

class MetricSink {
 public:
  virtual ~MetricSink() = default;
  // Begins a family; its series follow. Each family once, its series together.
  virtual void family(const Family& family) = 0;
  // A counter's, gauge's or info's value.
  virtual void value(const SeriesKey& key, double value, const Exemplar* exemplar = nullptr) = 0;
  virtual void histogram(const SeriesKey& key, const HistogramValue& value) = 0;
};

class Collector {
 public:
  virtual ~Collector() = default;
  virtual void collect(MetricSink& sink) = 0;
};

std::string_view content_type(Format format);

// Text as it stands in a label value (with quotes escaped) or a HELP line.
void append_escaped(std::string& out, std::string_view text, bool escape_quote);

// A histogram's bound or a summary's quantile in OpenMetrics' canonical form: "1.0", not "1".
std::string canonical_bound(double bound);

// OpenMetrics when the Accept header prefers application/openmetrics-text, else text.
Format negotiate(std::string_view accept);

class TextSink final : public MetricSink {
 public:
  explicit TextSink(Format format) : format_(format) {}
  void family(const Family& family) override;
  void value(const SeriesKey& key, double value, const Exemplar* exemplar = nullptr) override;
  void histogram(const SeriesKey& key, const HistogramValue& value) override;
  // The page; OpenMetrics ends in "# EOF". The sink is spent afterwards.
  std::string finish();

 private:
  void sample(std::string_view suffix, std::string_view labels, std::string_view more_label,
              double value, const Exemplar* exemplar);

  Format format_;
  std::string name_;  // Of the family at hand, as samples print it.
  MetricType type_ = MetricType::unknown;
  std::string text_;
};

// Passes on every family of a prometheus-cpp registry (or of any Collectable).
void collect(const prometheus::Collectable& collectable, MetricSink& sink);

// The field's latency buckets, in seconds, and three for what takes its time.
inline constexpr double latency_buckets[] = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25,
                                             .5,    1,    2.5,   5,    10,  30,   60,  120};

}  // namespace outrider::wire
