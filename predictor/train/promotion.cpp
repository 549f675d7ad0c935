// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/promotion.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <stdexcept>

#include "predictor/model/model_json.h"
#include "predictor/train/reference_text.h"

namespace outrider::train {
namespace {

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i)
    line += (i ? "," : "") + wire::csv_field(fields[i]);
  return line + "\n";
}

std::string held_out_csv(const Dataset& dataset, const Split& split) {
  std::string text = csv_line(dataset.table.header);
  const std::size_t count = split.held_out.size();
  for (std::size_t i = count - std::min(count, held_out_rows_kept); i < count; ++i) {
    text += csv_line(dataset.table.rows[split.held_out[i]].fields);
  }
  return text;
}

// The 99th percentile of one prediction on this machine.
double measure_latency(const model::Model& model, const Dataset& rows) {
  constexpr std::size_t predictions = 1000;
  const auto columns = model::feature_columns(model.encoding, rows.table);
  if (!columns || rows.table.rows.empty()) return 0;
  std::vector<double> seconds;
  for (std::size_t i = 0; i < predictions; ++i) {
    const auto cells =
        model::read_row(model.encoding, *columns, rows.table.rows[i % rows.table.rows.size()]);
    const auto start = std::chrono::steady_clock::now();
    const model::Prediction prediction = model.predict(cells);
    const auto end = std::chrono::steady_clock::now();
    // The value takes part, so that the prediction is not optimised away.
    seconds.push_back(to_seconds(end - start) + (prediction.value == 0.123456789 ? 1e-12 : 0));
  }
  const auto place = seconds.begin() + predictions * 99 / 100;
  std::nth_element(seconds.begin(), place, seconds.end());
  return *place;
}

// The held-out rows of a version; none when it was trained without a hold-out.
Result<Dataset> held_out_rows(const registry::Registry& registry, const std::string& version) {
  const auto text = registry.read(version, "holdout.csv");
  if (!text) return fail(text);
  auto table = wire::parse_csv(*text);
  if (!table) return fail(table.error().code, version + "/holdout.csv: " + table.error().message);
  return Dataset{version + "/holdout.csv", "", std::move(*table)};
}

std::vector<std::size_t> all_rows(const Dataset& dataset) {
  std::vector<std::size_t> rows(dataset.table.rows.size());
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

Result<Settings> settings_of_version(const registry::Registry& registry,
                                     const std::string& version) {
  const auto text = registry.read(version, "card.json");
  if (!text) return fail(text);
  const auto card = parse_card(*text);
  if (!card) return fail(card.error().code, version + "/" + card.error().message);
  return settings_of(*card);
}

}  // namespace

std::string store_version(registry::Registry& registry, const NewVersion& in, Time now) {
  const std::string parent = registry.stages().value_or(registry::Stages{}).production;
  return registry.add([&](const std::string& version) {
    const auto reference = reference_text(in.dataset, in.trained, in.settings, version, now);
    if (!reference)
      throw std::runtime_error("cannot make reference.json: " + reference.error().message);
    const wire::Json card = make_card({.version = version,
                                       .parent = parent,
                                       .created = now,
                                       .dataset = in.dataset,
                                       .settings = in.settings,
                                       .trained = in.trained,
                                       .original = in.original,
                                       .strategy = in.strategy,
                                       .trigger = in.trigger});
    return std::vector<registry::File>{{"model.json", model::to_json_text(in.trained.model)},
                                       {"reference.json", *reference},
                                       {"holdout.csv", held_out_csv(in.dataset, in.trained.split)},
                                       {"card.json", card.dump(1) + "\n"}};
  });
}

Result<model::Model> load_model(const registry::Registry& registry, std::string_view version) {
  const auto text = registry.read(version, "model.json");
  if (!text) return fail(text);
  auto model = model::parse_model(*text);
  if (!model) {
    return fail(model.error().code, registry.folder() + "/" + std::string(version) +
                                        "/model.json: " + model.error().message);
  }
  return model;
}

Result<Trial> judge_version(const registry::Registry& registry, std::string_view version,
                            const gates::Bounds& bounds) {
  const auto name = registry.find(version);
  if (!name) return fail(name);
  const auto stages = registry.stages();
  if (!stages) return fail(stages);
  const auto candidate = load_model(registry, *name);
  if (!candidate) return fail(candidate);
  const auto settings = settings_of_version(registry, *name);
  if (!settings) return fail(settings);
  const auto rows = held_out_rows(registry, *name);
  if (!rows) return fail(rows);
  const auto judged = judge_rows(*candidate, *rows, all_rows(*rows), *settings);
  if (!judged) return fail(judged);

  gates::Evidence evidence{.candidate = judged->outcomes,
                           .segments = judged->segments,
                           .groups = judged->groups,
                           .privileged_group = settings->privileged,
                           .latency_seconds = measure_latency(*candidate, *rows)};
  Trial trial{*name, stages->production == *name ? "" : stages->production, {}};
  Judged production_judged;
  if (!trial.against.empty()) {
    const auto production = load_model(registry, trial.against);
    if (!production) return fail(production);
    auto production_rows = judge_rows(*production, *rows, all_rows(*rows), *settings);
    if (!production_rows) return fail(production_rows);
    production_judged = std::move(*production_rows);
    evidence.production = &production_judged.outcomes;
    evidence.production_version = trial.against;
  }
  trial.judgement = gates::judge(evidence, bounds);
  return trial;
}

Result<Trial> promote_version(registry::Registry& registry, std::string_view version,
                              const gates::Bounds& bounds, bool force, const std::string& reason) {
  const auto name = registry.find(version);
  if (!name) return fail(name);
  // A forced promotion still needs a model that can be served.
  if (const auto model = load_model(registry, *name); !model) return fail(model);
  auto trial = judge_version(registry, *name, bounds);
  if (!trial && !force) return trial;
  if (trial && !trial->judgement.passed() && !force) {
    const std::string refusal = trial->judgement.refusal();
    if (auto set = registry.set_candidate(*name); !set) return fail(set);
    return fail("gate_refused",
                refusal + ". " + *name + " stays a candidate; --force promotes it anyway");
  }
  const bool forced = force && !(trial && trial->judgement.passed());
  if (auto promoted = registry.promote(*name, reason, forced); !promoted) return fail(promoted);
  return trial ? trial : Trial{*name, "", {}};
}

}  // namespace outrider::train
