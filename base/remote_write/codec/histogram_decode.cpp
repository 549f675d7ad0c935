// SPDX-License-Identifier: Apache-2.0
// Native histograms of remote write: fields to arrays, and the checks that Prometheus makes on
// them.
#define PROTOZERO_USE_VIEW std::string_view
#include <cmath>
#include <limits>
#include <protozero/pbf_reader.hpp>

#include "base/remote_write/codec/decode.h"

namespace outrider::remote_write {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto bytes_type = pbf_wire_type::length_delimited;
constexpr auto varint_type = pbf_wire_type::varint;
constexpr auto double_type = pbf_wire_type::fixed64;

constexpr std::int32_t schema_min = -4, schema_max = 8;

struct Invalid {
  std::string message;
};

template <class T>
void push(std::vector<T>& list, T value) {
  if (list.size() >= histogram_buckets_max) {
    throw Invalid{"has more than " + std::to_string(histogram_buckets_max) + " buckets"};
  }
  list.push_back(value);
}

void read_span(std::string_view bytes, std::vector<BucketSpan>& spans) {
  BucketSpan span;
  pbf_reader reader(bytes);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, varint_type):
        span.offset = reader.get_sint32();
        break;
      case tag_and_type(2, varint_type):
        span.length = reader.get_uint32();
        break;
      default:
        reader.skip();
    }
  }
  push(spans, span);
}

// Repeated numbers come packed, as proto3 writes them, or one by one, which every reader must
// accept.
void read_deltas(pbf_reader& reader, std::vector<std::int64_t>& deltas) {
  if (reader.wire_type() == varint_type) {
    push(deltas, reader.get_sint64());
  } else if (reader.wire_type() == bytes_type) {
    for (const std::int64_t delta : reader.get_packed_sint64()) push(deltas, delta);
  } else {
    reader.skip();
  }
}

void read_doubles(pbf_reader& reader, std::vector<double>& values) {
  if (reader.wire_type() == double_type) {
    push(values, reader.get_double());
  } else if (reader.wire_type() == bytes_type) {
    for (const double value : reader.get_packed_double()) push(values, value);
  } else {
    reader.skip();
  }
}

void read_number(pbf_reader& reader, NativeHistogram& histogram) {
  switch (reader.tag_and_type()) {
    case tag_and_type(1, varint_type):
      histogram.count = reader.get_uint64();
      histogram.is_float = false;
      break;
    case tag_and_type(2, double_type):
      histogram.count_float = reader.get_double();
      histogram.is_float = true;
      break;
    case tag_and_type(3, double_type):
      histogram.sum = reader.get_double();
      break;
    case tag_and_type(4, varint_type):
      histogram.schema = reader.get_sint32();
      break;
    case tag_and_type(5, double_type):
      histogram.zero_threshold = reader.get_double();
      break;
    case tag_and_type(6, varint_type):
      histogram.zero_count = reader.get_uint64();
      break;
    case tag_and_type(7, double_type):
      histogram.zero_count_float = reader.get_double();
      break;
    case tag_and_type(14, varint_type): {
      const std::int32_t hint = reader.get_enum();
      histogram.reset_hint = hint > 0 && hint <= 3 ? static_cast<NativeHistogram::ResetHint>(hint)
                                                   : NativeHistogram::ResetHint::unknown;
      break;
    }
    case tag_and_type(15, varint_type):
      histogram.timestamp_ms = reader.get_int64();
      break;
    case tag_and_type(17, varint_type):
      histogram.start_timestamp_ms = reader.get_int64();
      break;
    default:
      reader.skip();
  }
}

void read_fields(std::string_view encoded, NativeHistogram& histogram, HistogramArrays& arrays) {
  pbf_reader reader(encoded);
  while (reader.next()) {
    const bool is_message = reader.wire_type() == bytes_type;
    switch (reader.tag()) {
      case 8:
      case 11:
        if (is_message) {
          auto& spans = reader.tag() == 8 ? arrays.negative_spans : arrays.positive_spans;
          read_span(reader.get_view(), spans);
        } else {
          reader.skip();
        }
        break;
      case 9:
        read_deltas(reader, arrays.negative_deltas);
        break;
      case 12:
        read_deltas(reader, arrays.positive_deltas);
        break;
      case 10:
        read_doubles(reader, arrays.negative_counts);
        break;
      case 13:
        read_doubles(reader, arrays.positive_counts);
        break;
      case 16:
        read_doubles(reader, arrays.custom_values);
        break;
      default:
        read_number(reader, histogram);
    }
  }
}

void check_spans(std::span<const BucketSpan> spans, std::size_t buckets, const char* side) {
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (i > 0 && spans[i].offset < 0) {
      throw Invalid{"has " + std::string(side) + " spans that go backwards"};
    }
    covered += spans[i].length;
  }
  if (covered != buckets) {
    throw Invalid{"has " + std::to_string(buckets) + " " + side + " buckets, but its spans need " +
                  std::to_string(covered)};
  }
}

std::uint64_t sum_of_deltas(std::span<const std::int64_t> deltas, const char* side) {
  std::int64_t count = 0;
  std::uint64_t sum = 0;
  for (const std::int64_t delta : deltas) {
    if (__builtin_add_overflow(count, delta, &count) || count < 0 ||
        __builtin_add_overflow(sum, static_cast<std::uint64_t>(count), &sum)) {
      throw Invalid{"has a negative or too large count in a " + std::string(side) + " bucket"};
    }
  }
  return sum;
}

void check_integer_counts(const NativeHistogram& histogram) {
  if (!histogram.negative_counts.empty() || !histogram.positive_counts.empty()) {
    throw Invalid{"has an integer count and float buckets"};
  }
  check_spans(histogram.negative_spans, histogram.negative_deltas.size(), "negative");
  check_spans(histogram.positive_spans, histogram.positive_deltas.size(), "positive");
  std::uint64_t observed = sum_of_deltas(histogram.negative_deltas, "negative");
  if (__builtin_add_overflow(observed, sum_of_deltas(histogram.positive_deltas, "positive"),
                             &observed) ||
      __builtin_add_overflow(observed, histogram.zero_count, &observed)) {
    throw Invalid{"has buckets that add up to more than 2^64"};
  }
  // An observation of NaN is counted, but falls into no bucket, and makes the sum NaN.
  const bool agrees =
      std::isnan(histogram.sum) ? observed <= histogram.count : observed == histogram.count;
  if (!agrees) {
    throw Invalid{"has a count of " + std::to_string(histogram.count) + ", but " +
                  std::to_string(observed) + " observations in its buckets"};
  }
}

void check_float_counts(const NativeHistogram& histogram) {
  if (!histogram.negative_deltas.empty() || !histogram.positive_deltas.empty()) {
    throw Invalid{"has a float count and integer buckets"};
  }
  check_spans(histogram.negative_spans, histogram.negative_counts.size(), "negative");
  check_spans(histogram.positive_spans, histogram.positive_counts.size(), "positive");
  for (const auto counts : {histogram.negative_counts, histogram.positive_counts}) {
    for (const double count : counts) {
      if (count < 0) throw Invalid{"has a bucket with a negative count"};
    }
  }
  if (histogram.zero_count_float < 0) throw Invalid{"has a negative zero bucket"};
  if (histogram.count_float < 0) throw Invalid{"has a negative count"};
}

void check_custom_buckets(const NativeHistogram& histogram) {
  if (!histogram.negative_spans.empty() || histogram.zero_count != 0 ||
      histogram.zero_count_float != 0) {
    throw Invalid{"has custom buckets beside negative or zero ones"};
  }
  for (std::size_t i = 0; i < histogram.custom_values.size(); ++i) {
    const double bound = histogram.custom_values[i];
    if (std::isnan(bound) || bound == std::numeric_limits<double>::infinity() ||
        (i > 0 && !(histogram.custom_values[i - 1] < bound))) {
      throw Invalid{"has custom bounds that do not rise, or are not numbers"};
    }
  }
  std::int64_t end = 0;
  for (const BucketSpan& span : histogram.positive_spans)
    end += span.offset + std::int64_t{span.length};
  if ((!histogram.positive_spans.empty() && histogram.positive_spans.front().offset < 0) ||
      end > static_cast<std::int64_t>(histogram.custom_values.size()) + 1) {
    throw Invalid{"has buckets outside its custom bounds"};
  }
}

void check(const NativeHistogram& histogram) {
  if (histogram.schema == NativeHistogram::custom_buckets_schema) {
    check_custom_buckets(histogram);
  } else if (histogram.schema < schema_min || histogram.schema > schema_max) {
    throw Invalid{"has schema " + std::to_string(histogram.schema) +
                  "; expected -4 to 8, or -53 for custom buckets"};
  } else if (!histogram.custom_values.empty()) {
    throw Invalid{"has custom bounds, but schema " + std::to_string(histogram.schema)};
  }
  histogram.is_float ? check_float_counts(histogram) : check_integer_counts(histogram);
}

}  // namespace

Result<NativeHistogram> decode_histogram(std::string_view encoded, HistogramArrays& arrays) {
  arrays.negative_spans.clear();
  arrays.positive_spans.clear();
  arrays.negative_deltas.clear();
  arrays.positive_deltas.clear();
  arrays.negative_counts.clear();
  arrays.positive_counts.clear();
  arrays.custom_values.clear();
  NativeHistogram histogram;
  try {
    read_fields(encoded, histogram, arrays);
    histogram.negative_spans = arrays.negative_spans;
    histogram.positive_spans = arrays.positive_spans;
    histogram.negative_deltas = arrays.negative_deltas;
    histogram.positive_deltas = arrays.positive_deltas;
    histogram.negative_counts = arrays.negative_counts;
    histogram.positive_counts = arrays.positive_counts;
    histogram.custom_values = arrays.custom_values;
    check(histogram);
  } catch (const Invalid& invalid) {
    return fail("invalid_histogram", "a histogram " + invalid.message);
  } catch (const protozero::exception&) {
    return fail("invalid_histogram", "a histogram is no protobuf message");
  }
  return histogram;
}

}  // namespace outrider::remote_write
