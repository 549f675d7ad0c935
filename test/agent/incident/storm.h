// SPDX-License-Identifier: Apache-2.0
#pragma once

// A made system in which one to four things break at once, and the alerts that this makes: of the
// broken part, of its pods, of its callers up to the entry, in crossed order, told twice by a
// second Alertmanager. Each alert knows its causes, so that grouping can be scored.

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "agent/incident/incident_book.h"
#include "base/core/text.h"

namespace outrider::incident::testing {

struct StormAlert {
  wire::WebhookAlert alert;
  Time arrives;
  std::set<int> causes;  // More than one: several causes hurt this component.
};

class Storm {
 public:
  // `nested`: a cause may lie beneath another, or beneath what the other runs on.
  Storm(unsigned seed, int causes, bool nested) : chance_(seed) {
    build();
    std::set<std::string> taken;
    for (int cause = 0; cause < causes; ++cause) {
      const Time began = start + seconds(0, 120);
      if (number(4) == 0) {
        break_machine(cause, began);
      } else {
        std::string service;
        do service = number(2) ? name("store", number(stores)) : name("service", number(services));
        while (taken.contains(service) || (!nested && is_nested(service, taken)));
        taken.insert(service);
        break_service(cause, service, began);
      }
    }
    for (const auto& [labels, alert] : by_labels_) alerts.push_back(alert);
    // Both Alertmanagers of a pair tell everything.
    const std::size_t once = alerts.size();
    for (std::size_t i = 0; i < once; ++i) {
      StormAlert copy = alerts[i];
      copy.arrives += seconds(0, 30);
      alerts.push_back(copy);
    }
    std::stable_sort(alerts.begin(), alerts.end(), [](const StormAlert& a, const StormAlert& b) {
      return a.arrives < b.arrives;
    });
  }

  static constexpr int entries = 3, services = 12, stores = 25, machines = 20, pods = 3;
  const Time start = *parse_rfc3339("2026-01-31T12:00:00Z");
  std::vector<StormAlert> alerts;
  Topology topology;

 private:
  static std::string name(const std::string& kind, int i) { return kind + "-" + std::to_string(i); }
  static Component component(const std::string& service) { return {"", "shop", service, false}; }
  static Component machine(int i) { return {"", "", name("node", i), true}; }
  int number(int below) { return static_cast<int>(chance_() % static_cast<unsigned>(below)); }
  Duration seconds(int least, int most) {
    return std::chrono::seconds(least + number(most - least + 1));
  }

  bool is_nested(const std::string& service, const std::set<std::string>& taken) const {
    for (const auto& walk :
         {topology.below(component(service), 3), topology.above(component(service), 3)}) {
      for (const auto& [other, hops] : walk) {
        if (hops > 0 && taken.contains(other.name)) return true;
      }
    }
    return false;
  }
  void call(const std::string& from, const std::string& to) {
    if (!callers_[to].insert(from).second) return;
    topology.learn(component(from), component(to), Topology::Source::service_graph, start);
  }
  void place(const std::string& service) {
    for (int pod = 0; pod < pods; ++pod) {
      const int node = number(machines);
      nodes_[service].push_back(node);
      topology.learn(component(service), machine(node), Topology::Source::owners, start);
    }
  }
  void build() {
    for (int i = 0; i < entries; ++i) {
      place(name("entry", i));
      for (int n = 0; n < 5; ++n) call(name("entry", i), name("service", number(services)));
    }
    for (int i = 0; i < services; ++i) {
      place(name("service", i));
      for (int n = 0; n < 3; ++n) call(name("service", i), name("store", number(stores)));
    }
    for (int i = 0; i < stores; ++i) place(name("store", i));
  }

  void alert(int cause, Labels labels, Time began) {
    labels.set("severity", "warning");
    StormAlert& one = by_labels_[labels];
    one.causes.insert(cause);
    if (one.causes.size() > 1) return;
    one.alert.firing = true;
    one.alert.labels = labels;
    one.alert.annotations = {{"summary", "x"}};
    one.alert.starts_at = began;
    one.arrives = began + seconds(5, 60);
  }
  std::string pod_name(const std::string& service, int pod) const {
    return service + "-7d9f8b6c5-x2x" + std::to_string(pod) + "z";
  }
  void pod_alert(int cause, const std::string& what, const std::string& service, int pod,
                 Time began) {
    const int node = nodes_.at(service)[static_cast<std::size_t>(pod)];
    alert(cause,
          {{"alertname", what},
           {"namespace", "shop"},
           {"pod", pod_name(service, pod)},
           {"node", name("node", node)}},
          began);
  }
  // Four of five callers notice, up to the entry.
  void hurt_callers(int cause, const std::string& service, Time began) {
    std::vector<std::string> ways = {service};
    std::set<std::string> seen = {service};
    while (!ways.empty()) {
      const std::string hurt = ways.back();
      ways.pop_back();
      for (const std::string& caller : callers_[hurt]) {
        if (!seen.insert(caller).second || number(5) == 0) continue;
        ways.push_back(caller);
        alert(cause, {{"alertname", "LatencyHigh"}, {"namespace", "shop"}, {"job", caller}},
              began + seconds(0, 120));
        if (number(2))
          alert(cause, {{"alertname", "ErrorsHigh"}, {"namespace", "shop"}, {"job", caller}},
                began + seconds(0, 120));
      }
    }
  }
  void break_service(int cause, const std::string& service, Time began) {
    alert(cause, {{"alertname", "ErrorsHigh"}, {"namespace", "shop"}, {"job", service}},
          began + seconds(0, 60));
    for (int pod = 0; pod < pods; ++pod)
      pod_alert(cause, "PodRestarts", service, pod, began + seconds(0, 60));
    hurt_callers(cause, service, began);
  }
  void break_machine(int cause, Time began) {
    const int node = number(machines);
    alert(
        cause,
        {{"alertname", "NodeCpuHigh"}, {"job", "node"}, {"instance", name("node", node) + ":9100"}},
        began + seconds(0, 60));
    for (const auto& [service, placed] : nodes_) {
      for (int pod = 0; pod < pods; ++pod) {
        if (placed[static_cast<std::size_t>(pod)] == node)
          pod_alert(cause, "PodSlow", service, pod, began + seconds(0, 90));
      }
    }
  }

  std::mt19937 chance_;
  std::map<std::string, std::set<std::string>> callers_;
  std::map<std::string, std::vector<int>> nodes_;
  std::map<Labels, StormAlert> by_labels_;
};

// Pairs of alerts: those that stand in one incident, and those that have one cause.
struct Pairs {
  double both = 0, together = 0, of_one_cause = 0;
  double precision() const { return together > 0 ? both / together : 1; }
  double recall() const { return of_one_cause > 0 ? both / of_one_cause : 1; }
};

}  // namespace outrider::incident::testing
