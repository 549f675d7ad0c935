// SPDX-License-Identifier: Apache-2.0
#include "cli/right_size_command.h"

#include <iostream>
#include <memory>
#include <stdexcept>

#include "agent/query/prometheus.h"
#include "agent/right_size/advice.h"
#include "base/core/text.h"

namespace outrider::cli {
namespace {

constexpr Duration query_timeout = std::chrono::minutes(2);

struct Settings {
  std::string prometheus, name_space;
  Duration history = std::chrono::days(7);
  bool json = false;
};

int run(const Settings& settings) {
  query::Prometheus prometheus(settings.prometheus, query_timeout);
  const std::string matchers =
      settings.name_space.empty() ? "" : "namespace=~" + query::promql_text(settings.name_space);
  right_size::Answers answers;
  for (const right_size::Question& question : right_size::questions(settings.history, matchers)) {
    auto answer = prometheus.query(question.promql);
    if (!answer) {
      throw std::runtime_error("prometheus=" + settings.prometheus + ": " + question.name + ": " +
                               answer.error().message);
    }
    answers[question.name] = std::move(*answer);
  }
  std::vector<right_size::RightSize> all;
  for (const auto& usage : right_size::usage_of(answers)) all.push_back(right_size::advise(usage));
  if (all.empty()) {
    throw std::runtime_error("prometheus=" + settings.prometheus +
                             ": has no container; expected series of cAdvisor "
                             "(container_cpu_usage_seconds_total) and kube-state-metrics "
                             "(kube_pod_container_resource_requests)");
  }
  std::cout << (settings.json ? right_size::to_json(all) + "\n" : right_size::to_table(all));
  return 0;
}

void add_options(config::OptionTable& options, Settings& settings) {
  options.add("prometheus", settings.prometheus, "Where cAdvisor and kube-state-metrics are.")
      .required()
      .as_url()
      .example("http://127.0.0.1:9090");
  options
      .add("namespace", settings.name_space,
           "A pattern, anchored: only containers of these namespaces. Without it all.")
      .value_name("REGEX")
      .example("models|shop");
  options.add("history", settings.history, "How much of the past counts.")
      .between(3600, 90.0 * 86'400);
  options.add("json", settings.json, "One JSON object instead of a table.");
}

}  // namespace

config::Command right_size_command() {
  const auto settings = std::make_shared<Settings>();
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, *settings);
  return {.name = "right-size",
          .summary = "What should models ask for? CPU and memory requests from what they used.",
          .positional = "",
          .options = options,
          .run = [settings](const config::Positional&) { return run(*settings); }};
}

}  // namespace outrider::cli
