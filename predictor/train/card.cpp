// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/card.h"

#include <cmath>

#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::train {
namespace {

using wire::Json;

constexpr int card_format = 1;

// A member of the wanted type, or `fallback`: parameters that a card of an older program lacks.
template <class T>
T member_or(const Json& json, const char* key, T fallback) {
  const auto place = json.find(key);
  if (place == json.end()) return fallback;
  try {
    return place->get<T>();
  } catch (const Json::exception&) {
    return fallback;
  }
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}
Json finite(double value) {
  return std::isfinite(value) ? Json(value) : Json(format_double(value));
}

}  // namespace

Json to_json(const Settings& s) {
  return {{"target", s.target},
          {"algorithm", model::to_text(s.algorithm)},
          {"features", s.features},
          {"exclude", s.exclude},
          {"categorical", s.categorical},
          {"categories_max", s.categories_max},
          {"split_by", s.split_by_time ? "time" : "hash"},
          {"split_column", s.split_column},
          {"holdout", s.holdout},
          {"rows_drop_max", s.rows_drop_max},
          {"since", s.since ? Json(format_rfc3339(*s.since)) : Json()},
          {"tolerance", s.tolerance.relative},
          {"tolerance_absolute", s.tolerance.absolute},
          {"segments", s.segments},
          {"group", s.group},
          {"privileged", s.privileged},
          {"ridge_lambda", s.ridge_lambda},
          {"logistic_lambda", s.logistic_lambda}};
}

Result<Settings> parse_settings(const Json& json) {
  const auto algorithm = model::parse_algorithm(
      json.is_object() ? member_or<std::string>(json, "algorithm", "") : std::string());
  if (!algorithm) return fail("card_invalid", "card.json: 'parameters' names no algorithm we know");
  using Texts = std::vector<std::string>;
  Settings s;
  s.algorithm = *algorithm;
  s.target = member_or<std::string>(json, "target", "");
  if (s.target.empty()) return fail("card_invalid", "card.json: 'parameters' names no target");
  s.features = member_or<Texts>(json, "features", {});
  s.exclude = member_or<Texts>(json, "exclude", {});
  s.categorical = member_or<Texts>(json, "categorical", {});
  s.categories_max = member_or<std::size_t>(json, "categories_max", s.categories_max);
  s.split_by_time = member_or<std::string>(json, "split_by", "hash") == "time";
  s.split_column = member_or<std::string>(json, "split_column", "");
  s.holdout = member_or<double>(json, "holdout", s.holdout);
  s.rows_drop_max = member_or<double>(json, "rows_drop_max", s.rows_drop_max);
  s.since = parse_rfc3339(member_or<std::string>(json, "since", ""));
  s.tolerance.relative = member_or<double>(json, "tolerance", s.tolerance.relative);
  s.tolerance.absolute = member_or<double>(json, "tolerance_absolute", s.tolerance.absolute);
  s.segments = member_or<Texts>(json, "segments", {});
  s.group = member_or<std::string>(json, "group", "");
  s.privileged = member_or<std::string>(json, "privileged", "");
  s.ridge_lambda = member_or<double>(json, "ridge_lambda", s.ridge_lambda);
  s.logistic_lambda = member_or<double>(json, "logistic_lambda", s.logistic_lambda);
  return s;
}

Json to_json(const evaluate::Metrics& m, bool classes) {
  Json json{{"rows", m.rows}, {"accuracy", m.accuracy()}, {"error_rate", m.error_rate()}};
  if (classes) {
    json.update({{"precision", m.precision},
                 {"recall", m.recall},
                 {"f1", m.f1},
                 {"log_loss", m.log_loss},
                 {"auc", m.auc}});
  } else {
    json.update({{"mae", finite(m.mae)},
                 {"rmse", finite(m.rmse)},
                 {"r2", finite(m.r2)},
                 {"bias", finite(m.bias)}});
  }
  return json;
}

Json to_json(const gates::Judgement& judgement, const std::string& against) {
  Json verdicts = Json::array();
  for (const gates::Verdict& verdict : judgement.verdicts) {
    verdicts.push_back(
        {{"gate", verdict.gate}, {"passed", verdict.passed}, {"message", verdict.message}});
  }
  return {{"passed", judgement.passed()}, {"against", or_null(against)}, {"verdicts", verdicts}};
}

Json make_card(const CardInputs& in) {
  const Trained& trained = in.trained;
  const Evaluation& evaluation = trained.evaluation;
  const bool classes = trained.model.is_classifier();
  Json metrics = to_json(evaluation.overall, classes);
  metrics["on"] = evaluation.on_training_rows ? "training rows" : "held-out rows";
  Json segments = Json::object();
  for (const auto& [name, segment] : evaluation.segments)
    segments[name] = to_json(segment, classes);
  metrics["segments"] = std::move(segments);

  Json card{{"format", card_format},
            {"model", in.settings.model_name},
            {"version", in.version},
            {"created", format_rfc3339(in.created)},
            {"parent", or_null(in.parent)},
            {"code", {{"version", version()}, {"revision", revision()}}},
            {"data",
             {{"source", in.dataset.source},
              {"sha256", in.dataset.sha256},
              {"rows", in.dataset.table.rows.size()},
              {"training_rows", trained.split.training.size()},
              {"held_out_rows", trained.split.held_out.size()},
              {"strategy", in.strategy},
              {"original", or_null(in.original)}}},
            {"parameters", to_json(in.settings)},
            {"design_columns", trained.model.encoding.columns()},
            {"condition_number", finite(trained.condition_number)},
            {"metrics", std::move(metrics)},
            {"reference",
             {{"error_rate", evaluation.overall.error_rate()},
              {"rows", evaluation.overall.rows},
              {"design_effect", evaluation.design_effect}}},
            {"notes", trained.notes},
            {"warnings", trained.warnings}};
  if (!in.trigger.reason.empty() || !in.trigger.idempotency_key.empty()) {
    card["trigger"] = {{"reason", in.trigger.reason},
                       {"incident", in.trigger.incident},
                       {"idempotency_key", in.trigger.idempotency_key},
                       {"job", in.trigger.job}};
  }
  return card;
}

Result<Json> parse_card(std::string_view text) {
  auto json = wire::parse_json(text);
  if (!json) return fail("card_damaged", "card.json is no JSON (" + json.error().message + ")");
  if (!json->is_object()) return fail("card_damaged", "card.json holds no object");
  return json;
}

Result<Settings> settings_of(const Json& card) {
  const auto parameters = card.find("parameters");
  if (parameters == card.end()) return fail("card_invalid", "card.json has no 'parameters'");
  auto settings = parse_settings(*parameters);
  if (!settings) return settings;
  settings->model_name = member_or<std::string>(card, "model", "");
  return settings;
}

}  // namespace outrider::train
