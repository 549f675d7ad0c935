// SPDX-License-Identifier: Apache-2.0
#pragma once

// One client connection that speaks HTTP/1.1 (one that turns out to speak HTTP/2 is handed over to
// an Http2Connection): reads a head, hands the request to an upstream connection, passes the
// response back, begins again. It keeps the connection alive, takes pipelined requests in turn,
// writes the answers that are the proxy's own, and ends. SHELL: what HTTP means is decided by
// http1, what becomes of a request by its Exchange; here bytes are moved.
//
//   reading_head ──▶ exchange ──▶ reading_head …     (keep-alive)
//        │            │    └────▶ tunnel             (101)
//        └── error ───┴──▶ lingering ──▶ closed
//
// Memory: nothing is held for a connection but what a peer would not take (ByteBuffer). A side
// whose peer takes no bytes is not read from, so back-pressure reaches the sender through TCP.
//
// Thread-safety: one thread.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "sidecar/http1/body.h"
#include "sidecar/proxy/answers.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/lingering_close.h"
#include "sidecar/proxy/thread_context.h"
#include "sidecar/proxy/tunnel.h"
#include "sidecar/proxy/upstream_request.h"

namespace outrider::proxy {

class ClientConnection final : public ClientSession,
                               public EventTarget,
                               public TimerTarget,
                               public Exchange::Client,
                               public UpstreamRequest::Receiver {
 public:
  ClientConnection(ThreadContext& context, Descriptor socket, const sockaddr_storage& peer);

  void start() override;
  int descriptor() const override { return channel_.socket.get(); }
  void advance() override;
  void leave() override {}  // Its responses say close: see drain.h.
  void end_idle() override { close(); }
  void cut_off() override;
  void close() override;

  void on_events(std::uint32_t events) override;

 private:
  enum class Phase : std::uint8_t {
    reading_head,
    exchange,
    tunnel,
    lingering,  // The last answer is taken, then input is discarded for a moment.
    closed
  };

  // What its exchange and its upstream tell it.
  void on_deadline() override;
  void on_no_input();
  bool hand_over_http2(const Input& input);
  bool has_unsent() const override { return channel_.has_unsent(); }
  void on_refused(const Answer& answer) override;
  void on_failed(const Answer& answer) override;
  void on_aborted() override;
  void on_interim(const http1::ResponseHead& head) override;
  void on_response(const http1::ResponseHead& head,
                   std::span<const std::string_view> body) override;
  bool on_response_body(std::span<const std::string_view> body) override;
  void on_upgrade(const http1::ResponseHead& head, std::string_view rest) override;

  bool step();  // True when it moved something and may move more.
  void next_request();
  bool read_head();
  void begin_exchange(const Input& input);
  void answer_reserved(const Input& input, bool is_ready);
  bool continue_exchange();
  bool forward_request();
  bool forward_response();
  bool forward_tunnel();
  void reject(http1::Violation violation);
  void write_answer(const Answer& answer);
  void end_request();
  void linger();
  bool discard_input();

  ThreadContext& context_;
  Channel channel_;
  std::unique_ptr<TlsTransport> tls_;  // nullptr: plain HTTP.
  Timer timer_;                        // While no exchange has a deadline of its own.
  UpstreamRequest upstream_;
  Exchange exchange_;
  Tunnel tunnel_;
  http1::HeadCursor cursor_;
  http1::RequestSummary request_;
  http1::BodyReader body_;
  LingeringClose closing_;
  const PeerAddress peer_;
  Phase phase_ = Phase::reading_head;
  bool close_after_ = false;  // This response is the connection's last.
  bool is_new_ = true;        // Nothing has been read: it may be HTTP/2.
};

}  // namespace outrider::proxy
