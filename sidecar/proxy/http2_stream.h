// SPDX-License-Identifier: Apache-2.0
#pragma once

// One stream of a coupled pair of connections: a request that came from the client, the same one to
// the upstream, and their Exchange. DATA passes as far as the windows on the other side allow; what
// they do not allow is held, and is bounded by what the sender was granted. PURE.
//
//   client half: open ──head──▶ … ──both ends──▶ closed     (its own END_STREAM, or a reset)
//   upstream half: the same; a stream is retired once both are closed.
//
// A reset passes with its code. Where the response has ended and the request has not, both halves
// are reset (RFC 9113, 8.1). An upstream that is lost is a status of gRPC, else 502.
//
// Thread-safety: one thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/http2/endpoint.h"
#include "sidecar/proxy/byte_buffer.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/tap/grpc_call.h"

namespace outrider::proxy {

class Http2Relay;

class Http2Stream final : public Exchange::Client, public Exchange::Upstream {
 public:
  explicit Http2Stream(Http2Relay& relay, std::uint32_t id);

  struct Half : http2::Stream {
    explicit Half(Http2Stream& s) : owner(s) {}
    Http2Stream& owner;
  };
  enum class To : std::uint8_t { client, upstream };

  // -- From the client.
  void on_request(const http2::RequestHead& head, bool ends);
  void on_request_data(std::string_view content, bool ends);
  void on_request_trailers();
  void on_client_reset(http2::ErrorCode code);
  // -- From the upstream.
  void on_response(const http2::ResponseHead& head, bool ends);
  void on_response_data(std::string_view content, bool ends);
  void on_response_trailers();
  void on_upstream_reset(http2::ErrorCode code);
  void on_upstream_speaks_http1();  // It has said so before anything was sent.
  void on_upstream_violation(http2::Violation violation);
  void on_upstream_lost(tap::UpstreamFailure how);
  void on_refused_by_upstream();  // It has said that it did not look at it.

  void pump(To to);         // Sends what is held, as far as that is possible now.
  void grant_left(To to);   // What was sent has left: its sender may go on.
  bool holds(To to) const;  // DATA or the end of it.
  bool is_retired() const { return is_retired_; }
  Exchange& exchange() { return exchange_; }
  // The client has gone, or the service ends.
  void cancel();

  // -- Exchange::Client
  void on_refused(const Answer& answer) override { write_answer(answer); }
  void on_failed(const Answer& answer) override { write_answer(answer); }
  void on_aborted() override;
  void advance() override;
  bool has_unsent() const override { return holds(To::client); }
  // -- Exchange::Upstream
  Attempt connect() override;
  Attempt resend() override { return {.state = Attempt::State::failed}; }
  void stop_connecting() override;
  void abandon() override;
  bool holds_request() const override { return holds(To::upstream); }
  std::size_t address_count() const override;

  Half client{*this}, upstream{*this};

 private:
  friend class Http2Relay;
  struct Held {
    explicit Held(std::size_t& bytes_held) : bytes(bytes_held), trailers(bytes_held) {}
    ByteBuffer bytes;
    ByteBuffer trailers;  // As store_trailers() has them.
    bool has_trailers = false;
  };
  // What one direction could not send yet, and what it has sent that has not left. Most streams
  // hold nothing, and then have no room for it.
  struct Way {
    std::unique_ptr<Held> held;
    std::uint32_t leaving = 0;
    bool ends = false;

    std::string_view bytes() const {
      return held == nullptr ? std::string_view() : held->bytes.view();
    }
    bool has_trailers() const { return held != nullptr && held->has_trailers; }
  };

  void reject_protocol(std::string_view advice);
  bool answer_itself(const http2::RequestHead& head, std::string_view path);
  void capture_request(const http2::RequestHead& head, std::string_view path);
  void send_request(bool ends);
  void send(To to, std::string_view content, bool ends);
  void note_sent(To to, std::size_t bytes);
  void forward_trailers(To to);
  void finish_way(To to);
  void write_answer(const Answer& answer);
  bool takes_answer() const;
  Held& held(To to);
  void forget_held(To to);
  void drop_held(To to);
  void settle();
  http2::Endpoint* endpoint(To to);
  Half& half(To to) { return to == To::client ? client : upstream; }
  Way& way(To to) { return to == To::client ? to_client_ : to_upstream_; }

  Http2Relay& relay_;
  Exchange exchange_;
  Way to_client_, to_upstream_;
  std::int64_t request_bytes_ = 0;
  std::optional<http2::ErrorCode> reset_code_;  // That the other side has sent.
  tap::GrpcMethod grpc_method_ = tap::GrpcMethod::other;
  bool is_grpc_ = false, is_retired_ = false, is_upstream_gone_ = false;
};

}  // namespace outrider::proxy
