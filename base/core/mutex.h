// SPDX-License-Identifier: Apache-2.0
#pragma once

// A mutex that the compiler knows, so that what it guards is checked and not only said: clang's
// -Wthread-safety (scripts/lint) refuses code that touches a GUARDED_BY member without the lock.
//
//   mutable Mutex mutex_;
//   std::uint64_t rows_ GUARDED_BY(mutex_) = 0;
//   void add_locked() REQUIRES(mutex_);
//   …
//   const MutexLock lock(mutex_);
//   ++rows_;
//
// Wait with std::condition_variable_any, on the MutexLock itself. Its predicate is a lambda with
// REQUIRES(mutex_). Source: the clang documentation, "Thread Safety Analysis".

#include <mutex>

#if defined(__clang__)
#define OUTRIDER_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define OUTRIDER_THREAD_ATTRIBUTE(x)
#endif
#define CAPABILITY(x) OUTRIDER_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY OUTRIDER_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) OUTRIDER_THREAD_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...) OUTRIDER_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) OUTRIDER_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) OUTRIDER_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define EXCLUDES(...) OUTRIDER_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace outrider {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  // For a condition variable alone, which has the lock again when it returns.
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace outrider
