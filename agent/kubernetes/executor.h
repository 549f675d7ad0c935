// SPDX-License-Identifier: Apache-2.0
#pragma once

// Carries out the policy's `kubernetes:` actions through the API. SHELL; thread-safe.
//
//   rule:  action: scale
//          kubernetes: {action: scale, deployment: "{{ workload }}", namespace: "{{ namespace }}",
//                       replicas: "{{ replicas.wanted }}", from: "{{ replicas.current }}"}
//
// Each step reads again what it is about, and writes with the resourceVersion that it read, so that
// whatever somebody else wrote meanwhile makes it a conflict and no overwriting. What check() saw
// is the receipt: an effect that finds it changed refuses, one that finds its own work is done, and
// an undo goes back to exactly that, or hands over where somebody has changed it since.
//
//   scaling.h   replicas of a Deployment or StatefulSet; minReplicas where an autoscaler owns them
//   rollout.h   a Deployment back to its previous ReplicaSet; a restart; the abort of an Argo
//               Rollout (experimental: its controller did not run in the tests)
//
// With a lease the effect and the undo ask for it once more right before they write.

#include <functional>

#include "agent/decide/executor.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/target.h"

namespace outrider::kubernetes {

class KubernetesExecutor final : public decide::Executor {
 public:
  struct Settings {
    Client::Settings client;
    // Whether the lease is still held under that number; empty: no lease is needed.
    std::function<Result<void>(Client&, std::int64_t fencing_number)> check_lease = {};
  };
  KubernetesExecutor(Settings settings, const Clock& clock)
      : settings_(std::move(settings)), clock_(clock) {}

  std::string_view name() const override { return "kubernetes"; }
  Result<void> check_target(decide::Kind kind, const wire::Json& target) const override;
  bool can_undo(decide::Kind kind, const wire::Json& target) const override;
  std::string always_asks(decide::Kind kind, const wire::Json& target) const override;
  decide::Report carry_out(const decide::Order& order) override;

 private:
  const Settings settings_;
  const Clock& clock_;
};

// One step of one action, and what it needs.
struct Job {
  Client& client;
  const decide::Order& order;
  const Target& target;
  Time now;

  // "refused" and the like, as reports.
  static decide::Report done(std::string text, wire::Json receipt = {});
  static decide::Report refused(std::string text);
  static decide::Report handed_over(std::string text);
  // Of a question or a write that failed. A conflict is tried again at once: everything is read
  // anew.
  decide::Report failed(const Error& error, bool was_write = false) const;
};

}  // namespace outrider::kubernetes
