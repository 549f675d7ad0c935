// SPDX-License-Identifier: Apache-2.0
#pragma once

// The predictor's HTTP resources. SHELL: it joins protocol, live model and metrics; the handlers
// run concurrently.
//
//   GET  /predict?size=1800&bedrooms=3          POST /predict                      flat
//   POST /v1/models/M:predict                   GET  /v1/models, /v1/models/M      KServe V1
//   POST /v2/models/M[/versions/V]/infer        GET  /v2, /v2/models/M[/versions/V][/ready],
//                                                    /v2/health/live|ready         Open Inference
//                                                    V2
//   GET  /metrics, /-/healthy, /-/ready         POST /-/reload
//
// Every answer about the model carries X-Model-Version.

#include <atomic>
#include <functional>
#include <string>

#include "base/net/http_server.h"
#include "predictor/protocol/prediction.h"
#include "predictor/registry/registry.h"
#include "predictor/serve/live_model.h"
#include "predictor/serve/serve_metrics.h"
#include "predictor/serve/service_line.h"

namespace outrider::serve {

class Api {
 public:
  // `line`: where predictions wait for their turn; null: they are answered at once.
  Api(registry::Registry& registry, LiveModel& live, ServeMetrics& metrics,
      ServiceLine* line = nullptr)
      : registry_(registry), live_(live), metrics_(metrics), line_(line) {}

  void add_routes(net::Router& router);
  // From now on: not ready, and every answer asks the client to close its connection.
  void drain() { draining_ = true; }

  using Answer = std::function<net::HttpResponse(const net::HttpRequest&)>;
  // Counts and times what `answer` does.
  net::Handler counted(Route route, Answer answer);

 private:
  using Decode =
      std::function<Result<protocol::Batch>(const model::Model&, const net::HttpRequest&)>;
  using Encode = std::function<std::string(const ServedModel&, const protocol::Batch&,
                                           const protocol::Predictions&)>;

  // A prediction: decode, predict, encode, by one version from beginning to end.
  Answer predicting(Decode decode, Encode encode);
  net::HttpResponse predict_with(const ServedModelPtr& served, const net::HttpRequest& request,
                                 const Decode& decode, const Encode& encode);

  // The model a request names in its path: unknown name, version or nothing promoted is an error.
  Result<ServedModelPtr> served_for(const net::HttpRequest& request);

  void add_flat(net::Router& router);
  void add_v1(net::Router& router);
  void add_v2(net::Router& router);
  void add_admin(net::Router& router);

  bool ready() const { return !draining_ && live_.current() != nullptr; }

  registry::Registry& registry_;
  LiveModel& live_;
  ServeMetrics& metrics_;
  ServiceLine* line_;
  std::atomic<bool> draining_{false};
};

}  // namespace outrider::serve
