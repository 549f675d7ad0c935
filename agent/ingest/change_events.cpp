// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/change_events.h"

#include <algorithm>
#include <array>

#include "base/core/digest.h"
#include "base/core/enum_names.h"
#include "base/core/text.h"
#include "base/net/http_server.h"
#include "base/wire/json.h"

namespace outrider::ingest {
namespace {

using incident::Change;
using wire::Json;

constexpr std::size_t text_bytes_max = 1'024;
constexpr std::size_t commit_digits = 12;
constexpr std::array<EnumName<ChangeTool>, 3> tools = {
    {{ChangeTool::github, "github"}, {ChangeTool::argocd, "argocd"}, {ChangeTool::flux, "flux"}}};

// The text or whole number at a JSON pointer, at most text_bytes_max of it; "" where there is none.
std::string text_at(const Json& json, const char* pointer) {
  const Json::json_pointer at(pointer);
  if (!json.contains(at)) return {};
  const Json& value = json.at(at);
  if (value.is_number_integer()) return wire::to_text(value);
  if (!value.is_string()) return {};
  std::string text = value.get<std::string>().substr(0, text_bytes_max);
  while (!is_valid_utf8(text)) text.pop_back();
  return text;
}

Failure bad(const std::string& what) {
  return fail("bad_change", what);
}

Result<std::string> needed(const Json& json, const char* pointer, const char* of) {
  std::string text = text_at(json, pointer);
  if (text.empty()) return bad(std::string(pointer) + " is missing; expected " + of);
  return text;
}

ChangeEvent ignored(std::string why) {
  return {std::nullopt, std::move(why)};
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "main@sha1:6a4cc1f…" and a bare commit to twelve digits; a tag as it is.
std::string short_version(std::string text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos && is_commit(std::string_view(text).substr(colon + 1)))
    text.erase(0, colon + 1);
  return is_commit(text) ? text.substr(0, commit_digits) : text;
}

void fill(Change& change, const ChangePlace& place) {
  const auto take = [](std::string& into, const std::string& from) {
    if (!from.empty()) into = from;
  };
  take(change.cluster, place.cluster);
  take(change.name_space, place.name_space);
  take(change.workload, place.workload);
  take(change.model, place.model);
}

Time time_or(const std::string& text, Time now) {
  return parse_rfc3339(text).value_or(now);
}

Result<ChangeEvent> of_github(const Json& json, Time now) {
  constexpr const char* of = "GitHub's webhook deployment or deployment_status";
  if (json.contains("zen")) return ignored("a ping");
  const auto id = needed(json, "/deployment/id", of);
  if (!id) return fail(id);
  const auto repository = needed(json, "/repository/name", of);
  if (!repository) return fail(repository);
  const bool is_status = json.contains("deployment_status");
  const std::string task = text_at(json, "/deployment/task");
  if (!is_status)
    return ignored("a deployment was asked for; its deployment_status tells of its end");
  const auto state = needed(json, "/deployment_status/state", of);
  if (!state) return fail(state);
  if (*state != "success") return ignored("the deployment's state is " + *state + ", not success");
  Change change;
  change.kind = task.find("rollback") != std::string::npos ? "rollback" : "deployment";
  change.id = "github-" + *id;
  change.workload = text_at(json, "/deployment/payload/workload");
  if (change.workload.empty()) change.workload = *repository;
  change.version = short_version(text_at(json, "/deployment/ref"));
  if (change.version.empty()) change.version = short_version(text_at(json, "/deployment/sha"));
  change.at = time_or(text_at(json, "/deployment_status/created_at"), now);
  const std::string environment = text_at(json, "/deployment/environment");
  change.summary = change.kind + " of " + *repository + " " + change.version +
                   (environment.empty() ? "" : " to " + environment);
  return ChangeEvent{std::move(change), ""};
}

Result<ChangeEvent> of_argocd(const Json& json, Time now) {
  constexpr const char* of = "an Argo CD Application ({{toJson .app}})";
  const auto app = needed(json, "/metadata/name", of);
  if (!app) return fail(app);
  const auto phase = needed(json, "/status/operationState/phase", of);
  if (!phase) return fail(phase);
  if (*phase != "Succeeded")
    return ignored("the operation's phase is " + *phase + ", not Succeeded");
  const auto revision = needed(json, "/status/operationState/syncResult/revision", of);
  if (!revision) return fail(revision);
  Change change;
  change.kind = "deployment";
  const std::string finished = text_at(json, "/status/operationState/finishedAt");
  change.id = "argocd-" + *app + "-" + *revision + "-" + finished;
  change.workload = *app;
  change.name_space = text_at(json, "/spec/destination/namespace");
  change.version = short_version(*revision);
  // What was asked for reads better than a commit: a tag, a chart's version.
  const std::string target = text_at(json, "/spec/source/targetRevision");
  if (!target.empty() && target != "HEAD" && target != "main" && target != "master")
    change.version = short_version(target);
  // It begins to act when it starts, not when all pods are there.
  change.at = time_or(text_at(json, "/status/operationState/startedAt"), time_or(finished, now));
  change.summary = "Argo CD synced " + *app + " to " + change.version;
  return ChangeEvent{std::move(change), ""};
}

Result<ChangeEvent> of_flux(const Json& json, Time now) {
  constexpr const char* of = "an event of Flux's generic provider";
  const auto kind = needed(json, "/involvedObject/kind", of);
  if (!kind) return fail(kind);
  const auto object = needed(json, "/involvedObject/name", of);
  if (!object) return fail(object);
  const auto reason = needed(json, "/reason", of);
  if (!reason) return fail(reason);
  if (*kind != "Kustomization" && *kind != "HelmRelease")
    return ignored("an event about a " + *kind + ", not about a Kustomization or HelmRelease");
  constexpr std::array<std::string_view, 4> applied = {
      "ReconciliationSucceeded", "InstallSucceeded", "UpgradeSucceeded", "RollbackSucceeded"};
  // A HelmRelease that is as it was is reconciled all the same.
  const bool as_before = *kind == "HelmRelease" && *reason == "ReconciliationSucceeded";
  if (as_before || std::find(applied.begin(), applied.end(), *reason) == applied.end())
    return ignored("the reason is " + *reason + ", nothing was applied");
  std::string revision = text_at(json, "/metadata/revision");
  for (const char* pointer : {"/metadata/kustomize.toolkit.fluxcd.io~1revision",
                              "/metadata/helm.toolkit.fluxcd.io~1revision"}) {
    if (revision.empty()) revision = text_at(json, pointer);
  }
  Change change;
  change.kind = *reason == "RollbackSucceeded" ? "rollback" : "deployment";
  change.workload = *object;
  change.name_space = text_at(json, "/involvedObject/namespace");
  change.version = short_version(revision);
  const std::string at = text_at(json, "/timestamp");
  change.at = time_or(at, now);
  change.id = "flux-" + change.name_space + "-" + *object + "-" + revision + "-" + at;
  change.summary = "Flux: " + text_at(json, "/message");
  return ChangeEvent{std::move(change), ""};
}

}  // namespace

std::optional<ChangeTool> parse_change_tool(std::string_view name) {
  return parse_enum_name(tools, name);
}

Result<ChangeEvent> parse_change_event(ChangeTool tool, std::string_view body,
                                       const ChangePlace& place, Time now) {
  if (!is_valid_utf8(body)) return fail("invalid_json", "the body is not UTF-8");
  const auto json = wire::parse_json(body);
  if (!json) return fail(json);
  if (!json->is_object()) return bad("expected one object");
  auto event = tool == ChangeTool::github   ? of_github(*json, now)
               : tool == ChangeTool::argocd ? of_argocd(*json, now)
                                            : of_flux(*json, now);
  if (event && event->change) fill(*event->change, place);
  return event;
}

bool is_signed_by_github(std::string_view signature, std::string_view secret,
                         std::string_view body) {
  return !secret.empty() &&
         net::equal_in_constant_time(signature, "sha256=" + hmac_sha256_hex(secret, body));
}

}  // namespace outrider::ingest
