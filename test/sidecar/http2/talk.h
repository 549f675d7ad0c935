// SPDX-License-Identifier: Apache-2.0
#pragma once

// An endpoint and what it tells, and frames written by hand for its peer.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/http2/endpoint.h"

namespace outrider::http2 {

inline std::string frame(FrameType type, std::uint8_t flags, std::uint32_t id,
                         std::string_view payload) {
  std::string out;
  put_frame_head({static_cast<std::uint32_t>(payload.size()), type, flags, id}, out);
  return out += payload;
}

inline std::string uint32(std::uint32_t value) {
  std::string out;
  put_uint32(value, out);
  return out;
}

inline std::string setting(Setting name, std::uint32_t value) {
  std::string out;
  put_setting(name, value, out);
  return out;
}

inline std::string settings(std::string_view payload = "") {
  return frame(FrameType::settings, 0, 0, payload);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string block_of(HpackEncoder& encoder, const Fields& fields) {
  std::string out;
  encoder.begin(out);
  for (const auto& [name, value] : fields) encoder.add({name, value}, out);
  return out;
}

// Without a table, so that blocks may be written in any order.
inline std::string block_of(const Fields& fields) {
  HpackEncoder encoder;
  encoder.set_peer_limit(0);
  return block_of(encoder, fields);
}

inline const Fields get_fields{
    {":method", "GET"}, {":scheme", "http"}, {":authority", "m"}, {":path", "/v1"}};
inline const Fields post_fields{
    {":method", "POST"}, {":scheme", "http"}, {":authority", "m"}, {":path", "/v1"}};

struct Frame {
  FrameHead head;
  std::string payload;
};

inline std::vector<Frame> frames_in(std::string_view bytes) {
  std::vector<Frame> all;
  while (bytes.size() >= frame_head_bytes) {
    const FrameHead head = read_frame_head(bytes);
    all.push_back({head, std::string(bytes.substr(frame_head_bytes, head.length))});
    bytes.remove_prefix(frame_head_bytes + head.length);
  }
  return all;
}

// An endpoint whose user gives room to every request and notes what it is told.
struct Talk : Endpoint::Handler {
  virtual ~Talk() = default;
  explicit Talk(Role r, const Limits& l = {}) : role(r), limits(l) {
    endpoint.start();
    endpoint.begin_turn(now);
    if (role == Role::server) say(std::string(client_preface));
  }

  // -- What the peer says. The answers are in `out`; before() forgets them.
  void say(std::string_view bytes) {
    pending += bytes;
    pending.erase(0, endpoint.receive(pending));
  }
  void open() {
    say(settings());
    out.clear();
    told.clear();
  }
  std::string head(std::uint32_t id, const Fields& fields, bool ends, bool is_whole = true) {
    return frame(
        FrameType::headers,
        static_cast<std::uint8_t>((ends ? flag_end_stream : 0) | (is_whole ? flag_end_headers : 0)),
        id, block_of(fields));
  }
  std::string data(std::uint32_t id, std::string_view content, bool ends = false) {
    return frame(FrameType::data, ends ? flag_end_stream : 0, id, content);
  }
  Stream& open_stream(std::uint32_t id) {  // Of a client.
    Stream& stream = *make_stream(id);
    stream.id = id;
    endpoint.open(stream);
    endpoint.begin_head(stream);
    endpoint.add({":method", "POST"});
    endpoint.end_head(stream, false);
    return stream;
  }

  // "GOAWAY PROTOCOL_ERROR bad_setting", "RST 1 CANCEL", …: what the endpoint has sent.
  std::vector<std::string> sent(bool all = false) const {
    std::vector<std::string> words;
    for (const Frame& f : frames_in(out)) {
      const std::string id = std::to_string(f.head.stream_id);
      const auto code = [&](std::size_t at) {
        return std::string(name_of(static_cast<ErrorCode>(read_uint32(f.payload.data() + at))));
      };
      if (f.head.type == FrameType::rst_stream) words.push_back("RST " + id + " " + code(0));
      if (f.head.type == FrameType::goaway)
        words.push_back("GOAWAY " + code(4) + " " + f.payload.substr(8));
      if (f.head.type == FrameType::window_update)
        words.push_back("WINDOW " + id + " " + std::to_string(read_uint32(f.payload.data())));
      if (f.head.type == FrameType::ping) words.push_back("PING " + f.payload);
      if (f.head.type == FrameType::data)
        words.push_back("DATA " + id + " " + std::to_string(f.head.length) +
                        (f.head.has(flag_end_stream) ? " end" : ""));
      if (all && f.head.type == FrameType::settings)
        words.push_back(f.head.has(flag_ack) ? "SETTINGS ack" : "SETTINGS");
      if (all && f.head.type == FrameType::headers) words.push_back("HEADERS " + id);
      if (all && f.head.type == FrameType::continuation) words.push_back("CONTINUATION " + id);
    }
    return words;
  }

  Stream* make_stream(std::uint32_t id) override {
    if (refuses) return nullptr;
    auto& stream = streams[id];
    stream = std::make_unique<Stream>();
    return stream.get();
  }
  void on_request(Stream& stream, const RequestHead& head, bool ends) override {
    note("request", stream, std::string(head.method) + " " + std::string(head.path), ends);
  }
  void on_response(Stream& stream, const ResponseHead& head, bool ends) override {
    note("response", stream, std::to_string(head.status), ends);
  }
  void on_trailers(Stream& stream) override {
    note("trailers", stream, std::string(scratch.fields.begin()->name), true);
  }
  void on_data(Stream& stream, std::string_view content, bool ends) override {
    bodies[stream.id] += content;
    note("data", stream, std::string(content), ends);
  }
  void on_reset(Stream& stream, ErrorCode code) override {
    note("reset", stream, std::string(name_of(code)), false);
  }
  void on_stream_error(Stream& stream, Violation violation) override {
    note("error", stream, std::string(to_string(violation)), false);
  }
  void on_window(Stream* stream) override {
    told.push_back(stream == nullptr ? "window" : "window " + std::to_string(stream->id));
  }
  void on_settings() override { told.emplace_back("settings"); }
  void on_goaway(std::uint32_t last, ErrorCode code) override {
    told.push_back("goaway " + std::to_string(last) + " " + std::string(name_of(code)));
  }
  void on_violation(Violation violation) override { violations.push_back(violation); }

  void note(const std::string& word, const Stream& stream, const std::string& what, bool ends) {
    told.push_back(word + " " + std::to_string(stream.id) + " " + what + (ends ? " end" : ""));
  }

  const Role role;
  const Limits limits;
  FloodGuard::Instant now = FloodGuard::Instant{} + std::chrono::hours(1);
  Scratch scratch;
  std::string out, pending;
  Endpoint endpoint{role, limits, scratch, out, *this};
  std::map<std::uint32_t, std::unique_ptr<Stream>> streams;
  std::map<std::uint32_t, std::string> bodies;
  std::vector<std::string> told;
  std::vector<Violation> violations;
  bool refuses = false;
};

using Words = std::vector<std::string>;

}  // namespace outrider::http2
