// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prometheus's remote write, 1.0 (prometheus.WriteRequest) and 2.0
// (io.prometheus.write.v2.Request), as a receiver reads it: in two steps, so that a series that is
// known costs no parsing of its labels.
//
//   WriteRequest request;                               // reused: its memory is kept
//   if (auto read = request.decode(Version::v1, message); !read) return 400;
//   for (const WriteRequest::Series& series : request.series()) {
//     if (series.fault != SeriesFault::none) …          // this series is refused, the others are not
//     series.key                                        // fingerprint of the labels' bytes
//     request.samples_of(series)                        // values with all their bits
//     request.encoded_labels(series, scratch)           // only when the key is unknown:
//     parse_labels(…)                                   //   checked, sorted, none empty
//   }
//
// The key is XXH3-128 over the labels in the encoding of 1.0. When they come sorted and are encoded
// the usual way (Prometheus does so), that is the bytes as they came: then the key is the series'
// fingerprint. Otherwise it is not, and parse_labels + encode_labels + fingerprint_of give the one
// that is. So a key that is known needs no check of the labels: these very bytes have passed it.
//
// A message is refused as a whole only when it is no protobuf message of this kind or exceeds a
// limit ("malformed", "too_large"). What is wrong with one series is that series' fault.
//
// Not thread-safe. Views end with the message's memory or the next decode(). O(bytes); memory is
// bounded by the limits: 16 B a sample and 80 B a series besides the message.
//
// Deviation from protobuf: a string that is not UTF-8 is its series' fault, not the message's.
//
// Sources: the Prometheus documentation, "Remote-Write specification" 1.0 and 2.0, and its .proto
// files' field numbers.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/label_view.h"
#include "base/core/native_histogram.h"
#include "base/core/result.h"
#include "base/core/series.h"
#include "base/remote_write/codec/version.h"

namespace outrider::remote_write {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

// What is wrong with one series of a message; the word is to_string()'s.
enum class SeriesFault : std::uint8_t {
  none,
  bad_reference,    // A 2.0 reference past the symbols, or an odd number of them.
  mixed_samples,    // 2.0: samples and histograms in one series.
  too_many_labels,  // Past LabelLimits.
  label_too_long,   // A name or value past LabelLimits.
  empty_label_name,
  duplicate_label,
  no_metric_name,  // "__name__" is absent or empty.
  invalid_utf8,
  malformed_labels,
};
std::string_view to_string(SeriesFault fault);

struct LabelLimits {
  std::size_t labels_max = 64;  // Of one series.
  std::size_t name_bytes_max = 1024;
  std::size_t value_bytes_max = 4096;
};

struct WireMetadata {
  std::uint8_t type = 0;    // Of both protocols: 0 unknown, 1 counter, 2 gauge, 3 histogram,
                            // 4 gauge histogram, 5 summary, 6 info, 7 state set.
  std::string_view family;  // 1.0 only: 2.0 says it with the series.
  std::string_view help;
  std::string_view unit;
  bool operator==(const WireMetadata&) const = default;
};
inline constexpr std::uint8_t metadata_types = 8;

class WriteRequest {
 public:
  struct Limits {
    std::size_t series_max = 100'000;          // Of one message.
    std::size_t samples_max = 1'000'000;       // Samples, histograms and exemplars of one message.
    std::size_t symbols_max = 500'000;         // 2.0.
    std::size_t label_bytes_max = 128u << 20;  // 2.0: all series' labels written out.
    LabelLimits labels = {};
  };

  struct Series {
    Hash128 key;
    std::uint32_t offset = 0, size = 0;              // Of the series in the message.
    std::uint32_t label_offset = 0, label_size = 0;  // 1.0: its labels, if they stand together.
    std::uint32_t first_sample = 0, sample_count = 0;
    std::uint32_t first_histogram = 0, histogram_count = 0;
    std::uint32_t first_exemplar = 0, exemplar_count = 0;
    std::uint32_t metadata = 0;  // 2.0: index + 1 of metadata(); 0: none.
    SeriesFault fault = SeriesFault::none;
    std::int64_t start_timestamp_ms = 0;  // 2.0: of the last sample that says one.
  };

  WriteRequest() = default;
  explicit WriteRequest(const Limits& limits) : limits_(limits) {}

  // Errors: "malformed", "too_large", "wrong_message" (it is the other version's). The message must
  // outlive the views.
  Result<void> decode(Version version, std::string_view message);

  std::span<const Series> series() const { return series_; }
  std::span<const Sample> samples_of(const Series& series) const {
    return std::span(samples_).subspan(series.first_sample, series.sample_count);
  }
  // Histograms and exemplars as encoded: decode_histogram(), exemplar_of().
  std::span<const std::string_view> histograms_of(const Series& series) const {
    return std::span(histograms_).subspan(series.first_histogram, series.histogram_count);
  }
  std::span<const std::string_view> exemplars_of(const Series& series) const {
    return std::span(exemplars_).subspan(series.first_exemplar, series.exemplar_count);
  }
  // 1.0: all families' metadata. 2.0: what Series::metadata points into.
  std::span<const WireMetadata> metadata() const { return metadata_; }
  // Of a sender that may not say what families are.
  void forget_metadata() {
    metadata_.clear();
    for (Series& series : series_) series.metadata = 0;
  }

  // The labels of a series in the encoding of 1.0, in the order they came; a view into the message
  // or into `scratch`. Empty when the series has a fault.
  std::string_view encoded_labels(const Series& series, std::string& scratch) const;

  struct Exemplar {
    std::vector<LabelView> labels;
    double value = 0;
    std::int64_t timestamp_ms = 0;  // 0: not said.
  };
  // Errors: "invalid_exemplar" (a bad reference, an empty name, not UTF-8, or labels past
  // Prometheus's limit of 128 characters in all).
  Result<Exemplar> exemplar_of(std::string_view encoded) const;

  // `series 3 {__name__="up", job="a"}`, cut to what an error can show.
  std::string name_of(const Series& series, std::size_t index) const;
  // What the fault is, for people: which series it is, and what to change. For errors only: slow.
  std::string describe(const Series& series, SeriesFault fault, std::size_t index) const;

  std::size_t memory_bytes() const;

 private:
  std::string_view decode_v1(std::string_view message);
  std::string_view decode_v2(std::string_view message);
  void read_v1_series(std::string_view bytes);
  void read_v2_series(std::string_view bytes);
  void key_v2_series(Series& series);
  void read_v1_metadata(std::string_view bytes);
  void read_v2_metadata(std::string_view bytes, Series& series);
  Series& begin_series(std::string_view bytes);
  void add_sample(std::string_view bytes, Series& series);
  void add(std::vector<std::string_view>& list, std::string_view bytes, std::uint32_t& count);
  void count_one_more() const;
  SeriesFault compose_labels(std::span<const std::uint32_t> references, std::string& out) const;
  void read_references(const Series& series, std::vector<std::uint32_t>& references) const;
  std::vector<LabelView> first_labels(const Series& series) const;
  std::string describe_references(const Series& series) const;

  Limits limits_;
  Version version_ = Version::v1;
  std::string_view message_;
  std::vector<Series> series_;
  std::vector<Sample> samples_;
  std::vector<std::string_view> histograms_, exemplars_, symbols_, v2_series_;
  std::vector<WireMetadata> metadata_;
  std::vector<std::uint32_t> references_;
  std::string composed_;
  std::size_t composed_bytes_ = 0;
};

// Labels out of the encoding of 1.0: sorted by name; those with an empty value are left out, as
// Prometheus has it. `labels` is reused. Returns the first fault; then `labels` is whatever was
// read.
SeriesFault parse_labels(std::string_view encoded, const LabelLimits& limits,
                         std::vector<LabelView>& labels);

// The one encoding that the fingerprint is taken of. Labels must be sorted.
void encode_labels(std::span<const LabelView> labels, std::string& out);
Hash128 fingerprint_of(std::string_view encoded_labels);

// A histogram's arrays, for as long as it is looked at. Reused, they keep their memory.
struct HistogramArrays {
  std::vector<BucketSpan> negative_spans, positive_spans;
  std::vector<std::int64_t> negative_deltas, positive_deltas;
  std::vector<double> negative_counts, positive_counts, custom_values;
};

inline constexpr std::size_t histogram_buckets_max = 10'000;  // Of one histogram.

// One histogram of either version; what `arrays` held is gone. It is checked as
// Prometheus checks it: spans and buckets agree, no bucket is negative, the buckets make up the
// count. Error: "invalid_histogram".
Result<NativeHistogram> decode_histogram(std::string_view encoded, HistogramArrays& arrays);

}  // namespace outrider::remote_write
