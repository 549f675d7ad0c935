// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/capture.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/core/text.h"

namespace outrider::tap {

bool BlockBudget::add_page(std::size_t block_bytes) {
  const bool is_small = block_bytes == small_bytes;
  if (pages_.size() == pages_max_ || (is_small && small_pages_ == pages_max_ / 4)) return false;
  std::byte* page =
      pages_.emplace_back(std::make_unique_for_overwrite<std::byte[]>(page_bytes)).get();
  if (is_small) ++small_pages_;
  Block*& free = is_small ? free_small_ : free_large_;
  for (std::size_t at = page_bytes; at != 0; at -= block_bytes) {
    const auto capacity = static_cast<std::uint32_t>(block_bytes - sizeof(Block));
    free = new (page + at - block_bytes) Block{free, 0, capacity};
  }
  return true;
}

BlockBudget::Block* BlockBudget::take(std::size_t wanted) {
  const bool is_small = wanted <= 2 * small && (free_small_ != nullptr || add_page(small_bytes));
  Block*& free = is_small ? free_small_ : free_large_;
  if (free == nullptr && !add_page(page_bytes)) return nullptr;
  Block* block = std::exchange(free, free->next);
  bytes_used_ += sizeof(Block) + block->capacity;
  block->next = nullptr;
  block->used = 0;
  return block;
}

void BlockBudget::give_back(Block* chain) {
  while (chain != nullptr) {
    Block* next = chain->next;
    Block*& free = chain->capacity == small ? free_small_ : free_large_;
    chain->next = std::exchange(free, chain);
    bytes_used_ -= sizeof(Block) + chain->capacity;
    chain = next;
  }
}

Tap::Tap(MemoryFile& file, std::size_t lane, std::size_t capture_bytes_max, bool enabled)
    : settings_cell_(file.capture_settings()),
      counters_(file.lane(lane).counters),
      blocks_(capture_bytes_max),
      writer_(file.lane(lane).ring, file.ring_bytes(lane)),
      exchange_bytes_max_(writer_.parts_bytes_max()),
      enabled_(enabled) {
  settings_ = *compile({});
}

bool is_stream_type(std::string_view content_type) {
  constexpr std::string_view events = "text/event-stream";
  const std::string_view media = trim(content_type.substr(0, content_type.find(';')));
  return media.size() == events.size() && iequals_ascii(media, events);
}

void Capture::begin(std::string_view method, std::string_view target, std::string_view key) {
  abandon();
  if (!tap_.enabled_) return;
  tap_.refresh_settings();
  request_.is_stream = response_.is_stream = false;
  state_ = State::skipped;
  if (!matches(tap_.settings_, method, target)) {
    skip_reason_ = SkipReason::not_matched;
  } else if (!is_sampled(tap_.settings_, key)) {
    skip_reason_ = SkipReason::sampled_out;
  } else {
    state_ = State::capturing;
  }
}

// False, and all is dropped, where a part becomes too long, or the whole longer than any record.
bool Capture::lengthen(Part part, std::size_t bytes, std::uint64_t part_max) {
  const std::uint64_t part_bytes = length(part) + std::uint64_t{bytes};
  if (part_bytes > part_max || bytes > tap_.exchange_bytes_max_ - bytes_) {
    drop(DropReason::too_large);
    return false;
  }
  length(part) = static_cast<std::uint32_t>(part_bytes);
  bytes_ += static_cast<std::uint32_t>(bytes);
  return true;
}

// Null, and all is dropped, when the budget is spent.
BlockBudget::Block* Capture::add_block(Chain& chain, std::size_t wanted) {
  BlockBudget::Block* block = tap_.blocks_.take(wanted);
  if (block == nullptr) {
    drop(DropReason::capture_full);
    return nullptr;
  }
  tap_.show_usage();
  (chain.last == nullptr ? chain.first : chain.last->next) = block;
  chain.last = block;
  return block;
}

// The beginning of a side lies in small blocks as long as it comes in small pieces.
bool Capture::make_room(Side& side, Chain& chain, std::size_t wanted) {
  if (chain.last != nullptr && chain.last->room() != 0) return true;
  const bool may_be_small = &chain == &side.head && side.small_blocks < small_blocks_max;
  if (may_be_small) ++side.small_blocks;
  return add_block(chain, may_be_small ? wanted : BlockBudget::large) != nullptr;
}

void Capture::append(Side& side, Part part, std::string_view bytes, std::uint64_t part_max) {
  if (state_ != State::capturing || bytes.empty()) return;
  if (lengthen(part, bytes.size(), part_max)) put(side, bytes);
}

// False, and all is dropped, when the budget is spent.
bool Capture::put(Side& side, std::string_view bytes) {
  // What follows a body with a tail follows the tail.
  Chain& chain = open_end(side);
  while (!bytes.empty()) {
    if (!make_room(side, chain, bytes.size())) return false;
    const std::size_t n = std::min(bytes.size(), chain.last->room());
    std::memcpy(chain.last->bytes() + chain.last->used, bytes.data(), n);
    chain.last->used += static_cast<std::uint32_t>(n);
    bytes.remove_prefix(n);
  }
  return true;
}

// In one piece where the block at hand has room for it.
void Capture::append_field(Side& side, Part part, std::string_view name, std::string_view value) {
  if (state_ != State::capturing) return;
  const std::size_t size = name.size() + value.size() + 4;
  if (!lengthen(part, size, SIZE_MAX)) return;
  BlockBudget::Block* block = open_end(side).last;
  if (block == nullptr || block->room() < size) {
    (void)(put(side, name) && put(side, ": ") && put(side, value) && put(side, "\r\n"));
    return;
  }
  char* out = block->bytes() + block->used;
  const auto add = [&out](std::string_view piece) {
    if (!piece.empty()) std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  };
  add(name);
  add(": ");
  add(value);
  add("\r\n");
  block->used += static_cast<std::uint32_t>(size);
}

void Capture::request_line(std::string_view method, std::string_view target,
                           std::string_view authority) {
  for (const std::string_view piece :
       {method, std::string_view(" "), target, std::string_view(" HTTP/1.1\r\n")})
    request_head(piece);
  request_field("host", authority);
}

void Capture::response_status(int status) {
  char line[] = "HTTP/1.1 000 \r\n";
  constexpr std::size_t digits_at = 9;
  for (int i = 2; i >= 0; --i, status /= 10)
    line[digits_at + static_cast<std::size_t>(i)] = static_cast<char>('0' + status % 10);
  response_head({line, sizeof line - 1});
}

void Capture::trailer(std::string_view name, std::string_view value) {
  constexpr std::size_t around = 4;  // ": " and CR LF.
  if (length(Part::response_trailers) + name.size() + value.size() + around > trailers_bytes_max)
    return;
  append_field(response_, Part::response_trailers, name, value);
}

// The beginning, then an end that rolls on: when it is full, its oldest block makes room.
void Capture::append_stream(Side& side, Part part, std::string_view bytes,
                            const StreamLimits& limits) {
  if (state_ != State::capturing || bytes.empty()) return;
  if (side.tail == nullptr) {
    const std::size_t left =
        limits.head_bytes - std::min<std::size_t>(limits.head_bytes, length(part));
    append(side, part, bytes.substr(0, left), SIZE_MAX);
    bytes.remove_prefix(std::min(left, bytes.size()));
    if (bytes.empty() || state_ != State::capturing) return;
    side.tail = std::make_unique<Tail>();
  }
  Tail& tail = *side.tail;
  while (!bytes.empty()) {
    const bool is_full = tail.chain.last == nullptr || tail.chain.last->room() == 0;
    if (is_full && !make_room_in_tail(tail, part, limits)) return;
    BlockBudget::Block& block = *tail.chain.last;
    const std::size_t n = std::min(bytes.size(), block.room());
    if (!lengthen(part, n, SIZE_MAX)) return;
    std::memcpy(block.bytes() + block.used, bytes.data(), n);
    block.used += static_cast<std::uint32_t>(n);
    bytes.remove_prefix(n);
  }
}

bool Capture::make_room_in_tail(Tail& tail, Part part, const StreamLimits& limits) {
  if (tail.blocks < limits.tail_blocks) {
    if (add_block(tail.chain, BlockBudget::large) == nullptr) return false;
    ++tail.blocks;
    return true;
  }
  BlockBudget::Block* oldest = tail.chain.first;
  tail.gap.at = limits.head_bytes;
  tail.gap.bytes += oldest->used;
  length(part) -= oldest->used;
  bytes_ -= oldest->used;
  tail.chain.first = oldest->next;
  oldest->next = nullptr;
  oldest->used = 0;
  tail.chain.last->next = oldest;
  tail.chain.last = oldest;
  return true;
}

// One for each turn in which bytes came.
void Capture::mark(std::string_view bytes, Duration since_start) {
  if (state_ != State::capturing || bytes.empty() || since_start.count() == last_mark_) return;
  last_mark_ = since_start.count();
  const ArrivalMark mark{length(Part::response_body) + response_.gap().bytes, last_mark_};
  if (length(Part::marks) == 0) {
    if (lengthen(Part::marks, sizeof mark, SIZE_MAX)) first_mark_ = mark;
    return;
  }
  if (marks_ == nullptr) marks_ = std::make_unique<Side>();
  // The first one counts as part of the beginning.
  const StreamLimits limits{mark_limits.head_bytes + sizeof first_mark_, mark_limits.tail_blocks};
  append_stream(*marks_, Part::marks, {reinterpret_cast<const char*>(&mark), sizeof mark}, limits);
}

void Capture::drop(DropReason reason) {
  release();
  state_ = State::dropped;
  drop_reason_ = reason;
}

void Capture::give_back(Side& side) {
  tap_.blocks_.give_back(side.head.first);
  if (side.tail != nullptr) tap_.blocks_.give_back(side.tail->chain.first);
  side = {};
}

void Capture::release() {
  give_back(request_);
  give_back(response_);
  if (marks_ != nullptr) give_back(*marks_);
  marks_.reset();
  lengths_ = {};
  bytes_ = 0;
  last_mark_ = -1;
  tap_.show_usage();
}

bool Capture::write(const Ending& ending) {
  Exchange exchange;
  exchange.id = ending.id;
  exchange.started = ending.started;
  exchange.duration = ending.duration;
  exchange.status = ending.status;
  exchange.outcome = ending.outcome;
  exchange.protocol = ending.protocol;
  exchange.grpc_status = ending.grpc_status;
  exchange.request_gap = request_.gap();
  exchange.response_gap = response_.gap();
  auto& pieces = tap_.pieces_;
  pieces.clear();
  const auto add_chain = [&pieces](const Chain& chain) {
    for (BlockBudget::Block* block = chain.first; block != nullptr; block = block->next)
      pieces.emplace_back(block->bytes(), block->used);
  };
  const auto add = [&add_chain](const Side& side) {
    add_chain(side.head);
    if (side.tail != nullptr) add_chain(side.tail->chain);
  };
  add(request_);
  add(response_);
  if (length(Part::marks) != 0)
    pieces.emplace_back(reinterpret_cast<const char*>(&first_mark_), sizeof first_mark_);
  if (marks_ != nullptr) {
    add(*marks_);
    const Gap gap = marks_->gap();
    exchange.marks_gap = {gap.bytes / sizeof(ArrivalMark), gap.at / sizeof(ArrivalMark)};
  }
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
