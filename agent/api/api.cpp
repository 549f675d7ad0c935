// SPDX-License-Identifier: Apache-2.0
#include "agent/api/api.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

#include "agent/api/page.h"
#include "agent/ingest/change_events.h"
#include "base/core/text.h"

namespace outrider::api {
namespace {

using net::error_response;
using net::HttpRequest;
using net::HttpResponse;
using net::json_response;
using wire::Json;

constexpr std::size_t list_default = 100;
constexpr std::size_t list_max = 1'000;
constexpr std::size_t page_incidents_max = 100;
constexpr std::size_t page_resolved_max = 10;
constexpr std::size_t page_actions_max = 300;
constexpr std::size_t page_changes_max = 10;
constexpr std::size_t person_bytes_max = 100;
constexpr std::size_t invalid_alerts_max = 10;  // Told of in an answer and the log.

HttpResponse refuse(int status, const Error& error) {
  return error_response(status, error.code, error.message);
}

// Whether the caller's token reaches to what is of this identity.
bool is_in_scope(const HttpRequest& request, const incident::Identity& who) {
  return !request.scope || request.scope->covers(who.name_space, who.model);
}

// What lies outside of a token's limits is refused whole: half a webhook would look like success.
HttpResponse out_of_scope(const std::string& what, const incident::Identity& who) {
  const auto word = [](const std::string& name) { return name.empty() ? "(none)" : name; };
  return error_response(403, "out_of_scope",
                        what + " is about namespace " + word(who.name_space) + " and model " +
                            word(who.model) + ", which the token is not for");
}

// A handler that writes to the journal: when it cannot, the sender is asked to come again.
net::Handler journalled(AgentMetrics* metrics, net::Handler handler) {
  return [metrics, handler = std::move(handler)](const HttpRequest& request) {
    try {
      return handler(request);
    } catch (const act::JournalError& error) {
      metrics->count_journal_failure();
      spdlog::error("{}", error.what());
      HttpResponse response = error_response(503, "journal_failed", error.what());
      response.headers.push_back({"Retry-After", "5"});
      return response;
    }
  };
}

bool of_this_site(const HttpRequest& request) {
  if (request.header("Sec-Fetch-Site") == "cross-site") return false;
  const std::string_view origin = request.header("Origin");
  if (origin.empty()) return true;
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && origin.substr(scheme + 3) == request.header("Host");
}

std::size_t count_asked(const HttpRequest& request) {
  const auto asked = parse_uint(request.query_value("limit"));
  return asked ? std::min<std::size_t>(static_cast<std::size_t>(*asked), list_max) : list_default;
}

// What could not be read of a webhook, counted, logged and as JSON; the first ones by name.
Json invalid_alerts(const ApiParts& parts, const wire::AlertWebhook& webhook) {
  Json list = Json::array();
  for (const wire::InvalidAlert& alert : webhook.invalid) {
    parts.metrics->count_invalid_alert(alert.error.code == "alert_limit");
    if (list.size() == invalid_alerts_max) continue;
    spdlog::warn("alert not taken: {}", alert.error.message);
    list.push_back(
        {{"index", alert.index}, {"code", alert.error.code}, {"message", alert.error.message}});
  }
  return list;
}

// Where nothing of a webhook can be taken it is refused, so that Alertmanager counts a failed
// notification. Where something was filed the answer is 200: the rest would be no better the next
// time.
HttpResponse take_alerts(const ApiParts& parts, const HttpRequest& request) {
  const auto webhook = wire::parse_alert_webhook(request.body);
  const bool is_usable = webhook && (!webhook->alerts.empty() || webhook->invalid.empty());
  parts.metrics->count_webhook(is_usable);
  if (!webhook) {
    spdlog::warn("webhook refused: {}", webhook.error().message);
    return refuse(400, webhook.error());
  }
  for (const auto& alert : webhook->alerts) {
    const incident::Identity who = incident::identity_of(alert.labels);
    if (!is_in_scope(request, who)) return out_of_scope("an alert", who);
  }
  const Json errors = invalid_alerts(parts, *webhook);
  if (!is_usable) return refuse(400, webhook->invalid.front().error);
  const Dispatcher::Receipt receipt = parts.dispatcher->receive(*webhook);
  Json results = Json::object();
  for (const auto& [result, count] : receipt.results) results[result] = count;
  Json answer = {{"alerts", receipt.alerts}, {"results", results}};
  if (!errors.empty()) {
    answer["invalid"] = webhook->invalid.size();
    answer["errors"] = errors;
  }
  return json_response(200, answer);
}

HttpResponse take_change(const ApiParts& parts, const HttpRequest& request) {
  const auto change = incident::parse_change(request.body, parts.clock->now());
  if (!change) return refuse(400, change.error());
  if (!is_in_scope(request, change->identity())) {
    return out_of_scope("the change", change->identity());
  }
  const bool is_new = parts.dispatcher->receive(*change);
  return json_response(is_new ? 201 : 200, to_json(*change));
}

// GitHub, Argo CD and Flux in their own words; what is no change is told so, with 200.
HttpResponse take_change_event(const ApiParts& parts, const HttpRequest& request) {
  const std::string name(request.path_value("tool"));
  const auto tool = ingest::parse_change_tool(name);
  if (!tool) {
    return error_response(404, "unknown_tool",
                          "'" + name + "': expected /api/v1/changes/github, argocd or flux");
  }
  const ingest::ChangePlace place{request.query_value("cluster"), request.query_value("namespace"),
                                  request.query_value("workload"), request.query_value("model")};
  const auto event = ingest::parse_change_event(*tool, request.body, place, parts.clock->now());
  if (!event) {
    spdlog::warn("change of {} refused: {}", name, event.error().message);
    return refuse(400, event.error());
  }
  if (!event->change) return json_response(200, {{"ignored", event->ignored}});
  const bool is_new = parts.dispatcher->receive(*event->change);
  return json_response(is_new ? 201 : 200, to_json(*event->change));
}

HttpResponse list_incidents(const ApiParts& parts, const HttpRequest& request) {
  const std::string state = request.query_value("state");
  if (!state.empty() && state != "open" && state != "resolved") {
    return error_response(400, "bad_state", "state=" + state + ": expected open or resolved");
  }
  const std::size_t count = count_asked(request);
  Json list = Json::array();
  for (const bool open : {true, false}) {
    if (state == (open ? "resolved" : "open")) continue;
    for (const auto& incident : parts.journal->incidents(open, count)) {
      const bool is_ours = is_in_scope(request, incident.identity());
      if (is_ours && list.size() < count) list.push_back(to_json(incident));
    }
  }
  return json_response(200, {{"incidents", list}});
}

Json action_json(const ApiParts& parts, const decide::Action& action) {
  Json json = decide::to_public_json(action);
  Json history = Json::array();
  for (const auto& event : parts.journal->events_of(action.id)) {
    history.push_back({{"at", format_rfc3339(event.at)}, {"text", event.text}});
  }
  json["history"] = history;
  return json;
}

HttpResponse show_incident(const ApiParts& parts, const HttpRequest& request) {
  const auto incident = parts.journal->incident(std::string(request.path_value("id")));
  if (!incident) {
    return error_response(404, "not_found", "no incident of that id; see /api/v1/incidents");
  }
  if (!is_in_scope(request, incident->identity())) {
    return out_of_scope("the incident", incident->identity());
  }
  Json json = to_json(*incident);
  Json actions = Json::array();
  for (const auto& action : parts.journal->actions_of(incident->id)) {
    actions.push_back(action_json(parts, action));
  }
  json["actions"] = actions;
  return json_response(200, json);
}

HttpResponse list_actions(const ApiParts& parts, const HttpRequest& request) {
  const std::string incident = request.query_value("incident");
  const auto actions = incident.empty() ? parts.journal->actions(count_asked(request))
                                        : parts.journal->actions_of(incident);
  Json list = Json::array();
  for (const auto& action : actions) list.push_back(action_json(parts, action));
  return json_response(200, {{"actions", list}});
}

HttpResponse show_action(const ApiParts& parts, const HttpRequest& request) {
  const auto action = parts.journal->action(std::string(request.path_value("id")));
  if (!action) return error_response(404, "not_found", "no action of that id; see /api/v1/actions");
  return json_response(200, action_json(parts, *action));
}

struct Word {
  std::string by, why;
  bool from_form = false;
};

// {"by": "name", "why": "…"} or the page's form by=name.
Result<Word> read_word(const HttpRequest& request) {
  Word word;
  if (lower_ascii(request.header("Content-Type"))
          .starts_with("application/x-www-form-urlencoded")) {
    HttpRequest form;
    form.query = request.body;
    word = {form.query_value("by"), form.query_value("why"), true};
  } else {
    const auto json = wire::parse_json(request.body.empty() ? "{}" : request.body);
    if (!json) return fail(json);
    for (const auto& [key, target] : {std::pair{"by", &word.by}, std::pair{"why", &word.why}}) {
      const bool has = json->is_object() && json->contains(key);
      if (has && (*json)[key].is_string()) *target = (*json)[key].get<std::string>();
    }
  }
  if (trim(word.by).empty() || word.by.size() > person_bytes_max || word.why.size() > 1'000) {
    return fail("bad_person",
                R"(say who decides, e.g. {"by": "ada", "why": "…"}; at most 100 characters)");
  }
  if (!is_valid_utf8(word.by) || !is_valid_utf8(word.why)) return fail("bad_person", "not UTF-8");
  return word;
}

// Of an action, whose incident says whom it is about; one without an incident is about nobody.
std::optional<HttpResponse> refuse_out_of_scope(const ApiParts& parts, const HttpRequest& request,
                                                const std::string& action_id) {
  if (!request.scope) return std::nullopt;
  incident::Identity who;
  if (const auto action = parts.journal->action(action_id)) {
    if (const auto incident = parts.journal->incident(action->incident)) who = incident->identity();
  }
  if (is_in_scope(request, who)) return std::nullopt;
  return out_of_scope("the action", who);
}

HttpResponse person_decides(const ApiParts& parts, const HttpRequest& request, bool yes) {
  if (!of_this_site(request)) {
    return error_response(403, "cross_site", "the request comes from a page of another site");
  }
  const auto word = read_word(request);
  if (!word) return refuse(400, word.error());
  const std::string id(request.path_value("id"));
  if (const auto refused = refuse_out_of_scope(parts, request, id)) return *refused;
  const auto action = yes ? parts.dispatcher->approve(id, word->by)
                          : parts.dispatcher->reject(id, word->by, word->why);
  if (word->from_form) {
    const std::string notice = action ? action->reason : action.error().message;
    return {.status = 303, .headers = {{"Location", "/?notice=" + percent_encode(notice)}}};
  }
  if (!action) return refuse(action.error().code == "not_found" ? 404 : 409, action.error());
  return json_response(200, action_json(parts, *action));
}

std::string make_nonce() {
  std::random_device random;
  std::string nonce;
  for (int i = 0; i < 4; ++i) nonce += std::to_string(random());
  return nonce;
}

HttpResponse show_page(const ApiParts& parts, const HttpRequest& request) {
  PageContent content{.now = parts.clock->now(),
                      .open = parts.journal->incidents(true, page_incidents_max),
                      .resolved = parts.journal->incidents(false, page_resolved_max),
                      .actions = parts.journal->actions(page_actions_max),
                      .events = {},
                      .changes = parts.journal->changes(parts.clock->now() - std::chrono::hours(24),
                                                        page_changes_max),
                      .has_policy = parts.has_policy,
                      .dry_run = parts.dispatcher->policy()->dry_run,
                      .policy_trouble = parts.policy_trouble(),
                      .notice = request.query_value("notice").substr(0, 500)};
  for (const auto& action : content.actions) {
    content.events[action.id] = parts.journal->events_of(action.id);
  }
  const std::string nonce = make_nonce();
  HttpResponse response{.content_type = "text/html; charset=utf-8",
                        .body = render_page(content, nonce)};
  response.headers = {{"Content-Security-Policy", "default-src 'none'; style-src 'nonce-" + nonce +
                                                      "'; script-src 'nonce-" + nonce +
                                                      "'; connect-src 'self'; form-action 'self'; "
                                                      "frame-ancestors 'none'; base-uri 'none'"},
                      {"X-Content-Type-Options", "nosniff"},
                      // Not no-referrer: a browser then sends "Origin: null" with our own form.
                      {"Referrer-Policy", "same-origin"},
                      {"Cache-Control", "no-store"}};
  return response;
}

HttpResponse list_changes(const ApiParts& parts, const HttpRequest& request) {
  Json list = Json::array();
  for (const auto& change : parts.journal->changes(Time{}, count_asked(request))) {
    if (is_in_scope(request, change.identity())) list.push_back(to_json(change));
  }
  return json_response(200, {{"changes", list}});
}

HttpResponse reload(const ApiParts& parts) {
  if (auto loaded = parts.reload(); !loaded) return refuse(400, loaded.error());
  return net::text_response(200, "reloaded\n");
}

}  // namespace

void add_routes(net::Router& router, const ApiParts& parts) {
  const auto add = [&](const char* method, const char* path, const net::Needs& needs,
                       auto function) {
    router.add(method, path,
               journalled(parts.metrics,
                          [parts, function](const HttpRequest& request) {
                            return function(parts, request);
                          }),
               needs);
  };
  // Where it is known whom a request is about, a token's limits are checked against that.
  const net::Needs read{.role = net::Role::read};
  const net::Needs read_own{.role = net::Role::read, .handler_checks_scope = true};
  const net::Needs write{.role = net::Role::write, .handler_checks_scope = true};
  const net::Needs approve{.role = net::Role::approve, .handler_checks_scope = true};
  add("GET", "/", read, show_page);
  add("POST", "/api/v1/alerts", write, take_alerts);
  add("POST", "/api/v1/changes", write, take_change);
  add("POST", "/api/v1/changes/{tool}", write, take_change_event);
  add("GET", "/api/v1/changes", read_own, list_changes);
  add("GET", "/api/v1/incidents", read_own, list_incidents);
  add("GET", "/api/v1/incidents/{id}", read_own, show_incident);
  add("GET", "/api/v1/actions", read, list_actions);
  add("GET", "/api/v1/actions/{id}", read, show_action);
  add("POST", "/api/v1/actions/{id}/approve", approve,
      [](const ApiParts& p, const HttpRequest& r) { return person_decides(p, r, true); });
  add("POST", "/api/v1/actions/{id}/reject", approve,
      [](const ApiParts& p, const HttpRequest& r) { return person_decides(p, r, false); });
  add("GET", "/-/healthy", read,
      [](const ApiParts&, const HttpRequest&) { return net::text_response(200, "healthy\n"); });
  add("GET", "/-/ready", read, [](const ApiParts& p, const HttpRequest&) {
    return p.ready() ? net::text_response(200, "ready\n")
                     : error_response(503, "not_ready", "the agent is starting or stopping");
  });
  add("POST", "/-/reload", {.role = net::Role::administer},
      [](const ApiParts& p, const HttpRequest&) { return reload(p); });
}

}  // namespace outrider::api
