// SPDX-License-Identifier: Apache-2.0
#include "test/agent/told/scenes.h"

#include "test/agent/told/played.h"

namespace outrider::page::testing {
namespace {

using namespace std::chrono_literals;
using decide::Kind;
using incident::Facts;

const Time began = alerted - 2min;

// Of a ticket, in every policy: once an incident, told as people need it.
const std::string ticket_rule = R"(
  - name: ticket
    match: {severity: critical}
    action: ticket
    webhook:
      url: https://tickets.example/api/issues
      body: |
        {"title": {{ reason }}, "cause": {{ diagnosis }}, "text": {{ brief }}, "assignee": {{ owner | default "nobody" }}}
)";

Labels labels_of(const std::string& alert, const std::string& severity, const std::string& model,
                 const std::string& version) {
  return {{"alertname", alert},       {"severity", severity}, {"cluster", "eu-1"},
          {"namespace", "shop"},      {"job", model},         {"model_name", model},
          {"model_version", version}, {"owner", "pricing"}};
}

// A model as its sidecars tell of it; each is times so much since the fault.
struct Factors {
  double requests = 1, errors = 1, latency = 1, drift = 1, wrong = 1;
};
void model(System& system, const Labels& of, const Factors& since) {
  const auto by = [](double factor) {
    return factor == 1 ? std::function<double(double)>() : suspects::testing::times(factor);
  };
  const std::string requests = "outrider_requests_total";
  system.tell(requests, "requests", {system.series(of, 40, by(since.requests))});
  system.tell(requests, "errors", {system.series(of, 0.04, by(since.errors))});
  system.tell(requests, "latency_p95_ms", {system.series(of, 80, by(since.latency))});
  system.tell("outrider_drift_ratio", "drift_ratio", {system.series(of, 0.3, by(since.drift))});
  system.tell("outrider_outcomes_total", "wrong_predictions",
              {system.series(of, 0.05, by(since.wrong))});
}

Facts unmoved() {
  Facts facts;
  facts.owner = "pricing";
  facts.since = began;
  facts.comparison = Facts::Comparison{
      .inputs = 2, .rows = 588, .base_rows = 1778, .psi = 0.2, .power = 0.995, .enough = true};
  return facts;
}

Told the_market_turns() {
  Played played("The market turns: the model is retrained by itself, and it helps",
                "From 11:58 on every house sells 8 % dearer. Requests look as before.",
                labels_of("ModelAccuracyDropped", "critical", "house-price", "v1"),
                {{"accuracy_before", "95%"},
                 {"accuracy_after", "78%"},
                 {"labels_since_change", "210"},
                 {"runbook_url", "https://runbooks.example/ModelAccuracyDropped"}});
  played.facts(unmoved(), {});
  System system(played.incident());
  model(system, played.of_model(), {.wrong = 4.4});
  played.diagnose(system, {});
  played.decide(R"(
dry_run: false
rules:
  - name: retrain-on-concept-drift
    match: {alert: ModelAccuracyDropped, inputs: [unchanged]}
    action: retrain
    webhook: {url: http://trainer.shop:8080/api/v1/retrain, job: {watch: false}}
    verify:
      query: min(model:outrider_accuracy:ratio1h{model_name="{{ model }}"}) > 0.93
      within: 30m
      for: 2m
    undo: {webhook: {url: http://trainer.shop:8080/api/v1/rollback}}
)" + ticket_rule,
                0.78, alerted + 75s);
  played.send(Kind::ticket, 201, alerted + 76s);
  played.send(Kind::retrain, 202, alerted + 76s);
  played.verify(Kind::retrain, 0.81, false, alerted + 4min);
  played.verify(Kind::retrain, 0.95, true, alerted + 11min);
  played.verify(Kind::retrain, 0.952, true, alerted + 13min);
  played.resolve(alerted + 12min);
  played.chart("Accuracy", Unit::share, 0.951, 0.724, 0.952, began, alerted + 10min);
  return played.told(alerted + 20min);
}

Told a_field_changes_its_unit() {
  Played played("A field changes its unit: a person lets the agent roll back, and it helps",
                "A release of the feature store sends amounts in cents instead of euros.",
                labels_of("FeatureDrift", "critical", "fraud-score", "v7"),
                {{"summary", "inputs of fraud-score moved away from training: amount"},
                 {"runbook_url", "https://runbooks.example/FeatureDrift"}});
  Facts facts = unmoved();
  facts.comparison->moved = {{"amount", 2.41, Facts::Comparison::Moved::at_change}};
  const incident::Change change{
      "deploy-77",  "deployment", "fraud-score", "v7.2",       "feature store: amounts as integers",
      began - 1min, "eu-1",       "shop",        "fraud-score"};
  played.facts(facts, {change});
  System system(played.incident());
  model(system, played.of_model(), {.drift = 12});
  played.diagnose(system, {change});
  played.decide(R"(
dry_run: false
rules:
  - name: take-back-the-release
    match: {alert: FeatureDrift, inputs: [changed]}
    action: rollback
    approval: required
    webhook: {url: http://deployer.shop:8080/rollback, job: {watch: false}}
    verify:
      query: max(outrider_drift_ratio{model_name="{{ model }}",subject="amount"}) < 1
      within: 15m
    undo: {webhook: {url: http://deployer.shop:8080/deploy}}
)" + ticket_rule,
                3.6, alerted + 75s);
  played.send(Kind::ticket, 201, alerted + 76s);
  played.approve(Kind::rollback, "ada", alerted + 4min);
  played.send(Kind::rollback, 200, alerted + 4min + 1s);
  played.verify(Kind::rollback, 3.6, false, alerted + 6min);
  played.verify(Kind::rollback, 0.31, true, alerted + 11min);
  played.resolve(alerted + 14min);
  played.chart("Drift in thresholds", Unit::ratio, 0.3, 3.6, 0.31, began, alerted + 10min);
  return played.told(alerted + 20min);
}

Told a_bad_version() {
  Played played("A version fails: the agent rolls back by itself, and it helps",
                "Version v3 was promoted past its gates and fails for every fifth request.",
                labels_of("ModelRequestsFailing", "critical", "house-price", "v3"),
                {{"summary", "20 % of the requests to house-price fail"},
                 {"runbook_url", "https://runbooks.example/ModelRequestsFailing"}});
  const incident::Change change{"promote-3",         "promotion", "house-price", "v3",
                                "promoted by force", began - 20s, "eu-1",        "shop",
                                "house-price"};
  played.facts(unmoved(), {change});
  System system(played.incident());
  model(system, played.of_model(), {.errors = 200});
  played.diagnose(system, {change});
  played.decide(R"(
dry_run: false
rules:
  - name: roll-back-bad-version
    match: {alert: ModelRequestsFailing}
    action: rollback
    webhook: {url: http://registry.shop:8080/api/v1/rollback, job: {watch: false}}
    verify:
      query: sum(rate(outrider_requests_total{outcome="server_error",model_name="{{ model }}"}[1m])) < 0.5
      within: 5m
    undo: {webhook: {url: http://registry.shop:8080/api/v1/models/v3/promote}}
)" + ticket_rule,
                8.1, alerted + 20s);
  played.send(Kind::ticket, 201, alerted + 21s);
  played.send(Kind::rollback, 200, alerted + 21s);
  played.verify(Kind::rollback, 7.7, false, alerted + 31s);
  played.verify(Kind::rollback, 0.02, true, alerted + 66s);
  played.resolve(alerted + 3min);
  played.chart("Failed requests", Unit::share, 0.001, 0.2, 0.0005, began, alerted + 40s);
  return played.told(alerted + 20min);
}

Told a_surge() {
  Played played("A load surge: the agent scales from 3 pods to 8, and it helps",
                "A campaign begins: two and a half times as many requests.",
                labels_of("ModelSaturated", "critical", "recommend", "v12"),
                {{"summary", "recommend has more requests than three pods can serve"},
                 {"replicas", "3"},
                 {"load_ratio", "2.6"},
                 {"runbook_url", "https://runbooks.example/ModelSaturated"}});
  played.facts(unmoved(), {});
  System system(played.incident());
  model(system, played.of_model(), {.requests = 2.6, .latency = 9});
  played.diagnose(system, {});
  played.decide(R"(
dry_run: false
rules:
  - name: scale-out
    match: {alert: ModelSaturated}
    action: scale
    scale: {current: {annotation: replicas}, ratio: {annotation: load_ratio}, min: 2, max: 10}
    webhook:
      url: http://deployer.shop:8080/scale
      body: |
        {"workload": {{ workload }}, "replicas": {{ replicas.wanted }}}
      job: {watch: false}
    verify:
      query: histogram_quantile(0.95, sum by (le) (rate(outrider_request_duration_seconds_bucket{model_name="{{ model }}"}[1m]))) < 0.25
      within: 5m
      for: 30s
    undo:
      webhook:
        url: http://deployer.shop:8080/scale
        body: |
          {"workload": {{ workload }}, "replicas": {{ replicas.current }}}
)" + ticket_rule,
                0.72, alerted + 15s);
  played.send(Kind::ticket, 201, alerted + 16s);
  played.send(Kind::scale, 200, alerted + 16s);
  played.verify(Kind::scale, 0.71, false, alerted + 26s);
  played.verify(Kind::scale, 0.09, true, alerted + 50s);
  played.verify(Kind::scale, 0.088, true, alerted + 81s);
  played.resolve(alerted + 5min);
  played.chart("95th percentile of the latency", Unit::milliseconds, 80, 720, 89, began,
               alerted + 45s);
  return played.told(alerted + 20min);
}

Told nobody_can_tell() {
  Played played(
      "Nobody can tell: a remedy does not help, is taken back, and a person is asked",
      "A switch between two racks loses packets. No metric that the agent knows shows it.",
      labels_of("ModelSlow", "critical", "search-rank", "v5"),
      {{"summary", "search-rank answers slowly: 95 % within 900 ms"},
       {"runbook_url", "https://runbooks.example/ModelSlow"}});
  played.facts(unmoved(), {});
  System system(played.incident());
  model(system, played.of_model(), {});
  Labels other = played.of_model();
  other.set("job", "search-index");
  other.set("model_name", "search-index");
  model(system, other, {});
  played.diagnose(system, {});
  played.decide(R"(
dry_run: false
rules:
  - name: previous-version
    match: {alert: ModelSlow}
    action: rollback
    webhook: {url: http://registry.shop:8080/api/v1/rollback, job: {watch: false}}
    verify:
      query: histogram_quantile(0.95, sum by (le) (rate(outrider_request_duration_seconds_bucket{model_name="{{ model }}"}[1m]))) < 0.3
      within: 5m
    undo: {webhook: {url: http://registry.shop:8080/api/v1/models/v5/promote}}
)" + ticket_rule,
                0.9, alerted + 130s);
  played.send(Kind::ticket, 201, alerted + 131s);
  played.send(Kind::rollback, 200, alerted + 131s);
  played.verify(Kind::rollback, 0.91, false, alerted + 4min);
  played.verify(Kind::rollback, 0.93, false, alerted + 8min);
  played.send_undo(Kind::rollback, 200, alerted + 8min + 1s);
  played.chart("95th percentile of the latency", Unit::milliseconds, 210, 915, 915, began,
               alerted + 60min);
  return played.told(alerted + 20min);
}

}  // namespace

std::vector<Told> five_incidents() {
  return {the_market_turns(), a_field_changes_its_unit(), a_bad_version(), a_surge(),
          nobody_can_tell()};
}

}  // namespace outrider::page::testing
