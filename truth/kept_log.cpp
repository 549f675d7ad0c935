// SPDX-License-Identifier: Apache-2.0
#include "truth/kept_log.h"

#include <cstring>

namespace outrider::truth {
namespace {

std::string_view bytes_of(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

}  // namespace

std::string segment_key(std::uint64_t start) {
  std::string key(meta_segment_prefix);
  append_u64_key(key, start);
  return key;
}

std::string stream_key(const Uuid& id) {
  std::string key(meta_stream_prefix);
  key += bytes_of(id);
  return key;
}

std::string feature_key(std::uint32_t index) {
  std::string key(meta_feature_prefix);
  append_u32_key(key, index);
  return key;
}

std::string state_key(std::string_view name) {
  std::string key(meta_state_prefix);
  key += name;
  return key;
}

std::string erased_key(const ErasedNames::Entry& entry) {
  std::string key(meta_erased_prefix);
  key += bytes_of(entry.hash);
  append_u32_key(key, entry.row.value_or(whole_request));
  append_scope(key, entry.scope);
  return key;
}

std::optional<std::string_view> KeptLog::add_meta(std::string_view key, std::string_view value) {
  if (key.starts_with(meta_segment_prefix) && key.size() == meta_segment_prefix.size() + 8) {
    const auto segment = decode_segment(value);
    if (!segment) return "a segment's entry does not decode";
    segments[read_u64_key(key.substr(meta_segment_prefix.size()))] = *segment;
  } else if (key.starts_with(meta_feature_prefix)) {
    feature_names.emplace_back(value);
  } else if (key.starts_with(meta_state_prefix)) {
    state.push_back({std::string(key.substr(meta_state_prefix.size())), std::string(value)});
  } else if (key.starts_with(meta_stream_prefix) &&
             key.size() == meta_stream_prefix.size() + sizeof(Uuid)) {
    const auto stream = decode_stream(value);
    if (!stream) return "a stream's entry does not decode";
    Uuid id;
    std::memcpy(id.bytes.data(), key.data() + meta_stream_prefix.size(), id.bytes.size());
    streams.emplace_back(id, *stream);
  } else if (key.starts_with(meta_erased_prefix)) {
    auto entry = decode_erased(value);
    if (!entry) return "an erased name's mark does not decode";
    erased.push_back(std::move(*entry));
  } else if (key == meta_watermark && value.size() == 8) {
    watermark = read_u64_key(value);
  } else if (key == meta_written && value.size() == 8) {
    written = read_u64_key(value);
  }
  return std::nullopt;
}

std::optional<std::string_view> KeptLog::add_early(std::string_view key, std::string_view value) {
  auto label = decode_held(value);
  if (!label || key.size() != 8) return "a held label does not decode";
  held.emplace_back(read_u64_key(key), std::move(*label));
  return std::nullopt;
}

}  // namespace outrider::truth
