// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/encode.h"

#include <bit>
#include <fstream>
#include <iterator>
#include <limits>

#include "base/remote_write/codec/v1.pb.h"
#include "base/remote_write/codec/v2.pb.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::remote_write;

namespace {

std::string golden(const std::string& name) {
  std::ifstream file(std::string(OUTRIDER_GOLDEN_DIR) + "/" + name, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What make_golden.py encodes.
std::vector<WriteSeries> golden_series() {
  const double nan = std::bit_cast<double>(std::uint64_t{0x7ff8000000000001});
  const double infinity = std::numeric_limits<double>::infinity();
  return {
      {.labels = {{"__name__", "requests_total"}, {"job", "shop"}},
       .samples = {{1'700'000'000'000, 17.5}, {1'700'000'001'000, 18.0}},
       .exemplars = {{{{"trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"}}, 0.25, 1'700'000'000'500}},
       .metadata = {wire::MetricType::counter, "Requests.", ""},
       .start_timestamp_ms = 1'699'999'000'000},
      {.labels = {{"__name__", "latency_seconds_bucket"}, {"job", "shop"}, {"le", "+Inf"}},
       .samples = {{1'700'000'000'000, 3.0}},
       .metadata = {wire::MetricType::histogram, "Zeit bis zur Antwort, \u00fcber alles.",
                    "seconds"}},
      {.labels = {{"__name__", "gone"}, {"job", "shop"}},
       .samples = {{1'700'000'002'000, stale_marker()}},
       .metadata = {wire::MetricType::gauge, "", ""}},
      {.labels = {{"__name__", "odd"}},
       .samples = {{-5, -infinity}, {0, 0.0}, {7, -0.0}, {8, nan}}},
  };
}

}  // namespace

TEST_CASE("a 2.0 message is, byte for byte, what an independent encoder makes") {
  CHECK(encode_v2(golden_series()) == golden("v2.bin"));
}

TEST_CASE("a 1.0 message is, byte for byte, what an independent encoder makes") {
  CHECK(encode_v1(golden_series()) == golden("v1.bin"));
}

TEST_CASE("a 2.0 message downgraded is the 1.0 message of the same series") {
  const auto older = downgrade(encode_v2(golden_series()));
  REQUIRE(older);
  CHECK(*older == golden("v1.bin"));
}

TEST_CASE("a staleness marker keeps its bits through both versions") {
  const std::vector<WriteSeries> series = {
      {.labels = {{"__name__", "gone"}}, .samples = {{1, stale_marker()}}}};
  io::prometheus::write::v2::Request v2;
  REQUIRE(v2.ParseFromString(encode_v2(series)));
  CHECK(std::bit_cast<std::uint64_t>(v2.timeseries(0).samples(0).value()) == stale_nan_bits);
  io::prometheus::write::v1::WriteRequest v1;
  REQUIRE(v1.ParseFromString(*downgrade(encode_v2(series))));
  CHECK(is_stale_marker(v1.timeseries(0).samples(0).value()));
  CHECK_FALSE(is_stale_marker(std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("symbols begin with the empty string and hold every string once") {
  const auto series = golden_series();
  io::prometheus::write::v2::Request request;
  REQUIRE(request.ParseFromString(encode_v2(series)));
  REQUIRE(request.symbols_size() > 1);
  CHECK(request.symbols(0).empty());
  std::set<std::string> once(request.symbols().begin(), request.symbols().end());
  CHECK(once.size() == static_cast<std::size_t>(request.symbols_size()));
  // The views that the table is keyed by must not be of a label set's temporary copy.
  CHECK(request.symbols(1) == "__name__");
}

TEST_CASE("metadata of a 1.0 request stands once a family, and only where it is wanted") {
  std::vector<WriteSeries> series;
  for (const char* name : {"t_bucket", "t_sum", "t_count"}) {
    series.push_back({.labels = {{"__name__", name}},
                      .samples = {{1, 1.0}},
                      .metadata = {wire::MetricType::histogram, "Time.", ""}});
  }
  io::prometheus::write::v1::WriteRequest request;
  REQUIRE(request.ParseFromString(encode_v1(series)));
  REQUIRE(request.metadata_size() == 1);
  CHECK(request.metadata(0).metric_family_name() == "t");
  REQUIRE(request.ParseFromString(encode_v1(series, [](std::string_view) { return false; })));
  CHECK(request.metadata_size() == 0);
  CHECK(request.timeseries_size() == 3);
}

TEST_CASE("what is no 2.0 message is not downgraded") {
  CHECK(downgrade("\xff\xff\xff").error().code == "bad_message");
  io::prometheus::write::v2::Request request;
  request.add_symbols("");
  request.add_timeseries()->add_labels_refs(0);
  CHECK(downgrade(request.SerializeAsString()).error().code == "bad_message");  // An odd number.
  request.mutable_timeseries(0)->add_labels_refs(9);
  CHECK(downgrade(request.SerializeAsString()).error().code == "bad_message");  // Outside.
}

TEST_CASE("series, samples and exemplars are counted") {
  CHECK(count(golden_series()) == Counts{.series = 4, .samples = 8, .exemplars = 1});
}
