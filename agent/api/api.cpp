// SPDX-License-Identifier: Apache-2.0
#include "agent/api/api.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>

#include "agent/act/journal_export.h"
#include "agent/api/pages.h"
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
constexpr std::size_t limited_read = 5'000;  // Looked through for a token with limits.
constexpr std::size_t person_bytes_max = 100;
constexpr std::size_t invalid_alerts_max = 10;  // Told of in an answer and the log.

HttpResponse refuse(int status, const Error& error) {
  return error_response(status, error.code, error.message);
}

// What lies outside of a token's limits is refused whole: half a webhook would look like success.
HttpResponse out_of_scope(const std::string& what, const incident::Identity& who) {
  const auto word = [](const std::string& name) { return name.empty() ? "(none)" : name; };
  std::string place;
  for (const auto& [part, name] :
       {std::pair{"cluster ", &who.cluster}, std::pair{"workload ", &who.workload}}) {
    if (!name->empty()) place += std::string(", ") + part + *name;
  }
  return error_response(403, "out_of_scope",
                        what + " is about namespace " + word(who.name_space) + " and model " +
                            word(who.model) + place + ", which the token is not for");
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
  return asked ? static_cast<std::size_t>(*asked) : list_default;
}

// A list that is shorter than was asked for would pass for all there is.
std::optional<HttpResponse> refuse_limit(const HttpRequest& request) {
  const std::string text = request.query_value("limit");
  const auto asked = parse_uint(text);
  if (text.empty() || (asked && *asked >= 1 && *asked <= list_max)) return std::nullopt;
  return error_response(
      400, "bad_limit",
      "limit=" + text + ": expected a number from 1 to " + std::to_string(list_max));
}

// So many are read: of those that others may see only, the newest may all be somebody else's.
std::size_t count_read(const HttpRequest& request) {
  const bool is_limited = request.scope && request.scope->is_limited();
  return is_limited ? limited_read : count_asked(request);
}

// The newest of those that the caller may see, as many as fit.
template <class Items, class Show>
void add_reached(const HttpRequest& request, const Items& items, std::size_t count_max,
                 const Show& show, Json& list) {
  for (const auto& item : items) {
    if (reaches(request, item.identity()) && list.size() < count_max) list.push_back(show(item));
  }
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
    if (!reaches(request, who)) return out_of_scope("an alert", who);
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
  if (!reaches(request, change->identity())) {
    return out_of_scope("the change", change->identity());
  }
  const bool is_new = parts.dispatcher->receive(*change);
  return json_response(is_new ? 201 : 200, to_json(*change));
}

// GitHub, Argo CD and Flux in their own words; what is no change is told so, with 200.
HttpResponse take_change_event(const ApiParts& parts, const HttpRequest& request) {
  const std::string_view named = request.path_value("tool");
  const std::string name(named.empty() ? "github" : named);
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
  if (!reaches(request, event->change->identity()))
    return out_of_scope("the change", event->change->identity());
  const bool is_new = parts.dispatcher->receive(*event->change);
  return json_response(is_new ? 201 : 200, to_json(*event->change));
}

// GitHub bears no token: its signature says who it is.
HttpResponse take_signed_change(const ApiParts& parts, const HttpRequest& request) {
  const auto secret = parts.github_secret();
  if (!secret) return refuse(503, secret.error());
  const std::string_view signature = request.header("X-Hub-Signature-256");
  if (!ingest::is_signed_by_github(signature, *secret, request.body)) {
    spdlog::warn("change of github refused: {}", signature.empty() ? "not signed" : "wrong secret");
    return error_response(401, "bad_signature",
                          signature.empty()
                              ? "expected X-Hub-Signature-256: give the webhook a secret, that of "
                                "--changes.github-secret-file"
                              : "X-Hub-Signature-256 is not of this body with the secret in "
                                "--changes.github-secret-file");
  }
  return take_change_event(parts, request);
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
    add_reached(
        request, parts.journal->incidents(open, count_read(request)), count,
        [](const auto& incident) { return to_json(incident); }, list);
  }
  return json_response(200, {{"incidents", list}});
}

HttpResponse show_incident(const ApiParts& parts, const HttpRequest& request) {
  const auto incident = parts.journal->incident(std::string(request.path_value("id")));
  if (!incident) {
    return error_response(404, "not_found", "no incident of that id; see /api/v1/incidents");
  }
  if (!reaches(request, incident->identity())) {
    return out_of_scope("the incident", incident->identity());
  }
  Json json = to_json(*incident);
  Json actions = Json::array();
  // One incident may have alerts of several models, and so actions about each.
  add_reached(
      request, parts.journal->actions_of(incident->id), SIZE_MAX,
      [&parts](const auto& action) { return action_json(parts, action); }, actions);
  json["actions"] = actions;
  json["tickets"] = parts.tickets ? parts.tickets(incident->id) : Json::array();
  return json_response(200, json);
}

HttpResponse list_actions(const ApiParts& parts, const HttpRequest& request) {
  const std::string incident = request.query_value("incident");
  const auto actions = incident.empty() ? parts.journal->actions(count_read(request))
                                        : parts.journal->actions_of(incident);
  const std::size_t count = incident.empty() ? count_asked(request) : actions.size();
  Json list = Json::array();
  add_reached(
      request, actions, count, [&parts](const auto& action) { return action_json(parts, action); },
      list);
  return json_response(200, {{"actions", list}, {"paused", parts.pause_switch->reason()}});
}

HttpResponse show_action(const ApiParts& parts, const HttpRequest& request) {
  const auto action = parts.journal->action(std::string(request.path_value("id")));
  if (!action) return error_response(404, "not_found", "no action of that id; see /api/v1/actions");
  if (!reaches(request, action->identity())) {
    return out_of_scope("the action", action->identity());
  }
  return json_response(200, action_json(parts, *action));
}

struct Word {
  std::string by, why;
  bool from_form = false;
};

// Who decides: the person that the way in has found out, whoever the request names; by an entry
// of the tokens file both whom the request names and as whom it came.
std::string person_of(const HttpRequest& request, const std::string& named) {
  if (!request.user.empty()) return request.user;
  return request.roles ? named + " (as " + request.caller + ")" : named;
}

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
  if (!request.user.empty()) word.by = request.user;
  if (trim(word.by).empty() || word.by.size() > person_bytes_max || word.why.size() > 1'000) {
    return fail("bad_person",
                R"(say who decides, e.g. {"by": "ada", "why": "…"}; at most 100 characters)");
  }
  if (!is_valid_utf8(word.by) || !is_valid_utf8(word.why)) return fail("bad_person", "not UTF-8");
  word.by = person_of(request, word.by);
  return word;
}

// Of an action; one that there is not is about nobody.
std::optional<HttpResponse> refuse_out_of_scope(const ApiParts& parts, const HttpRequest& request,
                                                const std::string& action_id) {
  if (!request.scope) return std::nullopt;
  const auto action = parts.journal->action(action_id);
  const incident::Identity who = action ? action->identity() : incident::Identity{};
  if (reaches(request, who)) return std::nullopt;
  return out_of_scope("the action", who);
}

// The page tells from the journal what became of it, so that an address cannot claim anything.
HttpResponse back_to_page(const ApiParts& parts, const std::string& id, bool is_decided) {
  const auto action = parts.journal->action(id);
  const std::string page =
      action ? "/incidents/" + percent_encode(action->incident) : std::string("/actions");
  return {.status = 303,
          .headers = {{"Location", page + (is_decided ? "?done=" : "?refused=") +
                                       percent_encode(id) + "#actions"}}};
}

HttpResponse person_decides(const ApiParts& parts, const HttpRequest& request, bool yes) {
  const auto word = read_word(request);
  if (!word) return refuse(400, word.error());
  const std::string id(request.path_value("id"));
  if (const auto refused = refuse_out_of_scope(parts, request, id)) return *refused;
  const auto action = yes ? parts.dispatcher->approve(id, word->by)
                          : parts.dispatcher->reject(id, word->by, word->why);
  if (word->from_form) {
    return back_to_page(parts, id, action.has_value());
  }
  if (!action) return refuse(action.error().code == "not_found" ? 404 : 409, action.error());
  return json_response(200, action_json(parts, *action));
}

// The kill switch's person's hand. Resuming leaves the option's and the file's where they are.
HttpResponse pause_actions(const ApiParts& parts, const HttpRequest& request, bool pause) {
  const auto word = read_word(request);
  if (!word) return refuse(400, word.error());
  if (pause) {
    parts.pause_switch->pause(word->by, word->why);
  } else {
    parts.pause_switch->resume();
  }
  const std::string reason = parts.pause_switch->reason();
  spdlog::warn("actions {} by {}{}", pause ? "paused" : "resumed", word->by,
               pause || reason.empty() ? "" : ", but still " + reason);
  parts.dispatcher->wake();
  if (word->from_form) return {.status = 303, .headers = {{"Location", "/"}}};
  return json_response(200, {{"paused", reason}});
}

HttpResponse list_changes(const ApiParts& parts, const HttpRequest& request) {
  Json list = Json::array();
  add_reached(
      request, parts.journal->changes(Time{}, count_read(request)), count_asked(request),
      [](const auto& change) { return to_json(change); }, list);
  return json_response(200, {{"changes", list}});
}

HttpResponse export_journal(const ApiParts& parts, const HttpRequest& request) {
  const std::string text = request.query_value("since");
  const auto since = text.empty() ? std::optional(Time{}) : parse_rfc3339(text);
  if (!since) {
    return error_response(400, "bad_time", "since=" + text + ": expected RFC 3339, UTC");
  }
  HttpResponse response{.content_type = "application/x-ndjson"};
  response.stream = [journal = parts.journal, since = *since](const HttpResponse::Write& write) {
    act::export_journal(*journal, since, write);
  };
  return response;
}

HttpResponse show_right_size(const ApiParts& parts, const HttpRequest&) {
  if (!parts.right_size) {
    return error_response(404, "not_right_sizing",
                          "not asked: give --right-size.every, such as 6h, and --prometheus.url");
  }
  return {.content_type = "application/json", .body = parts.right_size()};
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
                            if (request.method == "POST" && !of_this_site(request)) {
                              return error_response(403, "cross_site",
                                                    "the request comes from a page of another "
                                                    "site");
                            }
                            if (const auto refused = refuse_limit(request)) return *refused;
                            return function(parts, request);
                          }),
               needs);
  };
  // Where it is known whom a request is about, a token's limits are checked against that.
  const net::Needs read{.role = net::Role::read};
  const net::Needs read_own{.role = net::Role::read, .handler_checks_scope = true};
  const net::Needs write{.role = net::Role::write, .handler_checks_scope = true};
  const net::Needs approve{.role = net::Role::approve, .handler_checks_scope = true};
  add_page_routes(router, parts);
  add("POST", "/api/v1/alerts", write, take_alerts);
  add("POST", "/api/v1/changes", write, take_change);
  if (parts.github_secret)
    add("POST", "/api/v1/changes/github", net::Needs{.role = std::nullopt}, take_signed_change);
  add("POST", "/api/v1/changes/{tool}", write, take_change_event);
  add("GET", "/api/v1/changes", read_own, list_changes);
  add("GET", "/api/v1/incidents", read_own, list_incidents);
  add("GET", "/api/v1/incidents/{id}", read_own, show_incident);
  add("GET", "/api/v1/actions", read_own, list_actions);
  add("GET", "/api/v1/actions/{id}", read_own, show_action);
  // Before {id}: the switch is of the whole agent, so a limited token is refused.
  add("POST", "/api/v1/actions/pause", {.role = net::Role::administer},
      [](const ApiParts& p, const HttpRequest& r) { return pause_actions(p, r, true); });
  add("POST", "/api/v1/actions/resume", {.role = net::Role::administer},
      [](const ApiParts& p, const HttpRequest& r) { return pause_actions(p, r, false); });
  add("POST", "/api/v1/actions/{id}/approve", approve,
      [](const ApiParts& p, const HttpRequest& r) { return person_decides(p, r, true); });
  add("POST", "/api/v1/actions/{id}/reject", approve,
      [](const ApiParts& p, const HttpRequest& r) { return person_decides(p, r, false); });
  add("GET", "/api/v1/right-size", read, show_right_size);
  add("GET", "/api/v1/journal", read, export_journal);
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
