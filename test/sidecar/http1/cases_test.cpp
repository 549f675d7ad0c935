// SPDX-License-Identifier: Apache-2.0
// The cases of the differential test (test/e2e/differential/cases.json), which the real programs are
// compared by, judged by the core alone: whole, byte by byte, and split at every byte.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sidecar/http1/body.h"
#include "sidecar/http1/head.h"

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

Outcome feed(std::string_view bytes, std::size_t first, std::size_t step) {
  Connection connection;
  connection.receive(bytes.substr(0, first));
  for (std::size_t at = first; at < bytes.size(); at += step)
    connection.receive(bytes.substr(at, step));
  return connection.outcome();
}

TEST_CASE("Each case of the differential test is judged as its file says, at every split") {
  std::ifstream file(OUTRIDER_DIFFERENTIAL_CASES);
  const nlohmann::json cases = nlohmann::json::parse(file);
  CHECK(cases.size() >= 300);
  for (const auto& one : cases) {
    INFO(one.at("name"));
    const std::string bytes = bytes_of(one.at("request"));
    const std::string expect = one.at("expect").get<std::string>();
    const std::size_t messages =
        one.value("messages", expect == "forwarded" ? std::size_t{1} : std::size_t{0});
    const Outcome whole = feed(bytes, bytes.size(), 1);
    CHECK(whole == Outcome{expect, messages});
    if (bytes.size() > 3'000) {
      CHECK(feed(bytes, 7, 1'021) == whole);
      continue;
    }
    CHECK(feed(bytes, 0, 1) == whole);
    for (std::size_t i = 1; i < bytes.size(); ++i) {
      INFO("split at " << i);
      CHECK(feed(bytes, i, bytes.size()) == whole);
    }
  }
}

}  // namespace
}  // namespace outrider::http1
