// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/http2_stream.h"

#include <utility>

#include "sidecar/proxy/http2_heads.h"
#include "sidecar/proxy/http2_relay.h"

namespace outrider::proxy {
namespace {

using http2::ErrorCode;

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find('?'));
}

}  // namespace

Http2Stream::Http2Stream(Http2Relay& relay, std::uint32_t id)
    : relay_(relay), exchange_(relay.context_, *this, *this) {
  client.id = upstream.id = id;
}

http2::Endpoint* Http2Stream::endpoint(To to) {
  if (to == To::client) return &relay_.client_;
  return is_upstream_gone_ ? nullptr : relay_.upstream_.get();
}

bool Http2Stream::holds(To to) const {
  const Way& way = to == To::client ? to_client_ : to_upstream_;
  return way.ends || !way.bytes().empty();
}

Http2Stream::Held& Http2Stream::held(To to) {
  Way& way = this->way(to);
  if (way.held == nullptr) way.held = std::make_unique<Held>(relay_.bytes_held_);
  return *way.held;
}

// ---- The request's way ----

void Http2Stream::on_request(const http2::RequestHead& head, bool ends) {
  const std::string_view path = without_query(head.path);
  is_grpc_ = head.is_grpc;
  client.is_head_request = upstream.is_head_request = head.method == "HEAD";
  exchange_.begin();
  exchange_.name_request(path, head.model_name);
  if (ends) exchange_.end_request();
  if (answer_itself(head, path)) return settle();
  capture_request(head, path);
  send_request(ends);
  settle();
}

// What is not for the model, or is refused.
bool Http2Stream::answer_itself(const http2::RequestHead& head, std::string_view path) {
  const Settings& settings = relay_.context_.settings;
  const Http2AnswerContext context{.now = relay_.context_.now.wall,
                                   .is_head = client.is_head_request};
  const std::string_view reserved = settings.reserved_path;
  if (!reserved.empty() && path.starts_with(reserved)) {
    const std::string_view word = path.substr(reserved.size());
    if (word == "/healthy" || word == "/ready") {
      const bool is_ready = word == "/healthy" || !relay_.link_.is_leaving();
      exchange_.withdraw();
      is_upstream_gone_ = true;
      const std::string body = put_text(is_ready ? 200 : 503, is_ready ? "OK\n" : "draining\n",
                                        context, relay_.client_, client);
      if (!client.local_ended) send(To::client, body, true);
      return true;
    }
  }
  is_grpc_ ? exchange_.set_grpc_call(path) : exchange_.set_protocol(tap::Protocol::http2);
  if (head.is_connect) {
    exchange_.refuse({501, "connect_refused",
                      "CONNECT asks for a tunnel, and none are made; send the request itself"});
    return true;
  }
  if (head.content_length > settings.body_bytes_max) {
    exchange_.refuse({413, "body_too_large", "the body is longer than proxy.body-bytes-max"});
    return true;
  }
  if (!settings.passes_http2()) {
    reject_protocol(
        "the model server is spoken to in HTTP/1.1 and the proxy does not translate: send "
        "HTTP/1.1, or set upstream=h2c://HOST:PORT (https://HOST:PORT where it speaks TLS)");
    return true;
  }
  return false;
}

void Http2Stream::reject_protocol(std::string_view advice) {
  exchange_.reject(tap::Rejection::wrong_protocol, {505, "http1_only", advice});
}

void Http2Stream::capture_request(const http2::RequestHead& head, std::string_view path) {
  exchange_.capture_request({.method = head.method,
                             .path = path,
                             .sampling_key = http2_sampling_key(relay_.scratch_.heads.fields),
                             .protocol = is_grpc_ ? tap::Protocol::grpc : tap::Protocol::http2});
  capture_request_head(relay_.scratch_.heads.fields, head, exchange_.capture());
  if (!is_grpc_) return;
  grpc_method_ = tap::grpc_method(path);
  // A stream may last for hours; of a method that is not known nobody decodes a message.
  if (grpc_method_ == tap::GrpcMethod::model_stream_infer ||
      grpc_method_ == tap::GrpcMethod::other) {
    exchange_.capture().stream_request();
    exchange_.capture().stream_response();
  }
}

void Http2Stream::send_request(bool ends) {
  const Attempt attempt = relay_.reach_upstream();
  if (attempt.state == Attempt::State::failed || attempt.state == Attempt::State::queue_full)
    return exchange_.on_attempt(attempt);
  http2::Endpoint& to = *relay_.upstream_;
  if (relay_.upstream_refuses(upstream.id)) return on_refused_by_upstream();
  to.open(upstream);
  put_request(relay_.scratch_.heads.fields, relay_.additions(exchange_.id()), to, upstream, ends);
  exchange_.on_attempt(attempt);
}

void Http2Stream::on_request_data(std::string_view content, bool ends) {
  if (ends) exchange_.end_request();
  if (!exchange_.has_begun() || !upstream.is_open) {
    relay_.client_.grant(client, content.size());  // Nobody wants it.
    return settle();
  }
  if (grpc_method_ != tap::GrpcMethod::other && request_bytes_ == 0)
    exchange_.name_model(tap::model_in_grpc(grpc_method_, content));
  request_bytes_ += static_cast<std::int64_t>(content.size());
  if (request_bytes_ > relay_.context_.settings.body_bytes_max) {
    relay_.client_.grant(client, content.size());
    exchange_.is_responding()
        ? exchange_.abort(tap::Outcome::rejected)
        : exchange_.refuse({413, "body_too_large", "the body is longer than proxy.body-bytes-max"});
    return settle();
  }
  exchange_.capture_request_body(content);
  send(To::upstream, content, ends);
  settle();
}

void Http2Stream::on_request_trailers() {
  exchange_.end_request();
  if (exchange_.has_begun() && upstream.is_open) forward_trailers(To::upstream);
  settle();
}

void Http2Stream::on_client_reset(ErrorCode code) {
  reset_code_ = code;
  if (exchange_.has_begun()) exchange_.cancel();
  settle();
}

void Http2Stream::cancel() {
  if (exchange_.has_begun()) exchange_.cancel();
  abandon();
  settle();
  if (client.is_open) relay_.client_.reset(client, ErrorCode::cancel);
  settle();
}

// ---- The response's way ----

void Http2Stream::on_response(const http2::ResponseHead& head, bool ends) {
  const http2::FieldBlock& fields = relay_.scratch_.heads.fields;
  exchange_.on_upstream_bytes();
  if (head.interim()) {
    if (!exchange_.on_interim_response()) return settle();
    put_response(fields, head, {}, relay_.client_, client, false);
    return;
  }
  capture_response_head(fields, head.status, exchange_.capture());
  exchange_.capture_response({}, head.model_name, head.content_type);
  if (is_grpc_ && !head.grpc_status.empty())
    exchange_.set_grpc_status(grpc_status_in(head.grpc_status));
  put_response(fields, head, relay_.additions(exchange_.id()), relay_.client_, client, ends);
  exchange_.begin_response(head.status, 0);
  settle();
}

void Http2Stream::on_response_data(std::string_view content, bool ends) {
  if (!exchange_.is_responding()) {
    if (upstream.is_open) relay_.upstream_->grant(upstream, content.size());
    return settle();
  }
  exchange_.capture_response_body(content);
  send(To::client, content, ends);
  settle();
}

void Http2Stream::on_response_trailers() {
  const http2::FieldBlock& fields = relay_.scratch_.heads.fields;
  if (!exchange_.is_responding()) return settle();
  for (const http2::Field& field : fields) exchange_.capture().trailer(field.name, field.value);
  if (is_grpc_) exchange_.set_grpc_status(grpc_status_in(fields.find("grpc-status")));
  forward_trailers(To::client);
  settle();
}

// After the response's end it asks no more than that the request may stop.
void Http2Stream::on_upstream_reset(ErrorCode code) {
  if (upstream.remote_ended) return settle();
  reset_code_ = code;
  if (is_grpc_) exchange_.set_grpc_status(grpc_status_of(code));
  exchange_.on_upstream_lost(tap::UpstreamFailure::reset);
  settle();
}

void Http2Stream::on_refused_by_upstream() {
  if (upstream.is_open) relay_.upstream_->close(upstream);
  reset_code_ = ErrorCode::refused_stream;
  exchange_.on_upstream_lost(tap::UpstreamFailure::closed);
  settle();
}

void Http2Stream::on_upstream_speaks_http1() {
  reject_protocol(
      "the model server does not choose h2 in the TLS handshake (ALPN), and the proxy does not "
      "translate: send HTTP/1.1, or have it offer h2");
  settle();
}

void Http2Stream::on_upstream_violation(http2::Violation violation) {
  const bool is_limit = violation == http2::Violation::too_many_fields ||
                        violation == http2::Violation::head_too_large;
  exchange_.on_invalid_response(
      is_limit ? std::string("the head or trailers of the model server's response are past 100 "
                             "fields or 64 KiB: have it send less metadata")
               : std::string("the model server broke HTTP/2: ").append(to_string(violation)));
  settle();
}

void Http2Stream::on_upstream_lost(tap::UpstreamFailure how) {
  upstream.is_open = false;  // Its endpoint goes, and its windows with it.
  is_upstream_gone_ = true;
  to_client_.leaving = 0;
  drop_held(To::upstream);
  if (!upstream.remote_ended && exchange_.has_begun()) exchange_.on_upstream_lost(how);
  settle();
}

// ---- Moving DATA ----

void Http2Stream::send(To to, std::string_view content, bool ends) {
  Way& way = this->way(to);
  std::size_t sent = 0;
  if (!holds(to) && !relay_.is_congested(to))
    sent = endpoint(to)->send_data(half(to), content, ends);
  if (sent < content.size()) held(to).bytes.append(content.substr(sent));
  way.ends = way.ends || (ends && !half(to).local_ended);
  note_sent(to, sent);
}

void Http2Stream::note_sent(To to, std::size_t bytes) {
  if (bytes != 0) relay_.note_leaving(*this, to, bytes);
  if (!exchange_.has_begun()) return;
  to == To::client ? exchange_.on_response_bytes(bytes) : exchange_.on_request_bytes(bytes);
}

void Http2Stream::pump(To to) {
  Way& way = this->way(to);
  if (!holds(to) || relay_.is_congested(to) || !half(to).is_open) return;
  const bool ends_here = way.ends && !way.has_trailers();
  const std::size_t sent = endpoint(to)->send_data(half(to), way.bytes(), ends_here);
  if (sent != 0) {
    way.held->bytes.consume(sent);
    way.held->bytes.trim();
  }
  if (way.bytes().empty()) finish_way(to);
  note_sent(to, sent);
  settle();
}

// All that was held is on its way.
void Http2Stream::finish_way(To to) {
  const Way& way = this->way(to);
  if (way.has_trailers()) put_stored_trailers(way.held->trailers.view(), *endpoint(to), half(to));
  forget_held(to);
}

void Http2Stream::forget_held(To to) {
  Way& way = this->way(to);
  if (way.has_trailers()) relay_.outgoing(to).trailers_bytes -= way.held->trailers.size();
  way.held.reset();
  way.ends = false;
}

// Trailers follow all DATA before them.
void Http2Stream::forward_trailers(To to) {
  const http2::FieldBlock& fields = relay_.scratch_.heads.fields;
  if (!holds(to)) return put_trailers(fields, *endpoint(to), half(to));
  Held& held = this->held(to);
  held.trailers.append(store_trailers(fields));
  held.has_trailers = way(to).ends = true;
  relay_.outgoing(to).trailers_bytes += held.trailers.size();
}

void Http2Stream::grant_left(To to) {
  const std::uint32_t left = std::exchange(way(to).leaving, 0);
  http2::Endpoint* from = endpoint(to == To::client ? To::upstream : To::client);
  if (from != nullptr && left != 0)
    from->grant(half(to == To::client ? To::upstream : To::client), left);
}

void Http2Stream::drop_held(To to) {
  const std::size_t dropped = way(to).bytes().size();
  forget_held(to);
  http2::Endpoint* from = endpoint(to == To::client ? To::upstream : To::client);
  if (from != nullptr && dropped != 0) from->grant_connection(dropped);
}

// ---- Ends ----

// Behind a GOAWAY over a violation nothing is said any more.
bool Http2Stream::takes_answer() const {
  return client.is_open && !client.local_ended && !relay_.client_.has_failed();
}

void Http2Stream::write_answer(const Answer& answer) {
  if (!takes_answer()) return;
  if (reset_code_) return relay_.client_.reset(client, *reset_code_);
  is_upstream_gone_ = true;  // What is sent now was never granted to it.
  const std::string body = put_error(answer,
                                     {.now = relay_.context_.now.wall,
                                      .is_grpc = is_grpc_,
                                      .is_head = client.is_head_request,
                                      .prediction_id = exchange_.prediction_id()},
                                     relay_.client_, client);
  if (!client.local_ended) send(To::client, body, true);
}

// The response has begun, perhaps, and must not look complete.
void Http2Stream::on_aborted() {
  if (!takes_answer()) return;
  drop_held(To::client);
  if (!is_grpc_ || reset_code_)
    return relay_.client_.reset(client, reset_code_.value_or(ErrorCode::internal_error));
  if (exchange_.status() == 0)
    return write_answer({503, "cut_off", "the proxy ended while the call was waiting"});
  put_grpc_end(grpc_status_of(503),
               "the call was cut off; the reason is in outrider_upstream_failures_total or "
               "outrider_rejected_requests_total of the proxy",
               relay_.client_, client);
}

void Http2Stream::advance() {
  settle();
  relay_.link_.advance_soon();
}

void Http2Stream::settle() {
  if (client.local_ended && exchange_.is_responding()) exchange_.finish();
  if (client.is_open && client.local_ended)
    client.remote_ended ? relay_.client_.close(client)
                        : relay_.client_.reset(client, ErrorCode::no_error);
  if (upstream.is_open) {
    if (upstream.remote_ended && upstream.local_ended)
      relay_.upstream_->close(upstream);
    else if (!client.is_open)
      abandon();
  }
  if (!client.is_open && !upstream.is_open && !is_retired_) relay_.retire(*this);
}

Attempt Http2Stream::connect() {
  return relay_.reach_upstream();
}

void Http2Stream::stop_connecting() {
  relay_.stop_connecting(*this);
}

void Http2Stream::abandon() {
  if (!upstream.is_open) return;
  drop_held(To::upstream);
  relay_.upstream_->reset(upstream, reset_code_.value_or(ErrorCode::cancel));
}

std::size_t Http2Stream::address_count() const {
  return relay_.link_.address_count();
}

}  // namespace outrider::proxy
