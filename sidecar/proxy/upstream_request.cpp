// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/upstream_request.h"

#include <cerrno>
#include <utility>

namespace outrider::proxy {

UpstreamRequest::UpstreamRequest(ThreadContext& context, Exchange& exchange, Receiver& receiver)
    : context_(context),
      exchange_(exchange),
      receiver_(receiver),
      queue_entry_(*this),
      waiting_(context.bytes_held),
      replay_(context.bytes_held) {}

// ---- Sending ----

Attempt UpstreamRequest::send(std::span<const std::string_view> pieces,
                              const http1::RequestSummary& request) {
  cursor_ = {};
  request_ = http1::ResponseContext::of(request);
  may_ignore_body_ = request.expect_continue;
  unchunk_ = false;
  replay_.clear();
  // Whoever waits already goes first.
  UpstreamPool::Refusal refusal = UpstreamPool::Refusal::wait;
  if (context_.queue.empty())
    connection_ = context_.pool.acquire(*this, context_.exchanges.now.monotonic,
                                        UpstreamPool::Wanted::any, refusal);
  const int error = errno;
  if (has_connection() && connection_->connected) {
    if (exchange_.may_be_resent() && connection_->reused)
      for (const std::string_view piece : pieces) replay_.append(piece);
    connection_->channel.write(pieces);
    return {.state = Attempt::State::sent, .is_reused = connection_->reused};
  }
  const bool can_wait = refusal == UpstreamPool::Refusal::wait && !context_.queue.is_full();
  if (has_connection() || can_wait)
    for (const std::string_view piece : pieces) waiting_.append(piece);
  if (has_connection()) return {.state = Attempt::State::connecting};
  return without_connection(refusal, error);
}

// The request lies in waiting_: finds a connection for it.
Attempt UpstreamRequest::acquire(UpstreamPool::Wanted wanted) {
  UpstreamPool::Refusal refusal;
  connection_ = context_.pool.acquire(*this, context_.exchanges.now.monotonic, wanted, refusal);
  if (has_connection()) return {.state = Attempt::State::connecting};
  return without_connection(refusal, errno);
}

Attempt UpstreamRequest::without_connection(UpstreamPool::Refusal refusal, int error) {
  if (refusal == UpstreamPool::Refusal::failed) {
    waiting_.clear();
    return {.state = Attempt::State::failed, .error = error};
  }
  if (context_.queue.is_full()) return {.state = Attempt::State::queue_full};
  context_.queue.append(queue_entry_);
  return {.state = Attempt::State::queued};
}

Attempt UpstreamRequest::resend() {
  close_connection();
  waiting_.swap(replay_);
  return acquire(UpstreamPool::Wanted::fresh);
}

void UpstreamRequest::on_upstream_room() {
  exchange_.on_attempt(acquire(UpstreamPool::Wanted::any));
  receiver_.advance();
}

bool UpstreamRequest::finish_connecting() {
  std::string why;
  switch (connection_->finish_connecting(why)) {
    case UpstreamConnection::Connecting::pending:
      return false;
    case UpstreamConnection::Connecting::failed:
      stop_connecting();
      exchange_.on_connect_failed(why);
      return true;
    case UpstreamConnection::Connecting::done:
      break;
  }
  Channel& channel = connection_->channel;
  channel.out.swap(waiting_);
  channel.flush();
  exchange_.on_connected();
  return true;
}

void UpstreamRequest::stop_connecting() {
  context_.pool.give_up(*std::exchange(connection_, nullptr));
}

std::size_t UpstreamRequest::flush() {
  Channel& channel = connection_->channel;
  const std::size_t held = channel.unsent();
  if (channel.writable) channel.flush();
  return held - channel.unsent();
}

// ---- Receiving ----

bool UpstreamRequest::receive() {
  if (!has_connection()) return false;
  Channel& channel = connection_->channel;
  if (channel.write_failed)
    channel.readable = true;  // What it said before it closed is there, or nothing.
  const Input input = channel.take(context_.read_buffer);
  if (input.bytes.empty()) return channel.ended && end_of_input();
  exchange_.on_upstream_bytes();
  replay_.clear();
  return exchange_.is_responding() ? receive_body(input) : receive_head(input);
}

bool UpstreamRequest::receive_head(const Input& input) {
  http1::ResponseHead& head = context_.scratch.response_head;
  std::size_t used = 0;
  while (used < input.bytes.size()) {
    const std::string_view bytes = input.bytes.substr(used);
    switch (http1::parse(bytes, cursor_, context_.head_limits, request_, head)) {
      case http1::Progress::need_more:
        connection_->channel.keep_incomplete(input, used);
        return connection_->channel.readable;
      case http1::Progress::invalid:
        exchange_.on_invalid_response(http1::advice(head.violation));
        return true;
      case http1::Progress::complete:
        cursor_ = {};
        if (!head.summary.interim()) return receive_final_head(input, used);
        if (head.summary.status == 100) may_ignore_body_ = false;
        if (!exchange_.on_interim_response()) return true;
        receiver_.on_interim(head);
        used += head.size;
    }
  }
  connection_->channel.keep(input, used);
  exchange_.on_progress(used);
  return true;
}

bool UpstreamRequest::receive_final_head(const Input& input, std::size_t used) {
  const http1::ResponseHead& head = context_.scratch.response_head;
  const std::string_view after_head = input.bytes.substr(used + head.size);
  if (head.summary.status == 101) {
    receiver_.on_upgrade(head, after_head);
    connection_->channel.keep(input, input.bytes.size());
    return true;
  }
  body_ = http1::BodyReader(head.summary.framing, head.summary.content_length);
  unchunk_ = head.summary.unchunk;
  exchange_.capture_response(head.raw(), head.value_of(http1::FieldId::x_model_name),
                             head.value_of(http1::FieldId::content_type));
  const http1::BodyReader::Run run = take_body(after_head);
  if (run.progress == http1::Progress::invalid) {
    exchange_.on_invalid_response(http1::advice(body_.violation()));
    return true;
  }
  if (const auto timeout = head.keep_alive_timeout())
    connection_->idle_timeout = Duration(*timeout) / 2;  // Well before the upstream closes it.
  // An upstream that answers instead of saying 100 may not have read the body that came all the
  // same, and would take it for the next request.
  is_reusable_ = head.summary.keep_alive && run.taken == after_head.size() && !may_ignore_body_;
  receiver_.on_response(head, context_.scratch.content);
  exchange_.begin_response(head.summary.status, run.taken);
  connection_->channel.keep(input, used + head.size + run.taken);
  if (body_.over()) release();
  return true;
}

// Judges a run of the body, captures its content, and gathers what the client is to be sent of it.
http1::BodyReader::Run UpstreamRequest::take_body(std::string_view bytes) {
  auto& to_send = context_.scratch.content;
  to_send.clear();
  const http1::BodyReader::Run run = body_.take(bytes, [&](std::string_view content) {
    exchange_.capture_response_body(content);
    if (unchunk_) to_send.push_back(content);
  });
  if (!unchunk_ && run.taken != 0) to_send.push_back(bytes.substr(0, run.taken));
  return run;
}

bool UpstreamRequest::receive_body(const Input& input) {
  const http1::BodyReader::Run run = take_body(input.bytes);
  if (run.progress == http1::Progress::invalid) {
    exchange_.on_invalid_response(http1::advice(body_.violation()));
    return true;
  }
  if (!receiver_.on_response_body(context_.scratch.content)) {
    exchange_.cancel();
    return true;
  }
  is_reusable_ = is_reusable_ && run.taken == input.bytes.size();
  connection_->channel.keep(input, run.taken);
  if (body_.over()) release();
  exchange_.on_response_bytes(run.taken);
  return true;
}

// The upstream sends no more. True: there is something to do then.
bool UpstreamRequest::end_of_input() {
  const Channel& channel = connection_->channel;
  const bool was_reset = channel.broken || channel.write_failed;
  if (exchange_.is_responding() && !was_reset && body_.end_of_input()) {
    is_reusable_ = false;
    release();
    return true;
  }
  exchange_.on_upstream_lost(was_reset ? tap::UpstreamFailure::reset
                                       : tap::UpstreamFailure::closed);
  return true;
}

// ---- The connection's end ----

void UpstreamRequest::release() {
  const Channel& channel = connection_->channel;
  const bool is_clean = is_reusable_ && exchange_.request_ended() && !channel.has_unsent() &&
                        channel.in.empty() && !channel.ended && !channel.write_failed;
  if (!is_clean) return close_connection();
  context_.pool.release(*std::exchange(connection_, nullptr), context_.exchanges.now.monotonic);
}

void UpstreamRequest::close_connection() {
  if (has_connection()) context_.pool.close(*std::exchange(connection_, nullptr));
}

void UpstreamRequest::abandon() {
  context_.queue.remove(queue_entry_);
  waiting_.clear();
  replay_.clear();
  close_connection();
}

}  // namespace outrider::proxy
