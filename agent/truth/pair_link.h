// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which agent of a pair counts a label. SHELL; thread-safe.
//
// Of two agents that are there, one counts: the one with the lesser id (made once, kept on disk).
// The other asks it. So a label that a client sends to both at one moment is counted once, by
// whoever of the two requests comes to the counting agent first. Where the other cannot be reached,
// labels are counted here: nothing waits for an agent that is away. Where it was reached and did
// not answer, it may have counted them before it died: a queue on disk asks it again, until it
// answers. It counts what it had not, and knows the rest. What is joined when: pair_labels.h.
//
//   PairLink link({.url = …}, clock);
//   if (link.other_counts()) {
//     const auto asked = link.ask(request, counted_here);
//     if (asked.state == PairLink::State::in_doubt) link.ask_later(request, counted_here);
//   }

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/net/http_client.h"
#include "base/net/http_server.h"
#include "base/remote_write/courier.h"
#include "base/wire/exposition.h"

namespace outrider::fleet {

class PairLink final : public wire::Collector {
 public:
  static constexpr std::string_view path = "/api/v1/counted-labels";
  static constexpr std::string_view id_path = "/api/v1/pair";

  struct Settings {
    std::string url;  // The other agent's.
    std::function<Result<void>(net::ClientRequest&)> prepare = {};
    std::filesystem::path folder;  // Of the id.
    Duration timeout = std::chrono::seconds(5);
  };
  // Throws std::runtime_error where the id cannot be kept.
  PairLink(const Settings& settings, const Clock& clock);

  const std::string& id() const { return id_; }
  // Whether the other is there, as far as is known, and is the one that counts.
  bool other_counts();
  // Asks it to join and count the labels of a request; to join only those that are counted here, by
  // item.
  enum class State : std::uint8_t {
    not_reached,    // It has not had the question, or has said that it could not take it.
    counted_there,  // It has answered.
    in_doubt,       // It was reached, and did not answer: it may have counted them, or not.
  };
  struct Asked {
    State state = State::not_reached;
    std::vector<bool> in_hand = {};  // Of each item, whether the other has joined or holds it.
  };
  Asked ask(const net::HttpRequest& request, const std::vector<bool>& counted_here);
  // The same when it is back. False when they were dropped, counted: the queue is full.
  bool ask_later(const net::HttpRequest& request, const std::vector<bool>& counted_here);

  bool stop(Duration limit) { return later_.stop(limit); }
  void collect(wire::MetricSink& sink) override;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  Result<net::ClientResponse> send(net::ClientRequest request);

  const Settings settings_;
  std::string id_;
  std::mutex mutex_;
  std::string other_id_;  // "": not known.
  Instant learned_{}, away_until_{};
  std::vector<std::unique_ptr<net::HttpClient>> idle_;  // With their connections.
  std::atomic<std::uint64_t> unanswered_{0}, doubtful_{0};
  remote_write::Courier later_;  // Of what is in doubt.
};

// PURE. What the other's answer says of each item: whether it joined it, had joined it, or holds
// it. Nothing where it is no answer about labels.
std::optional<std::vector<bool>> read_counted(std::string_view body);

// PURE. The question as bytes, and back: a packed request (label_pass.h) whose query says first
// which items the asking agent counts itself, as ranges. An agent of before reads the rest. Error
// of reading: "invalid_pass".
struct Question {
  net::HttpRequest labels;
  std::vector<bool> counted_there;  // By who asks. As far as the last of them.
};
std::string write_question(const net::HttpRequest& labels, const std::vector<bool>& counted_here);
Result<Question> read_question(std::string_view body);

}  // namespace outrider::fleet
