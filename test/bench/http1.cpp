// SPDX-License-Identifier: Apache-2.0
// What a head and a body cost in sidecar/http1, beside Boost.Beast's basic_parser, which decides
//   less. bench_http1 [--json FILE] [--pairs N]
// Interleaved pairs in one run, CPU time of this thread; `ratio` is ours/peer, the median over
// pairs, less is better. Absolute figures do not travel between machines, ratios do.
#include <time.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "base/wire/json.h"
#include "sidecar/http1/body.h"
#include "sidecar/http1/rewrite.h"

using namespace outrider::http1;

namespace {

const std::string request =
    "POST /v1/models/house-price:predict HTTP/1.1\r\n"
    "Host: house-price.default.svc.cluster.local\r\n"
    "User-Agent: python-requests/2.31.0\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Accept: */*\r\n"
    "Connection: keep-alive\r\n"
    "X-Request-Id: 4bf92f35-77b3-4da6-a3ce-929d0e0e4736\r\n"
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 60\r\n\r\n";

const std::string response =
    "HTTP/1.1 200 OK\r\n"
    "date: Sat, 31 Jan 2026 12:00:00 GMT\r\n"
    "server: uvicorn\r\n"
    "content-length: 100\r\n"
    "content-type: application/json\r\n\r\n";

std::string chunked_body() {
  std::string body;
  for (int i = 0; i < 64; ++i) body += "400\r\n" + std::string(1024, 'x') + "\r\n";
  return body + "0\r\n\r\n";
}

// Only parses: it keeps nothing of what it is told.
template <bool is_request>
class BeastParser : public boost::beast::http::basic_parser<is_request> {
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;
  using verb = boost::beast::http::verb;
  using field = boost::beast::http::field;
  void on_request_impl(verb, string_view, string_view, int, error_code& ec) override { ec = {}; }
  void on_response_impl(int, string_view, int, error_code& ec) override { ec = {}; }
  void on_field_impl(field, string_view, string_view, error_code& ec) override { ec = {}; }
  void on_header_impl(error_code& ec) override { ec = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code& ec) override {
    ec = {};
  }
  std::size_t on_body_impl(string_view body, error_code& ec) override {
    return ec = {}, body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code& ec) override { ec = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override {
    return ec = {}, body.size();
  }
  void on_finish_impl(error_code& ec) override { ec = {}; }
};

std::uint64_t sink = 0;  // Keeps the optimizer from leaving work out.

void ours_request() {
  static RequestHead head;
  HeadCursor cursor;
  if (parse(request, cursor, HeadLimits{}, head) != Progress::complete) std::abort();
  sink += head.field_count();
}

void ours_request_and_rewrite() {
  static RequestHead head;
  static Pieces pieces;
  static char out[4096];
  HeadCursor cursor;
  if (parse(request, cursor, HeadLimits{}, head) != Progress::complete) std::abort();
  rewrite(head, {.prediction_id = "0198c0de-0000-7000-8000-000000000001"}, pieces);
  char* at = out;
  for (const std::string_view piece : pieces) at += piece.copy(at, piece.size());
  sink += static_cast<std::uint64_t>(at - out);
}

void ours_response() {
  static ResponseHead head;
  HeadCursor cursor;
  if (parse(response, cursor, HeadLimits{}, ResponseContext{}, head) != Progress::complete)
    std::abort();
  sink += head.field_count();
}

template <bool is_request>
void beast_head(const std::string& bytes) {
  BeastParser<is_request> parser;
  boost::beast::error_code ec;
  sink += parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  if (!parser.is_header_done()) std::abort();
}

void ours_chunks() {
  static const std::string body = chunked_body();
  BodyReader reader(Framing::chunked);
  if (reader.take(body, [](std::string_view run) { sink += run.size(); }).progress !=
      Progress::complete)
    std::abort();
}

void beast_chunks() {
  static const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  static const std::string body = chunked_body();
  BeastParser<true> parser;
  parser.eager(true);
  boost::beast::error_code ec;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), ec);
  std::size_t at = 0;
  while (!parser.is_done()) {
    const std::size_t taken =
        parser.put(boost::asio::const_buffer(body.data() + at, body.size() - at), ec);
    if (taken == 0) std::abort();
    at += taken;
  }
  sink += at;
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double nanoseconds_each(const std::function<void()>& work, int times) {
  const double begin = cpu_seconds();
  for (int i = 0; i < times; ++i) work();
  return (cpu_seconds() - begin) / times * 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Row {
  const char* metric;
  std::function<void()> ours, peer;
  int times;
};

}  // namespace

int main(int argc, char** argv) {
  int pairs = 15;
  std::string json;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--pairs") pairs = std::max(1, std::atoi(argv[i + 1]));
    if (option == "--json") json = argv[i + 1];
  }
  const Row rows[] = {
      {"head.request_9_fields", ours_request, [] { beast_head<true>(request); }, 200'000},
      {"head.request_9_fields_rewritten", ours_request_and_rewrite,
       [] { beast_head<true>(request); }, 200'000},
      {"head.response_4_fields", ours_response, [] { beast_head<false>(response); }, 200'000},
      {"body.chunked_64KiB", ours_chunks, beast_chunks, 20'000},
  };
  std::ofstream file(json);
  std::printf("%-34s %10s %10s %7s %6s %6s\n", "metric", "ours ns", "beast ns", "ratio", "min",
              "max");
  for (const Row& row : rows) {
    std::vector<double> ours, peer, ratio;
    for (int i = 0; i < pairs; ++i) {
      ours.push_back(nanoseconds_each(row.ours, row.times));
      peer.push_back(nanoseconds_each(row.peer, row.times));
      ratio.push_back(ours.back() / peer.back());
    }
    const double low = *std::min_element(ratio.begin(), ratio.end()),
                 high = *std::max_element(ratio.begin(), ratio.end());
    std::printf("%-34s %10.1f %10.1f %7.2f %6.2f %6.2f\n", row.metric, median(ours), median(peer),
                median(ratio), low, high);
    const outrider::wire::Json line = {{"bench", "http1"},
                                       {"metric", row.metric},
                                       {"value", median(ours)},
                                       {"unit", "ns"},
                                       {"better", "lower"},
                                       {"peer", "beast"},
                                       {"peer_value", median(peer)},
                                       {"ratio", median(ratio)},
                                       {"runs", pairs},
                                       {"min", low},
                                       {"max", high}};
    file << outrider::wire::to_text(line) << '\n';
  }
  return sink == 0;
}
