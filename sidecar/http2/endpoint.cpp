// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/endpoint.h"

#include <algorithm>

// What an endpoint sends, and the connection as a whole; what it receives: endpoint_receive.cpp.

namespace outrider::http2 {
namespace {

constexpr std::string_view shutdown_ping = "outrider";  // Eight bytes: an ACK of it is one of ours.

}  // namespace

Endpoint::Endpoint(Role role, const Limits& limits, Scratch& scratch, std::string& out,
                   Handler& handler)
    : role_(role),
      limits_(limits),
      scratch_(scratch),
      out_(out),
      handler_(handler),
      writer_(out),
      window_(limits.connection_window) {}

void Endpoint::start() {
  if (role_ == Role::client) out_ += client_preface;
  const std::size_t at = out_.size();
  put_frame_head({0, FrameType::settings, 0, 0}, out_);
  if (role_ == Role::server)
    put_setting(Setting::max_concurrent_streams, limits_.streams_max, out_);
  else
    put_setting(Setting::enable_push, 0, out_);
  put_setting(Setting::initial_window_size, limits_.stream_window, out_);
  put_setting(Setting::max_header_list_size, FieldBlock::bytes_max, out_);
  set_frame_length(at, out_.size() - at - frame_head_bytes, out_);
  put_window_update(0, limits_.connection_window - window_usual, out_);
}

void Endpoint::fail(Violation violation) {
  if (!ending_.fail(violation)) return;
  handler_.on_violation(violation);
  put_goaway(role_ == Role::server ? std::min(streams_.last_id(), ending_.last_id()) : 0,
             code_of(violation), to_string(violation), out_);
}

bool Endpoint::flooded(bool is_too_much, Violation violation) {
  if (is_too_much) fail(violation);
  return is_too_much;
}

void Endpoint::announce_streams_max(std::uint32_t streams) {
  put_frame_head({6, FrameType::settings, 0, 0}, out_);
  put_setting(Setting::max_concurrent_streams, streams, out_);
}

void Endpoint::begin_shutdown() {
  if (!ending_.begin()) return;
  put_goaway(stream_id_max, ErrorCode::no_error, {}, out_);
  put_frame_head({8, FrameType::ping, 0, 0}, out_);
  out_ += shutdown_ping;
}

void Endpoint::finish_shutdown(std::uint32_t last_id) {
  last_id = std::min(last_id, streams_.last_id());
  if (!ending_.tell(last_id)) return;
  put_goaway(last_id, ErrorCode::no_error, {}, out_);
}

void Endpoint::on_ping(const FrameHead& head, std::string_view payload) {
  if (head.has(flag_ack)) {
    if (ending_.awaits_ack() && payload == shutdown_ping) finish_shutdown();
    return;
  }
  if (flooded(guard_.note_reply(), Violation::reply_flood)) return;
  put_frame_head({8, FrameType::ping, flag_ack, 0}, out_);
  out_ += payload;
}

// ---- Streams ----

void Endpoint::admit(Stream& stream) {
  stream.send_window = static_cast<std::int32_t>(peer_.initial_window);
  stream.receive_window = static_cast<std::int32_t>(limits_.stream_window);
  streams_.add(stream);
  guard_.note_stream();
}

void Endpoint::open(Stream& stream) {
  admit(stream);
}

void Endpoint::end_head(Stream& stream, bool ends) {
  stream.local_ended = stream.local_ended || ends;
  writer_.end(stream.id, ends);
}

std::size_t Endpoint::send_data(Stream& stream, std::string_view content, bool ends) {
  std::size_t sent = 0;
  do {
    const std::int64_t room = std::max<std::int64_t>(sendable(stream), 0);
    const std::size_t n = std::min({content.size() - sent, static_cast<std::size_t>(room),
                                    static_cast<std::size_t>(frame_payload_max)});
    const bool is_end = ends && sent + n == content.size();
    if (n == 0 && !is_end) break;
    put_frame_head({static_cast<std::uint32_t>(n), FrameType::data,
                    is_end ? flag_end_stream : std::uint8_t{0}, stream.id},
                   out_);
    out_ += content.substr(sent, n);
    stream.send_window -= static_cast<std::int32_t>(n);
    window_.note_sent(n);
    stream.local_ended = stream.local_ended || is_end;
    guard_.note_data_sent();
    sent += n;
  } while (sent < content.size());
  return sent;
}

// A grant waits until it is worth a frame: half of the window.
void Endpoint::grant(Stream& stream, std::size_t bytes) {
  grant_connection(bytes);
  if (!stream.is_open || stream.remote_ended) return;
  stream.ungranted += static_cast<std::uint32_t>(bytes);
  if (stream.ungranted < limits_.stream_window / 2) return;
  put_window_update(stream.id, stream.ungranted, out_);
  stream.receive_window += static_cast<std::int32_t>(stream.ungranted);
  stream.ungranted = 0;
}

void Endpoint::grant_connection(std::size_t bytes) {
  if (has_failed()) return;
  const std::uint32_t granted = window_.grant(bytes, limits_.connection_window);
  if (granted != 0) put_window_update(0, granted, out_);
}

void Endpoint::reset(Stream& stream, ErrorCode code) {
  if (!stream.is_open) return;
  if (!has_failed()) put_rst_stream(stream.id, code, out_);
  streams_.note_reset(stream.id);
  close(stream);
  const bool is_fault = code == ErrorCode::protocol_error || code == ErrorCode::stream_closed ||
                        code == ErrorCode::flow_control_error ||
                        code == ErrorCode::frame_size_error;
  if (role_ == Role::server && is_fault) flooded(guard_.note_reset(), Violation::reset_flood);
}

// What is still to come of its DATA is ignored.
void Endpoint::close(Stream& stream) {
  if (data_.stream == &stream) {
    data_.stream = nullptr;
    grant_connection(data_.left);
  }
  streams_.remove(stream);
}

void Endpoint::fail_stream(Stream& stream, Violation violation) {
  handler_.on_violation(violation);
  reset(stream, code_of(violation));
  handler_.on_stream_error(stream, violation);
}

}  // namespace outrider::http2
