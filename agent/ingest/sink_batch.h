// SPDX-License-Identifier: Apache-2.0
#pragma once

// What waits to be handed to a partition's sink: series with their samples, and the histograms that
// they look into. The sink may be none; then nothing waits. PURE, not thread-safe.
//
//   batch.add(incoming);                            // Its views must last until flush().
//   const auto histogram = batch.decode(encoded);   // Makes room for it, so flushes perhaps.
//   if (histogram && …) batch.add(incoming, *histogram);
//   batch.flush();

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/series/series_sink.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

class SinkBatch {
 public:
  SinkBatch(series::SeriesSink* sink, std::size_t partition);
  SinkBatch(const SinkBatch&) = delete;
  SinkBatch& operator=(const SinkBatch&) = delete;

  series::SeriesSink* sink() const { return sink_; }

  void add(const series::IncomingSeries& incoming);
  Result<NativeHistogram> decode(std::string_view encoded);
  // Of the last decode().
  void add(series::IncomingSeries incoming, const NativeHistogram& decoded);

  // Whether a new series waits, whose labels the next one overwrites.
  bool has_new() const { return has_new_; }
  void flush();
  // Flushes first: the sink must not be given a sample of a slot after it was told that it is gone.
  void forget(std::uint32_t slot);

 private:
  series::SeriesSink* const sink_;
  const std::size_t partition_;
  std::vector<series::IncomingSeries> incoming_;
  bool has_new_ = false;
  std::vector<remote_write::HistogramArrays> arrays_;
  std::vector<NativeHistogram> decoded_;  // Never grows past its capacity: it is looked into.
};

}  // namespace outrider::ingest
