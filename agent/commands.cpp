// SPDX-License-Identifier: Apache-2.0
#include "agent/commands.h"

#include <filesystem>
#include <iostream>

#include "agent/act/journal_export.h"
#include "agent/decide/policy_tests.h"
#include "agent/parts.h"
#include "agent/settings.h"
#include "agent/ticket_parts.h"
#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider {
namespace {

constexpr std::size_t file_bytes_max = 8 << 20;

struct TestSettings {
  std::string policy;
};

std::string read_or_throw(const std::string& file) {
  const auto text = config::read_file(file, file_bytes_max);
  if (!text) throw std::runtime_error(text.error().message);
  return *text;
}

// A policy is tried with every executor there is; none of them is asked for anything.
decide::Executors every_executor() {
  static const SystemClock clock;
  AgentSettings settings;
  settings.kubernetes.acts = true;
  settings.kubernetes.url = "https://not.asked";
  return make_executors(settings, clock, {}, ticket_desk_for_trials(clock));
}

decide::Policy policy_or_throw(const std::string& file) {
  auto policy = decide::parse_policy(file, read_or_throw(file), every_executor());
  if (!policy) throw std::runtime_error(policy.error().message);
  return std::move(*policy);
}

// Beside the tests' file, where the file names it and --policy does not.
std::string policy_of(const std::string& tests, const std::string& text,
                      const std::string& option) {
  if (!option.empty()) return option;
  config::YamlReader reader(tests);
  const std::string named = reader.text(reader.parse(text), "policy").value_or("");
  if (named.empty()) {
    throw std::runtime_error(tests + ": expected policy: FILE in it, or --policy FILE");
  }
  return (std::filesystem::path(tests).parent_path() / named).string();
}

int run_tests(const std::string& file, const std::string& text, const std::string& option) {
  const auto tests = decide::parse_policy_tests(file, text);
  if (!tests) throw std::runtime_error(tests.error().message);
  const decide::Policy policy = policy_or_throw(policy_of(file, text, option));
  std::size_t failed = 0;
  for (const decide::PolicyTest& test : *tests) {
    const auto decisions = decide::decide_test(policy, test);
    const auto lines = decide::differences(test, decisions);
    failed += !lines.empty();
    std::cout << (lines.empty() ? "ok      " : "FAILED  ") << test.name << "\n";
    for (const std::string& line : lines) std::cout << "        " << line << "\n";
  }
  std::cout << tests->size() - failed << " of " << tests->size() << " tests passed\n";
  return failed == 0 ? 0 : 1;
}

// An incident as GET /api/v1/incidents/ID has it, with no history and no answers of Prometheus.
int tell_about(const std::string& file, const std::string& text, const std::string& option) {
  if (option.empty()) throw std::runtime_error("expected --policy FILE beside an incident's file");
  const auto json = wire::parse_json(text);
  const auto incident =
      json ? incident::incident_from_json(*json) : Result<incident::Incident>(fail(json));
  if (!incident) {
    throw std::runtime_error(file +
                             ": expected tests: in YAML, or an incident as GET "
                             "/api/v1/incidents/ID gives it: " +
                             incident.error().message);
  }
  const decide::Policy policy = policy_or_throw(option);
  decide::PolicyTest test;
  test.incident = *incident;
  test.now = std::max(incident->updated_at, incident->opened_at + std::chrono::hours(1));
  std::cout << decide::told(decide::decide_test(policy, test));
  return 0;
}

int test_policy(const TestSettings& settings, const config::Positional& files) {
  if (files.empty()) throw std::runtime_error("expected the file of the tests, or of an incident");
  const std::string& file = files.front();
  const std::string text = read_or_throw(file);
  const bool is_incident = text.find_first_not_of(" \t\r\n") != std::string::npos &&
                           text[text.find_first_not_of(" \t\r\n")] == '{';
  return is_incident ? tell_about(file, text, settings.policy)
                     : run_tests(file, text, settings.policy);
}

struct ExportSettings {
  std::string data_dir = "outrider-agent-data";
  std::string since;
};

int export_lines(const ExportSettings& settings) {
  const std::string file = settings.data_dir + "/agent.db";
  const auto since = settings.since.empty() ? std::optional(Time{}) : parse_rfc3339(settings.since);
  if (!since) throw std::runtime_error("since: expected RFC 3339, got '" + settings.since + "'");
  if (!std::filesystem::exists(file)) throw std::runtime_error(file + ": there is no journal");
  try {
    const act::Journal journal(file, {});
    act::export_journal(journal, *since, [](std::string_view line) {
      std::cout << line;
      return std::cout.good();
    });
  } catch (const act::JournalError& error) {
    throw std::runtime_error(std::string(error.what()) +
                             "; of an agent that runs, ask GET /api/v1/journal");
  }
  return std::cout.good() ? 0 : 1;
}

}  // namespace

config::Command journal_export_command() {
  auto settings = std::make_shared<ExportSettings>();
  auto options = std::make_shared<config::OptionTable>();
  options->add("data.dir", settings->data_dir, "Folder of the journal.").value_name("DIR");
  options->add("since", settings->since, "Only what began then or later.")
      .value_name("TIME")
      .example("2026-01-31T00:00:00Z");
  return {.name = "journal export",
          .summary = "Prints the journal of an agent that does not run, as JSON lines.",
          .positional = "",
          .options = options,
          .run = [settings](const config::Positional&) { return export_lines(*settings); }};
}

config::Command policy_test_command() {
  auto settings = std::make_shared<TestSettings>();
  auto options = std::make_shared<config::OptionTable>();
  options
      ->add("policy", settings->policy,
            "The policy; without it the one that the tests' file names.")
      .value_name("FILE");
  return {
      .name = "policy test",
      .summary =
          "Runs the tests of a policy, or tells what it would do about an incident, and why.",
      .positional = "FILE",
      .options = options,
      .run = [settings](const config::Positional& files) { return test_policy(*settings, files); },
      .positional_max = 1};
}

}  // namespace outrider
