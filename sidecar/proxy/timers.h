// SPDX-License-Identifier: Apache-2.0
#pragma once

// A timer wheel for deadlines that are moved far more often than they are reached. PURE.
//
// An entry sits in the slot of some time not later than its deadline. Moving the deadline later
// only writes the field; when the slot comes up the entry is looked at and put where it now
// belongs. So a request that re-arms its connection's timer costs one comparison, and a tick costs
// what sits in its slot. Deadlines past the wheel's span wait in its last slot and are looked at
// once a span. Precision: `tick`. Source: Varghese and Lauck, "Hashed and hierarchical timing
// wheels", 1987.
//
//   TimerWheel wheel(now);
//   wheel.schedule(entry, now + 10s);
//   wheel.advance(now, [](TimerEntry& due) { … });   // may schedule or cancel any entry
//
// One thread. An entry must be cancelled (its destructor does) before it goes away.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace outrider::proxy {

using Monotonic = std::chrono::steady_clock::time_point;

class TimerEntry {
 public:
  TimerEntry() = default;
  TimerEntry(const TimerEntry&) = delete;
  TimerEntry& operator=(const TimerEntry&) = delete;
  ~TimerEntry() { unlink(); }

  bool is_scheduled() const { return next_ != nullptr; }
  Monotonic deadline() const { return deadline_; }

 private:
  friend class TimerWheel;
  void unlink() {
    if (next_ == nullptr) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

  TimerEntry* next_ = nullptr;
  TimerEntry* previous_ = nullptr;
  Monotonic deadline_{};
  std::int64_t slot_tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds tick{20};
  static constexpr std::size_t slots = 512;  // About 10 s.

  explicit TimerWheel(Monotonic now) : tick_(tick_of(now)) {
    for (TimerEntry& head : slots_) head.next_ = head.previous_ = &head;
  }

  void schedule(TimerEntry& entry, Monotonic deadline) {
    entry.deadline_ = deadline;
    if (entry.is_scheduled() && tick_of(deadline) >= entry.slot_tick_) return;
    entry.unlink();
    link(entry);
  }

  void cancel(TimerEntry& entry) { entry.unlink(); }

  // Calls due(entry) for each entry whose deadline has passed; the entry is not scheduled then.
  template <class Due>
  void advance(Monotonic now, Due&& due) {
    const std::int64_t last = tick_of(now) - 1;  // Ticks that have wholly passed.
    if (last - tick_ >= static_cast<std::int64_t>(slots)) tick_ = last - slots;
    while (tick_ < last) {
      ++tick_;
      TimerEntry& head = slots_[static_cast<std::size_t>(tick_) % slots];
      // The slot is emptied into a list of its own first: due() may put entries back into it.
      TimerEntry batch;
      take_all(head, batch);
      while (batch.next_ != &batch) {
        TimerEntry& entry = *batch.next_;
        entry.unlink();
        if (entry.deadline_ <= now) {
          due(entry);
        } else {
          link(entry);
        }
      }
    }
  }

 private:
  static std::int64_t tick_of(Monotonic time) { return time.time_since_epoch() / tick; }

  void link(TimerEntry& entry) {
    const std::int64_t wanted = tick_of(entry.deadline_);
    const std::int64_t first = tick_ + 1, furthest = tick_ + static_cast<std::int64_t>(slots);
    entry.slot_tick_ = wanted < first ? first : wanted > furthest ? furthest : wanted;
    TimerEntry& head = slots_[static_cast<std::size_t>(entry.slot_tick_) % slots];
    entry.next_ = &head;
    entry.previous_ = head.previous_;
    head.previous_->next_ = &entry;
    head.previous_ = &entry;
  }

  static void take_all(TimerEntry& from, TimerEntry& to) {
    if (from.next_ == &from) {
      to.next_ = to.previous_ = &to;
      return;
    }
    to.next_ = from.next_;
    to.previous_ = from.previous_;
    to.next_->previous_ = &to;
    to.previous_->next_ = &to;
    from.next_ = from.previous_ = &from;
  }

  std::int64_t tick_;  // The last one that was handled.
  std::array<TimerEntry, slots> slots_;
};

// Whose deadline it is, for a wheel whose entries are all of this kind.
class TimerTarget {
 public:
  virtual void on_deadline() = 0;

 protected:
  ~TimerTarget() = default;
};

struct Timer : TimerEntry {
  explicit Timer(TimerTarget& t) : target(t) {}
  TimerTarget& target;
};

}  // namespace outrider::proxy
