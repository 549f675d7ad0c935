// SPDX-License-Identifier: Apache-2.0
// An endpoint of either role, from any bytes. The first byte chooses the role, whether the preface
// and the settings are already there, and what the user does with streams; the second where to
// split. Splits change nothing: not what is told, not what is sent. DATA is never more than was
// granted, heads are within their limits, and a failed endpoint says so in one GOAWAY and nothing
// more.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "sidecar/http2/endpoint.h"
#include "test/fuzz/require.h"

namespace {

using namespace outrider::http2;
using outrider::fuzz::require;

struct User final : Endpoint::Handler {
  User(Role role, bool answers_at_once)
      : answers(answers_at_once), endpoint(role, limits, scratch, out, *this) {}

  Stream* make_stream(std::uint32_t id) override {
    require(id % 2 == 1 && id > last_id, "ids are odd and grow");
    last_id = id;
    auto& stream = streams[id];
    stream = std::make_unique<Stream>();
    return stream.get();
  }
  void note_fields(const char* word, const Stream& stream) {
    told += word + std::to_string(stream.id) + "\n";
    require(scratch.fields.count() <= FieldBlock::fields_max, "fields are limited");
    require(scratch.fields.bytes() <= FieldBlock::bytes_max, "heads are limited");
    for (const Field& field : scratch.fields)
      told.append(field.name).append("=").append(field.value).append("\n");
  }
  void on_request(Stream& stream, const RequestHead& head, bool ends) override {
    require(!head.method.empty(), "a request has a method");
    note_fields(ends ? "request end " : "request ", stream);
    if (!answers) return;
    endpoint.begin_head(stream);
    endpoint.add({":status", "200"});
    for (const Field& field : scratch.fields)
      if (!field.name.starts_with(':')) endpoint.add(field);
    endpoint.end_head(stream, false);
    endpoint.send_data(stream, std::string(20'000, 'x'), true);
    if (stream.local_ended && stream.remote_ended) endpoint.close(stream);
  }
  void on_response(Stream& stream, const ResponseHead& head, bool) override {
    require(head.status >= 100 && head.status <= 999 && head.status != 101, "a status");
    note_fields("response ", stream);
  }
  void on_trailers(Stream& stream) override {
    require(stream.remote_ended, "trailers end");
    note_fields("trailers ", stream);
  }
  void on_data(Stream& stream, std::string_view content, bool ends) override {
    require(stream.is_open && stream.has_head, "DATA belongs to a stream with a head");
    received += content.size();
    bodies[stream.id] += content;
    if (ends) told += "end " + std::to_string(stream.id) + "\n";
    if (!answers) return;
    granted += content.size();
    endpoint.grant(stream, content.size());
  }
  void on_reset(Stream& stream, ErrorCode code) override {
    told += "reset " + std::to_string(stream.id) + " " + std::string(name_of(code)) + "\n";
  }
  void on_stream_error(Stream& stream, Violation violation) override {
    told += "error " + std::to_string(stream.id) + std::string(to_string(violation)) + "\n";
  }
  void on_window(Stream*) override {}
  void on_settings() override { told += "settings\n"; }
  void on_goaway(std::uint32_t last, ErrorCode) override {
    told += "goaway " + std::to_string(last);
  }
  void on_violation(Violation violation) override {
    told.append(to_string(violation)).append("!\n");
  }

  bool answers;
  Limits limits{.streams_max = 8};
  Scratch scratch;
  std::string out, told;
  std::map<std::uint32_t, std::unique_ptr<Stream>> streams;
  std::map<std::uint32_t, std::string> bodies;
  std::uint32_t last_id = 0;
  std::uint64_t received = 0, granted = 0;
  Endpoint endpoint;
};

void feed(User& user, std::string_view bytes, std::size_t step) {
  std::string pending;
  while (!bytes.empty()) {
    pending += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    const std::size_t used = user.endpoint.receive(pending);
    require(used <= pending.size(), "no more is used than there is");
    pending.erase(0, used);
    require(pending.size() < frame_head_bytes + frame_payload_max, "no more than a frame is left");
    require(user.received - user.granted <= user.limits.connection_window, "windows are kept");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Role role = (data[0] & 1) != 0 ? Role::client : Role::server;
  const bool answers = (data[0] & 2) != 0;
  std::string bytes;
  if ((data[0] & 4) != 0) {
    if (role == Role::server) bytes = client_preface;
    put_frame_head({0, FrameType::settings, 0, 0}, bytes);
  }
  bytes.append(reinterpret_cast<const char*>(data) + 2, size - 2);
  User whole(role, answers), split(role, answers);
  for (User* user : {&whole, &split}) {
    user->endpoint.start();
    if (role == Role::server) continue;
    for (std::uint32_t id = 1; id <= 5; id += 2) {
      Stream& stream = *user->make_stream(id);
      stream.id = id;
      user->endpoint.open(stream);
    }
  }
  feed(whole, bytes, bytes.size());
  feed(split, bytes, data[1] % 32 + 1u);
  require(whole.told == split.told, "splits change nothing that is told");
  require(whole.bodies == split.bodies, "splits change no body");
  require(whole.out == split.out, "splits change nothing that is sent");
  if (whole.endpoint.has_failed()) {
    const std::size_t sent = whole.out.size();
    whole.endpoint.receive("anything");
    require(whole.out.size() == sent, "after its end it says nothing");
  }
  return 0;
}
