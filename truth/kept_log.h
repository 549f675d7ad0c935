// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a log keeps of itself beside predictions and labels, as it is read when the log is opened:
// the families `meta` and `early`, and the keys of meta. PURE.
//
//   meta: "watermark"            -> the first slot that counts
//         "written"              -> rows, over the log's whole life
//         "segment/" + slot      -> truth/segments.h
//         "feature/" + number    -> a feature's name
//         "state/" + name        -> the consumer's, truth/truth_consumer.h
//         "stream/" + id         -> truth/streams.h
//         "erased/" + name       -> truth/erased_names.h

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "truth/codec.h"
#include "truth/erased_names.h"
#include "truth/segments.h"
#include "truth/streams.h"
#include "truth/truth_consumer.h"

namespace outrider::truth {

inline constexpr std::string_view meta_watermark = "watermark";
inline constexpr std::string_view meta_written = "written";
inline constexpr std::string_view meta_segment_prefix = "segment/";
inline constexpr std::string_view meta_feature_prefix = "feature/";
inline constexpr std::string_view meta_state_prefix = "state/";
inline constexpr std::string_view meta_stream_prefix = "stream/";
inline constexpr std::string_view meta_erased_prefix = "erased/";
std::string segment_key(std::uint64_t start);
std::string stream_key(const Uuid& id);
std::string feature_key(std::uint32_t index);
std::string state_key(std::string_view name);
std::string erased_key(const ErasedNames::Entry& entry);

struct KeptLog {
  std::map<std::uint64_t, Segment> segments;
  std::vector<std::string> feature_names;
  std::vector<StateBlob> state;
  std::vector<std::pair<std::uint64_t, HeldLabel>> held;  // By their numbers, ascending.
  std::vector<std::pair<Uuid, Stream>> streams;
  std::vector<ErasedNames::Entry> erased;
  std::uint64_t watermark = 0;
  std::uint64_t written = 0;

  // Take an entry of a family, in the order of the keys; keys of meta that a later version may
  // write are passed over. What does not decode is said, and then nothing more is to be read.
  std::optional<std::string_view> add_meta(std::string_view key, std::string_view value);
  std::optional<std::string_view> add_early(std::string_view key, std::string_view value);
};

}  // namespace outrider::truth
