// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/server.h"

#include <pthread.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "sidecar/proxy/worker.h"

namespace outrider::proxy {
namespace {

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

}  // namespace

Server::Server(const Settings& settings, tap::MemoryFile& file)
    : settings_(settings),
      file_(file),
      upstream_(settings.upstream, settings.upstream_look_up_every, file.processes()),
      tls_(settings_, upstream_.host(), file.processes()) {
  for (std::int64_t i = 0; i < settings_.threads; ++i) {
    Descriptor listening = value_or_throw(listen_on(settings_.listen_address, port_));
    port_ = bound_port(listening);
    workers_.push_back(std::make_unique<Worker>(settings_, upstream_, tls_, std::move(listening),
                                                file_, static_cast<std::size_t>(i)));
  }
  file_.processes().http2_on.set(settings_.passes_http2() ? 1 : 0);
  file_.processes().proxy_ready.set(1);
  for (const auto& worker : workers_) {
    running_.fetch_add(1, std::memory_order_relaxed);
    threads_.emplace_back([this, &worker] {
      worker->run();
      running_.fetch_sub(1, std::memory_order_release);
    });
    const std::string name = "proxy-" + std::to_string(threads_.size() - 1);
    ::pthread_setname_np(threads_.back().native_handle(), name.c_str());
  }
}

Server::~Server() {
  for (int i = 0; i < 2; ++i) begin_drain();
  for (std::thread& thread : threads_) thread.join();
}

void Server::begin_drain() {
  file_.processes().proxy_ready.set(0);
  for (const auto& worker : workers_) worker->begin_drain();
}

tap::MemoryFile::Size memory_size(const Settings& settings) {
  const auto threads = static_cast<std::size_t>(settings.threads);
  const auto bytes = static_cast<std::size_t>(settings.tap_bytes_max);
  return {.lanes = threads,
          .ring_bytes = settings.tap_enabled ? bytes / 4 * 3 / threads : 4096,
          .models = static_cast<std::size_t>(settings.models_max),
          .latency_bounds = settings.latency_buckets};
}

}  // namespace outrider::proxy
