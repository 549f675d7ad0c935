// SPDX-License-Identifier: Apache-2.0
#pragma once

// Follows the cluster: a thread for each resource of each namespace asks (reflector.h), the book
// compares (change_book.h), and each change goes to the sink. SHELL.
//
// A failure is tried again with back-off and jitter, from where the watch was; after three in a row
// the list is asked for anew. A stream that fails stops no other: where the agent's role lacks a
// resource, its changes are missing, the log says so once, and the metric counts on.
//
// The sink may throw (the journal's disk is full): the change waits, and so does its stream.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/incident/incident.h"
#include "agent/kubernetes/change_book.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/reflector.h"
#include "base/core/backoff.h"
#include "base/wire/registry.h"

namespace outrider::kubernetes {

class Watcher final : public wire::Collector {
 public:
  static constexpr std::size_t namespaces_max = 16;

  struct Settings {
    Client::Settings client;
    std::vector<std::string> namespaces;  // None: all, with one stream a resource.
    std::string cluster;
    ChangeBook::Limits book;
    // A watch is ended by the server after this, plus up to a third so that not all end at once.
    Duration watch_for = std::chrono::seconds(90);
    Duration idle_max = std::chrono::seconds(150);  // Longer, so a silent server is a dead one.
    Backoff::Limits retry = {.initial = std::chrono::milliseconds(500),
                             .max = std::chrono::minutes(1)};
  };
  using Sink = std::function<void(const incident::Change&)>;

  Watcher(Settings settings, const Clock& clock, Sink sink);
  ~Watcher() override { stop(); }

  void start();
  void stop();  // Idempotent; takes about a second.

  std::vector<incident::Topology::Edge> owner_edges() const;
  void collect(wire::MetricSink& sink) override;

 private:
  struct Figures {  // Of one resource.
    prometheus::Counter *events = nullptr, *changes = nullptr, *relists = nullptr,
                        *failures = nullptr, *invalid = nullptr;
    prometheus::Gauge* last_success = nullptr;
  };
  struct Stream {
    explicit Stream(Resource resource, std::string name_space)
        : reflector(resource, std::move(name_space)) {}
    Reflector reflector;
    int failures = 0;  // In a row.
    std::atomic<std::int64_t> succeeded_ms{0};
  };

  void follow(Stream& stream);
  Result<void> list(Stream& stream, Client& client);
  Result<void> watch(Stream& stream, Client& client, double unit);
  void take(Stream& stream, Reflector::Event event);
  void tell(const ChangeBook::Changes& changes, const Figures& figures);
  void note_success(Stream& stream);
  void note_failure(Stream& stream, const Error& error);
  const Figures& figures_of(const Stream& stream) const;
  bool rest(Duration time);  // False: stopping.

  const Settings settings_;
  const Clock& clock_;
  const Sink sink_;
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;  // Guards the book.
  ChangeBook book_;

  wire::Registry registry_;
  std::array<Figures, resource_count> figures_;
  prometheus::Gauge &objects_, &delay_;
  prometheus::Counter& turned_away_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::thread> threads_;
};

}  // namespace outrider::kubernetes
