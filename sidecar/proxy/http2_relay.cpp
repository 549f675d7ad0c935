// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/http2_relay.h"

#include <algorithm>
#include <utility>

namespace outrider::proxy {
namespace {

using http2::Violation;

// What a peer may leave untaken before no more DATA is written to it; and before the other side,
// whose heads cannot be held back, is not read from.
constexpr std::size_t unsent_bytes_max = 64 << 10, out_bytes_max = 256 << 10;
// Of trailers that wait for the DATA before them, before their sender is not read from.
constexpr std::size_t trailers_bytes_max = 64 << 10;
const http2::Limits limits;
// An answer's head past what is passed on is read to its end, so that its call alone fails.
const http2::Limits upstream_limits{.block_bytes = 256 << 10, .continuations = 32};

Http2Stream& owner_of(http2::Stream& stream) {
  return static_cast<Http2Stream::Half&>(stream).owner;
}

}  // namespace

Http2Relay::Http2Relay(ExchangeContext& context, Http2Scratch& scratch, std::size_t& bytes_held,
                       Link& link)
    : context_(context),
      scratch_(scratch),
      bytes_held_(bytes_held),
      link_(link),
      client_(http2::Role::server, limits, scratch.heads, scratch.client_out, client_side_),
      streams_max_(limits.streams_max) {}

Http2Relay::~Http2Relay() = default;

void Http2Relay::count(Violation violation) {
  context_.counters.http2_violations[static_cast<std::size_t>(violation)].add();
}

// ---- Turns ----

void Http2Relay::begin_turn() {
  client_.begin_turn(context_.now.monotonic);
  if (has_upstream()) upstream_->begin_turn(context_.now.monotonic);
}

std::size_t Http2Relay::receive_client(std::string_view bytes) {
  const std::size_t used = client_.receive(bytes);
  if (client_.has_failed()) cancel_all();
  return used;
}

std::size_t Http2Relay::receive_upstream(std::string_view bytes) {
  if (!has_upstream()) return bytes.size();
  const std::size_t used = upstream_->receive(bytes);
  judge_upstream();
  return used;
}

bool Http2Relay::takes(To from) const {
  if (from == To::client) return !client_.is_paused() && !client_.has_failed();
  return has_upstream() && !upstream_->is_paused();
}

// The upstream has broken the protocol, or is going away and has nothing more to say.
void Http2Relay::judge_upstream() {
  if (!has_upstream()) return;
  if (upstream_->has_failed()) {
    const Violation violation = upstream_->violation();
    const std::string why =
        violation == Violation::not_http2
            ? std::string(
                  "the model server answered in HTTP/1.1: set upstream=http://HOST:PORT and "
                  "send HTTP/1.1, or the port where it speaks HTTP/2 without TLS")
            : std::string("the model server broke HTTP/2: ").append(to_string(violation));
    each_stream([&](Http2Stream& stream) {
      if (stream.upstream.is_open) stream.exchange().on_invalid_response(why);
      stream.on_upstream_lost(tap::UpstreamFailure::invalid_response);
    });
    return drop_upstream();
  }
  if (upstream_last_id_ != http2::stream_id_max && upstream_->streams().count() == 0)
    drop_upstream();
}

void Http2Relay::on_written(To to) {
  const std::size_t unsent = link_.unsent(to);
  if (unsent == 0) {
    if (to == To::client)
      client_.on_flushed();
    else if (has_upstream())
      upstream_->on_flushed();
  }
  if (unsent > unsent_bytes_max) return;
  std::vector<Http2Stream*>& leaving = outgoing(to).leaving;
  for (Http2Stream* stream : leaving) stream->grant_left(to);
  leaving.clear();
  pump(nullptr, to);
  pause_if_full();
}

bool Http2Relay::is_congested(To to) const {
  const std::size_t unsent = link_.unsent(to);
  return unsent + out(to).size() > (unsent == 0 ? out_bytes_max : unsent_bytes_max);
}

// Heads are not held back by windows, so whoever sends them is not read from. Trailers may wait for
// a window that the other side opens, which is read from meanwhile.
void Http2Relay::pause_if_full() {
  const auto is_full = [this](To to) { return link_.unsent(to) + out(to).size() > out_bytes_max; };
  const auto has_many_trailers = [this](To to) {
    return outgoing(to).trailers_bytes > trailers_bytes_max;
  };
  const bool is_either_full = is_full(To::client) || is_full(To::upstream);
  client_.pause(is_either_full || has_many_trailers(To::upstream));
  if (has_upstream()) upstream_->pause(is_either_full || has_many_trailers(To::client));
}

template <class Each>
void Http2Relay::each_stream(Each&& each) {
  std::vector<Http2Stream*> all;  // Streams retire meanwhile.
  all.reserve(streams_.size());
  for (const auto& stream : streams_) all.push_back(stream.get());
  for (Http2Stream* stream : all)
    if (!stream->is_retired()) each(*stream);
}

void Http2Relay::pump(http2::Stream* stream, To to) {
  if (stream != nullptr) return owner_of(*stream).pump(to);
  const auto holds = [to](const auto& one) { return one->holds(to); };
  if (std::none_of(streams_.begin(), streams_.end(), holds)) return;
  each_stream([to](Http2Stream& one) { one.pump(to); });
}

void Http2Relay::note_leaving(Http2Stream& stream, To to, std::size_t bytes) {
  std::uint32_t& leaving = stream.way(to).leaving;
  if (leaving == 0) outgoing(to).leaving.push_back(&stream);
  leaving += static_cast<std::uint32_t>(bytes);
}

void Http2Relay::retire(Http2Stream& stream) {
  for (const To to : {To::client, To::upstream}) {
    stream.grant_left(to);
    stream.drop_held(to);
    std::vector<Http2Stream*>& leaving = outgoing(to).leaving;
    leaving.erase(std::remove(leaving.begin(), leaving.end(), &stream), leaving.end());
  }
  stream.is_retired_ = true;
  const auto at = std::find_if(streams_.begin(), streams_.end(),
                               [&](const auto& one) { return one.get() == &stream; });
  std::swap(*at, streams_.back());
  dead_.push_back(std::move(streams_.back()));
  streams_.pop_back();
}

void Http2Relay::reap() {
  dead_.clear();
  old_upstream_.reset();
}

Http2Additions Http2Relay::additions(const tap::PredictionId& id) {
  const Settings& settings = context_.settings;
  Http2Additions added{.prediction_id = tap::view(id), .via = settings.via};
  if (settings.forwarded) added.forwarded = link_.forwarded();
  if (settings.traceparent) added.traceparent = traceparent_of(id, scratch_.traceparent);
  return added;
}

// ---- The upstream's connection ----

Attempt Http2Relay::reach_upstream() {
  if (state_ == State::none) {
    const Attempt attempt = link_.connect_upstream();
    switch (attempt.state) {
      case Attempt::State::sent:
        state_ = State::connected;
        break;
      case Attempt::State::connecting:
        state_ = State::connecting;
        break;
      case Attempt::State::queued:
        state_ = State::queued;
        break;
      default:
        return attempt;
    }
    if (!has_upstream()) {
      upstream_ =
          std::make_unique<http2::Endpoint>(http2::Role::client, upstream_limits, scratch_.heads,
                                            scratch_.upstream_out, upstream_side_);
      upstream_last_id_ = http2::stream_id_max;
      upstream_->begin_turn(context_.now.monotonic);
      upstream_->start();
    }
  }
  return {.state = state_ == State::connected    ? Attempt::State::sent
                   : state_ == State::connecting ? Attempt::State::connecting
                                                 : Attempt::State::queued};
}

// Its turn in the queue has come.
void Http2Relay::on_attempt(const Attempt& attempt) {
  if (attempt.state == Attempt::State::failed) {
    state_ = State::none;
  } else {
    state_ = attempt.state == Attempt::State::queued ? State::queued : State::connecting;
  }
  each_stream([&](Http2Stream& stream) {
    if (stream.exchange().stage() == Exchange::Stage::queued) stream.exchange().on_attempt(attempt);
  });
  if (state_ == State::none) drop_upstream();
}

void Http2Relay::on_connected() {
  state_ = State::connected;
  each_stream([](Http2Stream& stream) {
    const Exchange::Stage stage = stream.exchange().stage();
    if (stage == Exchange::Stage::connecting || stage == Exchange::Stage::queued)
      stream.exchange().on_connected();
  });
}

void Http2Relay::on_connect_failed(std::string_view why) {
  state_ = State::none;
  each_stream([&](Http2Stream& stream) {
    if (!stream.upstream.is_open) return;
    stream.exchange().on_connect_failed(why);  // May begin to connect to another address.
    stream.settle();
  });
  if (state_ == State::none) drop_upstream();
}

void Http2Relay::on_upstream_speaks_http1() {
  each_stream([](Http2Stream& stream) {
    if (stream.upstream.is_open) stream.on_upstream_speaks_http1();
  });
  drop_upstream();
}

// The first stream has waited for too long, and so the connection is not to be had.
void Http2Relay::stop_connecting(Http2Stream& first) {
  if (state_ != State::connecting) return;
  link_.give_up_connecting();
  state_ = State::none;
  upstream_->close(first.upstream);
  first.is_upstream_gone_ = true;
  each_stream([&](Http2Stream& stream) {
    if (&stream == &first || !stream.upstream.is_open) return;
    stream.exchange().on_connect_failed(
        "the model server did not accept a connection within upstream.connect-timeout");
    stream.settle();
  });
  if (state_ == State::none) drop_upstream();
}

void Http2Relay::on_upstream_lost(tap::UpstreamFailure how) {
  if (!has_upstream()) return;
  each_stream([how](Http2Stream& stream) { stream.on_upstream_lost(how); });
  drop_upstream();
}

// The endpoint may be on the stack.
void Http2Relay::drop_upstream() {
  state_ = State::none;
  link_.close_upstream();
  scratch_.upstream_out.clear();
  outgoing(To::upstream).leaving.clear();
  each_stream([](Http2Stream& stream) {
    stream.grant_left(To::upstream);
    if (!stream.is_upstream_gone_) stream.on_upstream_lost(tap::UpstreamFailure::closed);
  });
  if (!old_upstream_) old_upstream_ = std::move(upstream_);
  upstream_.reset();
  upstream_last_id_ = http2::stream_id_max;
  client_.pause(false);
}

void Http2Relay::follow_upstream_settings() {
  const std::uint32_t wanted = std::min(limits.streams_max, upstream_->peer().streams_max);
  if (std::exchange(streams_max_, wanted) != wanted) client_.announce_streams_max(wanted);
  pump(nullptr, To::upstream);
}

// Streams behind the last one were not looked at: the client may send them again elsewhere. It is
// told by GOAWAY first, since grpcio sends nothing again for a RST_STREAM with REFUSED_STREAM.
void Http2Relay::follow_goaway(std::uint32_t last_id) {
  upstream_last_id_ = std::min(upstream_last_id_, last_id);
  if (upstream_last_id_ == http2::stream_id_max) return client_.begin_shutdown();
  client_.finish_shutdown(upstream_last_id_);
  each_stream([this](Http2Stream& stream) {
    if (stream.upstream.is_open && upstream_refuses(stream.upstream.id))
      stream.on_refused_by_upstream();
  });
}

// ---- Ends ----

bool Http2Relay::is_idle() const {
  return std::none_of(streams_.begin(), streams_.end(),
                      [](const auto& stream) { return stream->exchange_.has_begun(); });
}

void Http2Relay::fail_client(Violation violation) {
  client_.fail(violation);
  cancel_all();
}

void Http2Relay::cancel_all() {
  each_stream([](Http2Stream& stream) { stream.cancel(); });
}

// ---- What the endpoints tell ----

http2::Stream* Http2Relay::ClientSide::make_stream(std::uint32_t id) {
  if (relay.streams_.size() >= relay.streams_max_) return nullptr;
  relay.streams_.push_back(std::make_unique<Http2Stream>(relay, id));
  return &relay.streams_.back()->client;
}

void Http2Relay::ClientSide::on_request(http2::Stream& stream, const http2::RequestHead& head,
                                        bool ends) {
  owner_of(stream).on_request(head, ends);
  relay.pause_if_full();
}

void Http2Relay::ClientSide::on_trailers(http2::Stream& stream) {
  owner_of(stream).on_request_trailers();
  relay.pause_if_full();
}

void Http2Relay::ClientSide::on_data(http2::Stream& stream, std::string_view content, bool ends) {
  owner_of(stream).on_request_data(content, ends);
}

void Http2Relay::ClientSide::on_reset(http2::Stream& stream, http2::ErrorCode code) {
  owner_of(stream).on_client_reset(code);
}

void Http2Relay::ClientSide::on_stream_error(http2::Stream& stream, Violation) {
  owner_of(stream).on_client_reset(http2::ErrorCode::cancel);
}

void Http2Relay::UpstreamSide::on_response(http2::Stream& stream, const http2::ResponseHead& head,
                                           bool ends) {
  owner_of(stream).on_response(head, ends);
  relay.pause_if_full();
}

void Http2Relay::UpstreamSide::on_trailers(http2::Stream& stream) {
  owner_of(stream).on_response_trailers();
  relay.pause_if_full();
}

void Http2Relay::UpstreamSide::on_data(http2::Stream& stream, std::string_view content, bool ends) {
  owner_of(stream).on_response_data(content, ends);
}

void Http2Relay::UpstreamSide::on_reset(http2::Stream& stream, http2::ErrorCode code) {
  owner_of(stream).on_upstream_reset(code);
}

void Http2Relay::UpstreamSide::on_stream_error(http2::Stream& stream, Violation violation) {
  owner_of(stream).on_upstream_violation(violation);
}

}  // namespace outrider::proxy
