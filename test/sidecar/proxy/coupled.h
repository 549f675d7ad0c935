// SPDX-License-Identifier: Apache-2.0
#pragma once

// An Http2Relay between a client and an upstream that speak frames, without a socket: each of them
// is a Talk of the other role, and what the relay puts out is handed over when the test says so.

#include <string>
#include <vector>

#include "sidecar/proxy/http2_relay.h"
#include "test/sidecar/http2/talk.h"
#include "test/sidecar/proxy/scripted_codec.h"

namespace outrider::proxy {

inline Settings h2c_settings() {
  Settings settings;
  settings.upstream = "h2c://model:8001";
  return settings;
}

struct ScriptedLink final : Http2Relay::Link {
  Attempt connect_upstream() override {
    told.emplace_back("connect");
    return next;
  }
  void give_up_connecting() override { told.emplace_back("give up"); }
  void close_upstream() override { told.emplace_back("close"); }
  std::size_t address_count() const override { return addresses; }
  std::size_t unsent(Http2Relay::To to) const override {
    return to == Http2Relay::To::client ? client_unsent : upstream_unsent;
  }
  bool is_leaving() const override { return false; }
  void advance_soon() override { ++turns; }
  std::string_view forwarded() override { return {}; }

  std::vector<std::string> told;
  Attempt next{.state = Attempt::State::sent};
  std::size_t addresses = 1, client_unsent = 0, upstream_unsent = 0;
  int turns = 0;
};

using http2::Fields;
using http2::Words;

struct Coupled {
  explicit Coupled(const Settings& settings = h2c_settings()) : thread(settings) {
    relay.start();
    relay.begin_turn();
    relay.receive_client(http2::client_preface);
    client_says(http2::settings());
    scratch.client_out.clear();
  }

  void client_says(const std::string& bytes) {
    relay.begin_turn();
    relay.receive_client(bytes);
  }
  void upstream_says(const std::string& bytes) {
    relay.begin_turn();
    relay.receive_upstream(bytes);
  }
  static std::string head(std::uint32_t id, const Fields& fields, bool ends) {
    return frame(http2::FrameType::headers,
                 static_cast<std::uint8_t>((ends ? 1 : 0) | http2::flag_end_headers), id,
                 http2::block_of(fields));
  }
  static std::string answer(std::uint32_t id, const Fields& fields, bool ends) {
    return frame(http2::FrameType::headers,
                 static_cast<std::uint8_t>((ends ? 1 : 0) | http2::flag_end_headers), id,
                 http2::block_of(fields));
  }
  static std::string data(std::uint32_t id, std::string_view content, bool ends = false) {
    return frame(http2::FrameType::data, ends ? 1 : 0, id, content);
  }
  static std::string reset(std::uint32_t id, http2::ErrorCode code) {
    return frame(http2::FrameType::rst_stream, 0, id,
                 http2::uint32(static_cast<std::uint32_t>(code)));
  }

  // What either side was sent since the last call: "HEADERS 1 :status=200 x=y end", "DATA 1 half",
  // "RST 1 CANCEL", "GOAWAY 1 NO_ERROR", "WINDOW 1 5".
  Words client_got() { return words(scratch.client_out, client_decoder); }
  Words upstream_got() {
    std::string bytes = scratch.upstream_out;
    if (bytes.starts_with(http2::client_preface)) bytes.erase(0, http2::client_preface.size());
    scratch.upstream_out.clear();
    return words(bytes, upstream_decoder);
  }
  static Words words(std::string& bytes, http2::HpackDecoder& decoder) {
    Words all;
    for (const http2::Frame& f : http2::frames_in(bytes)) {
      const std::string id = std::to_string(f.head.stream_id);
      const std::string end = f.head.has(1) ? " end" : "";
      const auto number = [&](std::size_t at) { return http2::read_uint32(f.payload.data() + at); };
      const auto code = [&](std::size_t at) {
        return std::string(name_of(static_cast<http2::ErrorCode>(number(at))));
      };
      if (f.head.type == http2::FrameType::headers) {
        http2::FieldBlock block;
        decoder.decode(f.payload, block);
        std::string text = "HEADERS " + id;
        for (const http2::Field& field : block)
          if (field.name != "x-prediction-id" && field.name != "date")
            text += " " + std::string(field.name) + "=" + std::string(field.value);
        all.push_back(text + end);
      }
      if (f.head.type == http2::FrameType::data)
        all.push_back("DATA " + id + " " + f.payload + end);
      if (f.head.type == http2::FrameType::rst_stream) all.push_back("RST " + id + " " + code(0));
      if (f.head.type == http2::FrameType::goaway)
        all.push_back("GOAWAY " + std::to_string(number(0)) + " " + code(4));
      if (f.head.type == http2::FrameType::window_update && f.head.stream_id != 0)
        all.push_back("WINDOW " + id + " " + std::to_string(number(0)));
      if (f.head.type == http2::FrameType::settings && !f.head.has(1) && f.payload.size() == 6)
        all.push_back("STREAMS " + std::to_string(number(2)));
    }
    bytes.clear();
    return all;
  }
  // A request that the upstream has, and that has neither ended.
  void begin_call(std::uint32_t id = 1) {
    client_says(head(id, grpc_fields(), false));
    upstream_says(http2::settings());
    upstream_got();
    client_got();
  }
  static Fields grpc_fields() {
    return {{":method", "POST"},
            {":scheme", "http"},
            {":authority", "m"},
            {":path", "/inference.GRPCInferenceService/ModelInfer"},
            {"content-type", "application/grpc"},
            {"te", "trailers"}};
  }

  ScriptedThread thread;
  Http2Scratch scratch;
  std::size_t bytes_held = 0;
  ScriptedLink link;
  Http2Relay relay{thread.context, scratch, bytes_held, link};
  http2::HpackDecoder client_decoder, upstream_decoder;
};

}  // namespace outrider::proxy
