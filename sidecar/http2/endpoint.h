// SPDX-License-Identifier: Apache-2.0
#pragma once

// One end of one HTTP/2 connection (RFC 9113), of either role, without a socket: bytes in, events
// out; calls in, bytes out. It judges frames, their order, heads, lengths and windows, answers
// SETTINGS and PING, and ends a stream or the connection over what is wrong. What a stream is for,
// and where the bytes of DATA are kept, is its user's business. PURE.
//
//   Endpoint endpoint(Role::server, limits, scratch, out, handler);
//   endpoint.start();                              // SETTINGS; of a client, the preface before them
//   endpoint.begin_turn(now);
//   used = endpoint.receive(bytes);                // calls the handler; keep the others
//   endpoint.begin_head(stream); endpoint.add({":status", "200"}); endpoint.end_head(stream,
//   false); n = endpoint.send_data(stream, content, true); // as much as the windows allow
//   endpoint.grant(stream, n);                     // DATA that came has left: the peer may go on
//   write(out); endpoint.on_flushed();
//
// Streams belong to the user, which gives one for each new request (Handler::make_stream) and calls
// close() when it has no more use for it. A handler may do anything within a call but receive().
//
// Limits: FieldBlock's, 64 KiB a block in 8 CONTINUATION frames, FloodGuard's, the windows. Memory:
// a block while it is incomplete, two tables of HPACK of up to 4 KiB of entries, 8 to 16 bytes a
// stream. Complexity: linear in the bytes. Thread-safety: one thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sidecar/http2/connection_stage.h"
#include "sidecar/http2/connection_window.h"
#include "sidecar/http2/flood_guard.h"
#include "sidecar/http2/frame.h"
#include "sidecar/http2/head.h"
#include "sidecar/http2/head_reader.h"
#include "sidecar/http2/head_writer.h"
#include "sidecar/http2/stream_table.h"

namespace outrider::http2 {

struct Limits {
  std::uint32_t streams_max = 256;              // At a time; what a server announces.
  std::uint32_t stream_window = 256 << 10;      // What a peer may send of a stream before a grant,
  std::uint32_t connection_window = 512 << 10;  // and of all of them.
  std::size_t block_bytes = 64 << 10;
  std::size_t continuations = 8;
};

// Of the call at hand: one a thread.
struct Scratch {
  FieldBlock fields;
  RequestHead request;
  ResponseHead response;
};

// What the peer has announced.
struct PeerSettings {
  std::uint32_t streams_max = UINT32_MAX;
  std::uint32_t initial_window = window_usual;
  std::uint32_t frame_payload_max = http2::frame_payload_max;
};

class Endpoint {
 public:
  class Handler {
   public:
    // The fields are in Scratch. -- Of a server: room for a new stream; nullptr: it is refused.
    virtual Stream* make_stream(std::uint32_t id) = 0;
    virtual void on_request(Stream& stream, const RequestHead& head, bool ends) = 0;
    // -- Of a client; interim ones (1xx) too.
    virtual void on_response(Stream& stream, const ResponseHead& head, bool ends) = 0;
    // -- Of both.
    virtual void on_trailers(Stream& stream) = 0;
    virtual void on_data(Stream& stream, std::string_view content, bool ends) = 0;
    virtual void on_reset(Stream& stream, ErrorCode code) = 0;              // By the peer.
    virtual void on_stream_error(Stream& stream, Violation violation) = 0;  // We have reset it.
    virtual void on_window(Stream* stream) = 0;  // More may be sent; nullptr: of any stream.
    virtual void on_settings() = 0;              // The peer's have changed.
    virtual void on_goaway(std::uint32_t last_id, ErrorCode code) = 0;
    virtual void on_violation(Violation violation) = 0;  // Each, for the metric.

   protected:
    ~Handler() = default;
  };

  Endpoint(Role role, const Limits& limits, Scratch& scratch, std::string& out, Handler& handler);

  void start();
  void begin_turn(FloodGuard::Instant now) { guard_.begin_turn(now); }
  void on_flushed() { guard_.note_flushed(); }
  // How many bytes it took: whole frames, and DATA as it comes. All of them once it has failed.
  std::size_t receive(std::string_view bytes);

  // -- The whole connection.
  bool has_failed() const { return ending_.has_failed(); }
  Violation violation() const { return ending_.violation(); }
  void fail(Violation violation);  // GOAWAY, and nothing is read any more.
  bool awaits_head_end() const { return reader_.awaits_end(); }  // Within one of several frames.
  const PeerSettings& peer() const { return peer_; }
  void announce_streams_max(std::uint32_t streams);
  // GOAWAY that refuses nothing yet, then, once the peer has seen it, one with the last id. Of a
  // server, new streams are ignored from then on; the peer may send again, elsewhere, those behind
  // a last id that is given. May be called again with a lower one.
  void begin_shutdown();
  void finish_shutdown(std::uint32_t last_id = stream_id_max);
  bool is_shutting_down() const { return ending_.is_begun(); }
  bool is_shut() const { return ending_.is_told(); }
  std::uint32_t last_id() const { return streams_.last_id(); }
  const StreamTable& streams() const { return streams_; }

  // -- A stream.
  void open(Stream& stream);  // Of a client; its id is greater than last_id().
  void begin_head(const Stream& stream) { writer_.begin(stream.id); }
  void add(const Field& field) { writer_.add(field); }
  void end_head(Stream& stream, bool ends);
  // Sends as much as the windows allow, and the end with the last of it. How much went.
  std::size_t send_data(Stream& stream, std::string_view content, bool ends);
  std::int64_t sendable(const Stream& stream) const {
    const std::int64_t of_all = window_.sendable();
    return stream.send_window < of_all ? stream.send_window : of_all;
  }
  void grant(Stream& stream, std::size_t bytes);
  void grant_connection(std::size_t bytes);
  void reset(Stream& stream, ErrorCode code);  // And closes it.
  void close(Stream& stream);
  // While paused, receive() takes nothing more: whoever it is for has no room.
  void pause(bool is_paused) { is_paused_ = is_paused; }
  bool is_paused() const { return is_paused_; }

 private:
  struct DataRun {
    Stream* stream = nullptr;  // nullptr: its bytes are ignored.
    std::uint32_t left = 0, padding = 0;
    bool ends = false;
  };

  bool is_acceptable(const FrameHead& head);
  void dispatch(const FrameHead& head, std::string_view payload);
  bool begin_data(const FrameHead& head, std::string_view payload, std::size_t& used);
  Stream* data_target(const FrameHead& head);
  bool take_window(const FrameHead& head, Stream*& stream);
  std::size_t continue_data(std::string_view bytes);
  void on_headers(const FrameHead& head, std::string_view payload);
  void on_continuation(const FrameHead& head, std::string_view payload);
  void on_block(std::uint32_t id, std::string_view block, bool ends);
  void refuse_late(std::uint32_t id);
  void on_new_request(std::uint32_t id, bool ends);
  void on_head_of(Stream& stream, bool ends);
  void on_response_head(Stream& stream, bool ends);
  void on_priority(const FrameHead& head, std::string_view payload);
  void on_rst_stream(const FrameHead& head, std::string_view payload);
  void on_settings(const FrameHead& head, std::string_view payload);
  Violation apply(Setting setting, std::uint32_t value);
  void on_ping(const FrameHead& head, std::string_view payload);
  void on_goaway(const FrameHead& head, std::string_view payload);
  void on_window_update(const FrameHead& head, std::string_view payload);
  void fail_stream(Stream& stream, Violation violation);
  // Nobody pushes, so streams of even ids stay idle.
  bool is_idle(std::uint32_t id) const { return id % 2 == 0 || id > streams_.last_id(); }
  void admit(Stream& stream);
  bool flooded(bool is_too_much, Violation violation);

  const Role role_;
  const Limits& limits_;
  Scratch& scratch_;
  std::string& out_;
  Handler& handler_;
  HeadReader reader_;
  HeadWriter writer_;
  StreamTable streams_;
  FloodGuard guard_;
  PeerSettings peer_;
  ConnectionWindow window_;
  DataRun data_;
  Opening opening_;
  Ending ending_;
  bool is_paused_ = false;
};

}  // namespace outrider::http2
