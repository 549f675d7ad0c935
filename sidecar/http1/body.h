// SPDX-License-Identifier: Apache-2.0
#pragma once

// BodyReader: where a message's body ends, and which of its bytes are content.
//
// A streaming proxy forwards the bytes of a body as they came, chunk lines and trailers included;
// the tap wants the content alone. BodyReader takes runs of bytes, split anywhere, and tells both
// apart without copying. It judges strictly: hexadecimal digits and CRLF exactly, no white space
// around the size, extensions only as RFC 9112 7.1.1 writes them (without "bad" white space),
// limits on all of it.
//
//   BodyReader body(summary.framing, summary.content_length);
//   BodyReader::Run run = body.take(bytes, [&](std::string_view content) { capture(content); });
//   if (run.progress == Progress::invalid) abort(body.violation());   // forward nothing of these
//   bytes forward(bytes.substr(0, run.taken));                              // then: complete, or
//   need_more
//
// `taken` is all of `bytes` unless the body ended before their end (the next message begins there)
// or it is invalid (then 0). So all bytes at hand are judged before any is forwarded, as long as
// the caller offers what it has in one call. Trailers are forwarded with the rest.
//
// Thread-safety: one thread. Complexity: linear; the content of a chunk is skipped, not scanned.

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "sidecar/http1/head.h"

namespace outrider::http1 {

struct BodyLimits {
  std::uint64_t content_bytes = std::numeric_limits<std::int64_t>::max();  // body_too_large (413)
  std::uint16_t chunk_extension_line_bytes = 256;   // chunk_extension_too_large
  std::uint32_t chunk_extension_bytes = 16 * 1024;  // of one message
  std::uint32_t trailer_bytes = 8 * 1024;           // trailers_too_large
  std::uint16_t trailer_fields = 32;
};

class BodyReader {
 public:
  struct Run {
    Progress progress = Progress::need_more;
    std::size_t taken = 0;
  };

  BodyReader() = default;  // A body that is over: Framing::none.
  explicit BodyReader(Framing framing, std::uint64_t content_length = 0, BodyLimits limits = {});

  // Calls sink(std::string_view) for each run of content, in order. Content is handed over while
  // judging, so on Progress::invalid the sink may have seen content that is not to be forwarded.
  template <class Sink>
  Run take(std::string_view bytes, Sink&& sink) {
    std::size_t at = 0;
    while (at < bytes.size() && state_ < State::done) {
      if (const std::uint64_t ahead = content_ahead(); ahead > 0) {
        const std::size_t n = ahead < bytes.size() - at ? ahead : bytes.size() - at;
        if (!count_content(n)) return {Progress::invalid, 0};
        sink(bytes.substr(at, n));
        at += n;
      } else {
        at += take_framing(bytes.substr(at));
      }
    }
    if (state_ == State::invalid) return {Progress::invalid, 0};
    return {over() ? Progress::complete : Progress::need_more, at};
  }
  Run take(std::string_view bytes) {
    return take(bytes, [](std::string_view) {});
  }

  // The connection ended. True when that is a proper end (it was over, or the framing is
  // until_close, which is now over); false when the message was cut short.
  bool end_of_input();

  bool over() const { return state_ == State::done; }
  Violation violation() const { return violation_; }
  Framing framing() const { return framing_; }
  std::uint64_t content_bytes() const { return content_bytes_; }  // Content so far.
  // Content still to come, as far as known: the rest of a Content-Length; 0 otherwise.
  std::uint64_t content_left() const { return framing_ == Framing::content_length ? ahead_ : 0; }

 private:
  // Everything before `done` expects more bytes.
  enum class State : std::uint8_t {
    content,          // ahead_ bytes of content (any number for until_close)
    size_start,       // the first digit of a chunk's size
    size,             // further digits, ';' or CR
    extension_start,  // after ';'
    extension_name,
    extension_value_start,  // after '='
    extension_token,
    extension_quoted,
    extension_escape,
    extension_quoted_end,
    size_line_feed,
    chunk_carriage_return,
    chunk_line_feed,
    trailer_start,  // a trailer's name, or the CR of the empty line
    trailer_name,
    trailer_value,
    trailer_line_feed,
    last_line_feed,
    done,
    invalid,
  };

  std::uint64_t content_ahead() const { return state_ == State::content ? ahead_ : 0; }
  bool count_content(std::uint64_t n);  // also moves on when the run is over
  std::size_t take_framing(std::string_view bytes);
  void step(char byte);
  void step_size(char byte);
  void step_extension(char byte);
  void step_trailer(char byte);
  void end_of_size_line();
  void end_of_trailer_name();
  void refuse(Violation violation);

  Framing framing_ = Framing::none;
  State state_ = State::done;
  Violation violation_ = Violation::none;
  std::uint8_t digits_ = 0;
  std::uint8_t name_size_ = 0;
  std::uint16_t extension_line_bytes_ = 0;
  std::uint16_t trailer_fields_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  std::uint64_t ahead_ = 0;
  std::uint64_t content_bytes_ = 0;
  BodyLimits limits_;
  std::array<char, 24>
      name_{};  // the trailer's name so far, as upstreams may read it, to know the forbidden ones
};

}  // namespace outrider::http1
