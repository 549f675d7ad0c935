// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/pair_link.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "agent/truth/label_pass.h"
#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/net/address.h"
#include "base/wire/json.h"
#include "truth/api/label_api.h"
#include "truth/label_parser.h"
#include "truth/prediction.h"

namespace outrider::fleet {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr Duration known_for = 5s;  // Then the other is asked again who it is: its disk may be new.
constexpr Duration away_for = 1s;   // Not asked meanwhile.
constexpr Duration id_timeout = 1s;
constexpr std::size_t idle_max = 16;
constexpr std::size_t answer_bytes_max = 32 << 20;
constexpr std::string_view counted_parameter = "counted-by-the-other";

std::string kept_id(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "agent-id";
  if (const auto kept = config::read_file(file.string(), 256)) {
    const std::string text(trim(*kept));
    if (truth::parse_uuid(text)) return text;
  }
  std::random_device random;
  const auto bits = [&random] { return std::uint64_t{random()} << 32 | random(); };
  // The time is left out: no agent is the counting one for being older.
  const std::string made = truth::format_uuid(
      truth::make_uuid7(from_unix_ms(static_cast<std::int64_t>(bits() >> 24)), bits(), bits()));
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  if (auto ok = config::replace_file(file, made + "\n"); !ok)
    throw std::runtime_error("truth.peer-url: " + ok.error().message);
  return made;
}

std::string url_of(const PairLink::Settings& settings, std::string_view path) {
  return net::without_slash(settings.url) + std::string(path);
}

remote_write::Courier::Settings later_settings(const PairLink::Settings& settings) {
  remote_write::Courier::Settings made;
  made.name = "labels that the other agent may have counted";
  made.url = url_of(settings, PairLink::path);
  made.content_type = "application/octet-stream";
  made.prepare = settings.prepare;
  made.queue.folder = settings.folder / "asked-labels";
  made.queue.bytes_max = std::uint64_t{1} << 30;
  made.queue.age_max = std::chrono::hours(24 * 30);
  return made;
}

}  // namespace

PairLink::PairLink(const Settings& settings, const Clock& clock)
    : settings_(settings), id_(kept_id(settings.folder)), later_(later_settings(settings), clock) {}

Result<net::ClientResponse> PairLink::send(net::ClientRequest request) {
  if (settings_.prepare) {
    if (auto ok = settings_.prepare(request); !ok) return fail(ok);
  }
  std::unique_ptr<net::HttpClient> client;
  {
    const std::lock_guard hold(mutex_);
    if (!idle_.empty()) {
      client = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!client) client = std::make_unique<net::HttpClient>();
  request.body_bytes_max = answer_bytes_max;
  auto response = client->send(request);
  const std::lock_guard hold(mutex_);
  if (response && idle_.size() < idle_max) idle_.push_back(std::move(client));
  if (!response || response->status >= 500) away_until_ = SteadyClock::now() + away_for;
  return response;
}

bool PairLink::other_counts() {
  {
    const std::lock_guard hold(mutex_);
    const Instant now = SteadyClock::now();
    if (now < away_until_) return false;
    if (!other_id_.empty() && now - learned_ < known_for) return other_id_ < id_;
  }
  const auto response = send({.method = "GET",
                              .url = url_of(settings_, id_path),
                              .timeout = id_timeout,
                              .connect_timeout = id_timeout});
  const auto json =
      response && response->status == 200 ? wire::parse_json(response->body) : fail("no_id", "");
  const bool is_known =
      json && json->is_object() && json->contains("agent") && (*json)["agent"].is_string();
  const std::lock_guard hold(mutex_);
  if (!is_known) {
    other_id_.clear();
    away_until_ = SteadyClock::now() + away_for;
    return false;
  }
  other_id_ = (*json)["agent"].get<std::string>();
  learned_ = SteadyClock::now();
  if (other_id_ == id_) {
    spdlog::error(
        "truth.peer-url={} is this agent itself, or has a copy of its --data.dir: give "
        "each agent a folder of its own",
        settings_.url);
  }
  return other_id_ < id_;
}

PairLink::Asked PairLink::ask(const net::HttpRequest& request,
                              const std::vector<bool>& counted_here) {
  net::ClientRequest sent{.method = "POST", .url = url_of(settings_, path)};
  sent.headers = {{"Content-Type", "application/octet-stream"}};
  sent.body = write_question(request, counted_here);
  sent.timeout = settings_.timeout;
  const auto response = send(std::move(sent));
  // 400 may be the answer to a batch of nothing but invalid labels: then it has its results.
  if (response && (response->status == 200 || response->status == 400)) {
    if (auto counted = read_counted(response->body))
      return {State::counted_there, std::move(*counted)};
  }
  ++unanswered_;
  {
    const std::lock_guard hold(mutex_);
    away_until_ = SteadyClock::now() + away_for;
  }
  return {truth::may_have_joined(response) ? State::in_doubt : State::not_reached, {}};
}

bool PairLink::ask_later(const net::HttpRequest& request, const std::vector<bool>& counted_here) {
  ++doubtful_;
  return later_.append(write_question(request, counted_here), 1);
}

void PairLink::collect(wire::MetricSink& sink) {
  bool other = false;
  {
    const std::lock_guard hold(mutex_);
    other = !other_id_.empty() && other_id_ < id_ && SteadyClock::now() >= away_until_;
  }
  const auto one = [&sink](const char* name, wire::MetricType type, const char* help,
                           double value) {
    sink.family({name, type, help});
    sink.value(wire::SeriesKey(Labels{}), value);
  };
  one("outrider_truth_pair_counts", wire::MetricType::gauge,
      "1 where this agent of the pair counts the labels, 0 where the other does.", other ? 0 : 1);
  one("outrider_truth_pair_unanswered_total", wire::MetricType::counter,
      "Requests with labels that the counting agent of the pair did not answer: counted here where "
      "it was not reached, else in doubt.",
      static_cast<double>(unanswered_.load()));
  one("outrider_truth_pair_in_doubt_total", wire::MetricType::counter,
      "Requests with labels that the counting agent of the pair may have counted, as it had been "
      "asked and has not answered: it is asked again, and counts what it had not.",
      static_cast<double>(doubtful_.load()));
  const auto later = later_.figures().queue;
  one("outrider_truth_pair_in_doubt_batches", wire::MetricType::gauge,
      "Of these, the requests that wait on disk for the counting agent.",
      static_cast<double>(later.pending.samples));
}

std::optional<std::vector<bool>> read_counted(std::string_view body) {
  const auto json = wire::parse_json(body);
  if (!json || !json->is_object()) return std::nullopt;
  const auto results = json->find("results");
  if (results == json->end() || !results->is_array()) return std::nullopt;
  std::vector<bool> counted;
  for (const wire::Json& item : *results) {
    const auto word = item.is_object() ? item.value("result", "") : std::string();
    counted.push_back(word == "joined" || word == "duplicate" || word == "early");
  }
  return counted;
}

std::string write_question(const net::HttpRequest& labels, const std::vector<bool>& counted_here) {
  std::string ranges;
  for (std::size_t i = 0; i < counted_here.size(); ++i) {
    if (!counted_here[i]) continue;
    const std::size_t first = i;
    while (i + 1 < counted_here.size() && counted_here[i + 1]) ++i;
    if (!ranges.empty()) ranges += ',';
    ranges += std::to_string(first) + '-' + std::to_string(i);
  }
  net::HttpRequest question;
  question.path = labels.path;
  question.query = std::string(counted_parameter) + '=' + ranges;
  if (!labels.query.empty()) question.query += '&' + labels.query;
  question.headers = labels.headers;
  return pack(question) + labels.body;
}

Result<Question> read_question(std::string_view body) {
  auto labels = unpack(body);
  if (!labels) return fail(labels);
  Question question{std::move(*labels), {}};
  const std::string ranges = question.labels.query_value(counted_parameter);
  for (const std::string_view range : split(ranges, ',')) {
    if (range.empty()) continue;
    const std::size_t dash = range.find('-');
    const auto first = parse_uint(range.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? std::nullopt : parse_uint(range.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= truth::labels_in_body_max) {
      return fail("invalid_pass", std::string(counted_parameter) + "=" + std::string(range) +
                                      ": expected FIRST-LAST, of items");
    }
    if (question.counted_there.size() <= *last) question.counted_there.resize(*last + 1);
    std::fill(question.counted_there.begin() + static_cast<std::ptrdiff_t>(*first),
              question.counted_there.begin() + static_cast<std::ptrdiff_t>(*last) + 1, true);
  }
  return question;
}

}  // namespace outrider::fleet
