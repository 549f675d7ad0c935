// SPDX-License-Identifier: Apache-2.0
#pragma once

// A queue between threads that never grows past its limit: what does not fit is refused, and the
// caller counts it. Thread-safe for any number of producers and consumers. O(1) an operation.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace outrider {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t items_max) : items_max_(items_max) {}

  // False when the queue is full or closed; the item is then dropped and the caller counts it.
  bool try_push(T item) {
    {
      std::lock_guard lock(mutex_);
      if (closed_ || items_.size() >= items_max_) return false;
      items_.push_back(std::move(item));
    }
    filled_.notify_one();
    return true;
  }

  // Waits up to `wait` for an item. Nothing when none came, or when closed and empty.
  std::optional<T> pop(std::chrono::nanoseconds wait) {
    std::unique_lock lock(mutex_);
    filled_.wait_for(lock, wait, [this] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

  // No more pushes; waiting consumers wake. What is queued can still be popped.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
  }

  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  std::size_t items_max() const { return items_max_; }
  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  const std::size_t items_max_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace outrider
