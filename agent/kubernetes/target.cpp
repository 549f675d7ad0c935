// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/target.h"

#include <algorithm>
#include <array>

#include "base/core/enum_names.h"
#include "base/core/text.h"
#include "base/wire/json_path.h"

namespace outrider::kubernetes {
namespace {

using wire::find;
using wire::Json;
using wire::text_at;

constexpr std::array<EnumName<Act>, 4> acts = {{{Act::scale, "scale"},
                                                {Act::rollback, "rollback"},
                                                {Act::restart, "restart"},
                                                {Act::abort, "abort"}}};
constexpr std::array<EnumName<WorkloadKind>, 3> kinds = {
    {{WorkloadKind::deployment, "deployment"},
     {WorkloadKind::stateful_set, "statefulset"},
     {WorkloadKind::rollout, "rollout"}}};
constexpr std::array<std::string_view, 9> keys = {"action",  "deployment", "statefulset",
                                                  "rollout", "namespace",  "replicas",
                                                  "from",    "min",        "max"};
constexpr std::size_t name_bytes_max = 253;
constexpr std::int64_t replicas_max = 1'000'000;

Failure bad(std::string message) {
  return fail("bad_target", "kubernetes: " + std::move(message));
}

// A name of Kubernetes' (RFC 1123): what is none would be another path.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= name_bytes_max && text.front() != '.' &&
         text.front() != '-' && text.back() != '.' && text.back() != '-' &&
         text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz.-") ==
             std::string_view::npos &&
         text.find("..") == std::string_view::npos;
}

// A whole number, also as a text, which is what a placeholder becomes. Nothing where it is not
// said.
Result<std::optional<std::int64_t>> count_at(const Json& json, const char* key) {
  const Json* found = find(json, {key});
  if (found == nullptr) return std::optional<std::int64_t>();
  std::optional<std::int64_t> number;
  if (found->is_number_integer()) number = found->get<std::int64_t>();
  if (found->is_string()) number = parse_int(found->get<std::string>());
  if (!number || *number < 0 || *number > replicas_max)
    return bad(std::string(key) + " " + wire::to_text(*found) + ": expected a whole number");
  return number;
}

// Which acts a rule's action may be.
bool fits(std::string_view action, Act act) {
  const std::string_view wanted = act == Act::abort ? "rollback" : enum_name(acts, act);
  return action == wanted;
}

Result<void> read_object(const Json& json, Target& target) {
  int named = 0;
  for (const auto& [kind, key] : kinds) {
    const std::string name = text_at(json, {std::string(key).c_str()});
    if (name.empty()) continue;
    ++named;
    target.kind = kind;
    target.name = name;
  }
  if (named != 1) return bad("expected one of deployment, statefulset and rollout, with a name");
  if (!is_name(target.name)) return bad("'" + target.name + "' is no name of an object");
  target.name_space = text_at(json, {"namespace"});
  if (!is_name(target.name_space)) {
    return bad("namespace '" + target.name_space +
               "': expected a name, such as \"{{ namespace }}\"");
  }
  return {};
}

Result<void> read_counts(const Json& json, Target& target) {
  const auto replicas = count_at(json, "replicas"), from = count_at(json, "from"),
             least = count_at(json, "min"), most = count_at(json, "max");
  for (const auto* one : {&replicas, &from, &least, &most}) {
    if (!*one) return fail(*one);
  }
  target.replicas = *replicas;
  target.from = *from;
  target.min = std::max<std::int64_t>(1, least->value_or(1));
  target.max = most->value_or(target.max);
  if (target.min > target.max) return bad("min is above max");
  return {};
}

Result<void> check(std::string_view action, const Target& target) {
  const std::string word(enum_name(acts, target.act));
  if (!fits(action, target.act)) {
    return bad("action " + word + " in a rule whose action is " + std::string(action) +
               ": expected the same word, and rollback for abort");
  }
  if ((target.act == Act::scale) != target.replicas.has_value())
    return bad(target.replicas ? word + " takes no replicas"
                               : "replicas is missing, such as \"{{ replicas.wanted }}\"");
  const bool is_rollout = target.kind == WorkloadKind::rollout;
  if (is_rollout != (target.act == Act::abort))
    return bad(is_rollout ? "of a rollout only abort is known" : "abort is of a rollout");
  if (target.act == Act::rollback && target.kind != WorkloadKind::deployment)
    return bad("rollback is of a deployment: it goes back to an earlier ReplicaSet");
  return {};
}

}  // namespace

std::string Target::path() const {
  const char* plural = kind == WorkloadKind::deployment     ? "apps/v1/namespaces/"
                       : kind == WorkloadKind::stateful_set ? "apps/v1/namespaces/"
                                                            : "argoproj.io/v1alpha1/namespaces/";
  return "/apis/" + std::string(plural) + name_space + "/" + std::string(enum_name(kinds, kind)) +
         "s/" + name;
}

std::string Target::text() const {
  const char* word = kind == WorkloadKind::deployment     ? "Deployment "
                     : kind == WorkloadKind::stateful_set ? "StatefulSet "
                                                          : "Rollout ";
  return word + name_space + "/" + name;
}

Result<Target> parse_target(std::string_view action, const Json& json) {
  if (!json.is_object()) return bad("expected a map, such as {action: scale, deployment: NAME}");
  for (const auto& [key, value] : json.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return bad("unknown key '" + key +
                 "': expected action, deployment, statefulset, rollout, namespace, replicas, from, "
                 "min or max");
    }
  }
  Target target;
  const std::string word = text_at(json, {"action"});
  const auto act = parse_enum_name(acts, word);
  if (!act) return bad("action '" + word + "': expected scale, rollback, restart or abort");
  target.act = *act;
  if (auto read = read_object(json, target); !read) return fail(read);
  if (auto read = read_counts(json, target); !read) return fail(read);
  if (auto fine = check(action, target); !fine) return fail(fine);
  return target;
}

}  // namespace outrider::kubernetes
