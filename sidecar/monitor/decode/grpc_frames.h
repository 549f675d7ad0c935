// SPDX-License-Identifier: Apache-2.0
#pragma once

// The messages of a gRPC call's body: each stands behind five bytes, a flag (1: compressed by the
// call's grpc-encoding) and its length, big-endian. PURE, views only.
//
//   GrpcFrames frames(body);
//   while (const auto frame = frames.next()) …
//   if (!frames.at_end()) …                 // What is left is no whole frame.
//
// Source: gRPC, "gRPC over HTTP2", Length-Prefixed-Message.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace outrider::decode {

struct GrpcFrame {
  bool is_packed = false;
  std::string_view message;
  std::string_view whole;  // With its five bytes.
};

class GrpcFrames {
 public:
  explicit GrpcFrames(std::string_view body) : rest_(body) {}

  std::optional<GrpcFrame> next() {
    constexpr std::size_t prefix_bytes = 5;
    if (rest_.size() < prefix_bytes || static_cast<unsigned char>(rest_[0]) > 1)
      return std::nullopt;
    std::uint64_t length = 0;
    for (std::size_t i = 1; i < prefix_bytes; ++i)
      length = length << 8 | static_cast<unsigned char>(rest_[i]);
    if (length > rest_.size() - prefix_bytes) return std::nullopt;
    const GrpcFrame frame{rest_[0] != 0, rest_.substr(prefix_bytes, length),
                          rest_.substr(0, prefix_bytes + length)};
    rest_.remove_prefix(frame.whole.size());
    return frame;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace outrider::decode
