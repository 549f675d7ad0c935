// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request on one pooled upstream connection, in HTTP/1.1: sends what the client's side hands
// over, waits for a connection where there is none, reads the response and judges it. What happens
// it tells the Exchange; the bytes go to the Receiver as they came. SHELL: what HTTP means is
// decided by http1.
//
//   Attempt attempt = upstream.send(pieces, summary);      // head and the body so far
//   if (upstream.finish_connecting()) …                    // while the exchange is connecting
//   upstream.flush(); upstream.send_body(bytes);           // in turn, as the upstream takes them
//   while (upstream.receive()) …                           // calls the receiver
//
// Memory: the request is held while there is no connection, and a copy of it while it may be sent
// again; of a response what is incomplete. Thread-safety: one thread.

#include <cstdint>
#include <span>
#include <string_view>

#include "sidecar/http1/body.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/thread_context.h"
#include "sidecar/proxy/upstream_pool.h"
#include "sidecar/proxy/upstream_queue.h"

namespace outrider::proxy {

class UpstreamRequest final : public Exchange::Upstream, UpstreamUser, UpstreamWaiter {
 public:
  // The client's side. Views are valid within the call.
  class Receiver {
   public:
    virtual void advance() = 0;  // The upstream has changed something: does what can be done now.
    virtual void on_interim(const http1::ResponseHead& head) = 0;
    // The final head, and what is to be sent of the body that came with it.
    virtual void on_response(const http1::ResponseHead& head,
                             std::span<const std::string_view> body) = 0;
    virtual bool on_response_body(
        std::span<const std::string_view> body) = 0;  // False: it is gone.
    virtual void on_upgrade(const http1::ResponseHead& head, std::string_view rest) = 0;

   protected:
    ~Receiver() = default;
  };

  UpstreamRequest(ThreadContext& context, Exchange& exchange, Receiver& receiver);

  Attempt send(std::span<const std::string_view> pieces, const http1::RequestSummary& request);
  bool finish_connecting();  // True when something has changed.

  bool has_connection() const { return connection_ != nullptr; }
  Channel& channel() { return connection_->channel; }
  std::size_t unsent() const { return has_connection() ? connection_->channel.unsent() : 0; }
  std::size_t flush();  // How many bytes of what was unsent have gone.
  bool takes_bytes() const { return !connection_->channel.write_failed; }
  void send_body(std::string_view bytes) { connection_->channel.write(bytes); }

  bool receive();  // True when it moved something and may move more.
  bool response_ended() const { return body_.over(); }
  // The client is told of the response's end by the end of its connection alone.
  bool ends_with_connection() const {
    return unchunk_ || body_.framing() == http1::Framing::until_close;
  }

  void abandon() override;

 private:
  Attempt connect() override { return acquire(UpstreamPool::Wanted::any); }
  Attempt resend() override;
  void stop_connecting() override;
  bool holds_request() const override { return unsent() != 0; }
  std::size_t address_count() const override { return context_.pool.address_count(); }
  void on_upstream_events() override { receiver_.advance(); }
  void on_upstream_room() override;

  Attempt acquire(UpstreamPool::Wanted wanted);
  Attempt without_connection(UpstreamPool::Refusal refusal, int error);
  bool receive_head(const Input& input);
  bool receive_final_head(const Input& input, std::size_t used);
  bool receive_body(const Input& input);
  http1::BodyReader::Run take_body(std::string_view bytes);
  bool end_of_input();
  void release();
  void close_connection();

  ThreadContext& context_;
  Exchange& exchange_;
  Receiver& receiver_;
  UpstreamConnection* connection_ = nullptr;
  UpstreamQueue::Entry queue_entry_;
  ByteBuffer waiting_;  // The request as it is to be sent, while there is no connection yet.
  ByteBuffer replay_;   // The request as it was sent, while it may be sent again.
  http1::HeadCursor cursor_;
  http1::ResponseContext request_;
  http1::BodyReader body_;
  bool may_ignore_body_ = false;  // The request expects 100, which the upstream has not said.
  bool is_reusable_ = false;
  bool unchunk_ = false;  // The client is sent the content of the response's chunks alone.
};

}  // namespace outrider::proxy
