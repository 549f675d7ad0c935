// SPDX-License-Identifier: Apache-2.0
#include "test/sidecar/proxy/coupled.h"
#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

using http2::ErrorCode;
using To = Http2Relay::To;

const Fields get{{":method", "GET"}, {":scheme", "http"}, {":authority", "m"}, {":path", "/v1"}};
const Fields post{{":method", "POST"}, {":scheme", "http"}, {":authority", "m"}, {":path", "/v1"}};
const Fields ok{{":status", "200"}};
const std::size_t model_infer =
    tap::grpc_method_place("/inference.GRPCInferenceService/ModelInfer");
const Fields grpc_ok{{":status", "200"}, {"content-type", "application/grpc"}};

TEST_CASE("Coupled: a call passes in both directions, trailers last, and is counted and captured") {
  Coupled pair;
  pair.client_says(pair.head(1, Coupled::grpc_fields(), false));
  CHECK(pair.link.told == Words{"connect"});
  CHECK(pair.upstream_got() ==
        Words{"HEADERS 1 :method=POST :scheme=http :authority=m "
              ":path=/inference.GRPCInferenceService/ModelInfer content-type=application/grpc "
              "te=trailers"});
  pair.client_says(Coupled::data(1, std::string("\0\0\0\0\7\n\5house", 12), true));
  CHECK(pair.upstream_got() == Words{"DATA 1 " + std::string("\0\0\0\0\7\n\5house", 12) + " end"});
  pair.upstream_says(http2::settings() + pair.answer(1, grpc_ok, false) +
                     Coupled::data(1, "reply") + pair.answer(1, {{"grpc-status", "0"}}, true));
  CHECK(pair.client_got() == Words{"HEADERS 1 :status=200 content-type=application/grpc",
                                   "DATA 1 reply", "HEADERS 1 grpc-status=0 end"});
  CHECK(pair.thread.requests("house") == std::map<std::string, std::uint64_t>{{"success 200", 1}});
  CHECK(pair.thread.context.counters.grpc_calls[model_infer][0].get() == 1);
  CHECK(pair.thread.in_flight() == 0);
  const auto captured = pair.thread.captured();
  REQUIRE(captured.size() == 1);
  CHECK(captured[0].request_body == std::string("\0\0\0\0\7\n\5house", 12));
  CHECK(captured[0].response_body == "reply");
  CHECK(captured[0].request_head.find("content-type: application/grpc\r\n") != std::string::npos);
  CHECK(pair.relay.is_idle());
}

TEST_CASE("Coupled: the prediction id goes up and is echoed, and the client's own is left out") {
  Coupled pair;
  Fields own = get;
  own.emplace_back("x-prediction-id", "mine");
  pair.client_says(pair.head(1, own, true));
  http2::FieldBlock block;
  const auto id_in = [&block](std::string bytes, http2::HpackDecoder& decoder) {
    if (bytes.starts_with(http2::client_preface)) bytes.erase(0, http2::client_preface.size());
    for (const http2::Frame& f : http2::frames_in(bytes))
      if (f.head.type == http2::FrameType::headers) decoder.decode(f.payload, block);
    return std::string(block.find("x-prediction-id"));
  };
  const std::string id = id_in(pair.scratch.upstream_out, pair.upstream_decoder);
  CHECK(id.size() == 36);
  pair.upstream_says(http2::settings() + pair.answer(1, ok, true));
  CHECK(id_in(pair.scratch.client_out, pair.client_decoder) == id);
}

TEST_CASE(
    "Coupled: DATA waits for the other side's window, and trailers for all DATA before them") {
  Coupled pair;
  pair.client_says(http2::settings(http2::setting(http2::Setting::initial_window_size, 3)));
  pair.begin_call();
  pair.upstream_says(pair.answer(1, grpc_ok, false) + Coupled::data(1, "message") +
                     pair.answer(1, {{"grpc-status", "0"}}, true));
  CHECK(pair.client_got() ==
        Words{"HEADERS 1 :status=200 content-type=application/grpc", "DATA 1 mes"});
  CHECK(pair.bytes_held > 0);
  pair.client_says(frame(http2::FrameType::window_update, 0, 1, http2::uint32(3)));
  CHECK(pair.client_got() == Words{"DATA 1 sag"});
  pair.client_says(frame(http2::FrameType::window_update, 0, 1, http2::uint32(3)));
  CHECK(pair.client_got() == Words{"DATA 1 e", "HEADERS 1 grpc-status=0 end", "RST 1 NO_ERROR"});
  CHECK(pair.bytes_held == 0);
}

TEST_CASE("Coupled: a sender is granted more only when its bytes have left") {
  Coupled pair;
  pair.begin_call();
  pair.link.upstream_unsent =
      100 << 10;  // The upstream's socket does not take what it was written.
  const std::string piece(16000, 'x');
  std::string sent;
  for (int i = 0; i < 4; ++i) sent += Coupled::data(1, piece);
  for (int i = 0; i < 3; ++i) pair.client_says(sent);
  CHECK(pair.upstream_got().empty());
  pair.relay.on_written(To::upstream);
  CHECK(pair.client_got().empty());
  pair.link.upstream_unsent = 0;
  pair.relay.on_written(To::upstream);  // Now they are written,
  CHECK(pair.client_got().empty());
  const Words passed = pair.upstream_got();
  CHECK(passed.size() == 4);  // as far as its window of 64 KiB allows;
  pair.upstream_says(frame(http2::FrameType::window_update, 0, 0, http2::uint32(1 << 20)) +
                     frame(http2::FrameType::window_update, 0, 1, http2::uint32(1 << 20)));
  pair.relay.on_written(To::upstream);  // and here they have left.
  CHECK(pair.client_got() == Words{"WINDOW 1 192000"});
}

TEST_CASE("Coupled: a reset passes with its code, whoever sends it") {
  Coupled pair;
  pair.begin_call(1);
  pair.client_says(Coupled::reset(1, ErrorCode::cancel));
  CHECK(pair.upstream_got() == Words{"RST 1 CANCEL"});
  CHECK(pair.thread.requests() == std::map<std::string, std::uint64_t>{{"cancelled 0", 1}});
  CHECK(pair.thread.context.counters.grpc_calls[model_infer][1].get() == 1);
  pair.begin_call(3);
  pair.upstream_says(Coupled::reset(3, ErrorCode::refused_stream));
  CHECK(pair.client_got() == Words{"RST 3 REFUSED_STREAM"});
  pair.begin_call(5);
  pair.upstream_says(pair.answer(5, grpc_ok, false) + Coupled::reset(5, ErrorCode::internal_error));
  CHECK(pair.client_got() ==
        Words{"HEADERS 5 :status=200 content-type=application/grpc", "RST 5 INTERNAL_ERROR"});
  CHECK(pair.thread.in_flight() == 0);
}

TEST_CASE("Coupled: an upstream that answers early and stops the request completes the response") {
  Coupled pair;
  pair.begin_call();
  pair.upstream_says(pair.answer(1, {{":status", "200"}, {"grpc-status", "8"}}, true) +
                     Coupled::reset(1, ErrorCode::no_error));
  CHECK(pair.client_got() == Words{"HEADERS 1 :status=200 grpc-status=8 end", "RST 1 NO_ERROR"});
  CHECK(pair.thread.requests() == std::map<std::string, std::uint64_t>{{"client_error 200", 1}});
  pair.client_says(Coupled::data(1, "too late", true));
  CHECK(pair.upstream_got() == Words{"RST 1 CANCEL"});
  CHECK_FALSE(pair.relay.is_over());
}

TEST_CASE("Coupled: an upstream that is lost is UNAVAILABLE to gRPC and 502 to others") {
  Coupled pair;
  pair.begin_call(1);
  pair.client_says(pair.head(3, get, true) + pair.head(5, Coupled::grpc_fields(), false));
  pair.upstream_says(pair.answer(5, grpc_ok, false) + Coupled::data(5, "half"));
  pair.client_got();
  pair.relay.on_upstream_lost(tap::UpstreamFailure::closed);
  const Words got = pair.client_got();
  REQUIRE(got.size() == 6);
  CHECK(
      got[0].starts_with("HEADERS 1 :status=200 content-type=application/grpc grpc-status=14 "
                         "grpc-message=upstream_closed: "));
  CHECK(got[0].ends_with(" end"));
  CHECK(got[1] == "RST 1 NO_ERROR");  // Its request has not ended.
  CHECK(got[2].starts_with("HEADERS 3 :status=502 content-type=application/json"));
  CHECK(got[3].starts_with("DATA 3 {\"error\": \"upstream_closed\""));
  CHECK(got[4].starts_with("HEADERS 5 grpc-status=14 grpc-message="));
  CHECK(got[5] == "RST 5 NO_ERROR");
  CHECK(pair.link.told.back() == "close");
  pair.relay.reap();
  pair.client_says(pair.head(7, get, true));
  CHECK(pair.link.told.back() == "connect");  // The next request finds another.
}

TEST_CASE("Coupled: streams behind the upstream's GOAWAY are refused, those before it go on") {
  Coupled pair;
  pair.begin_call(1);
  pair.client_says(pair.head(3, Coupled::grpc_fields(), true));
  pair.upstream_says(frame(http2::FrameType::goaway, 0, 0, http2::uint32(1) + http2::uint32(0)));
  // The last id first: by it a client knows that it may send stream 3 again.
  CHECK(pair.client_got() == Words{"GOAWAY 1 NO_ERROR", "RST 3 REFUSED_STREAM"});
  pair.client_says(pair.head(5, Coupled::grpc_fields(), true));
  CHECK(pair.client_got().empty());  // It is behind that id.
  CHECK_FALSE(pair.relay.is_over());
  pair.upstream_says(pair.answer(1, {{":status", "200"}, {"grpc-status", "0"}}, true));
  CHECK(pair.client_got().front() == "HEADERS 1 :status=200 grpc-status=0 end");
  CHECK(pair.link.told.back() == "close");
  CHECK(pair.relay.is_over());
}

TEST_CASE("Coupled: an upstream's GOAWAY that refuses nothing yet is the client's") {
  Coupled pair;
  pair.begin_call(1);
  const auto goaway = [](std::uint32_t last_id) {
    return frame(http2::FrameType::goaway, 0, 0, http2::uint32(last_id) + http2::uint32(0));
  };
  pair.upstream_says(goaway(http2::stream_id_max));
  CHECK(pair.client_got() == Words{"GOAWAY 2147483647 NO_ERROR"});
  pair.client_says(pair.head(3, Coupled::grpc_fields(), true));
  CHECK(pair.client_got().empty());
  pair.client_says(frame(http2::FrameType::ping, http2::flag_ack, 0, "outrider"));
  CHECK(pair.client_got() == Words{"GOAWAY 3 NO_ERROR"});
  pair.upstream_says(goaway(1));
  CHECK(pair.client_got() == Words{"GOAWAY 1 NO_ERROR", "RST 3 REFUSED_STREAM"});
  pair.upstream_says(pair.answer(1, {{":status", "200"}, {"grpc-status", "0"}}, true));
  CHECK(pair.client_got().front() == "HEADERS 1 :status=200 grpc-status=0 end");
  CHECK(pair.relay.is_over());
}

TEST_CASE("Coupled: a call that ends without a status of its own is never counted as OK") {
  const auto codes_after = [](const auto& end) {
    Coupled pair;
    pair.client_says(pair.head(1, Coupled::grpc_fields(), true));
    pair.upstream_says(http2::settings() + pair.answer(1, grpc_ok, false));
    end(pair);
    std::map<std::size_t, std::uint64_t> codes;
    const auto& cells = pair.thread.context.counters.grpc_calls[model_infer];
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (cells[i].get() != 0) codes[i] = cells[i].get();
    return codes;
  };
  using Codes = std::map<std::size_t, std::uint64_t>;
  const auto reset_by = [](std::uint32_t code) {
    return [code](Coupled& pair) {
      pair.upstream_says(frame(http2::FrameType::rst_stream, 0, 1, http2::uint32(code)));
    };
  };
  CHECK(codes_after([](Coupled& pair) {
          pair.relay.on_upstream_lost(tap::UpstreamFailure::reset);
        }) == Codes{{14, 1}});
  CHECK(codes_after([](Coupled& pair) { pair.thread.pass(std::chrono::minutes(6)); }) ==
        Codes{{14, 1}});
  CHECK(codes_after([](Coupled& pair) { pair.upstream_says(Coupled::data(1, "", true)); }) ==
        Codes{{2, 1}});
  CHECK(codes_after(reset_by(2)) == Codes{{13, 1}});
  CHECK(codes_after(reset_by(7)) == Codes{{14, 1}});
  CHECK(codes_after(reset_by(8)) == Codes{{1, 1}});
  CHECK(codes_after(reset_by(11)) == Codes{{8, 1}});
}

TEST_CASE("Coupled: as many streams are the client's as the upstream takes") {
  Coupled pair;
  pair.begin_call();
  pair.upstream_says(http2::settings(http2::setting(http2::Setting::max_concurrent_streams, 2)));
  CHECK(pair.client_got() == Words{"STREAMS 2"});
  pair.client_says(pair.head(3, get, true) + pair.head(5, get, true));
  CHECK(pair.client_got() == Words{"RST 5 REFUSED_STREAM"});
}

TEST_CASE("Coupled: requests wait for the connection, and fail when it is not to be had") {
  Coupled pair;
  pair.link.next = is_connecting;
  pair.client_says(pair.head(1, Coupled::grpc_fields(), true) + pair.head(3, get, true));
  CHECK(pair.link.told == Words{"connect"});
  SECTION("it is there") {
    pair.relay.on_connected();
    CHECK(pair.upstream_got().size() == 2);
    pair.upstream_says(http2::settings() + pair.answer(3, ok, true));
    CHECK(pair.client_got() == Words{"HEADERS 3 :status=200 end"});
  }
  SECTION("another address is tried for all of them at once") {
    pair.link.addresses = 2;
    pair.relay.on_connect_failed("refused");
    CHECK(pair.link.told == Words{"connect", "connect"});
    pair.relay.on_connect_failed("refused");
    CHECK(pair.client_got().size() == 3);
    CHECK(pair.link.told.back() == "close");
  }
  SECTION("it chose HTTP/1.1 in the TLS handshake") {
    pair.relay.on_upstream_speaks_http1();
    const Words got = pair.client_got();
    REQUIRE(got.size() == 3);
    CHECK(got[0].find("grpc-status=12") != std::string::npos);
    CHECK(got[0].find("have it offer h2") != std::string::npos);
    CHECK(got[1].find(":status=505") != std::string::npos);
    CHECK(pair.link.told == Words{"connect", "close"});
    CHECK(pair.thread.requests_counted() == 2);
    CHECK(pair.scratch.upstream_out.empty());
    return;  // The proxy's rejections are no failures of the upstream.
  }
  SECTION("it takes too long") {
    pair.thread.pass(std::chrono::seconds(4));
    const Words got = pair.client_got();
    REQUIRE(got.size() == 3);
    CHECK(pair.link.told == Words{"connect", "give up", "close"});
    CHECK(pair.thread.requests_counted() == 2);
  }
  CHECK(pair.thread.failures() ==
        pair.thread.requests_counted() - pair.thread.requests().count("success 200"));
}

TEST_CASE("Coupled: a violation of the upstream fails its calls with a reason, not the client") {
  Coupled pair;
  pair.begin_call();
  pair.upstream_says(frame(http2::FrameType::ping, 0, 0, "short"));
  const Words got = pair.client_got();
  REQUIRE_FALSE(got.empty());
  CHECK(got[0].find("grpc-message=upstream_invalid_response: the model server broke HTTP/2: "
                    "bad_frame_size") != std::string::npos);
  CHECK(pair.link.told.back() == "close");
  CHECK_FALSE(pair.relay.is_over());
  Coupled other;
  other.client_says(other.head(1, get, true));
  other.upstream_says("HTTP/1.1 400 Bad Request\r\n\r\n");
  CHECK(other.client_got().back().find("answered in HTTP/1.1") != std::string::npos);
}

TEST_CASE("Coupled: CONNECT, long bodies and the other protocol are refused by name") {
  Settings settings = h2c_settings();
  settings.body_bytes_max = 4;
  Coupled pair(settings);
  pair.client_says(pair.head(1, {{":method", "CONNECT"}, {":authority", "db:1"}}, false));
  CHECK(pair.client_got()[0].starts_with("HEADERS 1 :status=501"));
  Fields sized = post;
  sized.emplace_back("content-length", "5");
  pair.client_says(pair.head(3, sized, false));
  CHECK(pair.client_got()[0].starts_with("HEADERS 3 :status=413"));
  pair.client_says(pair.head(5, post, false) + Coupled::data(5, "12345"));
  CHECK(pair.client_got()[0].starts_with("HEADERS 5 :status=413"));
  CHECK(pair.upstream_got().back() == "RST 5 CANCEL");
  settings.upstream = "http://model:8000";
  Coupled plain(settings);
  plain.client_says(plain.head(1, Coupled::grpc_fields(), true));
  CHECK(plain.client_got()[0].find("grpc-status=12 grpc-message=http1_only") != std::string::npos);
  CHECK(plain.link.told.empty());
}

TEST_CASE("Coupled: the health page is answered by the proxy, and is not counted") {
  Coupled pair;
  Fields ready = get;
  ready[3].second = "/-/ready";
  pair.client_says(pair.head(1, ready, true));
  const Words got = pair.client_got();
  REQUIRE(got.size() == 2);
  CHECK(got[1] == "DATA 1 OK\n end");
  CHECK(pair.thread.requests_counted() == 0);
  CHECK(pair.link.told.empty());
}

TEST_CASE("Coupled: a violation of the client cancels its calls, which the upstream is told") {
  Coupled pair;
  pair.begin_call();
  pair.client_says(frame(http2::FrameType::ping, 0, 1, "12345678"));
  CHECK(pair.relay.is_over());
  CHECK(pair.upstream_got() == Words{"RST 1 CANCEL"});
  CHECK(pair.client_got().back() == "GOAWAY 1 PROTOCOL_ERROR");
  CHECK(pair.thread.in_flight() == 0);
  CHECK(pair.thread.context.counters
            .http2_violations[static_cast<std::size_t>(http2::Violation::bad_stream_id)]
            .get() == 1);
}

TEST_CASE("Coupled: heads that a side does not take stop the reading of the other") {
  Coupled pair;
  pair.link.next = is_connecting;
  pair.link.upstream_unsent = 300 << 10;
  pair.client_says(pair.head(1, get, true));
  CHECK_FALSE(pair.relay.takes(To::client));
  pair.link.upstream_unsent = 0;
  pair.scratch.upstream_out.clear();
  pair.relay.on_written(To::upstream);
  CHECK(pair.relay.takes(To::client));
}

// 4 KB here and 64 KB when they are decoded: the table is given its usual size, a field is put into
// it, and fifteen times its index.
std::string large_trailers(std::uint32_t id) {
  return frame(
      http2::FrameType::headers, http2::flag_end_headers | http2::flag_end_stream, id,
      "\x3f\xe1\x1f\x40\x01t\x7f\x9f\x1e" + std::string(3998, 'x') + std::string(15, '\xbe'));
}

TEST_CASE("Coupled: trailers that wait for a window stop the reading of their sender alone") {
  Coupled pair;
  pair.client_says(http2::settings(http2::setting(http2::Setting::initial_window_size, 0)));
  for (const std::uint32_t id : {1u, 3u}) {
    CHECK(pair.relay.takes(To::upstream) == (id == 3));  // There is none before the first call.
    pair.begin_call(id);
    pair.upstream_says(pair.answer(id, grpc_ok, false) + Coupled::data(id, "message") +
                       large_trailers(id));
  }
  CHECK_FALSE(pair.relay.takes(To::upstream));
  CHECK(pair.relay.takes(To::client));
  pair.client_got();
  pair.client_says(frame(http2::FrameType::window_update, 0, 1, http2::uint32(100)));
  pair.relay.on_written(To::client);
  CHECK(pair.client_got().back() == "RST 1 NO_ERROR");
  CHECK(pair.relay.takes(To::upstream));
  pair.client_says(Coupled::reset(3, ErrorCode::cancel));
  CHECK(pair.bytes_held == 0);
}

// As much of everything as a client may send.
std::string greedy_call(std::uint32_t id) {
  return Coupled::head(id, Coupled::grpc_fields(), false) +
         Coupled::data(id, std::string(1 + id * 13 % 9000, 'x')) + large_trailers(id);
}

TEST_CASE("Coupled: whatever a client sends, little is held for an upstream that takes nothing") {
  for (const bool takes_bytes : {false, true}) {  // But opens no window.
    constexpr std::size_t read_bytes = 128 << 10;
    Coupled pair;
    pair.begin_call(1);
    std::string unread;
    std::size_t most = 0;
    for (std::uint32_t id = 3; id < 3000; id += 2) {
      if (unread.size() < read_bytes) unread += greedy_call(id);
      pair.relay.begin_turn();
      unread.erase(0, pair.relay.receive_client(unread));
      const std::size_t written = std::exchange(pair.scratch.upstream_out, {}).size();
      if (!takes_bytes) pair.link.upstream_unsent += written;
      pair.relay.on_written(To::upstream);
      pair.scratch.client_out.clear();
      pair.relay.reap();
      most = std::max(most, pair.bytes_held + pair.link.upstream_unsent);
    }
    CHECK_FALSE(pair.relay.takes(To::client));
    CHECK_FALSE(pair.relay.is_over());
    CHECK(most > 64 << 10);
    CHECK(most + read_bytes < 1 << 20);
  }
}

TEST_CASE("Coupled: a gRPC stream may be silent for as long as a stream may, a body may not") {
  Coupled pair;
  pair.begin_call(1);
  pair.thread.pass(std::chrono::seconds(120));
  CHECK(pair.client_got().empty());
  pair.client_says(pair.head(3, post, false));
  pair.thread.pass(std::chrono::seconds(31));
  CHECK(pair.client_got()[0].starts_with("HEADERS 3 :status=408"));
  pair.thread.pass(std::chrono::seconds(200));
  CHECK(pair.client_got()[0].find("grpc-status=14") != std::string::npos);
}

}  // namespace
}  // namespace outrider::proxy
