// SPDX-License-Identifier: Apache-2.0
#include "base/wire/exposition_parser.h"

#include <cmath>
#include <cstring>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::wire;

namespace {

ExposedFamilies text(std::string_view page) {
  auto parsed = parse_exposition(page, Format::text);
  if (!parsed) FAIL(parsed.error().message);
  return *parsed;
}

ExposedFamilies openmetrics(std::string_view page) {
  auto parsed = parse_exposition(page, Format::openmetrics);
  if (!parsed) FAIL(parsed.error().message);
  return *parsed;
}

std::string refusal(std::string_view page, Format format) {
  auto parsed = parse_exposition(page, format);
  if (parsed) FAIL("taken: " << page);
  CHECK(parsed.error().code == "bad_exposition");
  return parsed.error().message;
}

}  // namespace

TEST_CASE("a text page gives families with their types, help and samples") {
  const auto families = text(
      "# HELP http_requests_total All \\\\ of\\nthem.\n"
      "# TYPE http_requests_total counter\n"
      "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
      "http_requests_total{method=\"get\" , code = \"400\",}  3\n"
      "\n"
      "# just a comment\n"
      "#TYPE not_a_type counter\n"
      "msdos_path{path=\"C:\\\\DIR\\\\F\\n\\\"x\\\"\"} 1.458255915e9\n"
      "metric_without_timestamp_and_labels 12.47");
  REQUIRE(families.size() == 3);
  CHECK(families[0].type == MetricType::counter);
  CHECK(families[0].help == "All \\ of\nthem.");
  REQUIRE(families[0].samples.size() == 2);
  CHECK(families[0].samples[0].labels == Labels{{"method", "post"}, {"code", "200"}});
  CHECK(families[0].samples[0].timestamp_ms == 1395066363000);
  CHECK(families[0].samples[1].value == 3);
  CHECK(families[1].samples[0].labels.get("path") == "C:\\DIR\\F\n\"x\"");
  CHECK(families[2].type == MetricType::unknown);
  CHECK(families[2].samples[0].value == 12.47);
}

TEST_CASE("an OpenMetrics page gives units, exemplars, timestamps and beginnings") {
  const auto families = openmetrics(
      "# TYPE foo_seconds counter\n"
      "# UNIT foo_seconds seconds\n"
      "# HELP foo_seconds A \\\"word\\\".\n"
      "foo_seconds_total{a=\"b\"} 17.0 1520879607.789 # {trace_id=\"KOO5S4\"} 0.67 1520879607.001\n"
      "foo_seconds_created{a=\"b\"} 1520872607.123\n"
      "# TYPE lat histogram\n"
      "lat_bucket{le=\"1\"} 4 # {} 0.5\n"
      "lat_bucket{le=\"+Inf\"} 5\n"
      "lat_sum 1e3\n"
      "lat_count 5\n"
      "lat_created 1700000000000\n"
      "# EOF\n");
  REQUIRE(families.size() == 2);
  const auto& foo = families[0];
  CHECK(foo.unit == "seconds");
  CHECK(foo.help == "A \"word\".");
  REQUIRE(foo.samples.size() == 2);
  CHECK(foo.samples[0].timestamp_ms == 1520879607789);
  CHECK(foo.samples[0].start_timestamp_ms == 1520872607123);
  REQUIRE(foo.samples[0].exemplar);
  CHECK(foo.samples[0].exemplar->labels.get("trace_id") == "KOO5S4");
  CHECK(foo.samples[0].exemplar->value == 0.67);
  CHECK(foo.samples[0].exemplar->timestamp_ms == 1520879607001);
  CHECK(foo.samples[1].start_timestamp_ms == 0);
  const auto& lat = families[1];
  REQUIRE(lat.samples.size() == 5);
  CHECK(lat.samples[0].labels.get("le") == "1.0");  // Canonical.
  CHECK(lat.samples[0].exemplar->labels.empty());
  CHECK(lat.samples[2].value == 1000);
  // Milliseconds, where seconds would be 52 000 years ahead.
  for (int i = 0; i < 4; ++i) CHECK(lat.samples[i].start_timestamp_ms == 1'700'000'000'000);
}

TEST_CASE("values are Go's: infinities, NaN in one form, exponents") {
  const auto families = text("a +Inf\nb -inf\nc NaN\nd 1e-7\ne Infinity\nf .5\ng -0\n");
  REQUIRE(families.size() == 7);
  CHECK(families[0].samples[0].value == INFINITY);
  CHECK(families[1].samples[0].value == -INFINITY);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &families[2].samples[0].value, 8);
  CHECK(bits == 0x7ff8000000000001);
  CHECK(families[3].samples[0].value == 1e-7);
  CHECK(families[4].samples[0].value == INFINITY);
  CHECK(families[5].samples[0].value == .5);
  CHECK(std::signbit(families[6].samples[0].value));
}

TEST_CASE("names of UTF-8 stand quoted inside the braces") {
  const auto families = text(
      "# TYPE \"my.metric\" gauge\n"
      "{\"my.metric\",\"a label\"=\"x\"} 1\n"
      "{\"other\"} 2\n"
      "plain{\"a.b\"=\"c\"} 3\n");
  REQUIRE(families.size() == 3);
  CHECK(families[0].type == MetricType::gauge);
  CHECK(families[0].samples[0].labels.get("a label") == "x");
  CHECK(families[1].samples[0].name == "other");
  CHECK(families[2].samples[0].labels.get("a.b") == "c");
}

TEST_CASE("samples that stand apart from their family still find it, or have their own") {
  const auto families =
      text("# TYPE a histogram\n# TYPE b gauge\nb 1\na_sum 2\na_bucket{le=\"1\"} 2\nb 3\n");
  REQUIRE(families.size() == 4);
  CHECK(families[1].samples.size() == 2);
  CHECK(families[2].name == "a_sum");
  CHECK(families[2].type == MetricType::unknown);
}

TEST_CASE("a bad line fails the page and is named") {
  CHECK(refusal("ok 1\na b\n", Format::text) == "line 2: expected a number as value in 'a b'");
  for (const char* page : {"9a 1\n",
                           "a{b=\"c\" 1\n",
                           "a{b=c} 1\n",
                           "a{b=\"c} 1\n",
                           "a{b=\"c\"\n",
                           "a{,} 1\n",
                           "a\n",
                           "a 1 2 3\n",
                           "a 1 1.5\n",
                           "a 1 # {} 1\n",
                           "a{b=\"1\",b=\"2\"} 1\n",
                           "# TYPE a what\n",
                           "# TYPE 9 gauge\n",
                           "{} 1\n",
                           "{\"a\",\"b\"} 1\n",
                           "a{b=\"\xff\"} 1\n",
                           "# HELP a \xff\n",
                           "a 0x1p4\n",
                           "a 1\r\n",
                           "a +NaN\n",
                           "a{\"\"=\"x\"} 1\n",
                           "{\"\"} 1\n",
                           "a{b=\"\\"}) {
    INFO(page);
    CHECK_FALSE(refusal(page, Format::text).empty());
  }
  for (const char* page : {"a 1\n",
                           "",
                           "a 1\n# EOF\na 1\n",
                           "\n# EOF\n",
                           "# a comment\n# EOF\n",
                           "a  1\n# EOF\n",
                           "a 1 \n# EOF\n",
                           " a 1\n# EOF\n",
                           "a 1 1 1\n# EOF\n",
                           "a 1 # {\n# EOF\n",
                           "a 1 # {} \n# EOF\n",
                           "a 1 # {a=\"b\"} x\n# EOF\n",
                           "a 1 # {\"q\"} 1\n# EOF\n",
                           "# UNIT a_b seconds\n# EOF\n",
                           "# TYPE a untyped\n# EOF\n",
                           "a 1 nan\n# EOF\n",
                           "a 1 1e30\n# EOF\n",
                           "# EOF\n\n",
                           "a 1 # {} 1 nan\n# EOF\n",
                           "a 1",
                           "# EOF x\n"}) {
    INFO(page);
    CHECK_FALSE(refusal(page, Format::openmetrics).empty());
  }
  CHECK(openmetrics("# EOF").empty());
}

TEST_CASE("a page with more samples than the limit is refused") {
  const auto parsed = parse_exposition("a 1\nb 1\nc 1\n", Format::text, {.samples_max = 2});
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == "too_many_samples");
  CHECK(parse_exposition("a 1\nb 1\n", Format::text, {.samples_max = 2}));
}

TEST_CASE("the content type says the format") {
  CHECK(format_of("application/openmetrics-text; version=1.0.0; charset=utf-8") ==
        Format::openmetrics);
  CHECK(format_of("text/plain; version=0.0.4") == Format::text);
  CHECK(format_of("") == Format::text);
}

TEST_CASE("a rendered page reads back the same, in both formats") {
  const auto families = openmetrics(
      "# HELP foo_seconds Some \\\"help\\\".\n# TYPE foo_seconds counter\n# UNIT foo_seconds "
      "seconds\n"
      "foo_seconds_total{a=\"b\\n\\\"\"} 17.0 1520879607.789 # {t=\"K\"} 0.67 1520879607.001\n"
      "foo_seconds_created{a=\"b\\n\\\"\"} 1520872607.123\n"
      "# TYPE lat histogram\nlat_bucket{le=\"1.0\"} 4\nlat_bucket{le=\"+Inf\"} 5\nlat_sum 2\n"
      "lat_count 5\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n"
      "# TYPE b info\nb_info{v=\"1\"} 1\n# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 1\ng_gsum "
      "1\n"
      "g_gcount 1\n# EOF\n");
  CHECK(openmetrics(render(families, Format::openmetrics)) == families);
  const std::string page = render(families, Format::text);
  const auto again = text(page);
  std::size_t samples = 0;
  for (const auto& family : again) samples += family.samples.size();
  CHECK(samples == 13);
  CHECK(page.find("# TYPE foo_seconds_total counter\n") != std::string::npos);
  CHECK(page.find("# TYPE foo_seconds_created gauge\n") != std::string::npos);
  CHECK(page.find("# TYPE b_info gauge\n") != std::string::npos);
  CHECK(page.find("# {") == std::string::npos);
}

TEST_CASE("a counter without _total is unknown to OpenMetrics") {
  const std::string page = render(text("# TYPE a counter\na 1\n"), Format::openmetrics);
  CHECK(page == "# TYPE a unknown\na 1\n# EOF\n");
}

TEST_CASE("collectors are gathered as they would be rendered") {
  struct Sample final : Collector {
    void collect(MetricSink& sink) override {
      sink.family({"a_total", MetricType::counter, "A."});
      sink.value(SeriesKey({{"x", "y"}}), 2);
      sink.family({"h_seconds", MetricType::histogram, "H."});
      const double bounds[] = {0.5, 1};
      const std::uint64_t counts[] = {1, 2, 3};
      sink.histogram(SeriesKey(), {bounds, counts, 7.5, {}});
      sink.family({"build_info", MetricType::info, "B."});
      sink.value(SeriesKey({{"v", "1"}}), 1);
    }
  } collector;
  for (const Format format : {Format::text, Format::openmetrics}) {
    TextSink direct(format);
    collector.collect(direct);
    GatheringSink sink;
    collector.collect(sink);
    const auto parse = [&](const std::string& page) { return *parse_exposition(page, format); };
    CHECK(parse(render(sink.take(), format)) == parse(direct.finish()));
  }
}

TEST_CASE("two pages merge by family") {
  auto families = text("# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb 1\n");
  merge(families,
        openmetrics("# TYPE a counter\na_total{j=\"x\"} 2\n# TYPE c gauge\nc 1\n# EOF\n"));
  REQUIRE(families.size() == 3);
  CHECK(families[0].samples.size() == 2);
  CHECK(families[2].name == "c");
  for (const Format format : {Format::text, Format::openmetrics}) {
    CHECK(parse_exposition(render(families, format), format));
  }
}

TEST_CASE(
    "a sample that is said twice stands once, the first of them, another time is another sample") {
  auto families = text(
      "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"1\"} 3\na{x=\"1\"} 4 1000\na{x=\"1\"} 5 "
      "1000\n"
      "b 1\nb 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} "
      "2\nh_bucket{le=\"+Inf\"} 2\n"
      "h_sum 1\nh_count 2\nab 1\n");
  CHECK(drop_duplicates(families) == 4);
  CHECK(
      families ==
      text(
          "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"1\"} 4 1000\nb 1\n# TYPE h histogram\n"
          "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\nab 1\n"));
  CHECK(drop_duplicates(families) == 0);
}

TEST_CASE("labels that run together as text are not taken for each other") {
  ExposedFamilies families = {
      {.name = "a",
       .samples = {{.name = "a", .labels = {{"x", std::string("1\0y2", 4)}}, .value = 1},
                   {.name = "a", .labels = {{"x", "1"}, {"y", "2"}}, .value = 2},
                   {.name = "a", .labels = {{"x", "1:y1:2"}}, .value = 3}}}};
  CHECK(drop_duplicates(families) == 0);
}
