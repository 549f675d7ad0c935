// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/slices.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/core/text.h"
#include "base/wire/json.h"
#include "detectors/pane_looks.h"
#include "reference/slice_counts.h"

namespace outrider::suspects {
namespace {

using detectors::ErrorSlices;
using incident::Incident;
using incident::Slices;
using wire::Json;

constexpr std::size_t answer_bytes_max = 8 << 20;
constexpr std::uint64_t rows_each_min = 10'000;
constexpr std::size_t told_max = 3;  // Sidecars that did not answer, by name.

// "http://10.0.0.7:9501" -> "10.0.0.7:9501"; of "https://NAME:PORT@ADDRESS" the address and port.
std::string authority_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  std::string rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
  const std::size_t at = rest.find('@');
  if (at != std::string::npos) {
    const std::size_t colon = rest.rfind(':', at);
    rest = rest.substr(at + 1) + (colon < at ? rest.substr(colon, at - colon) : "");
  }
  return rest.substr(0, rest.find('/'));
}

std::string host_of(const std::string& authority) {
  const std::size_t colon = authority.rfind(':');
  return authority.find(']', colon == std::string::npos ? 0 : colon) == std::string::npos
             ? authority.substr(0, colon)
             : authority;
}

// One sidecar's counts.
struct Counted {
  std::string sidecar, version, reference;
  ErrorSlices counts;
  double design_effect = 1;
  bool provisional = false, complete = true;
  std::string from;  // Of the rows before, RFC 3339.
};

Result<Counted> read_answer(const std::string& body, std::uint64_t rows_max) {
  const auto json = wire::parse_json(body);
  if (!json) return fail(json);
  if (!json->is_object() || !json->contains("counts"))
    return fail("bad_answer", "its answer has no counts: it is older than this agent");
  auto counts = reference::read_counts(json->at("counts"), rows_max);
  if (!counts) return fail(counts);
  try {
    return Counted{json->at("sidecar"),
                   json->at("version"),
                   json->at("reference"),
                   std::move(*counts),
                   json->at("design_effect"),
                   json->at("provisional"),
                   json->at("before").at("complete").get<bool>() &&
                       json->at("after").at("complete").get<bool>(),
                   json->at("before").at("from")};
  } catch (const Json::exception& error) {
    return fail("bad_answer", std::string("not an answer about slices: ") + error.what());
  }
}

// The counts of pods that agree on version and reference, added.
struct Sum {
  Counted total;
  std::size_t sidecars = 1;
};

// What became of the asking, for the sentence.
struct Asked {
  std::size_t of_model = 0;  // Less those that serve other models.
  std::size_t left_out = 0;  // Another version or reference.
  std::vector<std::string> silent;
  std::string strangers;  // Why one that serves other models has no answer.
};

std::map<std::pair<std::string, std::string>, Sum> add_up(const std::vector<SliceAnswer>& answers,
                                                          std::uint64_t rows_max, Asked& asked) {
  std::map<std::pair<std::string, std::string>, Sum> sums;
  std::set<std::string> taken;
  for (const auto& [url, body] : answers) {
    auto read = body ? read_answer(*body, rows_max) : Result<Counted>(fail(body));
    if (!read) {
      const std::string why = url + ": " + read.error().message;
      const bool stranger = read.error().code == "unknown_model";
      if (stranger) {
        asked.strangers = why;
      } else {
        asked.silent.push_back(why);
        ++asked.of_model;
      }
      continue;
    }
    if (!taken.insert(read->sidecar).second) continue;
    ++asked.of_model;
    const std::pair key(read->version, read->reference);
    const auto found = sums.find(key);
    if (found == sums.end()) {
      sums.emplace(key, Sum{std::move(*read), 1});
      continue;
    }
    Counted& total = found->second.total;
    if (!total.counts.merge(read->counts)) {
      ++asked.left_out;
      continue;
    }
    ++found->second.sidecars;
    total.design_effect = std::max(total.design_effect, read->design_effect);
    total.provisional = total.provisional || read->provisional;
    total.complete = total.complete && read->complete;
    total.from = std::min(total.from, read->from);
  }
  return sums;
}

// " (2 of 3 sidecars of the model; http://c: no route)".
std::string told_of(const Asked& asked, const Sum& sum, const std::string& note) {
  std::string text = " (" + std::to_string(sum.sidecars) + " of " + std::to_string(asked.of_model) +
                     " sidecars of the model";
  if (sum.sidecars == asked.of_model) {
    text = sum.sidecars == 1 ? " (the model's only sidecar"
                             : " (all " + std::to_string(sum.sidecars) + " sidecars of the model";
  }
  if (asked.left_out > 0) {
    text +=
        "; " + std::to_string(asked.left_out) + " with another version or reference are not in it";
  }
  for (std::size_t i = 0; i < asked.silent.size() && i < told_max; ++i)
    text += "; " + asked.silent[i];
  if (asked.silent.size() > told_max)
    text += "; " + std::to_string(asked.silent.size() - told_max) + " more did not answer";
  if (!sum.total.complete) text += "; not all rows were read";
  if (!note.empty()) text += "; " + note;
  return text + ")";
}

Json side_json(const detectors::ErrorCount& count, const std::string& from, bool complete) {
  Json json = reference::count_json(count);
  json["from"] = from;
  json["complete"] = complete;
  return json;
}

bool is_of_this_episode(const Incident& incident) {
  return incident.slices && incident.slices->asked_at >= incident.episode_at &&
         incident.slices->answer.is_object() && incident.slices->answer.contains("looks");
}

// The looks that were taken at this version, reference and change.
std::uint8_t looks_taken(const Incident& incident, const Counted& counted,
                         const SliceSince& since) {
  if (!is_of_this_episode(incident)) return 0;
  const Json& answer = incident.slices->answer;
  const bool same = answer.value("version", "") == counted.version &&
                    answer.value("reference", "") == counted.reference &&
                    answer.value("since", "") == format_rfc3339(since.at);
  return same ? static_cast<std::uint8_t>(std::clamp(answer["looks"].get<int>(), 0, 255)) : 0;
}

// The sum, judged; the earlier answer where no look is due.
Slices judged(Slices out, const Asked& asked, const Sum& sum, const std::string& note,
              const Incident& incident) {
  const Counted& counted = sum.total;
  const SliceSince since = slice_since(incident);
  detectors::SliceRule rule;
  detectors::PaneLooks looks(rule.rows_min);
  looks.restore(looks_taken(incident, counted, since));
  const std::uint64_t rows = counted.counts.all().since.rows;
  const double share = 2 * looks.due(rows);
  if (share == 0 && looks.taken() > 0) return *incident.slices;
  rule.alpha *= share > 0 ? share : 1;  // Else there are too few rows, and nothing is named.
  rule.design_effect = std::max(1.0, counted.design_effect);
  const detectors::SliceReport report = counted.counts.judge(rule);
  if (report.verdict != detectors::SliceVerdict::too_few_rows) looks.take(rows);
  out.summary = report.sentence + told_of(asked, sum, note);
  out.from = std::to_string(sum.sidecars) + " sidecars";
  out.answer = {{"model", incident.model},
                {"version", counted.version},
                {"since", format_rfc3339(since.at)},
                {"since_from", since.from},
                {"verdict", to_string(report.verdict)},
                {"summary", report.sentence},
                {"before", side_json(report.all.before, counted.from, counted.complete)},
                {"after", side_json(report.all.since, format_rfc3339(since.at), counted.complete)},
                {"tested", report.tested},
                {"alpha", rule.alpha},
                {"slices", reference::slices_json(report)},
                {"next_look_rows", looks.next_rows()},
                {"looks", looks.taken()},
                {"reference", counted.reference},
                {"provisional", counted.provisional},
                {"sidecars", sum.sidecars}};
  return out;
}

Result<std::string> ask_one(net::HttpClient& client, const std::string& url,
                            const std::string& path, bool with_credentials,
                            const SliceBounds& bounds) {
  const std::size_t at = std::min(url.find('@'), url.size());
  net::ClientRequest request{.method = "GET",
                             .url = url.substr(0, at) + path,
                             .timeout = bounds.timeout,
                             .connect_timeout = std::chrono::seconds(1),
                             .body_bytes_max = answer_bytes_max,
                             .cancelled = bounds.cancelled};
  if (at < url.size()) request.connect_to = url.substr(at + 1);
  if (with_credentials && bounds.prepare) {
    if (auto prepared = bounds.prepare(request); !prepared) return fail(prepared);
  }
  auto response = client.send(request);
  if (!response) return fail(response);
  if (response->status == 200) return std::move(response->body);
  const auto json = wire::parse_json(response->body);
  std::string code = "refused", message = "status " + std::to_string(response->status);
  if (json && json->is_object() && json->contains("error") && (*json)["error"].is_string()) {
    code = (*json)["error"];
    message += " " + (*json)["error"].dump() + " " + json->value("message", Json()).dump();
  }
  const bool elsewhere = response->status == 401 || response->status == 403 ||
                         (response->status == 404 && code != "unknown_model");
  if (elsewhere && !with_credentials) {
    message +=
        "; name the sidecars' labels port (--labels.sidecars): whom only Prometheus names is asked "
        "where it scrapes, without a token";
  }
  return fail(code, message);
}

}  // namespace

SliceSidecars choose_sidecars(const std::vector<std::string>& configured,
                              const std::vector<std::string>& instances) {
  if (configured.empty()) {
    SliceSidecars found{{}, false, ""};
    for (const std::string& instance : instances) found.urls.push_back("http://" + instance);
    return found;
  }
  const std::set<std::string> known(instances.begin(), instances.end());
  std::set<std::string> hosts, matched;
  for (const std::string& instance : instances) hosts.insert(host_of(instance));
  SliceSidecars exact, by_host;
  for (const std::string& url : configured) {
    const std::string authority = authority_of(url);
    if (known.contains(authority)) exact.urls.push_back(url);
    if (hosts.contains(host_of(authority))) {
      by_host.urls.push_back(url);
      matched.insert(host_of(authority));
    }
  }
  SliceSidecars found = !exact.urls.empty() ? exact : by_host;
  if (found.urls.empty()) {
    return {configured, true,
            "Prometheus does not tell which of them serve this workload, so all were asked"};
  }
  const std::size_t missing =
      exact.urls.empty() ? hosts.size() - matched.size() : known.size() - exact.urls.size();
  if (missing > 0)
    found.note = std::to_string(missing) + " that Prometheus knows are not in --labels.sidecars";
  return found;
}

std::vector<std::string> model_instances(query::Prometheus& prometheus, const Incident& incident,
                                         Duration timeout) {
  const auto values = query::query_of(
      prometheus, incident,
      "group by (instance, job, workload) (last_over_time(outrider_predictions_total{" +
          query::model_matchers(incident) + "}[30m]))",
      timeout);
  std::set<std::string> instances;
  for (const query::InstantValue& value : values.value_or(std::vector<query::InstantValue>())) {
    const std::string_view instance = value.labels.get("instance");
    // HOST:PORT, and nothing that would make another URL of it.
    if (!instance.empty() && instance.find_first_of("/@?# ") == std::string_view::npos)
      instances.emplace(instance);
  }
  return {instances.begin(), instances.end()};
}

SliceSince slice_since(const Incident& incident) {
  if (is_of_this_episode(incident)) {
    const Json& answer = incident.slices->answer;
    if (const auto at = parse_rfc3339(answer.value("since", "")))
      return {*at, answer.value("since_from", "alarm")};
  }
  if (incident.since) return {*incident.since, "alarm"};
  return {incident.episode_at, "alert"};
}

Slices sum_slices(const std::vector<SliceAnswer>& answers, const SliceSidecars& sidecars,
                  const Incident& incident, std::uint64_t rows_max, Time now) {
  Slices out;
  out.asked_at = now;
  out.asked = sidecars.urls.size();
  Asked asked;
  const auto sums = add_up(answers, rows_max, asked);
  asked.of_model += sidecars.urls.size() - answers.size();
  if (sidecars.urls.size() > answers.size()) {
    asked.silent.push_back(std::to_string(sidecars.urls.size() - answers.size()) +
                           " were not asked: the time or their number is bounded");
  }
  const Sum* best = nullptr;
  for (const auto& [key, sum] : sums) {
    out.answered += sum.sidecars;
    const auto rows = [](const Sum& of) { return of.total.counts.all().since.rows; };
    if (best == nullptr || rows(sum) > rows(*best)) best = &sum;
  }
  if (best == nullptr) {
    out.summary = "not known: ";
    if (sidecars.urls.empty()) {
      out.summary += "no sidecar is given to ask (--labels.sidecars), and Prometheus knows of none";
    } else {
      out.summary += asked.silent.empty() ? asked.strangers : asked.silent.front();
    }
    return out;
  }
  asked.left_out += out.answered - best->sidecars;
  return judged(std::move(out), asked, *best, sidecars.note, incident);
}

Slices ask_slices(const SliceSidecars& sidecars, const Incident& incident,
                  const SliceBounds& bounds, const Clock& clock) {
  const std::size_t count = std::min(sidecars.urls.size(), bounds.sidecars_max);
  const std::uint64_t rows =
      std::max(rows_each_min, bounds.rows_max / std::max<std::size_t>(count, 1));
  std::string path = "/api/v1/slices?counts=true&rows=" + std::to_string(rows) +
                     "&model=" + percent_encode(incident.model) +
                     "&since=" + percent_encode(format_rfc3339(slice_since(incident).at));
  if (!incident.version.empty()) path += "&version=" + percent_encode(incident.version);
  const Time end = clock.now() + bounds.total;
  std::mutex mutex;
  std::size_t next = 0;
  std::vector<SliceAnswer> answers;
  const auto work = [&] {
    net::HttpClient client;
    while (true) {
      std::string url;
      {
        const std::lock_guard lock(mutex);
        const bool cancelled = bounds.cancelled != nullptr && *bounds.cancelled;
        if (cancelled || next >= count || clock.now() >= end) return;
        url = sidecars.urls[next++];
      }
      Result<std::string> body = ask_one(client, url, path, sidecars.configured, bounds);
      const std::lock_guard lock(mutex);
      answers.emplace_back(url, std::move(body));
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(bounds.at_once, count); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  std::sort(answers.begin(), answers.end(),
            [](const SliceAnswer& a, const SliceAnswer& b) { return a.first < b.first; });
  return sum_slices(answers, sidecars, incident, rows, clock.now());
}

}  // namespace outrider::suspects
