// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/state/log_holder.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <thread>
#include <utility>

#include "truth/api/erase_api.h"
#include "truth/api/export_api.h"
#include "truth/api/label_api.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;

constexpr Duration lock_wait = 3s;
constexpr Duration lock_every = 50ms;

}  // namespace

LogHolder::LogHolder(truth::LogSettings settings, truth::TruthConsumer& consumer,
                     const Clock& clock)
    : settings_(std::move(settings)),
      consumer_(consumer),
      clock_(clock),
      journal_(settings_.folder.parent_path() / "access.ndjson", clock) {
  set_unavailable("the prediction log is being opened; try again in a moment");
}

void LogHolder::open_after_predecessor() {
  const auto deadline = std::chrono::steady_clock::now() + lock_wait;
  for (open(); !current_ && trouble_ == "log_locked"; open()) {
    if (std::chrono::steady_clock::now() >= deadline) return;
    std::this_thread::sleep_for(lock_every);
  }
}

void LogHolder::open() {
  if (current_ || stays_closed_) return;
  auto opened = truth::PredictionLog::open(settings_, consumer_, clock_);
  if (!opened) {
    if (trouble_ != opened.error().code)
      spdlog::error("prediction log: {}", opened.error().message);
    trouble_ = opened.error().code;
    set_unavailable(opened.error().message);
    return;
  }
  log_ = std::move(*opened);
  auto router = std::make_shared<net::Router>();
  truth::add_label_routes(*router, *log_, &journal_);
  set_router(std::move(router));
  current_ = log_.get();
}

void LogHolder::stay_closed(net::Handler handle, net::Handler erase) {
  stays_closed_ = true;
  auto router = std::make_shared<net::Router>();
  router->add("POST", "/api/v1/labels", handle);
  router->add("POST", "/api/v1.0/feedback", handle);
  router->add("POST", truth::erase_path, std::move(erase));
  const auto elsewhere = [](const net::HttpRequest&) {
    return net::error_response(
        409, "kept_by_the_agent",
        "this sidecar ships its predictions (truth.url): the agent keeps "
        "them, and serves the training data and exports of the whole workload");
  };
  router->add("GET", "/api/v1/training-data", elsewhere);
  router->add("GET", truth::export_path, elsewhere);
  set_router(std::move(router));
}

void LogHolder::set_unavailable(std::string reason) {
  auto router = std::make_shared<net::Router>();
  truth::add_unavailable_label_routes(*router, std::move(reason));
  set_router(std::move(router));
}

void LogHolder::set_router(std::shared_ptr<net::Router> router) {
  const std::lock_guard hold(lock_);
  router_ = std::move(router);
}

net::HttpResponse LogHolder::handle(const net::HttpRequest& request) {
  std::shared_ptr<net::Router> router;
  {
    const std::lock_guard hold(lock_);
    router = router_;
  }
  return router->handle(request);
}

}  // namespace outrider::monitor
