// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/slices.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::suspects {
namespace {

using incident::Slices;
using wire::Json;

constexpr std::size_t answer_bytes_max = 1 << 20;

struct Read {
  Json answer;
  std::string summary;
  bool names_slices = false;
  double p = 1;
  double rows = 0;
};

Result<Read> read_answer(const std::string& body) {
  const auto json = wire::parse_json(body);
  if (!json) return fail(json);
  try {
    Read out;
    out.summary = json->at("summary");
    out.names_slices = json->at("verdict") == "slices";
    out.rows = json->at("since").is_string() ? json->at("after").at("rows").get<double>() : 0;
    for (const Json& slice : json->at("slices"))
      out.p = std::min(out.p, slice.at("p").get<double>());
    out.answer = *json;
    return out;
  } catch (const Json::exception& error) {
    return fail("bad_answer", std::string("not an answer about slices: ") + error.what());
  }
}

}  // namespace

Slices choose_slices(const std::vector<SliceAnswer>& answers, Time now) {
  Slices out;
  out.asked_at = now;
  out.asked = answers.size();
  std::optional<Read> best;
  std::string why;
  for (const auto& [sidecar, body] : answers) {
    const auto read = body ? read_answer(*body) : Result<Read>(fail(body));
    if (!read) {
      // "unknown_model": another model's sidecar, which is no reason.
      if (why.empty() || why.find("unknown_model") != std::string::npos)
        why = sidecar + ": " + read.error().message;
      continue;
    }
    ++out.answered;
    const bool better =
        !best || std::pair(read->names_slices, read->names_slices ? -read->p : read->rows) >
                     std::pair(best->names_slices, best->names_slices ? -best->p : best->rows);
    if (!better) continue;
    best = *read;
    out.from = sidecar;
  }
  if (best) {
    out.answer = std::move(best->answer);
    out.summary = best->summary + " (by " + out.from + "; " + std::to_string(out.answered) +
                  " of " + std::to_string(out.asked) + " sidecars answered, each for its own rows)";
  } else {
    out.summary = answers.empty() ? "not known: no sidecar is given to ask (--labels.sidecars)"
                                  : "not known: " + why;
  }
  return out;
}

Slices ask_slices(net::HttpClient& client, const std::vector<std::string>& sidecars,
                  const incident::Incident& incident, const SliceBounds& bounds,
                  const Clock& clock) {
  std::vector<SliceAnswer> answers;
  const Time end = clock.now() + bounds.total;
  for (const std::string& sidecar : sidecars) {
    if (answers.size() >= bounds.sidecars_max || clock.now() >= end) break;
    if (bounds.cancelled != nullptr && *bounds.cancelled) break;
    std::string url = sidecar + "/api/v1/slices?model=" + percent_encode(incident.model);
    if (!incident.version.empty()) url += "&version=" + percent_encode(incident.version);
    if (incident.since) url += "&since=" + percent_encode(format_rfc3339(*incident.since));
    net::ClientRequest request{.method = "GET",
                               .url = url,
                               .timeout = bounds.timeout,
                               .connect_timeout = std::chrono::seconds(1),
                               .body_bytes_max = answer_bytes_max,
                               .cancelled = bounds.cancelled};
    const Result<void> prepared = bounds.prepare ? bounds.prepare(request) : Result<void>{};
    const auto response =
        prepared ? client.send(request) : Result<net::ClientResponse>(fail(prepared));
    if (!response) {
      answers.emplace_back(sidecar, fail(response));
    } else if (response->status != 200) {
      const auto json = wire::parse_json(response->body);
      std::string message = "status " + std::to_string(response->status);
      if (json && json->is_object() && json->contains("error") && json->contains("message"))
        message = (*json)["error"].dump() + " " + (*json)["message"].dump();
      answers.emplace_back(sidecar, fail("refused", message));
    } else {
      answers.emplace_back(sidecar, response->body);
    }
  }
  return choose_slices(answers, clock.now());
}

}  // namespace outrider::suspects
