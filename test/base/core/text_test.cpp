// SPDX-License-Identifier: Apache-2.0
#include "base/core/text.h"

#include <cmath>

#include "test/support/catch.h"

using namespace outrider;
using namespace std::chrono_literals;

TEST_CASE("a number is the whole text or nothing") {
  CHECK(parse_double("1.5") == 1.5);
  CHECK(parse_double("+1e3") == 1000);
  CHECK(std::isinf(*parse_double("1e400")));
  CHECK(parse_double("1e-400") == 0.0);
  CHECK(std::isnan(*parse_double("NaN")));
  for (const char* bad : {"", " 1", "1 ", "1,5", "+-1", "0x10", "one"}) {
    INFO(bad);
    CHECK_FALSE(parse_double(bad));
  }
  CHECK(parse_int("-7") == -7);
  CHECK_FALSE(parse_int("7.0"));
  CHECK_FALSE(parse_uint("-7"));
}

TEST_CASE("durations read and write as Prometheus writes them") {
  CHECK(parse_duration("1h30m") == 90min);
  CHECK(parse_duration("1.5s") == 1500ms);
  CHECK(parse_duration("30d") == std::chrono::hours(720));
  CHECK(parse_duration("0") == 0s);
  for (const char* bad : {"", "5", "s", "5 s", "5x", "99999999999w"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  for (const Duration d : {Duration(90min), Duration(1500ms), Duration(720h), Duration(250us)}) {
    CHECK(parse_duration(format_duration(d)) == d);
  }
}

TEST_CASE("sizes read and write with binary units") {
  CHECK(parse_bytes("32MiB") == 32u << 20);
  CHECK(parse_bytes("1.5KiB") == 1536u);
  CHECK(parse_bytes("10MB") == 10'000'000u);
  CHECK(format_bytes(64 << 10) == "64KiB");
  CHECK(format_bytes(1000) == "1000");
  CHECK_FALSE(parse_bytes("32 parsecs"));
  CHECK_FALSE(parse_bytes("-1"));
}

TEST_CASE("numbers print in the shortest form that reads back") {
  CHECK(format_double(0.1) == "0.1");
  CHECK(format_double(3) == "3");
  CHECK(format_double(std::nan("")) == "NaN");
  CHECK(format_double(-HUGE_VAL) == "-Inf");
}

TEST_CASE("RFC 3339 times survive the round trip and keep their offset") {
  const auto time = parse_rfc3339("2026-01-31T13:30:00.250+01:30");
  REQUIRE(time);
  CHECK(format_rfc3339(*time) == "2026-01-31T12:00:00.250Z");
  for (const char* bad : {"2026-02-30T00:00:00Z", "2026-01-31", "2026-01-31T25:00:00Z",
                          "2026-01-31T12:00:00", "2026-01-31T12:00:00.Z"}) {
    INFO(bad);
    CHECK_FALSE(parse_rfc3339(bad));
  }
  // What 64 bits of nanoseconds cannot hold would overflow.
  CHECK(parse_rfc3339("1678-01-01T00:00:00Z"));
  CHECK(parse_rfc3339("2261-12-31T23:59:60.999999999-23:59"));
  CHECK_FALSE(parse_rfc3339("1677-12-31T00:00:00Z"));
  CHECK_FALSE(parse_rfc3339("2262-01-01T00:00:00Z"));
}

TEST_CASE("percent-escapes decode, and broken ones are refused") {
  CHECK(percent_decode("a%20b+c", true) == "a b c");
  CHECK(percent_decode("a+b", false) == "a+b");
  CHECK_FALSE(percent_decode("%2", true));
  CHECK_FALSE(percent_decode("%zz", true));
  CHECK(percent_encode("a b/ü") == "a%20b%2F%C3%BC");
}

TEST_CASE("UTF-8 is checked as the standard has it: no overlong form, no surrogate") {
  CHECK(is_valid_utf8("grün €\xF0\x9F\x9A\x80"));
  for (const char* bad : {"\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x80"}) {
    CHECK_FALSE(is_valid_utf8(bad));
    // Wherever it stands.
    for (std::size_t before = 0; before < 20; ++before) {
      CHECK_FALSE(is_valid_utf8(std::string(before, 'a') + bad));
      CHECK_FALSE(is_valid_utf8(std::string(before, 'a') + bad + std::string(20, 'b')));
    }
  }
  for (std::size_t before = 0; before < 20; ++before) {
    CHECK(is_valid_utf8(std::string(before, 'a') + "€" + std::string(20, 'b')));
  }
}
