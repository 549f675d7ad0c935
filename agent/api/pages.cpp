// SPDX-License-Identifier: Apache-2.0
#include "agent/api/pages.h"

#include <algorithm>
#include <mutex>

#include "agent/page/frame.h"
#include "agent/page/incident_page.h"
#include "agent/page/lists_page.h"
#include "agent/page/model_page.h"
#include "agent/page/models_page.h"
#include "agent/page/right_size_page.h"
#include "base/core/digest.h"
#include "base/core/text.h"

namespace outrider::api {
namespace {

using incident::Incident;
using net::HttpRequest;
using net::HttpResponse;
using page::Overall;
using wire::Json;

// The journal is locked while it is read, so pages that ask again each few seconds read little.
struct ReadLimits {
  std::size_t resolved = 100, actions = 300;
  Duration fresh = std::chrono::seconds(1);
};
constexpr ReadLimits for_lists = {1'000, 1'000, std::chrono::seconds(4)};
constexpr std::size_t changes_max = 1'000;
constexpr Duration changes_since = std::chrono::hours(24);
constexpr Duration charts_patience = std::chrono::milliseconds(400);
constexpr std::size_t field_bytes_max = 200;  // Of the query string.

// What pages read of the journal, all of it.
struct Known {
  Time read_at;
  std::vector<Incident> open, resolved;  // Newest first.
  std::vector<decide::Action> actions;   // Newest first.
  std::vector<decide::Action> held;      // All of them.
  std::vector<incident::Change> changes;
  bool resolved_cut = false, actions_cut = false;
};

// The same for all readers for a while.
class KnownCache {
 public:
  KnownCache(const ApiParts& parts, const ReadLimits& limits) : parts_(parts), limits_(limits) {}

  // `anew`: somebody has just pressed a button and wants to see what became of it.
  std::shared_ptr<const Known> get(bool anew) {
    std::lock_guard lock(mutex_);
    const Time now = parts_.clock->now();
    const bool is_fresh = known_ && now >= known_->read_at && now - known_->read_at < limits_.fresh;
    if (is_fresh && !anew) return known_;
    auto made = std::make_shared<Known>();
    made->read_at = now;
    made->open = parts_.dispatcher->open_incidents();
    std::sort(made->open.begin(), made->open.end(),
              [](const Incident& a, const Incident& b) { return a.opened_at > b.opened_at; });
    made->resolved = parts_.journal->incidents(false, limits_.resolved);
    made->resolved_cut = made->resolved.size() == limits_.resolved;
    made->actions = parts_.journal->actions(limits_.actions);
    made->actions_cut = made->actions.size() == limits_.actions;
    made->held = parts_.journal->held_actions();
    made->changes = parts_.journal->changes(now - changes_since, changes_max);
    known_ = std::move(made);
    return known_;
  }

 private:
  const ApiParts parts_;
  const ReadLimits limits_;
  std::mutex mutex_;
  std::shared_ptr<const Known> known_;
};

std::shared_ptr<const Known> known_for(KnownCache& cache, const HttpRequest& request) {
  return cache.get(!request.query_value("done").empty());
}

// What of it a reader may see: all of it, unless his token has limits.
struct Seen {
  std::vector<Incident> open, resolved;
  std::vector<decide::Action> actions, held;
  std::vector<incident::Change> changes;
};

template <class Item>
std::vector<Item> visible(const HttpRequest& request, const std::vector<Item>& items) {
  std::vector<Item> kept;
  std::copy_if(items.begin(), items.end(), std::back_inserter(kept),
               [&request](const Item& item) { return reaches(request, item.identity()); });
  return kept;
}

Seen seen_by(const HttpRequest& request, const Known& known) {
  return {visible(request, known.open), visible(request, known.resolved),
          visible(request, known.actions), visible(request, known.held),
          visible(request, known.changes)};
}

Json history_json(const ApiParts& parts, const std::string& action) {
  Json history = Json::array();
  for (const auto& event : parts.journal->events_of(action))
    history.push_back({{"at", format_rfc3339(event.at)}, {"text", event.text}});
  return history;
}

bool waits(const decide::Action& action) {
  return action.needs_approval && action.stage == decide::Stage::held;
}

// What became of the button: told from the journal, so that an address cannot claim anything.
std::string notice_of(const ApiParts& parts, const HttpRequest& request) {
  const std::string id = request.query_value("done"), refused = request.query_value("refused");
  const auto action = parts.journal->action(id.empty() ? refused : id);
  if (!action || !reaches(request, action->identity())) return {};
  const std::string what = "The " + std::string(decide::name(action->kind)) + " is " +
                           std::string(decide::name(action->outcome)) + ": " + action->reason;
  return refused.empty() ? what : "Nothing was decided by this: it was decided before. " + what;
}

// Why the reader may not approve; "": he may.
std::string cannot_approve(const HttpRequest& request) {
  if (request.may(net::Role::approve)) return {};
  return request.user.empty()
             ? "You cannot: the token " + request.caller +
                   " has no role approve. Open the page with one that has it."
             : "You cannot: " + request.user + " has no role approve in the agent's tokens file.";
}

page::Reader reader_of(const HttpRequest& request) {
  return {.name = request.user, .cannot_approve = cannot_approve(request)};
}

Overall overall_of(const ApiParts& parts, const HttpRequest& request, const Seen& seen) {
  Overall overall{.now = parts.clock->now()};
  overall.open = seen.open.size();
  overall.critical = static_cast<std::size_t>(
      std::count_if(seen.open.begin(), seen.open.end(),
                    [](const Incident& one) { return one.severity == "critical"; }));
  for (const decide::Action& action : seen.held) {
    if (!waits(action)) continue;
    ++overall.waiting;
    overall.waiting_incident = action.incident;
  }
  overall.has_policy = parts.has_policy;
  overall.dry_run = parts.dispatcher->policy()->dry_run;
  overall.right_sizes = static_cast<bool>(parts.right_size);
  overall.policy_trouble = parts.policy_trouble();
  overall.notice = notice_of(parts, request);
  if (const std::string paused = parts.pause_switch->reason(); !paused.empty())
    overall.warnings.push_back("Paused: nothing that changes production is sent: " + paused);
  return overall;
}

std::map<std::string, std::size_t> waiting_of(const Seen& seen) {
  std::map<std::string, std::size_t> waiting;
  for (const decide::Action& action : seen.held) {
    if (waits(action)) ++waiting[action.incident];
  }
  return waiting;
}

std::vector<net::Header> page_headers() {
  return {{"Content-Security-Policy",
           "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src "
           "'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          // Not no-referrer: a browser then sends "Origin: null" with our own form.
          {"Referrer-Policy", "same-origin"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cache-Control", "no-store"}};
}

HttpResponse answer(const HttpRequest& request, const page::Frame& frame) {
  std::string html = page::document(frame);
  const std::string etag = "\"" + sha256_hex(page::without_ages(html)).substr(0, 24) + "\"";
  HttpResponse response{.content_type = "text/html; charset=utf-8", .headers = page_headers()};
  response.headers.push_back({"ETag", etag});
  if (request.header("If-None-Match") == etag) {
    response.status = 304;
  } else {
    response.body = std::move(html);
  }
  return response;
}

std::string field(const HttpRequest& request, const char* name) {
  return request.query_value(name).substr(0, field_bytes_max);
}

std::size_t page_asked(const HttpRequest& request) {
  return static_cast<std::size_t>(
      std::clamp<std::uint64_t>(parse_uint(request.query_value("page")).value_or(1), 1, 100'000));
}

page::ListView list_view(const HttpRequest& request) {
  return {field(request, "q"), field(request, "owner"), field(request, "state"),
          page_asked(request)};
}

HttpResponse show_models(const ApiParts& parts, KnownCache& cache, const HttpRequest& request) {
  const Seen seen = seen_by(request, *known_for(cache, request));
  page::Fleet fleet;
  if (parts.models != nullptr) fleet = *parts.models->fleet();
  std::erase_if(fleet.models, [&request](const page::ModelFigures& figures) {
    return !reaches(request, figures.who);
  });
  // How many there are that a limited reader may not see is none of his business.
  if (request.scope && request.scope->is_limited()) fleet.left_out = 0;
  const auto lines = page::model_lines(fleet, seen.open, seen.resolved, seen.actions, seen.changes);
  const Overall overall = overall_of(parts, request, seen);
  std::vector<const page::Foretold*> limits;
  for (const page::Foretold& told : fleet.limits) {
    if (reaches(request, incident::identity_of(told.labels))) limits.push_back(&told);
  }
  page::ModelsContent content{.now = overall.now,
                              .fleet = &fleet,
                              .lines = &lines,
                              .open = &seen.open,
                              .waiting = waiting_of(seen)};
  content.limits = std::move(limits);
  content.view = {field(request, "q"),         field(request, "owner"), field(request, "cluster"),
                  field(request, "namespace"), field(request, "state"), field(request, "sort"),
                  page_asked(request)};
  if (content.view.sort.empty()) content.view.sort = "worst";
  return answer(request, {overall, "Models", "models", page::models_main(content)});
}

HttpResponse not_found(const HttpRequest& request, const Overall& overall, const char* section,
                       std::string text) {
  HttpResponse response = answer(request, {overall, "Not found", section, std::move(text)});
  response.status = 404;
  return response;
}

HttpResponse show_model(const ApiParts& parts, KnownCache& cache, const HttpRequest& request) {
  const Seen seen = seen_by(request, *known_for(cache, request));
  const Overall overall = overall_of(parts, request, seen);
  const incident::Identity who{field(request, "cluster"), field(request, "namespace"),
                               field(request, "workload"), field(request, "model"), ""};
  page::Fleet fleet;
  if (parts.models != nullptr) fleet = *parts.models->fleet();
  const auto lines = page::model_lines(fleet, seen.open, seen.resolved, seen.actions, seen.changes);
  const auto line = std::find_if(lines.begin(), lines.end(), [&who](const page::ModelLine& one) {
    return page::model_address(one.who) == page::model_address(who);
  });
  if (line == lines.end() || !reaches(request, who)) {
    return not_found(request, overall, "models",
                     "<h1>No such model</h1><p>Neither Prometheus nor the journal has it, or it is "
                     "not among those that you may see. <a href=\"/\">All models</a></p>");
  }
  page::ModelContent content{.now = overall.now, .line = *line};
  for (const auto* list : {&seen.open, &seen.resolved}) {
    for (const Incident& one : *list) {
      if (incident::may_be_same(one.identity(), who)) content.incidents.push_back(&one);
    }
  }
  for (const decide::Action& action : seen.actions) {
    const bool is_shown = content.actions.size() < page::actions_of_model_max;
    if (is_shown && incident::may_be_same(action.identity(), who))
      content.actions.push_back(action_json(parts, action));
  }
  if (auto ahead = parts.models != nullptr ? parts.models->ahead(who) : std::nullopt) {
    content.ahead = std::move(*ahead);
    content.is_forecasting = true;
  }
  content.grafana_url = page::grafana_address(parts.grafana_url, who, overall.now);
  content.reader = reader_of(request);
  const bool has_forms = std::any_of(content.actions.begin(), content.actions.end(),
                                     [](const Json& one) { return page::waits_for_person(one); });
  return answer(request, {overall, who.model, "models", page::model_main(content), has_forms});
}

HttpResponse show_incidents(const ApiParts& parts, KnownCache& cache, const HttpRequest& request) {
  const auto known = known_for(cache, request);
  const Seen seen = seen_by(request, *known);
  std::vector<Incident> all = seen.open;
  all.insert(all.end(), seen.resolved.begin(), seen.resolved.end());
  const Overall overall = overall_of(parts, request, seen);
  return answer(request, {overall, "Incidents", "incidents",
                          page::incidents_main({.now = overall.now,
                                                .incidents = &all,
                                                .waiting = waiting_of(seen),
                                                .view = list_view(request),
                                                .cut = known->resolved_cut})});
}

HttpResponse show_actions(const ApiParts& parts, KnownCache& cache, const HttpRequest& request) {
  const auto known = known_for(cache, request);
  const Seen seen = seen_by(request, *known);
  const page::ListView view = list_view(request);
  std::vector<Json> actions;
  for (const decide::Action& action : seen.actions)
    actions.push_back(decide::to_public_json(action));
  const Overall overall = overall_of(parts, request, seen);
  const auto history = [&parts](const std::string& id) { return history_json(parts, id); };
  return answer(request, {overall, "Actions", "actions",
                          page::actions_main({.now = overall.now,
                                              .actions = &actions,
                                              .history = history,
                                              .view = view,
                                              .cut = known->actions_cut,
                                              .reader = reader_of(request)}),
                          overall.waiting > 0});
}

void add_charts(const ApiParts& parts, const Incident& incident, page::IncidentContent& content) {
  if (parts.models == nullptr) {
    content.charts_say = "No charts: no Prometheus is given (--prometheus.url).";
    return;
  }
  if (incident.model.empty()) {
    content.charts_say = "No charts: the incident names no model; see its causes' evidence.";
    return;
  }
  auto made = parts.models->charts(incident, charts_patience);
  const auto fleet = parts.models->fleet();
  for (page::Chart& chart : made.charts) {
    chart.markers = page::markers_of(incident, content.actions);
    content.charts.push_back(std::move(chart));
  }
  if (!made.trouble.empty()) {
    content.charts_say = "Not all charts: Prometheus did not answer: " + made.trouble;
  } else if (!made.asked_at) {
    content.charts_say = "Prometheus is being asked for the charts; they appear here.";
  } else {
    content.charts_say = "From " + fleet->source + ", with what it has of " + incident.model + ".";
  }
}

HttpResponse show_incident(const ApiParts& parts, KnownCache& cache, const HttpRequest& request) {
  const Seen seen = seen_by(request, *known_for(cache, request));
  const Overall overall = overall_of(parts, request, seen);
  const auto found = parts.journal->incident(std::string(request.path_value("id")));
  if (!found || !reaches(request, found->identity())) {
    return not_found(
        request, overall, "incidents",
        "<h1>No such incident</h1><p>It is not in the journal, or not among those that you may "
        "see. <a href=\"/incidents\">All incidents</a></p>");
  }
  page::IncidentContent content{.now = overall.now, .incident = *found};
  auto actions = parts.journal->actions_of(found->id);
  std::sort(actions.begin(), actions.end(),
            [](const auto& a, const auto& b) { return a.created_at < b.created_at; });
  for (const decide::Action& action : actions) {
    if (reaches(request, action.identity())) content.actions.push_back(action_json(parts, action));
  }
  content.has_policy = parts.has_policy;
  content.reader = reader_of(request);
  content.grafana_url = page::grafana_address(parts.grafana_url, *found, overall.now);
  add_charts(parts, *found, content);
  return answer(request,
                {overall, found->summary.empty() ? found->alert : found->summary, "incidents",
                 page::incident_main(content), std::any_of(actions.begin(), actions.end(), waits)});
}

HttpResponse show_right_size(const ApiParts& parts, KnownCache& cache, const HttpRequest& request) {
  const Overall overall = overall_of(parts, request, seen_by(request, *known_for(cache, request)));
  page::RightSizeContent content{.now = overall.now, .search = field(request, "q")};
  if (parts.right_size) {
    auto report = wire::parse_json(parts.right_size());
    if (report) content.report = std::move(*report);
  }
  if (request.scope && request.scope->is_limited())
    content.may_see = [&request](const incident::Identity& who) { return reaches(request, who); };
  return answer(request, {overall, "Right-size", "right-size", page::right_size_main(content)});
}

HttpResponse show_asset(const HttpRequest& request) {
  for (const page::Asset& asset : page::assets()) {
    if (asset.path != request.path) continue;
    return {.content_type = asset.type,
            .body = std::string(asset.content),
            .headers = {{"Cache-Control", "public, max-age=31536000, immutable"},
                        {"X-Content-Type-Options", "nosniff"}}};
  }
  return net::error_response(404, "not_found", "no such file; reload the page that asked for it");
}

}  // namespace

bool reaches(const HttpRequest& request, const incident::Identity& who) {
  return !request.scope || request.scope->covers({.cluster = who.cluster,
                                                  .name_space = who.name_space,
                                                  .workload = who.workload,
                                                  .model = who.model});
}

Json action_json(const ApiParts& parts, const decide::Action& action) {
  Json json = decide::to_public_json(action);
  json["history"] = history_json(parts, action.id);
  return json;
}

void add_page_routes(net::Router& router, const ApiParts& parts) {
  const auto brief = std::make_shared<KnownCache>(parts, ReadLimits{});
  const auto lists = std::make_shared<KnownCache>(parts, for_lists);
  const net::Needs read_own{.role = net::Role::read, .handler_checks_scope = true};
  const auto add = [&](const char* path, const auto& cache, auto show) {
    router.add(
        "GET", path,
        [parts, cache, show](const HttpRequest& request) { return show(parts, *cache, request); },
        read_own);
  };
  add("/", brief, show_models);
  add("/model", brief, show_model);
  add("/incidents", lists, show_incidents);
  add("/incidents/{id}", brief, show_incident);
  add("/actions", lists, show_actions);
  add("/right-size", lists, show_right_size);
  router.add("GET", "/assets/{name}", show_asset, read_own);
}

}  // namespace outrider::api
