// SPDX-License-Identifier: Apache-2.0
#pragma once

// One client connection and the request that it is about: read a head, find an upstream connection,
// pass the request on, pass the response back, begin again. SHELL: what HTTP means is decided by
// http1, which exchanges are captured by tap; here bytes are moved.
//
//   head ──▶ queued/connecting ──▶ exchange ──▶ head …        (keep-alive)
//                                     │   └──▶ tunnel          (101)
//              any error ──▶ lingering (the answer is sent, input discarded) ──▶ closed
//
// Memory: nothing is held for a session but what a peer would not take (ByteBuffer). A side whose peer
// takes no bytes is not read from, so back-pressure reaches the sender through TCP.
//
// Every request is counted once, in count_request(), and every exchange disposed of once: by
// end_capture(), or by Capture::abandon() when the proxy refused it.

#include "sidecar/http1/body.h"
#include "sidecar/proxy/answers.h"
#include "sidecar/proxy/min_data_rate.h"
#include "sidecar/proxy/worker.h"

namespace outrider::proxy {

class Session final : public EventTarget, public UpstreamUser {
 public:
  Session(Worker& worker, Descriptor socket, const sockaddr_storage& peer);
  ~Session();

  void on_events(std::uint32_t events) override;
  void on_upstream_events() override { advance(); }
  void start() { next_request(); }
  int descriptor() const { return client_.socket.get(); }
  void on_upstream_room();  // It was the first in the queue, and a connection can be had.
  void on_deadline();
  void advance();  // Does what can be done now, within one turn.
  void cut_off();  // At once; the request at hand counts as cancelled, no response looks complete.
  void close();

  bool is_closed() const { return phase_ == Phase::closed; }

  struct Link : SessionLink {
    explicit Link(Session& s) : session(s) {}
    Session& session;
  };
  struct Timer : TimerEntry {
    explicit Timer(Session& s) : session(s) {}
    Session& session;
  };
  Link all_link, order_link, again_link;  // order: the idle list, or the queue.

 private:
  enum class Phase : std::uint8_t { head, queued, connecting, exchange, tunnel, lingering, closed };
  // On whom an exchange depends to go on.
  enum class Awaited : std::uint8_t {
    nobody,
    client_sends,
    upstream_answers,
    upstream_sends,
    client_reads
  };
  struct Input {
    std::string_view bytes;
    bool is_held = false;  // In the channel's stash, not in the thread's buffer.
  };

  bool step();  // True when it moved something and may move more.
  void next_request();
  Input take_input(Channel& channel, bool& unseen);
  void keep_rest(Channel& channel, bool& unseen, const Input& input, std::size_t used);
  void arm(Duration timeout);
  Awaited awaited() const;
  MinDataRate rate_for(Awaited awaited) const;
  void arm_exchange(std::uint64_t moved);

  // The request's way.
  bool read_head();
  void begin_request();
  void begin_exchange(const Input& input);
  bool is_reserved(const http1::RequestHead& head) const;
  void answer_reserved(const http1::RequestHead& head, const Input& input);
  void name_model(const http1::RequestHead& head);
  std::string_view sampling_key(const http1::RequestHead& head) const;
  void rewrite_request(const http1::RequestHead& head);
  void send_request();
  void find_upstream(bool fresh);
  void on_no_upstream(UpstreamPool::Refusal refusal, int error);
  bool finish_connecting();
  void on_connect_failure(int error);
  bool forward_request();

  // The response's way.
  bool forward_response();
  bool read_response_head(const Input& input);
  bool forward_final_head(const Input& input, std::size_t used);
  bool forward_response_body(const Input& input);
  http1::BodyReader::Run take_response_body(std::string_view bytes);
  bool end_of_upstream();
  void release_upstream();
  void drop_upstream();
  void retry();
  void finish_exchange();

  void begin_tunnel(const Input& input, std::size_t used);
  bool forward_tunnel();
  bool pump(Channel& from, Channel& to, bool& end_passed_on);

  // Ends.
  void expire();
  void reject(http1::Violation violation);
  void reject(tap::Rejection rejection, const Answer& answer);
  void refuse(const Answer& answer);
  void fail_upstream(tap::UpstreamFailure failure, std::string_view message);
  void answer(const Answer& answer);
  void truncate(tap::Outcome outcome);
  void linger();
  bool discard_input();
  void count_request(tap::Outcome outcome, int code);
  void end_capture(tap::Outcome outcome, int status);

  Worker& worker_;
  Channel client_;
  UpstreamConnection* upstream_ = nullptr;
  Timer timer_;
  tap::Capture capture_;
  tap::RequestModel model_;
  ByteBuffer waiting_;  // The request as it is to be sent, while there is no connection yet.
  ByteBuffer replay_;   // The request as it was sent, while it may be sent again.
  http1::HeadCursor request_cursor_, response_cursor_;
  http1::RequestSummary request_;
  http1::BodyReader request_body_, response_body_;
  tap::PredictionId id_{};
  Monotonic started_{};
  Time started_wall_{};
  Duration overhead_{};
  MinDataRate data_rate_;
  Monotonic armed_at_{};
  std::uint64_t discarded_bytes_ = 0;
  sockaddr_storage peer_;
  Phase phase_ = Phase::head;
  Awaited awaited_ = Awaited::nobody;
  std::uint8_t interim_seen_ = 0;
  std::uint8_t connects_failed_ = 0;
  int status_ = 0;                // Of the final response's head; 0 before it.
  bool request_unseen_ = false;   // client_.in holds bytes that were not looked at yet.
  bool response_unseen_ = false;  // The same of the upstream's.
  bool has_begun_ = false;        // The first byte of a request is there.
  bool is_model_in_path_ = false;
  bool is_counted_ = true;  // The request at hand is counted, or there is none.
  bool got_bytes_ = false;  // Anything at all came from upstream for this request.
  bool may_retry_ = false;
  bool continued_ = false;  // The upstream said 100.
  bool upstream_reusable_ = false;
  bool unchunk_ = false;      // The client is sent the content of the response's chunks alone.
  bool close_after_ = false;  // This response is the connection's last.
  bool shut_down_ = false;  // Lingering: our end is sent. Tunnel: the upstream's end is passed on.
  bool client_end_passed_on_ = false;
};

}  // namespace outrider::proxy
