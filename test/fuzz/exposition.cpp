// SPDX-License-Identifier: Apache-2.0
// A page of metrics, whatever its bytes. What is taken is rendered, and reads back the same.
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/remote_write/codec/exposed_series.h"
#include "base/wire/exposition_parser.h"
#include "test/fuzz/require.h"

using namespace outrider;
using namespace outrider::wire;

namespace {

std::size_t samples_of(const ExposedFamilies& families) {
  std::size_t samples = 0;
  for (const auto& family : families) samples += family.samples.size();
  return samples;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Format format = data[0] & 1 ? Format::openmetrics : Format::text;
  const std::string_view page(reinterpret_cast<const char*>(data + 1), size - 1);
  auto families = parse_exposition(page, format, {.samples_max = 1000});
  if (!families) {
    fuzz::require(!families.error().message.empty(), "a refusal says why");
    return 0;
  }
  fuzz::require(samples_of(*families) <= 1000, "a page has no more samples than allowed");
  for (const Format to : {Format::text, Format::openmetrics}) {
    const auto again = parse_exposition(render(*families, to), to);
    fuzz::require(again.has_value(), "a rendered page is a page");
    fuzz::require(samples_of(*again) == samples_of(*families), "no sample is lost on the way");
  }
  const std::size_t said = samples_of(*families);
  const std::uint64_t twice = wire::drop_duplicates(*families);
  fuzz::require(samples_of(*families) + twice == said, "every sample stays or is counted");
  fuzz::require(wire::drop_duplicates(*families) == 0, "nothing is said twice then");
  remote_write::add_target_labels(*families, {{"job", "j"}, {"instance", "i"}});
  const auto series = remote_write::to_series(*families, 1'700'000'000'000);
  fuzz::require(series.series.size() + series.duplicates == samples_of(*families),
                "every sample becomes a series or is a duplicate");
  const std::string message = remote_write::encode_v2(series.series);
  const auto older = remote_write::downgrade(message);
  fuzz::require(older == remote_write::encode_v1(series.series), "both ways to 1.0 give the same");
  return 0;
}
