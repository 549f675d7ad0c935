// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/model_json.h"

#include <algorithm>
#include <cmath>

#include "base/core/digest.h"
#include "base/wire/json.h"

namespace outrider::model {
namespace {

using wire::Json;

constexpr int format_version = 1;
constexpr std::size_t columns_max = 1'000'000;

Json feature_json(const Feature& feature) {
  Json json{{"name", feature.name},
            {"kind", feature.kind == Kind::numeric ? "numeric" : "categorical"},
            {"missing_seen", feature.missing_seen}};
  if (feature.kind == Kind::numeric)
    json["fill"] = feature.fill;
  else
    json["categories"] = feature.categories;
  return json;
}

Failure invalid(const std::string& what) {
  return fail("model_invalid", "the model file: " + what);
}

const Json* member(const Json& json, const char* key) {
  const auto place = json.is_object() ? json.find(key) : json.end();
  return json.is_object() && place != json.end() ? &*place : nullptr;
}

std::optional<std::string> text_member(const Json& json, const char* key) {
  const Json* value = member(json, key);
  return value && value->is_string() ? std::optional(value->get<std::string>()) : std::nullopt;
}

std::optional<double> number_member(const Json& json, const char* key) {
  const Json* value = member(json, key);
  return value && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
}

std::optional<std::vector<std::string>> texts_member(const Json& json, const char* key) {
  const Json* value = member(json, key);
  if (!value || !value->is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const Json& item : *value) {
    if (!item.is_string()) return std::nullopt;
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

Result<Feature> parse_feature(const Json& json) {
  const auto name = text_member(json, "name");
  const auto kind = text_member(json, "kind");
  if (!name || !kind) return invalid("a feature needs 'name' and 'kind'");
  Feature feature{.name = *name};
  const Json* missing_seen = member(json, "missing_seen");
  feature.missing_seen = missing_seen && missing_seen->is_boolean() && missing_seen->get<bool>();
  if (*kind == "numeric") {
    const auto fill = number_member(json, "fill");
    if (!fill) return invalid("feature '" + *name + "' needs a number 'fill'");
    feature.fill = *fill;
  } else if (*kind == "categorical") {
    auto categories = texts_member(json, "categories");
    if (!categories) return invalid("feature '" + *name + "' needs texts 'categories'");
    feature.kind = Kind::categorical;
    feature.categories = std::move(*categories);
    if (!std::is_sorted(feature.categories.begin(), feature.categories.end())) {
      return invalid("feature '" + *name + "': 'categories' must be sorted");
    }
  } else {
    return invalid("feature '" + *name + "': kind '" + *kind +
                   "' is neither numeric nor categorical");
  }
  return feature;
}

Result<Encoding> parse_encoding(const Json& body) {
  const Json* features = member(body, "features");
  if (!features || !features->is_array() || features->empty())
    return invalid("'features' is missing");
  std::vector<Feature> parsed;
  for (const Json& json : *features) {
    auto feature = parse_feature(json);
    if (!feature) return fail(feature);
    parsed.push_back(std::move(*feature));
  }
  return Encoding(std::move(parsed));
}

Result<Eigen::VectorXd> parse_coefficients(const Json& body, std::size_t columns) {
  const Json* numbers = member(body, "coefficients");
  if (!numbers || !numbers->is_array() || numbers->size() != columns || columns > columns_max) {
    return invalid("expected " + std::to_string(columns) + " numbers in 'coefficients'");
  }
  Eigen::VectorXd coefficients(static_cast<Eigen::Index>(columns));
  for (std::size_t i = 0; i < columns; ++i) {
    if (!(*numbers)[i].is_number())
      return invalid("'coefficients' holds something else than numbers");
    coefficients(static_cast<Eigen::Index>(i)) = (*numbers)[i].get<double>();
  }
  return coefficients;
}

Result<Model> parse_body(const Json& body) {
  const auto name = text_member(body, "name"), target = text_member(body, "target");
  const auto algorithm_text = text_member(body, "algorithm");
  const auto algorithm = parse_algorithm(algorithm_text.value_or(""));
  const auto intercept = number_member(body, "intercept");
  const auto classes = texts_member(body, "classes");
  if (!name || !target || !intercept || !classes) {
    return invalid("'name', 'target', 'intercept' and 'classes' must all be there");
  }
  if (!algorithm) {
    return invalid("algorithm '" + algorithm_text.value_or("") +
                   "' is none of ols, ridge, logistic");
  }
  if (classes->size() != (*algorithm == Algorithm::logistic ? 2U : 0U)) {
    return invalid("'classes' must name two classes for logistic and none otherwise");
  }
  auto encoding = parse_encoding(body);
  if (!encoding) return fail(encoding);
  auto coefficients = parse_coefficients(body, encoding->columns());
  if (!coefficients) return fail(coefficients);
  return Model{
      *name,   *target, *algorithm, std::move(*encoding), *intercept, std::move(*coefficients),
      *classes};
}

}  // namespace

std::string to_json_text(const Model& model) {
  Json features = Json::array();
  for (const Feature& feature : model.encoding.features())
    features.push_back(feature_json(feature));
  Json body{
      {"name", model.name},
      {"target", model.target},
      {"algorithm", to_text(model.algorithm)},
      {"intercept", model.intercept},
      {"classes", model.classes},
      {"features", std::move(features)},
      {"coefficients", std::vector<double>(model.coefficients.begin(), model.coefficients.end())}};
  const std::string checksum = sha256_hex(wire::to_text(body));
  Json file{{"format", format_version}, {"sha256", checksum}, {"model", std::move(body)}};
  return file.dump(1) + "\n";
}

Result<Model> parse_model(std::string_view text) {
  const auto file = wire::parse_json(text);
  if (!file) {
    return fail("model_damaged", "the model file is no JSON (" + file.error().message +
                                     "): it was cut short or damaged; restore it or roll back");
  }
  const auto format = number_member(*file, "format");
  const auto checksum = text_member(*file, "sha256");
  const Json* body = member(*file, "model");
  if (!format || !checksum || !body) return invalid("expected 'format', 'sha256' and 'model'");
  if (*format != format_version) {
    return invalid("this program reads format " + std::to_string(format_version) +
                   ", not this one");
  }
  if (sha256_hex(wire::to_text(*body)) != *checksum) {
    return fail(
        "model_damaged",
        "the model file does not match its checksum: it was damaged or edited; restore it or "
        "roll back");
  }
  return parse_body(*body);
}

}  // namespace outrider::model
