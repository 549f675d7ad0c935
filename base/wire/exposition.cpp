// SPDX-License-Identifier: Apache-2.0
#include "base/wire/exposition.h"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "base/core/text.h"

namespace outrider::wire {
namespace {

std::string render(const Labels& labels) {
  std::string text;
  for (const Label& label : labels) {
    if (!text.empty()) text += ',';
    text += label.name;
    text += "=\"";
    append_escaped(text, label.value, true);
    text += '"';
  }
  return text;
}

std::string_view without_suffix(std::string_view name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

// OpenMetrics names a family without the suffix its samples carry.
std::string_view family_name(const Family& family, Format format) {
  if (format == Format::text) return family.name;
  if (family.type == MetricType::counter) return without_suffix(family.name, "_total");
  if (family.type == MetricType::info) return without_suffix(family.name, "_info");
  return family.name;
}

void append_exemplar(std::string& out, const Exemplar& exemplar) {
  out += " # {";
  out += render(exemplar.labels);
  out += "} ";
  append_double(out, exemplar.value);
  if (exemplar.timestamp_ms != 0) {
    out += ' ';
    append_double(out, static_cast<double>(exemplar.timestamp_ms) / 1000);
  }
}

// As Go writes it, which others compare texts with: "0.0005", where the shortest would be "5e-04".
std::string plain_bound(double bound) {
  std::string text = format_double(bound);
  if (text.find("e-") == std::string::npos || std::abs(bound) < 1e-4) return text;
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, bound, std::chars_format::fixed);
  return {digits, end.ptr};
}

std::string bound_text(double bound, Format format) {
  return format == Format::openmetrics ? canonical_bound(bound) : plain_bound(bound);
}

double media_quality(std::string_view range) {
  for (const std::string_view parameter : split(range, ';')) {
    const std::string_view trimmed = trim(parameter);
    if (trimmed.starts_with("q=")) return parse_double(trimmed.substr(2)).value_or(0);
  }
  return 1;
}

}  // namespace

// Label values escape \, " and line feed; help text the same in OpenMetrics, and all but the quote
// in text 0.0.4.
void append_escaped(std::string& out, std::string_view text, bool escape_quote) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && escape_quote) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

std::string_view type_word(MetricType type, Format format) {
  const bool openmetrics = format == Format::openmetrics;
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
    case MetricType::summary:
      return "summary";
    case MetricType::info:
      return openmetrics ? "info" : "gauge";
    case MetricType::stateset:
      return openmetrics ? "stateset" : "gauge";
    case MetricType::gauge_histogram:
      return openmetrics ? "gaugehistogram" : "untyped";
    case MetricType::unknown:
      return openmetrics ? "unknown" : "untyped";
  }
  return "untyped";
}

SeriesKey::SeriesKey(Labels labels) : labels_(std::move(labels)), text_(render(labels_)) {}

std::string_view content_type(Format format) {
  return format == Format::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string canonical_bound(double bound) {
  std::string text = plain_bound(bound);
  if (text.find_first_of(".eIN") == std::string::npos) text += ".0";
  return text;
}

Format negotiate(std::string_view accept) {
  double openmetrics = 0, text = 0;
  for (const std::string_view range : split(accept, ',')) {
    const std::string type = lower_ascii(trim(split(range, ';').front()));
    const double quality = media_quality(range);
    const bool known_version = range.find("version=") == std::string_view::npos ||
                               range.find("version=1.0.0") != std::string_view::npos ||
                               range.find("version=0.0.") != std::string_view::npos;
    if (type == "application/openmetrics-text" && known_version) {
      openmetrics = std::max(openmetrics, quality);
    } else if (type == "text/plain" || type == "*/*" || type == "text/*") {
      text = std::max(text, quality);
    }
  }
  return openmetrics > 0 && openmetrics >= text ? Format::openmetrics : Format::text;
}

void TextSink::family(const Family& family) {
  const std::string_view name = family_name(family, format_);
  text_ += "# HELP ";
  text_ += name;
  text_ += ' ';
  append_escaped(text_, family.help, format_ == Format::openmetrics);
  text_ += "\n# TYPE ";
  text_ += name;
  text_ += ' ';
  text_ += type_word(family.type, format_);
  text_ += '\n';
  name_ = family.name;
  type_ = family.type;
}

void TextSink::sample(std::string_view suffix, std::string_view labels, std::string_view more_label,
                      double value, const Exemplar* exemplar) {
  text_ += name_;
  text_ += suffix;
  if (!labels.empty() || !more_label.empty()) {
    text_ += '{';
    text_ += labels;
    if (!labels.empty() && !more_label.empty()) text_ += ',';
    text_ += more_label;
    text_ += '}';
  }
  text_ += ' ';
  append_double(text_, value);
  if (exemplar && format_ == Format::openmetrics) append_exemplar(text_, *exemplar);
  text_ += '\n';
}

void TextSink::value(const SeriesKey& key, double value, const Exemplar* exemplar) {
  sample("", key.text(), "", value, type_ == MetricType::counter ? exemplar : nullptr);
}

void TextSink::histogram(const SeriesKey& key, const HistogramValue& value) {
  assert(value.bucket_counts.size() == value.upper_bounds.size() + 1);
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < value.bucket_counts.size(); ++i) {
    cumulative += value.bucket_counts[i];
    const bool last = i == value.upper_bounds.size();
    const std::string le =
        "le=\"" + (last ? std::string("+Inf") : bound_text(value.upper_bounds[i], format_)) + '"';
    const Exemplar* exemplar =
        i < value.exemplars.size() && value.exemplars[i] ? &*value.exemplars[i] : nullptr;
    sample("_bucket", key.text(), le, static_cast<double>(cumulative), exemplar);
  }
  sample("_sum", key.text(), "", value.sum, nullptr);
  sample("_count", key.text(), "", static_cast<double>(cumulative), nullptr);
}

std::string TextSink::finish() {
  if (format_ == Format::openmetrics) text_ += "# EOF\n";
  return std::move(text_);
}

void collect(const prometheus::Collectable& collectable, MetricSink& sink) {
  for (const prometheus::MetricFamily& family : collectable.Collect()) {
    if (family.metric.empty()) continue;
    MetricType type = MetricType::unknown;
    if (family.type == prometheus::MetricType::Counter) type = MetricType::counter;
    if (family.type == prometheus::MetricType::Gauge) type = MetricType::gauge;
    if (family.type == prometheus::MetricType::Histogram) type = MetricType::histogram;
    sink.family({family.name, type, family.help});
    for (const prometheus::ClientMetric& metric : family.metric) {
      Labels labels;
      for (const auto& label : metric.label) labels.set(label.name, label.value);
      const SeriesKey key(std::move(labels));
      if (type == MetricType::counter) {
        sink.value(key, metric.counter.value);
      } else if (type == MetricType::gauge) {
        sink.value(key, metric.gauge.value);
      } else if (type == MetricType::histogram) {
        std::vector<double> bounds;
        std::vector<std::uint64_t> counts;
        std::uint64_t before = 0;
        for (const auto& bucket : metric.histogram.bucket) {
          counts.push_back(bucket.cumulative_count - before);
          before = bucket.cumulative_count;
          bounds.push_back(bucket.upper_bound);
        }
        if (!bounds.empty()) bounds.pop_back();  // +Inf is implied.
        sink.histogram(key, {bounds, counts, metric.histogram.sample_sum, {}});
      } else {
        sink.value(key, metric.untyped.value);
      }
    }
  }
}

}  // namespace outrider::wire
