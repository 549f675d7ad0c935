// SPDX-License-Identifier: Apache-2.0
#pragma once

// Exchanges for tests: heads and bodies in strings, a source that hands them out and notes what
// became of them.

#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "sidecar/tap/exchange.h"

namespace outrider::test {

struct MadeExchange {
  std::string request_head =
      "POST /predict HTTP/1.1\r\nHost: model\r\nContent-Type: application/json\r\n\r\n";
  std::string request_body;
  std::string response_head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
  std::string response_body;
  int status = 200;
  tap::Outcome outcome = tap::Outcome::success;
  tap::Protocol protocol = tap::Protocol::http1;
  int grpc_status = tap::no_grpc_status;
  std::string response_trailers;
  std::string id = "01900000-0000-7000-8000-000000000001";
  Time started{std::chrono::seconds(1'700'000'000)};

  tap::Exchange view() const {
    tap::Exchange exchange;
    std::memcpy(exchange.id.data(), id.data(), exchange.id.size());
    exchange.started = started;
    exchange.duration = std::chrono::milliseconds(2);
    exchange.status = status;
    exchange.outcome = outcome;
    exchange.protocol = protocol;
    exchange.grpc_status = grpc_status;
    exchange.response_trailers = response_trailers;
    exchange.request_head = request_head;
    exchange.request_body = request_body;
    exchange.response_head = response_head;
    exchange.response_body = response_body;
    return exchange;
  }
};

// An answered GET with a query.
inline MadeExchange queried(const std::string& target, const std::string& answer) {
  MadeExchange made;
  made.request_head = "GET " + target + " HTTP/1.1\r\nHost: model\r\n\r\n";
  made.response_body = answer;
  return made;
}

// An answered POST of JSON.
inline MadeExchange posted(const std::string& path, const std::string& body,
                           const std::string& answer) {
  MadeExchange made;
  made.request_head =
      "POST " + path +
      " HTTP/1.1\r\nHost: model\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n";
  made.request_body = body;
  made.response_body = answer;
  return made;
}

// The id of the n-th exchange: a UUIDv7 of `time`.
inline std::string numbered_id(Time time, std::uint64_t number) {
  const auto ms = static_cast<unsigned long long>(to_unix_ms(time));
  char text[64];
  std::snprintf(text, sizeof text, "%08llx-%04llx-7000-8000-%012llx", (ms >> 16) & 0xffffffff,
                ms & 0xffff, static_cast<unsigned long long>(number));
  return std::string(text, 36);
}

class ListSource final : public tap::ExchangeSource {
 public:
  void add(MadeExchange exchange) { waiting_.push_back(std::move(exchange)); }
  const tap::Exchange* next() override {
    if (waiting_.empty()) return nullptr;
    current_ = waiting_.front().view();
    return &current_;
  }
  void dispose(tap::Disposal disposal) override {
    disposals.push_back(disposal);
    waiting_.pop_front();
  }

  std::vector<tap::Disposal> disposals;

 private:
  std::deque<MadeExchange> waiting_;
  tap::Exchange current_;
};

}  // namespace outrider::test
