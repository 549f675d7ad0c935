// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent knows about one thing that went wrong. PURE values; nothing here does anything.

#include <optional>
#include <string>
#include <vector>

#include "agent/incident/diagnosis.h"
#include "agent/incident/identity.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/series.h"
#include "base/wire/json.h"

namespace outrider::incident {

// A deployment, promotion, configuration or scale event: something people or machines did.
struct Change {
  std::string
      id;  // The sender's, or made from what the change says: the same event told twice is one.
  std::string kind;
  std::string model;    // "" when the change concerns no single model.
  std::string version;  // "" when there is none.
  std::string summary;
  Time at;
  std::string cluster = {}, name_space = {}, workload = {};  // "" where the sender does not say.
  Identity identity() const { return {cluster, name_space, workload, model, version}; }
  // A symptom that Kubernetes tells (pods that do not run): in the timeline, never blamed.
  bool is_warning() const { return kind == "warning"; }
  bool operator==(const Change&) const = default;
};

// The JSON of POST /api/v1/changes: {"kind", "model"?, "version"?, "cluster"?, "namespace"?,
// "workload"?, "summary"?, "at"?, "id"?}; `at` is RFC 3339 or Unix seconds, `now` when absent.
// Errors: those of parse_json, "bad_change".
Result<Change> parse_change(std::string_view body, Time now);
wire::Json to_json(const Change& change);

// Whether what goes into the model has moved away from what it was trained on.
enum class Inputs { not_judged, unchanged, changed };
std::string_view name(Inputs inputs);
std::optional<Inputs> parse_inputs(std::string_view text);

// What Prometheus answered when it was asked about an incident. `trouble` says why it told nothing.
struct Facts {
  struct Subject {  // A feature, or "multivariate".
    std::string name;
    std::string state;  // The middle pod's verdict: warming_up < stable < warning < drift.
    std::optional<double> score;  // Its largest debiased PSI.
    bool operator==(const Subject&) const = default;
  };
  // The inputs since the change beside those before it and the reference's, by what the sidecars
  // counted.
  struct Comparison {
    enum class Base { before, reference };  // The rows of the hour before the change; training.
    enum class Moved { at_change, before_change, unknown };
    struct Input {
      std::string name;
      double psi =
          0;  // Debiased; from the rows before the change where it moved there, else from the reference.
      Moved moved = Moved::unknown;
      bool operator==(const Input&) const = default;
    };
    std::vector<Input> moved = {};  // The farthest first.
    std::size_t inputs = 0;  // Compared. What follows is of the one that least can be said of.
    Base base = Base::before;
    std::uint64_t rows = 0, base_rows = 0;  // Since the change; compared with.
    std::uint64_t rows_needed = 0;          // Since the change; 0: base_rows are too few.
    double psi = 0;                         // A shift that large would have been seen …
    double power = 0;                       // … with this probability.
    bool enough = false;
    bool operator==(const Comparison&) const = default;
  };
  std::optional<Time> asked_at;  // Nothing: not asked yet.
  std::string trouble;
  std::vector<Subject> subjects;
  std::optional<Time> since;  // When the change began, by the accuracy detector's estimate.
  std::string owner = {};     // The model's, where the alert does not carry it.
  std::optional<Comparison> comparison = {};  // Nothing: no beginning is known, or no bins are.
  std::string comparison_trouble = {};        // Why there is none, where Prometheus said so.
  bool operator==(const Facts&) const = default;
};

// One line of plain words for a person who was asleep a minute ago.
struct Evidence {
  // cause, alert, place, onset, inputs, slices, seen_before, change, anomalies, pods, grouped,
  // unknown
  std::string kind;
  std::string text;
};

// One alert of Alertmanager, told apart by its whole label set; an incident has one a pod, say.
struct Member {
  Labels labels;
  bool firing = true;
  Time starts_at;
  std::optional<Time> ends_at;
  Time heard_at;  // When its state last changed, by the agent's clock.
};

// Alerts of one name and one set of stable labels that belong to an incident of others
// (incident/grouping.h).
struct Signal {
  std::string key, alert, severity;
  Labels labels;       // Those that its pods share.
  Labels annotations;  // As the latest firing notification had them.
  Time starts_at;      // Of the first of its alerts.
  std::string why;     // "shop/checkout depends on shop/cart, directly".
  Identity identity() const { return identity_of(labels); }
};

struct Incident {
  std::string id;
  std::string key;  // The stable labels; what makes two alerts the same incident.
  std::string alert;
  std::string severity;  // The gravest that any member had.
  std::string model;     // "" when the alert names none.
  std::string version;
  std::string cluster, name_space, workload;  // "" when the alert names none.
  std::string owner;                          // Who answers for the model; "" when nobody is known.
  Labels labels;                              // Those that all pods share.
  Labels annotations;                         // As the latest firing notification had them.
  std::string summary;  // One line: what happened, and why as far as that is known.
  bool open = true;
  Time opened_at;
  Time updated_at;
  std::optional<Time> resolved_at;
  Time episode_at;   // startsAt of the alert that opened, or last reopened, the incident.
  int episodes = 1;  // 1 + how often it was reopened.
  std::uint64_t notifications = 0;
  std::optional<Time> since;  // When the change began; nothing while unknown.
  Inputs inputs = Inputs::not_judged;
  Facts facts;
  std::vector<Change> changes;  // Those near enough in time to matter, oldest first.
  std::vector<Member> members;
  std::vector<Signal> grouped;  // The others: what leads is the incident's own alert and labels.
  std::string merged_into;      // Another incident's id, once they turned out to be one.
  std::vector<Evidence> evidence;
  std::optional<Diagnosis> diagnosis;  // Nothing: not made yet.
  std::optional<Slices> slices;        // Of a model whose accuracy fell, once asked for.

  Identity identity() const { return {cluster, name_space, workload, model, version}; }
};

// The incident as one of its further signals tells it, for whoever matches and renders by alert,
// labels and model.
Incident as_told_by(const Incident& incident, const Signal& signal);

// The alert that leads it, as one of its signals.
Signal lead_of(const Incident& incident);
// The key by which it knows an alert: of its machine's part (signal_key.h) where that stands by
// itself, else of the whole signal.
std::string key_in(const Incident& incident, const Labels& labels);

// "critical" 3, "warning" 2, "info" 1, any other 0.
int severity_rank(std::string_view severity);

wire::Json to_json(const Incident& incident);
// The inverse. Error "bad_incident": the journal holds what this version cannot read.
Result<Incident> incident_from_json(const wire::Json& json);

}  // namespace outrider::incident
