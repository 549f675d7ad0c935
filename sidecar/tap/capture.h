// SPDX-License-Identifier: Apache-2.0
#pragma once

// A Capture gathers the bytes of one exchange while they pass; the Tap of its data thread lends it
// blocks out of a fixed budget and writes the whole into the ring when the exchange has ended. All
// of an exchange is captured or nothing: what does not fit is dropped, counted by reason, and costs
// nothing from then on. Nothing here waits, and nothing that fails here is seen by the one who
// forwards.
//
//   capture.begin(tap, method, target, key);            // decides: matched, sampled
//   capture.request_head(bytes); capture.request_body(bytes); …
//   capture.finish(ended);                              // to the ring; counts exactly one thing
//
// A request that is refused half-way (its chunks turn out malformed) was no exchange: abandon().
//
// One thread. O(bytes), no allocation once the blocks that traffic needs exist.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sidecar/tap/memory_file.h"

namespace outrider::tap {

// Blocks of memory, allocated when first needed and kept, never more than the budget.
class BlockBudget {
 public:
  struct Block {
    static constexpr std::size_t capacity = 4096 - 16;
    Block* next = nullptr;
    std::size_t used = 0;
    char bytes[capacity];
  };

  explicit BlockBudget(std::size_t bytes_max) : blocks_max_(bytes_max / sizeof(Block)) {}
  Block* take();  // nullptr when the budget is spent.
  void give_back(Block* chain);
  std::size_t bytes_used() const { return used_ * sizeof(Block); }

 private:
  std::size_t blocks_max_, used_ = 0;
  Block* free_ = nullptr;
  std::vector<std::unique_ptr<Block>> all_;
};

// One data thread's end of the tap.
class Tap {
 public:
  // `enabled` false: nothing is captured and no exchange is counted.
  Tap(MemoryFile& file, std::size_t lane, std::size_t capture_bytes_max, bool enabled);

 private:
  friend class Capture;
  void show_usage() { counters_.capture_bytes.set(blocks_.bytes_used()); }
  void refresh_settings() { settings_cell_.refresh(settings_version_, settings_); }

  SettingsCell& settings_cell_;
  std::uint64_t settings_version_ = 0;
  CompiledCapture settings_;  // Until the monitor published any: everything is captured.
  ProxyCounters& counters_;
  BlockBudget blocks_;
  RingWriter writer_;
  std::vector<std::string_view> pieces_;
  bool enabled_;
};

class Capture {
 public:
  explicit Capture(Tap& tap) : tap_(tap) {}
  ~Capture() { abandon(); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // `key` decides sampling: see capture_settings.h.
  void begin(std::string_view method, std::string_view target, std::string_view key);

  void request_head(std::string_view bytes) { append(request_, 0, bytes, SIZE_MAX); }
  void request_body(std::string_view bytes) { append(request_, 1, bytes, request_body_max_); }
  void response_head(std::string_view bytes) { append(response_, 2, bytes, SIZE_MAX); }
  void response_body(std::string_view bytes) { append(response_, 3, bytes, response_body_max_); }

  struct Ending {
    PredictionId id{};
    Time started{};
    Duration duration{};
    int status = 0;
    Outcome outcome = Outcome::success;
  };
  void finish(const Ending& ending);
  void abandon();
  void skip(SkipReason reason);  // It is an exchange, but none to look at: a tunnel.

 private:
  enum class State : std::uint8_t { idle, capturing, skipped, dropped };
  struct Chain {
    BlockBudget::Block* first = nullptr;
    BlockBudget::Block* last = nullptr;
  };
  void append(Chain& chain, std::size_t part, std::string_view bytes, std::uint64_t part_max);
  void drop(DropReason reason);
  void release();
  bool write(const Ending& ending);

  Tap& tap_;
  State state_ = State::idle;
  SkipReason skip_reason_{};
  DropReason drop_reason_{};
  std::uint64_t request_body_max_ = 0, response_body_max_ = 0;
  RecordLengths lengths_{};
  Chain request_, response_;
};

}  // namespace outrider::tap
