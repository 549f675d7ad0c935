// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far a connection's beginning and its end have come. PURE, one thread, O(1).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sidecar/http2/error.h"
#include "sidecar/http2/frame.h"

namespace outrider::http2 {

enum class Role : std::uint8_t { server, client };

// The peer's first bytes: of a client its preface, then SETTINGS of both (RFC 9113, 3.4).
class Opening {
 public:
  bool has_preface() const { return has_preface_; }  // Frames can be read.
  bool has_settings() const { return has_settings_; }
  void note_settings() { has_settings_ = true; }

  // Looks for the preface of a peer of ours, whose role is `ours`; `used` are its bytes. What is
  // wrong with it; none while it is incomplete, too.
  Violation read_preface(Role ours, std::string_view bytes, std::size_t& used) {
    if (ours == Role::client) {
      if (bytes.size() < frame_head_bytes) return Violation::none;
      if (bytes.starts_with("HTTP/1.")) return Violation::not_http2;
      has_preface_ = true;
      return Violation::none;
    }
    const std::size_t n = std::min(bytes.size(), client_preface.size());
    if (bytes.substr(0, n) != client_preface.substr(0, n)) return Violation::bad_preface;
    has_preface_ = n == client_preface.size();
    if (has_preface_) used = n;
    return Violation::none;
  }

 private:
  bool has_preface_ = false, has_settings_ = false;
};

// A violation, after which nothing is read, or a shutdown: GOAWAY that refuses nothing yet, then
// one with the last id, perhaps again with a lower one.
class Ending {
 public:
  bool has_failed() const { return violation_ != Violation::none; }
  Violation violation() const { return violation_; }
  bool is_begun() const { return shutdown_ != Shutdown::none; }
  bool is_told() const { return shutdown_ == Shutdown::told; }
  bool awaits_ack() const { return shutdown_ == Shutdown::begun; }  // By the peer, of the first.
  std::uint32_t last_id() const { return last_id_; }  // Of the last GOAWAY; it never grows.

  // Each is true where it is to be done now.
  bool fail(Violation violation) {
    if (has_failed()) return false;
    violation_ = violation;
    return true;
  }
  bool begin() {
    if (is_begun() || has_failed()) return false;
    shutdown_ = Shutdown::begun;
    return true;
  }
  bool tell(std::uint32_t last_id) {
    if (has_failed() || (is_told() && last_id >= last_id_)) return false;
    shutdown_ = Shutdown::told;
    last_id_ = last_id;
    return true;
  }

 private:
  enum class Shutdown : std::uint8_t { none, begun, told };
  Violation violation_ = Violation::none;
  Shutdown shutdown_ = Shutdown::none;
  std::uint32_t last_id_ = stream_id_max;
};

}  // namespace outrider::http2
