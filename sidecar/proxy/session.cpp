// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace outrider::proxy {
namespace {

constexpr int steps_per_turn = 16;                  // Then others have their turn.
constexpr std::size_t held_head_read_bytes = 4096;  // A head that drips in is read in such pieces.
constexpr std::uint64_t discard_bytes_max = 256 << 10;  // While lingering.
constexpr std::chrono::seconds linger_timeout{2};
constexpr int retry_after_seconds = 1;
constexpr int interim_max = 16;  // 1xx before one response.

tap::Outcome outcome_of(int status) {
  if (status >= 500) return tap::Outcome::server_error;
  if (status >= 400) return tap::Outcome::client_error;
  return tap::Outcome::success;
}

struct FailureAnswer {
  tap::Outcome outcome;
  int status;
  int retry_after_seconds;
};

FailureAnswer answer_to(tap::UpstreamFailure failure) {
  switch (failure) {
    case tap::UpstreamFailure::unreachable:
    case tap::UpstreamFailure::connect_timeout:
      return {tap::Outcome::unreachable, 503, retry_after_seconds};
    case tap::UpstreamFailure::timeout:
      return {tap::Outcome::timeout, 504, 0};
    case tap::UpstreamFailure::invalid_response:
      return {tap::Outcome::server_error, 502, 0};
    default:
      return {tap::Outcome::unreachable, 502, 0};
  }
}

bool is_safe(http1::Method method) {
  return method == http1::Method::get || method == http1::Method::head ||
         method == http1::Method::options || method == http1::Method::trace;
}

// Old clients send one behind a body (RFC 9112, 2.2): their connection is still idle.
bool is_empty_line(std::string_view bytes) {
  return bytes == "\r\n" || bytes == "\r";
}

// "for=192.0.2.7" or "for=\"[2001:db8::1]\"" (RFC 7239, section 6).
std::string_view forwarded_element(const sockaddr_storage& peer, std::array<char, 96>& text) {
  char address[INET6_ADDRSTRLEN] = "";
  int n = 0;
  if (peer.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr, address,
                sizeof address);
    n = std::snprintf(text.data(), text.size(), "for=\"[%s]\";proto=http", address);
  } else {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr, address,
                sizeof address);
    n = std::snprintf(text.data(), text.size(), "for=%s;proto=http", address);
  }
  return {text.data(), static_cast<std::size_t>(n)};
}

// A new trace (W3C Trace Context, level 1) whose id is the prediction's, so that one leads to the
// other.
std::string_view traceparent_of(const tap::PredictionId& id, std::array<char, 55>& text) {
  char* out = text.data();
  const auto put = [&out](std::string_view piece) {
    std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  };
  char digits[32];
  std::size_t n = 0;
  for (const char c : id)
    if (c != '-') digits[n++] = c;
  put("00-");
  put({digits, 32});
  put("-");
  put({digits + 16, 16});
  put("-01");
  return {text.data(), text.size()};
}

template <std::size_t N>
std::array<std::uint64_t, N> to_nanoseconds(const double (&seconds)[N]) {
  std::array<std::uint64_t, N> bounds;
  for (std::size_t i = 0; i < N; ++i) bounds[i] = static_cast<std::uint64_t>(seconds[i] * 1e9 + .5);
  return bounds;
}
const auto overhead_bounds_ns = to_nanoseconds(tap::overhead_buckets);

Duration since(Monotonic then) {
  return std::chrono::steady_clock::now() - then;
}

}  // namespace

Session::Session(Worker& worker, Descriptor socket, const sockaddr_storage& peer)
    : all_link(*this),
      order_link(*this),
      again_link(*this),
      worker_(worker),
      client_(worker.bytes_held),
      timer_(*this),
      capture_(worker.tap),
      waiting_(worker.bytes_held),
      replay_(worker.bytes_held),
      peer_(peer) {
  client_.socket = std::move(socket);
  client_.writable = true;
}

Session::~Session() = default;

// ---- Turns ----

void Session::on_events(std::uint32_t events) {
  if (phase_ == Phase::closed) return;  // Closed earlier in this batch.
  client_.note(events);
  const bool is_gone = (events & (EPOLLHUP | EPOLLERR)) != 0;
  const bool is_busy =
      phase_ == Phase::queued || phase_ == Phase::connecting || phase_ == Phase::exchange;
  if (is_gone && is_busy) return truncate(tap::Outcome::cancelled);
  advance();
}

void Session::advance() {
  for (int steps = 0; steps < steps_per_turn; ++steps)
    if (!step()) return;
  if (!is_closed()) worker_.run_again(*this);
}

bool Session::step() {
  switch (phase_) {
    case Phase::head:
      return read_head();
    case Phase::connecting:
      return finish_connecting();
    case Phase::exchange: {
      const bool moved = forward_request();
      return (phase_ == Phase::exchange && forward_response()) || moved;
    }
    case Phase::tunnel:
      return forward_tunnel();
    case Phase::lingering:
      return discard_input();
    case Phase::queued:
    case Phase::closed:
      return false;
  }
  return false;
}

void Session::arm(Duration timeout) {
  worker_.timers.schedule(timer_, worker_.now() + timeout);
}

Session::Awaited Session::awaited() const {
  if (!client_.out.empty()) return Awaited::client_reads;
  if (status_ != 0) return Awaited::upstream_sends;
  if (!request_body_.over() && upstream_ != nullptr && upstream_->channel.out.empty())
    return Awaited::client_sends;
  return Awaited::upstream_answers;
}

MinDataRate Session::rate_for(Awaited awaited) const {
  const Settings& settings = worker_.settings;
  switch (awaited) {
    case Awaited::client_sends:
      return {settings.body_timeout, settings.rate_min};
    case Awaited::client_reads:
      return {settings.write_timeout, settings.rate_min};
    case Awaited::upstream_sends:
      return {settings.stream_timeout, settings.upstream_rate_min};
    default:
      return {settings.response_timeout, 0};
  }
}

// Who is waited for decides how long. `moved` bytes are what has just come from, or gone to, that one.
void Session::arm_exchange(std::uint64_t moved) {
  const Awaited now_awaited = awaited();
  if (now_awaited == awaited_) {
    data_rate_.note(worker_.now() - armed_at_, moved);
  } else {
    awaited_ = now_awaited;
    data_rate_ = rate_for(awaited_);
  }
  armed_at_ = worker_.now();
  arm(data_rate_.left());
}

// What the deadline's answer left to be done (a pipelined request, our end to be sent) is done at once.
void Session::on_deadline() {
  expire();
  advance();
}

void Session::expire() {
  switch (phase_) {
    case Phase::head:
      if (!has_begun_) return close();
      return reject(
          tap::Rejection::client_timeout,
          {408, "client_timeout", "the request's head did not come within proxy.head-timeout"});
    case Phase::queued:
      return reject(tap::Rejection::queue_timeout,
                    {503, "queue_timeout",
                     "no upstream connection became free within upstream.queue-timeout; raise "
                     "upstream.connections-max or add replicas",
                     retry_after_seconds});
    case Phase::connecting:
      worker_.pool.give_up(*std::exchange(upstream_, nullptr));
      return fail_upstream(tap::UpstreamFailure::connect_timeout,
                           "the model server did not accept a connection within "
                           "upstream.connect-timeout");
    case Phase::exchange:
      if (awaited_ == Awaited::client_reads) return truncate(tap::Outcome::cancelled);
      if (status_ != 0) return truncate(tap::Outcome::timeout);
      if (awaited_ == Awaited::client_sends)
        return reject(tap::Rejection::client_timeout,
                      {408, "client_timeout",
                       "the request's body stalled past proxy.body-timeout, or came slower than "
                       "proxy.rate-min"});
      return fail_upstream(tap::UpstreamFailure::timeout,
                           "the model server did not answer within upstream.response-timeout");
    case Phase::tunnel:
    case Phase::lingering:
    case Phase::closed:
      return close();
  }
}

// What came and was not looked at yet, else what can be read now. A held message that is incomplete
// is read on into the stash, so that it lies in one piece.
Session::Input Session::take_input(Channel& channel, bool& unseen) {
  if (unseen) {
    unseen = false;
    return {channel.in.view(), true};
  }
  if (!channel.readable) return {};
  if (channel.in.empty()) return {channel.read(worker_.read_buffer()), false};
  const std::string_view more = channel.read(channel.in.reserve(held_head_read_bytes));
  if (more.empty()) return {};
  channel.in.commit(more.size());
  return {channel.in.view(), true};
}

void Session::keep_rest(Channel& channel, bool& unseen, const Input& input, std::size_t used) {
  if (input.is_held) {
    channel.in.consume(used);
  } else {
    channel.in.append(input.bytes.substr(used));
  }
  unseen = !channel.in.empty();
}

// ---- The request's way ----

bool Session::read_head() {
  if (!client_.flush()) return close(), false;
  if (!client_.out.empty()) return false;  // Our own answer before is not taken yet: back-pressure.
  const Input input = take_input(client_, request_unseen_);
  if (input.bytes.empty()) {
    if (client_.ended) close();
    return false;
  }
  if (!has_begun_ && !is_empty_line(input.bytes)) begin_request();
  http1::RequestHead& head = worker_.request_head;
  switch (http1::parse(input.bytes, request_cursor_, worker_.head_limits, head)) {
    case http1::Progress::need_more:
      if (!input.is_held) client_.in.append(input.bytes);
      return client_.readable;
    case http1::Progress::invalid:
      reject(head.violation);
      return true;
    case http1::Progress::complete:
      begin_exchange(input);
      return true;
  }
  return false;
}

void Session::begin_request() {
  has_begun_ = true;
  is_counted_ = false;
  request_ = {};
  request_body_ = {};
  model_.begin();
  id_ = {};
  started_ = worker_.now();
  started_wall_ = worker_.wall_now();
  worker_.note_idle(*this, false);
  worker_.counters.requests_in_flight.add();
  arm(worker_.settings.head_timeout);
}

void Session::begin_exchange(const Input& input) {
  const http1::RequestHead& head = worker_.request_head;
  request_ = head.summary;
  name_model(head);
  close_after_ = !request_.keep_alive;
  id_ = worker_.mint(started_wall_);
  const auto body_bytes_max = static_cast<std::uint64_t>(worker_.settings.body_bytes_max);
  request_body_ = http1::BodyReader(request_.framing, request_.content_length,
                                    {.content_bytes = body_bytes_max});
  if (request_.framing == http1::Framing::content_length &&
      request_.content_length > body_bytes_max)
    return reject(http1::Violation::body_too_large);
  if (is_reserved(head)) return answer_reserved(head, input);

  capture_.begin(head.method(), head.path(), sampling_key(head));
  capture_.request_head(head.raw());
  const std::string_view after_head = input.bytes.substr(head.size);
  const http1::BodyReader::Run run = request_body_.take(
      after_head, [this](std::string_view content) { capture_.request_body(content); });
  if (run.progress == http1::Progress::invalid) return reject(request_body_.violation());
  const std::string_view body = after_head.substr(0, run.taken);
  worker_.counters.request_bytes.add(body.size());

  rewrite_request(head);
  worker_.pieces.add(body);
  may_retry_ = is_safe(request_.method) && request_body_.over() && body.empty();
  const std::size_t used = head.size + run.taken;
  // Whoever waits already goes first.
  UpstreamPool::Refusal refusal = UpstreamPool::Refusal::wait;
  if (!worker_.has_queue()) upstream_ = worker_.pool.acquire(*this, worker_.now(), false, refusal);
  const int error = errno;
  const bool can_wait = refusal == UpstreamPool::Refusal::wait && !worker_.is_queue_full();
  if (upstream_ != nullptr || can_wait) send_request();
  keep_rest(client_, request_unseen_, input, used);
  if (upstream_ == nullptr) return on_no_upstream(refusal, error);
  if (phase_ == Phase::connecting) return arm(worker_.settings.connect_timeout);
  overhead_ = since(worker_.now());
  arm_exchange(0);
}

// The path's word goes before a header's, and the response's before the request's, as in decode.
void Session::name_model(const http1::RequestHead& head) {
  const std::string_view in_path = tap::model_in_path(head.path());
  is_model_in_path_ = !in_path.empty();
  model_.name(worker_.models,
              is_model_in_path_ ? in_path : head.value_of(http1::FieldId::x_model_name));
}

std::string_view Session::sampling_key(const http1::RequestHead& head) const {
  for (const http1::FieldId id :
       {http1::FieldId::x_prediction_id, http1::FieldId::x_request_id, http1::FieldId::ce_id})
    if (const std::string_view value = head.value_of(id); !value.empty()) return value;
  return tap::view(id_);
}

void Session::rewrite_request(const http1::RequestHead& head) {
  const Settings& settings = worker_.settings;
  http1::RequestAdditions additions;
  additions.prediction_id = tap::view(id_);
  additions.via = settings.via;
  if (settings.forwarded) additions.forwarded = forwarded_element(peer_, worker_.forwarded_text);
  if (settings.traceparent) additions.traceparent = traceparent_of(id_, worker_.traceparent_text);
  http1::rewrite(head, additions, worker_.pieces);
}

// Of worker_.pieces: to the connection, or held until there is one.
void Session::send_request() {
  const std::span<const std::string_view> pieces(worker_.pieces.begin(), worker_.pieces.count());
  if (upstream_ != nullptr && upstream_->connected) {
    phase_ = Phase::exchange;
    may_retry_ = may_retry_ && upstream_->reused;
    if (may_retry_)
      for (const std::string_view piece : pieces) replay_.append(piece);
    upstream_->channel.write(pieces);
    return;
  }
  may_retry_ = false;  // A fresh connection that fails tells something.
  for (const std::string_view piece : pieces) waiting_.append(piece);
  phase_ = Phase::connecting;
}

bool Session::is_reserved(const http1::RequestHead& head) const {
  const std::string_view prefix = worker_.settings.reserved_path, path = head.path();
  if (prefix.empty() || path.substr(0, prefix.size()) != prefix) return false;
  const std::string_view word = path.substr(prefix.size());
  return word == "/healthy" || word == "/ready";
}

// By the proxy itself. Such requests are no traffic of the model: they are not counted.
void Session::answer_reserved(const http1::RequestHead& head, const Input& input) {
  const bool asks_liveness =
      head.path().substr(worker_.settings.reserved_path.size()) == "/healthy";
  const bool is_ready = asks_liveness || !worker_.is_leaving();
  close_after_ = close_after_ || !request_body_.over() || worker_.is_leaving();
  client_.write(render_text(is_ready ? 200 : 503, is_ready ? "OK\n" : "draining\n",
                            {.now = worker_.wall_now(),
                             .is_head = request_.method == http1::Method::head,
                             .close = close_after_}));
  is_counted_ = true;
  worker_.counters.requests_in_flight.subtract();
  keep_rest(client_, request_unseen_, input, head.size);
  close_after_ ? linger() : next_request();
}

void Session::on_no_upstream(UpstreamPool::Refusal refusal, int error) {
  if (refusal == UpstreamPool::Refusal::failed) {
    waiting_.clear();
    return fail_upstream(tap::UpstreamFailure::unreachable, std::strerror(error));
  }
  if (worker_.is_queue_full())
    return reject(tap::Rejection::queue_full,
                  {503, "queue_full",
                   "upstream.queue-max requests wait for a connection already; raise it or "
                   "upstream.connections-max, or add replicas",
                   retry_after_seconds});
  phase_ = Phase::queued;
  worker_.enqueue(*this);
  arm(worker_.settings.queue_timeout);
}

// The request lies in waiting_: find a connection for it.
void Session::find_upstream(bool fresh) {
  UpstreamPool::Refusal refusal;
  upstream_ = worker_.pool.acquire(*this, worker_.now(), fresh, refusal);
  if (upstream_ == nullptr) return on_no_upstream(refusal, errno);
  phase_ = Phase::connecting;
  arm(worker_.settings.connect_timeout);
}

void Session::on_upstream_room() {
  find_upstream(false);
  advance();
}

bool Session::finish_connecting() {
  Channel& channel = upstream_->channel;
  if (!upstream_->connected) {
    if (!channel.writable && !channel.hung_up) return false;
    if (const int error = socket_error(channel.socket.get()); error != 0)
      return on_connect_failure(error), true;
    upstream_->connected = true;
  }
  phase_ = Phase::exchange;
  channel.out.swap(waiting_);
  channel.flush();
  overhead_ = since(worker_.now());
  arm_exchange(0);
  return true;
}

// Another address of the upstream may do better; each is tried once.
void Session::on_connect_failure(int error) {
  worker_.pool.give_up(*std::exchange(upstream_, nullptr));
  if (++connects_failed_ < worker_.pool.address_count()) return find_upstream(false);
  fail_upstream(tap::UpstreamFailure::unreachable, std::strerror(error));
}

bool Session::forward_request() {
  if (upstream_ == nullptr) return false;
  Channel& channel = upstream_->channel;
  const std::size_t held = channel.out.size();
  if (held != 0) {
    if (channel.writable) channel.flush();
    const std::size_t gone = held - channel.out.size();
    if (gone != 0) arm_exchange(gone);
    if (!channel.out.empty()) return gone != 0;
  }
  if (request_body_.over() || channel.write_failed) return false;
  request_unseen_ = !client_.in.empty();
  const Input input = take_input(client_, request_unseen_);
  if (input.bytes.empty()) {
    if (client_.ended) truncate(tap::Outcome::cancelled);
    return false;
  }
  const http1::BodyReader::Run run = request_body_.take(
      input.bytes, [this](std::string_view content) { capture_.request_body(content); });
  if (run.progress == http1::Progress::invalid) {
    // The upstream sees an aborted message, never a completed one.
    status_ == 0 ? reject(request_body_.violation()) : truncate(tap::Outcome::rejected);
    return true;
  }
  channel.write(input.bytes.substr(0, run.taken));
  worker_.counters.request_bytes.add(run.taken);
  keep_rest(client_, request_unseen_, input, run.taken);
  arm_exchange(run.taken);
  return true;
}

// ---- The response's way ----

bool Session::forward_response() {
  const std::size_t held = client_.out.size();
  if (!client_.flush()) return truncate(tap::Outcome::cancelled), false;
  if (client_.out.size() != held) arm_exchange(held - client_.out.size());
  if (!client_.out.empty()) return false;
  if (status_ != 0 && response_body_.over()) {
    finish_exchange();
    return true;
  }
  if (upstream_ == nullptr) return false;
  Channel& channel = upstream_->channel;
  if (channel.write_failed)
    channel.readable = true;  // What it said before it closed is there, or nothing.
  const Input input = take_input(channel, response_unseen_);
  if (input.bytes.empty()) return channel.ended && end_of_upstream();
  got_bytes_ = true;
  replay_.clear();
  return status_ == 0 ? read_response_head(input) : forward_response_body(input);
}

bool Session::read_response_head(const Input& input) {
  http1::ResponseHead& head = worker_.response_head;
  std::size_t used = 0;
  while (used < input.bytes.size()) {
    const std::string_view bytes = input.bytes.substr(used);
    switch (http1::parse(bytes, response_cursor_, worker_.head_limits,
                         http1::ResponseContext::of(request_), head)) {
      case http1::Progress::need_more:
        keep_rest(upstream_->channel, response_unseen_, input, used);
        response_unseen_ = false;
        return upstream_->channel.readable;
      case http1::Progress::invalid:
        fail_upstream(tap::UpstreamFailure::invalid_response, http1::advice(head.violation));
        return true;
      case http1::Progress::complete:
        response_cursor_ = {};
        if (!head.summary.interim()) return forward_final_head(input, used);
        continued_ = continued_ || head.summary.status == 100;
        if (++interim_seen_ > interim_max) {
          fail_upstream(tap::UpstreamFailure::invalid_response,
                        "the model server sent more than 16 interim responses (1xx)");
          return true;
        }
        if (request_.minor_version > 0) {
          http1::rewrite(head, {}, worker_.pieces);
          client_.write({worker_.pieces.begin(), worker_.pieces.count()});
        }
        used += head.size;
    }
  }
  keep_rest(upstream_->channel, response_unseen_, input, used);
  arm_exchange(used);
  return true;
}

bool Session::forward_final_head(const Input& input, std::size_t used) {
  const http1::ResponseHead& head = worker_.response_head;
  if (head.summary.status == 101) return begin_tunnel(input, used), true;
  const std::string_view after_head = input.bytes.substr(used + head.size);
  response_body_ = http1::BodyReader(head.summary.framing, head.summary.content_length);
  unchunk_ = head.summary.unchunk;
  capture_.response_head(head.raw());
  if (!is_model_in_path_) model_.name(worker_.models, head.value_of(http1::FieldId::x_model_name));
  const http1::BodyReader::Run run = take_response_body(after_head);
  if (run.progress == http1::Progress::invalid) {
    fail_upstream(tap::UpstreamFailure::invalid_response,
                  http1::advice(response_body_.violation()));
    return true;
  }
  status_ = head.summary.status;
  if (const auto timeout = head.keep_alive_timeout())
    upstream_->idle_timeout = Duration(*timeout) / 2;  // Well before the upstream closes it.
  // An upstream that answers instead of saying 100 may not have read the body that came all the same,
  // and would take it for the next request.
  upstream_reusable_ = head.summary.keep_alive && run.taken == after_head.size() &&
                       (continued_ || !request_.expect_continue);
  close_after_ = close_after_ || worker_.is_leaving() || unchunk_ ||
                 head.summary.framing == http1::Framing::until_close ||
                 (response_body_.over() && !request_body_.over());
  http1::ResponseAdditions additions;
  additions.prediction_id = tap::view(id_);
  additions.via = worker_.settings.via;
  additions.close = close_after_;
  additions.keep_alive = request_.minor_version == 0 && !close_after_;
  http1::rewrite(head, additions, worker_.pieces);
  if (!unchunk_) worker_.pieces.add(after_head.substr(0, run.taken));
  client_.write({worker_.pieces.begin(), worker_.pieces.count()});
  for (const std::string_view content : worker_.content) client_.write(content);
  overhead_ += since(worker_.now());
  worker_.counters.response_bytes.add(run.taken);
  keep_rest(upstream_->channel, response_unseen_, input, used + head.size + run.taken);
  if (response_body_.over()) release_upstream();
  arm_exchange(0);
  return true;
}

// Judges a run of the response's body and captures its content, which is also gathered where the client
// is to be sent nothing else.
http1::BodyReader::Run Session::take_response_body(std::string_view bytes) {
  worker_.content.clear();
  return response_body_.take(bytes, [this](std::string_view content) {
    capture_.response_body(content);
    if (unchunk_) worker_.content.push_back(content);
  });
}

bool Session::forward_response_body(const Input& input) {
  const http1::BodyReader::Run run = take_response_body(input.bytes);
  if (run.progress == http1::Progress::invalid) {
    truncate(tap::Outcome::server_error);
    return true;
  }
  if (!unchunk_) worker_.content.push_back(input.bytes.substr(0, run.taken));
  for (const std::string_view content : worker_.content) client_.write(content);
  if (client_.write_failed) {
    truncate(tap::Outcome::cancelled);
    return true;
  }
  worker_.counters.response_bytes.add(run.taken);
  upstream_reusable_ = upstream_reusable_ && run.taken == input.bytes.size();
  keep_rest(upstream_->channel, response_unseen_, input, run.taken);
  if (response_body_.over()) release_upstream();
  arm_exchange(run.taken);
  return true;
}

// The upstream sends no more. True when there is something to do then.
bool Session::end_of_upstream() {
  const bool was_reset = upstream_->channel.broken || upstream_->channel.write_failed;
  if (status_ != 0) {
    if (!was_reset && response_body_.end_of_input()) {
      upstream_reusable_ = false;
      release_upstream();
    } else {
      truncate(tap::Outcome::unreachable);
    }
    return true;
  }
  if (!got_bytes_ && may_retry_) return retry(), true;
  if (was_reset) {
    fail_upstream(tap::UpstreamFailure::reset,
                  "the model server reset the connection before it answered");
  } else {
    fail_upstream(tap::UpstreamFailure::closed,
                  "the model server closed the connection before it answered");
  }
  return true;
}

// The pooled connection closed under us before it said anything, and asking again is harmless.
void Session::retry() {
  worker_.counters.upstream_retries.add();
  may_retry_ = false;
  drop_upstream();
  waiting_.swap(replay_);
  find_upstream(true);
}

void Session::release_upstream() {
  const Channel& channel = upstream_->channel;
  const bool is_clean = upstream_reusable_ && request_body_.over() && channel.out.empty() &&
                        channel.in.empty() && !channel.ended && !channel.write_failed;
  if (!is_clean) return drop_upstream();
  worker_.pool.release(*std::exchange(upstream_, nullptr), worker_.now());
}

void Session::drop_upstream() {
  waiting_.clear();
  if (upstream_ != nullptr) worker_.pool.close(*std::exchange(upstream_, nullptr));
}

void Session::finish_exchange() {
  const tap::Outcome outcome = outcome_of(status_);
  worker_.counters.overhead.observe(static_cast<std::uint64_t>(overhead_.count()),
                                    overhead_bounds_ns);
  count_request(outcome, status_);
  end_capture(outcome, status_);
  close_after_ || !request_body_.over() ? linger() : next_request();
}

void Session::next_request() {
  phase_ = Phase::head;
  request_cursor_ = response_cursor_ = {};
  awaited_ = Awaited::nobody;
  interim_seen_ = connects_failed_ = 0;
  status_ = 0;
  response_unseen_ = got_bytes_ = has_begun_ = may_retry_ = false;
  continued_ = close_after_ = unchunk_ = false;
  replay_.clear();
  request_unseen_ = !client_.in.empty();
  worker_.note_idle(*this, true);
  arm(worker_.settings.idle_timeout);
}

// ---- Tunnels ----

void Session::begin_tunnel(const Input& input, std::size_t used) {
  const http1::ResponseHead& head = worker_.response_head;
  capture_.skip(tap::SkipReason::not_matched);
  http1::rewrite(head, {.prediction_id = tap::view(id_), .via = worker_.settings.via},
                 worker_.pieces);
  worker_.pieces.add(input.bytes.substr(used + head.size));
  client_.write({worker_.pieces.begin(), worker_.pieces.count()});
  keep_rest(upstream_->channel, response_unseen_, input, input.bytes.size());
  count_request(tap::Outcome::success, 101);
  end_capture(tap::Outcome::success, 101);
  phase_ = Phase::tunnel;
  shut_down_ = client_end_passed_on_ = false;
  arm(worker_.settings.stream_timeout);
}

bool Session::forward_tunnel() {
  const bool moved = pump(client_, upstream_->channel, client_end_passed_on_);
  const bool moved_back = pump(upstream_->channel, client_, shut_down_);
  const auto is_broken = [](const Channel& c) { return c.broken || c.write_failed; };
  if ((client_end_passed_on_ && shut_down_) || is_broken(client_) || is_broken(upstream_->channel))
    return close(), false;
  if (moved || moved_back) arm(worker_.settings.stream_timeout);
  return moved || moved_back;
}

bool Session::pump(Channel& from, Channel& to, bool& end_passed_on) {
  const std::size_t held = to.out.size();
  to.flush();
  if (!to.out.empty()) return to.out.size() != held;
  bool unseen = !from.in.empty();
  const Input input = take_input(from, unseen);
  if (!input.bytes.empty()) {
    to.write(input.bytes);
    keep_rest(from, unseen, input, input.bytes.size());
    return true;
  }
  if (from.ended && !end_passed_on) {
    end_passed_on = true;
    ::shutdown(to.socket.get(), SHUT_WR);
  }
  return held != 0;
}

// ---- Ends ----

void Session::count_request(tap::Outcome outcome, int code) {
  if (std::exchange(is_counted_, true)) return;
  model_.count(worker_.models, outcome, code, static_cast<std::uint64_t>(since(started_).count()));
  worker_.counters.requests_in_flight.subtract();
}

void Session::end_capture(tap::Outcome outcome, int status) {
  capture_.finish({id_, started_wall_, since(started_), status, outcome});
}

void Session::reject(http1::Violation violation) {
  worker_.counters.violations[static_cast<std::size_t>(violation)].add();
  refuse({http1::status_of(violation), http1::to_string(violation), http1::advice(violation)});
}

void Session::reject(tap::Rejection rejection, const Answer& text) {
  worker_.counters.rejected[static_cast<std::size_t>(rejection)].add();
  refuse(text);
}

// A request that the proxy refuses is no exchange; its connection ends with the answer, since what
// follows on it cannot be trusted or was not read.
void Session::refuse(const Answer& text) {
  capture_.abandon();
  if (phase_ == Phase::queued) worker_.leave_queue(*this);
  count_request(tap::Outcome::rejected, text.status);
  drop_upstream();
  close_after_ = true;
  answer(text);
}

void Session::fail_upstream(tap::UpstreamFailure failure, std::string_view message) {
  worker_.counters.upstream_failures[static_cast<std::size_t>(failure)].add();
  const FailureAnswer how = answer_to(failure);
  count_request(how.outcome, how.status);
  end_capture(how.outcome, 0);
  drop_upstream();
  close_after_ = close_after_ || !request_body_.over() || worker_.is_leaving();
  answer({how.status, tap::to_string(failure), message, how.retry_after_seconds});
}

void Session::answer(const Answer& text) {
  AnswerContext context{.now = worker_.wall_now(),
                        .is_head = request_.method == http1::Method::head,
                        .close = close_after_};
  if (id_[0] != 0) context.prediction_id = tap::view(id_);
  client_.write(render_error(text, context));
  close_after_ ? linger() : next_request();
}

// The response cannot be completed and must not look complete. One that lasts to the connection's
// end is told so by a reset.
void Session::truncate(tap::Outcome outcome) {
  if (phase_ == Phase::queued) worker_.leave_queue(*this);
  count_request(outcome, status_);
  if (outcome != tap::Outcome::cancelled && outcome != tap::Outcome::rejected)
    worker_.counters.upstream_failures[static_cast<std::size_t>(tap::UpstreamFailure::truncated)]
        .add();
  outcome == tap::Outcome::rejected ? capture_.abandon() : end_capture(outcome, status_);
  drop_upstream();
  const bool ends_with_connection =
      unchunk_ || response_body_.framing() == http1::Framing::until_close;
  if (status_ != 0 && ends_with_connection) {
    const struct linger reset { 1, 0 };
    ::setsockopt(client_.socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  close();
}

// Closing a socket with unread input resets the connection, and the client may lose the answer that
// it has not read yet. So our end is sent first, and input discarded for a moment.
void Session::linger() {
  const bool is_quiet = client_.in.empty() && !client_.readable && request_body_.over();
  if (client_.out.empty() && is_quiet) return close();
  client_.in.clear();
  request_unseen_ = false;
  phase_ = Phase::lingering;
  shut_down_ = false;
  discarded_bytes_ = 0;
  arm(client_.out.empty() ? Duration(linger_timeout) : worker_.settings.write_timeout);
}

bool Session::discard_input() {
  if (!client_.flush()) return close(), false;
  if (!client_.out.empty()) return false;
  if (!std::exchange(shut_down_, true)) {
    ::shutdown(client_.socket.get(), SHUT_WR);
    arm(linger_timeout);
  }
  if (!client_.readable) return false;
  discarded_bytes_ += client_.read(worker_.read_buffer()).size();
  if (client_.ended || discarded_bytes_ > discard_bytes_max) close();
  return true;
}

void Session::cut_off() {
  const bool is_busy =
      phase_ == Phase::queued || phase_ == Phase::connecting || phase_ == Phase::exchange;
  is_busy ? truncate(tap::Outcome::cancelled) : close();
}

void Session::close() {
  if (phase_ == Phase::closed) return;
  if (!is_counted_) {
    if (upstream_ == nullptr && waiting_.empty()) {
      // The head never came whole: there was no request.
      is_counted_ = true;
      worker_.counters.requests_in_flight.subtract();
    } else {
      count_request(tap::Outcome::cancelled, status_);
      end_capture(tap::Outcome::cancelled, status_);
    }
  }
  if (phase_ == Phase::queued) worker_.leave_queue(*this);
  if (phase_ == Phase::head && !has_begun_) worker_.note_idle(*this, false);
  drop_upstream();
  capture_.abandon();
  phase_ = Phase::closed;
  forget(worker_.epoll.get(), client_.socket);
  client_.in.clear();
  client_.out.clear();
  replay_.clear();
  worker_.timers.cancel(timer_);
  worker_.close(*this);
}

}  // namespace outrider::proxy
