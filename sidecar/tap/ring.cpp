// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/ring.h"

#include <cassert>
#include <cstring>
#include <iterator>

namespace outrider::tap {
namespace {

static_assert(sizeof(ReaderState) % 8 == 0);
constexpr std::size_t state_words = sizeof(ReaderState) / 8;

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + record_alignment - 1) / record_alignment * record_alignment;
}

ReaderState load_state(const RingControl& control, std::uint64_t version) {
  std::uint64_t words[state_words];
  const auto& cells = control.states[version % 2];
  for (std::size_t i = 0; i < state_words; ++i) words[i] = cells[i].load(std::memory_order_acquire);
  ReaderState state;
  std::memcpy(&state, words, sizeof state);
  return state;
}

}  // namespace

void ReaderState::count(Disposal disposal) {
  ++seen;
  switch (disposal.kind) {
    case Disposal::Kind::analysed:
      ++analysed;
      break;
    case Disposal::Kind::skipped:
      ++skipped[static_cast<std::size_t>(disposal.skip_reason)];
      break;
    case Disposal::Kind::failed:
      ++failed[static_cast<std::size_t>(disposal.fail_reason)];
      break;
  }
}

// The consumer writes the copy that does not hold, so a copy is torn only for an observer that was
// passed by a publication; it then sees the version changed and asks again. (Words are stored by
// release and loaded by acquire, so whoever sees a word of version n + 2 also sees version n + 1.)
ReaderState read_state(const RingControl& control) {
  for (;;) {
    const std::uint64_t version = control.version.load(std::memory_order_acquire);
    const ReaderState state = load_state(control, version);
    if (control.version.load(std::memory_order_acquire) == version) return state;
  }
}

void publish_state(RingControl& control, const ReaderState& state) {
  std::uint64_t words[state_words];
  std::memcpy(words, &state, sizeof words);
  const std::uint64_t version = control.version.load(std::memory_order_relaxed) + 1;
  auto& cells = control.states[version % 2];
  for (std::size_t i = 0; i < state_words; ++i) cells[i].store(words[i], std::memory_order_release);
  control.version.store(version, std::memory_order_release);
}

RingWriter::RingWriter(RingControl& control, std::span<std::byte> bytes)
    : control_(control),
      bytes_(bytes),
      position_(control.write_position.load(std::memory_order_relaxed)),
      commits_(control.commits.load(std::memory_order_relaxed)),
      read_position_(control.read_position.load(std::memory_order_acquire)) {
  assert(bytes.size() % record_alignment == 0);
}

std::size_t RingWriter::parts_bytes_max() const {
  const std::size_t whole = record_bytes_max() / record_alignment * record_alignment;
  return whole - std::min(whole, sizeof(RecordHeader));
}

bool RingWriter::has_room(std::uint64_t position, std::size_t wanted) {
  if (position + wanted - read_position_ <= bytes_.size()) return true;
  read_position_ = control_.read_position.load(std::memory_order_acquire);
  return position + wanted - read_position_ <= bytes_.size();
}

// A filler keeps records in one piece. Alignment leaves at least 16 bytes at the ring's end: room
// for the two words that a filler needs.
void RingWriter::put_filler(std::size_t bytes) {
  const std::uint32_t words[2] = {static_cast<std::uint32_t>(bytes), filler_kind};
  std::memcpy(bytes_.data() + position_ % bytes_.size(), words, sizeof words);
  position_ += bytes;
}

bool RingWriter::write(const Exchange& exchange) {
  const std::array<std::string_view, part_count> parts = {
      exchange.request_head,  exchange.request_body,      exchange.response_head,
      exchange.response_body, exchange.response_trailers, exchange.marks.bytes()};
  RecordLengths lengths;
  for (std::size_t i = 0; i < part_count; ++i) {
    if (parts[i].size() > record_bytes_limit) return false;
    lengths[i] = static_cast<std::uint32_t>(parts[i].size());
  }
  return write(exchange, lengths, parts);
}

bool RingWriter::write(const Exchange& exchange, const RecordLengths& lengths,
                       std::span<const std::string_view> pieces) {
  std::size_t wanted = sizeof(RecordHeader);
  for (const std::size_t length : lengths) wanted += length;
  wanted = aligned(wanted);
  if (wanted > record_bytes_max()) return false;
  const std::size_t to_end = bytes_.size() - position_ % bytes_.size();
  const std::size_t filler = to_end < wanted ? to_end : 0;
  if (!has_room(position_, filler + wanted)) return false;
  if (filler != 0) put_filler(filler);
  RecordHeader header;
  header.bytes = static_cast<std::uint32_t>(wanted);
  header.kind = record_kind;
  header.lengths = lengths;
  header.started_ns = exchange.started.time_since_epoch().count();
  header.duration_ns = exchange.duration.count();
  const Gap* const gaps[] = {&exchange.request_gap, &exchange.response_gap, &exchange.marks_gap};
  for (std::size_t i = 0; i < std::size(gaps); ++i) {
    header.gap_bytes[i] = gaps[i]->bytes;
    header.gap_at[i] = static_cast<std::uint32_t>(gaps[i]->at);
  }
  header.status = exchange.status;
  header.grpc_status = exchange.grpc_status;
  header.outcome = static_cast<std::uint8_t>(exchange.outcome);
  header.protocol = static_cast<std::uint8_t>(exchange.protocol);
  header.id = exchange.id;
  std::byte* out = bytes_.data() + position_ % bytes_.size();
  std::memcpy(out, &header, sizeof header);
  out += sizeof header;
  for (const std::string_view piece : pieces) {
    if (!piece.empty()) std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  }
  position_ += wanted;
  commit();
  return true;
}

// The count of commits is odd while the two words are being written, so that a reader can take both
// as one.
void RingWriter::commit() {
  control_.commits.store(++commits_, std::memory_order_release);
  control_.write_position.store(position_, std::memory_order_release);
  control_.commits.store(++commits_, std::memory_order_release);
}

RingReader::RingReader(RingControl& control, std::span<const std::byte> bytes)
    : control_(control),
      bytes_(bytes),
      state_(load_state(control, control.version.load(std::memory_order_acquire))),
      write_position_(state_.position) {
  control_.read_position.store(state_.position, std::memory_order_release);
  const std::uint64_t mark = control_.mark.load(std::memory_order_relaxed);
  if (mark == 0) return;
  // The predecessor died at this record, unless it had already disposed of it.
  if (mark == state_.position + 1 && read_record()) {
    had_poisoned_ = true;
    lent_ = true;
    dispose(Disposal::failed(FailReason::poisoned));
  }
  control_.mark.store(0, std::memory_order_relaxed);
}

// Makes the record at hand the exchange_; false when there is none.
bool RingReader::read_record() {
  for (;;) {
    if (write_position_ == state_.position)
      write_position_ = control_.write_position.load(std::memory_order_acquire);
    const std::uint64_t waiting = write_position_ - state_.position;
    if (waiting == 0) return false;
    const std::size_t offset = state_.position % bytes_.size();
    const std::size_t to_end = bytes_.size() - offset;
    std::uint32_t words[2] = {0, 0};
    if (offset % record_alignment == 0 && waiting <= bytes_.size())
      std::memcpy(words, bytes_.data() + offset, sizeof words);
    const std::size_t bytes = words[0];
    if (words[1] == filler_kind && bytes == to_end && bytes < waiting) {
      state_.position += bytes;
      continue;
    }
    if (words[1] == record_kind && bytes % record_alignment == 0 && bytes <= waiting &&
        bytes <= to_end && lend(bytes_.subspan(offset, bytes)))
      return true;
    pass_over_all();
    return false;
  }
}

// Views of a record's parts; false when its header contradicts its size or itself.
bool RingReader::lend(std::span<const std::byte> record) {
  RecordHeader header;
  if (record.size() < sizeof header) return false;
  std::memcpy(&header, record.data(), sizeof header);
  std::uint64_t sum = sizeof header;
  for (const std::uint32_t length : header.lengths) sum += length;
  if (sum > record.size() || header.outcome >= outcome_count || header.protocol >= protocol_count) {
    return false;
  }
  const char* in = reinterpret_cast<const char*>(record.data()) + sizeof header;
  std::string_view marks;
  std::string_view* const parts[] = {&exchange_.request_head,      &exchange_.request_body,
                                     &exchange_.response_head,     &exchange_.response_body,
                                     &exchange_.response_trailers, &marks};
  static_assert(std::size(parts) == part_count);
  for (std::size_t i = 0; i < header.lengths.size(); ++i) {
    *parts[i] = std::string_view(in, header.lengths[i]);
    in += header.lengths[i];
  }
  exchange_.marks = ArrivalMarks(marks);
  Gap* const gaps[] = {&exchange_.request_gap, &exchange_.response_gap, &exchange_.marks_gap};
  for (std::size_t i = 0; i < std::size(gaps); ++i)
    *gaps[i] = {header.gap_bytes[i], header.gap_at[i]};
  if (marks.size() % sizeof(ArrivalMark) != 0 ||
      exchange_.request_gap.at > exchange_.request_body.size() ||
      exchange_.response_gap.at > exchange_.response_body.size() ||
      exchange_.marks_gap.at > exchange_.marks.size()) {
    return false;
  }
  exchange_.id = header.id;
  exchange_.started = Time{Duration{header.started_ns}};
  exchange_.duration = Duration{header.duration_ns};
  exchange_.status = header.status;
  exchange_.grpc_status = header.grpc_status;
  exchange_.outcome = static_cast<Outcome>(header.outcome);
  exchange_.protocol = static_cast<Protocol>(header.protocol);
  record_end_ = state_.position + record.size();
  return true;
}

const Exchange* RingReader::next() {
  assert(!lent_);
  if (!read_record()) return nullptr;
  lent_ = true;
  control_.mark.store(state_.position + 1, std::memory_order_release);
  return &exchange_;
}

void RingReader::dispose(Disposal disposal) {
  assert(lent_);
  lent_ = false;
  state_.position = record_end_;
  ++state_.records;
  state_.count(disposal);
  publish();
}

// When the producer is just committing, the next call tries again.
void RingReader::pass_over_all() {
  const std::uint64_t commits = control_.commits.load(std::memory_order_acquire);
  const std::uint64_t write_position = control_.write_position.load(std::memory_order_acquire);
  if (commits % 2 != 0 || control_.commits.load(std::memory_order_acquire) != commits) return;
  const std::uint64_t committed = commits / 2;
  const std::uint64_t lost = committed > state_.records ? committed - state_.records : 0;
  state_.position = write_position_ = write_position;
  state_.records += lost;
  state_.seen += lost;
  state_.failed[static_cast<std::size_t>(FailReason::poisoned)] += lost;
  had_poisoned_ = true;
  publish();
}

void RingReader::publish() {
  publish_state(control_, state_);
  control_.mark.store(0, std::memory_order_relaxed);
  control_.read_position.store(state_.position, std::memory_order_release);
}

}  // namespace outrider::tap
