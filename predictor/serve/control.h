// SPDX-License-Identifier: Apache-2.0
#pragma once

// The resources that change what is served, for people, the agent and Alertmanager. SHELL.
//
//   GET  /api/v1/models                            versions, stages, history
//   GET  /api/v1/models/{version}                  its card
//   POST /api/v1/models/{version}/promote?force=   judged by the gates; 409 with their words
//   POST /api/v1/rollback                          {"version": "v3"?, "reason"?}: leaves v3, once
//   POST /api/v1/retrain                           202, Location: the job; the body: see retrain/request.h
//   GET  /api/v1/jobs, /api/v1/jobs/{id}
//
// Asking for a retraining needs net::Role::write, promoting and rolling back net::Role::approve. A
// retrain request is answered
// by 202 also when it repeats one (same idempotency key: same job), by 429 with Retry-After when
// too many wait.

#include <string>

#include "base/net/http_server.h"
#include "predictor/gates/gates.h"
#include "predictor/registry/registry.h"
#include "predictor/retrain/job_queue.h"
#include "predictor/serve/api.h"
#include "predictor/serve/live_model.h"

namespace outrider::serve {

class Control {
 public:
  Control(gates::Bounds gates, registry::Registry& registry, LiveModel& live,
          retrain::JobQueue& jobs)
      : gates_(gates), registry_(registry), live_(live), jobs_(jobs) {}

  void add_routes(net::Router& router, Api& api);

 private:
  net::HttpResponse list_models() const;
  net::HttpResponse show_model(const net::HttpRequest& request) const;
  net::HttpResponse promote(const net::HttpRequest& request);
  net::HttpResponse rollback(const net::HttpRequest& request);
  net::HttpResponse retrain(const net::HttpRequest& request);
  net::HttpResponse list_jobs() const;
  net::HttpResponse show_job(const net::HttpRequest& request) const;

  const gates::Bounds gates_;
  registry::Registry& registry_;
  LiveModel& live_;
  retrain::JobQueue& jobs_;
};

}  // namespace outrider::serve
