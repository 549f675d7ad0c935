// SPDX-License-Identifier: Apache-2.0
#include "predictor/serve/api.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::serve {
namespace {

using net::HttpRequest;
using net::HttpResponse;

HttpResponse json_text(std::string body) {
  return {.status = 200, .content_type = "application/json", .body = std::move(body)};
}

int status_of(std::string_view code) {
  if (code == "unknown_model" || code == "unknown_version") return 404;
  if (code == "no_production") return 503;
  if (code == "not_finite") return 422;
  if (code == "unreadable" || code == "model_damaged" || code == "model_invalid") return 500;
  return 400;
}

HttpResponse refusal(const Error& error) {
  return net::error_response(status_of(error.code), error.code, error.message);
}

HttpResponse with_version(HttpResponse response, const ServedModelPtr& served) {
  if (served) response.headers.push_back({"X-Model-Version", served->version});
  return response;
}

bool names_version(const HttpResponse& response) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [](const net::Header& header) { return header.name == "X-Model-Version"; });
}

Result<std::optional<std::size_t>> json_head_bytes(const HttpRequest& request) {
  const std::string_view text = request.header("Inference-Header-Content-Length");
  if (text.empty()) return std::optional<std::size_t>();
  const auto bytes = parse_uint(text);
  if (!bytes) {
    return fail("bad_request", "Inference-Header-Content-Length: expected a number of bytes");
  }
  return std::optional<std::size_t>(*bytes);
}

}  // namespace

net::Handler Api::counted(Route route, Answer answer) {
  return [this, route, answer = std::move(answer)](const HttpRequest& request) {
    const auto start = std::chrono::steady_clock::now();
    metrics_.in_flight().Increment();
    HttpResponse response;
    try {
      response = answer(request);
    } catch (const std::exception& error) {
      response = net::error_response(500, "internal", error.what());
    }
    if (draining_) response.headers.push_back({"Connection", "close"});
    if (!names_version(response)) response = with_version(std::move(response), live_.current());
    metrics_.in_flight().Decrement();
    metrics_.count(route, response.status, std::chrono::steady_clock::now() - start);
    return response;
  };
}

Result<ServedModelPtr> Api::served_for(const HttpRequest& request) {
  const std::string_view name = request.path_value("model");
  if (!name.empty() && name != registry_.model_name()) {
    return fail("unknown_model", "no model '" + std::string(name.substr(0, 100)) +
                                     "' is served here, only '" + registry_.model_name() + "'");
  }
  const std::string_view version = request.path_value("version");
  if (!version.empty()) return live_.version(version);
  auto current = live_.current();
  if (!current) {
    return fail("no_production", "model " + registry_.model_name() +
                                     " has no production version yet; train one with --promote");
  }
  return current;
}

HttpResponse Api::predict_with(const ServedModelPtr& served, const HttpRequest& request,
                               const Decode& decode, const Encode& encode) {
  const auto batch = decode(served->model, request);
  if (!batch) return refusal(batch.error());
  if (line_) std::this_thread::sleep_until(line_->join(std::chrono::steady_clock::now()));
  const auto predictions = protocol::predict(served->model, *batch);
  if (!predictions) return refusal(predictions.error());
  std::uint64_t filled = 0, unseen = 0;
  for (const model::Prediction& prediction : *predictions) {
    filled += prediction.counts.filled;
    unseen += prediction.counts.unseen;
  }
  const VersionCounters& counters = served->counters;
  counters.predictions.Increment(static_cast<double>(predictions->size()));
  if (filled) counters.filled.Increment(static_cast<double>(filled));
  if (unseen) counters.unseen.Increment(static_cast<double>(unseen));
  return json_text(encode(*served, *batch, *predictions));
}

Api::Answer Api::predicting(Decode decode, Encode encode) {
  return
      [this, decode = std::move(decode), encode = std::move(encode)](const HttpRequest& request) {
        const auto served = served_for(request);
        if (!served) return with_version(refusal(served.error()), live_.current());
        return with_version(predict_with(*served, request, decode, encode), *served);
      };
}

void Api::add_flat(net::Router& router) {
  const Encode encode = [](const ServedModel& served, const protocol::Batch& batch,
                           const protocol::Predictions& p) {
    return protocol::encode_flat(served.model, batch, p);
  };
  router.add_open("GET", "/predict",
                  counted(Route::predict, predicting(
                                              [](const model::Model& model, const HttpRequest& r) {
                                                return protocol::decode_query(model, r.query);
                                              },
                                              encode)));
  router.add_open("POST", "/predict",
                  counted(Route::predict, predicting(
                                              [](const model::Model& model, const HttpRequest& r) {
                                                return protocol::decode_flat(model, r.body);
                                              },
                                              encode)));
}

void Api::add_v1(net::Router& router) {
  const Answer predict_v1 = predicting(
      [](const model::Model& model, const HttpRequest& r) {
        return protocol::decode_v1(model, r.body);
      },
      [](const ServedModel& served, const protocol::Batch&, const protocol::Predictions& p) {
        return protocol::encode_v1(served.model, p);
      });
  router.add_open(
      "POST", "/v1/models/{action}", counted(Route::v1, [predict_v1](const HttpRequest& request) {
        HttpRequest inner = request;
        const std::string action(request.path_value("action"));
        const std::size_t colon = action.rfind(':');
        if (colon == std::string::npos || action.substr(colon) != ":predict") {
          return net::error_response(404, "not_found", "POST to /v1/models/MODEL:predict");
        }
        inner.path_values.emplace_back("model", action.substr(0, colon));
        return predict_v1(inner);
      }));
  router.add_open("GET", "/v1/models", counted(Route::v1, [this](const HttpRequest&) {
                    return with_version(
                        net::json_response(200, {{"models", {registry_.model_name()}}}),
                        live_.current());
                  }));
  router.add_open(
      "GET", "/v1/models/{model}", counted(Route::v1, [this](const HttpRequest& request) {
        const auto served = served_for(request);
        if (!served && served.error().code != "no_production") return refusal(served.error());
        return with_version(
            net::json_response(served ? 200 : 503,
                               {{"name", registry_.model_name()}, {"ready", served && ready()}}),
            live_.current());
      }));
}

void Api::add_v2(net::Router& router) {
  const Answer infer = predicting(
      [](const model::Model& model, const HttpRequest& r) -> Result<protocol::Batch> {
        const auto head = json_head_bytes(r);
        if (!head) return fail(head);
        return protocol::decode_v2(model, r.body, *head);
      },
      [](const ServedModel& served, const protocol::Batch& batch, const protocol::Predictions& p) {
        return protocol::encode_v2(served.model, served.version, batch, p);
      });
  const Answer describe = [this](const HttpRequest& request) {
    const auto served = served_for(request);
    if (!served) return with_version(refusal(served.error()), live_.current());
    return with_version(
        net::json_response(200, protocol::describe_v2((*served)->model, registry_.versions())),
        *served);
  };
  const Answer model_ready = [this](const HttpRequest& request) {
    const auto served = served_for(request);
    if (!served) return with_version(refusal(served.error()), live_.current());
    const bool yes = !draining_;
    return with_version(
        net::json_response(yes ? 200 : 503, {{"name", registry_.model_name()}, {"ready", yes}}),
        *served);
  };
  for (const std::string place : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    router.add_open("POST", place + "/infer", counted(Route::v2, infer));
    router.add_open("GET", place, counted(Route::v2, describe));
    router.add_open("GET", place + "/ready", counted(Route::v2, model_ready));
  }
  router.add_open("GET", "/v2", counted(Route::v2, [this](const HttpRequest&) {
                    return with_version(
                        net::json_response(200, {{"name", "outrider-predictor"},
                                                 {"version", version()},
                                                 {"extensions", {"binary_tensor_data"}}}),
                        live_.current());
                  }));
  router.add_open("GET", "/v2/health/live", counted(Route::v2, [this](const HttpRequest&) {
                    return with_version(net::json_response(200, {{"live", true}}), live_.current());
                  }));
  router.add_open("GET", "/v2/health/ready", counted(Route::v2, [this](const HttpRequest&) {
                    return with_version(
                        net::json_response(ready() ? 200 : 503, {{"ready", ready()}}),
                        live_.current());
                  }));
}

void Api::add_admin(net::Router& router) {
  router.add("GET", "/-/healthy",
             [](const HttpRequest&) { return net::text_response(200, "ok\n"); });
  router.add("GET", "/-/ready", [this](const HttpRequest&) {
    if (ready()) return with_version(net::text_response(200, "ready\n"), live_.current());
    return net::text_response(503, draining_ ? "draining\n" : "no production version yet\n");
  });
  router.add("POST", "/-/reload", counted(Route::admin, [this](const HttpRequest&) {
               if (const auto refreshed = live_.refresh(true); !refreshed) {
                 return net::error_response(500, refreshed.error().code, refreshed.error().message);
               }
               return with_version(net::text_response(200, "reloaded\n"), live_.current());
             }));
}

void Api::add_routes(net::Router& router) {
  add_flat(router);
  add_v1(router);
  add_v2(router);
  add_admin(router);
}

}  // namespace outrider::serve
