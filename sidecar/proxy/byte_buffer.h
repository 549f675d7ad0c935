// SPDX-License-Identifier: Apache-2.0
#pragma once

// A ByteBuffer keeps bytes that could not be used at once: an incomplete head, pipelined requests,
// what a slow peer's socket would not take. Most connections never need one: reads go into a buffer
// of the thread and out again. Its memory is counted in `bytes_held`, is freed when it runs empty,
// and so the memory of a connection is bounded by what one read may bring (see ReadBuffer). Past
// 1 KiB it is a quarter more than the bytes were when they were appended.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

namespace outrider::proxy {

class ByteBuffer {
 public:
  explicit ByteBuffer(std::size_t& bytes_held) : bytes_held_(bytes_held) {}
  ~ByteBuffer() { clear(); }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  bool empty() const { return size() == 0; }
  std::size_t size() const { return held_ == nullptr ? 0 : held_->end - held_->begin; }
  std::string_view view() const {
    if (held_ == nullptr) return {};
    return {held_->bytes() + held_->begin, held_->end - held_->begin};
  }

  void append(std::string_view more) {
    if (more.empty()) return;
    std::memcpy(reserve(more.size()).data(), more.data(), more.size());
    commit(more.size());
  }

  // Room for `wanted` more bytes; commit() tells how many were written. Views become invalid.
  std::span<char> reserve(std::size_t wanted) {
    if (held_ == nullptr || held_->capacity - held_->end < wanted) make_room(wanted);
    return {held_->bytes() + held_->end, wanted};
  }
  void commit(std::size_t written) { held_->end += written; }

  void consume(std::size_t n) {
    if (held_ == nullptr) return;
    held_->begin += n;
    if (held_->begin == held_->end) clear();
  }

  // Gives memory back where most of it is not in use. Views become invalid.
  void trim() {
    if (held_ != nullptr && held_->capacity > least && size() < held_->capacity / 4) make_room(0);
  }

  void clear() {
    if (held_ == nullptr) return;
    bytes_held_ -= held_->capacity;
    std::free(held_);
    held_ = nullptr;
  }

  // Both count into the same thread's bytes_held.
  void swap(ByteBuffer& other) noexcept { std::swap(held_, other.held_); }

 private:
  // The bytes lie behind it: an empty buffer is two words, and an idle connection has several.
  struct Held {
    std::size_t begin = 0, end = 0, capacity = 0;
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
  };

  static constexpr std::size_t least = 1024;

  void make_room(std::size_t wanted) {
    const std::size_t bytes = size() + wanted, capacity = std::max(least, bytes + bytes / 4);
    void* memory = std::malloc(sizeof(Held) + capacity);
    if (memory == nullptr) throw std::bad_alloc();
    auto* held = new (memory) Held{.capacity = capacity};
    const std::string_view kept = view();
    if (!kept.empty()) std::memcpy(held->bytes(), kept.data(), kept.size());
    held->end = kept.size();
    clear();
    held_ = held;
    bytes_held_ += capacity;
  }

  std::size_t& bytes_held_;
  Held* held_ = nullptr;
};

}  // namespace outrider::proxy
