// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/budget.h"

#include <algorithm>

#include "base/wire/json_path.h"

namespace outrider::kubernetes {
namespace {

using wire::find;
using wire::items_at;
using wire::Json;
using wire::number_at;
using wire::text_at;

bool holds(const Json& expression, const Json& labels) {
  const std::string key = text_at(expression, {"key"});
  const std::string word = text_at(expression, {"operator"});
  const Json* value = find(labels, {key.c_str()});
  const Json& values = items_at(expression, {"values"});
  const bool listed =
      value != nullptr && std::find(values.begin(), values.end(), *value) != values.end();
  if (word == "In") return listed;
  if (word == "NotIn") return !listed;
  if (word == "Exists") return value != nullptr;
  if (word == "DoesNotExist") return value == nullptr;
  return true;
}

}  // namespace

bool selects(const Json& selector, const Json& labels) {
  if (const Json* wanted = find(selector, {"matchLabels"}); wanted && wanted->is_object()) {
    for (const auto& [key, value] : wanted->items()) {
      const Json* found = find(labels, {key.c_str()});
      if (found == nullptr || *found != value) return false;
    }
  }
  const Json& expressions = items_at(selector, {"matchExpressions"});
  return std::all_of(expressions.begin(), expressions.end(),
                     [&](const Json& expression) { return holds(expression, labels); });
}

std::string budget_refusal(const Json& budgets, const Json& pod_labels, std::int64_t pods) {
  for (const Json& budget : items_at(budgets, {"items"})) {
    const Json* selector = find(budget, {"spec", "selector"});
    if (selector == nullptr || !selects(*selector, pod_labels)) continue;
    const std::string who = "PodDisruptionBudget " + text_at(budget, {"metadata", "name"});
    const auto allowed = number_at(budget, {"status", "disruptionsAllowed"});
    const bool current = number_at(budget, {"status", "observedGeneration"}) ==
                         number_at(budget, {"metadata", "generation"});
    if (!allowed || !current)
      return who + " is not counted yet, so how many pods may go is not known";
    if (pods > *allowed) {
      return who + " allows " + std::to_string(*allowed) + " pods to go at the moment, not " +
             std::to_string(pods);
    }
  }
  return "";
}

}  // namespace outrider::kubernetes
