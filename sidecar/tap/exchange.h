// SPDX-License-Identifier: Apache-2.0
#pragma once

// Exchange: one proxied request and its response, with timing, as the tap captured it. It is a
// view: the bytes stay in the ring (or in whatever source it came from) until the source is told
// that it is done with.
//
// One record for every protocol. Heads are text as HTTP/1.1 writes them: of HTTP/1.1 as they came,
// of HTTP/2 the decoded fields, written down so (capture.h, head_text.h: RFC 9113, 8.3, has the
// rules of the translation). So a reader of heads knows one form only, whatever was spoken.
//
// A body is there whole, or it has a Gap: of a long stream the tap keeps the beginning and the end.
// Nothing else is ever left out of a body: an exchange whose body does not fit is dropped.
//
// ExchangeSource is what the monitor reads from: the shared-memory ring in production, a list in
// tests. Each exchange that is taken is disposed of in exactly one way, so that
//   seen = analysed + skipped{reason} + dropped{reason} + failed{reason}
// holds exactly, also across a monitor's crash.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/core/clock.h"

namespace outrider::tap {

// A UUIDv7 in its canonical text form, 36 characters: time-ordered, so a store inserts in order.
using PredictionId = std::array<char, 36>;
inline std::string_view view(const PredictionId& id) {
  return {id.data(), id.size()};
}

// What was spoken with the client.
enum class Protocol : std::uint8_t { http1, http2, grpc };
inline constexpr std::size_t protocol_count = 3;
inline constexpr int no_grpc_status = -1;

// What was left out of a long body or list: so much, behind the first `at` of what is there.
struct Gap {
  std::uint64_t bytes = 0;  // 0: nothing was.
  std::uint64_t at = 0;

  bool operator==(const Gap&) const = default;
};

// The response's body from byte `offset` on came so long after the request's first byte. The bytes
// before the next mark's offset came with it.
struct ArrivalMark {
  std::uint64_t offset = 0;
  std::int64_t nanoseconds = 0;

  bool operator==(const ArrivalMark&) const = default;
};

// Marks as they lie in the ring: ascending, at most arrival_marks_max.
class ArrivalMarks {
 public:
  ArrivalMarks() = default;
  explicit ArrivalMarks(std::string_view bytes) : bytes_(bytes) {}

  std::size_t size() const { return bytes_.size() / sizeof(ArrivalMark); }
  ArrivalMark operator[](std::size_t i) const {
    ArrivalMark mark;
    std::memcpy(&mark, bytes_.data() + i * sizeof mark, sizeof mark);
    return mark;
  }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

// How the exchange ended: the `outcome` label of outrider_requests_total.
enum class Outcome : std::uint8_t {
  success,       // 1xx-3xx
  client_error,  // 4xx from upstream
  server_error,  // 5xx from upstream
  timeout,       // the upstream did not answer in time
  unreachable,   // no connection to the upstream, or it was reset
  cancelled,     // the client went away
  rejected,      // refused by the proxy itself: malformed, too large, overloaded. No Exchange.
};

enum class SkipReason : std::uint8_t {
  sampled_out,
  not_matched,
  language_model,  // chat, completions, embeddings: no rows of features, nothing to compare with a truth
  opaque_body,  // an image, a form of several parts: nothing that a feature could be read of
};
enum class DropReason : std::uint8_t { ring_full, capture_full, too_large };

// Why an exchange could not be analysed. The words are the metric's `reason` label.
enum class FailReason : std::uint8_t {
  invalid_json,
  json_too_deep,
  invalid_utf8,
  invalid_number,        // 1e400
  invalid_query,         // a broken percent-escape
  unsupported_encoding,  // a Content-Encoding we do not know
  invalid_encoding,      // gzip or zstd that does not unpack
  unpacked_too_large,    // gzip or zstd that unpacks past limits.unpacked
  invalid_csv,           // text behind a closing quote, and the like
  unsupported_format,    // a body of no protocol we know
  wrong_shape,           // a matrix with ragged rows; rows of request and response differ
  wrong_type,            // text where a number belongs, and the like
  missing_prediction,
  too_many_rows,
  incomplete,            // the response ended early
  poisoned,              // the monitor died while it decoded this one
  ambiguous_prediction,  // several values could be it
  pointer_not_found,     // the answer has nothing where the configuration says the prediction is
  invalid_message,       // gRPC framing or protobuf that does not parse
  too_long,              // a stream of which the tap kept only the beginning and the end
};

std::string_view to_string(Outcome);
std::string_view to_string(SkipReason);
std::string_view to_string(DropReason);
std::string_view to_string(FailReason);
inline constexpr std::size_t outcome_count = 7, skip_reason_count = 4, drop_reason_count = 3,
                             fail_reason_count = 20;

struct Exchange {
  PredictionId id{};  // Minted by the proxy, sent upstream and echoed as X-Prediction-Id.
  Time started{};     // When the request's first byte came.
  Duration
      duration{};  // From then until the response's last byte was handed to the client's socket.
  int status = 0;  // The response's status; 0 when there was none.
  int grpc_status = no_grpc_status;  // Of gRPC, where the answer has it.
  Outcome outcome = Outcome::success;
  Protocol protocol = Protocol::http1;
  std::string_view request_head;  // Request line, fields, the empty line.
  std::string_view request_body;  // Transfer coding removed; Content-Encoding as it came.
  std::string_view response_head;
  std::string_view response_body;
  std::string_view response_trailers;  // Lines of fields, without the empty line; may be cut short.
  ArrivalMarks marks;                  // Of the response's body.
  Gap request_gap, response_gap;       // Of the bodies.
  Gap marks_gap;                       // `bytes` counts marks, and so does `at`.
};

// What became of an exchange that was taken from a source.
struct Disposal {
  enum class Kind : std::uint8_t { analysed, skipped, failed } kind = Kind::analysed;
  SkipReason skip_reason{};
  FailReason fail_reason{};

  static Disposal analysed() { return {}; }
  static Disposal skipped(SkipReason r) { return {Kind::skipped, r, {}}; }
  static Disposal failed(FailReason r) { return {Kind::failed, {}, r}; }
};

// Not thread-safe: one reader.
class ExchangeSource {
 public:
  virtual ~ExchangeSource() = default;
  // The next exchange, valid until dispose(); nothing when none waits. Marks it as begun, so that a
  // successor finds it `poisoned` should the reader die before dispose().
  virtual const Exchange* next() = 0;
  // Counts the exchange taken last and frees its bytes; both become visible together.
  virtual void dispose(Disposal disposal) = 0;
};

}  // namespace outrider::tap
