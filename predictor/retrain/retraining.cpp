// SPDX-License-Identifier: Apache-2.0
#include "predictor/retrain/retraining.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <thread>

#include "base/core/text.h"
#include "base/net/http_client.h"
#include "predictor/train/promotion.h"

namespace outrider::retrain {
namespace {

using train::Dataset;

constexpr std::chrono::seconds fetch_every{1};

struct Gathered {
  std::optional<Dataset> original;
  std::optional<Dataset> growing;
  std::optional<Dataset> fetched;
};

// A header without rows is no error here: nothing was labelled yet.
Result<std::optional<Dataset>> maybe_empty(Result<Dataset> dataset) {
  if (dataset) return std::optional<Dataset>(std::move(*dataset));
  const std::string_view code = dataset.error().code;
  if (code == "csv_no_rows" || code == "csv_empty") return std::optional<Dataset>();
  return fail(dataset);
}

Result<std::optional<Dataset>> fetch(const Sources& sources, const std::optional<Time>& since) {
  net::ClientRequest request;
  request.url =
      sources.url + (sources.url.find('?') == std::string::npos ? "?" : "&") + "format=csv";
  if (since) request.url += "&since=" + percent_encode(format_rfc3339(*since));
  if (auto prepared = sources.prepare(request); !prepared) return fail(prepared);
  request.timeout = sources.url_timeout;
  request.body_bytes_max = sources.bytes_max;
  const auto response = net::HttpClient().send(request);
  if (!response) return fail(response.error().code, sources.url + ": " + response.error().message);
  if (response->status != 200) {
    return fail("source_refused", sources.url + " answers " + std::to_string(response->status) +
                                      ": " + response->body.substr(0, 300));
  }
  return maybe_empty(train::parse_dataset(sources.url, response->body));
}

std::string original_file(const Sources& sources, const wire::Json& card) {
  if (!sources.original_file.empty()) return sources.original_file;
  const wire::Json::json_pointer place("/data/original");
  return card.contains(place) && card.at(place).is_string() ? card.at(place).get<std::string>()
                                                            : "";
}

// The original rows are needed only where live ones are too few: the plan then says what lacks.
std::optional<Dataset> load_original(const std::string& file, std::size_t bytes_max) {
  if (file.empty()) return std::nullopt;
  auto dataset = train::load_dataset(file, bytes_max);
  if (dataset) return std::move(*dataset);
  spdlog::warn("retraining without the original rows: {}", dataset.error().message);
  return std::nullopt;
}

// The rows since the change, once there are enough of them or patience is at its end.
Result<std::optional<Dataset>> fetch_enough(const Rules& rules, const std::optional<Time>& since,
                                            const OnStage& on_stage) {
  const auto deadline = std::chrono::steady_clock::now() + rules.patience.limit;
  for (;;) {
    auto fetched = fetch(rules.sources, since);
    if (!fetched || !since) return fetched;
    const std::size_t rows = *fetched ? (*fetched)->table.rows.size() : 0;
    if (rows >= rules.patience.rows || std::chrono::steady_clock::now() >= deadline) return fetched;
    on_stage("waiting for rows: " + std::to_string(rows) + " of " +
             std::to_string(rules.patience.rows) + " since the change");
    std::this_thread::sleep_for(fetch_every);
  }
}

Result<Gathered> gather(const Rules& rules, const std::string& original,
                        const std::optional<Time>& since, const OnStage& on_stage) {
  const Sources& sources = rules.sources;
  Gathered gathered;
  gathered.original = load_original(original, sources.bytes_max);
  if (!sources.growing_file.empty()) {
    auto growing = maybe_empty(train::load_dataset(sources.growing_file, sources.bytes_max));
    if (!growing) return fail(growing);
    gathered.growing = std::move(*growing);
  }
  if (!sources.url.empty()) {
    auto fetched = fetch_enough(rules, since, on_stage);
    if (!fetched) return fail(fetched);
    gathered.fetched = std::move(*fetched);
  }
  return gathered;
}

Ending failed(const Error& error) {
  return {"failed", error.message, "", "", {}};
}

Ending finish(registry::Registry& registry, const train::NewVersion& made, const Rules& rules,
              const std::string& reason, const Clock& clock, const OnStage& on_stage) {
  on_stage("storing");
  const std::string version = train::store_version(registry, made, clock.now());
  on_stage("judging");
  const auto trial = train::judge_version(registry, version, rules.gates);
  if (!trial) return {"failed", trial.error().message, version, made.strategy, {}};
  Ending ending{"succeeded", "", version, made.strategy,
                train::to_json(trial->judgement, trial->against)};
  const evaluate::Metrics& metrics = made.trained.evaluation.overall;
  if (!trial->judgement.passed()) {
    [[maybe_unused]] const auto staged = registry.set_candidate(version);
    ending.state = "refused";
    ending.message = trial->judgement.refusal() + ". " + version + " stays a candidate";
    return ending;
  }
  const auto promoted = registry.promote(version, reason);
  if (!promoted) return {"failed", promoted.error().message, version, made.strategy, ending.gates};
  char accuracy[16];
  std::snprintf(accuracy, sizeof accuracy, "%.1f%%", 100 * metrics.accuracy());
  ending.message = version + " is production: accuracy " + accuracy + " on the newest " +
                   std::to_string(metrics.rows) + " rows; " + made.strategy;
  return ending;
}

}  // namespace

Ending retrain(registry::Registry& registry, const Request& request, const std::string& job,
               const Rules& rules, const Clock& clock, const OnStage& on_stage) {
  on_stage("reading production");
  const auto stages = registry.stages();
  if (!stages) return failed(stages.error());
  if (stages->production.empty()) {
    return {"failed", "there is no production version to retrain; train one first", "", "", {}};
  }
  const auto wanting = registry::version_number(request.version);
  if (wanting && registry.find(request.version) &&
      wanting != registry::version_number(stages->production)) {
    return {
        "succeeded",
        "nothing to do: production is " + stages->production + " by now, not " + request.version,
        "",
        "",
        {}};
  }
  const auto production = train::load_model(registry, stages->production);
  if (!production) return failed(production.error());
  const auto card_text = registry.read(stages->production, "card.json");
  if (!card_text) return failed(card_text.error());
  const auto card = train::parse_card(*card_text);
  if (!card) return failed(card.error());
  const auto settings = train::settings_of(*card);
  if (!settings) return failed(settings.error());

  on_stage("gathering rows");
  const std::string original = original_file(rules.sources, *card);
  const auto rows = gather(rules, original, request.since, on_stage);
  if (!rows) return failed(rows.error());
  PlanInputs inputs{.production = *production, .settings = *settings, .since = request.since};
  if (rows->original) inputs.original = &*rows->original;
  for (const auto* live : {&rows->growing, &rows->fetched}) {
    if (*live) inputs.live.push_back(&**live);
  }
  const auto plan = make_plan(inputs, rules.plan);
  if (!plan) return failed(plan.error());

  on_stage("training: " + plan->strategy);
  const auto trained =
      plan->recalibrate
          ? train::recalibrate(*production, plan->dataset, plan->split, plan->settings)
          : train::train(plan->dataset, plan->split, plan->settings,
                         [&](std::string_view stage, double) { on_stage(std::string(stage)); });
  if (!trained) return failed(trained.error());
  const std::string reason = request.reason.empty() ? "retraining " + job : request.reason;
  return finish(registry,
                {.dataset = plan->dataset,
                 .settings = plan->settings,
                 .trained = *trained,
                 .original = original,
                 .strategy = plan->strategy,
                 .trigger = {reason, request.incident, request.idempotency_key, job}},
                rules, reason, clock, on_stage);
}

}  // namespace outrider::retrain
