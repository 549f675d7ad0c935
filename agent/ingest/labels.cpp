// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/labels.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <thread>

#include "base/core/text.h"
#include "base/net/address.h"

namespace outrider::ingest {
namespace {

using Labels = std::vector<ForwardedLabel>;
using wire::Json;

constexpr std::string_view dns_prefix = "dns+";

ForwardedLabel refused(std::string id, std::string why) {
  return {.id = std::move(id), .json = "", .self_contained = false, .error = std::move(why)};
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_unsigned() ? wire::to_text(*found) : "";
}

// SageMaker's line, as labels of ours: one a value.
void read_sagemaker(const Json& object, Labels& labels) {
  const Json& data = object["groundTruthData"];
  const auto metadata = object.find("eventMetadata");
  const std::string id =
      metadata != object.end() && metadata->is_object() ? text_of(*metadata, "eventId") : "";
  const std::string values = text_of(data, "data");
  if (id.empty()) return labels.push_back(refused("", "\"eventMetadata.eventId\" is missing"));
  if (values.empty()) return labels.push_back(refused(id, "\"groundTruthData.data\" is missing"));
  const auto pieces = split(values, ',');
  for (std::size_t row = 0; row < pieces.size(); ++row) {
    const std::string_view piece = trim(pieces[row]);
    Json label = {{"id", id}};
    if (const auto number = parse_double(piece)) {
      label["label"] = *number;
    } else {
      label["label"] = std::string(piece);
    }
    if (pieces.size() > 1) label["row"] = row;
    const std::string suffix = pieces.size() > 1 ? "_" + std::to_string(row) : "";
    labels.push_back(
        {.id = id + suffix, .json = wire::to_text(label), .self_contained = false, .error = ""});
  }
}

void read_object(const Json& object, Labels& labels) {
  if (!object.is_object()) {
    return labels.push_back(refused("", "expected an object {\"id\": …, \"label\": …}"));
  }
  const auto data = object.find("groundTruthData");
  if (data != object.end() && data->is_object()) return read_sagemaker(object, labels);
  std::string id = text_of(object, "id");
  if (id.empty()) return labels.push_back(refused("", "\"id\" is missing or no text"));
  if (const std::string row = text_of(object, "row"); !row.empty()) id += "_" + row;
  const auto prediction = object.find("prediction");
  labels.push_back({.id = std::move(id),
                    .json = wire::to_text(object),
                    .self_contained = prediction != object.end() && !prediction->is_null(),
                    .error = ""});
}

Failure too_many() {
  return fail("too_many_labels", "the body has more than " + std::to_string(forwarded_labels_max) +
                                     " labels; send them in several requests");
}

Result<Labels> read_lines(std::string_view body, const Error& whole) {
  Labels labels;
  bool any = false;
  std::size_t number = 0;
  for (const std::string_view line : split(body, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    if (const auto object = wire::parse_json(trim(line))) {
      any = true;
      read_object(*object, labels);
    } else {
      labels.push_back(
          refused("", "line " + std::to_string(number) + ": " + object.error().message));
    }
    if (labels.size() > forwarded_labels_max) return too_many();
  }
  if (!any) return Failure(whole);
  return labels;
}

LabelOutcome read_outcome(const std::string& word) {
  for (std::size_t i = 0; i < label_outcome_count; ++i) {
    if (word == to_string(static_cast<LabelOutcome>(i))) return static_cast<LabelOutcome>(i);
  }
  return LabelOutcome::unknown;  // `early`: what is held there is not decided.
}

// A 64-bit hash with all bits mixed (FNV-1a, then splitmix64's end).
std::uint64_t weigh(std::string_view id, std::string_view sidecar) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const std::string_view part : {id, std::string_view("\n"), sidecar}) {
    for (const char c : part) hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211ull;
  }
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ull;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBull;
  return hash ^ (hash >> 31);
}

std::string numeric_address(const addrinfo& found) {
  char text[INET6_ADDRSTRLEN] = "";
  if (found.ai_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(found.ai_addr);
    ::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
    return text;
  }
  const auto* address = reinterpret_cast<const sockaddr_in6*>(found.ai_addr);
  ::inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]";
}

// "http://NAME:PORT" -> "http://ADDRESS:PORT" for each of the name's addresses, "https://NAME:PORT"
// -> "https://NAME:PORT@ADDRESS".
Result<std::set<std::string>> addresses_of(std::string_view url) {
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) {
    return fail("bad_address",
                std::string(url) + ": expected dns+http://NAME:PORT or dns+https://NAME:PORT");
  }
  const auto address = net::parse_address(url.substr(scheme_end + 3));
  if (!address) return fail(address);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(address->host.c_str(), nullptr, &wanted, &found);
  if (status != 0) {
    return fail("unresolved", address->host + ": " + ::gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  std::set<std::string> urls;
  for (const addrinfo* at = found; at; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    const std::string numeric = numeric_address(*at), port = std::to_string(address->port);
    urls.insert(url.starts_with("https://")
                    ? "https://" + address->host + ":" + port + "@" + numeric
                    : std::string(url.substr(0, scheme_end + 3)) + numeric + ":" + port);
  }
  return urls;
}

net::HttpResponse make_response(const Labels& labels, const std::vector<LabelAnswer>& answers) {
  Json results = Json::array(), counts = Json::object();
  std::array<std::size_t, label_outcome_count> number{};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Json one = {{"id", labels[i].id}, {"result", to_string(answers[i].outcome)}};
    if (!answers[i].message.empty()) one["message"] = answers[i].message;
    results.push_back(std::move(one));
    ++number[static_cast<std::size_t>(answers[i].outcome)];
  }
  for (std::size_t i = 0; i < label_outcome_count; ++i) {
    if (number[i] > 0) counts[std::string(to_string(static_cast<LabelOutcome>(i)))] = number[i];
  }
  const auto of = [&](LabelOutcome o) { return number[static_cast<std::size_t>(o)]; };
  Json body = Json::object();
  int status = 200;
  if (of(LabelOutcome::unavailable) > 0) {
    status = 503;
    body["error"] = "sidecars_unavailable";
    body["message"] = std::to_string(of(LabelOutcome::unavailable)) +
                      " labels are not decided, as not every sidecar has answered; send them again";
  } else if (!labels.empty() && of(LabelOutcome::invalid) == labels.size()) {
    status = 400;
    body["error"] = "invalid_label";
    body["message"] = answers.front().message;
  }
  body["results"] = std::move(results);
  body["counts"] = std::move(counts);
  net::HttpResponse response = net::json_response(status, body);
  if (status == 503) response.headers.push_back({"Retry-After", "5"});
  return response;
}

}  // namespace

std::string_view to_string(LabelOutcome outcome) {
  static constexpr std::string_view words[label_outcome_count] = {
      "joined",  "duplicate",   "ambiguous", "invalid",    "late",
      "evicted", "sampled_out", "unknown",   "unavailable"};
  return words[static_cast<std::size_t>(outcome)];
}

Result<std::vector<ForwardedLabel>> read_forwarded_labels(std::string_view body) {
  if (trim(body).empty()) return fail("empty_body", "the body is empty: expected labels as JSON");
  const auto whole = wire::parse_json(body);
  if (!whole) return read_lines(body, whole.error());
  Labels labels;
  if (!whole->is_array()) {
    read_object(*whole, labels);
    return labels;
  }
  for (const Json& item : *whole) {
    read_object(item, labels);
    if (labels.size() > forwarded_labels_max) return too_many();
  }
  return labels;
}

const std::string& choose_sidecar(std::string_view id, const std::vector<std::string>& sidecars) {
  return *std::max_element(
      sidecars.begin(), sidecars.end(),
      [id](const std::string& a, const std::string& b) { return weigh(id, a) < weigh(id, b); });
}

LabelFanOut::LabelFanOut(const std::vector<ForwardedLabel>& labels,
                         std::vector<std::string> sidecars)
    : labels_(labels), sidecars_(std::move(sidecars)), standings_(labels.size()) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!labels[i].error.empty()) note(i, LabelOutcome::invalid, labels[i].error);
  }
}

std::vector<LabelFanOut::Question> LabelFanOut::questions() const {
  std::vector<std::size_t> valid;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i].error.empty()) valid.push_back(i);
  }
  return make_questions(valid);
}

std::vector<LabelFanOut::Question> LabelFanOut::ask_again() {
  std::vector<std::size_t> unknown;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    const Standing& standing = standings_[i];
    if (standing.best != LabelOutcome::unknown || !standing.silent.empty()) continue;
    unknown.push_back(i);
    standings_[i] = Standing{};
  }
  return make_questions(unknown);
}

std::vector<LabelFanOut::Question> LabelFanOut::make_questions(
    const std::vector<std::size_t>& which) const {
  std::vector<Question> questions;
  std::map<std::pair<std::string_view, bool>, std::size_t> open;  // Those that are not full.
  const auto put = [&](std::size_t label, const std::string& sidecar, bool fan_out) {
    const auto key = std::pair(std::string_view(sidecar), fan_out);
    auto place = open.find(key);
    if (place == open.end() || questions[place->second].labels.size() >= question_labels_max) {
      open[key] = questions.size();
      questions.push_back({.sidecar = sidecar, .fan_out = fan_out, .labels = {}, .body = ""});
      place = open.find(key);
    }
    Question& question = questions[place->second];
    question.labels.push_back(label);
    question.body += (question.body.empty() ? "[" : ",") + labels_[label].json;
  };
  for (const std::size_t label : which) {
    if (labels_[label].self_contained) {
      put(label, choose_sidecar(labels_[label].id, sidecars_), false);
    } else {
      for (const std::string& sidecar : sidecars_) put(label, sidecar, true);
    }
  }
  for (Question& question : questions) question.body += "]";
  return questions;
}

void LabelFanOut::note(std::size_t label, LabelOutcome outcome, std::string message) {
  Standing& standing = standings_[label];
  if (standing.answered && outcome >= standing.best) return;
  standing.answered = true;
  standing.best = outcome;
  standing.message = std::move(message);
}

void LabelFanOut::take_answer(const Question& question, const Result<std::string>& body) {
  const auto nobody = [&](const std::string& why) {
    for (const std::size_t label : question.labels) {
      standings_[label].silent.push_back(question.sidecar + " (" + why + ")");
    }
  };
  if (!body) return nobody(std::string(body.error().code));
  const auto json = wire::parse_json(*body);
  const auto results = json && json->is_object() ? json->find("results") : Json::const_iterator();
  if (!json || !json->is_object() || results == json->end() || !results->is_array() ||
      results->size() != question.labels.size()) {
    return nobody("an answer that is none of ours");
  }
  for (std::size_t i = 0; i < question.labels.size(); ++i) {
    const Json& one = (*results)[i];
    if (!one.is_object()) return nobody("an answer that is none of ours");
    note(question.labels[i], read_outcome(text_of(one, "result")), text_of(one, "message"));
  }
}

std::vector<LabelAnswer> LabelFanOut::answers() const {
  std::vector<LabelAnswer> answers;
  for (const Standing& standing : standings_) {
    const bool decided = standing.answered && standing.best <= LabelOutcome::invalid;
    if (decided || (standing.answered && standing.silent.empty())) {
      answers.push_back({standing.best, standing.message});
      continue;
    }
    std::string silent;
    for (const std::string& sidecar : standing.silent) silent += " " + sidecar;
    answers.push_back({LabelOutcome::unavailable, "not answered:" + silent});
  }
  return answers;
}

Result<std::vector<std::string>> LabelForwarder::resolve() const {
  std::set<std::string> urls;
  for (const std::string& sidecar : settings_.sidecars) {
    if (!sidecar.starts_with(dns_prefix)) {
      urls.insert(sidecar.ends_with('/') ? sidecar.substr(0, sidecar.size() - 1) : sidecar);
      continue;
    }
    auto found = addresses_of(std::string_view(sidecar).substr(dns_prefix.size()));
    if (!found) return fail(found);
    urls.merge(*found);
  }
  if (urls.empty())
    return fail("unresolved", "no sidecar is configured, or none has an address now");
  return std::vector<std::string>(urls.begin(), urls.end());
}

net::HttpResponse LabelForwarder::take(const net::HttpRequest& request) {
  const auto labels = read_forwarded_labels(request.body);
  if (!labels) {
    const std::lock_guard lock(mutex_);
    ++results_[static_cast<std::size_t>(LabelOutcome::invalid)];
    return net::error_response(labels.error().code == "too_many_labels" ? 413 : 400,
                               labels.error().code, labels.error().message);
  }
  auto sidecars = resolve();
  if (!sidecars) {
    net::HttpResponse response =
        net::error_response(503, sidecars.error().code, sidecars.error().message);
    response.headers.push_back({"Retry-After", "5"});
    return response;
  }
  LabelFanOut fan_out(*labels, std::move(*sidecars));
  ask(fan_out, fan_out.questions());
  if (const auto again = fan_out.ask_again(); !again.empty()) {
    std::this_thread::sleep_for(settings_.ask_again_after);
    ask(fan_out, again);
  }
  const std::vector<LabelAnswer> answers = fan_out.answers();
  count(*labels, answers);
  return make_response(*labels, answers);
}

void LabelForwarder::ask(LabelFanOut& fan_out,
                         const std::vector<LabelFanOut::Question>& questions) {
  std::atomic<std::size_t> next = 0;
  std::mutex taking;
  const auto work = [&] {
    net::HttpClient client;
    for (std::size_t at = next++; at < questions.size(); at = next++) {
      const Result<std::string> body = ask_one(client, questions[at]);
      const std::lock_guard lock(taking);
      fan_out.take_answer(questions[at], body);
      const std::lock_guard counting(mutex_);
      ++(body ? answered_ : failed_);
    }
  };
  std::vector<std::thread> threads;
  const std::size_t wanted = std::min(settings_.parallel_max, questions.size());
  for (std::size_t i = 1; i < wanted; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

Result<std::string> LabelForwarder::ask_one(net::HttpClient& client,
                                            const LabelFanOut::Question& question) const {
  net::ClientRequest request;
  request.method = "POST";
  const std::size_t at = std::min(question.sidecar.find('@'), question.sidecar.size());
  request.url =
      question.sidecar.substr(0, at) + "/api/v1/labels" + (question.fan_out ? "?fan-out=true" : "");
  if (at < question.sidecar.size()) request.connect_to = question.sidecar.substr(at + 1);
  request.headers = {{"Content-Type", "application/json"}};
  if (auto prepared = settings_.prepare(request); !prepared) return fail(prepared);
  request.body = question.body;
  request.timeout = settings_.timeout;
  auto response = client.send(request);
  if (!response) return fail(response);
  if (response->status != 200 && response->status != 400) {
    return fail("refused", "status " + std::to_string(response->status));
  }
  return std::move(response->body);
}

// A self-contained label is counted by the sidecar that took it.
void LabelForwarder::count(const std::vector<ForwardedLabel>& labels,
                           const std::vector<LabelAnswer>& answers) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const LabelOutcome outcome = answers[i].outcome;
    const bool everybodys = outcome == LabelOutcome::late || outcome == LabelOutcome::evicted ||
                            outcome == LabelOutcome::sampled_out ||
                            outcome == LabelOutcome::unknown || outcome == LabelOutcome::invalid;
    const bool ours = !labels[i].self_contained || outcome == LabelOutcome::unavailable;
    if (ours && (everybodys || outcome == LabelOutcome::unavailable)) {
      ++results_[static_cast<std::size_t>(outcome)];
    }
  }
}

void LabelForwarder::collect(wire::MetricSink& sink) {
  const std::lock_guard lock(mutex_);
  sink.family({"outrider_labels_total", wire::MetricType::counter,
               "Labels that came through the agent and that no sidecar has counted."});
  for (const LabelOutcome outcome :
       {LabelOutcome::invalid, LabelOutcome::late, LabelOutcome::evicted, LabelOutcome::sampled_out,
        LabelOutcome::unknown}) {
    sink.value(wire::SeriesKey({{"model_name", "unknown"},
                                {"model_version", "unknown"},
                                {"result", std::string(to_string(outcome))}}),
               static_cast<double>(results_[static_cast<std::size_t>(outcome)]));
  }
  sink.family({"outrider_agent_labels_unavailable_total", wire::MetricType::counter,
               "Labels refused with 503, as not every sidecar answered."});
  sink.value(wire::SeriesKey(outrider::Labels{}),
             static_cast<double>(results_[static_cast<std::size_t>(LabelOutcome::unavailable)]));
  sink.family({"outrider_agent_label_questions_total", wire::MetricType::counter,
               "Requests with labels to sidecars, by outcome."});
  sink.value(wire::SeriesKey({{"outcome", "answered"}}), static_cast<double>(answered_));
  sink.value(wire::SeriesKey({{"outcome", "failed"}}), static_cast<double>(failed_));
}

}  // namespace outrider::ingest
