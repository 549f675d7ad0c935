// SPDX-License-Identifier: Apache-2.0
#pragma once

// A client's HTTP/2 connection and the upstream connection that is coupled with it: two endpoints,
// the streams between them, and what happens to all of them at once. Same stream ids on both sides;
// the number of streams that the upstream takes, and its GOAWAY, are the client's. PURE: whoever
// holds the two sockets gives it bytes, writes what it puts into Http2Scratch, and is its Link.
//
//   Http2Relay relay(context, scratch, bytes_held, link);
//   relay.start();
//   relay.begin_turn();
//   used = relay.receive_client(bytes); used = relay.receive_upstream(bytes);
//   … writes scratch.client_out, then relay.on_written(To::client), and so for the upstream
//   relay.reap();                                    // where none of its calls is on the stack
//
// The upstream's connection is opened for the first request, and again for the next one after it
// was lost. What is sent to it before it is connected is held by the Link.
//
// Limits: 256 streams; what is held of DATA, by the windows of 256 KiB a stream and 512 KiB a
// connection; of heads, by 256 KiB that a peer does not take, and of trailers by 64 KiB that wait
// for its window, past which the other side is not read from. Thread-safety: one thread.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "sidecar/http2/endpoint.h"
#include "sidecar/proxy/added_fields.h"
#include "sidecar/proxy/exchange_context.h"
#include "sidecar/proxy/http2_heads.h"
#include "sidecar/proxy/http2_stream.h"

namespace outrider::proxy {

// Of the call at hand; one a thread. The outputs are empty between two turns.
struct Http2Scratch {
  http2::Scratch heads;
  std::string client_out, upstream_out;
  ForwardedText forwarded{};
  TraceparentText traceparent{};
};

class Http2Relay {
 public:
  using To = Http2Stream::To;

  class Link {
   public:
    virtual Attempt connect_upstream() = 0;  // sent: it is connected already.
    virtual void give_up_connecting() = 0;   // It took too long; what is held for it stays.
    virtual void close_upstream() = 0;       // And drops what is held for it.
    virtual std::size_t address_count() const = 0;
    virtual std::size_t unsent(To to) const = 0;  // Written, and not taken by the peer.
    virtual bool is_leaving() const = 0;
    // A deadline has changed something: writes the outputs at once, and has a turn.
    virtual void advance_soon() = 0;
    virtual std::string_view forwarded() = 0;  // The field's element for this client; "": none.

   protected:
    ~Link() = default;
  };

  Http2Relay(ExchangeContext& context, Http2Scratch& scratch, std::size_t& bytes_held, Link& link);
  ~Http2Relay();

  void start() { client_.start(); }
  void begin_turn();
  std::size_t receive_client(std::string_view bytes);
  std::size_t receive_upstream(std::string_view bytes);
  bool takes(To from) const;  // Whether it may be given bytes of that side.
  void on_written(To to);

  // -- The upstream's connection.
  bool has_upstream() const { return upstream_ != nullptr; }
  void on_attempt(const Attempt& attempt);  // That waited in the queue.
  void on_connected();
  void on_connect_failed(std::string_view why);
  void on_upstream_speaks_http1();  // By what it chose in the TLS handshake.
  void on_upstream_lost(tap::UpstreamFailure how);

  // -- Ends.
  void leave() { client_.begin_shutdown(); }
  void refuse_new() { client_.finish_shutdown(); }
  void fail_client(http2::Violation violation);
  void cancel_all();
  bool is_idle() const;  // No exchange has begun that has not ended.
  bool awaits_head_end() const { return client_.awaits_head_end(); }
  // Nothing more will come of the client's connection: write what there is, and close it.
  bool is_over() const { return client_.has_failed() || (client_.is_shut() && streams_.empty()); }
  void reap();

 private:
  friend class Http2Stream;
  enum class State : std::uint8_t { none, connecting, queued, connected };
  // On the way to one side.
  struct Outgoing {
    std::vector<Http2Stream*> leaving;  // Their bytes have been written, and have not left.
    std::size_t trailers_bytes = 0;     // Of all streams; they wait for DATA before them.
  };

  struct ClientSide final : http2::Endpoint::Handler {
    explicit ClientSide(Http2Relay& r) : relay(r) {}
    http2::Stream* make_stream(std::uint32_t id) override;
    void on_request(http2::Stream&, const http2::RequestHead&, bool ends) override;
    void on_response(http2::Stream&, const http2::ResponseHead&, bool) override {}
    void on_trailers(http2::Stream&) override;
    void on_data(http2::Stream&, std::string_view content, bool ends) override;
    void on_reset(http2::Stream&, http2::ErrorCode code) override;
    void on_stream_error(http2::Stream&, http2::Violation) override;
    void on_window(http2::Stream* stream) override { relay.pump(stream, To::client); }
    void on_settings() override { relay.pump(nullptr, To::client); }
    void on_goaway(std::uint32_t, http2::ErrorCode) override {}
    void on_violation(http2::Violation violation) override { relay.count(violation); }
    Http2Relay& relay;
  };
  struct UpstreamSide final : http2::Endpoint::Handler {
    explicit UpstreamSide(Http2Relay& r) : relay(r) {}
    http2::Stream* make_stream(std::uint32_t) override { return nullptr; }
    void on_request(http2::Stream&, const http2::RequestHead&, bool) override {}
    void on_response(http2::Stream&, const http2::ResponseHead&, bool ends) override;
    void on_trailers(http2::Stream&) override;
    void on_data(http2::Stream&, std::string_view content, bool ends) override;
    void on_reset(http2::Stream&, http2::ErrorCode code) override;
    void on_stream_error(http2::Stream&, http2::Violation) override;
    void on_window(http2::Stream* stream) override { relay.pump(stream, To::upstream); }
    void on_settings() override { relay.follow_upstream_settings(); }
    void on_goaway(std::uint32_t last_id, http2::ErrorCode) override {
      relay.follow_goaway(last_id);
    }
    void on_violation(http2::Violation violation) override { relay.count(violation); }
    Http2Relay& relay;
  };

  // -- For its streams.
  Attempt reach_upstream();
  bool upstream_refuses(std::uint32_t id) const { return id > upstream_last_id_; }
  void stop_connecting(Http2Stream& first);
  bool is_congested(To to) const;
  void note_leaving(Http2Stream& stream, To to, std::size_t bytes);
  void retire(Http2Stream& stream);
  Http2Additions additions(const tap::PredictionId& id);

  template <class Each>
  void each_stream(Each&& each);
  void pump(http2::Stream* stream, To to);
  void follow_upstream_settings();
  void follow_goaway(std::uint32_t last_id);
  void judge_upstream();
  void drop_upstream();
  void pause_if_full();
  void count(http2::Violation violation);
  Outgoing& outgoing(To to) { return outgoing_[static_cast<std::size_t>(to)]; }
  std::string& out(To to) const {
    return to == To::client ? scratch_.client_out : scratch_.upstream_out;
  }

  ExchangeContext& context_;
  Http2Scratch& scratch_;
  std::size_t& bytes_held_;
  Link& link_;
  ClientSide client_side_{*this};
  UpstreamSide upstream_side_{*this};
  http2::Endpoint client_;
  std::unique_ptr<http2::Endpoint> upstream_, old_upstream_;  // The second: until reap().
  std::vector<std::unique_ptr<Http2Stream>> streams_, dead_;
  std::array<Outgoing, 2> outgoing_;  // By To.
  State state_ = State::none;
  std::uint32_t upstream_last_id_ = http2::stream_id_max;
  std::uint32_t streams_max_;  // As the client was told.
};

}  // namespace outrider::proxy
