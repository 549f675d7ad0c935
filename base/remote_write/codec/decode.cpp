// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/decode.h"

#define PROTOZERO_USE_VIEW std::string_view
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <protozero/pbf_reader.hpp>

#include "base/core/text.h"

namespace outrider::remote_write {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto bytes_type = pbf_wire_type::length_delimited;
constexpr auto varint_type = pbf_wire_type::varint;
constexpr auto double_type = pbf_wire_type::fixed64;

constexpr std::string_view metric_name_label = "__name__";
constexpr std::size_t exemplar_characters_max = 128;
constexpr std::size_t exemplar_labels_max = 64;
constexpr std::size_t shown_labels_max = 10;

struct LimitExceeded {
  std::string message;
};

// A sample as every encoder writes it: both fields, in order. False: look at it field by field.
bool read_plain_sample(std::string_view bytes, Sample& sample) {
  const char* at = bytes.data();
  if (bytes.size() < 11 || at[0] != 0x09 || at[9] != 0x10) return false;
  std::uint64_t bits = 0;
  std::memcpy(&bits, at + 1, sizeof bits);
  const char* const end = at + bytes.size();
  at += 10;
  const std::uint64_t timestamp = protozero::decode_varint(&at, end);
  if (at != end) return false;
  if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap64(bits);
  sample.timestamp_ms = static_cast<std::int64_t>(timestamp);
  std::memcpy(&sample.value, &bits, sizeof bits);
  return true;
}

// Field 3 is 2.0's start timestamp; 1.0 has none.
void read_sample(std::string_view bytes, Sample& sample, std::int64_t& start_timestamp_ms) {
  if (read_plain_sample(bytes, sample)) return;
  pbf_reader reader(bytes);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, double_type):
        sample.value = reader.get_double();
        break;
      case tag_and_type(2, varint_type):
        sample.timestamp_ms = reader.get_int64();
        break;
      case tag_and_type(3, varint_type):
        start_timestamp_ms = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
}

LabelView read_label(std::string_view bytes) {
  LabelView label;
  pbf_reader reader(bytes);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, bytes_type):
        label.name = reader.get_view();
        break;
      case tag_and_type(2, bytes_type):
        label.value = reader.get_view();
        break;
      default:
        reader.skip();
    }
  }
  return label;
}

std::size_t varint_bytes(std::size_t value) {
  return value < 0x80 ? 1 : static_cast<std::size_t>(std::bit_width(value) + 6) / 7;
}

char* write_varint(char* at, std::size_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

char* write_text(char* at, std::string_view text) {
  at = write_varint(at, text.size());
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

std::size_t label_body_bytes(std::string_view name, std::string_view value) {
  return 2 + varint_bytes(name.size()) + name.size() + varint_bytes(value.size()) + value.size();
}

// Field 1 of a TimeSeries: a Label with both its fields.
void append_label(std::string& out, std::string_view name, std::string_view value) {
  const std::size_t body = label_body_bytes(name, value);
  const std::size_t before = out.size();
  out.resize(before + 1 + varint_bytes(body) + body);
  char* at = out.data() + before;
  *at++ = 0x0a;
  at = write_varint(at, body);
  *at++ = 0x0a;
  at = write_text(at, name);
  *at++ = 0x12;
  write_text(at, value);
}

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

SeriesFault check_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return SeriesFault::label_too_long;
  return is_valid_utf8(text) ? SeriesFault::none : SeriesFault::invalid_utf8;
}

}  // namespace

std::string_view to_string(SeriesFault fault) {
  switch (fault) {
    case SeriesFault::none:
      return "none";
    case SeriesFault::bad_reference:
      return "bad_reference";
    case SeriesFault::mixed_samples:
      return "mixed_samples";
    case SeriesFault::too_many_labels:
      return "too_many_labels";
    case SeriesFault::label_too_long:
      return "label_too_long";
    case SeriesFault::empty_label_name:
      return "empty_label_name";
    case SeriesFault::duplicate_label:
      return "duplicate_label";
    case SeriesFault::no_metric_name:
      return "no_metric_name";
    case SeriesFault::invalid_utf8:
      return "invalid_utf8";
    case SeriesFault::malformed_labels:
      return "malformed_labels";
  }
  return "none";
}

Result<void> WriteRequest::decode(Version version, std::string_view message) {
  version_ = version;
  message_ = message;
  series_.clear();
  samples_.clear();
  histograms_.clear();
  exemplars_.clear();
  symbols_.clear();
  v2_series_.clear();
  metadata_.clear();
  composed_bytes_ = 0;
  std::string_view wrong;
  try {
    wrong = version == Version::v1 ? decode_v1(message) : decode_v2(message);
  } catch (const protozero::exception& error) {
    return fail("malformed", "the body is no protobuf message of remote write " +
                                 std::string(version == Version::v1 ? "1.0" : "2.0") + ": " +
                                 error.what() + " after " + std::to_string(series_.size()) +
                                 " series; the Content-Type must name the message that is sent");
  } catch (const LimitExceeded& limit) {
    return fail("too_large", limit.message);
  }
  if (!wrong.empty()) return fail("wrong_message", std::string(wrong));
  return {};
}

// Returns what is wrong with the kind of message, or nothing.
std::string_view WriteRequest::decode_v1(std::string_view message) {
  bool own = false, other = false;
  pbf_reader reader(message);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, bytes_type):
        own = true;
        read_v1_series(reader.get_view());
        break;
      case tag_and_type(3, bytes_type):
        own = true;
        read_v1_metadata(reader.get_view());
        break;
      case tag_and_type(4, bytes_type):
      case tag_and_type(5, bytes_type):
        other = true;
        [[fallthrough]];
      default:
        reader.skip();
    }
  }
  if (other && !own) {
    return "this is remote write 2.0's message under 1.0's Content-Type; send "
           "'application/x-protobuf;proto=io.prometheus.write.v2.Request'";
  }
  return {};
}

// The symbols may stand behind the series that refer to them, so they are gathered first.
std::string_view WriteRequest::decode_v2(std::string_view message) {
  bool other = false;
  pbf_reader reader(message);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(4, bytes_type):
        if (symbols_.size() >= limits_.symbols_max) {
          throw LimitExceeded{"the request has more than " + std::to_string(limits_.symbols_max) +
                              " symbols; send fewer series a request"};
        }
        symbols_.push_back(reader.get_view());
        break;
      case tag_and_type(5, bytes_type):
        if (v2_series_.size() >= limits_.series_max) {
          throw LimitExceeded{"the request has more than " + std::to_string(limits_.series_max) +
                              " series; send fewer a request"};
        }
        v2_series_.push_back(reader.get_view());
        break;
      case tag_and_type(1, bytes_type):
      case tag_and_type(2, bytes_type):
      case tag_and_type(3, bytes_type):
        other = true;
        [[fallthrough]];
      default:
        reader.skip();
    }
  }
  if (other && symbols_.empty() && v2_series_.empty()) {
    return "this is remote write 1.0's message under 2.0's Content-Type; send "
           "'application/x-protobuf'";
  }
  if (!symbols_.empty() && !symbols_.front().empty()) {
    return "the first of the symbols must be the empty string";
  }
  for (const std::string_view bytes : v2_series_) read_v2_series(bytes);
  return {};
}

WriteRequest::Series& WriteRequest::begin_series(std::string_view bytes) {
  if (series_.size() >= limits_.series_max) {
    throw LimitExceeded{"the request has more than " + std::to_string(limits_.series_max) +
                        " series; send fewer a request"};
  }
  Series& series = series_.emplace_back();
  series.offset = static_cast<std::uint32_t>(bytes.data() - message_.data());
  series.size = static_cast<std::uint32_t>(bytes.size());
  series.first_sample = static_cast<std::uint32_t>(samples_.size());
  series.first_histogram = static_cast<std::uint32_t>(histograms_.size());
  series.first_exemplar = static_cast<std::uint32_t>(exemplars_.size());
  return series;
}

void WriteRequest::count_one_more() const {
  if (samples_.size() + histograms_.size() + exemplars_.size() >= limits_.samples_max) {
    throw LimitExceeded{"the request has more than " + std::to_string(limits_.samples_max) +
                        " samples, histograms and exemplars; send fewer a request"};
  }
}

void WriteRequest::add_sample(std::string_view bytes, Series& series) {
  count_one_more();
  read_sample(bytes, samples_.emplace_back(), series.start_timestamp_ms);
  ++series.sample_count;
}

void WriteRequest::add(std::vector<std::string_view>& list, std::string_view bytes,
                       std::uint32_t& count) {
  count_one_more();
  list.push_back(bytes);
  ++count;
}

void WriteRequest::read_v1_series(std::string_view bytes) {
  Series& series = begin_series(bytes);
  pbf_reader reader(bytes);
  const char* labels_end = bytes.data();  // Of the labels that stand together at the beginning.
  bool together = true;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, bytes_type): {
        const char* const before = reader.data().data();
        const std::string_view label = reader.get_view();
        // `before` is behind the tag of one byte, if that is how it was written.
        together = together && before - 1 == labels_end;
        if (together) labels_end = label.data() + label.size();
        break;
      }
      case tag_and_type(2, bytes_type):
        add_sample(reader.get_view(), series);
        break;
      case tag_and_type(3, bytes_type):
        add(exemplars_, reader.get_view(), series.exemplar_count);
        break;
      case tag_and_type(4, bytes_type):
        add(histograms_, reader.get_view(), series.histogram_count);
        break;
      default:
        reader.skip();
    }
  }
  if (together) {
    series.label_offset = series.offset;
    series.label_size = static_cast<std::uint32_t>(labels_end - bytes.data());
  }
  series.key = fingerprint_of(encoded_labels(series, composed_));
}

void WriteRequest::read_v1_metadata(std::string_view bytes) {
  if (metadata_.size() >= limits_.series_max) {
    throw LimitExceeded{"the request has metadata of more than " +
                        std::to_string(limits_.series_max) + " families; send fewer a request"};
  }
  WireMetadata& metadata = metadata_.emplace_back();
  pbf_reader reader(bytes);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, varint_type): {
        const std::int32_t type = reader.get_enum();
        metadata.type = type > 0 && type < metadata_types ? static_cast<std::uint8_t>(type) : 0;
        break;
      }
      case tag_and_type(2, bytes_type):
        metadata.family = reader.get_view();
        break;
      case tag_and_type(4, bytes_type):
        metadata.help = reader.get_view();
        break;
      case tag_and_type(5, bytes_type):
        metadata.unit = reader.get_view();
        break;
      default:
        reader.skip();
    }
  }
}

void WriteRequest::read_v2_series(std::string_view bytes) {
  Series& series = begin_series(bytes);
  references_.clear();
  std::int64_t created_ms = 0;
  pbf_reader reader(bytes);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, bytes_type):
        for (const std::uint32_t reference : reader.get_packed_uint32()) {
          references_.push_back(reference);
        }
        break;
      case tag_and_type(1, varint_type):
        references_.push_back(reader.get_uint32());
        break;
      case tag_and_type(2, bytes_type):
        add_sample(reader.get_view(), series);
        break;
      case tag_and_type(3, bytes_type):
        add(histograms_, reader.get_view(), series.histogram_count);
        break;
      case tag_and_type(4, bytes_type):
        add(exemplars_, reader.get_view(), series.exemplar_count);
        break;
      case tag_and_type(5, bytes_type):
        read_v2_metadata(reader.get_view(), series);
        break;
      case tag_and_type(6, varint_type):  // Reserved now; drafts of 2.0 had the start here.
        created_ms = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
  if (series.start_timestamp_ms == 0) series.start_timestamp_ms = created_ms;
  if (series.sample_count > 0 && series.histogram_count > 0) {
    series.fault = SeriesFault::mixed_samples;
  } else {
    key_v2_series(series);
  }
}

void WriteRequest::key_v2_series(Series& series) {
  if (references_.size() > 2 * limits_.labels.labels_max) {
    series.fault = SeriesFault::too_many_labels;
    return;
  }
  composed_.clear();
  if (const SeriesFault fault = compose_labels(references_, composed_);
      fault != SeriesFault::none) {
    series.fault = fault;
    return;
  }
  composed_bytes_ += composed_.size();
  if (composed_bytes_ > limits_.label_bytes_max) {
    throw LimitExceeded{"the labels of the request's series come to more than " +
                        format_bytes(limits_.label_bytes_max) + "; send fewer series a request"};
  }
  series.key = fingerprint_of(composed_);
}

void WriteRequest::read_v2_metadata(std::string_view bytes, Series& series) {
  WireMetadata metadata;
  pbf_reader reader(bytes);
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, varint_type): {
        const std::int32_t type = reader.get_enum();
        metadata.type = type > 0 && type < metadata_types ? static_cast<std::uint8_t>(type) : 0;
        break;
      }
      case tag_and_type(3, varint_type):
      case tag_and_type(4, varint_type): {
        const bool help = reader.tag() == 3;
        const std::uint32_t reference = reader.get_uint32();
        if (reference >= symbols_.size()) {
          // With no symbols at all, reference 0 still means "no text".
          if (reference > 0) series.fault = SeriesFault::bad_reference;
          break;
        }
        (help ? metadata.help : metadata.unit) = symbols_[reference];
        break;
      }
      default:
        reader.skip();
    }
  }
  if (metadata == WireMetadata{}) return;
  metadata_.push_back(metadata);
  series.metadata = static_cast<std::uint32_t>(metadata_.size());
}

// Judges lengths before it copies: a few references to one long symbol would otherwise write out
// much more than the message holds.
SeriesFault WriteRequest::compose_labels(std::span<const std::uint32_t> references,
                                         std::string& out) const {
  if (references.size() % 2 != 0) return SeriesFault::bad_reference;
  for (std::size_t i = 0; i < references.size(); i += 2) {
    if (references[i] >= symbols_.size() || references[i + 1] >= symbols_.size()) {
      return SeriesFault::bad_reference;
    }
    const std::string_view name = symbols_[references[i]], value = symbols_[references[i + 1]];
    if (name.size() > limits_.labels.name_bytes_max ||
        value.size() > limits_.labels.value_bytes_max) {
      return SeriesFault::label_too_long;
    }
    append_label(out, name, value);
  }
  return SeriesFault::none;
}

void WriteRequest::read_references(const Series& series,
                                   std::vector<std::uint32_t>& references) const {
  pbf_reader reader(message_.substr(series.offset, series.size));
  while (reader.next()) {
    if (reader.tag_and_type() == tag_and_type(1, bytes_type)) {
      for (const std::uint32_t reference : reader.get_packed_uint32()) {
        references.push_back(reference);
      }
    } else if (reader.tag_and_type() == tag_and_type(1, varint_type)) {
      references.push_back(reader.get_uint32());
    } else {
      reader.skip();
    }
  }
}

std::string_view WriteRequest::encoded_labels(const Series& series, std::string& scratch) const {
  if (version_ == Version::v1 && series.label_size > 0) {
    return message_.substr(series.label_offset, series.label_size);
  }
  scratch.clear();
  if (version_ == Version::v2) {
    std::vector<std::uint32_t> references;
    read_references(series, references);
    if (compose_labels(references, scratch) != SeriesFault::none) scratch.clear();
    return scratch;
  }
  pbf_reader reader(message_.substr(series.offset, series.size));
  while (reader.next(1, bytes_type)) {
    const LabelView label = read_label(reader.get_view());
    append_label(scratch, label.name, label.value);
  }
  return scratch;
}

// As many as an error shows, without writing them out.
std::vector<LabelView> WriteRequest::first_labels(const Series& series) const {
  std::vector<LabelView> labels;
  if (version_ == Version::v1) {
    try {
      pbf_reader reader(message_.substr(series.offset, series.size));
      while (labels.size() < shown_labels_max && reader.next(1, bytes_type)) {
        labels.push_back(read_label(reader.get_view()));
      }
    } catch (const protozero::exception&) {
      return labels;  // Its fault is malformed_labels; what could be read is shown.
    }
    return labels;
  }
  std::vector<std::uint32_t> references;
  read_references(series, references);
  for (std::size_t i = 0; i + 1 < references.size() && labels.size() < shown_labels_max; i += 2) {
    if (references[i] < symbols_.size() && references[i + 1] < symbols_.size()) {
      labels.push_back({symbols_[references[i]], symbols_[references[i + 1]]});
    }
  }
  return labels;
}

Result<WriteRequest::Exemplar> WriteRequest::exemplar_of(std::string_view encoded) const {
  Exemplar exemplar;
  std::vector<std::uint32_t> references;
  const auto refuse = [](const char* why) {
    return fail("invalid_exemplar", std::string("an exemplar ") + why);
  };
  try {
    pbf_reader reader(encoded);
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, bytes_type):
          if (version_ == Version::v1) {
            exemplar.labels.push_back(read_label(reader.get_view()));
          } else {
            for (const std::uint32_t reference : reader.get_packed_uint32()) {
              references.push_back(reference);
            }
          }
          break;
        case tag_and_type(1, varint_type):
          references.push_back(reader.get_uint32());
          break;
        case tag_and_type(2, double_type):
          exemplar.value = reader.get_double();
          break;
        case tag_and_type(3, varint_type):
          exemplar.timestamp_ms = reader.get_int64();
          break;
        default:
          reader.skip();
      }
      if (exemplar.labels.size() > exemplar_labels_max ||
          references.size() > 2 * exemplar_labels_max) {
        return refuse("has more than 64 labels");
      }
    }
  } catch (const protozero::exception&) {
    return refuse("is no protobuf message");
  }
  if (references.size() % 2 != 0) return refuse("has a label name without a value");
  for (std::size_t i = 0; i < references.size(); i += 2) {
    if (references[i] >= symbols_.size() || references[i + 1] >= symbols_.size()) {
      return refuse("refers past the symbols");
    }
    exemplar.labels.push_back({symbols_[references[i]], symbols_[references[i + 1]]});
  }
  std::size_t characters = 0;
  for (const LabelView& label : exemplar.labels) {
    if (label.name.empty()) return refuse("has a label without a name");
    if (!is_valid_utf8(label.name) || !is_valid_utf8(label.value)) return refuse("is not UTF-8");
    characters += count_characters(label.name) + count_characters(label.value);
  }
  if (characters > exemplar_characters_max) {
    return refuse("has labels of more than 128 characters in all");
  }
  std::sort(exemplar.labels.begin(), exemplar.labels.end(),
            [](const LabelView& a, const LabelView& b) { return a.name < b.name; });
  return exemplar;
}

std::size_t WriteRequest::memory_bytes() const {
  return series_.capacity() * sizeof(Series) + samples_.capacity() * sizeof(Sample) +
         (histograms_.capacity() + exemplars_.capacity() + symbols_.capacity() +
          v2_series_.capacity()) *
             sizeof(std::string_view) +
         metadata_.capacity() * sizeof(WireMetadata) +
         references_.capacity() * sizeof(std::uint32_t) + composed_.capacity();
}

SeriesFault parse_labels(std::string_view encoded, const LabelLimits& limits,
                         std::vector<LabelView>& labels) {
  labels.clear();
  std::size_t seen = 0;
  try {
    pbf_reader reader(encoded);
    while (reader.next()) {
      if (reader.tag_and_type() != tag_and_type(1, bytes_type)) {
        return SeriesFault::malformed_labels;
      }
      const LabelView label = read_label(reader.get_view());
      if (++seen > limits.labels_max) return SeriesFault::too_many_labels;
      if (label.name.empty()) return SeriesFault::empty_label_name;
      if (label.value.empty() && label.name.size() <= limits.name_bytes_max &&
          is_valid_utf8(label.name)) {
        continue;
      }
      labels.push_back(label);
    }
  } catch (const protozero::exception&) {
    return SeriesFault::malformed_labels;
  }
  const auto by_name = [](const LabelView& a, const LabelView& b) { return a.name < b.name; };
  if (!std::is_sorted(labels.begin(), labels.end(), by_name)) {
    std::sort(labels.begin(), labels.end(), by_name);
  }
  bool named = false;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (const SeriesFault fault : {check_text(labels[i].name, limits.name_bytes_max),
                                    check_text(labels[i].value, limits.value_bytes_max)}) {
      if (fault != SeriesFault::none) return fault;
    }
    if (i > 0 && labels[i - 1].name == labels[i].name) return SeriesFault::duplicate_label;
    named = named || labels[i].name == metric_name_label;
  }
  return named ? SeriesFault::none : SeriesFault::no_metric_name;
}

void encode_labels(std::span<const LabelView> labels, std::string& out) {
  out.clear();
  for (const LabelView& label : labels) append_label(out, label.name, label.value);
}

Hash128 fingerprint_of(std::string_view encoded_labels) {
  const XXH128_hash_t hash = XXH3_128bits(encoded_labels.data(), encoded_labels.size());
  return {hash.low64, hash.high64};
}

}  // namespace outrider::remote_write
