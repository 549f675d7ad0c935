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
//   capture.response_body(bytes, since_start);          // leaves an arrival mark
//   capture.finish(ended);                              // to the ring; counts exactly one thing
//
// HTTP/2 has its heads as decoded fields; they are written down as HTTP/1.1 writes them:
//
//   capture.request_line("POST", "/service/Method", authority); capture.request_field(name, value);
//   … capture.end_request_head(); capture.response_status(200); capture.response_field(…); …
//   capture.trailer("grpc-status", "0");
//
// A body that is a stream (stream_request(), stream_response(), before its first byte) may be of
// any length: its first stream_head_bytes and about as much of its end are kept, and the gap
// between is said. Of arrival marks, too, the first and the last are kept: at most
// arrival_marks_max.
//
// A request that is refused half-way (its chunks turn out malformed) was no exchange: abandon().
//
// One thread. O(bytes), no allocation once the blocks that traffic needs exist; but one for the end
// of a stream, and one for marks behind the first.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sidecar/tap/memory_file.h"

namespace outrider::tap {

// Of a stream's beginning; of its end as much, less up to one block.
inline constexpr std::size_t stream_head_bytes = 64 << 10;
inline constexpr std::size_t trailers_bytes_max = 16 << 10;  // Fields past it are left out.

// Whether a response of this Content-Type is a stream that may be of any length: server-sent
// events.
bool is_stream_type(std::string_view content_type);

// Blocks of memory, cut from pages that are allocated when first needed and kept, never more than
// the budget. A page is one large block or 32 small ones: a call that waits holds a head and a
// message, which are a few hundred bytes. Small ones have at most a quarter of the pages, so that
// many of them leave room for large ones; past that a large one is lent.
class BlockBudget {
 public:
  struct Block {
    Block* next = nullptr;
    std::uint32_t used = 0, capacity = 0;  // Of the bytes that follow.
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
    const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
    std::size_t room() const { return capacity - used; }
  };
  static constexpr std::size_t page_bytes = 4096, small_bytes = 128;
  static constexpr std::size_t large = page_bytes - sizeof(Block);  // Capacities.
  static constexpr std::size_t small = small_bytes - sizeof(Block);

  explicit BlockBudget(std::size_t bytes_max) : pages_max_(bytes_max / page_bytes) {}
  // A small one where two are enough for `wanted`; nullptr when the budget is spent.
  Block* take(std::size_t wanted);
  void give_back(Block* chain);
  std::size_t bytes_used() const { return bytes_used_; }

 private:
  bool add_page(std::size_t block_bytes);

  const std::size_t pages_max_;
  std::size_t bytes_used_ = 0, small_pages_ = 0;
  Block* free_small_ = nullptr;
  Block* free_large_ = nullptr;
  std::vector<std::unique_ptr<std::byte[]>> pages_;
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
  const std::size_t exchange_bytes_max_;
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

  void request_head(std::string_view bytes) {
    append(request_, Part::request_head, bytes, SIZE_MAX);
  }
  void request_body(std::string_view bytes) {
    request_.is_stream
        ? append_stream(request_, Part::request_body, bytes, stream_limits)
        : append(request_, Part::request_body, bytes, tap_.settings_.request_body_bytes_max);
  }
  void response_head(std::string_view bytes) {
    append(response_, Part::response_head, bytes, SIZE_MAX);
  }
  // `since_start`: from the request's first byte until these came.
  void response_body(std::string_view bytes, Duration since_start) {
    mark(bytes, since_start);
    response_.is_stream
        ? append_stream(response_, Part::response_body, bytes, stream_limits)
        : append(response_, Part::response_body, bytes, tap_.settings_.response_body_bytes_max);
  }
  void stream_request() { request_.is_stream = true; }
  void stream_response() { response_.is_stream = true; }

  // Heads as fields. Names and values as RFC 9113 allows them: no CR, LF or NUL.
  void request_line(std::string_view method, std::string_view target, std::string_view authority);
  void response_status(int status);
  void request_field(std::string_view name, std::string_view value) {
    append_field(request_, Part::request_head, name, value);
  }
  void response_field(std::string_view name, std::string_view value) {
    append_field(response_, Part::response_head, name, value);
  }
  void end_request_head() { request_head("\r\n"); }
  void end_response_head() { response_head("\r\n"); }
  void trailer(std::string_view name, std::string_view value);

  struct Ending {
    PredictionId id{};
    Time started{};
    Duration duration{};
    int status = 0;
    Outcome outcome = Outcome::success;
    Protocol protocol = Protocol::http1;
    int grpc_status = no_grpc_status;
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
  // The end of what is too long, and what was left out before it.
  struct Tail {
    Chain chain;
    std::uint32_t blocks = 0;
    Gap gap;
  };
  // Parts that follow one another. Hardly any side has a tail, and none but those has room for it.
  struct Side {
    Chain head;
    std::unique_ptr<Tail> tail;
    std::uint16_t small_blocks = 0;
    bool is_stream = false;

    Gap gap() const { return tail == nullptr ? Gap{} : tail->gap; }
  };
  struct StreamLimits {
    std::size_t head_bytes, tail_blocks;
  };
  static constexpr std::size_t small_blocks_max = 16;  // Of a side; what is longer has large ones.
  static constexpr StreamLimits stream_limits{stream_head_bytes, 16};
  static constexpr StreamLimits mark_limits{BlockBudget::large, 2};
  static_assert(BlockBudget::large % sizeof(ArrivalMark) == 0);
  static_assert(BlockBudget::small % sizeof(ArrivalMark) == 0);

  std::uint32_t& length(Part part) { return lengths_[static_cast<std::size_t>(part)]; }
  void append(Side& side, Part part, std::string_view bytes, std::uint64_t part_max);
  void append_field(Side& side, Part part, std::string_view name, std::string_view value);
  void append_stream(Side& side, Part part, std::string_view bytes, const StreamLimits& limits);
  void mark(std::string_view bytes, Duration since_start);
  bool lengthen(Part part, std::size_t bytes, std::uint64_t part_max);
  bool put(Side& side, std::string_view bytes);
  static Chain& open_end(Side& side) { return side.tail == nullptr ? side.head : side.tail->chain; }
  BlockBudget::Block* add_block(Chain& chain, std::size_t wanted);
  bool make_room(Side& side, Chain& chain, std::size_t wanted);
  bool make_room_in_tail(Tail& tail, Part part, const StreamLimits& limits);
  void drop(DropReason reason);
  void release();
  void give_back(Side& side);
  bool write(const Ending& ending);

  Tap& tap_;
  State state_ = State::idle;
  SkipReason skip_reason_{};
  DropReason drop_reason_{};
  RecordLengths lengths_{};
  std::uint32_t bytes_ = 0;  // Of all parts.
  Side request_, response_;
  // Most exchanges have one mark, and no room for those that follow.
  ArrivalMark first_mark_;
  std::unique_ptr<Side> marks_;
  std::int64_t last_mark_ = -1;  // Its time.
};

// The first one, those of a block, and of one block to two at the end.
inline constexpr std::size_t arrival_marks_max = 1 + 3 * BlockBudget::large / sizeof(ArrivalMark);

}  // namespace outrider::tap
