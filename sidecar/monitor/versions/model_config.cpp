// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/model_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "sidecar/tap/model_path.h"

namespace outrider::monitor {
namespace {

using config::Yaml;
using config::YamlReader;
using decode::FeatureKind;
using decode::Place;
using decode::PredictionKind;

template <class T>
void take(T& target, std::optional<T> value) {
  if (value) target = std::move(*value);
}

void take_place(YamlReader& reader, const Yaml& parent, std::string_view key, Place& place,
                std::initializer_list<Place::Kind> allowed, std::string_view expected) {
  const auto text = reader.text(parent, key);
  if (!text) return;
  const auto parsed = decode::parse_place(*text);
  if (!parsed) {
    reader.mistake(reader.child(parent, key), parsed.error().message);
  } else if (std::find(allowed.begin(), allowed.end(), parsed->kind) == allowed.end()) {
    reader.mistake(reader.child(parent, key),
                   "expected " + std::string(expected) + ", got '" + *text + "'");
  } else {
    place = *parsed;
  }
}

// As only_keys() for a section of a model's entry. `shared` are keys that the same section has at
// the top level, where they hold for all models.
void only_own_keys(YamlReader& reader, const Yaml& section,
                   std::initializer_list<std::string_view> known,
                   std::initializer_list<std::string_view> shared) {
  const auto is_among = [](std::initializer_list<std::string_view> keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  for (const auto& [key, value] : reader.entries(section)) {
    if (is_among(known, key)) continue;
    if (is_among(shared, key)) {
      reader.mistake(value, "is the same for all models; write it at the top level of the file");
      continue;
    }
    std::string all;
    for (const std::string_view name : known) all += (all.empty() ? "" : ", ") + std::string(name);
    reader.mistake(value, "unknown key; known for one of several models: " + all);
  }
}

// A share between two bounds; "10%" or 0.1.
void take_share(YamlReader& reader, const Yaml& parent, std::string_view key, double low,
                double high, double& target) {
  const auto value = reader.number(parent, key);
  if (!value) return;
  if (!(*value >= low && *value <= high)) {
    reader.mistake(reader.child(parent, key), "expected " + format_double(low) + " to " +
                                                  format_double(high) + ", got " +
                                                  format_double(*value));
    return;
  }
  target = *value;
}

template <class T>
void take_count(YamlReader& reader, const Yaml& parent, std::string_view key, std::int64_t low,
                std::int64_t high, T& target) {
  const auto value = reader.integer(parent, key);
  if (!value) return;
  if (*value < low || *value > high) {
    reader.mistake(reader.child(parent, key), "expected " + std::to_string(low) + " to " +
                                                  std::to_string(high) + ", got " +
                                                  std::to_string(*value));
    return;
  }
  target = static_cast<T>(*value);
}

void take_name(YamlReader& reader, const Yaml& parent, std::string_view key, Place& place) {
  take_place(reader, parent, key, place,
             {Place::Kind::literal, Place::Kind::header, Place::Kind::response, Place::Kind::path},
             "a name, header:FIELD, response:/json/pointer or path");
}

void read_model(YamlReader& reader, const Yaml& root, ModelConfig& settings) {
  const Yaml model = reader.child(root, "model");
  reader.only_keys(model, {"name", "version", "allow"});
  take_name(reader, model, "name", settings.rules.model_name);
  take_name(reader, model, "version", settings.rules.model_version);
  settings.allowed_models = reader.texts(model, "allow");
}

void read_feature(YamlReader& reader, const Yaml& item, decode::Rules& rules) {
  reader.only_keys(item, {"name", "from", "kind"});
  decode::FeatureRule rule;
  take(rule.name, reader.text(item, "name"));
  if (rule.name.empty()) reader.mistake(item, "expected a name");
  take_place(reader, item, "from", rule.from,
             {Place::Kind::query, Place::Kind::json, Place::Kind::row},
             "query:NAME, json:/json/pointer or row:/json/pointer");
  if (const auto kind = reader.text(item, "kind")) {
    if (*kind == "numeric") {
      rule.kind = FeatureKind::numeric;
    } else if (*kind == "categorical") {
      rule.kind = FeatureKind::categorical;
    } else {
      reader.mistake(reader.child(item, "kind"),
                     "expected numeric or categorical, got '" + *kind + "'");
    }
  }
  for (const decode::FeatureRule& other : rules.features) {
    if (other.name == rule.name && !rule.name.empty()) {
      reader.mistake(item, "there is a feature '" + rule.name + "' already");
    }
  }
  rules.features.push_back(std::move(rule));
}

// A list that takes the place of what was inherited, if only by being empty.
bool is_written(const YamlReader& reader, const Yaml& parent, std::string_view key) {
  return reader.child(parent, key).node.IsDefined();
}

void read_features(YamlReader& reader, const Yaml& request, decode::Rules& rules) {
  if (!is_written(reader, request, "features")) return;
  rules.features.clear();
  for (const Yaml& item : reader.items(request, "features")) read_feature(reader, item, rules);
}

void read_rows(YamlReader& reader, const Yaml& request, decode::Rules& rules) {
  const auto rows = reader.text(request, "rows");
  if (!rows) return;
  rules.one_row = *rows == "one";
  if (*rows != "one" && *rows != "many") {
    reader.mistake(reader.child(request, "rows"), "expected one or many, got '" + *rows + "'");
  }
}

// The places of a key's parts: a place, or a list of them and of texts, of which not all are texts.
void read_key(YamlReader& reader, const Yaml& request, decode::Rules& rules) {
  if (!is_written(reader, request, "id")) return;
  constexpr std::string_view expected =
      "json:/json/pointer, row:/json/pointer, header:FIELD, query:NAME or response:/json/pointer";
  constexpr Place::Kind kinds[] = {Place::Kind::json,  Place::Kind::row,      Place::Kind::header,
                                   Place::Kind::query, Place::Kind::response, Place::Kind::literal};
  const Yaml at = reader.child(request, "id");
  rules.key.clear();
  for (const std::string& text : reader.texts(request, "id")) {
    const auto place = decode::parse_place(text);
    if (!place) {
      reader.mistake(at, place.error().message);
    } else if (std::find(std::begin(kinds), std::end(kinds), place->kind) == std::end(kinds)) {
      reader.mistake(at, "expected " + std::string(expected) + ", got '" + text + "'");
    } else if (std::find(rules.key.begin(), rules.key.end(), *place) != rules.key.end()) {
      reader.mistake(at, "'" + text + "' is a part of the key already");
    } else {
      rules.key.push_back(*place);
    }
  }
  const bool all_texts = std::all_of(rules.key.begin(), rules.key.end(), [](const Place& part) {
    return part.kind == Place::Kind::literal;
  });
  if (all_texts && !rules.key.empty()) {
    reader.mistake(at, "expected " + std::string(expected) + ", got '" + rules.key.front().text +
                           "': a text alone is the key of every prediction");
  }
  if (rules.key.size() > decode::key_parts_max) {
    reader.mistake(at, "expected at most " + std::to_string(decode::key_parts_max) +
                           " parts, got " + std::to_string(rules.key.size()));
  }
}

void read_segments(YamlReader& reader, const Yaml& parent, decode::Rules& rules) {
  if (is_written(reader, parent, "segments")) rules.segments = reader.texts(parent, "segments");
}

void read_request(YamlReader& reader, const Yaml& root, ModelConfig& settings) {
  decode::Rules& rules = settings.rules;
  const Yaml request = reader.child(root, "request");
  reader.only_keys(request, {"match", "id", "features", "rows", "proto"});
  take(settings.descriptors, reader.text(request, "proto"));
  const Yaml match = reader.child(request, "match");
  reader.only_keys(match, {"method", "path"});
  rules.methods = reader.texts(match, "method");
  rules.paths = reader.texts(match, "path");
  for (const std::string& path : rules.paths) {
    if (!path.starts_with('/') && !path.starts_with('*')) {
      reader.mistake(reader.child(match, "path"),
                     "expected a path that begins with '/', got '" + path + "'");
    }
  }
  read_rows(reader, request, rules);
  read_key(reader, request, rules);
  read_features(reader, request, rules);
}

void read_classes(YamlReader& reader, const Yaml& response, decode::Rules& rules) {
  if (!is_written(reader, response, "classes")) return;
  const decode::Rules usual;
  rules.negative_class = usual.negative_class;
  rules.positive_class = usual.positive_class;
  rules.classes = reader.texts(response, "classes");
  if (rules.classes.size() == 1) {
    reader.mistake(reader.child(response, "classes"),
                   "expected two classes or more, of two the negative one first");
  } else if (rules.classes.size() == 2) {
    rules.negative_class = rules.classes[0];
    rules.positive_class = rules.classes[1];
  }
}

void read_response(YamlReader& reader, const Yaml& root, decode::Rules& rules) {
  const Yaml response = reader.child(root, "response");
  reader.only_keys(response, {"prediction", "score", "kind", "threshold", "classes", "streams"});
  const auto json = {Place::Kind::json, Place::Kind::row, Place::Kind::response};
  constexpr std::string_view expected = "json:/json/pointer or row:/json/pointer";
  take_place(reader, response, "prediction", rules.prediction, json, expected);
  take_place(reader, response, "score", rules.score, json, expected);
  if (const auto kind = reader.text(response, "kind")) {
    if (*kind == "regression") {
      rules.prediction_kind = PredictionKind::regression;
    } else if (*kind == "classification") {
      rules.prediction_kind = PredictionKind::classification;
    } else {
      reader.mistake(reader.child(response, "kind"),
                     "expected regression or classification, got '" + *kind + "'");
    }
  }
  take_share(reader, response, "threshold", 0, 1, rules.score_threshold);
  read_classes(reader, response, rules);
  if (const auto streams = reader.text(response, "streams")) {
    rules.skip_streams = *streams == "skip";
    if (*streams != "skip" && *streams != "observe") {
      reader.mistake(reader.child(response, "streams"),
                     "expected observe or skip, got '" + *streams + "'");
    }
  }
}

// `whole_log`: also what holds for the one log of all models.
void read_truth(YamlReader& reader, const Yaml& root, TruthSettings& truth, bool whole_log) {
  const Yaml node = reader.child(root, "truth");
  if (whole_log) {
    reader.only_keys(node, {"tolerance", "absolute_tolerance", "max_delay", "early", "sample"});
  } else {
    only_own_keys(reader, node, {"tolerance", "absolute_tolerance"},
                  {"max_delay", "early", "sample"});
  }
  const auto at_least_zero = [&](std::string_view key, std::optional<double>& target) {
    const auto value = reader.number(node, key);
    if (value && !(*value >= 0 && std::isfinite(*value))) {
      reader.mistake(reader.child(node, key), "expected 0 or more");
    } else if (value) {
      target = value;
    }
  };
  at_least_zero("tolerance", truth.tolerance);
  at_least_zero("absolute_tolerance", truth.absolute_tolerance);
  if (!whole_log) return;
  take(truth.max_delay, reader.duration(node, "max_delay"));
  if (truth.max_delay <= Duration::zero()) {
    reader.mistake(reader.child(node, "max_delay"), "expected more than 0");
  }
  take(truth.sample, reader.number(node, "sample"));
  if (!(truth.sample > 0 && truth.sample <= 1)) {
    reader.mistake(reader.child(node, "sample"),
                   "expected a share of more than 0 and at most 1 (or 100%), for none leave the "
                   "labels away");
  }
  take(truth.early, reader.duration(node, "early"));
  if (truth.early < Duration::zero() || truth.early > truth.max_delay) {
    reader.mistake(reader.child(node, "early"),
                   "expected 0 to truth.max_delay (" + format_duration(truth.max_delay) + ")");
  }
}

// "1 per 30d", "2 per 1w", or just "30d".
std::optional<Duration> parse_alarm_rate(std::string_view text) {
  const std::size_t at = text.find(" per ");
  if (at == std::string_view::npos) return parse_duration(trim(text));
  const auto count = parse_double(trim(text.substr(0, at)));
  const auto period = parse_duration(trim(text.substr(at + 5)));
  if (!count || !period || !(*count > 0)) return std::nullopt;
  return from_seconds(to_seconds(*period) / *count);
}

void read_accuracy(YamlReader& reader, const Yaml& root, AccuracySettings& accuracy) {
  const Yaml node = reader.child(root, "accuracy");
  reader.only_keys(node, {"slack", "false_alarms", "run_length", "provisional_labels"});
  take_share(reader, node, "slack", 0, 0.5, accuracy.slack);
  if (const auto text = reader.text(node, "false_alarms")) {
    const auto period = parse_alarm_rate(*text);
    if (period && *period > Duration::zero()) {
      accuracy.false_alarm_every = *period;
    } else {
      reader.mistake(reader.child(node, "false_alarms"),
                     "expected a rate such as '1 per 30d', got '" + *text + "'");
    }
  }
  take_share(reader, node, "run_length", 1, 1e12, accuracy.run_length_min);
  take_count(reader, node, "provisional_labels", 100, 1'000'000, accuracy.provisional_labels);
}

// Whether `key` asks for all; `usual` is the other word.
void take_all(YamlReader& reader, const Yaml& node, const char* key, const std::string& usual,
              bool& all) {
  const auto word = reader.text(node, key);
  if (!word) return;
  all = *word == "all";
  if (!all && *word != usual) {
    reader.mistake(reader.child(node, key), "expected " + usual + " or all, got '" + *word + "'");
  }
}

void read_metrics(YamlReader& reader, const Yaml& root, MetricsSettings& metrics) {
  const Yaml node = reader.child(root, "metrics");
  reader.only_keys(node, {"bins", "tests"});
  take_all(reader, node, "bins", "deciles", metrics.all_bins);
  take_all(reader, node, "tests", "psi", metrics.all_tests);
}

void read_limits(YamlReader& reader, const Yaml& root, ModelConfig& settings) {
  const Yaml node = reader.child(root, "limits");
  reader.only_keys(node, {"models", "versions", "features", "exported_features", "segments",
                          "classes", "series", "learning", "rows", "body", "unpacked"});
  Limits& limits = settings.limits;
  take_count(reader, node, "models", 1, 1'000, limits.models);
  take_count(reader, node, "versions", 1, 100, limits.versions);
  take_count(reader, node, "features", 1, 4'096, limits.features);
  take_count(reader, node, "exported_features", 0, 4'096, limits.exported_features);
  take_count(reader, node, "segments", 1, 20, limits.segments);
  take_count(reader, node, "classes", 2, 100, limits.classes);
  take_count(reader, node, "series", 100, 1'000'000, limits.series);
  take_count(reader, node, "rows", 1, 100'000, settings.rules.rows_max);
  take(limits.learning_bytes, reader.bytes(node, "learning"));
  take(limits.body_bytes, reader.bytes(node, "body"));
  if (const auto bytes = reader.bytes(node, "unpacked")) {
    settings.rules.unpacked_bytes_max = static_cast<std::size_t>(*bytes);
  }
}

void read_entry(YamlReader& reader, const Yaml& entry, ModelSettings& model) {
  only_own_keys(reader, entry,
                {"version", "request", "response", "truth", "accuracy", "reference", "segments"},
                {"log", "sampling", "limits", "metrics"});
  take_name(reader, entry, "version", model.rules.model_version);
  const Yaml request = reader.child(entry, "request");
  only_own_keys(reader, request, {"id", "features", "rows"}, {"match", "proto"});
  read_rows(reader, request, model.rules);
  read_key(reader, request, model.rules);
  read_features(reader, request, model.rules);
  read_response(reader, entry, model.rules);
  read_truth(reader, entry, model.truth, false);
  read_accuracy(reader, entry, model.accuracy);
  read_segments(reader, entry, model.rules);
  take(model.reference, reader.text(entry, "reference"));
}

// Why no prediction can ever be of a model of that name; "" when it can.
std::string never_named(const ModelConfig& settings, const std::string& name) {
  if (name.empty() || name.size() > tap::model_name_bytes_max) {
    return "expected a model's name of 1 to " + std::to_string(tap::model_name_bytes_max) +
           " bytes";
  }
  if (name == other_name) return "`other` is the name of all models that have none of their own";
  const Place& place = settings.rules.model_name;
  if (place.kind == Place::Kind::literal && place.text != name) {
    return "model.name says that every prediction is of '" + place.text +
           "'; leave it out, or write where in the traffic the name is";
  }
  return "";
}

// Comes last: an entry begins with what the top level says.
void read_models(YamlReader& reader, const Yaml& root, ModelConfig& settings) {
  ModelSettings inherited = settings;
  inherited.reference
      .clear();  // The top level's place is for all: its references name their models.
  const Yaml models = reader.child(root, "models");
  for (const auto& [name, entry] : reader.entries(models)) {
    ModelSettings model = inherited;
    read_entry(reader, entry, model);
    const std::string reason = never_named(settings, name);
    if (!reason.empty()) reader.mistake(entry, reason);
    if (!settings.models.emplace(name, std::move(model)).second) {
      reader.mistake(entry, "there is an entry for this model already");
    }
  }
  if (settings.models.size() > ModelConfig::models_max) {
    reader.mistake(models, "expected at most " + std::to_string(ModelConfig::models_max) +
                               " models, got " + std::to_string(settings.models.size()));
  }
}

constexpr std::size_t series_of_entry = 1'000;  // Of limits.series, unless it is written.

// `objectives.accuracy.slack` is `accuracy.slack`: the detector's, and told to the rules.
void read_info(YamlReader& reader, const Yaml& root, ModelConfig& settings) {
  read_model_info(reader, root, settings.info);
  auto& promised = settings.info.objectives.accuracy_slack;
  if (promised) {
    settings.accuracy.slack = *promised;
  } else if (reader.child(reader.child(root, "accuracy"), "slack").node.IsDefined()) {
    promised = settings.accuracy.slack;
  }
}

}  // namespace

Result<ModelConfig> parse_model_config(const std::string& text, const std::string& file) {
  ModelConfig settings;
  YamlReader reader(file);
  const Yaml root = reader.parse(text);
  reader.only_keys(
      root, {"model", "request", "response", "truth", "accuracy", "log", "sampling", "reference",
             "segments", "limits", "metrics", "models", "owner", "labels", "objectives"});
  read_model(reader, root, settings);
  read_request(reader, root, settings);
  read_response(reader, root, settings.rules);
  read_truth(reader, root, settings.truth, true);
  read_accuracy(reader, root, settings.accuracy);
  read_info(reader, root, settings);
  const Yaml log = reader.child(root, "log");
  reader.only_keys(log, {"max_bytes", "keep_features", "ship_features"});
  take(settings.log.bytes_max, reader.bytes(log, "max_bytes"));
  take(settings.log.keep_features, reader.boolean(log, "keep_features"));
  settings.log.shipped_features = reader.texts(log, "ship_features");
  const Yaml sampling = reader.child(root, "sampling");
  reader.only_keys(sampling, {"rate"});
  take_share(reader, sampling, "rate", 0, 1, settings.rules.sample_rate);
  take(settings.reference, reader.text(root, "reference"));
  read_segments(reader, root, settings.rules);
  read_limits(reader, root, settings);
  read_metrics(reader, root, settings.metrics);
  read_models(reader, root, settings);
  if (!is_written(reader, reader.child(root, "limits"), "series")) {
    settings.limits.series =
        std::max(settings.limits.series, series_of_entry * settings.models.size());
  }
  if (auto ok = reader.finish(); !ok) return fail(ok);
  return settings;
}

std::vector<std::string> warnings(const ModelConfig& settings) {
  std::vector<std::string> found;
  const std::size_t wanted = series_of_entry * settings.models.size();
  if (settings.limits.series < wanted) {
    found.push_back(
        "limits.series=" + std::to_string(settings.limits.series) + " is little for " +
        std::to_string(settings.models.size()) +
        " models: past it /metrics lacks bins of features, then drift, of the last ones; " +
        "write " + std::to_string(wanted) + ", or leave it out");
  }
  return found;
}

}  // namespace outrider::monitor
