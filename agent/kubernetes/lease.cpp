// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/lease.h"

#include "base/core/text.h"
#include "base/wire/json_path.h"

namespace outrider::kubernetes {
namespace {

using wire::Json;
using wire::number_at;
using wire::text_at;

// As the API's MicroTime.
std::string micro_time(Time time) {
  std::string text = format_rfc3339(time);
  return text.insert(text.size() - 1, "000");
}

}  // namespace

Result<void> LeaseState::see(const Json& lease, Duration monotonic) {
  const std::string version = text_at(lease, {"metadata", "resourceVersion"});
  if (version.empty()) return fail("bad_lease", "a Lease without metadata.resourceVersion");
  if (version == seen_.version) return {};
  seen_.version = version;
  seen_.object = lease;
  seen_.holder = text_at(lease, {"spec", "holderIdentity"});
  seen_.transitions = number_at(lease, {"spec", "leaseTransitions"}).value_or(0);
  seen_.lasts =
      std::chrono::seconds(number_at(lease, {"spec", "leaseDurationSeconds"}).value_or(0));
  seen_.since = monotonic;
  return {};
}

std::optional<Json> LeaseState::wanted(const std::string& name_space, const std::string& name,
                                       Duration monotonic, Time now) const {
  const bool ours = seen_.holder == holder_;
  const bool is_free =
      seen_.version.empty() || seen_.holder.empty() || monotonic - seen_.since >= seen_.lasts;
  if (!ours && !is_free) return std::nullopt;
  Json lease = seen_.object;
  if (seen_.version.empty()) {
    lease = {{"apiVersion", "coordination.k8s.io/v1"},
             {"kind", "Lease"},
             {"metadata", {{"name", name}, {"namespace", name_space}}},
             {"spec", Json::object()}};
  }
  Json& spec = lease["spec"];
  spec["holderIdentity"] = holder_;
  spec["leaseDurationSeconds"] =
      std::chrono::duration_cast<std::chrono::seconds>(times_.lasts).count();
  spec["renewTime"] = micro_time(now);
  if (!ours) {
    spec["acquireTime"] = micro_time(now);
    spec["leaseTransitions"] = seen_.transitions + 1;
  }
  return lease;
}

Result<void> LeaseState::won(const Json& lease, Duration asked_at) {
  if (auto read = see(lease, asked_at); !read) return read;
  if (seen_.holder != holder_)
    return fail("bad_lease", "the Lease that was written names another holder, " + seen_.holder);
  until_ = asked_at + times_.lasts - times_.margin;
  return {};
}

std::optional<std::int64_t> LeaseState::held(Duration monotonic) const {
  if (!until_ || monotonic >= *until_ || seen_.holder != holder_) return std::nullopt;
  return seen_.transitions;
}

std::optional<Json> LeaseState::released(Time now) const {
  if (seen_.holder != holder_ || seen_.version.empty()) return std::nullopt;
  Json lease = seen_.object;
  lease["spec"]["holderIdentity"] = "";
  lease["spec"]["renewTime"] = micro_time(now);
  return lease;
}

}  // namespace outrider::kubernetes
