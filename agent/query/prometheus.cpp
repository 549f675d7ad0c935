// SPDX-License-Identifier: Apache-2.0
#include "agent/query/prometheus.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "agent/query/inputs_since.h"
#include "base/core/text.h"
#include "base/net/address.h"
#include "base/wire/json.h"

namespace outrider::query {
namespace {

using incident::Facts;
using wire::Json;

constexpr std::size_t instant_answer_bytes_max = 16 << 20;
constexpr double seconds_max = 9e9;  // A Time holds that.
constexpr std::size_t subjects_max = 1'000;
constexpr std::size_t reason_bytes_max = 200;
constexpr std::array<std::string_view, 4> states = {"warming_up", "stable", "warning", "drift"};

std::size_t gravity(std::string_view state) {
  return static_cast<std::size_t>(std::find(states.begin(), states.end(), state) - states.begin());
}

// [time, "value"].
Result<double> sample_value(const Json& pair) {
  if (pair.is_array() && pair.size() == 2 && pair[1].is_string()) {
    if (const auto value = parse_double(pair[1].get_ref<const std::string&>())) return *value;
  }
  return fail("bad_answer", "a sample is not [time, \"value\"]");
}

Result<Labels> read_labels(const Json& metric) {
  if (!metric.is_object()) return fail("bad_answer", "'metric' is no object");
  Labels labels;
  for (const auto& [label, text] : metric.items()) {
    if (!text.is_string()) return fail("bad_answer", "a label is no text");
    labels.set(label, text.get_ref<const std::string&>());
  }
  return labels;
}

Result<std::vector<InstantValue>> read_vector(const Json& result) {
  std::vector<InstantValue> values;
  if (!result.is_array()) return fail("bad_answer", "'result' is no list");
  for (const Json& series : result) {
    if (!series.is_object() || !series.contains("metric") || !series.contains("value")) {
      return fail("bad_answer", "a series lacks 'metric' or 'value'");
    }
    const auto value = sample_value(series["value"]);
    if (!value) return fail(value);
    auto labels = read_labels(series["metric"]);
    if (!labels) return fail(labels);
    values.push_back({std::move(*labels), *value});
  }
  return values;
}

// The `data` of a successful answer, which has a `result`.
Result<Json> answer_data(std::string_view body) {
  const auto json = wire::parse_json(body);
  if (!json) return fail(json);
  if (!json->is_object()) return fail("bad_answer", "the answer is no object");
  if (json->value("status", Json()) != "success") {
    const Json error = json->value("error", Json());
    return fail("query_failed", error.is_string() ? error.get<std::string>() : "no reason given");
  }
  const auto data = json->find("data");
  if (data == json->end() || !data->is_object() || !data->contains("result")) {
    return fail("bad_answer", "the answer has no data.result");
  }
  return *data;
}

std::string workload_of(const InstantValue& value) {
  return incident::identity_of(value.labels).workload;
}

}  // namespace

std::string promql_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string regex_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string model_matchers(const incident::Incident& incident, bool with_version) {
  std::string text = "model_name=" + promql_text(incident.model);
  if (with_version && !incident.version.empty()) {
    text += ",model_version=" + promql_text(incident.version);
  }
  if (!incident.cluster.empty()) {
    text += ",cluster=~" + promql_text(regex_text(incident.cluster) + "|");
  }
  if (!incident.name_space.empty()) text += ",namespace=" + promql_text(incident.name_space);
  return text;
}

Result<std::vector<InstantValue>> parse_instant_answer(std::string_view body) {
  const auto data = answer_data(body);
  if (!data) return fail(data);
  const Json type = data->value("resultType", Json());
  if (type == "vector") return read_vector((*data)["result"]);
  if (type == "scalar") {
    const auto value = sample_value((*data)["result"]);
    if (!value) return fail(value);
    return std::vector<InstantValue>{{{}, *value}};
  }
  return fail("bad_answer", "expected an instant vector or a scalar");
}

Result<std::vector<Series>> parse_range_answer(std::string_view body) {
  const auto data = answer_data(body);
  if (!data) return fail(data);
  const Json& result = (*data)["result"];
  if (data->value("resultType", Json()) != "matrix" || !result.is_array()) {
    return fail("bad_answer", "expected a matrix, as range queries give");
  }
  std::vector<Series> all;
  for (const Json& one : result) {
    if (!one.is_object() || !one.contains("metric") || !one.contains("values") ||
        !one["values"].is_array()) {
      return fail("bad_answer", "a series lacks 'metric' or 'values'");
    }
    auto labels = read_labels(one["metric"]);
    if (!labels) return fail(labels);
    Series series{std::move(*labels), {}};
    series.samples.reserve(one["values"].size());
    for (const Json& pair : one["values"]) {
      const auto value = sample_value(pair);
      if (!value) return fail(value);
      const Json& time = pair[0];
      if (!time.is_number() || !(std::fabs(time.get<double>()) < seconds_max)) {
        return fail("bad_answer", "a sample's time is no number of seconds");
      }
      series.samples.push_back({std::llround(time.get<double>() * 1000), *value});
    }
    all.push_back(std::move(series));
  }
  return all;
}

Prometheus::Prometheus(std::string url, Duration timeout)
    : Prometheus(
          std::move(url), [](net::ClientRequest&) -> Result<void> { return {}; }, timeout) {}

Prometheus::Prometheus(std::string url, Prepare prepare, Duration timeout)
    : url_(net::without_slash(std::move(url))), prepare_(std::move(prepare)), timeout_(timeout) {}

Result<net::ClientResponse> Prometheus::post(const std::string& path, std::string form,
                                             std::size_t answer_bytes_max, Duration timeout) {
  net::ClientRequest request{
      .method = "POST",
      .url = url_ + path,
      .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
      .body = std::move(form),
      .timeout = timeout,
      .connect_timeout = std::min<Duration>(timeout, std::chrono::seconds(1)),
      .body_bytes_max = answer_bytes_max};
  if (prepare_) {
    if (auto prepared = prepare_(request); !prepared) return fail(prepared);
  }
  auto response = client_.send(request);
  // What is no API of Prometheus's says in its own words what it did not like.
  if (response && response->status >= 400 && !trim(response->body).starts_with('{')) {
    return fail("query_failed", "status " + std::to_string(response->status) + ": " +
                                    std::string(trim(response->body).substr(0, reason_bytes_max)));
  }
  return response;
}

Result<std::vector<InstantValue>> Prometheus::query(const std::string& promql,
                                                    std::optional<Duration> timeout) {
  const auto response = post("/api/v1/query", "query=" + percent_encode(promql),
                             instant_answer_bytes_max, timeout.value_or(timeout_));
  if (!response) return fail(response);
  return parse_instant_answer(response->body);
}

Result<std::vector<Series>> Prometheus::query_range(const std::string& promql, Time start, Time end,
                                                    Duration step, std::size_t bytes_max,
                                                    std::optional<Duration> timeout) {
  // Encoded, because the shortest form of 1.7e+09 holds a plus, which is a blank in a form.
  const auto encoded = [](double value) { return percent_encode(format_double(value)); };
  const auto seconds = [&](Time time) {
    return encoded(static_cast<double>(to_unix_ms(time)) / 1000);
  };
  const auto response = post("/api/v1/query_range",
                             "query=" + percent_encode(promql) + "&start=" + seconds(start) +
                                 "&end=" + seconds(end) + "&step=" + encoded(to_seconds(step)),
                             bytes_max, timeout.value_or(timeout_));
  if (!response) return fail(response);
  return parse_range_answer(response->body);
}

std::vector<Facts::Subject> make_subjects(const std::vector<InstantValue>& verdicts,
                                          const std::vector<InstantValue>& scores,
                                          const std::vector<InstantValue>& moved) {
  std::map<std::string, std::array<double, states.size()>> shares;  // Of pods, by state.
  for (const InstantValue& verdict : verdicts) {
    const std::string name(verdict.labels.get("subject"));
    const std::size_t state = gravity(verdict.labels.get("state"));
    if (!(verdict.value > 0) || name.empty() || name == "prediction" || state >= states.size()) {
      continue;
    }
    if (!shares.contains(name) && shares.size() >= subjects_max) continue;
    shares[name][state] += verdict.value;
  }
  std::map<std::string, Facts::Subject> subjects;
  for (const auto& [name, of] : shares) {
    const double half = std::accumulate(of.begin(), of.end(), 0.0) / 2;
    std::size_t state = states.size() - 1;
    double as_grave = of[state];
    while (state > 0 && as_grave <= half) as_grave += of[--state];
    subjects[name] = {name, std::string(states[state]), std::nullopt};
  }
  for (const InstantValue& feature : moved) {
    const auto found = subjects.find(std::string(feature.labels.get("feature")));
    if (found != subjects.end()) found->second.state = "drift";
  }
  for (const InstantValue& score : scores) {
    const auto found = subjects.find(std::string(score.labels.get("subject")));
    if (found != subjects.end() && std::isfinite(score.value)) found->second.score = score.value;
  }
  std::vector<Facts::Subject> list;
  for (auto& [name, subject] : subjects) list.push_back(std::move(subject));
  return list;
}

std::vector<InstantValue> of_workload(std::vector<InstantValue> values,
                                      const incident::Identity& who) {
  const auto is_of = [](const std::string& workload) {
    return [&workload](const InstantValue& value) { return workload_of(value) == workload; };
  };
  if (values.empty()) return values;
  if (std::any_of(values.begin(), values.end(), is_of(who.workload))) {
    std::erase_if(values, std::not_fn(is_of(who.workload)));
    return values;
  }
  const std::string first = workload_of(values.front());
  if (!std::all_of(values.begin(), values.end(), is_of(first))) values.clear();
  return values;
}

Result<std::vector<InstantValue>> query_of(Prometheus& prometheus,
                                           const incident::Incident& incident,
                                           const std::string& promql,
                                           std::optional<Duration> timeout) {
  auto values = prometheus.query(promql, timeout);
  if (!values) return values;
  return of_workload(std::move(*values), incident.identity());
}

Facts gather_facts(Prometheus& prometheus, const incident::Incident& incident, Time now) {
  Facts facts{.asked_at = now, .trouble = {}, .subjects = {}, .since = {}, .owner = {}};
  if (incident.model.empty()) return facts;
  const std::string model = model_matchers(incident);
  const auto ask = [&](const std::string& query) { return query_of(prometheus, incident, query); };
  const auto verdicts =
      ask("sum by (job, workload, subject, state) (outrider_drift_verdict{" + model + "})");
  if (!verdicts) {
    facts.trouble = "Prometheus did not answer: " + verdicts.error().message;
    return facts;
  }
  const auto scores =
      ask("max by (job, workload, subject) (outrider_drift_score{" + model + ",test=\"psi\"})");
  // What the shipped rules find in the summed bins; nothing where they are not loaded.
  const auto moved =
      ask("group by (job, workload, feature) (model:outrider_drift_moved:group{" + model + "})");
  facts.subjects = make_subjects(*verdicts, scores.value_or(std::vector<InstantValue>()),
                                 moved.value_or(std::vector<InstantValue>()));
  // Each pod estimates the change from its own labels; the median is robust to one that began late.
  const auto since =
      ask("quantile by (job, workload) (0.5, outrider_accuracy_change_timestamp_seconds{" + model +
          "} > 0)");
  if (since && since->size() == 1 && since->front().value > 0 && since->front().value < 9e9) {
    facts.since =
        Time{} + std::chrono::milliseconds(static_cast<std::int64_t>(since->front().value * 1000));
  }
  if (const auto began = incident.since ? incident.since : facts.since) {
    auto comparison = compare_inputs_since(prometheus, incident, *began);
    if (comparison) {
      facts.comparison = std::move(*comparison);
    } else {
      facts.comparison_trouble = comparison.error().message;
    }
  }
  if (!incident.labels.get("owner").empty()) return facts;
  const auto owners = ask("group by (job, workload, owner) (model:outrider_model_info:labels{" +
                          model_matchers(incident, false) + "})");
  if (owners && owners->size() == 1) facts.owner = owners->front().labels.get("owner");
  return facts;
}

}  // namespace outrider::query
