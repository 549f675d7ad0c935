// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/client_connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "sidecar/http2/frame.h"
#include "sidecar/proxy/http2_connection.h"

namespace outrider::proxy {
namespace {

constexpr int steps_per_turn = 16;  // Then others have their turn.

bool is_safe(http1::Method method) {
  return method == http1::Method::get || method == http1::Method::head ||
         method == http1::Method::options || method == http1::Method::trace;
}

// Old clients send one behind a body (RFC 9112, 2.2): their connection is still idle.
bool is_empty_line(std::string_view bytes) {
  return bytes == "\r\n" || bytes == "\r";
}

// A peer that does not speak HTTP/1.1 at all cannot read an answer in it either: where HTTP/2 is
// spoken, a broken preface is answered by the connection's end (RFC 9113, 3.4).
bool is_no_request(http1::Violation violation) {
  return violation == http1::Violation::bad_request_line ||
         violation == http1::Violation::bad_method ||
         violation == http1::Violation::unsupported_version;
}

// What the proxy answers itself: "/healthy" or "/ready" below the reserved path, else "".
std::string_view reserved_word(std::string_view reserved_path, std::string_view path) {
  if (reserved_path.empty() || !path.starts_with(reserved_path)) return {};
  const std::string_view word = path.substr(reserved_path.size());
  return word == "/healthy" || word == "/ready" ? word : std::string_view();
}

std::string_view sampling_key(const http1::RequestHead& head) {
  for (const http1::FieldId id :
       {http1::FieldId::x_prediction_id, http1::FieldId::x_request_id, http1::FieldId::ce_id})
    if (const std::string_view value = head.value_of(id); !value.empty()) return value;
  return {};
}

// Into scratch.pieces, as the upstream is to be sent it.
void rewrite_request(const Settings& settings, const PeerAddress& peer, const tap::PredictionId& id,
                     Http1Scratch& scratch) {
  http1::RequestAdditions additions;
  additions.prediction_id = tap::view(id);
  additions.via = settings.via;
  if (settings.forwarded)
    additions.forwarded =
        forwarded_element(peer, !settings.tls_cert_dir.empty(), scratch.forwarded);
  if (settings.traceparent) additions.traceparent = traceparent_of(id, scratch.traceparent);
  http1::rewrite(scratch.request_head, additions, scratch.pieces);
}

std::span<const std::string_view> view(const http1::Pieces& pieces) {
  return {pieces.begin(), pieces.count()};
}

}  // namespace

ClientConnection::ClientConnection(ThreadContext& context, Descriptor socket,
                                   const sockaddr_storage& peer)
    : context_(context),
      channel_(context.bytes_held),
      timer_(*this),
      upstream_(context, exchange_, *this),
      exchange_(context.exchanges, *this, upstream_),
      peer_(peer) {
  channel_.socket = std::move(socket);
  channel_.writable = true;
  if (!context_.tls) return;
  tls_ = context_.tls->make();
  channel_.transport = tls_.get();
}

void ClientConnection::start() {
  next_request();
  if (tls_ != nullptr) context_.exchanges.arm(timer_, context_.settings.head_timeout);
}

// ---- Turns ----

void ClientConnection::on_events(std::uint32_t events) {
  if (phase_ == Phase::closed) return;  // Closed earlier in this batch.
  channel_.note(events);
  const bool is_gone = (events & (EPOLLHUP | EPOLLERR)) != 0;
  if (is_gone && phase_ == Phase::exchange) return exchange_.cancel();
  advance();
}

void ClientConnection::advance() {
  for (int steps = 0; steps < steps_per_turn; ++steps)
    if (!step()) return;
  if (phase_ != Phase::closed) context_.connections.run_again(*this);
}

bool ClientConnection::step() {
  switch (phase_) {
    case Phase::reading_head:
      return read_head();
    case Phase::exchange:
      return continue_exchange();
    case Phase::tunnel:
      return forward_tunnel();
    case Phase::lingering:
      return discard_input();
    case Phase::closed:
      return false;
  }
  return false;
}

// It is not cancelled when a request begins, since the next phase that needs it moves it.
void ClientConnection::on_deadline() {
  if (phase_ == Phase::exchange || exchange_.has_begun()) return;
  if (tls_ != nullptr) tls_->give_up_handshake();
  close();
}

// ---- The request's way ----

void ClientConnection::next_request() {
  phase_ = Phase::reading_head;
  cursor_ = {};
  close_after_ = false;
  channel_.unseen = !channel_.in.empty();
  context_.connections.note_idle(*this, true);
  context_.exchanges.arm(timer_, context_.settings.idle_timeout);
}

bool ClientConnection::read_head() {
  if (!channel_.flush()) return close(), false;
  if (channel_.has_unsent()) return false;  // Our answer before is not taken yet: back-pressure.
  const Input input = channel_.take(context_.read_buffer);
  if (input.bytes.empty()) {
    on_no_input();
    return false;
  }
  if (!exchange_.has_begun() && !is_empty_line(input.bytes)) {
    if (is_new_ && hand_over_http2(input)) return false;
    request_ = {};
    body_ = {};
    context_.connections.note_idle(*this, false);
    exchange_.begin();
  }
  http1::RequestHead& head = context_.scratch.request_head;
  switch (http1::parse(input.bytes, cursor_, context_.head_limits, head)) {
    case http1::Progress::need_more:
      channel_.keep_incomplete(input, 0);
      return channel_.readable;
    case http1::Progress::invalid:
      reject(head.violation);
      return true;
    case http1::Progress::complete:
      begin_exchange(input);
      return true;
  }
  return false;
}

// By the first bytes, which no request of HTTP/1.1 has. They may come in pieces.
bool ClientConnection::hand_over_http2(const Input& input) {
  const std::size_t n = std::min(input.bytes.size(), http2::client_preface.size());
  if (input.bytes.substr(0, n) != http2::client_preface.substr(0, n)) {
    is_new_ = false;
    return false;
  }
  context_.connections.note_idle(*this, false);
  if (n < http2::client_preface.size()) {
    channel_.keep_incomplete(input, 0);
    context_.exchanges.arm(timer_, context_.settings.head_timeout);
    return true;
  }
  channel_.keep(input, 0);
  phase_ = Phase::closed;
  context_.exchanges.timers.cancel(timer_);
  auto successor = std::make_unique<Http2Connection>(context_, channel_, std::move(tls_), peer_);
  context_.connections.remove(*this);
  context_.connections.add(std::move(successor));
  return true;
}

// Within a handshake, or behind it, or at the peer's end.
void ClientConnection::on_no_input() {
  if (!channel_.ended) {
    if (tls_ != nullptr && tls_->take_opened() && !exchange_.has_begun())
      context_.exchanges.arm(timer_, context_.settings.idle_timeout);
    return;
  }
  if (tls_ != nullptr && tls_->result() == tls::HandshakeResult::plain_http) {
    const std::string answer = render_error(
        {400, "plain_http", "this port speaks TLS; use https:// (the proxy has tls.cert-dir)"},
        {.now = context_.exchanges.now.wall});
    (void)!::send(descriptor(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  close();
}

void ClientConnection::begin_exchange(const Input& input) {
  const http1::RequestHead& head = context_.scratch.request_head;
  request_ = head.summary;
  close_after_ = !request_.keep_alive;
  exchange_.name_request(head.path(), head.value_of(http1::FieldId::x_model_name));
  const auto body_bytes_max = static_cast<std::uint64_t>(context_.settings.body_bytes_max);
  body_ = http1::BodyReader(request_.framing, request_.content_length,
                            {.content_bytes = body_bytes_max});
  if (request_.framing == http1::Framing::content_length &&
      request_.content_length > body_bytes_max)
    return reject(http1::Violation::body_too_large);
  if (const std::string_view word = reserved_word(context_.settings.reserved_path, head.path());
      !word.empty())
    return answer_reserved(input, word == "/healthy" || !context_.is_leaving);

  if (!context_.settings.passes_http1())
    return exchange_.reject(tap::Rejection::wrong_protocol,
                            {505, "http2_only",
                             "the model server speaks HTTP/2 (upstream=h2c://...) and the proxy "
                             "does not translate: send HTTP/2, or set upstream=http://..."});

  exchange_.capture_request({.method = head.method(),
                             .path = head.path(),
                             .sampling_key = sampling_key(head),
                             .raw_head = head.raw(),
                             .is_safe = is_safe(request_.method)});
  const std::string_view after_head = input.bytes.substr(head.size);
  const http1::BodyReader::Run run =
      body_.take(after_head, [this](std::string_view c) { exchange_.capture_request_body(c); });
  if (run.progress == http1::Progress::invalid) return reject(body_.violation());
  exchange_.on_request_bytes(run.taken);
  if (body_.over()) exchange_.end_request();

  http1::Pieces& pieces = context_.scratch.pieces;
  rewrite_request(context_.settings, peer_, exchange_.id(), context_.scratch);
  pieces.add(after_head.substr(0, run.taken));
  phase_ = Phase::exchange;
  const std::size_t used = head.size + run.taken;
  const Attempt attempt = upstream_.send(view(pieces), request_);
  channel_.keep(input, used);
  exchange_.on_attempt(attempt);
}

// By the proxy itself. Such requests are no traffic of the model: they are not counted.
void ClientConnection::answer_reserved(const Input& input, bool is_ready) {
  close_after_ = close_after_ || !body_.over() || context_.is_leaving;
  channel_.write(render_text(is_ready ? 200 : 503, is_ready ? "OK\n" : "draining\n",
                             {.now = context_.exchanges.now.wall,
                              .is_head = request_.method == http1::Method::head,
                              .close = close_after_}));
  exchange_.withdraw();
  channel_.keep(input, context_.scratch.request_head.size);
  end_request();
}

bool ClientConnection::continue_exchange() {
  if (exchange_.stage() == Exchange::Stage::queued) return false;
  if (exchange_.stage() == Exchange::Stage::connecting) return upstream_.finish_connecting();
  const bool moved = forward_request();
  return (phase_ == Phase::exchange && forward_response()) || moved;
}

bool ClientConnection::forward_request() {
  if (!upstream_.has_connection()) return false;
  if (upstream_.unsent() != 0) {
    const std::size_t gone = upstream_.flush();
    if (gone != 0) exchange_.on_progress(gone);
    if (upstream_.unsent() != 0) return gone != 0;
  }
  if (body_.over() || !upstream_.takes_bytes()) return false;
  channel_.unseen = !channel_.in.empty();
  const Input input = channel_.take(context_.read_buffer);
  if (input.bytes.empty()) {
    if (channel_.ended) exchange_.cancel();
    return false;
  }
  const http1::BodyReader::Run run =
      body_.take(input.bytes, [this](std::string_view c) { exchange_.capture_request_body(c); });
  if (run.progress == http1::Progress::invalid) {
    // The upstream sees an aborted message, never a completed one.
    exchange_.is_responding() ? exchange_.abort(tap::Outcome::rejected) : reject(body_.violation());
    return true;
  }
  upstream_.send_body(input.bytes.substr(0, run.taken));
  channel_.keep(input, run.taken);
  if (body_.over()) exchange_.end_request();
  exchange_.on_request_bytes(run.taken);
  return true;
}

// ---- The response's way ----

bool ClientConnection::forward_response() {
  const std::size_t held = channel_.unsent();
  if (!channel_.flush()) return exchange_.cancel(), false;
  if (channel_.unsent() != held) exchange_.on_progress(held - channel_.unsent());
  if (channel_.has_unsent()) return false;
  if (!exchange_.is_responding() || !upstream_.response_ended()) return upstream_.receive();
  exchange_.finish();
  close_after_ = close_after_ || !body_.over();
  end_request();
  return true;
}

void ClientConnection::on_interim(const http1::ResponseHead& head) {
  if (request_.minor_version == 0) return;
  http1::rewrite(head, {}, context_.scratch.pieces);
  channel_.write(view(context_.scratch.pieces));
}

void ClientConnection::on_response(const http1::ResponseHead& head,
                                   std::span<const std::string_view> body) {
  close_after_ = close_after_ || context_.is_leaving || upstream_.ends_with_connection() ||
                 (upstream_.response_ended() && !body_.over());
  http1::ResponseAdditions additions;
  additions.prediction_id = exchange_.prediction_id();
  additions.via = context_.settings.via;
  additions.close = close_after_;
  additions.keep_alive = request_.minor_version == 0 && !close_after_;
  http1::Pieces& pieces = context_.scratch.pieces;
  http1::rewrite(head, additions, pieces);
  if (body.size() == 1) {
    pieces.add(body.front());
    body = {};
  }
  channel_.write(view(pieces));
  for (const std::string_view run : body) channel_.write(run);
}

bool ClientConnection::on_response_body(std::span<const std::string_view> body) {
  for (const std::string_view run : body) channel_.write(run);
  return !channel_.write_failed;
}

void ClientConnection::on_upgrade(const http1::ResponseHead& head, std::string_view rest) {
  http1::Pieces& pieces = context_.scratch.pieces;
  http1::rewrite(head, {.prediction_id = exchange_.prediction_id(), .via = context_.settings.via},
                 pieces);
  pieces.add(rest);
  channel_.write(view(pieces));
  exchange_.switch_protocols();
  phase_ = Phase::tunnel;
  context_.exchanges.arm(timer_, context_.settings.stream_timeout);
}

bool ClientConnection::forward_tunnel() {
  const bool moved = tunnel_.pass_on(channel_, upstream_.channel(), context_.read_buffer);
  if (tunnel_.is_over(channel_, upstream_.channel())) return close(), false;
  if (moved) context_.exchanges.arm(timer_, context_.settings.stream_timeout);
  return moved;
}

// ---- Ends ----

void ClientConnection::reject(http1::Violation violation) {
  context_.exchanges.counters.violations[static_cast<std::size_t>(violation)].add();
  if (!context_.settings.passes_http1() && is_no_request(violation)) {
    exchange_.withdraw();
    return close();
  }
  exchange_.refuse(
      {http1::status_of(violation), http1::to_string(violation), http1::advice(violation)});
}

// The connection ends with the answer, since what follows on it cannot be trusted or was not read.
void ClientConnection::on_refused(const Answer& answer) {
  close_after_ = true;
  write_answer(answer);
}

void ClientConnection::on_failed(const Answer& answer) {
  close_after_ = close_after_ || !body_.over() || context_.is_leaving;
  write_answer(answer);
}

void ClientConnection::write_answer(const Answer& answer) {
  channel_.write(render_error(answer, {.now = context_.exchanges.now.wall,
                                       .is_head = request_.method == http1::Method::head,
                                       .close = close_after_,
                                       .prediction_id = exchange_.prediction_id()}));
  end_request();
}

// A response that lasts to the connection's end is told by a reset that it is not complete.
void ClientConnection::on_aborted() {
  if (exchange_.status() != 0 && upstream_.ends_with_connection()) {
    const struct linger reset { 1, 0 };
    ::setsockopt(channel_.socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  close();
}

void ClientConnection::end_request() {
  close_after_ ? linger() : next_request();
}

void ClientConnection::linger() {
  const bool is_quiet = channel_.in.empty() && !channel_.readable && body_.over();
  if (!channel_.has_unsent() && is_quiet) {
    if (tls_ != nullptr) tls_->end(descriptor());
    return close();
  }
  phase_ = Phase::lingering;
  closing_.begin(channel_);
  context_.exchanges.arm(timer_, channel_.has_unsent() ? context_.settings.write_timeout
                                                       : Duration(LingeringClose::timeout));
}

bool ClientConnection::discard_input() {
  switch (closing_.advance(channel_, context_.read_buffer)) {
    case LingeringClose::Step::waits:
      return false;
    case LingeringClose::Step::sent_end:
      context_.exchanges.arm(timer_, LingeringClose::timeout);
      return true;
    case LingeringClose::Step::moved:
      return true;
    case LingeringClose::Step::over:
      close();
  }
  return false;
}

void ClientConnection::cut_off() {
  phase_ == Phase::exchange ? exchange_.cancel() : close();
}

void ClientConnection::close() {
  if (phase_ == Phase::closed) return;
  if (tls_ != nullptr && phase_ == Phase::reading_head) tls_->end(descriptor());
  exchange_.close();
  context_.connections.note_idle(*this, false);
  phase_ = Phase::closed;
  forget(context_.epoll.get(), channel_.socket);
  channel_.in.clear();
  channel_.out.clear();
  context_.exchanges.timers.cancel(timer_);
  context_.connections.remove(*this);
}

}  // namespace outrider::proxy
