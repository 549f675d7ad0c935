// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one memory file that the proxy and the monitor share (memfd): a header, the monitor's own
// counts, and for each data thread a lane: ring control, counters, counters by model, ring bytes.
//
// The proxy creates it; the monitor, a child, inherits the file descriptor and attaches. Attaching
// checks magic, layout version, sizes and the file's length, and refuses what does not fit: the two
// processes may be of different builds for an instant during an upgrade in place. The version is
// that of everything in the file, the ring's records (ring.h) too; its place in the header is the
// same in every version, so that a refusal names both.
//
//   auto file = MemoryFile::create({.lanes = 1, .ring_bytes = 24 << 20});
//   auto same = MemoryFile::attach(file->descriptor());          // in the other process
//
// Thread-safe: everything in it is atomic and has one writer.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "base/core/result.h"
#include "sidecar/tap/capture_settings.h"
#include "sidecar/tap/counters.h"
#include "sidecar/tap/model_counters.h"
#include "sidecar/tap/ring.h"

namespace outrider::tap {

inline constexpr std::uint32_t layout_version = 8;
inline constexpr std::size_t lanes_max = 64;

// The compiled capture settings under a sequence lock: one writer (the monitor), any reader. A
// reader that meets a write keeps what it has, and never waits.
class SettingsCell {
 public:
  void publish(const CompiledCapture& capture);
  // Copies the settings into `capture` when they are newer than `seen_version`, which it then
  // advances.
  bool refresh(std::uint64_t& seen_version, CompiledCapture& capture) const;

 private:
  static constexpr std::size_t words = (sizeof(CompiledCapture) + 7) / 8;
  std::atomic<std::uint64_t> version_{0};  // Odd during a write; 0: never published.
  std::array<std::atomic<std::uint64_t>, words> cells_{};
};

// What the two processes tell each other about themselves.
struct ProcessCells {
  Counter proxy_ready;  // 1 while the proxy takes new requests.
  Counter
      monitor_ready;  // 1 while the admin port listens; the proxy resets it when the monitor dies.
  Counter monitor_port;      // The admin port that was bound.
  Counter monitor_restarts;  // Written by the proxy.
  Counter monitor_hangs;     // The same: restarts of one that was alive but did nothing.
  Counter monitor_beats;     // Written by the monitor, each time it has looked for exchanges.
  Counter upstream_lookups, upstream_lookup_failures;  // Of the upstream's name, after the start.
  Counter http2_on;                                    // 1 where HTTP/2 is passed on.
  std::array<Counter, 2> tls_on;                       // By tls::Side: 1 where TLS is spoken.
  // Unix seconds at which our certificate ends, by tls::Side; 0: there is none.
  std::array<Counter, 2> tls_expiry;
  Counter tls_reloads, tls_reload_failures;  // Of certificates, after the start.
  Counter capture_bytes_max;                 // The limits in force, for the metrics.
  Counter ring_bytes;
};

struct Lane {
  RingControl ring;
  alignas(64) ProxyCounters counters;
};

class MemoryFile {
 public:
  struct Size {
    std::size_t lanes = 1;
    std::size_t ring_bytes = 24 << 20;      // Of each lane; rounded down to whole pages.
    std::size_t models = models_max_usual;  // Slots for names, besides "unknown" and "other".
    std::vector<double> latency_bounds{std::begin(latency_bounds_usual),
                                       std::end(latency_bounds_usual)};
  };
  // Errors: "memory_file".
  static Result<MemoryFile> create(Size size);
  static Result<MemoryFile> attach(int descriptor);

  MemoryFile(MemoryFile&& other) noexcept;
  MemoryFile& operator=(MemoryFile&& other) noexcept;
  ~MemoryFile();

  int descriptor() const { return descriptor_; }
  std::size_t lane_count() const { return lanes_.size(); }
  Lane& lane(std::size_t index) const { return *lanes_[index]; }
  std::span<std::byte> ring_bytes(std::size_t index) const { return rings_[index]; }
  std::span<ModelCounters> models(std::size_t lane) const { return models_[lane]; }
  // Upper bounds of the buckets of requests' duration, in seconds; ascending, fixed at creation.
  std::span<const double> latency_bounds() const;
  SettingsCell& capture_settings() const;
  ProcessCells& processes() const;
  RingControl& posted() const;  // Only its ReaderState is used: exchanges that were posted.

 private:
  MemoryFile() = default;
  struct Header;
  struct Shape;
  void point_into(const Shape& shape);

  int descriptor_ = -1;
  std::span<std::byte> bytes_;
  std::vector<Lane*> lanes_;
  std::vector<std::span<ModelCounters>> models_;
  std::vector<std::span<std::byte>> rings_;
};

// Counts exchanges that came by POST /api/v1/exchanges. One thread of one process.
class PostedCounts {
 public:
  explicit PostedCounts(MemoryFile& file);
  void count(Disposal disposal);

 private:
  RingControl& control_;
  ReaderState state_;
};

// The monitor's end of all lanes, taken in turns.
class RingSource final : public ExchangeSource {
 public:
  explicit RingSource(MemoryFile& file);
  const Exchange* next() override;
  void dispose(Disposal disposal) override;

 private:
  std::vector<RingReader> readers_;
  std::size_t current_ = 0;
};

// All counts of exchanges, of all lanes and posted ones, taken so that the balance holds exactly.
struct ExchangeCounts {
  std::uint64_t seen = 0, analysed = 0;
  std::array<std::uint64_t, skip_reason_count> skipped{};
  std::array<std::uint64_t, drop_reason_count> dropped{};
  std::array<std::uint64_t, fail_reason_count> failed{};
  std::uint64_t waiting = 0;  // Committed to a ring and not yet disposed of; not part of `seen`.
};
ExchangeCounts count_exchanges(const MemoryFile& file);

}  // namespace outrider::tap
