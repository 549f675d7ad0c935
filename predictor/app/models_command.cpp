// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <stdexcept>

#include "base/core/text.h"
#include "predictor/app/commands.h"
#include "predictor/gates/gates.h"
#include "predictor/train/promotion.h"

namespace outrider::app {
namespace {

struct ModelsOptions {
  std::string registry, name, reason;
  bool force = false;
  gates::Bounds gates;
};

std::shared_ptr<config::OptionTable> option_table(ModelsOptions& o) {
  auto table = std::make_shared<config::OptionTable>();
  table->add("registry", o.registry, "Folder of model versions.").value_name("DIR").required();
  table->add("name", o.name, "The model's name; default: the only one there is.")
      .value_name("MODEL");
  table->add("force", o.force, "promote: whatever the gates say.");
  table->add("reason", o.reason, "promote, rollback: why; kept in the history.");
  o.gates.add_to(*table);
  return table;
}

template <class T>
T or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

int list(const registry::Registry& registry) {
  const registry::Stages stages = or_throw(registry.stages());
  std::printf("%-8s %-11s %-25s %-9s %9s %9s\n", "VERSION", "STAGE", "CREATED", "ALGORITHM", "ROWS",
              "ACCURACY");
  for (const std::string& version : registry.versions()) {
    const char* stage = version == stages.production  ? "production"
                        : version == stages.candidate ? "candidate"
                                                      : "";
    const auto text = registry.read(version, "card.json");
    const auto card = text ? train::parse_card(*text) : Result<wire::Json>(fail(text));
    if (!card) {
      std::printf("%-8s %-11s %s\n", version.c_str(), stage, card.error().message.c_str());
      continue;
    }
    std::printf("%-8s %-11s %-25s %-9s %9lld %8.1f%%\n", version.c_str(), stage,
                card->value("created", "").c_str(),
                card->value(wire::Json::json_pointer("/parameters/algorithm"), "").c_str(),
                card->value(wire::Json::json_pointer("/data/training_rows"), 0LL),
                100 * card->value(wire::Json::json_pointer("/metrics/accuracy"), 0.0));
  }
  return 0;
}

int show(const registry::Registry& registry, const std::string& version) {
  const std::string text = or_throw(registry.read(version, "card.json"));
  or_throw(train::load_model(registry, version));  // A damaged model is said, not shown as sound.
  std::cout << text;
  const registry::Stages stages = or_throw(registry.stages());
  for (const registry::Event& event : stages.history) {
    if (event.to != version && event.from != version) continue;
    std::cout << format_rfc3339(event.at) << " " << event.action << " "
              << (event.from.empty() ? "nothing" : event.from) << " -> " << event.to
              << (event.reason.empty() ? "" : ": " + event.reason) << "\n";
  }
  return 0;
}

int promote(registry::Registry& registry, const std::string& version, const ModelsOptions& o) {
  const auto trial = or_throw(train::promote_version(
      registry, version, o.gates, o.force, o.reason.empty() ? "models promote" : o.reason));
  for (const gates::Verdict& verdict : trial.judgement.verdicts) {
    std::cout << "gate " << verdict.gate << (verdict.passed ? " passes: " : " refuses, forced: ")
              << verdict.message << "\n";
  }
  std::cout << trial.version << " is production\n";
  return 0;
}

std::string only_model(const ModelsOptions& o) {
  if (!o.name.empty()) return o.name;
  const auto names = registry::models_in(o.registry);
  if (names.size() == 1) return names.front();
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  throw std::runtime_error(names.empty()
                               ? o.registry + " holds no model"
                               : "name=: " + o.registry + " holds " + known + "; choose one");
}

int run(const config::Positional& words, const ModelsOptions& o) {
  static const SystemClock clock;
  const std::string action = words.empty() ? "list" : words[0];
  registry::Registry registry(o.registry, only_model(o), clock);
  const bool needs_version = action == "show" || action == "promote";
  if (needs_version && words.size() < 2) {
    throw std::runtime_error("models " + action + ": name a version; see models list");
  }
  if (action == "list") return list(registry);
  if (action == "show") return show(registry, or_throw(registry.find(words[1])));
  if (action == "promote") return promote(registry, words[1], o);
  if (action == "rollback") {
    const auto stages =
        or_throw(registry.rollback(o.reason.empty() ? "models rollback" : o.reason));
    std::cout << stages.production << " is production\n";
    return 0;
  }
  throw std::runtime_error("models " + action + ": expected list, show, promote or rollback");
}

}  // namespace

config::Command models_command() {
  auto options = std::make_shared<ModelsOptions>();
  return {.name = "models",
          .summary = "Lists versions, shows one, promotes one, or goes back.",
          .positional = "list | show VERSION | promote VERSION [--force] | rollback",
          .options = option_table(*options),
          .run = [options](const config::Positional& words) { return run(words, *options); },
          .positional_max = 2};
}

}  // namespace outrider::app
