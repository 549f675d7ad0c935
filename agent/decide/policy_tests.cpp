// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/policy_tests.h"

#include <algorithm>

#include "agent/incident/evidence.h"
#include "agent/incident/incident_book.h"
#include "base/core/text.h"

namespace outrider::decide {
namespace {

using config::Yaml;
using config::YamlReader;

// Tests need no clock: what they say about times is about this one, unless they name another.
// 2026-01-01T12:00:00Z, a Thursday.
constexpr Time default_now{std::chrono::seconds(1'767'268'800)};

class TestReader {
 public:
  explicit TestReader(const std::string& file) : reader_(file) {}

  Result<std::vector<PolicyTest>> read(const std::string& text) {
    const Yaml root = reader_.parse(text);
    reader_.only_keys(root, {"policy", "tests"});
    std::vector<PolicyTest> tests;
    for (const Yaml& yaml : reader_.items(root, "tests")) tests.push_back(read_test(yaml));
    if (tests.empty()) reader_.mistake(root, "expected tests: a list of at least one");
    if (auto finished = reader_.finish(); !finished) return fail(finished);
    return tests;
  }

 private:
  PolicyTest read_test(const Yaml& yaml) {
    PolicyTest test;
    reader_.only_keys(yaml, {"name", "now", "incident", "values", "past", "paused", "underway",
                             "expect", "abstained"});
    test.name = reader_.text(yaml, "name").value_or("");
    if (test.name.empty()) reader_.mistake(yaml, "'name' is missing");
    test.now = read_time(yaml, "now");
    test.incident = read_incident(reader_.child(yaml, "incident"), test.now);
    read_values(reader_.child(yaml, "values"), test);
    for (const Yaml& past : reader_.items(yaml, "past")) test.past.push_back(read_past(past, test));
    test.situation.paused = reader_.text(yaml, "paused").value_or("");
    for (const Yaml& other : reader_.items(yaml, "underway")) {
      test.situation.underway.push_back(
          {.id = "another", .who = incident::identity_of(read_labels(other))});
    }
    if (reader_.child(yaml, "abstained").node.IsDefined())
      test.abstained = reader_.text(yaml, "abstained").value_or("");
    for (const Yaml& expected : reader_.items(yaml, "expect"))
      test.expected.push_back(read_expected(expected));
    return test;
  }

  Time read_time(const Yaml& yaml, const char* key) {
    const auto text = reader_.text(yaml, key);
    if (!text) return default_now;
    const auto time = parse_rfc3339(*text);
    if (!time) reader_.mistake(reader_.child(yaml, key), "expected RFC 3339, got '" + *text + "'");
    return time.value_or(default_now);
  }

  Labels read_labels(const Yaml& yaml) {
    Labels labels;
    for (const auto& [label, value] : reader_.entries(yaml))
      labels.set(label, reader_.text(yaml, label).value_or(""));
    return labels;
  }

  // An alert, as the agent files it.
  incident::Incident read_incident(const Yaml& yaml, Time now) {
    reader_.only_keys(
        yaml, {"alert", "severity", "labels", "annotations", "inputs", "open_for", "owner"});
    Labels labels = read_labels(reader_.child(yaml, "labels"));
    labels.set("alertname", reader_.text(yaml, "alert").value_or(""));
    if (labels.get("alertname").empty()) reader_.mistake(yaml, "'alert' is missing");
    if (const auto severity = reader_.text(yaml, "severity")) labels.set("severity", *severity);
    if (const auto owner = reader_.text(yaml, "owner")) labels.set("owner", *owner);
    const Duration open_for = reader_.duration(yaml, "open_for").value_or(std::chrono::hours(1));
    incident::IncidentBook book;
    const wire::WebhookAlert alert{.firing = true,
                                   .labels = labels,
                                   .annotations = read_labels(reader_.child(yaml, "annotations")),
                                   .starts_at = now - open_for,
                                   .ends_at = {},
                                   .generator_url = "",
                                   .fingerprint = ""};
    const auto heard = book.on_alert(alert, now - open_for);
    incident::Incident incident = heard.incident ? *heard.incident : incident::Incident{};
    if (const auto word = reader_.text(yaml, "inputs")) {
      const auto inputs = incident::parse_inputs(*word);
      if (!inputs) {
        reader_.mistake(reader_.child(yaml, "inputs"),
                        "expected unchanged, changed or not_judged, got '" + *word + "'");
      }
      incident.inputs = inputs.value_or(incident.inputs);
    }
    return incident;
  }

  // PromQL to a number, or to the values of its series; [] where it has none.
  void read_values(const Yaml& yaml, PolicyTest& test) {
    for (const auto& [query, value] : reader_.entries(yaml)) {
      std::vector<double> values;
      for (const std::string& text : reader_.texts(yaml, query)) {
        const auto number = parse_double(text);
        if (!number) reader_.mistake(value, "expected numbers, got '" + text + "'");
        values.push_back(number.value_or(0));
      }
      if (values.size() == 1) test.answers[query] = values.front();
      test.situation.answers[query] = Answered{.values = std::move(values), .trouble = ""};
    }
  }

  Past read_past(const Yaml& yaml, const PolicyTest& test) {
    reader_.only_keys(yaml, {"action", "ago", "outcome", "automatic", "labels"});
    Past past;
    past.who = test.incident.identity();
    const Yaml labels = reader_.child(yaml, "labels");
    if (labels.node.IsDefined()) past.who = incident::identity_of(read_labels(labels));
    const std::string kind = reader_.text(yaml, "action").value_or("");
    const auto parsed = parse_kind(kind);
    if (!parsed) reader_.mistake(yaml, "action: unknown, '" + kind + "'");
    past.kind = parsed.value_or(Kind::notify);
    past.at = test.now - reader_.duration(yaml, "ago").value_or(std::chrono::hours(1));
    past.automatic = reader_.boolean(yaml, "automatic").value_or(true);
    if (const auto word = reader_.text(yaml, "outcome")) {
      past.ended = parse_outcome(*word);
      if (!past.ended) reader_.mistake(yaml, "outcome: unknown, '" + *word + "'");
    }
    return past;
  }

  PolicyTest::Expected read_expected(const Yaml& yaml) {
    reader_.only_keys(yaml, {"rule", "action", "state", "reason", "needs_approval"});
    return {.rule = reader_.text(yaml, "rule").value_or(""),
            .action = reader_.text(yaml, "action").value_or(""),
            .state = reader_.text(yaml, "state").value_or(""),
            .reason = reader_.text(yaml, "reason").value_or(""),
            .needs_approval = reader_.boolean(yaml, "needs_approval")};
  }

  YamlReader reader_;
};

Said said_of(const Action& action) {
  return {.rule = action.rule,
          .action = std::string(name(action.kind)),
          .state = std::string(state(action)),
          .reason = action.reason,
          .needs_approval = action.needs_approval};
}

std::string line_of(const Said& said) {
  return said.rule + ": " + said.action + " " + said.state +
         (said.needs_approval ? ", waits for a person" : "") + ": " + said.reason;
}

bool fits(const PolicyTest::Expected& expected, const Said& said) {
  const auto same = [](const std::string& wanted, const std::string& got) {
    return wanted.empty() || wanted == got;
  };
  return same(expected.rule, said.rule) && same(expected.action, said.action) &&
         same(expected.state, said.state) &&
         (expected.reason.empty() || glob_match(expected.reason, said.reason)) &&
         (!expected.needs_approval || *expected.needs_approval == said.needs_approval);
}

std::string line_of(const PolicyTest::Expected& expected) {
  std::string line;
  const auto add = [&line](const char* key, const std::string& value) {
    if (!value.empty()) line += (line.empty() ? "" : ", ") + (key + (": " + value));
  };
  add("rule", expected.rule);
  add("action", expected.action);
  add("state", expected.state);
  add("reason", expected.reason);
  if (expected.needs_approval) add("needs_approval", *expected.needs_approval ? "true" : "false");
  return "{" + line + "}";
}

}  // namespace

Result<std::vector<PolicyTest>> parse_policy_tests(const std::string& file,
                                                   const std::string& text) {
  return TestReader(file).read(text);
}

Decisions decide_test(const Policy& policy, const PolicyTest& test) {
  return decide(policy, test.incident, test.past, {}, test.answers, test.now, test.situation);
}

std::vector<std::string> differences(const PolicyTest& test, const Decisions& decisions) {
  std::vector<std::string> lines;
  std::vector<Said> rest;
  for (const Action& action : decisions.actions) rest.push_back(said_of(action));
  for (const PolicyTest::Expected& expected : test.expected) {
    const auto found = std::find_if(rest.begin(), rest.end(),
                                    [&expected](const Said& said) { return fits(expected, said); });
    if (found == rest.end()) {
      lines.push_back("expected, and not done: " + line_of(expected));
    } else {
      rest.erase(found);
    }
  }
  for (const Said& said : rest) lines.push_back("not expected: " + line_of(said));
  if (test.abstained) {
    const std::string rule = decisions.abstained.substr(0, decisions.abstained.find(':'));
    if (rule != *test.abstained) {
      lines.push_back("expected the abstaining rule '" + *test.abstained + "', got '" + rule + "'");
    }
  }
  return lines;
}

std::string told(const Decisions& decisions) {
  std::string text;
  for (const Action& action : decisions.actions) {
    text += line_of(said_of(action)) + "\n";
    if (!action.plan.executor.empty()) {
      text += "    " + action.plan.executor + " " + wire::to_text(action.plan.target) + "\n";
    } else if (!action.delivery.url.empty()) {
      text += "    " + action.delivery.method + " " + action.delivery.url + "\n    " +
              action.delivery.body + "\n";
    }
    for (const Reading& reading : action.course.readings) {
      text += "    " + reading.of + ": " + reading.query +
              (reading.holds ? " holds, " : " does not hold, ") + reading.words + "\n";
    }
  }
  if (!decisions.abstained.empty()) text += "abstains, " + decisions.abstained + "\n";
  return text.empty() ? "no rule matches\n" : text;
}

}  // namespace outrider::decide
