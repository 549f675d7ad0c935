// SPDX-License-Identifier: Apache-2.0
#pragma once

// A ring in plain memory, and exchanges to put into it.

#include <memory>
#include <string>
#include <vector>

#include "sidecar/tap/ring.h"

namespace outrider::tap {

struct TestRing {
  explicit TestRing(std::size_t size) : bytes(size), control(std::make_unique<RingControl>()) {}
  RingWriter writer() { return RingWriter(*control, bytes); }
  RingReader reader() { return RingReader(*control, bytes); }
  std::uint64_t committed() const { return control->commits.load() / 2; }

  std::vector<std::byte> bytes;
  std::unique_ptr<RingControl> control;
};

// The n-th exchange: every part tells its number, so that a mixed-up read shows.
struct NumberedExchange {
  NumberedExchange(const NumberedExchange&) = delete;
  NumberedExchange& operator=(const NumberedExchange&) = delete;
  explicit NumberedExchange(std::uint64_t n, std::size_t body_bytes = 40)
      : head("POST /" + std::to_string(n) + " HTTP/1.1\r\n\r\n"),
        body(body_bytes, static_cast<char>('a' + n % 26)),
        response_head("HTTP/1.1 200 OK\r\nX-N: " + std::to_string(n) + "\r\n\r\n"),
        response(std::to_string(n)) {
    view.id.fill(static_cast<char>('0' + n % 10));
    view.started = from_unix_ms(static_cast<std::int64_t>(n));
    view.duration = Duration(n + 1);
    view.status = 200;
    view.outcome = Outcome::success;
    view.request_head = head;
    view.request_body = body;
    view.response_head = response_head;
    view.response_body = response;
    if (n % 3 == 0) return;  // One of HTTP/1.1, without the parts that it does not have.
    view.protocol = Protocol::grpc;
    view.grpc_status = static_cast<int>(n % 17);
    view.response_trailers = trailers;
    mark_bytes.resize(n % 4 * sizeof(ArrivalMark), static_cast<char>(n));
    view.marks = ArrivalMarks(mark_bytes);
    view.request_gap = {n, body_bytes / 2};
    view.response_gap = {2 * n, response.size()};
    view.marks_gap = {3 * n, view.marks.size()};
  }
  std::string head, body, response_head, response, trailers = "grpc-status: 0\r\n", mark_bytes;
  Exchange view;
};

inline bool operator==(const Exchange& a, const Exchange& b) {
  return a.id == b.id && a.started == b.started && a.duration == b.duration &&
         a.status == b.status && a.outcome == b.outcome && a.request_head == b.request_head &&
         a.request_body == b.request_body && a.response_head == b.response_head &&
         a.response_body == b.response_body && a.protocol == b.protocol &&
         a.grpc_status == b.grpc_status && a.response_trailers == b.response_trailers &&
         a.marks.bytes() == b.marks.bytes() && a.request_gap == b.request_gap &&
         a.response_gap == b.response_gap && a.marks_gap == b.marks_gap;
}

inline std::uint64_t sum(const ReaderState& state) {
  std::uint64_t total = state.analysed;
  for (const std::uint64_t n : state.skipped) total += n;
  for (const std::uint64_t n : state.failed) total += n;
  return total;
}

}  // namespace outrider::tap
