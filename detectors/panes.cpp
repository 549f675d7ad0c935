// SPDX-License-Identifier: Apache-2.0
#include "detectors/panes.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <optional>
#include <utility>

namespace outrider::detectors {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t ns(Duration duration) {
  return duration.count();
}
constexpr std::int64_t ten_seconds = ns(10s), five_minutes = ns(5min), one_hour = ns(1h);
constexpr std::int64_t last_nanosecond = std::numeric_limits<std::int64_t>::max() - one_hour;
constexpr std::size_t ring_places[] = {30, 12, 24};

void add_saturating(std::uint32_t& to, std::uint32_t more) {
  const std::uint64_t sum = std::uint64_t{to} + more;
  to = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(sum, std::numeric_limits<std::uint32_t>::max()));
}

// Counts are mostly small: seven bits a byte, lowest first.
void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// Nothing when the bytes end or the number is longer than 64 bits.
std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::size_t bytes_of(const Frame& frame) {
  return frame.counts.capacity() * sizeof(std::uint32_t) +
         frame.tails.capacity() * sizeof(TailSums) + sizeof(Frame);
}

}  // namespace

std::size_t FrameLayout::add(std::size_t slots) {
  offsets_.push_back(slots_);
  slots_ += slots;
  return offsets_.size() - 1;
}

void Frame::add(const Frame& other) {
  assert(counts.size() == other.counts.size() && tails.size() == other.tails.size());
  for (std::size_t i = 0; i < counts.size(); ++i) add_saturating(counts[i], other.counts[i]);
  for (std::size_t i = 0; i < tails.size(); ++i) tails[i].add(other.tails[i]);
  rows += other.rows;
}

void Frame::clear() {
  std::fill(counts.begin(), counts.end(), 0);
  std::fill(tails.begin(), tails.end(), TailSums{});
  rows = 0;
}

BinCounts Frame::subject(const FrameLayout& layout, std::size_t subject) const {
  const auto begin = counts.begin() + static_cast<std::ptrdiff_t>(layout.offset(subject));
  return {{begin, begin + static_cast<std::ptrdiff_t>(layout.slots_of(subject))}, tails[subject]};
}

void write(SnapshotWriter& out, const Frame& frame) {
  std::string packed;
  for (const std::uint32_t count : frame.counts) append_varint(packed, count);
  out.u64(frame.rows);
  out.text(packed);
  for (const TailSums& tails : frame.tails) {
    for (const double x : {tails.below, tails.above, tails.sum, tails.sum_squares}) out.f64(x);
  }
}

bool read(SnapshotReader& in, Frame& frame) {
  frame.rows = in.u64();
  std::string_view packed = in.text();
  for (std::uint32_t& count : frame.counts) {
    const auto value = take_varint(packed);
    if (!value || *value > std::numeric_limits<std::uint32_t>::max()) return false;
    count = static_cast<std::uint32_t>(*value);
  }
  for (TailSums& tails : frame.tails) {
    for (double* x : {&tails.below, &tails.above, &tails.sum, &tails.sum_squares}) *x = in.f64();
  }
  return packed.empty();
}

Panes::Panes(FrameLayout layout)
    : layout_(std::move(layout)),
      open_(layout_),
      open_five_minutes_(layout_),
      open_hour_(layout_),
      rings_{Ring{ten_seconds, {}, {}}, Ring{five_minutes, {}, {}}, Ring{one_hour, {}, {}}} {
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    rings_[i].numbers.assign(ring_places[i], -1);
    rings_[i].frames.assign(ring_places[i], Frame(layout_));
  }
}

void Panes::keep(Ring& ring, std::int64_t number, Frame& frame) {
  const std::size_t place = static_cast<std::size_t>(number) % ring.frames.size();
  ring.numbers[place] = number;
  std::swap(ring.frames[place], frame);
  frame.clear();
}

const Frame* Panes::find(const Ring& ring, std::int64_t number) {
  if (number < 0) return nullptr;
  const std::size_t place = static_cast<std::size_t>(number) % ring.frames.size();
  return ring.numbers[place] == number ? &ring.frames[place] : nullptr;
}

std::array<const Frame*, 30> Panes::batches(Time end) const {
  std::array<const Frame*, 30> found{};
  const std::int64_t first = (end.time_since_epoch().count() - five_minutes) / ten_seconds;
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i] = find(rings_[0], first + static_cast<std::int64_t>(i));
  }
  return found;
}

const Frame* Panes::five_minutes_before(Time end) const {
  return find(rings_[1], end.time_since_epoch().count() / five_minutes - 2);
}

const Frame* Panes::hour(Time began) const {
  return find(rings_[2], began.time_since_epoch().count() / one_hour);
}

void Panes::advance(Time now, const OnPane& on_five_minutes, const OnPane& on_hour) {
  // Before 1970 and in the last hour of the representable time is a broken clock, not a pane.
  const std::int64_t nanoseconds =
      std::clamp<std::int64_t>(now.time_since_epoch().count(), 0, last_nanosecond);
  const std::int64_t number = nanoseconds / ten_seconds;
  if (number <= open_number_) return;  // A late time counts in the open pane.
  if (open_number_ >= 0) {
    const std::int64_t began = open_number_ * ten_seconds;
    open_five_minutes_.add(open_);
    keep(rings_[0], open_number_, open_);
    const std::int64_t pane = began / five_minutes;
    if (nanoseconds / five_minutes > pane) {
      if (open_five_minutes_.rows > 0 && on_five_minutes) {
        on_five_minutes(open_five_minutes_, Time{Duration{(pane + 1) * five_minutes}});
      }
      open_hour_.add(open_five_minutes_);
      keep(rings_[1], pane, open_five_minutes_);
      const std::int64_t hour = began / one_hour;
      if (nanoseconds / one_hour > hour) {
        if (open_hour_.rows > 0 && on_hour)
          on_hour(open_hour_, Time{Duration{(hour + 1) * one_hour}});
        keep(rings_[2], hour, open_hour_);
      }
    }
  }
  open_number_ = number;
  open_until_ = Time{Duration{(number + 1) * ten_seconds}};
}

// Visits the frames that make up a window: those of its ring that are not too old, and what is
// open.
template <class Visit>
void Panes::visit(Window window, Visit visit) const {
  if (open_number_ < 0) return;
  const auto which = static_cast<std::size_t>(window);
  const Ring& ring = rings_[which];
  const std::int64_t now = open_number_ * ten_seconds / ring.span_ns;
  const auto places = static_cast<std::int64_t>(ring.frames.size());
  for (std::size_t i = 0; i < ring.frames.size(); ++i) {
    if (ring.numbers[i] >= 0 && ring.numbers[i] > now - places) visit(ring.frames[i]);
  }
  visit(open_);
  if (which >= 1) visit(open_five_minutes_);
  if (which >= 2) visit(open_hour_);
}

BinCounts Panes::sum(Window window, std::size_t subject) const {
  BinCounts sum;
  sum.counts.assign(layout_.slots_of(subject), 0);
  const std::size_t offset = layout_.offset(subject);
  visit(window, [&](const Frame& frame) {
    for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += frame.counts[offset + i];
    sum.tails.add(frame.tails[subject]);
  });
  return sum;
}

std::uint64_t Panes::rows(Window window) const {
  std::uint64_t rows = 0;
  visit(window, [&](const Frame& frame) { rows += frame.rows; });
  return rows;
}

std::size_t Panes::memory_bytes() const {
  std::size_t bytes =
      sizeof(*this) + bytes_of(open_) + bytes_of(open_five_minutes_) + bytes_of(open_hour_);
  for (const Ring& ring : rings_) {
    bytes += ring.numbers.capacity() * sizeof(std::int64_t);
    for (const Frame& frame : ring.frames) bytes += bytes_of(frame);
  }
  return bytes;
}

std::string Panes::serialise() const {
  SnapshotWriter out("PANE", 1);
  out.u64(layout_.subjects());
  out.u64(layout_.slots());
  out.i64(open_number_);
  for (const Frame* frame : {&open_, &open_five_minutes_, &open_hour_}) write(out, *frame);
  for (const Ring& ring : rings_) {
    for (std::size_t i = 0; i < ring.frames.size(); ++i) {
      const bool used = ring.numbers[i] >= 0;
      out.i64(ring.numbers[i]);
      if (used) write(out, ring.frames[i]);
    }
  }
  return out.finish();
}

Result<void> Panes::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, "PANE", 1);
  if (!in) return fail(in);
  if (in->u64() != layout_.subjects() || in->u64() != layout_.slots()) {
    return fail("snapshot_foreign",
                "drift windows: the state is of other features or bins. Starting afresh");
  }
  const auto refused = [] {
    return fail("snapshot_corrupt",
                "drift windows: a count or pane that cannot be. Starting afresh");
  };
  constexpr std::int64_t number_max = last_nanosecond / ten_seconds;
  Panes fresh(layout_);
  fresh.open_number_ = in->i64();
  if (fresh.open_number_ < -1 || fresh.open_number_ > number_max) return refused();
  for (Frame* frame : {&fresh.open_, &fresh.open_five_minutes_, &fresh.open_hour_}) {
    if (!read(*in, *frame)) return refused();
  }
  for (Ring& ring : fresh.rings_) {
    for (std::size_t i = 0; i < ring.frames.size(); ++i) {
      ring.numbers[i] = in->i64();
      if (ring.numbers[i] < 0) {
        ring.numbers[i] = -1;
        continue;
      }
      if (static_cast<std::size_t>(ring.numbers[i]) % ring.frames.size() != i) return refused();
      if (!read(*in, ring.frames[i])) return refused();
    }
  }
  if (auto whole = in->finish(); !whole) return fail(whole);
  if (fresh.open_number_ >= 0) {
    fresh.open_until_ = Time{Duration{(fresh.open_number_ + 1) * ten_seconds}};
  }
  *this = std::move(fresh);
  return {};
}

}  // namespace outrider::detectors
