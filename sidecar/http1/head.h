// SPDX-License-Identifier: Apache-2.0
#pragma once

// The head of an HTTP/1.1 message: request or status line and fields, judged strictly, kept as
// offsets into the bytes as they came.
//
// Sans I/O: the caller owns the bytes and calls again with more of them. What is decided depends on
// the bytes alone and never on how they were split: a line is judged when its LF is there. Nothing
// allocates. A RequestHead (about 2.5 KiB) is scratch space: one per thread is enough, because what
// a connection must remember between reads is a HeadCursor (8 bytes), and, once the head is
// complete, its RequestSummary (trivially copyable, no views). Parsing starts over when a line was
// completed; limits.fields bounds how often, so a head that drips in costs at most fields x head
// bytes.
//
// Rules: RFC 9112 and RFC 9110; where they let a recipient be lenient, this is not:
// - bare LF, bare CR, obs-fold, white space before the colon, control characters: refused;
// - Content-Length twice or listed (even equal), signed, or together with Transfer-Encoding:
// refused;
// - Transfer-Encoding other than exactly `chunked`, or on HTTP/1.0: refused;
// - Host missing on 1.1, twice, empty or malformed, or other than an absolute target's: refused;
// - a Connection option that names a field meant for all recipients (Host, Content-Length,
//   Authorization, ...): refused, because dropping it changes what the request means;
// - Content_Length and Transfer_Encoding, which CGI and WSGI read as if they had dashes: refused;
// - one CRLF before a request line is skipped (RFC 9112, 2.2), a second is refused.
// Lenient on purpose: bytes of the target outside RFC 3986's set (`|`, `{`, `"`) pass when visible
// ASCII, since clients send them and servers agree on them; a status line may lack the blank before
// an absent reason, and a 204 may carry `Content-Length: 0`, since real servers do both.
//
//   HeadCursor cursor;                               // of the connection, reset for each message
//   switch (parse(buffer, cursor, limits, head)) {   // head: of the thread
//     case Progress::need_more: read_more(); break;
//     case Progress::invalid: refuse(status_of(head.violation)); break;
//     case Progress::complete: forward(head); buffer.remove_prefix(head.size);
//   }
//
// Thread-safety: none needed; no shared state. Complexity: linear in the bytes of the head.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sidecar/http1/violation.h"

namespace outrider::http1 {

inline constexpr std::size_t fields_capacity = 128;

struct HeadLimits {
  std::uint32_t head_bytes = 64 * 1024;          // The whole head; past it head_too_large (431).
  std::uint32_t request_line_bytes = 16 * 1024;  // Without its CRLF; request_line_too_large (414).
  std::uint16_t fields = 100;                    // At most fields_capacity; too_many_fields (431).
};

enum class Progress : std::uint8_t { need_more, complete, invalid };

enum class Method : std::uint8_t {
  get,
  head,
  post,
  put,
  delete_,
  options,
  patch,
  trace,
  connect,
  other
};

enum class TargetForm : std::uint8_t { origin, absolute, asterisk };  // CONNECT's is refused.

// Fields that this library, or whoever uses it, looks up without comparing names.
enum class FieldId : std::uint8_t {
  other,
  accept_encoding,
  authorization,
  ce_id,
  connection,
  content_encoding,
  content_length,
  content_type,
  expect,
  forwarded,
  host,
  http2_settings,
  inference_header_content_length,
  keep_alive,
  proxy_connection,
  seldon_puid,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  via,
  x_amzn_sagemaker_inference_id,
  x_model_name,
  x_model_version,
  x_prediction_id,
  x_request_id,
};
inline constexpr std::size_t field_id_count = static_cast<std::size_t>(FieldId::x_request_id) + 1;

enum class Framing : std::uint8_t {
  none,            // no body
  content_length,  // exactly Summary::content_length bytes (may be 0)
  chunked,
  until_close,  // responses only: up to the end of the connection
};

// One field line. Offsets count from the first byte given to parse().
struct Field {
  std::uint32_t begin = 0;  // of the name
  std::uint32_t value_begin = 0;
  std::uint32_t value_size = 0;  // without the white space around it
  std::uint32_t end = 0;         // past the CRLF
  std::uint16_t name_size = 0;
  FieldId id = FieldId::other;
  bool hop_by_hop = false;  // not forwarded: by its nature or because Connection names it
};

// What of a head must outlive it. No views.
struct RequestSummary {
  Method method = Method::other;
  TargetForm form = TargetForm::origin;
  std::uint8_t minor_version = 1;  // 0 or 1
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;        // What the client wishes; the proxy may still close.
  bool expect_continue = false;  // Waits for 100 (never on HTTP/1.0 or without a body).
  // Asks for `Upgrade: websocket` and may be passed through. Other protocols (h2c!) are not offered
  // to the upstream: the fields are dropped and the request is served as plain HTTP/1.1.
  bool websocket = false;
};

struct ResponseSummary {
  std::uint16_t status = 0;
  std::uint8_t minor_version = 1;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  // The upstream connection may be used again once the body is over. Not after a response that
  // announces a body which it must not have (HEAD, 304): an upstream that sends it all the same,
  // late, would answer the next request with it.
  bool keep_alive = true;
  // The client speaks HTTP/1.0 and understands no chunks: tell it of none (also where none come,
  // as with HEAD) and pass on the content alone, up to the connection's end.
  bool unchunk = false;
  // 1xx, to be followed by another head. Never forwarded to a client of HTTP/1.0 (RFC 9110, 15.2).
  bool interim() const { return status >= 100 && status < 200 && status != 101; }
};

// What the rules for a response need to know of its request.
struct ResponseContext {
  Method method = Method::get;
  std::uint8_t minor_version = 1;
  bool websocket = false;  // The upgrade was asked for and passed on.

  static ResponseContext of(const RequestSummary& request) {
    return {request.method, request.minor_version, request.websocket};
  }
  bool operator==(const ResponseContext&) const = default;
};

// How far the bytes of one message have been looked at. Reset (= {}) for each message.
struct HeadCursor {
  std::uint32_t scanned = 0;     // no LF of an unfinished line before here
  std::uint32_t line_begin = 0;  // of the unfinished line
};

// The part that requests and responses share. All views and offsets refer to the bytes given to the
// last parse(); when the caller moves them, rebase() makes the views right again.
class Head {
 public:
  Violation violation = Violation::none;  // set when Progress::invalid
  std::uint32_t begin = 0;                // of the start line: 2 after a skipped CRLF, else 0
  std::uint32_t size = 0;                 // bytes to consume, the empty line included

  std::string_view raw() const { return view(begin, size - begin); }  // start line to empty line
  std::size_t field_count() const { return field_count_; }
  const Field& field(std::size_t index) const { return fields_[index]; }
  const Field* fields_begin() const { return fields_.data(); }
  const Field* fields_end() const { return fields_.data() + field_count_; }

  std::string_view name(const Field& f) const { return view(f.begin, f.name_size); }
  std::string_view value(const Field& f) const { return view(f.value_begin, f.value_size); }
  std::string_view line(const Field& f) const { return view(f.begin, f.end - f.begin); }

  // The first field of that kind; nullptr when there is none. O(1) by id, O(fields) by name.
  const Field* find(FieldId id) const;
  const Field* find(std::string_view name) const;  // any case
  // Its value; "" when there is none.
  std::string_view value_of(FieldId id) const;
  std::string_view value_of(std::string_view name) const;

  void rebase(const char* bytes) { bytes_ = bytes; }
  std::string_view view(std::uint32_t at, std::uint32_t length) const {
    return {bytes_ + at, length};
  }

 protected:
  friend class HeadReader;
  const char* bytes_ = nullptr;
  std::uint32_t first_field_ = 0;  // offset of the first field line (or of the empty line)
  std::uint16_t field_count_ = 0;
  std::array<std::uint8_t, field_id_count> first_of_{};  // index + 1 of the first field of each id
  std::array<Field, fields_capacity> fields_;
};

class RequestHead : public Head {
 public:
  RequestSummary summary;

  std::string_view method() const { return view(begin, method_size_); }
  std::string_view target() const { return view(target_begin_, target_size_); }  // as it came
  // Of either form. "/" when an absolute target has no path ("*" for OPTIONS, RFC 9112, 3.2.4), so
  // that path()["?"query()] is what goes upstream.
  std::string_view path() const;
  std::string_view query() const;  // after '?'; "" when there is none
  // Of an absolute target, else Host's value; "" on HTTP/1.0 without Host.
  std::string_view authority() const;
  // The client's own X-Prediction-Id (the first): an alias to label by, never passed on.
  std::string_view alias() const { return value_of(FieldId::x_prediction_id); }

 private:
  friend class HeadReader;
  std::uint32_t method_size_ = 0;
  std::uint32_t target_begin_ = 0;
  std::uint32_t target_size_ = 0;
  std::uint32_t authority_begin_ = 0;  // absolute form only
  std::uint32_t authority_size_ = 0;
};

class ResponseHead : public Head {
 public:
  ResponseSummary summary;
  std::string_view reason() const { return view(reason_begin_, reason_size_); }
  // How long the upstream says that it keeps an idle connection: `Keep-Alive: timeout=5`.
  std::optional<std::chrono::seconds> keep_alive_timeout() const;

 private:
  friend class HeadReader;
  std::uint32_t reason_begin_ = 0;
  std::uint32_t reason_size_ = 0;
};

// Looks at `bytes` from the first byte of the message on: the same bytes as last time and those
// that came since. `head` is meaningful when complete; its violation (only) when invalid.
Progress parse(std::string_view bytes, HeadCursor& cursor, const HeadLimits& limits,
               RequestHead& head);
Progress parse(std::string_view bytes, HeadCursor& cursor, const HeadLimits& limits,
               const ResponseContext& context, ResponseHead& head);

}  // namespace outrider::http1
