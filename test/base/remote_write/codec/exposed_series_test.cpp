// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/exposed_series.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::remote_write;
using namespace outrider::wire;

TEST_CASE("target labels are added, and a page's own labels of these names are kept as exported") {
  ExposedFamilies families = {
      {.name = "a",
       .samples = {{.name = "a", .labels = {}},
                   {.name = "a", .labels = {{"job", "own"}}},
                   {.name = "a", .labels = {{"job", "own"}, {"exported_job", "older"}}}}}};
  add_target_labels(families, {{"job", "j"}, {"instance", "i"}});
  const auto& samples = families[0].samples;
  CHECK(samples[0].labels == Labels{{"job", "j"}, {"instance", "i"}});
  CHECK(samples[1].labels == Labels{{"job", "j"}, {"instance", "i"}, {"exported_job", "own"}});
  CHECK(samples[2].labels == Labels{{"job", "j"},
                                    {"instance", "i"},
                                    {"exported_job", "older"},
                                    {"exported_exported_job", "own"}});
}

TEST_CASE("samples become series at their own time or at the round's") {
  const ExposedFamilies families = {
      {.name = "a",
       .type = MetricType::counter,
       .help = "A.",
       .unit = "u",
       .samples = {{.name = "a_total",
                    .labels = {{"x", "1"}},
                    .value = 2,
                    .start_timestamp_ms = 7,
                    .exemplar = Exemplar{{{"trace_id", "t"}}, 0.5, 0}},
                   {.name = "a_total", .labels = {{"x", "2"}}, .value = 3, .timestamp_ms = 50}}}};
  const auto exposed = to_series(families, 1000);
  REQUIRE(exposed.series.size() == 2);
  const WriteSeries& first = exposed.series[0];
  CHECK(first.labels == Labels{{"__name__", "a_total"}, {"x", "1"}});
  CHECK(first.samples[0].timestamp_ms == 1000);
  CHECK(first.start_timestamp_ms == 7);
  CHECK(first.exemplars[0].timestamp_ms == 1000);  // An exemplar without a time has its sample's.
  CHECK(first.metadata.type == MetricType::counter);
  CHECK(first.metadata.help == "A.");
  CHECK(first.metadata.unit == "u");
  CHECK(exposed.series[1].samples[0].timestamp_ms == 50);
  // Staleness goes by those without a time of their own.
  CHECK(exposed.at_round == std::vector<Labels>{first.labels});
}

TEST_CASE(
    "the same series twice at one time is sent once, and counted, at two times it is no "
    "repetition") {
  const ExposedFamilies families = {
      {.name = "a",
       .samples = {{.name = "a", .labels = {}, .value = 1},
                   {.name = "a", .labels = {}, .value = 2},
                   {.name = "a", .labels = {}, .value = 3, .timestamp_ms = 5}}}};
  const auto exposed = to_series(families, 1000);
  REQUIRE(exposed.series.size() == 2);
  CHECK(exposed.series[0].samples[0].value == 1);
  CHECK(exposed.duplicates == 1);
}

TEST_CASE("a program's own series keep their own job and take the instance of the program") {
  ExposedFamilies families = {
      {.name = "a",
       .samples = {{.name = "a", .labels = {}}, {.name = "a", .labels = {{"job", "own"}}}}}};
  fill_target_labels(families, {{"job", "j"}, {"instance", "i"}});
  const auto& samples = families[0].samples;
  CHECK(samples[0].labels == Labels{{"job", "j"}, {"instance", "i"}});
  CHECK(samples[1].labels == Labels{{"job", "own"}, {"instance", "i"}});
}
