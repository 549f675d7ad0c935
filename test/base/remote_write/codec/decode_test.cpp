// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/decode.h"

#include <bit>

#include "base/remote_write/codec/snappy_block.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::remote_write;

namespace {

// Made by Google's protobuf runtime (Python 6.33) and cramjam's snappy from Prometheus's .proto
// files' field numbers; test/e2e/remote_write_wire.py is how.
constexpr std::string_view golden_v1 =
    "0a710a0e0a085f5f6e616d655f5f120275700a0f0a08696e7374616e63651203613a310a080a036a6f6212016a12"
    "1009000000000000f03f10fbd095ffbc31121009020000000000f07f10e3d895ffbc311a200a0e0a087472616365"
    "5f69641202743111000000000000e03f18fbd095ffbc310a410a0d0a085f5f6e616d655f5f120168223008171900"
    "00000000803240200629fca9f1d24d62503f5a0210035a040804100262050204020602700278fbd095ffbc311a10"
    "08011202757022084973206974207570";
constexpr std::string_view golden_v2 =
    "220022085f5f6e616d655f5f220275702208696e7374616e63652203613a3122036a6f6222016a22087472616365"
    "5f696422027431220849732069742075702201682a560a06010203040506121709000000000000f03f10fbd095ff"
    "bc3118f3a995ffbc31121709000000000000004010e3d895ffbc3118f3a995ffbc3122140a020708110000000000"
    "00e03f18fbd095ffbc312a04080218092a590a02010a1a4c11000000000000124019000000000080224020695a02"
    "10026a10000000000000f83f000000000000084078fbd095ffbc31820110000000000000e03f000000000000f03f"
    "8801fad095ffbc3130f4d095ffbc31";
constexpr std::string_view golden_snappy =
    "c801f0430a710a0e0a085f5f6e616d655f5f120275700a0f0a08696e7374616e63651203613a310a080a036a6f62"
    "12016a121009000000000000f03f10fbd095ffbc311210090200011310f07f10e3d80112481a200a0e0a08747261"
    "63655f696412027431110120100000e03f1809340c0a410a0d1d7318016822300817190525e4803240200629fca9"
    "f1d24d62503f5a0210035a040804100262050204020602700278fbd095ffbc311a10080112027570220849732069"
    "74207570";
constexpr std::int64_t at_ms = 1'700'000'000'123;

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

Labels labels_of(const WriteRequest& request, const WriteRequest::Series& series) {
  std::string scratch;
  std::vector<LabelView> views;
  REQUIRE(parse_labels(request.encoded_labels(series, scratch), {}, views) == SeriesFault::none);
  Labels labels;
  for (const LabelView& view : views) labels.set(view.name, view.value);
  return labels;
}

// One label in the encoding of 1.0, of names and values shorter than 100 bytes.
std::string label(std::string_view name, std::string_view value) {
  const auto field = [](char tag, std::string_view text) {
    return std::string{tag, static_cast<char>(text.size())} + std::string(text);
  };
  return field('\x0a', field('\x0a', name) + field('\x12', value));
}

SeriesFault fault_of(std::string_view encoded, const LabelLimits& limits = {}) {
  std::vector<LabelView> views;
  return parse_labels(encoded, limits, views);
}

}  // namespace

TEST_CASE("a 1.0 message of another encoder is read field by field") {
  const std::string message = bytes_of(golden_v1);
  WriteRequest request;
  REQUIRE(request.decode(Version::v1, message));
  REQUIRE(request.series().size() == 2);
  const auto& up = request.series()[0];
  CHECK(labels_of(request, up) == Labels{{"__name__", "up"}, {"instance", "a:1"}, {"job", "j"}});
  REQUIRE(request.samples_of(up).size() == 2);
  CHECK(request.samples_of(up)[0] == Sample{at_ms, 1.0});
  CHECK(request.samples_of(up)[1].timestamp_ms == at_ms + 1000);
  CHECK(std::bit_cast<std::uint64_t>(request.samples_of(up)[1].value) == stale_nan_bits);
  REQUIRE(request.exemplars_of(up).size() == 1);
  const auto exemplar = request.exemplar_of(request.exemplars_of(up)[0]);
  REQUIRE(exemplar);
  CHECK(exemplar->labels == std::vector<LabelView>{{"trace_id", "t1"}});
  CHECK(exemplar->value == 0.5);
  CHECK(exemplar->timestamp_ms == at_ms);

  HistogramArrays arrays;
  REQUIRE(request.histograms_of(request.series()[1]).size() == 1);
  const auto histogram = decode_histogram(request.histograms_of(request.series()[1])[0], arrays);
  REQUIRE(histogram);
  CHECK_FALSE(histogram->is_float);
  CHECK(histogram->count == 23);
  CHECK(histogram->sum == 18.5);
  CHECK(histogram->schema == 3);
  CHECK(histogram->zero_threshold == 0.001);
  CHECK(histogram->reset_hint == NativeHistogram::ResetHint::no);
  CHECK(arrays.positive_spans == std::vector<BucketSpan>{{0, 3}, {2, 2}});
  CHECK(arrays.positive_deltas == std::vector<std::int64_t>{1, 2, 1, 3, 1});

  REQUIRE(request.metadata().size() == 1);
  CHECK(request.metadata()[0] == WireMetadata{1, "up", "Is it up", ""});
}

TEST_CASE("a 2.0 message of another encoder is read field by field") {
  const std::string message = bytes_of(golden_v2);
  WriteRequest request;
  REQUIRE(request.decode(Version::v2, message));
  REQUIRE(request.series().size() == 2);
  const auto& up = request.series()[0];
  CHECK(labels_of(request, up) == Labels{{"__name__", "up"}, {"instance", "a:1"}, {"job", "j"}});
  CHECK(request.samples_of(up)[1] == Sample{at_ms + 1000, 2.0});
  CHECK(up.start_timestamp_ms == at_ms - 5000);
  CHECK(request.metadata()[up.metadata - 1] == WireMetadata{2, "", "Is it up", ""});
  const auto exemplar = request.exemplar_of(request.exemplars_of(up)[0]);
  REQUIRE(exemplar);
  CHECK(exemplar->labels == std::vector<LabelView>{{"trace_id", "t1"}});

  const auto& h = request.series()[1];
  CHECK(h.start_timestamp_ms == at_ms - 7);
  HistogramArrays arrays;
  const auto histogram = decode_histogram(request.histograms_of(h)[0], arrays);
  REQUIRE(histogram);
  CHECK(histogram->is_float);
  CHECK(histogram->count_float == 4.5);
  CHECK(histogram->schema == NativeHistogram::custom_buckets_schema);
  CHECK(histogram->start_timestamp_ms == at_ms - 1);
  CHECK(arrays.positive_counts == std::vector<double>{1.5, 3.0});
  CHECK(arrays.custom_values == std::vector<double>{0.5, 1.0});
}

TEST_CASE("a series has the same key in both versions, and its labels' fingerprint is the key") {
  const std::string first = bytes_of(golden_v1), second = bytes_of(golden_v2);
  WriteRequest v1, v2;
  REQUIRE(v1.decode(Version::v1, first));
  REQUIRE(v2.decode(Version::v2, second));
  for (const std::size_t i : {0, 1}) {
    CHECK(v1.series()[i].key == v2.series()[i].key);
    std::string scratch, canonical;
    std::vector<LabelView> views;
    parse_labels(v1.encoded_labels(v1.series()[i], scratch), {}, views);
    encode_labels(views, canonical);
    CHECK(fingerprint_of(canonical) == v1.series()[i].key);
  }
  CHECK(!(v1.series()[0].key == v1.series()[1].key));
  // What is kept on disk is named by it, so it must never change. (The value is Python's xxhash's.)
  CHECK(fingerprint_of(label("__name__", "up")) == Hash128{0xf67910fd47c97b6d, 0xd13b38f4d16035d3});
}

TEST_CASE("a message cut at any byte is an error or the beginning of it, never a fault") {
  for (const auto& [version, golden] :
       {std::pair{Version::v1, golden_v1}, std::pair{Version::v2, golden_v2}}) {
    const std::string message = bytes_of(golden);
    WriteRequest request;
    for (std::size_t length = 0; length < message.size(); ++length) {
      const std::string cut = message.substr(0, length);
      if (const auto read = request.decode(version, cut); !read) {
        CHECK(read.error().code == "malformed");
      } else if (!request.series().empty()) {
        CHECK(request.samples_of(request.series()[0]).size() == 2);
      }
    }
  }
}

TEST_CASE("labels are sorted, and those without a value are left out") {
  std::vector<LabelView> views;
  const std::string encoded = label("z", "1") + label("__name__", "up") + label("gone", "");
  REQUIRE(parse_labels(encoded, {}, views) == SeriesFault::none);
  CHECK(views == std::vector<LabelView>{{"__name__", "up"}, {"z", "1"}});
}

TEST_CASE("each fault of labels is told") {
  const std::string name = label("__name__", "up");
  CHECK(fault_of(name) == SeriesFault::none);
  CHECK(fault_of("") == SeriesFault::no_metric_name);
  CHECK(fault_of(label("__name__", "")) == SeriesFault::no_metric_name);
  CHECK(fault_of(name + label("", "x")) == SeriesFault::empty_label_name);
  CHECK(fault_of(name + label("a", "1") + label("a", "2")) == SeriesFault::duplicate_label);
  CHECK(fault_of(name + label("a", "\xff")) == SeriesFault::invalid_utf8);
  CHECK(fault_of(name + label("\xff", "")) == SeriesFault::invalid_utf8);
  CHECK(fault_of(name + label("a", "12345"), {.value_bytes_max = 4}) ==
        SeriesFault::label_too_long);
  CHECK(fault_of(name + label("a", "1"), {.labels_max = 1}) == SeriesFault::too_many_labels);
  CHECK(fault_of(name + "\x0a\x7f") == SeriesFault::malformed_labels);
}

TEST_CASE("labels that do not stand together have another key and the same fingerprint") {
  const std::string one = label("__name__", "up"), two = label("a", "1");
  const std::string sample = {'\x12', '\x02', '\x10', '\x05'};
  const auto message = [](const std::string& series) {
    return std::string{'\x0a', static_cast<char>(series.size())} + series;
  };
  const std::string together = message(one + two + sample), apart = message(one + sample + two);
  WriteRequest first, second;
  REQUIRE(first.decode(Version::v1, together));
  REQUIRE(second.decode(Version::v1, apart));
  CHECK(labels_of(second, second.series()[0]) == Labels{{"__name__", "up"}, {"a", "1"}});
  CHECK(first.series()[0].key == second.series()[0].key);
  CHECK(second.samples_of(second.series()[0])[0] == Sample{5, 0});
}

TEST_CASE("limits of a message stop it") {
  const std::string message = bytes_of(golden_v1);
  WriteRequest few({.series_max = 1});
  CHECK(few.decode(Version::v1, message).error().code == "too_large");
  WriteRequest short_of_samples({.samples_max = 2});
  CHECK(short_of_samples.decode(Version::v1, message).error().code == "too_large");
  const std::string second = bytes_of(golden_v2);
  WriteRequest few_symbols({.symbols_max = 3});
  CHECK(few_symbols.decode(Version::v2, second).error().code == "too_large");
  WriteRequest few_labels({.label_bytes_max = 40});
  CHECK(few_labels.decode(Version::v2, second).error().code == "too_large");
}

TEST_CASE("the message of the other version is named as such") {
  const std::string first = bytes_of(golden_v1), second = bytes_of(golden_v2);
  WriteRequest request;
  CHECK(request.decode(Version::v1, second).error().code == "wrong_message");
  CHECK(request.decode(Version::v2, first).error().code == "wrong_message");
  CHECK(request.decode(Version::v1, "").has_value());
}

TEST_CASE("numbers that are not packed are read as well") {
  // A float histogram whose one bucket and one custom bound come as single fields.
  std::string encoded = "\x11";
  const auto number = [](double value) {
    const auto bits = std::bit_cast<std::array<char, 8>>(value);
    return std::string(bits.begin(), bits.end());
  };
  encoded += number(2) + std::string("\x20\x69") + std::string("\x5a\x02\x10\x01") + "\x69" +
             number(2) + std::string("\x81\x01") + number(0.5);
  HistogramArrays arrays;
  const auto histogram = decode_histogram(encoded, arrays);
  REQUIRE(histogram);
  CHECK(arrays.positive_counts == std::vector<double>{2});
  CHECK(arrays.custom_values == std::vector<double>{0.5});
}

TEST_CASE("snappy blocks of another compressor are read") {
  std::string buffer;
  const auto message = decompress_snappy(bytes_of(golden_snappy), 1 << 20, buffer);
  REQUIRE(message);
  CHECK(*message == bytes_of(golden_v1));
}

TEST_CASE("what is compressed is read back") {
  const std::string message(100'000, 'x');
  const std::string block = compress_snappy(message);
  CHECK(block.size() < 10'000);
  std::string buffer;
  CHECK(decompress_snappy(block, 100'000, buffer) == message);
  CHECK(decompress_snappy(block, 99'999, buffer).error().code == "too_large");
}

TEST_CASE("a snappy block is judged by what it declares before it is decompressed") {
  std::string buffer;
  const std::string block = bytes_of(golden_snappy);
  CHECK(decompress_snappy(block, 199, buffer).error().code == "too_large");
  CHECK(decompress_snappy("\xff\xff\xff\xff\x0f", 1 << 20, buffer).error().code == "too_large");
  CHECK(decompress_snappy(std::string("\x80\x80\x40\0", 4), 1 << 20, buffer).error().code ==
        "bad_snappy");
  CHECK(buffer.empty());
  CHECK(decompress_snappy("", 1 << 20, buffer).error().code == "bad_snappy");
  CHECK(decompress_snappy("\x80\x80\x80\x80\x80\x80", 100, buffer).error().code == "bad_snappy");
  CHECK(decompress_snappy("\x05"
                          "abc",
                          100, buffer)
            .error()
            .code == "bad_snappy");
  for (std::size_t length = 0; length < block.size(); ++length) {
    CHECK_FALSE(decompress_snappy(block.substr(0, length), 1 << 20, buffer));
  }
}
