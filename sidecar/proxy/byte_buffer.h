// SPDX-License-Identifier: Apache-2.0
#pragma once

// A ByteBuffer keeps bytes that could not be used at once: an incomplete head, pipelined requests,
// what a slow peer's socket would not take. Most connections never need one: reads go into a buffer
// of the thread and out again. Its memory is counted in `bytes_held`, is freed when it runs empty,
// and so the memory of a connection is bounded by what one read may bring (see ReadBuffer).

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

  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  std::string_view view() const { return {bytes_ + begin_, size()}; }

  void append(std::string_view more) {
    if (more.empty()) return;
    const std::span<char> room = reserve(more.size());
    std::memcpy(room.data(), more.data(), more.size());
    end_ += more.size();
  }

  // Room for `wanted` more bytes; commit() tells how many were written. Views become invalid.
  std::span<char> reserve(std::size_t wanted) {
    if (capacity_ - end_ < wanted) make_room(wanted);
    return {bytes_ + end_, wanted};
  }
  void commit(std::size_t written) { end_ += written; }

  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) clear();
  }

  void clear() {
    if (bytes_ == nullptr) return;
    std::free(bytes_);
    bytes_held_ -= capacity_;
    bytes_ = nullptr;
    begin_ = end_ = capacity_ = 0;
  }

  void swap(ByteBuffer& other) noexcept {  // Both count into the same thread's bytes_held.
    std::swap(bytes_, other.bytes_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void make_room(std::size_t wanted) {
    std::size_t capacity = 1024;
    while (capacity < size() + wanted) capacity *= 2;
    char* bytes = static_cast<char*>(std::malloc(capacity));
    if (bytes == nullptr) throw std::bad_alloc();
    const std::size_t kept = size();
    if (kept != 0) std::memcpy(bytes, bytes_ + begin_, kept);
    clear();
    bytes_ = bytes;
    end_ = kept;
    capacity_ = capacity;
    bytes_held_ += capacity;
  }

  std::size_t& bytes_held_;
  char* bytes_ = nullptr;
  std::size_t begin_ = 0, end_ = 0, capacity_ = 0;
};

}  // namespace outrider::proxy
