// SPDX-License-Identifier: Apache-2.0
#pragma once

// What senders say of metric families: type, unit and help. Bounded; thread-safe; O(log n).

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "agent/series/series_sink.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

struct MetricFamily {
  series::MetricKind kind = series::MetricKind::unknown;
  std::string unit;
  std::string help;
  bool operator==(const MetricFamily&) const = default;
};

std::string_view to_string(series::MetricKind kind);
series::MetricKind kind_of(std::uint8_t wire_type);

// The family of a series, by its name and kind: a histogram's `x_bucket` is of the family `x`.
std::string_view family_of(std::string_view metric, series::MetricKind kind);

class Families {
 public:
  struct Limits {
    std::size_t families_max = 20'000;
    std::size_t name_bytes_max = 1024;
    std::size_t help_bytes_max = 1024;  // Longer help is cut.
  };
  explicit Families(const Limits& limits) : limits_(limits) {}

  enum class Outcome : std::uint8_t {
    unchanged,
    changed,
    refused
  };  // refused: no room, or no name.
  Outcome set(std::string_view family, const remote_write::WireMetadata& metadata);

  // Of the family itself, or of the one that a part of a histogram or summary belongs to.
  std::optional<MetricFamily> find(std::string_view metric) const;
  std::size_t size() const;

 private:
  const Limits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, MetricFamily, std::less<>> families_;
};

}  // namespace outrider::ingest
