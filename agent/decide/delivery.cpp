// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/delivery.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/wire/retry_after.h"

namespace outrider::decide {
namespace {

using wire::Json;

constexpr Duration retry_after_max = std::chrono::minutes(15);
constexpr std::size_t quote_bytes_max = 300;  // Of a receiver's words in a reason.

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, quote_bytes_max)) {
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return line + (text.size() > quote_bytes_max ? "…" : "");
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(),
                     [word](const std::string& one) { return iequals_ascii(one, word); });
}

// The text at a JSON pointer; "" when there is none.
std::string text_at(const Json& json, const std::string& pointer) {
  try {
    const Json& found = json.at(Json::json_pointer(pointer));
    return found.is_string() ? found.get<std::string>()
           : found.is_null() ? ""
                             : wire::to_text(found);
  } catch (const Json::exception&) {
    return {};
  }
}

// What the receiver says in words, by the names that receivers use.
std::string said_by(const Json& json) {
  if (!json.is_object()) return {};
  for (const char* key : {"message", "detail", "reason", "result", "error"}) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_string())
      return one_line(found->get_ref<const std::string&>());
  }
  return {};
}

std::string status_text(const Answer& answer) {
  const auto json = wire::parse_json(answer.body);
  const std::string words = json ? said_by(*json) : one_line(answer.body);
  return "HTTP " + std::to_string(answer.status) + (words.empty() ? "" : ": " + words);
}

bool is_retried(int status) {
  return status == 0 || status >= 500 || status == 429 || status == 408;
}

// A 202 that names a job: where it is asked for.
Report report_of_acceptance(const Delivery& delivery, const Answer& answer) {
  const JobWatch& job = delivery.job;
  Report report{.what = Report::What::done, .text = "accepted, " + status_text(answer)};
  if (answer.status != 202 || !job.enabled) return report;
  std::string reference = answer.location;
  if (!job.url_pointer.empty()) {
    const auto json = wire::parse_json(answer.body);
    reference = json ? text_at(*json, job.url_pointer) : "";
  }
  if (reference.empty()) return report;
  const auto url = resolve_job_url(delivery.url, reference);
  if (!url) {
    report.text = "accepted; its job is not watched: " + url.error().message;
    return report;
  }
  return {.what = Report::What::going_on,
          .text = "accepted; its job is watched at " + *url,
          .receipt = {{"job_url", *url}},
          .again = job.every};
}

std::string origin_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  return std::string(url.substr(0, std::min(url.find_first_of("/?#", scheme + 3), url.size())));
}

Report report_of_attempt(const Delivery& delivery, const Answer& answer, Time now) {
  const auto& accept = delivery.accept;
  const bool accepted = std::find(accept.begin(), accept.end(), answer.status) != accept.end();
  if (accepted || (answer.status >= 200 && answer.status < 300)) {
    return report_of_acceptance(delivery, answer);
  }
  if (is_retried(answer.status)) {
    Report report{.what = Report::What::failed,
                  .text = answer.status == 0 ? answer.error : status_text(answer)};
    if (const auto asked = wire::parse_retry_after(answer.retry_after, now)) {
      report.again = std::clamp(*asked, Duration{}, retry_after_max);
    }
    // 408 and 429 are said before anything is done.
    report.may_have_acted = answer.status == 0 ? answer.was_sent : answer.status >= 500;
    return report;
  }
  Report report{.what = Report::What::refused, .text = "refused, " + status_text(answer)};
  if (answer.status >= 300 && answer.status < 400) {
    report.text = "HTTP " + std::to_string(answer.status) + " to " + one_line(answer.location) +
                  ": redirects are not followed; name the final URL in the policy";
  }
  return report;
}

}  // namespace

Report report_of(const Delivery& delivery, const Answer& answer, Time now) {
  Report report = report_of_attempt(delivery, answer, now);
  report.status = answer.status;
  return report;
}

Report report_of_job(const Delivery& delivery, const Answer& answer) {
  const JobWatch& job = delivery.job;
  const auto json = answer.status == 200 ? wire::parse_json(answer.body) : Result<Json>(Json());
  const std::string state = json ? text_at(*json, job.state_pointer) : "";
  const std::string words = json ? said_by(*json) : "";
  const std::string said = state + (words.empty() ? "" : ": " + words);
  if (contains(job.succeeded, state))
    return {.what = Report::What::done, .text = "the job " + said};
  if (contains(job.failed, state)) {
    return {.what = Report::What::refused, .text = "the job " + said, .may_have_acted = true};
  }
  if (answer.status == 404 || answer.status == 410) {
    return {.what = Report::What::refused,
            .text = "the receiver no longer knows the job, " + status_text(answer),
            .may_have_acted = true};
  }
  const std::string none = answer.status ? status_text(answer) : answer.error;
  return {.what = Report::What::going_on,
          .text = state.empty() ? "no state from it: " + none
                                : state + (words.empty() ? "" : ", " + words),
          .again = job.every};
}

Result<std::string> resolve_job_url(const std::string& request_url, const std::string& reference) {
  const std::string origin = origin_of(request_url);
  if (reference.starts_with("/") && !reference.starts_with("//")) return origin + reference;
  if (reference.find("://") != std::string::npos && origin_of(reference) == origin)
    return reference;
  return fail("bad_job_url", "'" + one_line(reference) + "' is not of " + origin);
}

}  // namespace outrider::decide
