// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/feature_names.h"

#include <algorithm>
#include <atomic>
#include <charconv>

#include "base/core/text.h"

namespace outrider::decode {
namespace {

constexpr std::size_t names_bytes_max = 16 << 20;

std::uint64_t hash_of(std::span<const std::string_view> names, bool positional) {
  std::uint64_t hash = positional ? 0x9e3779b97f4a7c15 : 0xcbf29ce484222325;
  for (const std::string_view name : names) {
    hash = (hash ^ std::hash<std::string_view>()(name)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

std::uint64_t next_names_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

const FeatureNames* FeatureNamesTable::intern(std::span<const std::string_view> names,
                                              bool positional) {
  const std::uint64_t hash = hash_of(names, positional);
  const auto [first, last] = lists_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const FeatureNames& known = *it->second;
    if (known.positional == positional &&
        std::equal(names.begin(), names.end(), known.names.begin(), known.names.end())) {
      return &known;
    }
  }
  auto added = std::make_unique<FeatureNames>();
  added->serial = next_names_serial();
  added->positional = positional;
  added->names.assign(names.begin(), names.end());
  added->plain = std::all_of(names.begin(), names.end(), [](std::string_view name) {
    return name.find_first_of("\"\\") == std::string_view::npos;
  });
  std::size_t bytes = 0;
  for (const std::string& name : added->names) bytes += sizeof name + name.size();
  if (lists_.size() >= lists_max_ || bytes_ + bytes > names_bytes_max) {
    lists_.clear();
    bytes_ = 0;
    ++restarts_;
  }
  bytes_ += bytes;
  return lists_.emplace(hash, std::move(added))->second.get();
}

std::string_view as_category(const FeatureValue& value, std::string& scratch) {
  if (value.kind == ValueKind::missing) return {};
  if (!value.text.empty() || value.kind == ValueKind::text) return value.text;
  scratch.clear();
  append_double(scratch, value.number);
  return scratch;
}

}  // namespace outrider::decode
