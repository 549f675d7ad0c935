// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where received samples go: the interface between ingest (which decodes, checks and remembers
// which series there are) and whoever scores them. PURE.
//
//   class Scorer final : public SeriesSink {
//     void take(std::size_t partition, std::span<const IncomingSeries> series) override {
//       for (const IncomingSeries& one : series) {
//         State& state = states_[partition].at(one.slot);             // a dense array: no look-up
//         if (one.is_new) state = begin(one.fingerprint, one.labels);  // or what a snapshot kept of it
//         for (const Sample& sample : one.samples) state.observe(sample);
//       }
//     }
//   };
//
// Slots. Ingest numbers the series of a partition densely from 0: a slot belongs to one series
// until `forget` says that the series is gone; then the number is used again. A fingerprint belongs
// to the labels alone: it is the same in every run, version of the protocol and partition, so it is
// the key of what is kept on disk.
//
// Threads. Calls with the same partition never overlap; calls with different partitions may. A
// series always comes to the same partition. `take` is on the path of a write request: it must not
// block, and what it keeps it must copy, as every view ends with the call.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/core/label_view.h"
#include "base/core/native_histogram.h"
#include "base/core/series.h"

namespace outrider::series {

// 128 bits of XXH3 over the labels, sorted by name, in the encoding of remote write 1.0. Two label
// sets share one with a probability of 2^-128: below that of a bit that flips in memory.
struct Fingerprint {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Fingerprint&) const = default;
};

enum class MetricKind : std::uint8_t {
  unknown,
  counter,
  gauge,
  histogram,
  gauge_histogram,
  summary,
  info,
  stateset,
};

struct IncomingSeries {
  std::uint32_t slot = 0;
  bool is_new = false;  // The slot's first call: whatever it held is another's.
  MetricKind kind =
      MetricKind::unknown;  // As the sender's metadata has it; unknown is common in 1.0.
  Fingerprint fingerprint;
  // Sorted by name, none empty, with "__name__". Only when `is_new`: a known series' labels are
  // never parsed again. labels_of() of the SeriesDirectory has them at any time.
  std::span<const LabelView> labels;
  // In time order, each later than all before it. A staleness marker is a sample with the value
  // stale_nan_bits: test it with is_stale_marker(), as it is a NaN.
  std::span<const Sample> samples;
  // When the counter began to count, if the sender said so, else 0; milliseconds.
  std::int64_t start_timestamp_ms = 0;
  std::span<const NativeHistogram> histograms;  // In time order, as the samples.
};

class SeriesSink {
 public:
  virtual ~SeriesSink() = default;

  virtual void take(std::size_t partition, std::span<const IncomingSeries> series) = 0;

  // The slot's series is gone (idle too long, or made room for another).
  virtual void forget(std::size_t partition, std::uint32_t slot) = 0;

  // What is said of a family: in 1.0 apart from its series, by the family's name
  // ("http_requests_total", "latency_seconds" of the series latency_seconds_bucket). Called when it
  // is new or changes, from any thread, beside `take`.
  virtual void take_metadata(std::string_view family, MetricKind kind) = 0;

  // True: write requests are answered 503 with Retry-After before anything of them is stored. From
  // any thread; cheap.
  virtual bool under_pressure() const { return false; }
};

// Who knows the labels of a slot.
class SeriesDirectory {
 public:
  virtual ~SeriesDirectory() = default;
  // Within `take` or `forget` only, and only of their partition. O(labels).
  virtual Labels labels_of(std::size_t partition, std::uint32_t slot) const = 0;
};

}  // namespace outrider::series
