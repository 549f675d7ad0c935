// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/exchange.h"

#include <array>
#include <cstring>
#include <utility>

namespace outrider::proxy {
namespace {

static_assert(tap::grpc_method_labels ==
              std::tuple_size_v<decltype(tap::ProxyCounters::grpc_calls)>);

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

template <std::size_t N>
std::array<std::uint64_t, N> to_nanoseconds(const double (&seconds)[N]) {
  std::array<std::uint64_t, N> bounds;
  for (std::size_t i = 0; i < N; ++i) bounds[i] = static_cast<std::uint64_t>(seconds[i] * 1e9 + .5);
  return bounds;
}
const auto overhead_bounds_ns = to_nanoseconds(tap::overhead_buckets);

}  // namespace

Exchange::Exchange(ExchangeContext& context, Client& client, Upstream& upstream)
    : context_(context),
      client_(client),
      upstream_(upstream),
      timer_(*this),
      capture_(context.tap) {}

std::string_view Exchange::prediction_id() const {
  return id_[0] == 0 ? std::string_view() : tap::view(id_);
}

// ---- The request ----

void Exchange::begin() {
  stage_ = Stage::head;
  status_ = 0;
  attempts_ = {};
  request_ended_ = false;
  spoken_.protocol = tap::Protocol::http1;
  spoken_.grpc_status = tap::no_grpc_status;
  spoken_.grpc_method = tap::grpc_method_labels - 1;
  wait_.awaited = Awaited::nobody;
  model_.begin();
  id_ = {};
  started_ = context_.now;
  context_.counters.requests_in_flight.add();
  arm(context_.settings.head_timeout);
}

void Exchange::withdraw() {
  if (std::exchange(stage_, Stage::idle) == Stage::idle) return;
  capture_.abandon();
  context_.counters.requests_in_flight.subtract();
}

// The path's word goes before a field's, and the response's before the request's, as in decode.
void Exchange::name_request(std::string_view path, std::string_view model_field) {
  const std::string_view in_path = tap::model_in_path(path);
  spoken_.has_model_in_path = !in_path.empty();
  model_.name(context_.models, spoken_.has_model_in_path ? in_path : model_field);
  id_ = context_.mint(started_.wall);
}

void Exchange::capture_request(const RequestFacts& facts) {
  attempts_.retry = facts.is_safe ? Retry::on_reused : Retry::never;
  spoken_.protocol = facts.protocol;
  capture_.begin(facts.method, facts.path,
                 facts.sampling_key.empty() ? tap::view(id_) : facts.sampling_key);
  capture_.request_head(facts.raw_head);
}

void Exchange::set_grpc_call(std::string_view path) {
  spoken_.protocol = tap::Protocol::grpc;
  spoken_.grpc_method = static_cast<std::uint8_t>(tap::grpc_method_place(path));
}

void Exchange::name_model(std::string_view name) {
  if (!spoken_.has_model_in_path) model_.name(context_.models, name);
}

void Exchange::on_request_bytes(std::size_t bytes) {
  context_.counters.request_bytes.add(bytes);
  if (bytes != 0) attempts_.retry = Retry::never;
  if (stage_ >= Stage::waiting) on_progress(bytes);
}

// ---- The upstream ----

void Exchange::on_attempt(const Attempt& attempt) {
  // A fresh connection that fails tells something.
  const bool is_on_reused = attempt.state == Attempt::State::sent && attempt.is_reused;
  attempts_.retry = is_on_reused && may_be_resent() ? Retry::allowed : Retry::never;
  switch (attempt.state) {
    case Attempt::State::sent:
      return begin_waiting();
    case Attempt::State::connecting:
      stage_ = Stage::connecting;
      return arm(context_.settings.connect_timeout);
    case Attempt::State::queued:
      stage_ = Stage::queued;
      return arm(context_.settings.queue_timeout);
    case Attempt::State::queue_full:
      return reject(tap::Rejection::queue_full,
                    {503, "queue_full",
                     "upstream.queue-max requests wait for a connection already; raise it or "
                     "upstream.connections-max, or add replicas",
                     retry_after_seconds});
    case Attempt::State::failed:
      return fail(tap::UpstreamFailure::unreachable, std::strerror(attempt.error));
  }
}

void Exchange::on_connected() {
  begin_waiting();
}

void Exchange::begin_waiting() {
  stage_ = Stage::waiting;
  overhead_ = elapsed_since(context_.now.monotonic);
  on_progress(0);
}

// Another address of the upstream may do better; each is tried once.
void Exchange::on_connect_failed(std::string_view why) {
  if (++attempts_.connects_failed < upstream_.address_count())
    return on_attempt(upstream_.connect());
  fail(tap::UpstreamFailure::unreachable, why);
}

void Exchange::on_upstream_lost(tap::UpstreamFailure how) {
  if (is_responding()) return abort(tap::Outcome::unreachable);
  if (attempts_.retry == Retry::allowed) {
    // The pooled connection closed under us before it said anything, and asking again is harmless.
    context_.counters.upstream_retries.add();
    return on_attempt(upstream_.resend());
  }
  fail(how, how == tap::UpstreamFailure::reset
                ? "the model server reset the connection before it answered"
                : "the model server closed the connection before it answered");
}

void Exchange::on_invalid_response(std::string_view advice) {
  if (is_responding()) return abort(tap::Outcome::server_error);
  fail(tap::UpstreamFailure::invalid_response, advice);
}

// ---- The response ----

bool Exchange::on_interim_response() {
  if (++attempts_.interim_seen <= interim_max) return true;
  fail(tap::UpstreamFailure::invalid_response,
       "the model server sent more than 16 interim responses (1xx)");
  return false;
}

void Exchange::capture_response(std::string_view raw_head, std::string_view model_field,
                                std::string_view content_type) {
  capture_.response_head(raw_head);
  if (tap::is_stream_type(content_type)) capture_.stream_response();
  if (!spoken_.has_model_in_path) model_.name(context_.models, model_field);
}

void Exchange::begin_response(int status, std::size_t body_bytes) {
  stage_ = Stage::responding;
  status_ = status;
  overhead_ += elapsed_since(context_.now.monotonic);
  context_.counters.response_bytes.add(body_bytes);
  on_progress(0);
}

void Exchange::on_response_bytes(std::size_t bytes) {
  context_.counters.response_bytes.add(bytes);
  on_progress(bytes);
}

void Exchange::switch_protocols() {
  capture_.skip(tap::SkipReason::not_matched);
  end(tap::Outcome::success, 101);
}

void Exchange::finish() {
  const bool is_call = spoken_.protocol == tap::Protocol::grpc && status_ == 200;
  const tap::Outcome outcome =
      is_call ? tap::outcome_of_grpc(spoken_.grpc_status) : outcome_of(status_);
  context_.counters.overhead.observe(static_cast<std::uint64_t>(overhead_.count()),
                                     overhead_bounds_ns);
  end(outcome, status_);
}

// ---- Deadlines ----

void Exchange::arm(Duration timeout) {
  context_.arm(timer_, timeout);
}

Exchange::Awaited Exchange::awaited() const {
  if (client_.has_unsent()) return Awaited::client_reads;
  if (is_responding()) return Awaited::upstream_sends;
  if (!request_ended_ && !upstream_.holds_request()) {
    // Of a gRPC call nobody knows whose turn it is.
    return spoken_.protocol == tap::Protocol::grpc ? Awaited::upstream_sends
                                                   : Awaited::client_sends;
  }
  return Awaited::upstream_answers;
}

MinDataRate Exchange::rule_for(Awaited awaited) const {
  const Settings& settings = context_.settings;
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

void Exchange::on_progress(std::uint64_t bytes) {
  const Monotonic now = context_.now.monotonic;
  const Awaited now_awaited = awaited();
  const MinDataRate rule = rule_for(now_awaited);
  const bool goes_on = std::exchange(wait_.awaited, now_awaited) == now_awaited;
  wait_.left = goes_on ? rule.after(wait_.left, now - wait_.since, bytes) : rule.limit;
  wait_.since = now;
  arm(wait_.left);
}

// What the deadline's answer left to be done (a pipelined request, our end to be sent) is done at
// once. A timer is not cancelled when an exchange ends, since the next one moves it.
void Exchange::on_deadline() {
  if (stage_ == Stage::idle) return;
  expire();
  client_.advance();
}

void Exchange::expire() {
  switch (stage_) {
    case Stage::idle:
      return;
    case Stage::head:
      return reject(
          tap::Rejection::client_timeout,
          {408, "client_timeout", "the request's head did not come within proxy.head-timeout"});
    case Stage::queued:
      return reject(tap::Rejection::queue_timeout,
                    {503, "queue_timeout",
                     "no upstream connection became free within upstream.queue-timeout; raise "
                     "upstream.connections-max or add replicas",
                     retry_after_seconds});
    case Stage::connecting:
      upstream_.stop_connecting();
      return fail(tap::UpstreamFailure::connect_timeout,
                  "the model server did not accept a connection within "
                  "upstream.connect-timeout");
    case Stage::waiting:
    case Stage::responding:
      return expire_waiting();
  }
}

void Exchange::expire_waiting() {
  if (wait_.awaited == Awaited::client_reads) return cancel();
  if (is_responding()) return abort(tap::Outcome::timeout);
  if (wait_.awaited == Awaited::client_sends)
    return reject(tap::Rejection::client_timeout,
                  {408, "client_timeout",
                   "the request's body stalled past proxy.body-timeout, or came slower than "
                   "proxy.rate-min"});
  fail(tap::UpstreamFailure::timeout,
       "the model server did not answer within upstream.response-timeout");
}

// ---- Ends ----

void Exchange::end(tap::Outcome outcome, int code) {
  const Duration duration = elapsed_since(started_.monotonic);
  count(outcome, code, duration);
  end_capture(outcome, code, duration);
}

void Exchange::count(tap::Outcome outcome, int code, Duration duration) {
  if (std::exchange(stage_, Stage::idle) == Stage::idle) return;
  model_.count(context_.models, outcome, code, static_cast<std::uint64_t>(duration.count()));
  context_.counters.requests_in_flight.subtract();
  if (spoken_.protocol != tap::Protocol::http1)
    count_grpc(outcome == tap::Outcome::cancelled ? 499 : code);
}

// What was answered without a status of gRPC has the one that says the same.
void Exchange::count_grpc(int code) {
  if (spoken_.protocol != tap::Protocol::grpc) return;
  tap::GrpcCodeCounts& cells = context_.counters.grpc_calls[spoken_.grpc_method];
  const int status =
      spoken_.grpc_status != tap::no_grpc_status ? spoken_.grpc_status : grpc_status_of(code);
  const auto at = static_cast<std::size_t>(status);
  cells[at < cells.size() ? at : cells.size() - 1].add();
}

void Exchange::end_capture(tap::Outcome outcome, int status, Duration duration) {
  capture_.finish(
      {id_, started_.wall, duration, status, outcome, spoken_.protocol, spoken_.grpc_status});
}

void Exchange::reject(tap::Rejection why, const Answer& answer) {
  context_.counters.rejected[static_cast<std::size_t>(why)].add();
  refuse(answer);
}

// A request that the proxy refuses is no exchange for the monitor.
void Exchange::refuse(const Answer& answer) {
  capture_.abandon();
  count(tap::Outcome::rejected, answer.status, elapsed_since(started_.monotonic));
  upstream_.abandon();
  client_.on_refused(answer);
}

void Exchange::fail(tap::UpstreamFailure failure, std::string_view message) {
  context_.counters.upstream_failures[static_cast<std::size_t>(failure)].add();
  const FailureAnswer how = answer_to(failure);
  const Duration duration = elapsed_since(started_.monotonic);
  count(how.outcome, how.status, duration);
  end_capture(how.outcome, 0, duration);
  upstream_.abandon();
  client_.on_failed({how.status, tap::to_string(failure), message, how.retry_after_seconds});
}

void Exchange::abort(tap::Outcome outcome) {
  // The 200 of its head is no status of a call that was cut off: the client is told UNAVAILABLE.
  if (spoken_.protocol == tap::Protocol::grpc && is_responding() &&
      outcome != tap::Outcome::cancelled && spoken_.grpc_status == tap::no_grpc_status)
    spoken_.grpc_status = grpc_status_of(503);
  const Duration duration = elapsed_since(started_.monotonic);
  count(outcome, status_, duration);
  if (outcome != tap::Outcome::cancelled && outcome != tap::Outcome::rejected)
    context_.counters.upstream_failures[static_cast<std::size_t>(tap::UpstreamFailure::truncated)]
        .add();
  outcome == tap::Outcome::rejected ? capture_.abandon() : end_capture(outcome, status_, duration);
  upstream_.abandon();
  client_.on_aborted();
}

void Exchange::close() {
  if (stage_ == Stage::head) withdraw();
  if (has_begun()) end(tap::Outcome::cancelled, status_);
  upstream_.abandon();
  context_.timers.cancel(timer_);
}

}  // namespace outrider::proxy
