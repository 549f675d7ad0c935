// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a head changes on its way through: hop-by-hop fields go, a few come, everything else stays as
// it came, byte for byte, in its order and case.
//
// Request, to the upstream:
// - dropped: Connection and what it names, Keep-Alive, Proxy-Connection, TE, HTTP2-Settings,
// Upgrade
//   (kept for a websocket), and the client's X-Prediction-Id;
// - kept though hop-by-hop: Transfer-Encoding and Trailer, because the chunks pass as they came;
// - an absolute target becomes its origin form (RFC 9112, 3.2.1), and the Host that HTTP/1.0 may
//   lack; the version stays as it came, so that an upstream never sends chunks to a client of
//   HTTP/1.0;
// - added at the end: X-Prediction-Id; Via, Forwarded and traceparent where given. A Forwarded
//   whose quotes do not close would swallow ours and is dropped then; so are a traceparent that is
//   none, and its tracestate (W3C Trace Context, 3.2 and 3.3).
// Response, to the client:
// - dropped: the same fields, and an X-Prediction-Id that the upstream echoed;
// - the version becomes HTTP/1.1, ours (RFC 9112, 2.3);
// - dropped as well, where a client of HTTP/1.0 is given the content without its chunks:
//   Transfer-Encoding and Trailer;
// - added: X-Prediction-Id and Via (not on 1xx), `Connection: close` or `keep-alive` where needed.
//
// The result is a list of pieces, views into the bytes of the head and of the arguments:
// gather-write them or copy them; all of them stay valid as long as those bytes do. Fields that
// stay next to one another are one piece: a typical request is 4 pieces.
//
//   Pieces pieces;
//   rewrite(head, {.prediction_id = id}, pieces);
//   for (std::string_view piece : pieces) out.append(piece);
//
// Thread-safety: none needed. Complexity: linear in the fields; nothing allocates.

#include <array>
#include <cstddef>
#include <string_view>

#include "sidecar/http1/head.h"

namespace outrider::http1 {

// A fixed-capacity list: each dropped field splits a run, each added field is up to three pieces.
class Pieces {
 public:
  static constexpr std::size_t capacity = fields_capacity + 32;

  void clear() { count_ = 0, bytes_ = 0; }
  void add(std::string_view piece);  // An empty one is left out.
  const std::string_view* begin() const { return pieces_.data(); }
  const std::string_view* end() const { return pieces_.data() + count_; }
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::array<std::string_view, capacity> pieces_;
};

// Empty values are not sent.
struct RequestAdditions {
  std::string_view prediction_id{};
  std::string_view via{};  // Our pseudonym: sent as `Via: 1.1 <via>`, the version that came in.
  std::string_view forwarded{};    // One whole element: `for=192.0.2.7;proto=http`.
  std::string_view traceparent{};  // Sent only when the client sent no proper one.
};

struct ResponseAdditions {
  std::string_view prediction_id{};
  std::string_view via{};
  // `Connection: close`; implied by a body that lasts to the connection's end.
  bool close = false;
  bool keep_alive = false;  // `Connection: keep-alive`, for a client of HTTP/1.0 that asked for it.
};

// Replace what `out` held. The head must be complete.
void rewrite(const RequestHead& head, const RequestAdditions& additions, Pieces& out);
void rewrite(const ResponseHead& head, const ResponseAdditions& additions, Pieces& out);

}  // namespace outrider::http1
