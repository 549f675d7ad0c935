// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/capture_settings.h"

#include "test/support/catch.h"

namespace outrider::tap {
namespace {

CompiledCapture compiled(const CaptureSettings& settings) {
  auto result = compile(settings);
  REQUIRE(result);
  return *result;
}

TEST_CASE("a path pattern matches as its stars allow") {
  CHECK(matches_pattern("/predict", "/predict"));
  CHECK_FALSE(matches_pattern("/predict", "/predict/more"));
  CHECK(matches_pattern("/v1/models/*:predict", "/v1/models/house:predict"));
  CHECK_FALSE(matches_pattern("/v1/models/*:predict", "/v1/models/house:explain"));
  CHECK(matches_pattern("*", ""));
  CHECK(matches_pattern("/a*b*c", "/aXbYbZc"));
  CHECK_FALSE(matches_pattern("/a*b*c", "/aXbYbZ"));
  CHECK_FALSE(matches_pattern("/a*a", "/a"));
  CHECK(matches_pattern("*/load", "/v2/load"));
  CHECK_FALSE(matches_pattern("*/load", "/v2/load/more"));
  CHECK(matches_pattern("/v2/*", "/v2/"));
}

TEST_CASE("no method and no path means all of them, the query is not part of the path") {
  CHECK(matches(compiled({}), "BREW", "/anything?x=1"));
  const CompiledCapture some = compiled({.methods = {"GET", "POST"}, .paths = {"/predict"}});
  CHECK(matches(some, "GET", "/predict?size=1800"));
  CHECK_FALSE(matches(some, "PUT", "/predict"));
  CHECK_FALSE(matches(some, "GET", "/health"));
}

TEST_CASE("sampling by hash keeps the stated share and decides alike for the same id") {
  const CompiledCapture tenth = compiled({.sample_rate = .1});
  int in = 0;
  for (int i = 0; i < 100'000; ++i) in += is_sampled(tenth, "request-" + std::to_string(i)) ? 1 : 0;
  CHECK(in == Approx(10'000).margin(400));  // Four standard deviations.
  const CompiledCapture fifth = compiled({.sample_rate = .2});
  for (int i = 0; i < 1000; ++i) {
    const std::string key = std::to_string(i);
    CHECK(is_sampled(tenth, key) == is_sampled(tenth, key));
    if (is_sampled(tenth, key)) CHECK(is_sampled(fifth, key));
  }
  CHECK(is_sampled(compiled({.sample_rate = 1}), "x"));
  CHECK_FALSE(is_sampled(compiled({.sample_rate = 0}), "x"));
}

TEST_CASE("settings past their limits are refused by name") {
  CHECK_THAT(compile({.sample_rate = 1.5}).error().message, Catch::Contains("sample.rate=1.5"));
  CHECK_THAT(compile({.paths = std::vector<std::string>(33, "/p")}).error().message,
             Catch::Contains("at most 32"));
  CHECK_THAT(compile({.paths = {std::string(300, 'x')}}).error().message,
             Catch::Contains("1 to 254 characters"));
  CHECK_THAT(compile({.methods = {""}}).error().message, Catch::Contains("request.match.method"));
}

}  // namespace
}  // namespace outrider::tap
