// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/scaling.h"

#include "agent/kubernetes/budget.h"
#include "agent/kubernetes/ownership.h"
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

// The number that is written, wherever it is.
struct Knob {
  Json workload, object;  // The object that has the field: the workload, or its autoscaler.
  std::string path;
  std::string field;                  // "replicas" or "minReplicas".
  std::optional<std::int64_t> value;  // Nothing: not set, the server's default of 1.
  std::int64_t replicas = 1;          // Of the workload.
  bool is_autoscaler() const { return field == "minReplicas"; }
  std::int64_t number() const { return value.value_or(1); }
  std::string text() const {
    return text_at(object, {"kind"}) + " " + text_at(object, {"metadata", "name"});
  }
};

std::string namespaced(const Job& job, const char* group, const char* plural) {
  return std::string(group) + "/namespaces/" + job.target.name_space + "/" + plural;
}

// Of a list the items have no kind.
void name_kind(Json& object, const char* kind) {
  if (!object.contains("kind")) object["kind"] = kind;
}

Result<Knob> read_knob(const Job& job) {
  Knob knob;
  auto workload = job.client.get(job.target.path());
  if (!workload) return fail(workload);
  knob.workload = std::move(*workload);
  knob.replicas = number_at(knob.workload, {"spec", "replicas"}).value_or(1);
  const auto autoscalers =
      job.client.get(namespaced(job, "/apis/autoscaling/v2", "horizontalpodautoscalers"));
  if (!autoscalers) return fail(autoscalers);
  for (const Json& one : items_at(*autoscalers, {"items"})) {
    if (text_at(one, {"spec", "scaleTargetRef", "name"}) != job.target.name ||
        text_at(one, {"spec", "scaleTargetRef", "kind"}) != text_at(knob.workload, {"kind"})) {
      continue;
    }
    knob.object = one;
    name_kind(knob.object, "HorizontalPodAutoscaler");
    knob.path = namespaced(job, "/apis/autoscaling/v2", "horizontalpodautoscalers") + "/" +
                text_at(one, {"metadata", "name"});
    knob.field = "minReplicas";
    knob.value = number_at(one, {"spec", "minReplicas"});
    return knob;
  }
  knob.object = knob.workload;
  knob.path = job.target.path() + "/scale";
  knob.field = "replicas";
  knob.value = knob.replicas;
  return knob;
}

// Whose the number is, where it is not the agent's to write.
std::optional<Report> owned(const Knob& knob) {
  for (const Json& owner : items_at(knob.object, {"metadata", "ownerReferences"})) {
    if (text_at(owner, {"kind"}) != "ScaledObject") continue;
    return Job::handed_over(knob.text() + " is KEDA's (ScaledObject " + text_at(owner, {"name"}) +
                            "), which writes it: raise minReplicaCount there");
  }
  const Ownership ownership = ownership_of(knob.object, {"spec", knob.field});
  if (ownership.owner.empty()) return std::nullopt;
  return Job::handed_over("`spec." + knob.field + "` of " + knob.text() + " is managed by " +
                          ownership.owner + ", which would set it back: change it there");
}

// Fewer pods than there are, as the budgets see it.
std::optional<Report> over_budget(const Job& job, const Knob& knob, std::int64_t wanted) {
  if (knob.is_autoscaler() || wanted >= knob.replicas) return std::nullopt;
  const auto budgets = job.client.get(namespaced(job, "/apis/policy/v1", "poddisruptionbudgets"));
  if (!budgets) return job.failed(budgets.error());
  const Json* labels = find(knob.workload, {"spec", "template", "metadata", "labels"});
  const std::string why =
      budget_refusal(*budgets, labels ? *labels : Json::object(), knob.replicas - wanted);
  if (why.empty()) return std::nullopt;
  return Job::refused(why + "; " + job.target.text() + " stays at " +
                      std::to_string(knob.replicas));
}

std::optional<Report> out_of_bounds(const Job& job, const Knob& knob, std::int64_t wanted) {
  if (wanted < job.target.min || wanted > job.target.max) {
    return Job::refused(std::to_string(wanted) + " replicas are not within the policy's " +
                        std::to_string(job.target.min) + " to " + std::to_string(job.target.max));
  }
  if (!knob.is_autoscaler()) return std::nullopt;
  const auto most = number_at(knob.object, {"spec", "maxReplicas"}).value_or(0);
  if (wanted > most) {
    return Job::refused(knob.text() + " has maxReplicas " + std::to_string(most) +
                        ", below the wanted " + std::to_string(wanted) + ": raise it first");
  }
  if (wanted < knob.number()) {
    return Job::refused(knob.text() + " owns the replicas, and takes some away by itself: " +
                        "minReplicas stays at " + std::to_string(knob.number()));
  }
  return std::nullopt;
}

Report check(const Job& job, const Knob& knob) {
  const std::int64_t wanted = *job.target.replicas;
  if (job.target.from && knob.replicas != *job.target.from) {
    return Job::refused(job.target.text() + " has " + std::to_string(knob.replicas) +
                        " replicas, not " + std::to_string(*job.target.from) +
                        " as when it was decided");
  }
  if (auto no = owned(knob)) return *no;
  if (auto no = out_of_bounds(job, knob, wanted)) return *no;
  if (knob.number() == wanted) {
    return Job::refused(knob.field + " of " + knob.text() + " is " + std::to_string(wanted) +
                        " already");
  }
  if (auto no = over_budget(job, knob, wanted)) return *no;
  const std::string note = ownership_of(knob.object, {"spec", knob.field}).note;
  return Job::done(knob.field + " of " + knob.text() + " is " + std::to_string(knob.number()) +
                       (note.empty() ? "" : "; " + note),
                   {{"object", knob.path},
                    {"uid", text_at(knob.object, {"metadata", "uid"})},
                    {"field", knob.field},
                    {"before", knob.value ? Json(*knob.value) : Json()},
                    {"after", wanted}});
}

Report write(const Job& job, const Knob& knob, const Json& wanted, const Json& receipt) {
  const auto written = job.client.patch(
      knob.path,
      {{"metadata", {{"resourceVersion", text_at(knob.object, {"metadata", "resourceVersion"})}}},
       {"spec", {{knob.field, wanted}}}});
  if (!written) return job.failed(written.error(), true);
  const auto became = number_at(*written, {"spec", knob.field.c_str()}).value_or(1);
  if (wanted.is_number_integer() && became != wanted.get<std::int64_t>()) {
    Report report = Job::handed_over(knob.field + " of " + knob.text() + " became " +
                                     std::to_string(became) + " and not " + wire::to_text(wanted) +
                                     ": something in the API server changes it");
    report.may_have_acted = true;
    return report;
  }
  return Job::done(knob.field + " of " + knob.text() + ": " + std::to_string(knob.number()) +
                       " -> " + std::to_string(became),
                   receipt);
}

// The same object and field as in the receipt; else why not.
std::optional<std::string> moved(const Knob& knob, const Json& receipt) {
  if (knob.path == text_at(receipt, {"object"}) &&
      text_at(knob.object, {"metadata", "uid"}) == text_at(receipt, {"uid"})) {
    return std::nullopt;
  }
  return knob.text() + " is not what was read before it was decided";
}

bool is_done(const Knob& knob, const Json& receipt) {
  const auto after = number_at(receipt, {"after"});
  return after && knob.value == after && !moved(knob, receipt);
}

Report effect(const Job& job, const Knob& knob, const Json& receipt) {
  if (const auto why = moved(knob, receipt)) return Job::refused(*why);
  const std::int64_t after = number_at(receipt, {"after"}).value_or(*job.target.replicas);
  if (knob.value != number_at(receipt, {"before"})) {
    return Job::refused(knob.field + " of " + knob.text() + " became " +
                        std::to_string(knob.number()) + " meanwhile: somebody else acts");
  }
  if (auto no = owned(knob)) return *no;
  if (auto no = out_of_bounds(job, knob, after)) return *no;
  if (auto no = over_budget(job, knob, after)) return *no;
  return write(job, knob, after, receipt);
}

Report undo(const Job& job, const Knob& knob, const Json& receipt) {
  if (const auto why = moved(knob, receipt)) return Job::handed_over(*why);
  const auto before = number_at(receipt, {"before"});
  if (knob.number() == before.value_or(1))
    return Job::done(knob.field + " of " + knob.text() + " is as it was", receipt);
  if (knob.value != number_at(receipt, {"after"})) {
    return Job::handed_over(knob.field + " of " + knob.text() + " is " +
                            std::to_string(knob.number()) +
                            " now: somebody has changed it since, so it is not set back");
  }
  if (auto no = owned(knob)) return *no;
  if (auto no = over_budget(job, knob, before.value_or(1))) return *no;
  return write(job, knob, before ? Json(*before) : Json(), receipt);
}

}  // namespace

Report scale(const Job& job) {
  const auto knob = read_knob(job);
  if (!knob) return job.failed(knob.error());
  if (job.order.step == Step::undo) return undo(job, *knob, job.order.receipt);
  // After a kill between the effect and its report it is checked once more: it is done.
  if (is_done(*knob, job.order.receipt)) return Job::done("it is done", job.order.receipt);
  if (job.order.step == Step::check || job.order.receipt.is_null()) {
    Report checked = check(job, *knob);
    if (job.order.step == Step::check || checked.what != Report::What::done) return checked;
    return effect(job, *knob, checked.receipt);
  }
  return effect(job, *knob, job.order.receipt);
}

}  // namespace outrider::kubernetes
