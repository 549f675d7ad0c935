// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request and its response, as the proxy accounts for them: the capture for the tap, the
// counters, the model's name, the deadlines, the attempts to reach the upstream, and how it ended.
// It knows no codec and moves no byte: whoever speaks to the client (Exchange::Client) and whoever
// speaks to the upstream (Exchange::Upstream) tell it what happened, and it tells them what to do.
// So one connection may drive one Exchange after the other (HTTP/1.1), or many at a time. PURE.
//
//   idle ──begin──▶ head ──▶ queued ──▶ connecting ──▶ waiting ──▶ responding ──finish──▶ idle
//                     │    (on_attempt)      ▲          │   begin_response
//                     └──────────────────────┴──retry───┘
//
// Each one that begins ends once, from whatever stage, in exactly one of these ways:
//   withdraw()         it never was a request of the model's: not counted
//   refuse(), reject() by the proxy: counted as rejected, not captured
//   on_upstream_lost() and others, before a response: counted by the failure, captured, status 0
//   abort(), cancel()  half-way: the response must not look complete; captured unless rejected
//   finish()           the response has been handed over whole
//   switch_protocols() it has become a tunnel
//
// Who is waited for decides how long: see Awaited. Deadlines come due in the thread's TimerWheel.
// What passes is told by how much of it has passed (on_request_bytes, on_response_bytes), and what
// is still to be taken is asked (has_unsent, holds_request): sockets and windows of flow control
// look alike.
//
// Rule of the retry: a request is sent again, once and on a fresh connection, where its method is
// safe, it has no body, the connection had served another request before, and not one byte of an
// answer came. Several addresses: each is tried once to connect to.
//
//   Exchange exchange(context, client, upstream);    // lives as long as its connection or stream
//   exchange.begin();                                // the request's first byte
//   exchange.name_request(path, "");                 // model and prediction id
//   exchange.capture_request({.method = "POST", …});
//   exchange.on_attempt(attempt);                    // the request is on its way, or waits
//   exchange.capture_response(head, "", ""); exchange.begin_response(200, 0);
//   exchange.finish();
//
// Thread-safety: one thread. Nothing allocates. A call may end in a call of the client or the
// upstream, after which the exchange may have begun anew: the caller looks at its own state then.

#include <cstdint>
#include <string_view>

#include "sidecar/proxy/answers.h"
#include "sidecar/proxy/exchange_context.h"
#include "sidecar/proxy/min_data_rate.h"
#include "sidecar/proxy/timers.h"
#include "sidecar/tap/capture.h"
#include "sidecar/tap/grpc_call.h"
#include "sidecar/tap/model_counters.h"
#include "sidecar/tap/prediction_id.h"

namespace outrider::proxy {

// What came of an attempt to reach the upstream.
struct Attempt {
  enum class State : std::uint8_t { sent, connecting, queued, queue_full, failed };
  State state = State::sent;
  bool is_reused = false;  // Sent: on a connection that had served another request before.
  int error = 0;           // Failed: errno.
};

class Exchange final : public TimerTarget {
 public:
  // Who speaks to the client.
  class Client {
   public:
    // The request was refused: sends the answer, reads no more of the request.
    virtual void on_refused(const Answer& answer) = 0;
    // The upstream failed before it answered: sends the answer.
    virtual void on_failed(const Answer& answer) = 0;
    // The response, if it has begun, must not look complete.
    virtual void on_aborted() = 0;
    virtual void advance() = 0;  // A deadline has changed something: does what can be done now.
    virtual bool has_unsent() const = 0;  // Bytes that the client has not taken yet.

   protected:
    ~Client() = default;
  };

  // Who speaks to the upstream, and holds the request while it may have to be sent (again).
  class Upstream {
   public:
    virtual Attempt connect() = 0;           // Again, to whatever address is next.
    virtual Attempt resend() = 0;            // On a fresh connection.
    virtual void stop_connecting() = 0;      // It took too long: the address counts as failed.
    virtual void abandon() = 0;              // Whatever is held, queued for, connected or half-way.
    virtual bool holds_request() const = 0;  // Bytes that the upstream has not taken yet.
    virtual std::size_t address_count() const = 0;

   protected:
    ~Upstream() = default;
  };

  enum class Stage : std::uint8_t { idle, head, queued, connecting, waiting, responding };

  Exchange(ExchangeContext& context, Client& client, Upstream& upstream);

  Stage stage() const { return stage_; }
  bool has_begun() const { return stage_ != Stage::idle; }
  bool is_responding() const { return stage_ == Stage::responding; }
  int status() const { return status_; }  // Of the response that has begun; 0 before it.
  bool request_ended() const { return request_ended_; }
  // Whether a copy of the request is to be kept until the first byte of the response.
  bool may_be_resent() const { return attempts_.retry == Retry::on_reused && request_ended_; }
  // Empty before name_request().
  std::string_view prediction_id() const;
  const tap::PredictionId& id() const { return id_; }

  // -- The request, as the client's codec reads it.
  void begin();     // Its first byte came: it counts as in flight, and its head has its deadline.
  void withdraw();  // It is none: it never came whole, or is not for the model.
  // Which model it is for, as far as the path or a field says, and its id.
  void name_request(std::string_view path, std::string_view model_field);

  struct RequestFacts {
    std::string_view method{}, path{};
    std::string_view sampling_key{};  // "": the prediction id.
    std::string_view raw_head{};
    bool is_safe = false;  // Its method is (RFC 9110, 9.2.1).
    tap::Protocol protocol = tap::Protocol::http1;
  };
  void capture_request(const RequestFacts& facts);
  void capture_request_body(std::string_view content) { capture_.request_body(content); }
  void set_protocol(tap::Protocol protocol) { spoken_.protocol = protocol; }
  void set_grpc_call(std::string_view path);  // It is one, of that method.
  // Of a protocol whose heads are fields: they are written down here.
  tap::Capture& capture() { return capture_; }
  void name_model(std::string_view name);    // As the request's body has it.
  void on_request_bytes(std::size_t bytes);  // Of its body, passed on.
  void end_request() { request_ended_ = true; }

  // -- The upstream.
  void on_attempt(const Attempt& attempt);
  void on_connected();  // And the request is being sent.
  void on_connect_failed(std::string_view why);
  void on_upstream_bytes() { attempts_.retry = Retry::never; }  // The first ones, of whatever.
  void on_upstream_lost(tap::UpstreamFailure how);              // Reset or closed.
  void on_invalid_response(std::string_view advice);

  // -- The response.
  bool on_interim_response();  // 1xx; false when there were too many and it has failed.
  void capture_response(std::string_view raw_head, std::string_view model_field,
                        std::string_view content_type);
  void capture_response_body(std::string_view content) {
    capture_.response_body(content, context_.now.monotonic - started_.monotonic);
  }
  void begin_response(int status, std::size_t body_bytes);  // Its head is on its way.
  void on_response_bytes(std::size_t bytes);                // Of its body, passed on.
  void set_grpc_status(int code) {
    spoken_.grpc_status = code;
  }                         // Decides how a gRPC call has ended.
  void switch_protocols();  // 101.
  void finish();

  // -- Both.
  void on_progress(std::uint64_t bytes);  // Whoever was waited for has taken so many.
  void reject(tap::Rejection why, const Answer& answer);
  void refuse(const Answer& answer);  // The caller has counted why.
  void abort(tap::Outcome outcome);
  void cancel() { abort(tap::Outcome::cancelled); }  // The client has gone.
  void close();                                      // For good, whatever the stage; tells nobody.

 private:
  // On whom it depends to go on.
  enum class Awaited : std::uint8_t {
    nobody,
    client_sends,
    upstream_answers,
    upstream_sends,
    client_reads
  };
  struct Wait {
    Duration left{};  // Of the credit (MinDataRate), at `since`.
    Monotonic since{};
    Awaited awaited = Awaited::nobody;
  };
  enum class Retry : std::uint8_t { never, on_reused, allowed };
  struct Attempts {
    Retry retry = Retry::never;
    std::uint8_t connects_failed = 0;
    std::uint8_t interim_seen = 0;
  };
  void on_deadline() override;
  void expire();
  void expire_waiting();
  void arm(Duration timeout);
  Awaited awaited() const;
  MinDataRate rule_for(Awaited awaited) const;
  void begin_waiting();
  void fail(tap::UpstreamFailure failure, std::string_view message);
  void end(tap::Outcome outcome, int code);
  void count(tap::Outcome outcome, int code, Duration duration);
  void count_grpc(int code);
  void end_capture(tap::Outcome outcome, int status, Duration duration);
  Duration elapsed_since(Monotonic then) const { return context_.clock.now() - then; }

  ExchangeContext& context_;
  Client& client_;
  Upstream& upstream_;
  Timer timer_;
  tap::Capture capture_;
  tap::RequestModel model_;
  tap::PredictionId id_{};
  Moment started_{};
  Duration overhead_{};
  Wait wait_;
  int status_ = 0;
  Stage stage_ = Stage::idle;
  Attempts attempts_;
  bool request_ended_ = false;
  struct {
    tap::Protocol protocol = tap::Protocol::http1;
    std::uint8_t grpc_method = tap::grpc_method_labels - 1;  // Its place.
    bool has_model_in_path = false;
    int grpc_status = tap::no_grpc_status;
  } spoken_;
};

}  // namespace outrider::proxy
