// SPDX-License-Identifier: Apache-2.0
#pragma once

// Labels for any pod: POST /api/v1/labels at the agent. A self-contained label (one with
// `prediction` and `model_version`) goes to one sidecar, which is chosen by its id, so that sending
// it again reaches the same one; every other label is a question to all sidecars (?fan-out=true),
// and the one that made the prediction joins it.
//
//   LabelForwarder forwarder({.sidecars = {"dns+http://sidecars.shop.svc:9501"}});
//   router.add("POST", "/api/v1/labels", [&](const HttpRequest& r) { return forwarder.take(r); });
//
// A label's result is the best of the sidecars' results: joined, duplicate, ambiguous, invalid,
// late, evicted, sampled_out, unknown, in this order. The last four are given only when every
// sidecar has answered; otherwise the label is `unavailable`: nobody has it, the answer's status is
// 503 with Retry-After, and sending all again is safe, as what was joined is then a duplicate.
//
// Counting: what a sidecar's own predictions decide is counted there; the agent counts what only
// all of them together know (unknown, late, evicted, sampled_out), and what it could not read
// (invalid). So sum by (result) (outrider_labels_total) is right over sidecars and agent.
//
// An alias under which two pods made a prediction each (a gateway's retry) is joined in both: each
// pod knows of one only. Within a pod it is ambiguous.
//
// Nothing is held here, as a sidecar does (truth.early): a label that all sidecars call unknown is
// asked for once more, half a second later, and then is unknown.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/net/http_client.h"
#include "base/net/http_server.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"

namespace outrider::ingest {

enum class LabelOutcome : std::uint8_t {
  joined,
  duplicate,
  ambiguous,
  invalid,
  late,
  evicted,
  sampled_out,
  unknown,
  unavailable,
};
inline constexpr std::size_t label_outcome_count = 9;
std::string_view to_string(LabelOutcome outcome);

struct LabelAnswer {
  LabelOutcome outcome = LabelOutcome::unavailable;
  std::string message;
  bool operator==(const LabelAnswer&) const = default;
};

struct ForwardedLabel {
  std::string id;    // As the answer names it.
  std::string json;  // What is sent on: one object.
  bool self_contained = false;
  std::string error;  // Not empty: it is no label, and is not sent.
};

inline constexpr std::size_t forwarded_labels_max = 20'000;  // Of one body.

// PURE. One object, an array, or one object a line; SageMaker's ground-truth lines become ours, a
// line with several values one label a row. Errors: "invalid_json", "empty_body",
// "too_many_labels".
Result<std::vector<ForwardedLabel>> read_forwarded_labels(std::string_view body);

// PURE. Who is asked what, and what their answers amount to.
class LabelFanOut {
 public:
  struct Question {
    std::string sidecar;  // Its base URL.
    bool fan_out = true;
    std::vector<std::size_t> labels;  // Indexes into the labels.
    std::string body;                 // A JSON array.
  };

  static constexpr std::size_t question_labels_max = 2'000;

  LabelFanOut(const std::vector<ForwardedLabel>& labels, std::vector<std::string> sidecars);

  std::vector<Question> questions() const;
  // The same for the labels that everybody calls unknown; they are open again.
  std::vector<Question> ask_again();

  // A sidecar's body of 200 or 400, or why there is none.
  void take_answer(const Question& question, const Result<std::string>& body);

  // In the labels' order.
  std::vector<LabelAnswer> answers() const;

 private:
  struct Standing {
    LabelOutcome best = LabelOutcome::unknown;
    std::string message;
    bool answered = false;
    std::vector<std::string> silent;  // Sidecars that have not answered.
  };
  std::vector<Question> make_questions(const std::vector<std::size_t>& which) const;
  void note(std::size_t label, LabelOutcome outcome, std::string message);

  const std::vector<ForwardedLabel>& labels_;
  std::vector<std::string> sidecars_;
  std::vector<Standing> standings_;
};

// The sidecar that takes the self-contained label of this id: highest random weight, so that a
// sidecar that comes or goes moves only its own share of the ids. `sidecars` is not empty.
const std::string& choose_sidecar(std::string_view id, const std::vector<std::string>& sidecars);

// SHELL. Thread-safe. At most `parallel_max` questions of one body are under way at one time.
class LabelForwarder final : public wire::Collector {
 public:
  struct Settings {
    // "http://10.0.0.7:9501", or "dns+http://NAME:PORT" for every address that the name has at the
    // time; "https://…" and "dns+https://…" likewise, where each one's certificate has the name.
    std::vector<std::string> sidecars;
    // Adds to a question what it is to be known by, and whom to trust.
    std::function<Result<void>(net::ClientRequest&)> prepare =
        [](net::ClientRequest&) -> Result<void> { return {}; };
    Duration timeout = std::chrono::seconds(10);  // Of one question.
    Duration ask_again_after = std::chrono::milliseconds(500);
    std::size_t parallel_max = 16;
  };

  explicit LabelForwarder(Settings settings) : settings_(std::move(settings)) {}

  net::HttpResponse take(const net::HttpRequest& request);
  void collect(wire::MetricSink& sink) override;  // outrider_labels_total, …_label_questions_total

  // The base URLs at this moment; "https://NAME:PORT@ADDRESS" where the name is what TLS verifies.
  // Errors: "bad_address", "unresolved".
  Result<std::vector<std::string>> resolve() const;

 private:
  void ask(LabelFanOut& fan_out, const std::vector<LabelFanOut::Question>& questions);
  Result<std::string> ask_one(net::HttpClient& client, const LabelFanOut::Question& question) const;
  void count(const std::vector<ForwardedLabel>& labels, const std::vector<LabelAnswer>& answers);

  const Settings settings_;
  mutable std::mutex mutex_;
  std::array<std::uint64_t, label_outcome_count> results_{};
  std::uint64_t answered_ = 0, failed_ = 0;
};

}  // namespace outrider::ingest
