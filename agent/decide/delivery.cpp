// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/delivery.h"

#include <algorithm>

#include "agent/incident/evidence.h"
#include "base/core/backoff.h"
#include "base/core/text.h"
#include "base/wire/retry_after.h"

namespace outrider::decide {
namespace {

using wire::Json;

constexpr Duration retry_after_max = std::chrono::minutes(15);
constexpr std::size_t quote_bytes_max = 300;  // Of a receiver's words in a reason.

void finish(Action& action, Outcome outcome, std::string reason, Time now) {
  action.stage = Stage::done;
  action.outcome = outcome;
  action.reason = std::move(reason);
  action.updated_at = now;
}

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

Duration backoff_delay(int attempts, double unit) {
  Backoff backoff(
      {.initial = std::chrono::seconds(1), .max = std::chrono::minutes(1), .jitter = 0.5});
  Duration delay{};
  for (int i = 0; i < std::min(attempts, 10); ++i) delay = backoff.next(unit);
  return delay;
}

std::string schedule_retry(Action& action, const Answer& answer, Time now, double unit) {
  const std::string what = answer.status == 0 ? answer.error : status_text(answer);
  Duration delay = backoff_delay(action.attempts, unit);
  if (const auto asked = wire::parse_retry_after(answer.retry_after, now)) {
    delay = std::clamp(*asked, Duration{}, retry_after_max);
  }
  const Time give_up_at = action.first_attempt_at.value_or(now) + action.delivery.retry_for;
  if (now + delay > give_up_at) {
    finish(action, Outcome::failed,
           "given up after " + std::to_string(action.attempts) +
               (action.attempts == 1 ? " attempt: " : " attempts: ") + what,
           now);
    return action.reason;
  }
  action.stage = Stage::queued;
  action.next_at = now + delay;
  action.updated_at = now;
  action.reason = "attempt " + std::to_string(action.attempts) + " failed (" + what +
                  "); next in " +
                  format_duration(std::chrono::round<std::chrono::milliseconds>(delay));
  return action.reason;
}

std::string take_acceptance(Action& action, const Answer& answer, Time now) {
  const JobWatch& job = action.delivery.job;
  if (answer.status == 202 && job.enabled) {
    std::string reference = answer.location;
    if (!job.url_pointer.empty()) {
      const auto json = wire::parse_json(answer.body);
      reference = json ? text_at(*json, job.url_pointer) : "";
    }
    const auto url = resolve_job_url(action.delivery.url, reference);
    if (!reference.empty() && url) {
      action.stage = Stage::watching;
      action.job_url = *url;
      action.watched_since = now;
      action.next_at = now + job.every;
      action.updated_at = now;
      action.reason = "accepted; its job is watched at " + *url;
      return action.reason;
    }
    if (!reference.empty()) {
      finish(action, Outcome::succeeded, "accepted; its job is not watched: " + url.error().message,
             now);
      return action.reason;
    }
  }
  finish(action, Outcome::succeeded, "accepted, " + status_text(answer), now);
  return action.reason;
}

std::string origin_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  return std::string(url.substr(0, std::min(url.find_first_of("/?#", scheme + 3), url.size())));
}

Failure not_held(const Action& action) {
  return fail("not_held", "action " + action.id + " is " + std::string(name(action.outcome)) +
                              " (" + std::string(name(action.stage)) +
                              "): nothing waits for a person");
}

}  // namespace

void begin_attempt(Action& action, Time now) {
  ++action.attempts;
  if (!action.first_attempt_at) action.first_attempt_at = now;
  action.stage = Stage::sending;
  action.outcome = Outcome::sent;
  action.reason = "attempt " + std::to_string(action.attempts) + " is on its way";
  action.updated_at = now;
}

std::string take_answer(Action& action, const Answer& answer, Time now, double unit) {
  const auto& accept = action.delivery.accept;
  const bool accepted = std::find(accept.begin(), accept.end(), answer.status) != accept.end();
  if (accepted || (answer.status >= 200 && answer.status < 300)) {
    return take_acceptance(action, answer, now);
  }
  if (is_retried(answer.status)) return schedule_retry(action, answer, now, unit);
  std::string why = "refused, " + status_text(answer);
  if (answer.status >= 300 && answer.status < 400) {
    why = "HTTP " + std::to_string(answer.status) + " to " + one_line(answer.location) +
          ": redirects are not followed; name the final URL in the policy";
  }
  finish(action, Outcome::failed, std::move(why), now);
  return action.reason;
}

std::string take_job_answer(Action& action, const Answer& answer, Time now) {
  const JobWatch& job = action.delivery.job;
  const auto json = answer.status == 200 ? wire::parse_json(answer.body) : Result<Json>(Json());
  const std::string state = json ? text_at(*json, job.state_pointer) : "";
  const std::string words = json ? said_by(*json) : "";
  const std::string ended = "the job " + state + (words.empty() ? "" : ": " + words);
  if (contains(job.succeeded, state)) {
    finish(action, Outcome::succeeded, ended, now);
  } else if (contains(job.failed, state)) {
    finish(action, Outcome::failed, ended, now);
  } else if (answer.status == 404 || answer.status == 410) {
    finish(action, Outcome::failed, "the receiver no longer knows the job, " + status_text(answer),
           now);
  } else if (now - action.watched_since.value_or(now) > job.timeout) {
    finish(action, Outcome::failed,
           "the job did not end within " + format_duration(job.timeout) + "; its last state: " +
               (state.empty() ? (answer.status ? status_text(answer) : answer.error) : state),
           now);
  } else {
    action.next_at = now + job.every;
    action.reason = state.empty()
                        ? "watching the job; no state from it: " +
                              (answer.status ? status_text(answer) : answer.error)
                        : "watching the job: " + state + (words.empty() ? "" : ", " + words);
    return {};  // Nothing for the history: the job goes on.
  }
  return action.reason;
}

std::string take_up_again(Action& action, Time now) {
  if (action.stage != Stage::sending) return {};
  action.stage = Stage::queued;
  action.next_at = now;
  action.updated_at = now;
  action.reason = "the agent stopped before it heard the answer to attempt " +
                  std::to_string(action.attempts) + "; sent again with the same idempotency key";
  return action.reason;
}

bool call_off(Action& action, Time now) {
  if (action.stage == Stage::held && !action.needs_approval) {
    finish(action, action.outcome, action.reason, now);
  } else if (action.stage == Stage::held) {
    action.needs_approval = false;
    finish(action, Outcome::suppressed, "the incident ended before a person decided", now);
  } else if (action.stage == Stage::queued && changes_production(action.kind) && !action.attempts) {
    finish(action, Outcome::suppressed, "the incident ended first", now);
  } else if (action.stage == Stage::queued && changes_production(action.kind)) {
    finish(action, Outcome::failed, "the incident ended before it was accepted; " + action.reason,
           now);
  } else {
    return false;
  }
  return true;
}

Result<void> approve(Action& action, const std::string& person, bool dry_run, Time now) {
  if (action.stage != Stage::held || !action.needs_approval) return not_held(action);
  if (dry_run) {
    return fail("dry_run",
                "the policy is in dry run, so nothing is sent; set dry_run: false and reload");
  }
  action.needs_approval = false;
  action.decided_by_person = true;
  action.person = person;
  action.stage = Stage::queued;
  action.queued_at = action.next_at = action.updated_at = now;
  action.reason = "approved by " + person;
  return {};
}

Result<void> reject(Action& action, const std::string& person, const std::string& why, Time now) {
  if (action.stage != Stage::held || !action.needs_approval) return not_held(action);
  action.needs_approval = false;
  action.decided_by_person = true;
  action.person = person;
  finish(action, Outcome::suppressed, "rejected by " + person + (why.empty() ? "" : ": " + why),
         now);
  return {};
}

Result<std::string> resolve_job_url(const std::string& request_url, const std::string& reference) {
  const std::string origin = origin_of(request_url);
  if (reference.starts_with("/") && !reference.starts_with("//")) return origin + reference;
  if (reference.find("://") != std::string::npos && origin_of(reference) == origin)
    return reference;
  return fail("bad_job_url", "'" + one_line(reference) + "' is not of " + origin);
}

}  // namespace outrider::decide
