// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/token_limits.h"

#include <algorithm>
#include <vector>

#include "base/core/text.h"
#include "truth/scope.h"

namespace outrider::fleet {
namespace {

using Names = std::vector<std::string>;

bool within(const Names& names, std::string_view name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

std::string listed(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string quoted(std::string_view name) {
  return name.empty() ? "(none)" : std::string(name);
}

}  // namespace

std::optional<std::string> outside_of(const net::Scope& limits,
                                      const truth::DecodedShipment& shipment) {
  const auto refuse = [](const char* what, std::string_view name, const Names& names) {
    return "the predictions are of " + std::string(what) + " " + quoted(name) +
           ", and the token is limited to " + listed(names) +
           "; give the sidecar the token of its own workload";
  };
  const truth::Workload& of = shipment.sender.workload;
  if (!within(limits.clusters, of.cluster)) return refuse("cluster", of.cluster, limits.clusters);
  if (!within(limits.namespaces, of.name_space))
    return refuse("namespace", of.name_space, limits.namespaces);
  if (!within(limits.workloads, of.name)) return refuse("workload", of.name, limits.workloads);
  for (const truth::ShippedModel& model : shipment.models) {
    const std::string_view name = truth::split_scope(model.name).model;
    if (!within(limits.models, name)) return refuse("model", name, limits.models);
  }
  return std::nullopt;
}

bool reaches(const net::Scope* limits, std::string_view scoped_model) {
  if (!limits) return true;
  const truth::ScopedName name = truth::split_scope(scoped_model);
  return limits->covers({.cluster = name.cluster,
                         .name_space = name.name_space,
                         .workload = name.workload,
                         .model = name.model});
}

Result<net::HttpRequest> narrowed(const net::HttpRequest& request) {
  net::HttpRequest own = request;
  if (!request.scope) return own;
  const net::Scope& limits = *request.scope;
  for (const auto& [what, names] :
       {std::pair("cluster", &limits.clusters), std::pair("namespace", &limits.namespaces),
        std::pair("workload", &limits.workloads), std::pair("model", &limits.models)}) {
    if (names->empty()) continue;
    const std::string asked = request.query_value(what);
    if (asked.empty() && names->size() > 1) {
      return fail("out_of_scope", "the token is limited to the " + std::string(what) + "s " +
                                      listed(*names) + "; say which one with ?" + what + "=…");
    }
    if (!asked.empty() && !within(*names, asked)) {
      return fail("out_of_scope",
                  std::string(what) + "=" + asked + ": the token is limited to " + listed(*names));
    }
    if (!asked.empty()) continue;
    // In front: of a name that comes twice the first one counts.
    own.query = std::string(what) + "=" + percent_encode(names->front()) +
                (own.query.empty() ? "" : "&") + own.query;
  }
  return own;
}

}  // namespace outrider::fleet
