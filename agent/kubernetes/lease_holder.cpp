// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/lease_holder.h"

#include <spdlog/spdlog.h>

#include "base/wire/json_path.h"

namespace outrider::kubernetes {
namespace {

using namespace std::chrono_literals;
using wire::number_at;
using wire::text_at;

Duration monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

}  // namespace

LeaseHolder::LeaseHolder(Settings settings, const Clock& clock, std::function<void()> changed)
    : settings_(std::move(settings)),
      clock_(clock),
      changed_(std::move(changed)),
      state_(settings_.holder, settings_.times),
      is_held_(registry_.gauge("outrider_agent_lease_held",
                               "Whether this agent holds the lease, and so may act.")),
      number_(registry_.gauge("outrider_agent_lease_fencing_number",
                              "The fencing number of the lease that is held; 0: none is.")),
      failures_(registry_.counter("outrider_agent_lease_failures_total",
                                  "Questions about the lease without an answer, or refused.")) {}

void LeaseHolder::start() {
  thread_ = std::thread([this] { hold_on(); });
}

void LeaseHolder::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::string LeaseHolder::path() const {
  return "/apis/coordination.k8s.io/v1/namespaces/" + settings_.name_space + "/leases";
}

std::optional<std::int64_t> LeaseHolder::held() const {
  std::lock_guard lock(mutex_);
  if (stopping_) return std::nullopt;
  return state_.held(monotonic_now());
}

void LeaseHolder::hold_on() {
  Client::Settings asked = settings_.client;
  // A renewal that takes as long as the margin is none.
  asked.timeout = std::min(asked.timeout, settings_.times.margin);
  asked.cancelled = &stopping_;
  Client client(std::move(asked));
  while (!stopping_) {
    const auto done = round(client);
    if (!done) failures_.Increment();
    const std::string trouble = done ? "" : done.error().message;
    if (trouble != trouble_ && !trouble.empty()) spdlog::warn("lease: {}", trouble);
    trouble_ = trouble;
    const auto number = held();
    if (number.has_value() != held_before_) {
      held_before_ = number.has_value();
      if (number) {
        spdlog::info("lease {}/{} is held by {}, fencing number {}", settings_.name_space,
                     settings_.name, settings_.holder, *number);
      } else {
        spdlog::warn("lease {}/{} is not held any more: nothing is acted on", settings_.name_space,
                     settings_.name);
      }
      changed_();
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, settings_.times.renew_every, [this] { return stopping_.load(); });
  }
  std::unique_lock lock(mutex_);
  const auto given_back = state_.released(clock_.now());
  lock.unlock();
  if (!given_back) return;
  Client::Settings last = settings_.client;
  last.timeout = 1s;
  Client(std::move(last)).replace(path() + "/" + settings_.name, *given_back);
}

// Reads, and takes or renews where it may be.
Result<void> LeaseHolder::round(Client& client) {
  const std::string place = path() + "/" + settings_.name;
  const auto lease = client.get(place);
  if (!lease && lease.error().code != "not_found") return fail(lease);
  std::unique_lock lock(mutex_);
  if (lease) {
    if (auto seen = state_.see(*lease, monotonic_now()); !seen) return seen;
  } else {
    state_.see_none();
  }
  const Duration asked_at = monotonic_now();
  const auto wanted = state_.wanted(settings_.name_space, settings_.name, asked_at, clock_.now());
  lock.unlock();
  if (!wanted) return {};
  const auto written = lease ? client.replace(place, *wanted) : client.create(path(), *wanted);
  // Another was quicker, which the next round sees.
  if (!written) return written.error().code == "conflict" ? Result<void>() : fail(written);
  lock.lock();
  return state_.won(*written, asked_at);
}

Result<void> LeaseHolder::check(Client& client, std::int64_t fencing_number) const {
  const auto lease = client.get(path() + "/" + settings_.name);
  if (!lease) return fail(lease);
  const std::string holder = text_at(*lease, {"spec", "holderIdentity"});
  const auto number = number_at(*lease, {"spec", "leaseTransitions"}).value_or(0);
  const auto believed = held();
  if (holder == settings_.holder && number == fencing_number && believed == fencing_number)
    return {};
  return fail("lease_lost", "the lease " + settings_.name_space + "/" + settings_.name +
                                " is held by '" + holder + "' under the fencing number " +
                                std::to_string(number) + ", and this action has " +
                                std::to_string(fencing_number) + "; nothing was done");
}

void LeaseHolder::collect(wire::MetricSink& sink) {
  const auto number = held();
  is_held_.Set(number ? 1 : 0);
  number_.Set(static_cast<double>(number.value_or(0)));
  registry_.collect(sink);
}

Result<std::pair<std::string, std::string>> parse_lease_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view space = text.substr(0, slash);
  const std::string_view name =
      slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
  const auto is_name = [](std::string_view one) {
    return !one.empty() && one.front() != '.' &&
           one.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz.-") ==
               std::string_view::npos;
  };
  if (!is_name(space) || !is_name(name)) {
    return fail("bad_lease_name",
                "actions.lease=" + std::string(text) + ": expected NAMESPACE/NAME of a Lease");
  }
  return std::pair(std::string(space), std::string(name));
}

}  // namespace outrider::kubernetes
