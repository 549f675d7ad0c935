// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/capture.h"

#include <algorithm>
#include <cstring>

namespace outrider::tap {

BlockBudget::Block* BlockBudget::take() {
  if (used_ == blocks_max_) return nullptr;
  ++used_;
  if (free_ == nullptr) {
    all_.push_back(std::make_unique_for_overwrite<Block>());
    free_ = all_.back().get();
    free_->next = nullptr;
  }
  Block* block = free_;
  free_ = block->next;
  block->next = nullptr;
  block->used = 0;
  return block;
}

void BlockBudget::give_back(Block* chain) {
  while (chain != nullptr) {
    Block* next = chain->next;
    chain->next = free_;
    free_ = chain;
    --used_;
    chain = next;
  }
}

Tap::Tap(MemoryFile& file, std::size_t lane, std::size_t capture_bytes_max, bool enabled)
    : settings_cell_(file.capture_settings()),
      counters_(file.lane(lane).counters),
      blocks_(capture_bytes_max),
      writer_(file.lane(lane).ring, file.ring_bytes(lane)),
      enabled_(enabled) {
  settings_ = *compile({});
}

void Capture::begin(std::string_view method, std::string_view target, std::string_view key) {
  abandon();
  if (!tap_.enabled_) return;
  tap_.refresh_settings();
  state_ = State::skipped;
  if (!matches(tap_.settings_, method, target)) {
    skip_reason_ = SkipReason::not_matched;
  } else if (!is_sampled(tap_.settings_, key)) {
    skip_reason_ = SkipReason::sampled_out;
  } else {
    state_ = State::capturing;
    request_body_max_ = tap_.settings_.request_body_bytes_max;
    response_body_max_ = tap_.settings_.response_body_bytes_max;
  }
}

void Capture::append(Chain& chain, std::size_t part, std::string_view bytes,
                     std::uint64_t part_max) {
  if (state_ != State::capturing || bytes.empty()) return;
  lengths_[part] += bytes.size();
  if (lengths_[part] > part_max ||
      RingWriter::record_bytes(lengths_) > tap_.writer_.record_bytes_max())
    return drop(DropReason::too_large);
  while (!bytes.empty()) {
    if (chain.last == nullptr || chain.last->used == BlockBudget::Block::capacity) {
      BlockBudget::Block* block = tap_.blocks_.take();
      if (block == nullptr) return drop(DropReason::capture_full);
      tap_.show_usage();
      (chain.last == nullptr ? chain.first : chain.last->next) = block;
      chain.last = block;
    }
    const std::size_t n = std::min(bytes.size(), BlockBudget::Block::capacity - chain.last->used);
    std::memcpy(chain.last->bytes + chain.last->used, bytes.data(), n);
    chain.last->used += n;
    bytes.remove_prefix(n);
  }
}

void Capture::drop(DropReason reason) {
  release();
  state_ = State::dropped;
  drop_reason_ = reason;
}

void Capture::release() {
  tap_.blocks_.give_back(request_.first);
  tap_.blocks_.give_back(response_.first);
  request_ = response_ = {};
  lengths_ = {};
  tap_.show_usage();
}

bool Capture::write(const Ending& ending) {
  Exchange exchange;
  exchange.id = ending.id;
  exchange.started = ending.started;
  exchange.duration = ending.duration;
  exchange.status = ending.status;
  exchange.outcome = ending.outcome;
  auto& pieces = tap_.pieces_;
  pieces.clear();
  for (const Chain* chain : {&request_, &response_})
    for (const BlockBudget::Block* block = chain->first; block != nullptr; block = block->next)
      pieces.emplace_back(block->bytes, block->used);
  return tap_.writer_.write(exchange, lengths_, pieces);
}

void Capture::finish(const Ending& ending) {
  if (state_ == State::capturing && !write(ending)) drop(DropReason::ring_full);
  ProxyCounters& counters = tap_.counters_;
  if (state_ == State::skipped)
    counters.exchanges_skipped[static_cast<std::size_t>(skip_reason_)].add();
  if (state_ == State::dropped)
    counters.exchanges_dropped[static_cast<std::size_t>(drop_reason_)].add();
  abandon();
}

void Capture::skip(SkipReason reason) {
  if (state_ == State::idle || state_ == State::skipped) return;
  abandon();
  state_ = State::skipped;
  skip_reason_ = reason;
}

void Capture::abandon() {
  if (state_ == State::capturing) release();
  state_ = State::idle;
}

}  // namespace outrider::tap
