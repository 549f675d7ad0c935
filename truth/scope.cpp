// SPDX-License-Identifier: Apache-2.0
#include "truth/scope.h"

namespace outrider::truth {
namespace {

std::uint32_t hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return hash;
}

void append_hash(std::string& out, std::string_view text) {
  const std::uint32_t hash = hash_of(text);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(hash >> shift);
}

bool same_hash(std::string_view mark, std::size_t part, const std::optional<std::string>& wanted) {
  if (!wanted) return true;
  std::string hash;
  append_hash(hash, *wanted);
  return mark.substr(4 * part, 4) == hash;
}

}  // namespace

bool may_be_scoped(std::string_view part) {
  return part.find(scope_separator) == std::string_view::npos;
}

bool is_probe(std::string_view scoped_model) {
  return split_scope(scoped_model).workload == probe_workload;
}

std::string scoped_name(const Workload& workload, std::string_view model) {
  std::string name;
  name.reserve(workload.cluster.size() + workload.name_space.size() + workload.name.size() +
               model.size() + 3);
  name += workload.cluster;
  name += scope_separator;
  name += workload.name_space;
  name += scope_separator;
  name += workload.name;
  name += scope_separator;
  name += model;
  return name;
}

ScopedName split_scope(std::string_view name) {
  std::array<std::string_view, 3> parts;
  std::string_view rest = name;
  for (std::string_view& part : parts) {
    const std::size_t end = rest.find(scope_separator);
    if (end == std::string_view::npos) return {.model = name};
    part = rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
  return {.cluster = parts[0], .name_space = parts[1], .workload = parts[2], .model = rest};
}

Labels model_labels(std::string_view scoped_model, std::string_view version) {
  const ScopedName name = split_scope(scoped_model);
  Labels labels{{"model_name", std::string(name.model)}, {"model_version", std::string(version)}};
  if (!name.cluster.empty()) labels.set("cluster", name.cluster);
  if (!name.name_space.empty()) labels.set("namespace", name.name_space);
  if (!name.workload.empty()) labels.set("job", name.workload);
  return labels;
}

bool Scope::holds(std::string_view scoped_model) const {
  const ScopedName name = split_scope(scoped_model);
  if (!workload && name.workload == probe_workload) return false;
  return (!cluster || *cluster == name.cluster) &&
         (!name_space || *name_space == name.name_space) &&
         (!workload || *workload == name.workload) && (!model || *model == name.model);
}

std::string scope_mark(std::string_view scoped_model) {
  const ScopedName name = split_scope(scoped_model);
  if (name.model.size() == scoped_model.size()) return {};
  std::string mark;
  append_hash(mark, name.cluster);
  append_hash(mark, name.name_space);
  append_hash(mark, name.workload);
  return mark;
}

bool may_hold(const Scope& scope, std::string_view mark) {
  if (scope.any() || mark.size() != scope_mark_bytes) return true;
  return same_hash(mark, 0, scope.cluster) && same_hash(mark, 1, scope.name_space) &&
         same_hash(mark, 2, scope.workload);
}

}  // namespace outrider::truth
