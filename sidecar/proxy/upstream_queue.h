// SPDX-License-Identifier: Apache-2.0
#pragma once

// The requests of one data thread that wait for an upstream connection, first come, first served.
// Limit: `length_max` (upstream.queue-max); past it is_full(), and the caller refuses. PURE.
//
//   if (queue.is_full()) refuse();
//   queue.append(waiter);
//   queue.serve(has_room);            // while there is room: calls on_upstream_room() of the first
//
// Thread-safety: one thread. O(1) an operation.

#include <cstddef>

#include "sidecar/proxy/list_link.h"
#include "sidecar/tap/counters.h"

namespace outrider::proxy {

class UpstreamWaiter {
 public:
  // It was the first in the queue, which it has left, and a connection can be had.
  virtual void on_upstream_room() = 0;

 protected:
  ~UpstreamWaiter() = default;
};

class UpstreamQueue {
 public:
  using Entry = ListEntry<UpstreamWaiter>;

  UpstreamQueue(std::size_t length_max, tap::Counter& depth)
      : length_max_(length_max), depth_(depth) {}

  bool empty() const { return length_ == 0; }
  bool is_full() const { return length_ >= length_max_; }

  void append(Entry& entry) {
    entries_.append(entry);
    depth_.set(++length_);
  }
  void remove(Entry& entry) {  // Nothing, where it does not wait.
    if (!entry.is_linked()) return;
    entry.unlink();
    depth_.set(--length_);
  }

  template <class HasRoom>
  void serve(HasRoom&& has_room) {
    while (!empty() && has_room()) {
      Entry& first = static_cast<Entry&>(*entries_.next);
      remove(first);
      first.owner.on_upstream_room();
    }
  }

 private:
  const std::size_t length_max_;
  tap::Counter& depth_;
  std::size_t length_ = 0;
  ListLink entries_;
};

}  // namespace outrider::proxy
