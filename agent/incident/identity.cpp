// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/identity.h"

#include <initializer_list>

namespace outrider::incident {
namespace {

std::string first_of(const Labels& labels, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const std::string_view value = labels.get(name); !value.empty()) return std::string(value);
  }
  return {};
}

bool may_be_equal(std::string_view a, std::string_view b) {
  return a.empty() || b.empty() || a == b;
}

}  // namespace

Identity identity_of(const Labels& labels) {
  return {.cluster = first_of(labels, {"cluster"}),
          .name_space = first_of(labels, {"namespace"}),
          .workload = first_of(labels, {"workload", "job"}),
          .model = first_of(labels, {"model_name", "model"}),
          .version = first_of(labels, {"model_version", "version"})};
}

bool may_be_same(const Identity& a, const Identity& b) {
  return a.model == b.model && may_be_equal(a.cluster, b.cluster) &&
         may_be_equal(a.name_space, b.name_space) && may_be_equal(a.workload, b.workload);
}

std::string place_text(const Identity& identity) {
  if (identity.cluster.empty() && identity.name_space.empty()) return {};
  std::string text = identity.name_space;
  if (!identity.workload.empty()) text += (text.empty() ? "" : "/") + identity.workload;
  if (!identity.cluster.empty()) text += (text.empty() ? "" : " in ") + identity.cluster;
  return text;
}

bool is_routing_label(std::string_view name) {
  return name == "owner" || name == "team";
}

}  // namespace outrider::incident
