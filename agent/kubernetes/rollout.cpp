// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/rollout.h"

#include "agent/kubernetes/budget.h"
#include "agent/kubernetes/objects.h"
#include "agent/kubernetes/ownership.h"
#include "base/core/text.h"
#include "base/wire/json_path.h"

namespace outrider::kubernetes {
namespace {

using decide::Report;
using decide::Step;
using wire::find;
using wire::items_at;
using wire::Json;
using wire::number_at;
using wire::text_at;

constexpr const char* revision_key = "deployment.kubernetes.io/revision";
constexpr const char* history_key = "deployment.kubernetes.io/revision-history";
constexpr const char* restarted_key = "kubectl.kubernetes.io/restartedAt";
constexpr const char* hash_key = "pod-template-hash";

std::string uid_of(const Json& object) {
  return text_at(object, {"metadata", "uid"});
}

std::string version_of(const Json& object) {
  return text_at(object, {"metadata", "resourceVersion"});
}

std::optional<std::int64_t> revision_of(const Json& object) {
  return parse_int(text_at(object, {"metadata", "annotations", revision_key}));
}

// A Deployment and its ReplicaSets.
struct History {
  Json deployment;
  std::vector<Json> replica_sets;

  const Json* by_name(const std::string& name) const {
    for (const Json& one : replica_sets) {
      if (text_at(one, {"metadata", "name"}) == name) return &one;
    }
    return nullptr;
  }
  const Json* current() const {
    const auto revision = revision_of(deployment);
    for (const Json& one : replica_sets) {
      if (revision && revision_of(one) == revision) return &one;
    }
    return nullptr;
  }
  const Json* previous() const {
    const auto revision = revision_of(deployment);
    const Json* best = nullptr;
    for (const Json& one : replica_sets) {
      const auto its = revision_of(one);
      if (!its || !revision || *its >= *revision) continue;
      if (best == nullptr || *its > *revision_of(*best)) best = &one;
    }
    return best;
  }
};

Result<History> read_history(const Job& job) {
  History history;
  auto deployment = job.client.get(job.target.path());
  if (!deployment) return fail(deployment);
  history.deployment = std::move(*deployment);
  std::string selector;
  if (const Json* labels = find(history.deployment, {"spec", "selector", "matchLabels"})) {
    for (const auto& [key, value] : labels->items()) {
      if (value.is_string())
        selector += (selector.empty() ? "" : ",") + key + "=" + value.get<std::string>();
    }
  }
  const auto listed = job.client.get("/apis/apps/v1/namespaces/" + job.target.name_space +
                                     "/replicasets?labelSelector=" + percent_encode(selector));
  if (!listed) return fail(listed);
  for (const Json& one : items_at(*listed, {"items"})) {
    for (const Json& owner : items_at(one, {"metadata", "ownerReferences"})) {
      if (text_at(owner, {"uid"}) == uid_of(history.deployment))
        history.replica_sets.push_back(one);
    }
  }
  return history;
}

// As the Deployment has it: without the label that the controller adds.
Json template_of(const Json& replica_set) {
  const Json* found = find(replica_set, {"spec", "template"});
  Json pod = found ? *found : Json::object();
  if (find(pod, {"metadata", "labels", hash_key})) pod["metadata"]["labels"].erase(hash_key);
  return pod;
}

std::string images_of(const Json& replica_set) {
  std::string text;
  for (const Json& container : items_at(replica_set, {"spec", "template", "spec", "containers"}))
    text += (text.empty() ? "" : ", ") + text_at(container, {"image"});
  return text;
}

std::optional<Report> not_now(const Job& job, const Json& deployment) {
  const Json* paused = find(deployment, {"spec", "paused"});
  if (paused && *paused == true)
    return Job::refused(job.target.text() + " is paused: whoever paused it resumes it first");
  const Ownership ownership = ownership_of(deployment, {"spec", "template"});
  if (ownership.owner.empty()) return std::nullopt;
  return Job::handed_over("`spec.template` of " + job.target.text() + " is managed by " +
                          ownership.owner + ", which would set it back: roll back there");
}

Report check_rollback(const Job& job, const History& history) {
  if (auto no = not_now(job, history.deployment)) return *no;
  const Json* current = history.current();
  const Json* previous = history.previous();
  if (current == nullptr || previous == nullptr) {
    return Job::refused(job.target.text() + " has no earlier ReplicaSet to go back to " +
                        "(revisionHistoryLimit keeps them)");
  }
  if (!text_at(*current, {"metadata", "annotations", history_key}).empty()) {
    return Job::handed_over(job.target.text() + " was rolled back already: its revision " +
                            std::to_string(revision_of(*current).value_or(0)) +
                            " is an earlier one again, and the one before it is what was left");
  }
  const std::string note = ownership_of(history.deployment, {"spec", "template"}).note;
  return Job::done("revision " + std::to_string(*revision_of(*current)) + " (" +
                       images_of(*current) + ") can go back to revision " +
                       std::to_string(*revision_of(*previous)) + " (" + images_of(*previous) + ")" +
                       (note.empty() ? "" : "; " + note),
                   {{"uid", uid_of(history.deployment)},
                    {"before", text_at(*current, {"metadata", "name"})},
                    {"after", text_at(*previous, {"metadata", "name"})},
                    {"revision", *revision_of(*current)}});
}

// Whether what the receipt wants is in force.
bool is_at(const History& history, const Json& receipt) {
  const Json* wanted = history.by_name(text_at(receipt, {"after"}));
  const Json* now = find(history.deployment, {"spec", "template"});
  return wanted && now && *now == template_of(*wanted) &&
         uid_of(history.deployment) == text_at(receipt, {"uid"});
}

// To the template of one ReplicaSet, if that of the other is in force.
Report go_to(const Job& job, const History& history, const std::string& from,
             const std::string& to) {
  const Json& deployment = history.deployment;
  if (uid_of(deployment) != text_at(job.order.receipt, {"uid"}))
    return Job::handed_over(job.target.text() + " is not the one that was read: it was made anew");
  const Json* wanted = history.by_name(to);
  if (wanted == nullptr)
    return Job::handed_over("ReplicaSet " + to + " is gone (revisionHistoryLimit)");
  const Json pod = template_of(*wanted);
  if (const Json* now = find(deployment, {"spec", "template"}); now && *now == pod)
    return Job::done(job.target.text() + " has the template of " + to, job.order.receipt);
  const Json* current = history.current();
  if (current == nullptr || text_at(*current, {"metadata", "name"}) != from) {
    return Job::handed_over(job.target.text() +
                            " has another revision meanwhile: somebody else acts");
  }
  if (auto no = not_now(job, deployment)) return *no;
  const auto written = job.client.json_patch(
      job.target.path(),
      Json::array({{{"op", "replace"},
                    {"path", "/metadata/resourceVersion"},
                    {"value", version_of(deployment)}},
                   {{"op", "replace"}, {"path", "/spec/template"}, {"value", pod}}}));
  if (!written) return job.failed(written.error(), true);
  return Job::done(job.target.text() + ": " + images_of(*current) + " -> " + images_of(*wanted) +
                       ", the template of " + to,
                   job.order.receipt);
}

// Pods that go at once.
std::int64_t disrupted(const Json& workload) {
  const bool all = text_at(workload, {"spec", "strategy", "type"}) == "Recreate";
  return all ? number_at(workload, {"spec", "replicas"}).value_or(1) : 1;
}

bool is_rolling(const Json& workload) {
  const auto count = [&](const char* key) {
    return number_at(workload, {"status", key}).value_or(0);
  };
  const auto wanted = number_at(workload, {"spec", "replicas"}).value_or(1);
  return count("observedGeneration") <
             number_at(workload, {"metadata", "generation"}).value_or(0) ||
         count("updatedReplicas") < wanted;
}

std::optional<Report> no_restart_now(const Job& job, const Json& workload) {
  if (is_rolling(workload))
    return Job::refused(job.target.text() + " is being rolled out: that replaces its pods anyway");
  const Ownership ownership =
      ownership_of(workload, {"spec", "template", "metadata", "annotations", restarted_key});
  if (!ownership.owner.empty()) {
    return Job::handed_over("the restart of " + job.target.text() + " is managed by " +
                            ownership.owner);
  }
  const auto budgets = job.client.get("/apis/policy/v1/namespaces/" + job.target.name_space +
                                      "/poddisruptionbudgets");
  if (!budgets) return job.failed(budgets.error());
  const Json* labels = find(workload, {"spec", "template", "metadata", "labels"});
  const std::string why =
      budget_refusal(*budgets, labels ? *labels : Json::object(), disrupted(workload));
  if (why.empty()) return std::nullopt;
  return Job::refused(why);
}

// Its controller has read what is asked for: it writes the generation as a text.
bool is_answered(const Json& rollout) {
  const auto generation = number_at(rollout, {"metadata", "generation"});
  return generation &&
         text_at(rollout, {"status", "observedGeneration"}) == std::to_string(*generation);
}

Report check_abort(const Job& job, const Json& rollout, const std::string& current, bool aborted) {
  const std::string what = job.target.text();
  if (!is_answered(rollout)) {
    return Job::refused("the controller of " + what +
                        " has not answered its last change: does Argo Rollouts run?");
  }
  const std::string stable = text_at(rollout, {"status", "stableRS"});
  if (current.empty() || stable.empty() || current == stable)
    return Job::refused("no rollout of " + what + " is under way");
  if (aborted) return Job::refused("the rollout of " + what + " is aborted already");
  return Job::done(
      "the rollout of " + what + " from " + stable + " to " + current + " is under way",
      {{"uid", uid_of(rollout)}, {"version", current}});
}

std::string abort_text(const Job& job, bool aborted) {
  return "the rollout of " + job.target.text() + (aborted ? " is aborted" : " goes on");
}

}  // namespace

Report roll_back(const Job& job) {
  const auto history = read_history(job);
  if (!history) return job.failed(history.error());
  const bool has_receipt = !job.order.receipt.is_null();
  if (job.order.step != Step::check && !has_receipt)
    return Job::refused("what to go back to was not read before: check comes first");
  // After a kill between the effect and its report it is checked once more: it is done.
  if (job.order.step == Step::check) {
    return has_receipt && is_at(*history, job.order.receipt)
               ? Job::done("it is done", job.order.receipt)
               : check_rollback(job, *history);
  }
  const std::string before = text_at(job.order.receipt, {"before"});
  const std::string after = text_at(job.order.receipt, {"after"});
  return job.order.step == Step::effect ? go_to(job, *history, before, after)
                                        : go_to(job, *history, after, before);
}

Report restart(const Job& job) {
  if (job.order.step == Step::undo) return Job::refused("a restart cannot be undone");
  const auto workload = job.client.get(job.target.path());
  if (!workload) return job.failed(workload.error());
  const std::string at = text_at(job.order.receipt, {"at"});
  const std::string marked =
      text_at(*workload, {"spec", "template", "metadata", "annotations", restarted_key});
  if (!at.empty() && marked == at)
    return Job::done(job.target.text() + " was told to restart at " + at, job.order.receipt);
  if (auto no = no_restart_now(job, *workload)) return *no;
  if (job.order.step == Step::check) {
    return Job::done(job.target.text() + " can be restarted",
                     {{"uid", uid_of(*workload)}, {"at", format_rfc3339(job.now)}});
  }
  if (at.empty() || uid_of(*workload) != text_at(job.order.receipt, {"uid"}))
    return Job::refused(job.target.text() + " is not the one that was read before");
  const auto written = job.client.patch(
      job.target.path(),
      {{"metadata", {{"resourceVersion", version_of(*workload)}}},
       {"spec", {{"template", {{"metadata", {{"annotations", {{restarted_key, at}}}}}}}}}});
  if (!written) return job.failed(written.error(), true);
  return Job::done(job.target.text() + " restarts, pod by pod", job.order.receipt);
}

Report abort_rollout(const Job& job) {
  const auto rollout = job.client.get(job.target.path());
  if (!rollout) return job.failed(rollout.error());
  const Json& receipt = job.order.receipt;
  const std::string current = text_at(*rollout, {"status", "currentPodHash"});
  const Json* flag = find(*rollout, {"status", "abort"});
  const bool aborted = flag && *flag == true;
  const bool is_known = !receipt.is_null() && uid_of(*rollout) == text_at(receipt, {"uid"}) &&
                        current == text_at(receipt, {"version"});
  if (job.order.step == Step::check) {
    // After a kill between the effect and its report it is checked once more.
    if (is_known && aborted) return Job::done("it is done", receipt);
    return check_abort(job, *rollout, current, aborted);
  }
  if (!is_known) {
    return Job::handed_over(job.target.text() +
                            " rolls out another version than the one that was read, or was made "
                            "anew: somebody else acts");
  }
  const bool wanted = job.order.step == Step::effect;
  if (aborted == wanted) return Job::done(abort_text(job, wanted), receipt);
  if (wanted) {
    if (Report checked = check_abort(job, *rollout, current, aborted);
        checked.what != Report::What::done)
      return checked;
  }
  const auto written = job.client.patch(
      job.target.path() + "/status",
      {{"metadata", {{"resourceVersion", version_of(*rollout)}}}, {"status", {{"abort", wanted}}}});
  if (!written) return job.failed(written.error(), true);
  return Job::done(abort_text(job, wanted), receipt);
}

}  // namespace outrider::kubernetes
