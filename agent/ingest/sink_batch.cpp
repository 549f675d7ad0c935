// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/sink_batch.h"

#include <span>

namespace outrider::ingest {
namespace {

constexpr std::size_t chunk_series = 256;     // Handed on at once.
constexpr std::size_t chunk_histograms = 64;  // Decoded at once.

}  // namespace

SinkBatch::SinkBatch(series::SeriesSink* sink, std::size_t partition)
    : sink_(sink), partition_(partition), arrays_(chunk_histograms) {
  incoming_.reserve(chunk_series);
  decoded_.reserve(chunk_histograms);
}

void SinkBatch::add(const series::IncomingSeries& incoming) {
  if (!sink_) return;
  if (incoming_.size() == chunk_series) flush();
  incoming_.push_back(incoming);
  has_new_ = has_new_ || incoming.is_new;
}

Result<NativeHistogram> SinkBatch::decode(std::string_view encoded) {
  // Room for both: a flush between decoding and adding would let go of what was decoded.
  if (decoded_.size() == chunk_histograms || incoming_.size() == chunk_series) flush();
  return remote_write::decode_histogram(encoded, arrays_[decoded_.size()]);
}

void SinkBatch::add(series::IncomingSeries incoming, const NativeHistogram& decoded) {
  if (!sink_) return;
  decoded_.push_back(decoded);
  incoming.histograms = std::span(&decoded_.back(), 1);
  add(incoming);
}

void SinkBatch::flush() {
  if (sink_ && !incoming_.empty()) sink_->take(partition_, incoming_);
  incoming_.clear();
  decoded_.clear();
  has_new_ = false;
}

void SinkBatch::forget(std::uint32_t slot) {
  flush();
  if (sink_) sink_->forget(partition_, slot);
}

}  // namespace outrider::ingest
