// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/life.h"

#include <algorithm>

#include "base/core/backoff.h"
#include "base/core/text.h"

namespace outrider::decide {
namespace {

constexpr Duration retry_slack = std::chrono::minutes(1);   // Past retry_for, for a sender's delay.
constexpr Duration check_lasts = std::chrono::seconds(10);  // So old may it be when it is sent.
constexpr Duration refused_first = std::chrono::seconds(5);
constexpr Duration refused_max = std::chrono::minutes(1);

std::string plural(int count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void move(Action& action, Stage stage, std::string reason, Time now) {
  action.stage = stage;
  action.reason = std::move(reason);
  action.updated_at = now;
}

std::string finish(Action& action, Outcome outcome, std::string reason, Time now) {
  move(action, Stage::done, std::move(reason), now);
  action.outcome = outcome;
  action.needs_approval = false;
  return action.reason;
}

bool can_be_undone(const Action& action) {
  return action.plan.undo || action.plan.undo_by_executor;
}

// Back to where the policy decides it anew, while its incident stands. Nothing has been sent. Not
// at once: let go and refused over and over, it would keep its failure domain from all others.
std::string hold_again(Action& action, std::string reason, Time now) {
  move(action, Stage::held, std::move(reason), now);
  const int doublings = std::min(action.course.refusals++, 10);
  action.next_at = now + std::min<Duration>(refused_first * (1 << doublings), refused_max);
  action.outcome = Outcome::suppressed;
  action.queued_at.reset();
  action.decided_by_person = false;
  action.needs_approval = false;
  return action.reason;
}

std::string start_undo(Action& action, std::string why, Time now) {
  action.course.undo_why = why;
  move(action, Stage::undo_queued, why + "; it is taken back", now);
  action.course.undo_by = now + action.plan.undo_within;
  action.next_at = now;
  action.job_url.clear();
  return action.reason;
}

// It ended without acceptance.
std::string give_up(Action& action, const std::string& why, Time now) {
  if (action.course.may_have_acted && can_be_undone(action)) {
    return start_undo(action, why + "; it may be half done", now);
  }
  if (action.course.may_have_acted && changes_production(action.kind)) {
    return finish(action, Outcome::failed,
                  why + "; it may be half done, and the rule has no 'undo'", now);
  }
  return finish(action, Outcome::failed, why, now);
}

std::string accept(Action& action, const std::string& what, Time now) {
  Course& course = action.course;
  course.accepted_at = now;
  if (!action.plan.verify) {
    const bool is_told = changes_production(action.kind);
    return finish(action, Outcome::accepted,
                  what + (is_told ? "; not verified, as the rule has no 'verify'" : ""), now);
  }
  const Verify& verify = *action.plan.verify;
  course.verify_by = now + verify.within;
  course.holding_since.reset();
  action.next_at = now + verify_every(verify);
  move(action, Stage::verifying,
       what + "; whether it helped is read for " + format_duration(verify.within), now);
  return action.reason;
}

std::string next_in(Duration delay) {
  return "); next in " + format_duration(std::chrono::round<std::chrono::milliseconds>(delay));
}

std::string retry(Action& action, const Report& report, Time now, double unit) {
  action.course.may_have_acted |= report.may_have_acted;
  const Duration delay = report.again.value_or(retry_delay(action.attempts, unit));
  const Time give_up_at = action.first_attempt_at.value_or(now) + action.delivery.retry_for;
  if (now + delay > give_up_at) {
    return give_up(
        action, "given up after " + plural(action.attempts, "attempt") + ": " + report.text, now);
  }
  action.next_at = now + delay;
  move(action, Stage::queued,
       "attempt " + std::to_string(action.attempts) + " failed (" + report.text + next_in(delay),
       now);
  return action.reason;
}

std::string undo_failed(Action& action, const std::string& why, Time now) {
  return finish(action, Outcome::handed_over,
                action.course.undo_why + "; it could not be taken back: " + why, now);
}

std::string retry_undo(Action& action, const Report& report, Time now, double unit) {
  const Duration delay = report.again.value_or(retry_delay(action.course.undo_attempts, unit));
  if (now + delay > action.course.undo_by.value_or(now)) {
    return undo_failed(
        action,
        "given up after " + plural(action.course.undo_attempts, "attempt") + ": " + report.text,
        now);
  }
  action.next_at = now + delay;
  move(action, Stage::undo_queued,
       "undo: attempt " + std::to_string(action.course.undo_attempts) + " failed (" + report.text +
           next_in(delay),
       now);
  return action.reason;
}

// What goes on for longer than its job may is given up.
std::string watch_on(Action& action, const Report& report, Time now) {
  const JobWatch& job = action.delivery.job;
  action.next_at = now + report.again.value_or(job.every);
  if (action.stage == Stage::watching) {
    if (now - action.watched_since.value_or(now) > job.timeout) {
      action.course.may_have_acted = true;
      return give_up(action,
                     "the job did not end within " + format_duration(job.timeout) +
                         "; its last state: " + report.text,
                     now);
    }
    // What comes with a receipt has come a step further, and what follows needs that on disk.
    const bool is_step = !report.receipt.is_null();
    action.reason = is_step ? report.text : "watching the job: " + report.text;
    return is_step ? action.reason : std::string();
  }
  action.watched_since = now;
  move(action, Stage::watching, report.text, now);
  return action.reason;
}

std::string watch_undo_on(Action& action, const Report& report, Time now) {
  action.next_at = now + report.again.value_or(action.delivery.job.every);
  const bool is_new = action.stage != Stage::undo_watching || !report.receipt.is_null();
  if (now > action.course.undo_by.value_or(now))
    return undo_failed(action, "it did not end in time; its last state: " + report.text, now);
  move(action, Stage::undo_watching, "undo: " + report.text, now);
  return is_new ? action.reason : std::string();
}

std::string take_undo_report(Action& action, const Report& report, Time now, double unit) {
  switch (report.what) {
    case Report::What::done:
      return finish(action, Outcome::undone, action.course.undo_why + "; undone: " + report.text,
                    now);
    case Report::What::going_on:
      return watch_undo_on(action, report, now);
    case Report::What::failed:
      return retry_undo(action, report, now, unit);
    case Report::What::refused:
    case Report::What::handed_over:
      break;
  }
  return undo_failed(action, report.text, now);
}

std::string not_verified(Action& action, const Reading& last, Time now) {
  const Verify& verify = *action.plan.verify;
  const bool had_data = verify.incident_ended || last.value || last.holds;
  std::string why = "not seen to help within " + format_duration(verify.within) + " (" + last.words;
  if (action.course.held_once) {
    why += "; it held for a time, and then no longer: something else may have changed it back";
  }
  why += ")";
  if (!had_data) {
    return finish(action, Outcome::handed_over,
                  "accepted, but " + why + "; without data it is neither verified nor undone", now);
  }
  if (can_be_undone(action)) return start_undo(action, why, now);
  return finish(action, Outcome::handed_over, why + "; the rule has no 'undo'", now);
}

Failure not_held(const Action& action) {
  return fail("not_held", "action " + action.id + " is " + std::string(state(action)) + " (" +
                              std::string(name(action.stage)) + "): nothing waits for a person");
}

bool is_undoing(Stage stage) {
  return stage == Stage::undo_queued || stage == Stage::undo_sending ||
         stage == Stage::undo_watching;
}

}  // namespace

Duration retry_delay(int attempts, double unit) {
  Backoff backoff(
      {.initial = std::chrono::seconds(1), .max = std::chrono::minutes(1), .jitter = 0.5});
  Duration delay{};
  for (int i = 0; i < std::min(attempts, 10); ++i) delay = backoff.next(unit);
  return delay;
}

Duration verify_every(const Verify& verify) {
  return std::clamp<Duration>(verify.within / 20, std::chrono::seconds(1),
                              std::chrono::seconds(15));
}

void note(Action& action, Reading reading) {
  for (Reading& known : action.course.readings) {
    if (known.moment != reading.moment || known.of != reading.of) continue;
    known = std::move(reading);
    return;
  }
  action.course.readings.push_back(std::move(reading));
}

Task task_of(const Action& action, Time now) {
  switch (action.stage) {
    case Stage::queued: {
      const bool asks = action.plan.precondition || !action.plan.executor.empty();
      const auto& checked = action.course.checked_at;
      return asks && !(checked && now - *checked <= check_lasts) ? Task::check : Task::send;
    }
    case Stage::watching:
      return Task::watch;
    case Stage::verifying:
      return Task::verify;
    case Stage::undo_queued:
      return Task::undo;
    case Stage::undo_watching:
      return Task::watch_undo;
    case Stage::held:
    case Stage::sending:
    case Stage::undo_sending:
    case Stage::done:
      break;
  }
  return Task::nothing;
}

bool leaves_the_agent(Task task) {
  return task == Task::send || task == Task::undo;
}

std::string lapse(Action& action, Time now) {
  const Plan& plan = action.plan;
  if (action.stage == Stage::held && action.needs_approval &&
      now - action.created_at > plan.expires) {
    return finish(action, Outcome::expired,
                  "nobody approved it within " + format_duration(plan.expires), now);
  }
  if (action.stage == Stage::queued && action.attempts == 0 && action.queued_at &&
      now - *action.queued_at > plan.start_within) {
    return finish(action, Outcome::expired,
                  "it could not be sent within " + format_duration(plan.start_within) + " (" +
                      action.reason + ")",
                  now);
  }
  if (action.stage == Stage::queued && action.first_attempt_at &&
      now - *action.first_attempt_at > action.delivery.retry_for + retry_slack) {
    return give_up(action, "not sent again in time (" + action.reason + ")", now);
  }
  if (is_undoing(action.stage) && action.stage != Stage::undo_sending && action.course.undo_by &&
      now > *action.course.undo_by) {
    return undo_failed(
        action, "not within " + format_duration(plan.undo_within) + " (" + action.reason + ")",
        now);
  }
  return {};
}

std::string take_precondition(Action& action, Reading reading, Time now) {
  reading.moment = Reading::Moment::sending;
  reading.of = "precondition";
  reading.at = now;
  const bool holds = reading.holds;
  const std::string words = reading.words;
  note(action, std::move(reading));
  if (holds) {
    action.course.checked_at = now;
    action.updated_at = now;
    return "the precondition holds: " + words;
  }
  if (action.attempts == 0)
    return hold_again(action, "the precondition does not hold: " + words, now);
  if (action.course.may_have_acted && action.plan.verify) {
    return accept(action,
                  "an attempt went unanswered, and the precondition no longer holds (" + words +
                      "), so it may have been done",
                  now);
  }
  return give_up(action, "the precondition no longer holds: " + words, now);
}

std::string take_check(Action& action, const Report& report, Time now) {
  if (!report.receipt.is_null()) action.course.receipt = report.receipt;
  switch (report.what) {
    case Report::What::done:
      action.course.checked_at = now;
      action.updated_at = now;
      return report.text.empty() ? std::string() : "checked: " + report.text;
    case Report::What::handed_over:
      if (!action.course.may_have_acted)
        return finish(action, Outcome::handed_over, report.text, now);
      return give_up(action, report.text, now);
    case Report::What::refused:
      if (action.attempts == 0) return hold_again(action, report.text, now);
      return give_up(action, report.text, now);
    case Report::What::going_on:
    case Report::What::failed:
      break;
  }
  action.next_at = now + report.again.value_or(std::chrono::seconds(2));
  action.reason = "it cannot be checked yet: " + report.text;
  return {};
}

std::string begin_attempt(Action& action, std::int64_t fencing_number, Time now) {
  action.course.fencing_number = fencing_number;
  if (action.stage == Stage::undo_queued) {
    ++action.course.undo_attempts;
    if (!action.course.undo_first_at) action.course.undo_first_at = now;
    move(action, Stage::undo_sending,
         "undo: attempt " + std::to_string(action.course.undo_attempts) + " is on its way", now);
    return "undo: attempt " + std::to_string(action.course.undo_attempts) + " begins";
  }
  ++action.attempts;
  if (!action.first_attempt_at) action.first_attempt_at = now;
  action.outcome = Outcome::sent;
  move(action, Stage::sending, "attempt " + std::to_string(action.attempts) + " is on its way",
       now);
  return "attempt " + std::to_string(action.attempts) + " begins";
}

std::string take_report(Action& action, const Report& report, Time now, double unit) {
  if (report.receipt.is_object()) {
    const auto url = report.receipt.find("job_url");
    if (url != report.receipt.end() && url->is_string()) {
      action.job_url = *url;
    } else {
      action.course.receipt = report.receipt;
    }
  }
  if (is_undoing(action.stage)) return take_undo_report(action, report, now, unit);
  switch (report.what) {
    case Report::What::done:
      return accept(action, report.text, now);
    case Report::What::going_on:
      return watch_on(action, report, now);
    case Report::What::failed:
      return retry(action, report, now, unit);
    case Report::What::handed_over:
      if (!action.course.may_have_acted)
        return finish(action, Outcome::handed_over, report.text, now);
      break;
    case Report::What::refused:
      break;
  }
  action.course.may_have_acted |= report.may_have_acted;
  return give_up(action, report.text, now);
}

std::string take_verification(Action& action, Reading reading, Time now) {
  const Verify& verify = *action.plan.verify;
  Course& course = action.course;
  const bool first =
      std::none_of(course.readings.begin(), course.readings.end(),
                   [](const Reading& known) { return known.moment == Reading::Moment::verifying; });
  reading.of = "verify";
  reading.at = now;
  reading.moment = Reading::Moment::verifying;
  note(action, reading);
  action.next_at = now + verify_every(verify);
  const bool is_late = now >= course.verify_by.value_or(now);
  if (reading.holds) {
    const bool began = !course.holding_since;
    if (began) course.holding_since = now;
    course.held_once = true;
    if (now - *course.holding_since >= verify.lasting) {
      reading.moment = Reading::Moment::end;
      note(action, reading);
      return finish(action, Outcome::succeeded, "verified: " + reading.words, now);
    }
    // The deadline is when it must have begun to hold.
    action.next_at = std::min(action.next_at, *course.holding_since + verify.lasting);
    action.reason =
        "it holds (" + reading.words + "), and must for " + format_duration(verify.lasting);
    return began ? action.reason : std::string();
  }
  const bool ended = course.holding_since.has_value();
  course.holding_since.reset();
  if (is_late) {
    reading.moment = Reading::Moment::end;
    note(action, reading);
    return not_verified(action, reading, now);
  }
  action.next_at = std::min(action.next_at, *course.verify_by);
  action.reason = "not verified yet: " + reading.words;
  return first || ended ? action.reason : std::string();
}

std::string take_findings(Action& action, const Findings& findings, Time now, double unit) {
  if (action.stage == Stage::verifying) {
    return findings.reading ? take_verification(action, *findings.reading, now) : std::string();
  }
  if (action.stage != Stage::queued)
    return findings.report ? take_report(action, *findings.report, now, unit) : std::string();
  std::string event;
  if (findings.reading) event = take_precondition(action, *findings.reading, now);
  const bool goes_on =
      action.stage == Stage::queued && (!findings.reading || findings.reading->holds);
  if (!goes_on || !findings.report) return event;
  const std::string checked = take_check(action, *findings.report, now);
  if (findings.report->what != Report::What::done) action.course.checked_at.reset();
  return event + (event.empty() || checked.empty() ? "" : "; ") + checked;
}

bool waits_after_refusal(const Action& action, Time now) {
  return action.stage == Stage::held && action.course.refusals > 0 && now < action.next_at;
}

std::string take_up_again(Action& action, Time now) {
  if (action.stage == Stage::sending) {
    action.next_at = now;
    action.course.may_have_acted = true;
    move(action, Stage::queued,
         "the agent stopped before it heard the answer to attempt " +
             std::to_string(action.attempts) + "; sent again with the same idempotency key",
         now);
    return action.reason;
  }
  if (action.stage == Stage::undo_sending) {
    action.next_at = now;
    move(action, Stage::undo_queued,
         "the agent stopped before it heard the answer to the undo; sent again with the same "
         "idempotency key",
         now);
    return action.reason;
  }
  if (action.stage == Stage::verifying) {
    action.course.holding_since.reset();  // Nobody looked meanwhile: it must hold anew.
    action.next_at = now;
  }
  return {};
}

bool call_off(Action& action, Time now) {
  if (action.stage == Stage::held && !action.needs_approval) {
    finish(action, action.outcome, action.reason, now);
  } else if (action.stage == Stage::held) {
    finish(action, Outcome::suppressed, "the incident ended before a person decided", now);
  } else if (action.stage == Stage::queued && changes_production(action.kind) && !action.attempts) {
    finish(action, Outcome::suppressed, "the incident ended first", now);
  } else if (action.stage == Stage::queued && changes_production(action.kind)) {
    const std::string why = "the incident ended before it was accepted; " + action.reason;
    if (action.course.may_have_acted && action.plan.verify) {
      accept(action, why + "; it may have been done", now);
    } else {
      finish(action, Outcome::failed, why, now);
    }
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
  action.decided_by_person = true;
  action.person = person;
  finish(action, Outcome::suppressed, "rejected by " + person + (why.empty() ? "" : ": " + why),
         now);
  return {};
}

}  // namespace outrider::decide
