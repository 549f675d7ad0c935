// SPDX-License-Identifier: Apache-2.0
#pragma once

// A made system: components with one-minute rows of quiet noise, in which a test makes something go
// wrong.

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "agent/diagnose/diagnosis.h"

namespace outrider::diagnose::testing {

constexpr double scene_at = 1'700'000'000, scene_window = 300, scene_step = 60;

class Scene {
 public:
  // Rows before the alert; the window's rows follow.
  explicit Scene(std::vector<std::string> components, int rows_before = 600,
                 double step = scene_step)
      : step_(step) {
    question.components = std::move(components);
    question.at = scene_at;
    question.window = scene_window;
    const std::size_t count = question.components.size();
    question.graph.callees.resize(count);
    question.graph.callers.resize(count);
    question.metrics.resize(count);
    for (Rows& rows : question.metrics) {
      for (double time = scene_at - rows_before * step; time < scene_at + scene_window;
           time += step)
        rows.times.push_back(time);
    }
  }

  // A metric around `normal`, each row up to a tenth higher or lower.
  void metric(std::size_t component, const std::string& name, double normal, double noise = 0.1) {
    Rows& rows = question.metrics[component];
    Values& values = rows.metrics[name];
    values.clear();
    for (std::size_t i = 0; i < rows.size(); ++i)
      values.push_back(normal * (1 + noise * (uniform() * 2 - 1)));
  }
  void metric_everywhere(const std::string& name, double normal, double noise = 0.1) {
    for (std::size_t c = 0; c < question.components.size(); ++c) metric(c, name, normal, noise);
  }
  void call(std::size_t caller, std::size_t callee) {
    question.graph.callees[caller].push_back(callee);
    question.graph.callers[callee].push_back(caller);
    question.has_graph = true;
  }
  // Changes the values from a time on, counted from the alert.
  void since(std::size_t component, const std::string& name, double seconds,
             const std::function<double(double)>& change) {
    Rows& rows = question.metrics[component];
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows.times[i] < scene_at + seconds) continue;
      double& value = rows.metrics.find(name)->second[i];
      value = change(value);
    }
  }
  // Counts of a site's lines in every row; `since` the alert others.
  void lines(std::size_t component, const std::string& site, double usual, double in_window) {
    question.logs.resize(question.components.size());
    question.log_sites.push_back(site);
    question.log_times = question.metrics.front().times;
    for (const double time : question.log_times) {
      const double count = time < scene_at ? usual : in_window;
      if (count > 0)
        question.logs[component].push_back(
            {time, static_cast<std::uint32_t>(question.log_sites.size() - 1), count});
    }
  }
  Diagnosis diagnose() const { return diagnose::diagnose(question); }
  const std::string& first(const Diagnosis& found) const {
    return question.components[found.causes.front().component];
  }

  Question question;

 private:
  double uniform() { return static_cast<double>(chance_() >> 11) / 9007199254740992.0; }
  double step_;
  std::mt19937_64 chance_{7};
};

inline std::function<double(double)> times(double factor) {
  return [factor](double value) { return value * factor; };
}
inline std::function<double(double)> plus(double more) {
  return [more](double value) { return value + more; };
}
inline std::string all_of(const std::vector<std::string>& sentences) {
  std::string out;
  for (const std::string& one : sentences) out += one + "\n";
  return out;
}

}  // namespace outrider::diagnose::testing
