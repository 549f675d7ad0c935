// SPDX-License-Identifier: Apache-2.0
#include "predictor/serve/control.h"

#include "base/core/text.h"
#include "predictor/train/promotion.h"

namespace outrider::serve {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using wire::Json;

int status_of(std::string_view code) {
  if (code == "unknown_version" || code == "unknown_model") return 404;
  if (code == "gate_refused" || code == "no_previous") return 409;
  if (code == "bad_request") return 400;
  return 500;
}

HttpResponse refusal(const Error& error) {
  return net::error_response(status_of(error.code), error.code, error.message);
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

// What a list of versions says of one; a card that cannot be read is said, not hidden.
Json summary(const registry::Registry& registry, const std::string& version,
             const registry::Stages& stages) {
  Json line{{"version", version},
            {"stage", version == stages.production  ? Json("production")
                      : version == stages.candidate ? Json("candidate")
                                                    : Json()}};
  const auto text = registry.read(version, "card.json");
  const auto card = text ? train::parse_card(*text) : Result<Json>(fail(text));
  if (!card) {
    line["error"] = card.error().message;
    return line;
  }
  const auto at = [&](const char* pointer) {
    const Json::json_pointer place(pointer);
    return card->contains(place) ? card->at(place) : Json();
  };
  line["created"] = at("/created");
  line["algorithm"] = at("/parameters/algorithm");
  line["parent"] = at("/parent");
  line["training_rows"] = at("/data/training_rows");
  line["strategy"] = at("/data/strategy");
  line["accuracy"] = at("/metrics/accuracy");
  return line;
}

Json stages_json(const std::string& model, const registry::Stages& stages) {
  return {{"model", model},
          {"production", or_null(stages.production)},
          {"candidate", or_null(stages.candidate)}};
}

}  // namespace

HttpResponse Control::list_models() const {
  const auto stages = registry_.stages();
  if (!stages) return refusal(stages.error());
  Json body = stages_json(registry_.model_name(), *stages);
  Json versions = Json::array(), history = Json::array();
  for (const std::string& version : registry_.versions())
    versions.push_back(summary(registry_, version, *stages));
  for (const registry::Event& event : stages->history) {
    history.push_back({{"at", format_rfc3339(event.at)},
                       {"action", event.action},
                       {"from", or_null(event.from)},
                       {"to", event.to},
                       {"reason", event.reason}});
  }
  body["versions"] = std::move(versions);
  body["history"] = std::move(history);
  return net::json_response(200, body);
}

HttpResponse Control::show_model(const HttpRequest& request) const {
  const auto text = registry_.read(request.path_value("version"), "card.json");
  if (!text) return refusal(text.error());
  return {.status = 200, .content_type = "application/json", .body = *text};
}

HttpResponse Control::promote(const HttpRequest& request) {
  const std::string force = request.query_value("force");
  if (force != "" && force != "true" && force != "false" && force != "1" && force != "0") {
    return net::error_response(400, "bad_request",
                               "force=" + force.substr(0, 20) + ": expected true or false");
  }
  const std::string reason = request.query_value("reason");
  const auto trial = train::promote_version(registry_, request.path_value("version"), gates_,
                                            force == "true" || force == "1",
                                            reason.empty() ? "POST promote" : reason);
  if (!trial) return refusal(trial.error());
  if (const auto taken = live_.refresh(true); !taken) return refusal(taken.error());
  const auto stages = registry_.stages();
  if (!stages) return refusal(stages.error());
  Json body = stages_json(registry_.model_name(), *stages);
  body["gates"] = train::to_json(trial->judgement, trial->against);
  return net::json_response(200, body);
}

HttpResponse Control::rollback(const HttpRequest& request) {
  const auto asked = retrain::parse_request(request.body);
  if (!asked) return refusal(asked.error());
  const retrain::Request body = asked->value_or(retrain::Request{});
  if (!body.model.empty() && body.model != registry_.model_name()) {
    return net::error_response(404, "unknown_model",
                               "no model '" + body.model + "' is served here");
  }
  if (!body.version.empty()) {
    if (const auto known = registry_.find(body.version); !known) return refusal(known.error());
  }
  const auto stages =
      registry_.rollback(body.reason.empty() ? "POST rollback" : body.reason, body.version);
  if (!stages) return refusal(stages.error());
  if (const auto taken = live_.refresh(true); !taken) return refusal(taken.error());
  return net::json_response(200, stages_json(registry_.model_name(), *stages));
}

HttpResponse Control::retrain(const HttpRequest& request) {
  auto asked = retrain::parse_request(request.body);
  if (!asked) return refusal(asked.error());
  if (!*asked) {
    return net::json_response(
        200, {{"state", "ignored"}, {"message", "no alert is firing: nothing to do"}});
  }
  retrain::Request job_request = std::move(**asked);
  if (!job_request.model.empty() && job_request.model != registry_.model_name()) {
    return net::error_response(404, "unknown_model",
                               "no model '" + job_request.model + "' is served here, only '" +
                                   registry_.model_name() + "'");
  }
  if (job_request.idempotency_key.empty()) {
    job_request.idempotency_key =
        std::string(request.header("Idempotency-Key")).substr(0, retrain::text_bytes_max);
  }
  const auto submitted = jobs_.submit(std::move(job_request));
  if (!submitted) {
    const bool full = submitted.error().code == "queue_full";
    HttpResponse later =
        net::error_response(full ? 429 : 503, submitted.error().code, submitted.error().message);
    later.headers.push_back({"Retry-After", "30"});
    return later;
  }
  Json body = retrain::to_json(submitted->job);
  body["duplicate"] = submitted->duplicate;
  HttpResponse accepted = net::json_response(202, body);
  accepted.headers.push_back({"Location", "/api/v1/jobs/" + submitted->job.id});
  return accepted;
}

HttpResponse Control::list_jobs() const {
  Json jobs = Json::array();
  for (const retrain::Job& job : jobs_.list()) jobs.push_back(retrain::to_json(job));
  return net::json_response(200, {{"jobs", std::move(jobs)}});
}

HttpResponse Control::show_job(const HttpRequest& request) const {
  const std::string_view id = request.path_value("id");
  const auto job = jobs_.find(id);
  if (!job) {
    return net::error_response(
        404, "unknown_job",
        "no job '" + std::string(id.substr(0, 64)) + "'; GET /api/v1/jobs lists those remembered");
  }
  return net::json_response(200, retrain::to_json(*job));
}

void Control::add_routes(net::Router& router, Api& api) {
  const auto read = [&](const char* path, Api::Answer answer) {
    router.add("GET", path, api.counted(Route::admin, std::move(answer)));
  };
  const auto change = [&](const char* path, net::Role role, Api::Answer answer) {
    router.add("POST", path, api.counted(Route::admin, std::move(answer)), {.role = role});
  };
  read("/api/v1/models", [this](const HttpRequest&) { return list_models(); });
  read("/api/v1/models/{version}", [this](const HttpRequest& r) { return show_model(r); });
  change("/api/v1/models/{version}/promote", net::Role::approve,
         [this](const HttpRequest& r) { return promote(r); });
  change("/api/v1/rollback", net::Role::approve,
         [this](const HttpRequest& r) { return rollback(r); });
  change("/api/v1/retrain", net::Role::write, [this](const HttpRequest& r) { return retrain(r); });
  read("/api/v1/jobs", [this](const HttpRequest&) { return list_jobs(); });
  read("/api/v1/jobs/{id}", [this](const HttpRequest& r) { return show_job(r); });
}

}  // namespace outrider::serve
