// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Prometheus is asked about all models at once, and its answers put together: one line a model
// of a workload. PURE.
//
// Few questions, whatever the number of models: each answer has one series a model (of versions and
// owners a few). Bounded: models_max; further ones are counted.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/page/models.h"
#include "agent/query/prometheus.h"

namespace outrider::models {

inline constexpr std::size_t models_max = 2'000;

using page::Asked;

struct Question {
  Asked what;
  std::string promql;
};
const std::vector<Question>& figure_questions();
const std::vector<Question>& course_questions();  // For query_range, over three hours.

// The times of course_questions: a whole number of steps, so that pictures do not tremble.
struct Window {
  Time from, to;
  Duration step{};
};
Window course_window(Time now);

class FleetAnswers {
 public:
  void put(Asked what, const std::vector<query::InstantValue>& values);
  void unanswered(Asked what);  // Its cells then say so.
  // `forecasts`: the JSON of GET /api/v1/forecasts, or "".
  void put_forecasts(const std::string& forecasts);
  page::Fleet take();

  static constexpr std::size_t limits_max = 100;

 private:
  struct Entry {
    page::ModelFigures figures;
    double predictions = -1;                              // Of the version that has most.
    std::map<std::string, double> promised, provisional;  // By version.
    std::set<std::string> owners;
    std::optional<double> failing;  // Requests a second.
  };
  Entry* entry_of(const Labels& labels);
  void put_one(Asked what, Entry& entry, const query::InstantValue& value);
  static page::ModelFigures finish(Entry& entry);

  std::map<incident::Identity, Entry> entries_;
  std::set<incident::Identity> left_out_;
  std::vector<page::Foretold> limits_;
  std::uint32_t unanswered_ = 0;
};

// Whether a forecast's series is about this model, or about the workload that serves it.
bool is_about(const Labels& labels, const incident::Identity& who);

using Courses = std::map<incident::Identity, std::map<Asked, page::Course>>;
void put_courses(Courses& courses, Asked what, const std::vector<Series>& series,
                 const Window& window);
void add_courses(page::Fleet& fleet, const Courses& courses);

// One series' samples on the window's grid, NaN between.
page::Course course_of(const std::vector<Sample>& samples, const Window& window);

}  // namespace outrider::models
