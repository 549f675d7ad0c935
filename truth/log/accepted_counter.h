// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many rows append() has accepted over the log's whole life, in a mapped file, so that the
// number outlives a kill -9. Compared with the number written, which is in the store, it tells how
// many a crash has lost. A power cut may lose the page; then nothing can be known, and nothing is
// counted.
//
// Thread-safe. SHELL.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/core/result.h"

namespace outrider::truth {

class AcceptedCounter {
 public:
  // Errors: "log_unwritable".
  static Result<std::unique_ptr<AcceptedCounter>> open(const std::filesystem::path& file);
  ~AcceptedCounter();
  AcceptedCounter(const AcceptedCounter&) = delete;
  AcceptedCounter& operator=(const AcceptedCounter&) = delete;

  std::uint64_t value() const { return reference().load(std::memory_order_relaxed); }
  void add(std::uint64_t rows) { reference().fetch_add(rows, std::memory_order_relaxed); }
  // The value before.
  std::uint64_t take(std::uint64_t rows) {
    return reference().fetch_add(rows, std::memory_order_relaxed);
  }
  void set(std::uint64_t rows) { reference().store(rows, std::memory_order_relaxed); }

 private:
  explicit AcceptedCounter(std::uint64_t* mapped) : mapped_(mapped) {}
  std::atomic_ref<std::uint64_t> reference() const { return std::atomic_ref(*mapped_); }
  std::uint64_t* mapped_;
};

}  // namespace outrider::truth
