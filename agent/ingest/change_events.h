// SPDX-License-Identifier: Apache-2.0
#pragma once

// What deployment tools post about what they did, as changes. PURE.
//
//   GitHub   webhook `deployment_status` (its success), or `deployment` with the task `rollback`
//   Argo CD  an Application, as a notification template sends it: {{toJson .app}}; its operation has
//            succeeded
//   Flux     the generic provider's event about a Kustomization or HelmRelease that was applied
//
// Sources: GitHub, "Webhook events and payloads: deployment, deployment_status"; Argo CD,
// "Application CRD" (status.operationState) and "Notifications: webhook"; Flux, "Notification API:
// event structure". An event that is understood and is no change (a check, a failure, a start) is
// told so; anything else is an error that names what was missing.

#include <optional>
#include <string>
#include <string_view>

#include "agent/incident/incident.h"

namespace outrider::ingest {

enum class ChangeTool { github, argocd, flux };
std::optional<ChangeTool> parse_change_tool(std::string_view name);

// What the tool does not say, from the webhook's address: ?cluster=&namespace=&workload=&model=.
struct ChangePlace {
  std::string cluster, name_space, workload, model;
};

struct ChangeEvent {
  std::optional<incident::Change> change;
  std::string ignored;  // Why it is none.
};

// Errors: those of parse_json, "bad_change".
Result<ChangeEvent> parse_change_event(ChangeTool tool, std::string_view body,
                                       const ChangePlace& place, Time now);

// Whether GitHub's header X-Hub-Signature-256 ("sha256=…") is of this body, with this secret.
// Source: GitHub, "Validating webhook deliveries". Takes equally long for every wrong one.
bool is_signed_by_github(std::string_view signature, std::string_view secret,
                         std::string_view body);

}  // namespace outrider::ingest
