// SPDX-License-Identifier: Apache-2.0
// The cases of the differential test (test/e2e/differential), which the real programs are compared
// by, judged by the core alone: whole, byte by byte, and split at every byte.
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sidecar/http1/body.h"
#include "sidecar/http1/head.h"
#include "test/support/catch.h"

namespace outrider::http1 {
namespace {

// What a connection's requests come to: how many were whole, and why the next one was not.
struct Outcome {
  std::string word = "forwarded";
  std::size_t messages = 0;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  return out << o.word << " after " << o.messages;
}

constexpr BodyLimits limits{.content_bytes = 1 << 30};  // The proxy's default.

// One client connection without a socket: heads and bodies in turn until the first fault or close.
class Connection {
 public:
  void receive(std::string_view bytes) {
    buffer_ += bytes;
    while (!closed_ && advance()) {
    }
  }

  Outcome outcome() const {
    if (closed_ || (!in_body_ && buffer_.empty())) return outcome_;
    return {"incomplete", outcome_.messages};
  }

 private:
  bool advance() { return in_body_ ? advance_body() : advance_head(); }

  bool advance_head() {
    if (buffer_.empty()) return false;
    const Progress progress = parse(buffer_, cursor_, HeadLimits{}, head_);
    if (progress == Progress::need_more) return false;
    if (progress == Progress::invalid) return close(head_.violation);
    body_ = BodyReader(head_.summary.framing, head_.summary.content_length, limits);
    keep_alive_ = head_.summary.keep_alive;
    buffer_.erase(0, head_.size);
    cursor_ = {};
    return in_body_ = true;
  }

  bool advance_body() {
    const BodyReader::Run run = body_.take(buffer_);
    if (run.progress == Progress::invalid) return close(body_.violation());
    buffer_.erase(0, run.taken);
    if (run.progress == Progress::need_more) return false;
    in_body_ = false;
    ++outcome_.messages;
    closed_ = !keep_alive_;
    return true;
  }

  bool close(Violation violation) {
    outcome_.word = to_string(violation);
    closed_ = true;
    return false;
  }

  std::string buffer_;
  HeadCursor cursor_;
  RequestHead head_;
  BodyReader body_;
  bool in_body_ = false, keep_alive_ = true, closed_ = false;
  Outcome outcome_;
};

// A JSON text of code points 0 to 255 is bytes; a list is pieces, some repeated.
std::string bytes_of(const nlohmann::json& value) {
  std::string out;
  if (value.is_array()) {
    for (const auto& part : value) out += bytes_of(part);
  } else if (value.is_object()) {
    for (int i = value.at("times").get<int>(); i > 0; --i) out += bytes_of(value.at("repeat"));
  } else {
    const std::string utf8 = value.get<std::string>();
    for (std::size_t i = 0; i < utf8.size(); ++i) {
      const auto c = static_cast<unsigned char>(utf8[i]);
      if (c < 0x80) {
        out += utf8[i];
      } else {
        REQUIRE((c & 0xfc) == 0xc0);  // Two bytes: a code point below 256.
        out += static_cast<char>(((c & 0x03) << 6) | (utf8[++i] & 0x3f));
      }
    }
  }
  return out;
}

// One upstream connection: interim heads, the final one, its body, and the connection's end.
class Upstream {
 public:
  explicit Upstream(const ResponseContext& context) : context_(context) {}

  void receive(std::string_view bytes) {
    buffer_ += bytes;
    while (outcome_.empty() && !has_head_ && advance_head()) {
    }
    if (outcome_.empty() && has_head_) advance_body();
  }

  // "forwarded", the word of a violation, or how it ended too early.
  std::string end() {
    if (!outcome_.empty()) return outcome_;
    if (!has_head_) return "closed";
    return body_.end_of_input() ? "forwarded" : "truncated";
  }

 private:
  bool advance_head() {
    if (buffer_.empty()) return false;
    const Progress progress = parse(buffer_, cursor_, HeadLimits{}, context_, head_);
    if (progress == Progress::need_more) return false;
    if (progress == Progress::invalid) return outcome_ = to_string(head_.violation), false;
    has_head_ = !head_.summary.interim();
    if (has_head_) body_ = BodyReader(head_.summary.framing, head_.summary.content_length);
    buffer_.erase(0, head_.size);
    cursor_ = {};
    return true;
  }

  void advance_body() {
    const BodyReader::Run run = body_.take(buffer_);
    if (run.progress == Progress::invalid) outcome_ = to_string(body_.violation());
    if (run.progress == Progress::complete) outcome_ = "forwarded";
    buffer_.erase(0, run.taken);
  }

  ResponseContext context_;
  std::string buffer_;
  HeadCursor cursor_;
  ResponseHead head_;
  BodyReader body_;
  bool has_head_ = false;
  std::string outcome_;
};

nlohmann::json load(const std::string& name) {
  std::ifstream file(OUTRIDER_DIFFERENTIAL + name);
  return nlohmann::json::parse(file);
}

// Calls feed(first, step), whole and then split in every way that is worth it, and compares.
template <class Feed, class Expected>
void check_splits(std::size_t size, const Expected& expected, Feed&& feed) {
  CHECK(feed(size, 1) == expected);
  if (size > 3'000) {
    CHECK(feed(7, 1'021) == expected);
    return;
  }
  CHECK(feed(0, 1) == expected);
  for (std::size_t i = 1; i < size; ++i) {
    INFO("split at " << i);
    CHECK(feed(i, size) == expected);
  }
}

template <class Receiver>
void receive_in_pieces(Receiver& receiver, std::string_view bytes, std::size_t first,
                       std::size_t step) {
  receiver.receive(bytes.substr(0, first));
  for (std::size_t at = first; at < bytes.size(); at += step)
    receiver.receive(bytes.substr(at, step));
}

TEST_CASE("Each request of the differential test is judged as its file says, at every split") {
  const nlohmann::json cases = load("cases.json");
  CHECK(cases.size() >= 300);
  for (const auto& one : cases) {
    INFO(one.at("name"));
    const std::string bytes = bytes_of(one.at("request"));
    const std::string expect = one.at("expect").get<std::string>();
    const std::size_t messages =
        one.value("messages", expect == "forwarded" ? std::size_t{1} : std::size_t{0});
    check_splits(bytes.size(), Outcome{expect, messages}, [&](std::size_t first, std::size_t step) {
      Connection connection;
      receive_in_pieces(connection, bytes, first, step);
      return connection.outcome();
    });
  }
}

TEST_CASE("Each response of the differential test is judged as its file says, at every split") {
  const nlohmann::json cases = load("responses.json");
  CHECK(cases.size() >= 100);
  for (const auto& one : cases) {
    INFO(one.at("name"));
    const std::string request = one.value("request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    HeadCursor cursor;
    RequestHead head;
    REQUIRE(parse(request, cursor, HeadLimits{}, head) == Progress::complete);
    const std::string bytes = bytes_of(one.at("response"));
    check_splits(bytes.size(), one.at("expect").get<std::string>(),
                 [&](std::size_t first, std::size_t step) {
                   Upstream upstream(ResponseContext::of(head.summary));
                   receive_in_pieces(upstream, bytes, first, step);
                   return upstream.end();
                 });
  }
}

}  // namespace
}  // namespace outrider::http1
