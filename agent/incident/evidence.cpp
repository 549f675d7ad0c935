// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/evidence.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/core/text.h"

namespace outrider::incident {
namespace {

constexpr std::size_t changes_max = 20;
constexpr std::size_t grouped_max = 10;
constexpr std::size_t names_max = 5;  // Of drifted inputs, in one line.
constexpr Duration change_lookback = std::chrono::hours(1);

std::string plain_span(Duration span) {
  return format_duration(std::chrono::round<std::chrono::seconds>(std::chrono::abs(span)));
}

// "40s before" or "3s after" or "at".
std::string relation(Time time, Time anchor) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(time - anchor);
  if (seconds.count() == 0) return "at";
  return plain_span(seconds) + (seconds.count() < 0 ? " before" : " after");
}

std::optional<Time> annotated_since(const Labels& annotations) {
  const std::string_view text = annotations.get("since");
  if (const auto seconds = parse_double(text); seconds && *seconds > 0 && *seconds < 9e9) {
    return Time{} + std::chrono::milliseconds(static_cast<std::int64_t>(*seconds * 1000));
  }
  return parse_rfc3339(text);
}

bool accuracy_fell(const Incident& incident) {
  return !incident.annotations.get("accuracy_before").empty() &&
         !incident.annotations.get("accuracy_after").empty();
}

std::string accuracy_text(const Labels& annotations) {
  return "fell from " + std::string(annotations.get("accuracy_before")) + " to " +
         std::string(annotations.get("accuracy_after"));
}

std::string alert_line(const Incident& incident) {
  const Labels& annotations = incident.annotations;
  if (!accuracy_fell(incident)) {
    const std::string_view description = annotations.get("description");
    return std::string(description.empty() ? annotations.get("summary") : description);
  }
  std::string line = "Accuracy " + accuracy_text(annotations);
  if (const auto labels = annotations.get("labels_since_change"); !labels.empty()) {
    line += ", over the " + std::string(labels) + " labels since the change";
  }
  return line + ".";
}

std::string onset_line(const Incident& incident) {
  if (!incident.since) return "When the change began is not known.";
  return "The change began about " + plain_time(*incident.since) + " (estimated), " +
         relation(*incident.since, incident.episode_at) + " the alert.";
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < names_max; ++i)
    text += (i ? ", " : "") + names[i];
  if (names.size() > names_max)
    text += " and " + std::to_string(names.size() - names_max) + " more";
  return text;
}

std::string inputs_word(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " input" : " inputs");
}

// What the summary says of the inputs in a few words, and the evidence in full.
struct Judgement {
  Inputs inputs = Inputs::not_judged;
  std::string brief;
  std::string text;
};

Judgement not_judged(const std::string& why) {
  return {Inputs::not_judged, "inputs not judged: " + why, "Inputs not judged: " + why + "."};
}

std::string with_decimals(double value, int decimals) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// Rounded down: no answer is surer than it is.
std::string power_text(double power) {
  return "power " + with_decimals(std::floor(power * 100) / 100, 2);
}

using Comparison = Facts::Comparison;

std::string base_text(const Comparison& comparison) {
  const std::string rows = std::to_string(comparison.base_rows);
  return comparison.base == Comparison::Base::before ? rows + " before it" : rows + " of training";
}

std::string moved_names(const Comparison& comparison, Comparison::Moved when) {
  std::vector<std::string> names;
  for (const Comparison::Input& input : comparison.moved) {
    if (input.moved == when)
      names.push_back(input.name + " (PSI " + with_decimals(input.psi, 2) + ")");
  }
  return names.empty() ? "" : listed(names);
}

Judgement judge_moved(const Comparison& comparison) {
  std::string text = "Inputs changed:";
  std::string between = " ";
  for (const auto& [when, words] :
       {std::pair{Comparison::Moved::at_change, " moved with the change"},
        std::pair{Comparison::Moved::before_change, " had moved away from training before it"},
        std::pair{Comparison::Moved::unknown,
                  " moved away from training; too few rows say whether before the change"}}) {
    const std::string names = moved_names(comparison, when);
    if (names.empty()) continue;
    text += between + names + words;
    between = "; ";
  }
  std::vector<std::string> names;
  for (const Comparison::Input& input : comparison.moved) names.push_back(input.name);
  return {
      Inputs::changed, "inputs changed (" + listed(names) + "): data drift",
      text + ", over " + std::to_string(comparison.rows) + " rows since the change: data drift."};
}

// `accuracy`: the alert is a fall in accuracy, so that inputs that stayed leave the relation to
// have changed.
Judgement judge_comparison(const Comparison& comparison, bool accuracy) {
  if (!comparison.moved.empty()) return judge_moved(comparison);
  const std::string rows = std::to_string(comparison.rows);
  if (comparison.enough) {
    const std::string power = power_text(comparison.power);
    return {
        Inputs::unchanged,
        "inputs unchanged (" + power + ")" + (accuracy ? ", relation changed: concept drift" : ""),
        "Inputs unchanged: a shift of PSI " + format_double(comparison.psi) + " in any of " +
            inputs_word(comparison.inputs) + " would have been seen (" + power + ", " + rows +
            " rows since the change against " + base_text(comparison) + ")." +
            (accuracy ? " The relation changed: concept drift." : "")};
  }
  const std::string lacking =
      comparison.rows_needed == 0
          ? "only " + base_text(comparison) + " to compare with"
          : rows + " of " + std::to_string(comparison.rows_needed) + " rows since the change";
  return {Inputs::not_judged, "too few rows to say whether inputs changed: " + lacking,
          "Inputs not judged: too few rows to say: " + lacking + " (a shift of PSI " +
              format_double(comparison.psi) + " would be seen with " +
              power_text(comparison.power) + ")."};
}

// By the verdicts of the sidecars' panes, where no beginning of the change is known.
Judgement judge_verdicts(const Facts& facts, bool accuracy) {
  std::vector<std::string> moved;
  std::size_t warming_up = 0;
  std::optional<double> largest;
  std::string largest_name;
  for (const Facts::Subject& subject : facts.subjects) {
    if (subject.state == "drift" || subject.state == "warning") moved.push_back(subject.name);
    if (subject.state == "warming_up") ++warming_up;
    if (subject.score && (!largest || *subject.score > *largest)) {
      largest = subject.score;
      largest_name = subject.name;
    }
  }
  if (!moved.empty()) {
    return {Inputs::changed, "inputs changed: data drift",
            "Inputs changed: " + listed(moved) + (moved.size() == 1 ? " drifts" : " drift") +
                ": data drift."};
  }
  const std::size_t judged = facts.subjects.size() - warming_up;
  if (warming_up > 0) {
    return not_judged(std::to_string(judged) + " of " + inputs_word(facts.subjects.size()) +
                      " have a verdict, all stable; the others are warming up");
  }
  std::string score;
  if (largest) {
    score = ", largest PSI " + with_decimals(*largest, 3) + " (" + largest_name + ")";
  }
  const std::string relation = accuracy ? ", relation changed: concept drift" : "";
  return {Inputs::unchanged, "inputs unchanged" + relation,
          "Inputs unchanged" + relation + " (" + inputs_word(judged) + " judged" + score + ")."};
}

// What only a pane's verdict sees: how inputs go together.
bool multivariate_moved(const Facts& facts) {
  return std::any_of(facts.subjects.begin(), facts.subjects.end(), [](const Facts::Subject& one) {
    return one.name == "multivariate" && (one.state == "drift" || one.state == "warning");
  });
}

Judgement judge_inputs(const Incident& incident) {
  const Facts& facts = incident.facts;
  const bool accuracy = accuracy_fell(incident);
  if (!facts.asked_at) return not_judged("Prometheus has not been asked yet");
  if (!facts.trouble.empty()) return not_judged(facts.trouble);
  if (facts.comparison && !(facts.comparison->moved.empty() && multivariate_moved(facts)))
    return judge_comparison(*facts.comparison, accuracy);
  Judgement judgement = facts.subjects.empty()
                            ? not_judged("no drift verdict is exported for this model")
                            : judge_verdicts(facts, accuracy);
  if (judgement.inputs == Inputs::not_judged && !facts.comparison_trouble.empty()) {
    return not_judged("those since the change could not be compared: " + facts.comparison_trouble);
  }
  return judgement;
}

std::string summary_line(const Incident& incident, const Judgement& judgement) {
  if (!accuracy_fell(incident)) {
    const std::string_view summary = incident.annotations.get("summary");
    return summary.empty() ? incident.alert : std::string(summary);
  }
  std::string line = "accuracy";
  if (!incident.model.empty()) line += " of " + incident.model;
  if (!incident.version.empty()) line += " " + incident.version;
  return line + " " + accuracy_text(incident.annotations) + "; " + judgement.brief;
}

std::string change_line(const Change& change, const Incident& incident) {
  std::string line = change.kind;
  if (!change.model.empty()) line += " of " + change.model;
  if (!change.version.empty()) line += " " + change.version;
  line += " at " + plain_time(change.at) + ", ";
  line += incident.since ? relation(change.at, *incident.since) + " the estimated change"
                         : relation(change.at, incident.episode_at) + " the alert";
  if (!change.summary.empty()) line += ": " + change.summary;
  line[0] = static_cast<char>(line[0] - 'a' + 'A');  // A kind is a lower-case word.
  return line + (line.ends_with('.') ? "" : ".");
}

// The series of an incident that anomalies make; each is a member of its own.
std::optional<std::string> anomalies_line(const Incident& incident) {
  std::vector<std::string> firing;
  std::vector<std::string> ended;
  for (const Member& member : incident.members) {
    const std::string_view series = member.labels.get("anomaly_series");
    if (!series.empty()) (member.firing ? firing : ended).emplace_back(series);
  }
  if (firing.size() + ended.size() < 2) return std::nullopt;
  std::string line = firing.empty() ? "" : "Unusual now: " + listed(firing) + ".";
  if (!ended.empty()) {
    line += (line.empty() ? "As usual again: " : " As usual again: ") + listed(ended) + ".";
  }
  return line;
}

// Where it is and whose; nothing where a single cluster has no names for that.
std::optional<std::string> place_line(const Incident& incident) {
  const std::string place = place_text(incident.identity());
  if (place.empty() && incident.owner.empty()) return std::nullopt;
  std::string line = place.empty() ? "" : "Runs as " + place + ".";
  if (!incident.owner.empty())
    line += (line.empty() ? "" : " ") + ("Owner: " + incident.owner) + ".";
  return line;
}

std::string pods_line(const Incident& incident) {
  const auto firing =
      static_cast<std::size_t>(std::count_if(incident.members.begin(), incident.members.end(),
                                             [](const Member& member) { return member.firing; }));
  return std::to_string(incident.members.size()) + " alerts make this incident, " +
         std::to_string(firing) + " of them firing.";
}

Time anchor_of(const Incident& incident) {
  return incident.since.value_or(incident.episode_at);
}

}  // namespace

std::string plain_time(Time time) {
  std::string text = format_rfc3339(time).substr(0, 19);
  text[10] = ' ';
  return text + " UTC";
}

bool is_about_accuracy(const Incident& incident) {
  return accuracy_fell(incident);
}

std::vector<std::string> brief_lines(const Incident& incident) {
  std::string head = incident.severity.empty() ? "" : incident.severity + ": ";
  head += incident.summary;
  const std::string place = place_text(incident.identity());
  if (!place.empty()) head += " (" + place + ")";
  if (!incident.owner.empty()) head += ", owner " + incident.owner;
  std::vector<std::string> lines = {std::move(head)};
  if (!incident.diagnosis) return lines;
  const Diagnosis& diagnosis = *incident.diagnosis;
  lines.push_back(diagnosis.sentence);
  if (incident.slices && !incident.slices->summary.empty())
    lines.push_back("Slices: " + incident.slices->summary);
  if (!diagnosis.earlier.sentence.empty())
    lines.push_back("S" + diagnosis.earlier.sentence.substr(1));  // "seen twice before, …"
  if (!diagnosis.causes.empty()) {
    const auto& evidence = diagnosis.causes.front().evidence;
    // A cause that is named has its first evidence in the sentence.
    for (std::size_t i = diagnosis.named ? 1 : 0; i < evidence.size() && lines.size() < 4; ++i)
      lines.push_back(evidence[i]);
  }
  if (!diagnosis.unknown.empty()) {
    std::string line = "Not known: " + diagnosis.unknown.front();
    if (diagnosis.unknown.size() > 1)
      line += " and " + std::to_string(diagnosis.unknown.size() - 1) + " more";
    lines.push_back(std::move(line));
  }
  return lines;
}

void explain(Incident& incident) {
  std::vector<Evidence> lines;
  const Labels& annotations = incident.annotations;
  if (incident.diagnosis) lines.push_back({"cause", incident.diagnosis->sentence});
  if (auto line = alert_line(incident); !line.empty()) lines.push_back({"alert", std::move(line)});
  const std::string_view owner = incident.labels.get("owner");
  incident.owner = owner.empty() ? incident.facts.owner : std::string(owner);
  if (auto line = place_line(incident)) lines.push_back({"place", std::move(*line)});

  const auto since = annotated_since(annotations);
  if (since || incident.facts.since) incident.since = since ? since : incident.facts.since;
  if (accuracy_fell(incident) || incident.since) lines.push_back({"onset", onset_line(incident)});

  Judgement judgement = judge_inputs(incident);
  incident.inputs = judgement.inputs;
  incident.summary = summary_line(incident, judgement);
  if (!incident.model.empty()) lines.push_back({"inputs", std::move(judgement.text)});

  if (incident.slices && !incident.slices->summary.empty())
    lines.push_back({"slices", incident.slices->summary});
  if (incident.diagnosis && !incident.diagnosis->earlier.sentence.empty())
    lines.push_back({"seen_before", "S" + incident.diagnosis->earlier.sentence.substr(1) + "."});

  for (const Change& change : incident.changes) {
    lines.push_back({"change", change_line(change, incident)});
  }
  std::size_t told = 0;
  for (const Signal& signal : incident.grouped) {
    if (++told > grouped_max) {
      lines.push_back({"grouped", std::to_string(incident.grouped.size() - grouped_max) +
                                      " further alerts belong to it."});
      break;
    }
    lines.push_back({"grouped", signal.alert + " belongs to it: " + signal.why + "."});
  }
  if (auto line = anomalies_line(incident)) {
    lines.push_back({"anomalies", std::move(*line)});
  } else if (incident.members.size() > 1) {
    lines.push_back({"pods", pods_line(incident)});
  }
  if (incident.diagnosis) {
    for (const std::string& what : incident.diagnosis->unknown) lines.push_back({"unknown", what});
  }
  incident.evidence = std::move(lines);
}

bool is_near(const Incident& incident, const Change& change) {
  const bool in_time = change.at >= anchor_of(incident) - change_lookback &&
                       (incident.open || change.at <= incident.resolved_at.value_or(change.at));
  if (!in_time) return false;
  // One without a model concerns every model there.
  const auto fits = [&change](const Identity& who) {
    Identity changed = change.identity();
    if (changed.model.empty()) changed.model = who.model;
    return may_be_same(changed, who);
  };
  return fits(incident.identity()) ||
         std::any_of(incident.grouped.begin(), incident.grouped.end(),
                     [&fits](const Signal& signal) { return fits(signal.identity()); });
}

std::vector<Change> related_changes(const Incident& incident, const std::vector<Change>& recent) {
  const Time anchor = anchor_of(incident);
  std::vector<Change> related;
  for (const Change& change : recent) {
    if (is_near(incident, change)) related.push_back(change);
  }
  // What somebody did before what the pods suffered.
  const auto distance = [anchor](const Change& c) {
    return std::pair(c.is_warning(), std::chrono::abs(c.at - anchor));
  };
  std::stable_sort(related.begin(), related.end(),
                   [&](const Change& a, const Change& b) { return distance(a) < distance(b); });
  if (related.size() > changes_max) related.resize(changes_max);
  std::stable_sort(related.begin(), related.end(),
                   [](const Change& a, const Change& b) { return a.at < b.at; });
  return related;
}

}  // namespace outrider::incident
