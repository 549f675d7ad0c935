// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose_command.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>

#include "agent/diagnose/diagnosis.h"
#include "base/core/text.h"
#include "cli/diagnose/answer.h"
#include "cli/diagnose/inputs.h"
#include "cli/diagnose/wide_metrics.h"
#include "cli/diagnose_live.h"

namespace outrider::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t piece_bytes = 1 << 18;

struct Settings {
  std::string metrics, baseline, graph, changes, logs, symptom, at;
  Duration window{};
  bool json = false;
  LiveSettings live;
};

[[noreturn]] void refuse(const std::string& what) {
  throw std::runtime_error(what);
}

template <class Reader>
void read_file(const std::string& option, const std::string& file, Reader& reader) {
  std::ifstream in(file, std::ios::binary);
  if (!in) refuse(option + "=" + file + ": " + std::strerror(errno));
  const auto check = [&file](const Result<void>& done) {
    if (!done) refuse(file + ": " + done.error().message);
  };
  std::string piece(piece_bytes, '\0');
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0)
    check(reader.feed({piece.data(), static_cast<std::size_t>(in.gcount())}));
  if (in.bad() || fs::is_directory(file))
    refuse(option + "=" + file + ": reading failed; expected a file");
  check(reader.finish());
}

// The components of a folder: its files' names without ".csv", in the order of the names.
std::vector<std::string> components_of(const std::string& option, const std::string& folder) {
  std::error_code error;
  std::vector<std::string> out;
  for (fs::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    if (file->path().extension() == ".csv") out.push_back(file->path().stem().string());
  }
  if (error)
    refuse(option + "=" + folder + ": " + error.message() +
           "; expected a folder with one CSV file a component");
  if (out.empty())
    refuse(option + "=" + folder + ": no file *.csv; expected one a component, such as cart.csv");
  if (out.size() > diagnose_components_max) {
    refuse(option + "=" + folder + ": " + std::to_string(out.size()) + " components, at most " +
           std::to_string(diagnose_components_max) + " are compared");
  }
  std::sort(out.begin(), out.end());
  return out;
}

double unix_time(const std::string& text) {
  auto seconds = parse_double(text);
  if (const auto time = parse_rfc3339(text)) seconds = to_seconds(time->time_since_epoch());
  if (seconds && *seconds > 0 && *seconds < diagnose_seconds_max) return *seconds;
  refuse("at=" + text +
         ": expected RFC 3339 with its zone, such as 2026-01-31T12:00:00Z, or Unix seconds");
}

// All that is asked, with what came along to answer in the same words.
struct Inputs {
  diagnose::Question question;
  std::vector<ToldChange> changes;  // Those of the question.
};

std::optional<std::size_t> index_of(const std::vector<std::string>& components,
                                    const std::string& name) {
  const auto found = std::lower_bound(components.begin(), components.end(), name);
  if (found == components.end() || *found != name) return std::nullopt;
  return static_cast<std::size_t>(found - components.begin());
}

// COMPONENT or COMPONENT:METRIC; components have colons in their names, so the whole text is looked
// for first.
std::optional<diagnose::Symptom> symptom_of(const std::string& text,
                                            const std::vector<std::string>& components) {
  if (text.empty() || index_of(components, component_name(text))) return std::nullopt;
  const std::size_t colon = text.rfind(':');
  const std::string name = component_name(text.substr(0, colon));
  const auto component = index_of(components, name);
  if (component && colon != std::string::npos && colon + 1 < text.size())
    return diagnose::Symptom{*component, text.substr(colon + 1)};
  std::string known;
  for (std::size_t i = 0; i < std::min<std::size_t>(components.size(), 10); ++i)
    known += (i ? ", " : "") + components[i];
  refuse("symptom=" + text + ": no component '" + name +
         "' in the metrics; expected COMPONENT:METRIC of " + known +
         (components.size() > 10 ? ", …" : ""));
}

// Of one file, by component.
std::map<std::string, diagnose::Rows> read_wide(const std::string& option, const std::string& file,
                                                double end) {
  std::size_t left = diagnose_values_max;
  WideMetricsReader reader(end, left);
  read_file(option, file, reader);
  return std::move(reader).rows();
}

void read_metrics_file(const Settings& settings, diagnose::Question& question) {
  for (auto& [component, rows] :
       read_wide("metrics", settings.metrics, question.at + question.window)) {
    question.components.push_back(component);
    question.metrics.push_back(std::move(rows));
  }
  question.symptom = symptom_of(settings.symptom, question.components);
  if (!question.symptom) return;
  const auto& [component, metric] = *question.symptom;
  if (question.metrics[component].find(metric) == nullptr) {
    std::string known;
    for (const auto& [name, values] : question.metrics[component].metrics)
      known += (known.empty() ? "" : ", ") + name;
    refuse("symptom=" + settings.symptom + ": " + question.components[component] +
           " has no metric '" + metric + "', it has " + known);
  }
}

void read_metrics_folder(const Settings& settings, diagnose::Question& question) {
  question.components = components_of("metrics", settings.metrics);
  question.symptom = symptom_of(settings.symptom, question.components);
  const double end = question.at + question.window;
  const std::string metric = question.symptom ? question.symptom->metric : "";
  std::size_t left = diagnose_values_max;
  for (std::size_t c = 0; c < question.components.size(); ++c) {
    MetricsReader reader(metric, end, left);
    read_file("metrics", settings.metrics + "/" + question.components[c] + ".csv", reader);
    if (question.symptom && question.symptom->component == c && !reader.knows(metric)) {
      refuse("symptom=" + settings.symptom + ": " + question.components[c] +
             ".csv has no metric '" + metric + "'");
    }
    question.metrics.push_back(std::move(reader).rows());
  }
}

void read_baseline(const Settings& settings, diagnose::Question& question) {
  if (settings.baseline.empty()) return;
  constexpr double no_end = std::numeric_limits<double>::infinity();
  std::map<std::string, diagnose::Rows> told;
  if (fs::is_regular_file(settings.baseline)) {
    told = read_wide("baseline", settings.baseline, no_end);
  } else {
    const std::string metric = question.symptom ? question.symptom->metric : "";
    std::size_t left = diagnose_values_max;
    for (const std::string& component : components_of("baseline", settings.baseline)) {
      if (!index_of(question.components, component)) continue;
      MetricsReader reader(metric, no_end, left);
      read_file("baseline", settings.baseline + "/" + component + ".csv", reader);
      told.emplace(component, std::move(reader).rows());
    }
  }
  bool any = false;
  for (const std::string& component : question.components) {
    question.baseline.emplace_back();
    const auto found = told.find(component);
    if (found == told.end()) continue;
    any = true;
    question.baseline.back() = std::move(found->second);
  }
  if (!any)
    refuse("baseline=" + settings.baseline + ": none of its components has metrics in " +
           settings.metrics + ": files of one component have one name in both");
}

void read_graph(const Settings& settings, diagnose::Question& question) {
  question.graph.callees.resize(question.components.size());
  question.graph.callers.resize(question.components.size());
  if (settings.graph.empty()) return;
  EdgesReader reader;
  read_file("graph", settings.graph, reader);
  question.has_graph = true;
  std::set<std::pair<std::size_t, std::size_t>> seen;
  std::size_t rows = 0;  // A ratio each is kept.
  for (const auto& [caller, callee] : reader.edges) {
    const auto from = index_of(question.components, caller),
               to = index_of(question.components, callee);
    if (!from || !to || *from == *to || !seen.emplace(*from, *to).second) continue;
    rows += question.metrics[*from].size() +
            (question.baseline.empty() ? 0 : question.baseline[*from].size());
    if (rows > diagnose_call_rows_max) {
      refuse("graph=" + settings.graph + ": more than " + std::to_string(diagnose_call_rows_max) +
             " rows of callers, a call each: give a shorter baseline, or fewer calls");
    }
    question.graph.callees[*from].push_back(*to);
    question.graph.callers[*to].push_back(*from);
  }
}

void read_logs(const Settings& settings, diagnose::Question& question) {
  if (settings.logs.empty()) return;
  LogsReader reader(question.at + question.window);
  read_file("logs", settings.logs, reader);
  question.log_times = reader.times();
  for (const std::string& component : question.components) {
    const auto found = reader.counts.find(component);
    question.logs.push_back(found == reader.counts.end() ? std::vector<diagnose::LogCount>()
                                                         : std::move(found->second));
  }
  question.log_sites = std::move(reader.sites);
}

// Changes of components without metrics are none of this incident's suspects.
void read_changes(const Settings& settings, Inputs& inputs) {
  if (settings.changes.empty()) return;
  ChangesReader reader;
  read_file("changes", settings.changes, reader);
  for (ToldChange& change : reader.changes) {
    const auto component = index_of(inputs.question.components, change.component);
    if (!component) continue;
    const auto text = [&change](const char* key) {
      const auto found = change.told.find(key);
      return found != change.told.end() && found->is_string() ? found->get<std::string>() : "";
    };
    inputs.question.changes.push_back({*component, change.time, text("kind"), text("what")});
    inputs.changes.push_back(std::move(change));
  }
}

// A window without a row is a slip of --at, seldom a silence of everything.
void refuse_an_empty_window(const Settings& settings, const diagnose::Question& question) {
  double first = std::numeric_limits<double>::infinity(), last = -first;
  for (const diagnose::Rows& rows : question.metrics) {
    if (rows.size() == 0) continue;
    first = std::min(first, rows.times.front());
    last = std::max(last, rows.times.back());
  }
  if (last >= question.at) return;
  const auto time = [](double seconds) { return format_rfc3339(Time(from_seconds(seconds))); };
  refuse("at=" + settings.at + ": no row of " + settings.metrics + " is in the window from " +
         time(question.at) + " to " + time(question.at + question.window) +
         (last < first
              ? "; the files have no rows before its end"
              : "; the rows before its end are from " + time(first) + " to " + time(last)));
}

int run_live(const Settings& settings) {
  for (const auto& [option, value] :
       {std::pair{"metrics", &settings.metrics}, std::pair{"baseline", &settings.baseline},
        std::pair{"graph", &settings.graph}, std::pair{"changes", &settings.changes},
        std::pair{"logs", &settings.logs}, std::pair{"symptom", &settings.symptom},
        std::pair{"at", &settings.at}}) {
    if (!value->empty())
      refuse(std::string(option) + "=" + *value +
             ": not beside --incident, whose files there are none of");
  }
  LiveSettings live = settings.live;
  live.json = settings.json;
  return diagnose_live(live);
}

// A wrong call, as one that the table of options finds.
int missing_option(const char* option) {
  std::cerr << option << ": required, unless --incident is given\n";
  return 2;
}

int run(const Settings& settings) {
  if (!settings.live.incident.empty()) return run_live(settings);
  for (const auto& [option, missing] :
       {std::pair{"metrics", settings.metrics.empty()}, std::pair{"at", settings.at.empty()},
        std::pair{"window", settings.window == Duration{}}}) {
    if (missing) return missing_option(option);
  }
  Inputs inputs;
  diagnose::Question& question = inputs.question;
  question.at = unix_time(settings.at);
  question.window = to_seconds(settings.window);
  if (fs::is_regular_file(settings.metrics)) {
    read_metrics_file(settings, question);
  } else {
    read_metrics_folder(settings, question);
  }
  read_baseline(settings, question);
  refuse_an_empty_window(settings, question);
  read_graph(settings, question);
  read_logs(settings, question);
  read_changes(settings, inputs);
  const diagnose::Diagnosis diagnosis = diagnose::diagnose(question);
  if (settings.json) {
    std::cout << wire::to_text(diagnosis_json(question, diagnosis, inputs.changes)) << "\n";
  } else {
    std::cout << diagnosis_text(question, diagnosis);
  }
  return 0;
}

void add_live_options(config::OptionTable& options, LiveSettings& live) {
  options
      .add("incident", live.incident,
           "An incident of the agent instead of files: what the agent found out about it.")
      .value_name("ID");
  options.add("agent", live.agent, "The agent that has the incident and the changes.").as_url();
  options
      .add("prometheus", live.prometheus,
           "With --incident: ask this Prometheus anew, instead of telling what the agent found.")
      .as_url()
      .example("http://127.0.0.1:9090");
  options.add("loki", live.loki, "With --prometheus: this Loki for how many lines were logged.")
      .as_url()
      .example("http://127.0.0.1:3100");
  options.add("queries", live.queries, "As the agent's --diagnose.queries.").value_name("FILE");
  options.add("baseline-length", live.times.baseline, "As the agent's --diagnose.baseline.")
      .between(300, 7 * 86400.0);
  options.add("step", live.times.step, "As the agent's --diagnose.step.").between(1, 600);
  options.add("rate-window", live.times.rate, "As the agent's --diagnose.rate-window.")
      .between(1, 3600);
  options.add("lead", live.times.lead, "As the agent's --diagnose.lead.").between(0, 3600);
}

void add_options(config::OptionTable& options, Settings& settings) {
  options
      .add(
          "metrics", settings.metrics,
          "Folder with one CSV a component: timestamp (Unix seconds), then numeric metrics. Or one "
          "CSV with columns COMPONENT_METRIC, as RCAEval has. "
          "Required without --incident, as --at and --window are.")
      .value_name("DIR|FILE");
  options
      .add("baseline", settings.baseline,
           "The same of times when nothing was wrong. Without it, the rows before the incident.")
      .value_name("DIR|FILE");
  options.add("graph", settings.graph, "CSV of calls: caller,callee.").value_name("FILE");
  options
      .add("changes", settings.changes,
           "Deployments and other changes, one JSON object a line: time, component, kind, what.")
      .value_name("FILE");
  options
      .add("logs", settings.logs,
           "CSV of counted log lines: timestamp,component,template_or_level,count.")
      .value_name("FILE");
  options
      .add("symptom", settings.symptom,
           "What is complained about. The metric leads to where it arises along the calls.")
      .value_name("COMPONENT[:METRIC]")
      .example("frontend:latency_mean_ms");
  options
      .add("at", settings.at,
           "When the alert came: RFC 3339 or Unix seconds. Up to 2m late is fine.")
      .value_name("TIME")
      .example("2026-01-31T12:00:00Z");
  options.add("window", settings.window, "How long after it to look; later rows are not read.")
      .between(1, 7 * 86400.0)
      .example("10m");
  options.add("json", settings.json, "One JSON object instead of a few lines.");
  add_live_options(options, settings.live);
}

}  // namespace

config::Command diagnose_command() {
  const auto settings = std::make_shared<Settings>();
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, *settings);
  return {
      .name = "diagnose",
      .summary =
          "Which component is the cause? Ranks all by metrics, calls, logs and changes, or says "
          "what would decide.",
      .positional = "",
      .options = options,
      .run = [settings](const config::Positional&) { return run(*settings); }};
}

}  // namespace outrider::cli
