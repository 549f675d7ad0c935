// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/change_events.h"

#include "base/core/digest.h"
#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::ingest {
namespace {

const Time now = *parse_rfc3339("2026-01-31T13:00:00Z");

// As the tools' documentation shows them, shortened.
const std::string github = R"({"action": "created",
  "deployment_status": {"id": 9, "state": "success", "created_at": "2026-01-31T12:00:05Z", "environment": "production"},
  "deployment": {"id": 145988746, "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ref": "v2.1.3", "task": "deploy",
    "payload": {}, "environment": "production", "created_at": "2026-01-31T11:58:00Z"},
  "repository": {"id": 1, "name": "checkout", "full_name": "acme/checkout"}, "sender": {"login": "ada"}})";
const std::string argocd = R"({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
  "metadata": {"name": "checkout", "namespace": "argocd"},
  "spec": {"destination": {"namespace": "shop", "server": "https://kubernetes.default.svc"},
    "source": {"repoURL": "https://github.com/acme/deploy", "targetRevision": "main"}},
  "status": {"operationState": {"phase": "Succeeded", "startedAt": "2026-01-31T11:59:00Z", "finishedAt": "2026-01-31T12:00:00Z",
    "syncResult": {"revision": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"}}}})";
const std::string flux =
    R"({"involvedObject": {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
    "name": "checkout", "namespace": "shop", "uid": "7d0cdc51"},
  "severity": "info", "timestamp": "2026-01-31T12:00:00Z", "message": "Reconciliation finished in 1.2s", "reason": "ReconciliationSucceeded",
  "metadata": {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:f95f852bd8fca8fcc58a9a2d6c842781e32a215e"},
  "reportingController": "kustomize-controller"})";

std::string with(std::string body, const std::string& what, const std::string& other) {
  const std::size_t at = body.find(what);
  REQUIRE(at != std::string::npos);
  return body.replace(at, what.size(), other);
}

incident::Change change_of(ChangeTool tool, const std::string& body,
                           const ChangePlace& place = {}) {
  const auto event = parse_change_event(tool, body, place, now);
  REQUIRE(event);
  REQUIRE(event->change);
  return *event->change;
}

TEST_CASE("a deployment that GitHub says has succeeded is a change of the repository's workload") {
  const incident::Change change = change_of(ChangeTool::github, github);
  CHECK(change.kind == "deployment");
  CHECK(change.workload == "checkout");
  CHECK(change.version == "v2.1.3");
  CHECK(change.id == "github-145988746");
  CHECK(format_rfc3339(change.at) == "2026-01-31T12:00:05.000Z");
  CHECK(change_of(ChangeTool::github,
                  with(github, R"("payload": {})", R"("payload": {"workload": "web"})"))
            .workload == "web");
  CHECK(change_of(ChangeTool::github, with(github, "\"deploy\"", "\"deploy:rollback\"")).kind ==
        "rollback");
}

TEST_CASE("a sync of Argo CD is a change from its start on, of the destination's namespace") {
  const incident::Change change = change_of(ChangeTool::argocd, argocd);
  CHECK(change.name_space == "shop");
  CHECK(change.version == "f95f852bd8fc");
  CHECK(format_rfc3339(change.at) == "2026-01-31T11:59:00.000Z");
  CHECK(change_of(ChangeTool::argocd,
                  with(argocd, R"("targetRevision": "main")", R"("targetRevision": "v2.1.3")"))
            .version == "v2.1.3");
}

TEST_CASE("what Flux has applied is a change") {
  const incident::Change change = change_of(ChangeTool::flux, flux);
  CHECK(change.name_space == "shop");
  CHECK(change.workload == "checkout");
  CHECK(change.version == "f95f852bd8fc");
  CHECK(change.summary == "Flux: Reconciliation finished in 1.2s");
}

TEST_CASE("what the tool does not say, the webhook's address does") {
  const incident::Change change =
      change_of(ChangeTool::github, github, {"eu", "shop", "web", "house"});
  CHECK(change.identity() == incident::Identity{"eu", "shop", "web", "house", "v2.1.3"});
}

TEST_CASE("what is no change is ignored with its reason") {
  const auto why = [](ChangeTool tool, const std::string& body) {
    const auto event = parse_change_event(tool, body, {}, now);
    REQUIRE(event);
    REQUIRE_FALSE(event->change);
    return event->ignored;
  };
  CHECK(why(ChangeTool::github, R"({"zen": "Keep it simple.", "hook_id": 1})") == "a ping");
  CHECK_THAT(why(ChangeTool::github, with(github, "\"success\"", "\"in_progress\"")),
             Catch::Contains("in_progress"));
  CHECK_THAT(why(ChangeTool::argocd, with(argocd, "Succeeded", "Running")),
             Catch::Contains("Running"));
  CHECK_THAT(why(ChangeTool::flux, with(flux, "ReconciliationSucceeded", "HealthCheckFailed")),
             Catch::Contains("HealthCheckFailed"));
  CHECK_THAT(why(ChangeTool::flux, with(flux, "\"Kustomization\"", "\"GitRepository\"")),
             Catch::Contains("GitRepository"));
}

TEST_CASE("only what GitHub signed with the secret is GitHub's") {
  const std::string secret = "It's a Secret to Everybody", body = "Hello, World!";
  const std::string right =
      "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  CHECK(is_signed_by_github(right, secret, body));
  CHECK_FALSE(is_signed_by_github(right, secret, body + " "));
  CHECK_FALSE(is_signed_by_github(right, "another", body));
  CHECK_FALSE(is_signed_by_github(right.substr(7), secret, body));
  CHECK_FALSE(is_signed_by_github("", secret, body));
  // Without a secret nothing is signed, not even by the empty one.
  CHECK_FALSE(is_signed_by_github("sha256=" + hmac_sha256_hex("", body), "", body));
}

TEST_CASE("what is not understood is refused, and says what was missing") {
  for (const ChangeTool tool : {ChangeTool::github, ChangeTool::argocd, ChangeTool::flux}) {
    for (const char* body :
         {"", "[]", "{}", "{\"deployment\": 3}", "{\"metadata\": {\"name\": {}}}", "\xff"}) {
      const auto event = parse_change_event(tool, body, {}, now);
      REQUIRE_FALSE(event);
      CHECK((event.error().code == "bad_change" || event.error().code == "invalid_json"));
    }
  }
  const auto event =
      parse_change_event(ChangeTool::argocd, R"({"metadata": {"name": "x"}})", {}, now);
  CHECK_THAT(event.error().message, Catch::Contains("/status/operationState/phase is missing"));
}

}  // namespace
}  // namespace outrider::ingest
