// SPDX-License-Identifier: Apache-2.0
#pragma once

// Our endpoint and nghttp2's session, given the same frames one after the other. After each frame
// both must have taken it, ended its stream, or ended the connection; and must have told the same
// heads, DATA, ends, resets and settings. Where they may differ is listed in `permitted`, each with
// the sentence of RFC 9113 (or 7541) that leaves the choice, and the comparison ends there.
//
//   Script script(bytes);                        // any bytes make frames, most of them sensible
//   const std::string difference = compare(Role::server, script);     // "": none
//
// One thread.

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "test/sidecar/http2/talk.h"

namespace outrider::http2::peers {

// ---- Frames out of any bytes ----

class Script {
 public:
  explicit Script(std::string_view bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  unsigned next(unsigned choices) {  // 0 behind the end.
    if (left_.empty()) return 0;
    const unsigned byte = static_cast<unsigned char>(left_[0]);
    left_.remove_prefix(1);
    return byte % choices;
  }
  std::string take(std::size_t n) {
    const std::string bytes(left_.substr(0, n));
    left_.remove_prefix(bytes.size());
    return bytes;
  }

 private:
  std::string_view left_;
};

class Writer {  // What the peer of the two sends.
 public:
  Writer(Role role, Script& script) : role_(role), script_(script) {}

  std::string frame() {
    switch (script_.next(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return headers(block_of_fields());
      case 4:
        if (script_.next(4) != 3) return headers(block_of_fields());
        return headers(script_.take(script_.next(24)));
      case 5:
      case 6:
      case 7:
        return data();
      case 8:
        return http2::frame(FrameType::rst_stream, 0, id(), uint32(script_.next(16)));
      case 9:
        return http2::frame(FrameType::window_update, 0, id(), uint32(increment()));
      case 10:
        return settings_frame();
      case 11:
        return http2::frame(FrameType::ping, flag(flag_ack), zero_id(), script_.take(8));
      case 12:
        return http2::frame(FrameType::priority, 0, id(), uint32(id()) + "\x10");
      case 13:
        if (script_.next(8) != 7) return data();
        return http2::frame(FrameType::goaway, 0, zero_id(),
                            uint32(script_.next(8)) + uint32(script_.next(16)) + script_.take(1));
      case 14:
        if (script_.next(8) != 7) return headers(block_of_fields());
        return http2::frame(FrameType::continuation, flag(flag_end_headers), id(),
                            script_.take(script_.next(16)));
      default:
        if (script_.next(4) != 3) return data();
        return http2::frame(static_cast<FrameType>(script_.next(12)),
                            static_cast<std::uint8_t>(script_.next(256)), id(),
                            script_.take(script_.next(12)));
    }
  }

 private:
  std::uint8_t flag(std::uint8_t value) { return script_.next(2) == 0 ? value : std::uint8_t{0}; }
  std::uint32_t zero_id() { return script_.next(16) == 15 ? 1 : 0; }
  // Mostly one that was used before.
  std::uint32_t id() {
    const unsigned choice = script_.next(64);
    return choice < 60 ? 1 + 2 * (choice % (last_ / 2 + 1)) : choice - 60;
  }
  // Of a client mostly a new one.
  std::uint32_t head_id() {
    if (role_ == Role::client || script_.next(4) == 3) return id();
    return is_first_ ? (is_first_ = false, last_) : last_ += 2;
  }
  std::uint32_t increment() {
    static constexpr std::uint32_t some[] = {1, 100, 0, 65'535, 0x7fffffff, 0x80000001};
    return some[script_.next(6)];
  }

  std::string settings_frame() {
    static constexpr std::uint32_t values[] = {0,      1,      2,          4096,
                                               16'384, 65'535, 0x7fffffff, 0x80000000};
    if (script_.next(32) == 31) return http2::frame(FrameType::settings, flag_ack, 0, "");
    std::string payload;
    for (unsigned n = script_.next(3); n > 0; --n)
      payload += setting(static_cast<Setting>(script_.next(8)), values[script_.next(8)]);
    return http2::frame(FrameType::settings, 0, zero_id(), payload);
  }

  std::string data() {
    static constexpr std::size_t sizes[] = {0, 1, 5, 100, 5, 16'384, 5, 16'385};
    std::string payload(sizes[script_.next(script_.next(16) == 15 ? 8 : 5)], 'd');
    std::uint8_t flags = script_.next(4) == 3 ? flag_end_stream : std::uint8_t{0};
    if (script_.next(4) == 3) {
      flags |= flag_padded;
      payload = static_cast<char>(script_.next(8)) + payload;
    }
    return http2::frame(FrameType::data, flags, id(), payload);
  }

  std::string headers(std::string block) {
    std::uint8_t flags = flag(flag_end_stream);
    const std::uint32_t stream = head_id();
    std::string payload = block;
    if (script_.next(8) == 7) {
      flags |= flag_priority;
      payload = uint32(id()) + "\x07" + payload;
    }
    if (script_.next(8) == 7) {
      flags |= flag_padded;
      const unsigned padding = script_.next(8);
      payload = static_cast<char>(padding) + payload + std::string(script_.next(2) * padding, '\0');
    }
    if (script_.next(8) != 7)
      return http2::frame(FrameType::headers, flags | flag_end_headers, stream, payload);
    const std::size_t cut = std::min<std::size_t>(script_.next(32), payload.size());
    return http2::frame(FrameType::headers, flags, stream, payload.substr(0, cut)) +
           http2::frame(FrameType::continuation, flag_end_headers, stream, payload.substr(cut));
  }

  // A good head with up to three changes.
  std::string block_of_fields() {
    Fields fields = role_ == Role::server
                        ? Fields{{":method", "POST"},
                                 {":scheme", "http"},
                                 {":authority", "m"},
                                 {":path", "/v1"},
                                 {"content-type", "application/grpc"}}
                        : Fields{{":status", "200"}, {"content-type", "application/grpc"}};
    if (script_.next(8) == 7) fields = {{"grpc-status", "0"}};
    static const std::pair<const char*, const char*> more[] = {{"content-length", "5"},
                                                               {"content-length", "x"},
                                                               {"content-length", "0"},
                                                               {"te", "trailers"},
                                                               {"te", "gzip"},
                                                               {"connection", "close"},
                                                               {"host", "m"},
                                                               {"X-Up", "1"},
                                                               {"a", " b"},
                                                               {"a", "b\x01"},
                                                               {":status", "100"},
                                                               {":status", "204"},
                                                               {"", "v"},
                                                               {"transfer-encoding", "x"},
                                                               {"cookie", "a=b"},
                                                               {"upgrade", "h2c"},
                                                               {"keep-alive", "1"},
                                                               {"proxy-connection", "x"},
                                                               {"a", "\xc3\xbc"},
                                                               {":path", "*"},
                                                               {":method", "CONNECT"},
                                                               {":method", "HEAD"},
                                                               {":scheme", "https"},
                                                               {"x y", "1"},
                                                               {"a", ""},
                                                               {"x-request-id", "0123456789"},
                                                               {":status", "20"},
                                                               {":path", ""},
                                                               {":authority", "a b"},
                                                               {":other", "1"}};
    for (unsigned n = script_.next(4) * script_.next(2); n > 0; --n) {
      const auto& [name, value] = more[script_.next(std::size(more))];
      const std::size_t at = script_.next(static_cast<unsigned>(fields.size() + 1));
      switch (script_.next(3)) {
        case 0:
          fields.emplace(fields.begin() + static_cast<std::ptrdiff_t>(at), name, value);
          break;
        case 1:
          fields.emplace_back(name, value);
          break;
        default:
          if (at < fields.size()) fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
    return block_of(encoder_, fields);
  }

  const Role role_;
  Script& script_;
  HpackEncoder encoder_;
  std::uint32_t last_ = role_ == Role::client ? 5 : 1;
  bool is_first_ = true;
};

// ---- The two ----

// What one of them made of a frame.
struct Said {
  std::vector<std::string> told;
  std::map<std::uint32_t, ErrorCode> reset;  // Streams that it has ended by RST_STREAM.
  bool has_failed = false;                   // It has ended the connection.
  ErrorCode code = ErrorCode::no_error;

  std::set<std::uint32_t> ids() const {
    std::set<std::uint32_t> found;
    for (const auto& one : reset) found.insert(one.first);
    return found;
  }
  void note_sent(std::string_view out) {
    if (out.starts_with(client_preface)) out.remove_prefix(client_preface.size());
    for (const Frame& f : frames_in(out)) {
      const auto code_at = [&](std::size_t at) {
        return static_cast<ErrorCode>(read_uint32(f.payload.data() + at));
      };
      if (f.head.type == FrameType::rst_stream) reset[f.head.stream_id] = code_at(0);
      if (f.head.type != FrameType::goaway || code_at(4) == ErrorCode::no_error) continue;
      has_failed = true;
      code = code_at(4);
    }
  }
};

inline const Limits peer_limits{
    .streams_max = 1000, .stream_window = window_usual, .connection_window = window_usual};
inline const std::uint32_t client_streams[] = {1, 3, 5};

class Ours final : Endpoint::Handler {
 public:
  explicit Ours(Role role) : endpoint_(role, peer_limits, scratch_, out_, *this) {
    endpoint_.start();
    endpoint_.begin_turn(FloodGuard::Instant{} + std::chrono::hours(1));
    if (role == Role::server) {
      endpoint_.receive(client_preface);
      return;
    }
    for (const std::uint32_t id : client_streams) {
      Stream& stream = *make_stream(id);
      stream.id = id;
      endpoint_.open(stream);
      endpoint_.begin_head(stream);
      endpoint_.add({":method", "POST"});
      endpoint_.end_head(stream, false);
    }
  }
  Said take(std::string_view bytes) {
    said_ = {};
    out_.clear();
    violation_ = Violation::none;
    pending_ += bytes;
    pending_.erase(0, endpoint_.receive(pending_));
    endpoint_.on_flushed();
    said_.note_sent(out_);
    return said_;
  }
  Violation violation() const { return violation_; }  // Of the last frame.
  std::map<std::uint32_t, std::string> bodies;

 private:
  Stream* make_stream(std::uint32_t id) override {
    return (streams_[id] = std::make_unique<Stream>()).get();
  }
  void head(const Stream& stream, bool ends) {
    std::string text = "head " + std::to_string(stream.id) + (ends ? " end" : "");
    for (const Field& field : scratch_.fields)
      text.append("\n").append(field.name).append("=").append(field.value);
    said_.told.push_back(text);
  }
  void on_request(Stream& stream, const RequestHead&, bool ends) override { head(stream, ends); }
  void on_response(Stream& stream, const ResponseHead&, bool ends) override { head(stream, ends); }
  void on_trailers(Stream& stream) override { head(stream, true); }
  void on_data(Stream& stream, std::string_view content, bool ends) override {
    bodies[stream.id] += content;
    if (ends) said_.told.push_back("end " + std::to_string(stream.id));
  }
  void on_reset(Stream& stream, ErrorCode code) override {
    said_.told.push_back("reset " + std::to_string(stream.id) + " " +
                         std::to_string(static_cast<std::uint32_t>(code)));
  }
  void on_stream_error(Stream&, Violation) override {}
  void on_window(Stream*) override {}
  void on_settings() override { said_.told.emplace_back("settings"); }
  void on_goaway(std::uint32_t last, ErrorCode) override {
    said_.told.push_back("goaway " + std::to_string(last));
  }
  void on_violation(Violation violation) override { violation_ = violation; }

  Said said_;
  Scratch scratch_;
  std::string out_, pending_;
  std::map<std::uint32_t, std::unique_ptr<Stream>> streams_;
  Endpoint endpoint_;
  Violation violation_ = Violation::none;
};

class Theirs {
 public:
  explicit Theirs(Role role) {
    nghttp2_session_callbacks_new(&callbacks_);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks_, begin_head);
    nghttp2_session_callbacks_set_on_header_callback(callbacks_, add_field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks_, refuse_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks_, note_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks_, note_data);
    nghttp2_option_new(&option_);
    nghttp2_option_set_no_auto_window_update(option_, 1);
    nghttp2_option_set_stream_reset_rate_limit(option_, 1u << 30, 1u << 30);
    if (role == Role::server) {
      nghttp2_session_server_new2(&session_, callbacks_, this, option_);
      nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
      take(client_preface);
      return;
    }
    nghttp2_session_client_new2(&session_, callbacks_, this, option_);
    const nghttp2_settings_entry no_push{NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &no_push, 1);
    std::string names[] = {":method", ":scheme", ":authority", ":path"},
                values[] = {"POST", "http", "m", "/"};
    nghttp2_nv fields[4];
    for (std::size_t i = 0; i < 4; ++i)
      fields[i] = {reinterpret_cast<std::uint8_t*>(names[i].data()),
                   reinterpret_cast<std::uint8_t*>(values[i].data()), names[i].size(),
                   values[i].size(), NGHTTP2_NV_FLAG_NONE};
    for (std::size_t i = 0; i < std::size(client_streams); ++i)
      nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, -1, nullptr, fields, 4, nullptr);
    take("");
  }
  ~Theirs() {
    nghttp2_session_del(session_);
    nghttp2_option_del(option_);
    nghttp2_session_callbacks_del(callbacks_);
  }
  Theirs(const Theirs&) = delete;
  Theirs& operator=(const Theirs&) = delete;

  Said take(std::string_view bytes) {
    said_ = {};
    const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (nghttp2_session_mem_recv(session_, in, bytes.size()) < 0) said_.has_failed = true;
    std::string out;
    const std::uint8_t* piece = nullptr;
    for (ssize_t n = 0; (n = nghttp2_session_mem_send(session_, &piece)) > 0;)
      out.append(reinterpret_cast<const char*>(piece), static_cast<std::size_t>(n));
    said_.note_sent(out);
    return said_;
  }
  std::map<std::uint32_t, std::string> bodies;

 private:
  static Theirs& of(void* user) { return *static_cast<Theirs*>(user); }
  static std::string text(const std::uint8_t* at, std::size_t size) {
    return {reinterpret_cast<const char*>(at), size};
  }
  static int begin_head(nghttp2_session*, const nghttp2_frame*, void* user) {
    of(user).fields_.clear();
    return 0;
  }
  static int add_field(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user) {
    of(user).fields_ += "\n" + text(name, name_size) + "=" + text(value, value_size);
    return 0;
  }
  // It would leave such a field out; this makes it end the stream.
  static int refuse_field(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                          const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  static int note_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* at,
                       std::size_t size, void* user) {
    of(user).bodies[static_cast<std::uint32_t>(id)] += text(at, size);
    return 0;
  }
  static int note_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Theirs& self = of(user);
    const std::string id = std::to_string(frame->hd.stream_id);
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
      self.said_.told.push_back("head " + id + (ends ? " end" : "") + self.fields_);
    if (frame->hd.type == NGHTTP2_DATA && ends) self.said_.told.push_back("end " + id);
    // Of a stream that is closed it tells nobody anything.
    nghttp2_stream* stream = nghttp2_session_find_stream(session, frame->hd.stream_id);
    const bool is_open = stream != nullptr &&
                         nghttp2_stream_get_state(stream) != NGHTTP2_STREAM_STATE_CLOSED &&
                         nghttp2_stream_get_state(stream) != NGHTTP2_STREAM_STATE_IDLE;
    if (frame->hd.type == NGHTTP2_RST_STREAM && is_open)
      self.said_.told.push_back("reset " + id + " " + std::to_string(frame->rst_stream.error_code));
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
      self.said_.told.emplace_back("settings");
    if (frame->hd.type == NGHTTP2_GOAWAY)
      self.said_.told.push_back("goaway " + std::to_string(frame->goaway.last_stream_id));
    return 0;
  }

  nghttp2_session_callbacks* callbacks_ = nullptr;
  nghttp2_option* option_ = nullptr;
  nghttp2_session* session_ = nullptr;
  Said said_;
  std::string fields_;
};

// ---- The comparison ----

inline std::string describe(const Said& said) {
  std::string text;
  for (const std::string& word : said.told) text += word + "; ";
  for (const auto& [id, code] : said.reset)
    text += "ends " + std::to_string(id) + " by " + std::string(name_of(code)) + "; ";
  if (said.has_failed) text += "ends the connection by " + std::string(name_of(said.code));
  return text.empty() ? "nothing" : text;
}

struct Case {
  Role role;
  FrameHead head;  // Of the frame at hand.
  std::string_view payload;
  Violation violation;    // Ours.
  bool is_closed;         // Its stream was, before the frame.
  bool is_behind_goaway;  // Of the peer.
  const Said &ours, &theirs;

  bool is(FrameType type) const { return head.type == type; }
  bool ours_takes() const { return !ours.has_failed && ours.reset.empty(); }
  bool theirs_takes() const { return !theirs.has_failed && theirs.reset.empty(); }
};

// Why the two may differ here; "": they may not. Each is a sentence of RFC 9113, or says where it
// has none.
inline std::string_view permitted(const Case& at) {
  const bool is_block = at.is(FrameType::headers) || at.is(FrameType::continuation);
  if (at.is_closed)
    return "5.1, closed: an endpoint may ignore what comes, or treat it as an error of the stream "
           "or of the connection";
  if (at.is_behind_goaway)
    return "6.8: without streams left, the connection may be closed; nghttp2 reads no more";
  if (is_block && !at.head.has(flag_end_headers) && at.ours.told.empty() && at.ours_takes())
    return "4.3: a field block is decoded when it is whole; nghttp2 refuses its first fields";
  if (at.is(FrameType::goaway) && !at.ours.has_failed)
    return "6.8 makes no last id an error; nghttp2 wants one of its own";
  if (at.is(FrameType::settings) && at.head.has(flag_ack) && at.ours_takes())
    return "6.5.3 has no error for an ACK that answers nothing";
  if (at.is(FrameType::settings) && at.violation == Violation::bad_setting && at.theirs_takes())
    return "6.5.3: values are processed in their order; nghttp2 looks at the last of a name";
  if (at.is(FrameType::settings) && at.violation == Violation::window_overflow)
    return "6.9.2: a window that a change makes too large is an error of the connection";
  const auto head_has = [&at](std::string_view text) {
    return !at.ours.told.empty() && at.ours.told[0].find(text) != std::string::npos;
  };
  if (at.role == Role::client && at.ours_takes() && !at.theirs.has_failed &&
      (head_has("\n:status=1") || head_has("\n:status=204")) && head_has("\ncontent-length="))
    return "RFC 9110, 8.6 forbids the length of what has no content; 8.1.1 does not refuse it";
  if (head_has(" end\n") && head_has("\ncontent-length=") && !head_has("\n:") &&
      !at.theirs.has_failed)
    return "8.1.1 is about the length in a head; in trailers nobody asks for it";
  if (at.is(FrameType::headers) && at.role == Role::server && at.ours_takes() &&
      !at.ours.told.empty() && !head_has("\n:authority=") && !head_has("\nhost=") &&
      !at.theirs.has_failed)
    return "8.3.1: a request without authority information has no :authority";
  if (code_of(at.violation) == ErrorCode::enhance_your_calm)
    return "10.5: an endpoint may end a connection that makes it work for nothing";
  if (at.violation == Violation::bad_compression && at.theirs.reset.count(at.head.stream_id) != 0)
    return "4.3: what cannot be decoded ends the connection; nghttp2 ended the stream over a field "
           "before it";
  if (at.is(FrameType::headers) && at.violation == Violation::self_dependency)
    return "5.4.1: an endpoint may end the connection at any time; RFC 9113 has no dependencies";
  if (!at.ours.has_failed && at.ours.reset.count(at.head.stream_id) != 0 && at.theirs.has_failed) {
    switch (at.violation) {
      case Violation::stream_is_closed:
        return "5.1, half-closed (remote): a stream error of type STREAM_CLOSED";
      case Violation::self_dependency:
        return "RFC 7540, 5.3.1: a stream error of type PROTOCOL_ERROR";
      case Violation::bad_frame_size:
        if (!at.is(FrameType::priority)) break;
        return "6.3: a PRIORITY of another length is a stream error of type FRAME_SIZE_ERROR";
      case Violation::bad_window_update:
        return "6.9: an increment of 0 is a stream error of type PROTOCOL_ERROR";
      case Violation::unexpected_frame:
        return "8.1.1: DATA before a head is a malformed message, so a stream error";
      default:
        break;
    }
  }
  return "";
}

// The frames up to the one at hand, and what was made of it.
inline std::string difference(const std::vector<std::string>& sent, const Case& at) {
  std::string text;
  for (const std::string& bytes : sent) {
    const FrameHead head = read_frame_head(bytes);
    text += "type " + std::to_string(static_cast<int>(head.type)) + ", flags " +
            std::to_string(head.flags) + ", stream " + std::to_string(head.stream_id) + ", " +
            std::to_string(head.length) + " bytes\n";
  }
  return text + (at.is_closed ? "(of a closed stream)\n" : "") + "ours (" +
         std::string(to_string(at.violation)) + "): " + describe(at.ours) +
         "\ntheirs: " + describe(at.theirs);
}

inline std::string compare(Role role, Script script, std::size_t* frames = nullptr) {
  Ours ours(role);
  Theirs theirs(role);
  Writer writer(role, script);
  std::set<std::uint32_t> open;
  if (role == Role::client) open.insert(std::begin(client_streams), std::end(client_streams));
  std::uint32_t last_id = open.empty() ? 0 : *open.rbegin();
  bool is_behind_goaway = false;
  std::vector<std::string> sent{settings() + frame(FrameType::settings, flag_ack, 0, "")};
  for (bool is_first = true; is_first || !script.empty(); is_first = false) {
    if (!is_first) sent.push_back(writer.frame());
    const Said mine = ours.take(sent.back()), other = theirs.take(sent.back());
    if (frames != nullptr) ++*frames;
    const FrameHead head = read_frame_head(sent.back());
    const bool is_closed =
        head.stream_id % 2 == 1 && head.stream_id <= last_id && open.count(head.stream_id) == 0;
    const auto resets = [&](const Said& said) {  // Of a stream that is closed one means nothing.
      std::set<std::uint32_t> ids = said.ids();
      std::erase_if(ids, [&](std::uint32_t id) {
        return id != head.stream_id && id <= last_id && open.count(id) == 0;
      });
      return ids;
    };
    const bool is_same = mine.told == other.told && mine.has_failed == other.has_failed &&
                         (mine.has_failed || resets(mine) == resets(other));
    const Case at{role,
                  head,
                  std::string_view(sent.back()).substr(frame_head_bytes),
                  ours.violation(),
                  is_closed,
                  is_behind_goaway,
                  mine,
                  other};
    if (!is_same && permitted(at).empty()) return difference(sent, at);
    if (mine.has_failed || other.has_failed || (!is_same && !is_closed)) return "";
    if (head.type == FrameType::headers && role == Role::server && head.stream_id > last_id) {
      last_id = head.stream_id;
      open.insert(head.stream_id);
    }
    if (head.type == FrameType::rst_stream) open.erase(head.stream_id);
    for (const std::uint32_t id : mine.ids()) open.erase(id);
    is_behind_goaway = is_behind_goaway || head.type == FrameType::goaway;
    if (is_behind_goaway) continue;
    for (const std::uint32_t id : open)
      if (ours.bodies[id] != theirs.bodies[id])
        return difference(sent, at) + "\nof the body of stream " + std::to_string(id) + ": ours " +
               std::to_string(ours.bodies[id].size()) + " bytes, theirs " +
               std::to_string(theirs.bodies[id].size());
  }
  return "";
}

}  // namespace outrider::http2::peers
