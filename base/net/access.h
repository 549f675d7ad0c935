// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who may do what: what a route needs, and what a caller's token is limited to. PURE.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/enum_names.h"

namespace outrider::net {

enum class Role : std::uint8_t {
  read,       // Metrics, status, incidents, models.
  label,      // Ground truth.
  write,      // Exchanges, alerts, changes, samples; asking for a retraining.
  approve,    // A person's word on an action; promoting and rolling back a version.
  administer  // Configuration; and everything else.
};

inline constexpr std::array<EnumName<Role>, 5> role_names = {{{Role::read, "read"},
                                                              {Role::label, "label"},
                                                              {Role::write, "write"},
                                                              {Role::approve, "approve"},
                                                              {Role::administer, "administer"}}};
inline constexpr std::string_view to_string(Role role) {
  return enum_name(role_names, role);
}

// What a route needs of its caller.
struct Needs {
  std::optional<Role> role = Role::administer;  // None: open to everybody.
  // The handler itself refuses what lies outside HttpRequest::scope, as only it knows whom a
  // request is about. Otherwise the listener decides, by what its program is about as a whole.
  bool handler_checks_scope = false;
};

// Whom something is about; "": that is not known.
struct Subject {
  std::string_view cluster = {}, name_space = {}, workload = {}, model = {};
};

// Namespaces, models, clusters and workloads (the label job) that a token is limited to.
struct Scope {
  std::vector<std::string> namespaces = {}, models = {}, clusters = {}, workloads = {};  // {}: all.

  bool is_limited() const {
    return !namespaces.empty() || !models.empty() || !clusters.empty() || !workloads.empty();
  }
  // Whether it reaches to what is about this subject. What has no name lies outside of a limit.
  bool covers(const Subject& subject) const {
    const auto has = [](const std::vector<std::string>& list, std::string_view name) {
      return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
    };
    return has(namespaces, subject.name_space) && has(models, subject.model) &&
           has(clusters, subject.cluster) && has(workloads, subject.workload);
  }
  bool covers(std::string_view name_space, std::string_view model) const {
    return covers({.name_space = name_space, .model = model});
  }
};

}  // namespace outrider::net
