// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is known of each model, from Prometheus, from incidents, from changes and from forecasts:
// one line a model of a workload; which of them are shown, and in which order. PURE.
//
// What nobody told is absent here and said on the page, never 0.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/decide/action.h"
#include "agent/incident/incident.h"
#include "agent/page/ahead.h"
#include "agent/page/chart.h"

namespace outrider::page {

// What Prometheus is asked about models; as bits, of which several may be unanswered.
enum class Asked : std::uint32_t {
  traffic = 1 << 0,
  failures = 1 << 1,
  versions = 1 << 2,
  accuracy = 1 << 3,
  labels = 1 << 4,
  since_change = 1 << 5,
  alarm = 1 << 6,
  promised = 1 << 7,
  provisional = 1 << 8,
  drift = 1 << 9,
  owner = 1 << 10,
};
std::string_view name(Asked what);

// Of one model of one workload, as Prometheus has it.
struct ModelFigures {
  incident::Identity who;  // The version is the one that predicts most.
  std::string owner = {};
  std::optional<double> accuracy = {};  // Share right, of the labels of the last hour …
  bool since_change = false;            // … or of those since the estimated change, at an alarm.
  std::optional<double> labels = {};    // That came in the last hour.
  std::optional<double> promised = {};  // By training, of the version that predicts most.
  bool provisional = false;             // … or learned from the first labels.
  bool alarm = false;                   // The accuracy alarm, of a pod or of the fleet's rule.
  std::optional<double> traffic = {};   // Requests a second, over five minutes.
  std::optional<double> failed = {};    // The share that ended in an error of the server.
  std::optional<double> drift = {};     // Largest score over its threshold: above 1 has moved.
  std::string drift_subject = {};       // Of which input.
  Course accuracy_course = {}, traffic_course = {}, failed_course = {}, drift_course = {};
  // From the capacity that was learned.
  std::optional<double> replicas = {}, wanted_now = {}, wanted_ahead = {};
  std::optional<Time> wanted_by = {};
  std::string advice = {};
  std::uint32_t unanswered = 0;  // Of Asked: what is missing here is not known to be missing.

  bool lacks(Asked what) const { return (unanswered & static_cast<std::uint32_t>(what)) != 0; }
};

// The page of this model; the version is no part of it.
std::string model_address(const incident::Identity& who);

struct Fleet {
  std::string source = {};                // "Prometheus at http://…"; "" where there is none.
  std::optional<Time> asked_at = {};      // The newest answer; nothing before the first.
  Duration took{};                        // All questions of that round together.
  std::vector<std::string> trouble = {};  // What was not answered the last time.
  std::size_t left_out = 0;               // Models past the bound.
  std::vector<ModelFigures> models = {};
  std::vector<Foretold> limits = {};  // Forecast to be reached, the soonest first.
};

enum class State { critical, warning, alarm, drift, unknown, quiet, fine };

struct ModelLine {
  incident::Identity who;
  std::string owner = {};
  std::optional<ModelFigures> figures = {};     // Nothing: known from incidents alone.
  std::size_t open = 0;                         // Incidents.
  std::string worst = {};                       // Their gravest severity.
  std::string incident = {};                    // The id of one of them, the gravest.
  std::optional<incident::Change> change = {};  // The last one.
  std::string last_action = {};                 // "retrain succeeded"
  std::optional<Time> acted_at = {};

  State state() const;
  std::string state_text() const;  // With the reason: "accuracy alarm", "no labels yet".
};

// An incident or action is a line's where the name is the same and no part of the place differs.
// One that fits several lines gets a line of its own: it is not known which of them it is about.
// O((models + incidents + actions + changes) log models).
std::vector<ModelLine> model_lines(const Fleet& fleet, const std::vector<incident::Incident>& open,
                                   const std::vector<incident::Incident>& resolved,
                                   const std::vector<decide::Action>& actions,
                                   const std::vector<incident::Change>& changes);

// What of them is asked for, as the page's query string has it.
struct ModelsView {
  std::string search = {}, owner = {}, cluster = {}, name_space = {}, state = {};
  std::string sort = "worst";  // worst, name, accuracy, traffic, failures, drift, changed.
  std::size_t page = 1;
};
inline constexpr std::size_t models_a_page = 50;
const std::vector<std::pair<std::string, std::string>>& sort_orders();  // Word, and its label.
const std::vector<std::pair<std::string, std::string>>& state_filters();

struct ShownModels {
  std::vector<const ModelLine*> lines;  // Of the one page.
  std::size_t matching = 0, page = 1, pages = 1;
};
ShownModels shown_models(const std::vector<ModelLine>& lines, const ModelsView& view);

}  // namespace outrider::page
