// SPDX-License-Identifier: Apache-2.0
#pragma once

// Panes: sliding windows of bin counts as sums of fixed panes: 30 x 10 s, 12 x 5 min, 24 x 1 h.
//
// Idea. Counts add, so a window of five minutes, an hour or a day is a sum of small panes,
//   aligned to the clock so that the panes of two pods are the same ones. All subjects of a
//   model version lie in one flat frame: one prediction touches one small frame only, and a roll
//   adds whole frames.
// Parameters. The three spans above. A late time (older than the open pane) counts in the open
//   pane.
// Cost. observe: none beyond the counts. A roll: O(subjects), each 10 s. Memory: 69 frames of 4
//   bytes a slot + 32 bytes a subject: 8.9 KB a numeric feature of 20 bins, 8.9 MB for 1 000.
// Example. 10 s panes at :00, :10, :20 with 3, 4, 5 rows; at :35 the last five minutes hold 12.
// Source. Li et al., "No pane, no gain", SIGMOD Record 2005.
// Fails. A window ends at the last whole pane plus the open one, so it covers up to one pane
//   less than its name.
//
// Not thread-safe.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/binning.h"
#include "detectors/snapshot.h"

namespace outrider::detectors {

enum class Window : std::uint8_t { five_minutes, hour, day };

// Where each subject's slots lie in a frame.
class FrameLayout {
 public:
  std::size_t add(std::size_t slots);  // The new subject's index.
  std::size_t subjects() const { return offsets_.size(); }
  std::size_t slots() const { return slots_; }
  std::size_t offset(std::size_t subject) const { return offsets_[subject]; }
  std::size_t slots_of(std::size_t subject) const {
    return (subject + 1 < offsets_.size() ? offsets_[subject + 1] : slots_) - offsets_[subject];
  }

 private:
  std::vector<std::size_t> offsets_;
  std::size_t slots_ = 0;
};

// Counts of all subjects over one pane. 32 bits hold 14 million rows a second for five minutes,
// or 1.1 million a second for an hour; a count stops there rather than wrap.
struct Frame {
  std::vector<std::uint32_t> counts;
  std::vector<TailSums> tails;
  std::uint64_t rows = 0;

  explicit Frame(const FrameLayout& layout) : counts(layout.slots()), tails(layout.subjects()) {}
  void add(const Frame& other);
  void clear();
  BinCounts subject(const FrameLayout& layout, std::size_t subject) const;
};

// A frame as part of a snapshot; read() is false when the bytes are no frame of this size.
void write(SnapshotWriter& out, const Frame& frame);
bool read(SnapshotReader& in, Frame& frame);

class Panes {
 public:
  explicit Panes(FrameLayout layout);

  // Called with each pane that is complete and holds rows, and with when it ended.
  using OnPane = std::function<void(const Frame& pane, Time end)>;

  // Brings the open pane to `now`. Call before counting into open(), and from a timer.
  void advance(Time now, const OnPane& on_five_minutes, const OnPane& on_hour = {});
  // Whether advance() at this time would close anything: one comparison, for the hot path.
  bool due(Time now) const { return now >= open_until_; }

  Frame& open() { return open_; }
  const Frame& open() const { return open_; }
  // The ten-second panes that have closed of the five minutes that are still filling.
  const Frame& filling() const { return open_five_minutes_; }
  const FrameLayout& layout() const { return layout_; }

  // Counts of one subject over the window that ends now (as of the last advance).
  BinCounts sum(Window window, std::size_t subject) const;
  std::uint64_t rows(Window window) const;

  // The ten-second panes of the five minutes that end at `end`, in order, and the five minutes
  // before them; null where there was none. For on_five_minutes: they are overwritten later.
  std::array<const Frame*, 30> batches(Time end) const;
  const Frame* five_minutes_before(Time end) const;
  // The hour that began then; null where it is not one of the last 24, or had no rows. For on_hour.
  const Frame* hour(Time began) const;

  std::size_t memory_bytes() const;
  std::string serialise() const;
  // Errors: snapshot_*; "snapshot_corrupt" also when it is of another layout. Unchanged then.
  Result<void> restore(std::string_view bytes);

 private:
  struct Ring {
    std::int64_t span_ns;
    std::vector<std::int64_t> numbers;  // which pane lies in a place: time / span; -1 for none
    std::vector<Frame> frames;
  };
  template <class Visit>
  void visit(Window window, Visit visit) const;
  static void keep(Ring& ring, std::int64_t number, Frame& frame);
  static const Frame* find(const Ring& ring, std::int64_t number);

  FrameLayout layout_;
  Frame open_, open_five_minutes_, open_hour_;
  std::int64_t open_number_ = -1;  // of the open 10 s pane
  Time open_until_{};
  std::array<Ring, 3> rings_;
};

}  // namespace outrider::detectors
