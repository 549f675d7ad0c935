// SPDX-License-Identifier: Apache-2.0
// reference.json from outside: never a fault; what is accepted judges rows without one, and writes
// back to
// itself.
#include <cstdint>
#include <limits>
#include <string_view>

#include "detectors/version_watch.h"
#include "reference/histogram_text.h"
#include "reference/reference_json.h"
#include "test/fuzz/require.h"

using namespace outrider;
using detectors::Value;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto reference = reference::parse({reinterpret_cast<const char*>(data), size});
  if (!reference) return 0;
  const std::string text = reference::to_json(*reference);
  const auto again = reference::parse(text);
  fuzz::require(static_cast<bool>(again), "again");
  fuzz::require(static_cast<bool>(reference::to_json(*again) == text),
                "reference::to_json(*again) == text");
  fuzz::require(static_cast<bool>(!reference::describe(*reference).empty()),
                "!reference::describe(*reference).empty()");

  detectors::VersionWatch watch(reference->statistics);
  const std::size_t features = reference->statistics->features.size();
  for (const double x : {0.0, -1e308, 1e308, std::numeric_limits<double>::infinity(), 3.0}) {
    const std::vector<Value> numbers(features, Value::of(x));
    watch.observe(numbers, Value::of(x), 0.5, Time{});
    const std::vector<Value> texts(features, Value::of(std::string_view("red")));
    watch.observe(texts, Value::of("red"), x, Time{std::chrono::hours(1)});
  }
  watch.judge_all();
  watch.advance(Time{std::chrono::hours(2)});
  fuzz::require(
      static_cast<bool>(detectors::VersionWatch(reference->statistics).restore(watch.serialise())),
      "detectors::VersionWatch(reference->statistics).restore(watch.serialise())");
  return 0;
}
