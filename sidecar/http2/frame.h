// SPDX-License-Identifier: Apache-2.0
#pragma once

// The frames of HTTP/2 as bytes (RFC 9113, sections 4 and 6): their head, and how each is written.
// PURE.
//
//   const FrameHead head = read_frame_head(bytes);        // of at least frame_head_bytes
//   put_window_update(id, 65536, out);                    // appends
//
// Complexity: O(1) a frame, and its payload. Thread-safe.

#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/http2/error.h"

namespace outrider::http2 {

enum class FrameType : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9,
};

inline constexpr std::uint8_t flag_end_stream = 1, flag_ack = 1, flag_end_headers = 4,
                              flag_padded = 8, flag_priority = 0x20;
inline constexpr std::size_t frame_head_bytes = 9;
inline constexpr std::uint32_t frame_payload_max = 16384;  // What we accept, and the usual.
inline constexpr std::uint32_t window_max = 0x7fffffff, stream_id_max = 0x7fffffff;
inline constexpr std::uint32_t window_usual = 65535;
inline constexpr std::string_view client_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum class Setting : std::uint16_t {
  header_table_size = 1,
  enable_push = 2,
  max_concurrent_streams = 3,
  initial_window_size = 4,
  max_frame_size = 5,
  max_header_list_size = 6,
};

struct FrameHead {
  std::uint32_t length = 0;
  FrameType type{};  // Or any other byte.
  std::uint8_t flags = 0;
  std::uint32_t stream_id = 0;
  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

inline std::uint32_t read_uint32(const char* at) {
  const auto byte = [at](int i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(at[i]));
  };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

inline FrameHead read_frame_head(std::string_view bytes) {
  const std::uint32_t first = read_uint32(bytes.data());
  return {first >> 8, static_cast<FrameType>(first & 0xff), static_cast<std::uint8_t>(bytes[4]),
          read_uint32(bytes.data() + 5) & stream_id_max};
}

inline void put_uint32(std::uint32_t value, std::string& out) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                        static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(bytes, sizeof bytes);
}

inline void put_frame_head(const FrameHead& head, std::string& out) {
  const char bytes[] = {
      static_cast<char>(head.length >> 16),    static_cast<char>(head.length >> 8),
      static_cast<char>(head.length),          static_cast<char>(head.type),
      static_cast<char>(head.flags),           static_cast<char>(head.stream_id >> 24),
      static_cast<char>(head.stream_id >> 16), static_cast<char>(head.stream_id >> 8),
      static_cast<char>(head.stream_id)};
  out.append(bytes, sizeof bytes);
}

// Makes the length of the frame whose head is at `at` that of what stands behind it.
inline void set_frame_length(std::size_t at, std::size_t length, std::string& out) {
  out[at] = static_cast<char>(length >> 16);
  out[at + 1] = static_cast<char>(length >> 8);
  out[at + 2] = static_cast<char>(length);
}

inline void put_setting(Setting setting, std::uint32_t value, std::string& out) {
  out += static_cast<char>(static_cast<std::uint16_t>(setting) >> 8);
  out += static_cast<char>(setting);
  put_uint32(value, out);
}

inline void put_window_update(std::uint32_t stream_id, std::uint32_t increment, std::string& out) {
  put_frame_head({4, FrameType::window_update, 0, stream_id}, out);
  put_uint32(increment, out);
}

inline void put_rst_stream(std::uint32_t stream_id, ErrorCode code, std::string& out) {
  put_frame_head({4, FrameType::rst_stream, 0, stream_id}, out);
  put_uint32(static_cast<std::uint32_t>(code), out);
}

// `text` is for people: the reason's word.
inline void put_goaway(std::uint32_t last_id, ErrorCode code, std::string_view text,
                       std::string& out) {
  put_frame_head({static_cast<std::uint32_t>(8 + text.size()), FrameType::goaway, 0, 0}, out);
  put_uint32(last_id, out);
  put_uint32(static_cast<std::uint32_t>(code), out);
  out += text;
}

}  // namespace outrider::http2
