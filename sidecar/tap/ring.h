// SPDX-License-Identifier: Apache-2.0
#pragma once

// A single-producer, single-consumer byte ring of whole exchanges in shared memory, and the counts
// of what became of them.
//
// The producer (a data thread of the proxy) reserves, copies and commits by a release store of its
// write position; it never waits: no room means false, which the caller counts as dropped.
//
// The consumer (the monitor) marks a record before it lends it out. Disposing of it advances the
// read position and the counts in one step: both lie in one of two copies of ReaderState, and the
// step is the store that says which copy holds. So a reader killed at any instruction leaves either
// the state before or the state after, and
//   seen = analysed + skipped + failed
// holds in every state that can be observed. A successor that finds the mark of its predecessor on
// the record at hand counts that one as failed{poisoned} and passes over it.
//
// A reader trusts nothing it finds: sizes are checked against what was committed. A record that
// cannot be right makes the reader pass over everything that is committed; the records lost so are
// counted as failed{poisoned} too (the producer counts its commits), so the balance holds even
// then.
//
// Format of a record: RecordHeader, then its parts (byte strings), padded to 16 bytes; a record
// never wraps: a filler header (size only) covers the rest up to the ring's end. Positions only
// grow. What changes the format raises layout_version (memory_file.h), by which a reader of another
// build is refused.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sidecar/tap/counters.h"
#include "sidecar/tap/exchange.h"

namespace outrider::tap {

// The byte strings of a record, in this order.
enum class Part : std::uint8_t {
  request_head,
  request_body,
  response_head,
  response_body,
  response_trailers,
  marks,  // Whole ArrivalMarks.
};
inline constexpr std::size_t part_count = 6;

struct RecordHeader {
  std::uint32_t bytes = 0;  // Of the whole record with padding.
  std::uint32_t kind = 0;   // record_kind, or filler_kind.
  std::array<std::uint32_t, part_count> lengths{};
  std::int64_t started_ns = 0, duration_ns = 0;
  // Gaps: of the request's body, of the response's, of the marks (in marks).
  std::array<std::uint64_t, 3> gap_bytes{};
  std::array<std::uint32_t, 3> gap_at{};
  std::int32_t status = 0;
  std::int32_t grpc_status = no_grpc_status;
  std::uint8_t outcome = 0;
  std::uint8_t protocol = 0;
  PredictionId id{};
};
// Another size is another format: then raise layout_version.
static_assert(sizeof(RecordHeader) == 136);
inline constexpr std::uint32_t record_kind = 0x4F585245, filler_kind = 0x46494C4C;
inline constexpr std::size_t record_alignment = 16;
inline constexpr std::size_t record_bytes_limit = UINT32_MAX / record_alignment * record_alignment;

// What the consumer knows; two copies of it lie in the memory file.
struct ReaderState {
  std::uint64_t position = 0;  // Of the next record to read.
  std::uint64_t records = 0;   // Passed over so far, in whatever way; without fillers.
  std::uint64_t seen = 0, analysed = 0;
  std::array<std::uint64_t, skip_reason_count> skipped{};
  std::array<std::uint64_t, 32> failed{};  // By FailReason; room for more reasons.

  void count(Disposal disposal);
};
static_assert(fail_reason_count <= 32);

// The control words of one ring, each side's on cache lines of its own.
struct RingControl {
  alignas(64) std::atomic<std::uint64_t> write_position{0};
  std::atomic<std::uint64_t> commits{0};  // Twice the records committed; odd during a commit.
  alignas(64) std::atomic<std::uint64_t> read_position{0};  // A copy for the producer.
  alignas(64) std::atomic<std::uint64_t> version{0};        // states[version % 2] holds.
  std::atomic<std::uint64_t> mark{0};  // Position + 1 of the record at hand; 0: none.
  alignas(
      64) std::array<std::array<std::atomic<std::uint64_t>, sizeof(ReaderState) / 8>, 2> states{};
};

using RecordLengths = std::array<std::uint32_t, part_count>;

// A consistent copy of the consumer's state; any thread of any process may ask.
ReaderState read_state(const RingControl& control);
// Makes `state` the one that holds, in one step. The consumer alone.
void publish_state(RingControl& control, const ReaderState& state);

// The producer's end. One thread. `bytes` is a multiple of record_alignment.
class RingWriter {
 public:
  RingWriter(RingControl& control, std::span<std::byte> bytes);
  bool write(const Exchange& exchange);  // False: no room.
  // The same with the bytes gathered from pieces: `lengths` of the parts, whose bytes are the
  // pieces one after another. The views in `exchange` are ignored.
  bool write(const Exchange& exchange, const RecordLengths& lengths,
             std::span<const std::string_view> pieces);

  // Longer records than this are refused for good.
  std::size_t record_bytes_max() const { return std::min(bytes_.size() / 2, record_bytes_limit); }
  std::size_t parts_bytes_max() const;  // The same of its parts alone, all in all.

 private:
  void put_filler(std::size_t bytes);
  void commit();
  bool has_room(std::uint64_t position, std::size_t wanted);

  RingControl& control_;
  std::span<std::byte> bytes_;
  // The producer's own words are kept here and only shown in the control: a consumer gone mad may
  // write over them there.
  std::uint64_t position_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t read_position_ = 0;  // As last seen; refreshed when it looks full.
};

// The consumer's end. One thread of one process.
class RingReader {
 public:
  RingReader(RingControl& control, std::span<const std::byte> bytes);
  const Exchange* next();
  void dispose(Disposal disposal);
  bool had_poisoned() const { return had_poisoned_; }

 private:
  bool read_record();
  bool lend(std::span<const std::byte> record);
  void pass_over_all();
  void publish();

  RingControl& control_;
  std::span<const std::byte> bytes_;
  ReaderState state_;
  std::uint64_t write_position_;  // As last seen; refreshed when all before it is read.
  std::uint64_t record_end_ = 0;  // Position after the record at hand.
  bool lent_ = false;
  bool had_poisoned_ = false;
  Exchange exchange_;
};

}  // namespace outrider::tap
