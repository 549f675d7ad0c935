// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "sidecar/http2/endpoint.h"

namespace outrider::http2 {

std::size_t Endpoint::receive(std::string_view bytes) {
  std::size_t used = 0;
  if (!opening_.has_preface()) {
    const Violation violation = opening_.read_preface(role_, bytes, used);
    if (violation != Violation::none) fail(violation);
    if (!opening_.has_preface()) return has_failed() ? bytes.size() : used;
  }
  while (!has_failed() && !is_paused_) {
    if (data_.left + data_.padding > 0) {
      if (used == bytes.size()) break;
      used += continue_data(bytes.substr(used));
      continue;
    }
    const std::string_view rest = bytes.substr(used);
    if (rest.size() < frame_head_bytes) break;
    const FrameHead head = read_frame_head(rest);
    if (!is_acceptable(head)) break;
    if (head.type == FrameType::data) {
      if (!begin_data(head, rest.substr(frame_head_bytes), used)) break;
      continue;
    }
    if (rest.size() < frame_head_bytes + head.length) break;
    used += frame_head_bytes + head.length;
    const bool is_head = head.type == FrameType::headers || head.type == FrameType::continuation;
    if (flooded(guard_.note_frame(frame_head_bytes + head.length, is_head ? head.length : 0),
                Violation::overhead_flood))
      break;
    dispatch(head, rest.substr(frame_head_bytes, head.length));
  }
  return has_failed() ? bytes.size() : used;
}

// By its head alone, before the payload has come.
bool Endpoint::is_acceptable(const FrameHead& head) {
  if (head.length > frame_payload_max) {
    fail(Violation::bad_frame_size);
  } else if (!opening_.has_settings() && (head.type != FrameType::settings || head.has(flag_ack))) {
    fail(Violation::missing_settings);
  } else if (reader_.awaits_end() &&
             (head.type != FrameType::continuation || head.stream_id != reader_.id())) {
    fail(Violation::interrupted_block);
  }
  return !has_failed();
}

void Endpoint::dispatch(const FrameHead& head, std::string_view payload) {
  const auto is_of_connection = [&] { return head.stream_id == 0; };
  switch (head.type) {
    case FrameType::headers:
      return is_of_connection() ? fail(Violation::bad_stream_id) : on_headers(head, payload);
    case FrameType::continuation:
      return reader_.awaits_end() ? on_continuation(head, payload)
                                  : fail(Violation::unexpected_frame);
    case FrameType::priority:
      return is_of_connection() ? fail(Violation::bad_stream_id) : on_priority(head, payload);
    case FrameType::rst_stream:
      return on_rst_stream(head, payload);
    case FrameType::settings:
      return is_of_connection() ? on_settings(head, payload) : fail(Violation::bad_stream_id);
    case FrameType::push_promise:
      return fail(Violation::unexpected_frame);
    case FrameType::ping:
      if (!is_of_connection()) return fail(Violation::bad_stream_id);
      return payload.size() == 8 ? on_ping(head, payload) : fail(Violation::bad_frame_size);
    case FrameType::goaway:
      return is_of_connection() ? on_goaway(head, payload) : fail(Violation::bad_stream_id);
    case FrameType::window_update:
      return on_window_update(head, payload);
    default:
      return;  // Of an unknown type: ignored (RFC 9113, 4.1).
  }
}

// ---- DATA ----

// True when its head was taken. Of a padded frame the first byte is needed too.
bool Endpoint::begin_data(const FrameHead& head, std::string_view payload, std::size_t& used) {
  const bool is_padded = head.has(flag_padded);
  if (is_padded && head.length > 0 && payload.empty()) return false;
  if (is_padded && head.length == 0) return fail(Violation::bad_frame_size), false;
  const std::uint32_t padding = is_padded ? static_cast<unsigned char>(payload[0]) : 0;
  const std::uint32_t extra = is_padded ? padding + 1 : 0;
  if (extra > head.length) return fail(Violation::bad_padding), false;
  const std::uint32_t content = head.length - extra;
  Stream* stream = data_target(head);
  if (has_failed()) return false;
  if (flooded(guard_.note_frame(frame_head_bytes + head.length, content),
              Violation::overhead_flood) ||
      flooded(guard_.note_data(content, head.has(flag_end_stream)), Violation::empty_data_flood))
    return false;
  used += frame_head_bytes + (is_padded ? 1 : 0);
  if (!take_window(head, stream)) return false;
  if (stream != nullptr && stream->content_left != no_content_length) {
    stream->content_left -= content;
    if (stream->content_left < 0 || (head.has(flag_end_stream) && stream->content_left != 0)) {
      fail_stream(*stream, Violation::content_length_mismatch);
      stream = nullptr;
    }
  }
  if (has_failed()) return false;
  data_ = {stream, content, padding, head.has(flag_end_stream)};
  if (stream == nullptr) {
    grant_connection(extra + content);
  } else if (extra != 0) {
    grant(*stream, extra);
  }
  if (content == 0 && data_.ends) continue_data({});
  return true;
}

// nullptr where the connection has failed, or the bytes are to be ignored.
Stream* Endpoint::data_target(const FrameHead& head) {
  const std::uint32_t id = head.stream_id;
  if (id == 0 || is_idle(id)) {
    fail(id == 0 ? Violation::bad_stream_id : Violation::unexpected_frame);
    return nullptr;
  }
  Stream* stream = streams_.find(id);
  if (stream == nullptr) {
    refuse_late(id);
    return nullptr;
  }
  if (stream->remote_ended) return fail_stream(*stream, Violation::stream_is_closed), nullptr;
  if (!stream->has_head) return fail_stream(*stream, Violation::unexpected_frame), nullptr;
  return stream;
}

bool Endpoint::take_window(const FrameHead& head, Stream*& stream) {
  if (!window_.take(head.length)) return fail(Violation::window_exceeded), false;
  if (stream == nullptr) return true;
  const auto length = static_cast<std::int32_t>(head.length);  // 24 bits.
  if (length > stream->receive_window) {
    fail_stream(*stream, Violation::window_exceeded);
    stream = nullptr;
    return !has_failed();
  }
  stream->receive_window -= length;
  return true;
}

std::size_t Endpoint::continue_data(std::string_view bytes) {
  const std::size_t n = std::min<std::size_t>(bytes.size(), data_.left);
  data_.left -= static_cast<std::uint32_t>(n);
  Stream* stream = data_.stream;
  const bool is_last = data_.left == 0;
  if (stream != nullptr && (n != 0 || (is_last && data_.ends))) {
    const bool ends = is_last && data_.ends;
    if (is_last) data_.stream = nullptr;
    if (ends) stream->remote_ended = true;
    handler_.on_data(*stream, bytes.substr(0, n), ends);
  }
  const std::size_t skipped = is_last ? std::min<std::size_t>(bytes.size() - n, data_.padding) : 0;
  data_.padding -= static_cast<std::uint32_t>(skipped);
  return n + skipped;
}

// ---- HEADERS ----

void Endpoint::on_headers(const FrameHead& head, std::string_view payload) {
  const std::uint32_t id = head.stream_id;
  if (id % 2 == 0 || (role_ == Role::client && is_idle(id))) return fail(Violation::bad_stream_id);
  std::size_t padding = 0;
  if (head.has(flag_padded)) {
    if (payload.empty()) return fail(Violation::bad_frame_size);
    padding = static_cast<unsigned char>(payload[0]);
    payload.remove_prefix(1);
  }
  if (head.has(flag_priority)) {
    if (payload.size() < 5) return fail(Violation::bad_frame_size);
    if ((read_uint32(payload.data()) & stream_id_max) == id)
      return fail(Violation::self_dependency);
    payload.remove_prefix(5);
  }
  if (padding > payload.size()) return fail(Violation::bad_padding);
  payload.remove_suffix(padding);
  const bool ends = head.has(flag_end_stream);
  if (head.has(flag_end_headers)) return on_block(id, payload, ends);
  reader_.begin(id, payload, ends);
}

void Endpoint::on_continuation(const FrameHead& head, std::string_view payload) {
  const Violation violation = reader_.add(payload, limits_.continuations, limits_.block_bytes);
  if (violation != Violation::none) return fail(violation);
  if (!head.has(flag_end_headers)) return;
  const HeadReader::Block block = reader_.take();
  on_block(block.id, block.bytes, block.ends);
}

void Endpoint::on_block(std::uint32_t id, std::string_view block, bool ends) {
  const Violation violation = reader_.decode(block, scratch_.fields);
  const bool is_past_limit = violation != Violation::none;
  // A client is told the limits, and pays for what it sends past them with its connection. Of the
  // upstream's calls one alone is to fail.
  if (is_past_limit && (role_ == Role::server || reader_.is_lost())) return fail(violation);
  Stream* stream = streams_.find(id);
  if (is_past_limit && stream != nullptr) return fail_stream(*stream, violation);
  if (stream != nullptr) return on_head_of(*stream, ends);
  if (is_idle(id)) return on_new_request(id, ends);
  refuse_late(id);
}

// HEADERS or DATA of a stream that is closed.
void Endpoint::refuse_late(std::uint32_t id) {
  switch (streams_.reset_of(id)) {
    case StreamTable::Reset::by_us:
      return;  // They may have been on their way.
    case StreamTable::Reset::by_peer:
      handler_.on_violation(Violation::stream_is_closed);
      put_rst_stream(id, ErrorCode::stream_closed, out_);
      flooded(guard_.note_reset(), Violation::reset_flood);
      return;
    case StreamTable::Reset::none:
      return fail(Violation::stream_is_closed);
  }
}

void Endpoint::on_new_request(std::uint32_t id, bool ends) {
  streams_.note_id(id);
  if (is_shut()) return streams_.note_reset(id);  // It was told that this one is not served.
  const auto refuse = [&](Violation violation) {
    handler_.on_violation(violation);
    put_rst_stream(id, code_of(violation), out_);
    streams_.note_reset(id);
    flooded(guard_.note_reset(), Violation::reset_flood);
  };
  if (streams_.count() >= limits_.streams_max) return refuse(Violation::too_many_streams);
  RequestHead& head = scratch_.request;
  if (!judge(scratch_.fields, head)) return refuse(Violation::malformed_head);
  if (ends && head.content_length > 0) return refuse(Violation::content_length_mismatch);
  Stream* stream = handler_.make_stream(id);
  if (stream == nullptr) return refuse(Violation::too_many_streams);
  stream->id = id;
  admit(*stream);
  stream->has_head = true;
  stream->remote_ended = ends;
  stream->content_left = ends ? no_content_length : head.content_length;
  handler_.on_request(*stream, head, ends);
}

void Endpoint::on_head_of(Stream& stream, bool ends) {
  if (stream.remote_ended) return fail_stream(stream, Violation::stream_is_closed);
  if (role_ == Role::client && !stream.has_head) return on_response_head(stream, ends);
  // Trailers: they end the stream.
  if (!ends) return fail_stream(stream, Violation::unexpected_frame);
  if (!judge_trailers(scratch_.fields)) return fail_stream(stream, Violation::malformed_head);
  if (stream.content_left > 0) return fail_stream(stream, Violation::content_length_mismatch);
  stream.remote_ended = true;
  handler_.on_trailers(stream);
}

void Endpoint::on_response_head(Stream& stream, bool ends) {
  ResponseHead& head = scratch_.response;
  if (!judge(scratch_.fields, head) || (head.interim() && ends))
    return fail_stream(stream, Violation::malformed_head);
  if (!head.interim()) {
    // Without a body it tells how long that of an answer to GET would have been.
    const bool is_bodiless = stream.is_head_request || head.status == 204 || head.status == 304;
    if (ends && !is_bodiless && head.content_length > 0)
      return fail_stream(stream, Violation::content_length_mismatch);
    stream.has_head = true;
    stream.remote_ended = ends;
    stream.content_left = is_bodiless ? 0 : head.content_length;
  }
  handler_.on_response(stream, head, ends);
}

// ---- The other frames ----

void Endpoint::on_priority(const FrameHead& head, std::string_view payload) {
  Stream* stream = streams_.find(head.stream_id);
  if (flooded(guard_.note_priority(), Violation::priority_flood)) return;
  const Violation violation = payload.size() != 5 ? Violation::bad_frame_size
                              : (read_uint32(payload.data()) & stream_id_max) == head.stream_id
                                  ? Violation::self_dependency
                                  : Violation::none;
  if (violation == Violation::none) return;
  stream != nullptr ? fail_stream(*stream, violation) : fail(violation);
}

void Endpoint::on_rst_stream(const FrameHead& head, std::string_view payload) {
  if (payload.size() != 4) return fail(Violation::bad_frame_size);
  if (head.stream_id == 0 || is_idle(head.stream_id)) return fail(Violation::bad_stream_id);
  if (role_ == Role::server && flooded(guard_.note_reset(), Violation::reset_flood)) return;
  Stream* stream = streams_.find(head.stream_id);
  if (stream == nullptr) return;
  streams_.note_reset(stream->id, StreamTable::Reset::by_peer);
  streams_.remove(*stream);
  handler_.on_reset(*stream, static_cast<ErrorCode>(read_uint32(payload.data())));
}

void Endpoint::on_settings(const FrameHead& head, std::string_view payload) {
  if (head.has(flag_ack)) {
    if (!payload.empty()) fail(Violation::bad_frame_size);
    return;
  }
  if (payload.size() % 6 != 0) return fail(Violation::bad_frame_size);
  for (; !payload.empty(); payload.remove_prefix(6)) {
    const auto setting = static_cast<Setting>(read_uint32(payload.data()) >> 16);
    if (const Violation v = apply(setting, read_uint32(payload.data() + 2)); v != Violation::none)
      return fail(v);
  }
  opening_.note_settings();
  if (flooded(guard_.note_reply(), Violation::reply_flood)) return;
  put_frame_head({0, FrameType::settings, flag_ack, 0}, out_);
  handler_.on_settings();
}

Violation Endpoint::apply(Setting setting, std::uint32_t value) {
  switch (setting) {
    case Setting::header_table_size:
      writer_.set_peer_limit(value);
      break;
    case Setting::enable_push:
      if (value > (role_ == Role::server ? 1u : 0u)) return Violation::bad_setting;
      break;
    case Setting::max_concurrent_streams:
      peer_.streams_max = value;
      break;
    case Setting::initial_window_size: {
      if (value > window_max) return Violation::window_overflow;
      const std::int64_t change = std::int64_t{value} - peer_.initial_window;
      bool has_overflown = false;
      streams_.each([&](Stream& stream) {
        const std::int64_t changed = stream.send_window + change;
        has_overflown = has_overflown || changed > window_max;
        stream.send_window = static_cast<std::int32_t>(std::min<std::int64_t>(changed, window_max));
      });
      if (has_overflown) return Violation::window_overflow;
      peer_.initial_window = value;
      break;
    }
    case Setting::max_frame_size:
      if (value < frame_payload_max || value > 0xffffff) return Violation::bad_setting;
      peer_.frame_payload_max = value;
      break;
    default:
      break;
  }
  return Violation::none;
}

void Endpoint::on_goaway(const FrameHead&, std::string_view payload) {
  if (payload.size() < 8) return fail(Violation::bad_frame_size);
  handler_.on_goaway(read_uint32(payload.data()) & stream_id_max,
                     static_cast<ErrorCode>(read_uint32(payload.data() + 4)));
}

void Endpoint::on_window_update(const FrameHead& head, std::string_view payload) {
  if (payload.size() != 4) return fail(Violation::bad_frame_size);
  if (flooded(guard_.note_window_update(), Violation::window_update_flood)) return;
  const std::uint32_t increment = read_uint32(payload.data()) & window_max;
  if (head.stream_id == 0) {
    if (increment == 0) return fail(Violation::bad_window_update);
    return window_.open(increment) ? handler_.on_window(nullptr) : fail(Violation::window_overflow);
  }
  if (is_idle(head.stream_id)) return fail(Violation::bad_stream_id);
  Stream* stream = streams_.find(head.stream_id);
  if (stream == nullptr) return;
  if (increment == 0) return fail_stream(*stream, Violation::bad_window_update);
  const std::int64_t window = std::int64_t{stream->send_window} + increment;
  if (window > window_max) return fail_stream(*stream, Violation::window_overflow);
  stream->send_window = static_cast<std::int32_t>(window);
  handler_.on_window(stream);
}

}  // namespace outrider::http2
