// SPDX-License-Identifier: Apache-2.0
#include "predictor/protocol/prediction.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "predictor/protocol/tensor.h"

namespace outrider::protocol {
namespace {

using model::Cell;
using model::Cells;
using model::Feature;
using model::Model;
using wire::Json;

Failure bad(const std::string& what) {
  return fail("bad_request", what);
}

std::string feature_list(const Model& model) {
  std::string list;
  for (const Feature& feature : model.encoding.features()) {
    list += (list.empty() ? "" : ", ") + feature.name;
  }
  return list;
}

// What stands for an absent feature: missing where training saw missing values, otherwise an error.
Result<Cell> absent(const Model& model, const Feature& feature, const std::string& where) {
  if (feature.missing_seen) return Cell{};
  return fail("missing_feature", where + ": '" + feature.name + "' is missing; model " +
                                     model.name + " takes " + feature_list(model));
}

Result<Cells> row_of_object(const Model& model, const Json& object, const std::string& where) {
  Cells cells;
  for (const Feature& feature : model.encoding.features()) {
    const auto value = object.find(feature.name);
    auto cell = value == object.end() || value->is_null() ? absent(model, feature, where)
                                                          : cell_of(feature, *value, where);
    if (!cell) return fail(cell);
    cells.push_back(std::move(*cell));
  }
  return cells;
}

Result<Cells> row_of_array(const Model& model, const Json& array, const std::string& where) {
  const auto& features = model.encoding.features();
  if (array.size() != features.size()) {
    return bad(where + ": " + std::to_string(array.size()) + " values, but model " + model.name +
               " takes " + std::to_string(features.size()) + ": " + feature_list(model));
  }
  Cells cells;
  for (std::size_t i = 0; i < features.size(); ++i) {
    auto cell = array[i].is_null() ? absent(model, features[i], where)
                                   : cell_of(features[i], array[i], where);
    if (!cell) return fail(cell);
    cells.push_back(std::move(*cell));
  }
  return cells;
}

Result<Cells> row_of(const Model& model, const Json& json, const std::string& where) {
  if (json.is_object()) return row_of_object(model, json, where);
  if (json.is_array()) return row_of_array(model, json, where);
  return bad(where + ": expected an object of features or a list of their values");
}

Result<Batch> rows_of(const Model& model, const Json& list, const std::string& where) {
  Batch batch;
  if (list.empty()) return bad(where + ": no row; send at least one");
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto row = row_of(model, list[i], where + "[" + std::to_string(i) + "]");
    if (!row) return fail(row);
    batch.rows.push_back(std::move(*row));
  }
  return batch;
}

Result<Json> parse_body(std::string_view body) {
  if (trim(body).empty()) return bad("the body is empty; send JSON");
  auto json = wire::parse_json(body);
  if (!json) return fail("bad_request", "the body: " + json.error().message);
  return json;
}

bool is_number(const std::string& text) {
  const auto number = detectors::parse_exact(text);
  return number && std::isfinite(*number) && !detectors::has_leading_zero(text);
}

// The value of one output as JSON text. A class that is a number is written as one.
void append_value(std::string& out, const Model& model, const model::Prediction& prediction) {
  if (!model.is_classifier()) return append_double(out, prediction.value);
  const std::string& name = model.classes[prediction.value > 0.5 ? 1 : 0];
  if (is_number(name))
    out += name;
  else
    out += wire::to_text(Json(name));
}

void append_object(std::string& out, const Model& model, const std::string& key,
                   const model::Prediction& prediction) {
  out += '{';
  out += key;
  out += ": ";
  append_value(out, model, prediction);
  if (model.is_classifier()) {
    out += ", \"probability\": ";
    append_double(out, prediction.probability);
  }
  out += '}';
}

template <class Append>
void append_list(std::string& out, const Predictions& predictions, const Append& append) {
  out += '[';
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    if (i) out += ", ";
    append(predictions[i]);
  }
  out += ']';
}

bool classes_are_numbers(const Model& model) {
  return std::all_of(model.classes.begin(), model.classes.end(), is_number);
}

std::string_view target_datatype(const Model& model) {
  return model.is_classifier() && !classes_are_numbers(model) ? "BYTES" : "FP64";
}

// One tensor a feature, by name.
Result<Batch> rows_by_name(const Model& model, const std::map<std::string, Tensor>& tensors) {
  Batch batch;
  const std::size_t rows = tensors.begin()->second.values.size();
  batch.rows.assign(rows, {});
  for (const Feature& feature : model.encoding.features()) {
    const auto found = tensors.find(feature.name);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::string where = "inputs '" + feature.name + "', row " + std::to_string(row);
      const bool none = found == tensors.end() || found->second.values[row].is_null();
      auto cell =
          none ? absent(model, feature, where) : cell_of(feature, found->second.values[row], where);
      if (!cell) return fail(cell);
      batch.rows[row].push_back(std::move(*cell));
    }
  }
  return batch;
}

// One tensor of shape [rows, features] or [features].
Result<Batch> rows_by_place(const Model& model, const Tensor& tensor) {
  const auto& features = model.encoding.features();
  if (tensor.shape.back() != features.size() || tensor.shape.size() > 2) {
    return bad("inputs[0].shape: expected [rows, " + std::to_string(features.size()) +
               "], or one input a feature, named " + feature_list(model));
  }
  Batch batch;
  for (std::size_t from = 0; from < tensor.values.size(); from += features.size()) {
    Cells cells;
    for (std::size_t i = 0; i < features.size(); ++i) {
      const std::string where = "inputs[0], row " + std::to_string(batch.rows.size());
      const Json& value = tensor.values[from + i];
      auto cell =
          value.is_null() ? absent(model, features[i], where) : cell_of(features[i], value, where);
      if (!cell) return fail(cell);
      cells.push_back(std::move(*cell));
    }
    batch.rows.push_back(std::move(cells));
  }
  return batch;
}

Result<Batch> rows_of_tensors(const Model& model, std::vector<Tensor> tensors) {
  std::map<std::string, Tensor> named;
  for (Tensor& tensor : tensors) {
    if (model.encoding.find(tensor.name) == model.encoding.features().size()) continue;
    named.emplace(tensor.name, tensor);
  }
  if (named.empty() && tensors.size() == 1) return rows_by_place(model, tensors.front());
  if (named.empty())
    return bad("inputs: none is named as a feature; model takes " + feature_list(model));
  for (const auto& [name, tensor] : named) {
    if (tensor.values.size() != named.begin()->second.values.size()) {
      return bad("inputs '" + name + "': all features need as many rows");
    }
  }
  return rows_by_name(model, named);
}

Result<std::vector<std::string>> requested_outputs(const Model& model, const Json& body) {
  std::vector<std::string> names;
  const auto outputs = body.find("outputs");
  if (outputs == body.end() || outputs->is_null()) return names;
  if (!outputs->is_array()) return bad("outputs: expected a list of objects with a 'name'");
  for (const Json& output : *outputs) {
    const auto name = output.is_object() ? output.find("name") : output.end();
    if (!output.is_object() || name == output.end() || !name->is_string()) {
      return bad("outputs: expected a list of objects with a 'name'");
    }
    names.push_back(name->get<std::string>());
    if (names.back() != model.target && !(model.is_classifier() && names.back() == "probability")) {
      return bad("outputs: '" + names.back().substr(0, 64) + "' is none; there is '" +
                 model.target + "'" + (model.is_classifier() ? " and 'probability'" : ""));
    }
  }
  return names;
}

}  // namespace

Result<Cell> cell_of(const Feature& feature, const Json& value, const std::string& where) {
  if (value.is_null()) return Cell{};
  if (value.is_string()) {
    auto cell = model::read_cell(feature, value.get_ref<const std::string&>());
    if (!cell)
      return fail("bad_value", where + ": '" + feature.name + "' = " + cell.error().message);
    return cell;
  }
  if (value.is_boolean() && feature.kind == model::Kind::categorical) {
    return Cell{value.get<bool>() ? std::string("true") : std::string("false")};
  }
  if (value.is_boolean()) return Cell{value.get<bool>() ? 1.0 : 0.0};
  if (value.is_number()) {
    const bool exact =
        !value.is_number_integer() ||
        (value.is_number_unsigned() ? detectors::is_exact(value.get<std::uint64_t>())
                                    : detectors::is_exact(value.get<std::int64_t>()));
    if (!exact && feature.kind == model::Kind::categorical) return Cell{value.dump()};
    if (!exact) {
      return fail("bad_value", where + ": '" + feature.name + "' = " + value.dump() +
                                   ": no double holds this integer exactly");
    }
    const double number = value.get<double>();
    if (!std::isfinite(number)) {
      return fail("bad_value", where + ": '" + feature.name + "': expected a finite number");
    }
    if (feature.kind == model::Kind::categorical) return Cell{format_double(number)};
    return Cell{number};
  }
  return fail("bad_value", where + ": '" + feature.name +
                               "': expected a number or a text, not a list or object");
}

Result<Batch> decode_query(const Model& model, std::string_view query) {
  const auto& features = model.encoding.features();
  Cells cells(features.size());
  std::vector<bool> given(features.size(), false);
  for (const std::string_view pair : split(query, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = percent_decode(pair.substr(0, equals), true);
    const auto text = percent_decode(equals < pair.size() ? pair.substr(equals + 1) : "", true);
    if (!name || !text) {
      return bad("query parameter '" + std::string(pair.substr(0, 64)) +
                 "': malformed percent-encoding; '%' must be followed by two hexadecimal digits");
    }
    const std::size_t i = model.encoding.find(*name);
    if (i == features.size() || given[i]) continue;
    auto cell = model::read_cell(features[i], *text);
    if (!cell)
      return fail("bad_value", "query parameter '" + *name + "' = " + cell.error().message);
    given[i] = !model::is_missing(*cell);
    cells[i] = std::move(*cell);
  }
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (given[i]) continue;
    const auto cell = absent(model, features[i], "query parameters");
    if (!cell) return fail(cell);
  }
  Batch batch;
  batch.rows.push_back(std::move(cells));
  batch.single = true;
  return batch;
}

Result<Batch> decode_flat(const Model& model, std::string_view body) {
  const auto json = parse_body(body);
  if (!json) return fail(json);
  if (json->is_array()) return rows_of(model, *json, "row");
  if (!json->is_object()) {
    return bad("the body: expected an object of features, or a list of such objects");
  }
  auto row = row_of_object(model, *json, "the body");
  if (!row) return fail(row);
  Batch batch;
  batch.rows.push_back(std::move(*row));
  batch.single = true;
  return batch;
}

Result<Batch> decode_v1(const Model& model, std::string_view body) {
  const auto json = parse_body(body);
  if (!json) return fail(json);
  const auto instances = json->is_object() ? json->find("instances") : json->end();
  if (!json->is_object() || instances == json->end() || !instances->is_array()) {
    return bad("the body: expected {\"instances\": [row, …]}");
  }
  return rows_of(model, *instances, "instances");
}

Result<Batch> decode_v2(const Model& model, std::string_view body,
                        std::optional<std::size_t> json_bytes) {
  const std::size_t head = json_bytes.value_or(body.size());
  if (head > body.size()) {
    return bad("Inference-Header-Content-Length: " + std::to_string(head) + ", but the body has " +
               std::to_string(body.size()) + " bytes");
  }
  const auto json = parse_body(body.substr(0, head));
  if (!json) return fail(json);
  const auto inputs = json->is_object() ? json->find("inputs") : json->end();
  if (!json->is_object() || inputs == json->end() || !inputs->is_array() || inputs->empty()) {
    return bad("the body: expected {\"inputs\": [{name, shape, datatype, data}, …]}");
  }
  std::string_view binary = body.substr(head);
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < inputs->size(); ++i) {
    auto tensor = parse_tensor((*inputs)[i], "inputs[" + std::to_string(i) + "]", binary);
    if (!tensor) return fail(tensor);
    tensors.push_back(std::move(*tensor));
  }
  auto batch = rows_of_tensors(model, std::move(tensors));
  if (!batch) return batch;
  if (batch->rows.empty()) return bad("inputs: no row; send at least one");
  auto outputs = requested_outputs(model, *json);
  if (!outputs) return fail(outputs);
  batch->outputs = std::move(*outputs);
  const auto id = json->find("id");
  if (id != json->end() && id->is_string()) batch->id = id->get<std::string>();
  return batch;
}

Result<Predictions> predict(const Model& model, const Batch& batch) {
  Predictions predictions;
  predictions.reserve(batch.rows.size());
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    predictions.push_back(model.predict(batch.rows[i]));
    if (!std::isfinite(predictions.back().value) ||
        !std::isfinite(predictions.back().probability)) {
      return fail("not_finite",
                  "row " + std::to_string(i) +
                      ": the prediction is no finite number; its inputs are too large");
    }
  }
  return predictions;
}

std::string encode_flat(const Model& model, const Batch& batch, const Predictions& predictions) {
  const std::string key = wire::to_text(Json(model.target));
  std::string out;
  if (batch.single)
    append_object(out, model, key, predictions.front());
  else
    append_list(out, predictions, [&](const auto& p) { append_object(out, model, key, p); });
  return out + "\n";
}

std::string encode_v1(const Model& model, const Predictions& predictions) {
  std::string out = "{\"predictions\": ";
  append_list(out, predictions, [&](const auto& p) { append_value(out, model, p); });
  if (model.is_classifier()) {
    out += ", \"probabilities\": ";
    append_list(out, predictions, [&](const auto& p) { append_double(out, p.probability); });
  }
  return out + "}\n";
}

std::string encode_v2(const Model& model, const std::string& version, const Batch& batch,
                      const Predictions& predictions) {
  std::string out = "{\"model_name\": " + wire::to_text(Json(model.name)) +
                    ", \"model_version\": " + wire::to_text(Json(version));
  if (!batch.id.empty()) out += ", \"id\": " + wire::to_text(Json(batch.id));
  out += ", \"outputs\": [";
  bool first = true;
  const auto tensor = [&](const std::string& name, std::string_view datatype, const auto& append) {
    const auto& asked = batch.outputs;
    if (!asked.empty() && std::find(asked.begin(), asked.end(), name) == asked.end()) return;
    out += std::string(first ? "" : ", ") + "{\"name\": " + wire::to_text(Json(name)) +
           ", \"datatype\": \"" + std::string(datatype) + "\", \"shape\": [" +
           std::to_string(predictions.size()) + "], \"data\": ";
    append_list(out, predictions, append);
    out += '}';
    first = false;
  };
  tensor(model.target, target_datatype(model), [&](const auto& p) { append_value(out, model, p); });
  if (model.is_classifier()) {
    tensor("probability", "FP64", [&](const auto& p) { append_double(out, p.probability); });
  }
  return out + "]}\n";
}

Json describe_v2(const Model& model, const std::vector<std::string>& versions) {
  Json inputs = Json::array(), outputs = Json::array();
  for (const Feature& feature : model.encoding.features()) {
    inputs.push_back({{"name", feature.name},
                      {"datatype", feature.kind == model::Kind::numeric ? "FP64" : "BYTES"},
                      {"shape", {-1}}});
  }
  outputs.push_back(
      {{"name", model.target}, {"datatype", target_datatype(model)}, {"shape", {-1}}});
  if (model.is_classifier()) {
    outputs.push_back({{"name", "probability"}, {"datatype", "FP64"}, {"shape", {-1}}});
  }
  return {{"name", model.name},
          {"versions", versions},
          {"platform", "outrider"},
          {"inputs", std::move(inputs)},
          {"outputs", std::move(outputs)}};
}

}  // namespace outrider::protocol
