// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/executor.h"

#include <algorithm>
#include <array>

#include "agent/kubernetes/rollout.h"
#include "agent/kubernetes/scaling.h"

namespace outrider::kubernetes {
namespace {

using decide::Report;
using decide::Step;

constexpr Duration conflict_again = std::chrono::seconds(1);
// Of a step, each of which has its part of the step's time.
constexpr int requests_max = 5;
constexpr Duration request_timeout_min = std::chrono::seconds(1);

struct Status {
  std::string_view code;
  int status;
  bool is_final;
};
constexpr std::array<Status, 8> statuses = {{{"unauthorized", 401, true},
                                             {"forbidden", 403, true},
                                             {"not_found", 404, true},
                                             {"conflict", 409, false},
                                             {"gone", 410, false},
                                             {"invalid", 422, true},
                                             {"refused", 400, true},
                                             {"unavailable", 503, false}}};

Report step_of(const Job& job) {
  switch (job.target.act) {
    case Act::scale:
      return scale(job);
    case Act::rollback:
      return roll_back(job);
    case Act::restart:
      return restart(job);
    case Act::abort:
      return abort_rollout(job);
  }
  return Job::refused("an action that is not known");
}

}  // namespace

Report Job::done(std::string text, wire::Json receipt) {
  return {.what = Report::What::done, .text = std::move(text), .receipt = std::move(receipt)};
}

Report Job::refused(std::string text) {
  return {.what = Report::What::refused, .text = std::move(text)};
}

Report Job::handed_over(std::string text) {
  return {.what = Report::What::handed_over, .text = std::move(text)};
}

Report Job::failed(const Error& error, bool was_write) const {
  Report report{.what = Report::What::failed, .text = error.message};
  for (const auto& [code, status, is_final] : statuses) {
    if (error.code != code) continue;
    report.status = status;
    if (is_final) report.what = Report::What::refused;
  }
  if (error.code == "conflict") report.again = conflict_again;
  // A connection that never came to be carried nothing; of any other silence nobody knows.
  report.may_have_acted = was_write && error.code != "conflict" && error.code != "unreachable" &&
                          report.what == Report::What::failed;
  return report;
}

Result<void> KubernetesExecutor::check_target(decide::Kind kind, const wire::Json& target) const {
  const auto parsed = parse_target(decide::name(kind), target);
  if (!parsed) return fail(parsed);
  return {};
}

bool KubernetesExecutor::can_undo(decide::Kind kind, const wire::Json& target) const {
  const auto parsed = parse_target(decide::name(kind), target);
  return parsed && parsed->act != Act::restart;
}

std::string KubernetesExecutor::always_asks(decide::Kind kind, const wire::Json& target) const {
  const auto parsed = parse_target(decide::name(kind), target);
  if (!parsed || parsed->act != Act::abort) return "";
  return "experimental: the controller of Argo Rollouts did not run in the tests";
}

Report KubernetesExecutor::carry_out(const decide::Order& order) {
  const auto target = parse_target(decide::name(order.kind), order.target);
  if (!target) return Job::refused(target.error().message);
  if (order.step == Step::undo && order.receipt.is_null())
    return Job::refused("nothing was done, so there is nothing to undo");
  Client::Settings asked = settings_.client;
  asked.timeout = std::max<Duration>(order.timeout / requests_max, request_timeout_min);
  Client client(std::move(asked));
  const Job job{client, order, *target, clock_.now()};
  if (order.step != Step::check && settings_.check_lease) {
    if (auto held = settings_.check_lease(client, order.fencing_number); !held)
      return {.what = Report::What::failed, .text = held.error().message};
  }
  return step_of(job);
}

}  // namespace outrider::kubernetes
