// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds out why: for each open incident, when it opens and again while it is fresh, its suspects'
// metrics are asked for, and the diagnosis is handed back. SHELL: threads of its own, so that
// neither alerts nor actions wait for Prometheus; several, each with a time limit an incident, so
// that no incident waits long for another.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/incident/incident.h"
#include "agent/suspects/gather.h"
#include "agent/suspects/slices.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::suspects {

// What of an incident was last diagnosed.
struct Looked {
  Time at;
  Time episode;
  std::size_t alerts = 0, changes = 0;
  int times = 0;
};
// PURE. At once, of a model's accuracy once Prometheus was asked for facts; then after 30 s, 2, 5,
// 10 and 20 minutes; and where alerts or changes have joined, 15 s after the last look.
bool is_due(const incident::Incident& incident, const std::optional<Looked>& looked, Time now);

class Diagnoser {
 public:
  struct Settings {
    std::string prometheus_url;          // "": none; every diagnosis says so.
    query::Prometheus::Prepare prepare;  // Certificates and tokens of each question to it.
    std::string loki_url;                // "": none.
    query::Prometheus::Prepare loki_prepare;
    SliceBounds slices;
    QuerySet queries;
    Times times;
    Bounds bounds;
    std::size_t threads = 2;
    Duration topology_every = std::chrono::minutes(1);
    Duration topology_age_max = std::chrono::hours(24);
    std::vector<incident::Topology::Edge> configured;  // Edges that people wrote down.

    void add_to(config::OptionTable& options);  // diagnose.*
  };
  struct Dependencies {
    // Calls it with each open incident, in any order; what it is called with may ask for nothing.
    std::function<void(const std::function<void(const incident::Incident&)>& visit)> each_open;
    std::function<std::optional<incident::Incident>(const std::string& id)> incident;
    std::function<std::vector<incident::Change>(Time since)> changes;
    std::function<void(const std::string& id, incident::Diagnosis, std::optional<incident::Slices>)>
        give;
    std::function<void(const incident::Topology&)> topology;  // Each time that it was asked for.
    std::function<Result<std::vector<std::string>>()> sidecars;
    // Who owns what by the cluster's owner references; empty where the cluster is not watched.
    std::function<std::vector<incident::Topology::Edge>()> owners;
    // Earlier incidents like it; null: none are known.
    std::function<incident::Earlier(const incident::Incident&, const incident::Diagnosis&)>
        earlier = {};
  };

  Diagnoser(Settings settings, const Clock& clock, Dependencies dependencies);
  ~Diagnoser();
  Diagnoser(const Diagnoser&) = delete;
  Diagnoser& operator=(const Diagnoser&) = delete;

 private:
  void diagnose_on();
  void watch_topology();
  std::optional<incident::Incident> take();
  std::optional<std::string> next_due();
  void find_due();
  void diagnose(const Sources& sources, const incident::Incident& incident);
  std::optional<incident::Slices> slices_of(query::Prometheus& prometheus,
                                            const incident::Incident& incident);
  bool rest(Duration time);  // False: stopping.

  Bounds bounds() const;

  const Settings settings_;
  const Clock& clock_;
  const Dependencies dependencies_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::map<std::string, Looked> looked_;
  std::set<std::string> busy_;
  std::deque<std::string> due_;  // The next to be looked at, few of them: see find_due().
  incident::Topology topology_;
  std::vector<std::string> topology_unknown_;
  std::vector<std::thread> threads_;
};

}  // namespace outrider::suspects
