// SPDX-License-Identifier: Apache-2.0
// TensorFlow Serving's PredictionService: Predict, Classify and Regress.
//
//   PredictRequest          1 model_spec  2 inputs (map)        PredictResponse 1 outputs (map)  2 model_spec
//   Classification-, RegressionRequest   1 model_spec  2 input  …Response      1 result         2 model_spec
//   ModelSpec               1 name  2 version (Int64Value)
//   TensorProto             1 dtype  2 tensor_shape  4 tensor_content  5 float_val  6 double_val  7 int_val
//                           8 string_val  10 int64_val  11 bool_val  13 half_val  16 uint32_val  17 uint64_val
//   Input                   1 example_list  2 example_list_with_context (1 examples  2 context)
//   Example                 1 features: 1 feature (map): 1 bytes_list  2 float_list  3 int64_list: 1 value
//   ClassificationResult    1 classifications: 1 classes: 1 label  2 score
//   RegressionResult        1 regressions: 1 value
//
// Tensors become the Open Inference protocol's, examples and results TF-Serving's own JSON
// (tf_serving.cpp). A map's order differs from message to message, so its entries are sorted by
// name. Of a tensor's values the last one repeats until the shape is full; none at all are zeros.
// An input without extents is the same for every row.
// Sources: tensorflow_serving/apis/*.proto; tensorflow/core/framework/{tensor,types}.proto and
// tensor.cc, Tensor::FromProto; tensorflow/core/example/*.proto.

#include <algorithm>
#include <optional>

#include "base/core/text.h"
#include "sidecar/monitor/decode/protobuf_reader.h"
#include "sidecar/monitor/decode/protocols/grpc.h"
#include "sidecar/monitor/decode/tensor.h"

namespace outrider::decode::protocols {
namespace {

constexpr std::size_t tensors_max = 4'096;

tl::unexpected<FailReason> broken() {
  return failed(FailReason::invalid_message);
}

// Calls visit(ProtobufReader) for each length-delimited field of a number; false where there is one
// of another wire type, the message is broken, or a visit says false.
template <class Visit>
bool each_message(std::string_view message, std::uint32_t number, Visit visit) {
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() != number) continue;
    if (!reader.expect(WireType::bytes) || !visit(reader.bytes())) return false;
  }
  return !reader.is_broken();
}

// The last field of that number; "" where there is none.
bool last_message(std::string_view message, std::uint32_t number, std::string_view& last) {
  return each_message(message, number, [&last](std::string_view bytes) {
    last = bytes;
    return true;
  });
}

// An entry of a map with messages for values.
bool read_entry(std::string_view entry, MessageBody::Tensor& out) {
  return last_message(entry, 1, out.name) && last_message(entry, 2, out.message);
}

// ---- Model ----

Decoded<void> write_model(std::string_view spec, MessageBody& out) {
  std::string_view version;
  if (!last_message(spec, 1, out.model_name) || !last_message(spec, 2, version)) return broken();
  JsonText& json = out.json;
  if (!out.model_name.empty()) {
    json.key("model_name");
    json.text(out.model_name);
  }
  std::optional<std::int64_t> number;
  ProtobufReader reader(version);
  while (reader.next()) {
    if (reader.number() == 1 && reader.expect(WireType::varint))
      number = static_cast<std::int64_t>(reader.value());
  }
  if (reader.is_broken()) return broken();
  if (number) {
    json.key("model_version");
    json.raw("\"");
    json.integer(*number);
    json.raw("\"");
  }
  return {};
}

Decoded<void> write_model_of(std::string_view message, std::uint32_t field, MessageBody& out) {
  std::string_view spec;
  if (!last_message(message, field, spec)) return broken();
  return write_model(spec, out);
}

// ---- Tensors ----

// types.proto. `in_contents` is how tensor_content has its values; `in_values` how the lists do.
struct Type {
  std::uint64_t number;
  std::string_view in_contents;
  std::uint32_t values_field;
  std::string_view in_values;
};
constexpr Type types[] = {
    {1, "FP32", 5, "FP32"},       {2, "FP64", 6, "FP64"},      {3, "INT32", 7, "INT32"},
    {4, "UINT8", 7, "INT32"},     {5, "INT16", 7, "INT32"},    {6, "INT8", 7, "INT32"},
    {7, "", 8, "BYTES"},          {9, "INT64", 10, "INT64"},   {10, "BOOL", 11, "BOOL"},
    {14, "BF16", 13, "BF16"},     {17, "UINT16", 7, "INT32"},  {19, "FP16", 13, "FP16"},
    {22, "UINT32", 16, "UINT32"}, {23, "UINT64", 17, "UINT64"}};

const Type* type_of(std::uint64_t number) {
  const auto* found = std::find_if(std::begin(types), std::end(types),
                                   [number](const Type& type) { return type.number == number; });
  return found == std::end(types) ? nullptr : found;
}

struct TensorFacts {
  std::uint64_t dtype = 0;
  std::vector<std::uint64_t> shape;
  std::string_view content;
};

bool read_shape(std::string_view message, std::vector<std::uint64_t>& shape) {
  constexpr std::size_t rank_max = 32;
  return each_message(message, 2, [&shape](std::string_view dim) {
    std::uint64_t extent = 0;
    ProtobufReader reader(dim);
    while (reader.next()) {
      if (reader.number() == 1 && reader.expect(WireType::varint)) extent = reader.value();
    }
    shape.push_back(extent);
    return !reader.is_broken() && shape.size() <= rank_max && extent <= body_values_max;
  });
}

bool read_facts(std::string_view message, TensorFacts& facts) {
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() == 1 && reader.expect(WireType::varint)) facts.dtype = reader.value();
    if (reader.number() == 2 && reader.expect(WireType::bytes)) {
      facts.shape.clear();
      if (!read_shape(reader.bytes(), facts.shape)) return false;
    }
    if (reader.number() == 4 && reader.expect(WireType::bytes)) facts.content = reader.bytes();
  }
  return !reader.is_broken();
}

// One value of a list, or a run of packed ones, appended as the binary extension has it.
bool append_values(const ProtobufReader& field, std::string_view type, MessageBody& out) {
  const auto varints = [&]<class T>(T) {
    return each_varint(field, [&out](std::uint64_t value) { out.put(static_cast<T>(value)); });
  };
  if (type == "BYTES") {
    if (field.is(WireType::bytes)) out.put_text(field.bytes());
    return field.is(WireType::bytes);
  }
  if (type == "FP32" || type == "FP64") {
    const bool is_single = type == "FP32";
    const std::size_t size = is_single ? 4 : 8;
    const bool is_one = field.is(is_single ? WireType::fixed32 : WireType::fixed64);
    if (!is_one && (!field.is(WireType::bytes) || field.bytes().size() % size != 0)) return false;
    out.binary += field.bytes();
    return true;
  }
  if (type == "BOOL")
    return each_varint(field, [&out](std::uint64_t value) { out.put<char>(value != 0); });
  if (type == "FP16" || type == "BF16") return varints(std::uint16_t{});
  if (type == "INT32") return varints(std::int32_t{});
  if (type == "UINT32") return varints(std::uint32_t{});
  if (type == "INT64") return varints(std::int64_t{});
  return varints(std::uint64_t{});
}

// The bytes of the last value behind `begin`, and how many there are.
struct Written {
  std::size_t count = 0;
  std::string last;
};
Decoded<Written> measure(std::string_view type, std::string_view bytes) {
  Written written;
  if (type == "BYTES") {
    while (!bytes.empty()) {
      std::uint32_t length = 0;
      std::memcpy(&length, bytes.data(), sizeof length);  // We wrote it.
      written.last = bytes.substr(0, sizeof length + length);
      bytes.remove_prefix(written.last.size());
      ++written.count;
    }
    if (written.count == 0) written.last.assign(sizeof(std::uint32_t), '\0');
    return written;
  }
  const std::size_t size = type == "BOOL"                                          ? 1
                           : type == "FP16" || type == "BF16"                      ? 2
                           : type == "FP64" || type == "INT64" || type == "UINT64" ? 8
                                                                                   : 4;
  written.count = bytes.size() / size;
  written.last =
      written.count == 0 ? std::string(size, '\0') : std::string(bytes.substr(bytes.size() - size));
  return written;
}

// Fills the shape from the tensor's list of values.
Decoded<void> put_values(std::string_view message, const Type& type, std::uint64_t cells,
                         MessageBody& out) {
  const std::size_t begin = out.binary.size();
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() != type.values_field) continue;
    if (!append_values(reader, type.in_values, out)) return broken();
  }
  if (reader.is_broken()) return broken();
  const auto written = measure(type.in_values, std::string_view(out.binary).substr(begin));
  if (!written) return failed(written);
  if (written->count > cells) return failed(FailReason::wrong_shape);
  // A repeated long text could be more than any body has.
  const std::uint64_t more = cells - written->count;
  constexpr std::uint64_t repeated_bytes_max = 64 << 20;
  if (more * written->last.size() > repeated_bytes_max) return failed(FailReason::wrong_shape);
  for (std::uint64_t i = 0; i < more; ++i) out.binary += written->last;
  return {};
}

Decoded<std::uint64_t> cells_of(const std::vector<std::uint64_t>& shape) {
  std::uint64_t cells = 1;
  for (const std::uint64_t extent : shape) {
    cells *= extent;  // Each at most body_values_max, and so is the product so far.
    if (cells > body_values_max) return failed(FailReason::wrong_shape);
  }
  return cells;
}

// `rows`: how often a tensor without extents is written, once a row; 0: as it is.
Decoded<void> write_tensor(const MessageBody::Tensor& tensor, std::uint64_t rows,
                           MessageBody& out) {
  TensorFacts facts;
  if (!read_facts(tensor.message, facts)) return broken();
  const Type* type = type_of(facts.dtype);
  if (type == nullptr) return failed(FailReason::unsupported_format);
  const auto cells = cells_of(facts.shape);
  if (!cells) return failed(cells);
  const std::size_t begin = out.binary.size();
  const bool has_content = !facts.content.empty() && !type->in_contents.empty();
  if (has_content) {
    out.binary += facts.content;
  } else if (auto ok = put_values(tensor.message, *type, *cells, out); !ok) {
    return ok;
  }
  if (facts.shape.empty() && rows > 0) {
    const std::string value = out.binary.substr(begin);
    facts.shape.push_back(rows);
    for (std::uint64_t row = 1; row < rows; ++row) out.binary += value;
  }
  JsonText& json = out.json;
  json.separate();
  json.raw("{\"name\":");
  json.text(tensor.name);
  json.raw(",\"datatype\":");
  json.text(has_content ? type->in_contents : type->in_values);
  json.raw(",\"shape\":[");
  for (const std::uint64_t extent : facts.shape) {
    json.separate();
    json.integer(extent);
  }
  json.raw("],\"parameters\":{\"binary_data_size\":");
  json.integer(static_cast<std::uint64_t>(out.binary.size() - begin));
  json.raw("}}");
  return {};
}

// The rows that the tensors with extents have; 1 where there are none.
Decoded<std::uint64_t> rows_of(const std::vector<MessageBody::Tensor>& tensors) {
  for (const MessageBody::Tensor& tensor : tensors) {
    TensorFacts facts;
    if (!read_facts(tensor.message, facts)) return broken();
    if (!facts.shape.empty()) return facts.shape.front();
  }
  return 1;
}

Decoded<void> write_tensors(std::string_view message, std::uint32_t field, std::string_view key,
                            MessageBody& out) {
  auto& tensors = out.tensors;
  const bool good = each_message(message, field, [&tensors](std::string_view entry) {
    return tensors.size() < tensors_max && read_entry(entry, tensors.emplace_back());
  });
  if (!good) return broken();
  // A key that comes twice means its last value; sorting keeps the order of equal ones.
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  const bool is_request = key == "inputs";
  std::uint64_t rows = 0;
  if (is_request) {
    const auto found = rows_of(tensors);
    if (!found) return failed(found);
    if (*found > body_values_max) return failed(FailReason::wrong_shape);
    rows = *found;
  }
  out.json.key(key);
  out.json.raw("[");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (i + 1 < tensors.size() && tensors[i + 1].name == tensors[i].name) continue;
    if (auto ok = write_tensor(tensors[i], rows, out); !ok) return ok;
  }
  out.json.raw("]");
  return {};
}

Decoded<void> close(Decoded<void> ok, MessageBody& out) {
  if (ok) out.json.raw("}");
  return ok;
}

// ---- Examples ----

void write_text(std::string_view bytes, JsonText& json) {
  is_valid_utf8(bytes) ? json.text(bytes) : json.raw("null");
}

// A feature's values as a JSON list that is open, and how many there are.
struct FeatureValues {
  JsonText list;
  std::size_t count = 0;

  void next() {
    list.separate();
    ++count;
  }
  bool add(std::uint32_t kind, const ProtobufReader& field);
  bool read(std::string_view feature);
};

bool FeatureValues::add(std::uint32_t kind, const ProtobufReader& field) {
  constexpr std::uint32_t bytes_list = 1, int64_list = 3;
  if (kind == bytes_list) {
    next();
    write_text(field.bytes(), list);
    return field.is(WireType::bytes);
  }
  if (kind == int64_list) {
    return each_varint(field, [this](std::uint64_t value) {
      next();
      list.integer(static_cast<std::int64_t>(value));
    });
  }
  const std::string_view floats = field.bytes();
  constexpr std::size_t size = sizeof(float);
  if ((!field.is(WireType::fixed32) && !field.is(WireType::bytes)) || floats.size() % size != 0)
    return false;
  for (std::size_t at = 0; at < floats.size(); at += size) {
    float value = 0;
    std::memcpy(&value, floats.data() + at, size);
    next();
    list.number(value);
  }
  return true;
}

bool FeatureValues::read(std::string_view feature) {
  list.clear();
  list.raw("[");
  count = 0;
  ProtobufReader kinds(feature);
  while (kinds.next()) {
    if (kinds.number() > 3) continue;
    if (!kinds.expect(WireType::bytes)) return false;
    ProtobufReader values(kinds.bytes());
    while (values.next()) {
      if (values.number() == 1 && !add(kinds.number(), values)) return false;
    }
    if (values.is_broken()) return false;
  }
  return !kinds.is_broken();
}

// One value by itself, several as a list, none as missing: as TF-Serving's JSON has them.
void write_feature(const FeatureValues& values, JsonText& json) {
  if (values.count == 0) return json.raw("null");
  json.raw(values.list.text().substr(values.count == 1 ? 1 : 0));
  if (values.count > 1) json.raw("]");
}

bool write_example(std::string_view example, FeatureValues& values, MessageBody& out) {
  std::string_view features;
  if (!last_message(example, 1, features)) return false;
  auto& entries = out.tensors;
  entries.clear();
  const bool good = each_message(features, 1, [&entries](std::string_view entry) {
    return entries.size() < tensors_max && read_entry(entry, entries.emplace_back());
  });
  if (!good) return false;
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  out.json.raw("{");
  for (const MessageBody::Tensor& entry : entries) {
    if (!values.read(entry.message)) return false;
    out.json.key(entry.name);
    write_feature(values, out.json);
  }
  out.json.raw("}");
  return true;
}

Decoded<void> write_examples(std::string_view input, MessageBody& out) {
  std::string_view list, with_context, context;
  if (!last_message(input, 1, list) || !last_message(input, 2, with_context)) return broken();
  if (list.data() == nullptr) list = with_context;
  if (!last_message(with_context, 2, context)) return broken();
  FeatureValues values;
  out.json.key("examples");
  out.json.raw("[");
  const bool good = each_message(list, 1, [&](std::string_view example) {
    out.json.separate();
    return write_example(example, values, out);
  });
  out.json.raw("]");
  if (!good) return broken();
  if (context.empty()) return {};
  out.json.key("context");
  return write_example(context, values, out) ? Decoded<void>{} : Decoded<void>(broken());
}

// ---- Results ----

bool read_float(const ProtobufReader& field, float& value) {
  const auto bits = static_cast<std::uint32_t>(field.value());
  std::memcpy(&value, &bits, sizeof value);
  return field.is(WireType::fixed32);
}

// ["label", score]
bool write_class(std::string_view message, JsonText& json) {
  std::string_view label;
  float score = 0;
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() == 1 && reader.expect(WireType::bytes)) label = reader.bytes();
    if (reader.number() == 2 && !read_float(reader, score)) return false;
  }
  json.separate();
  json.raw("[");
  json.text(label);
  json.raw(",");
  json.number(score);
  json.raw("]");
  return !reader.is_broken();
}

bool write_classes(std::string_view classifications, JsonText& json) {
  json.separate();
  json.raw("[");
  const bool good = each_message(classifications, 1,
                                 [&json](std::string_view one) { return write_class(one, json); });
  json.raw("]");
  return good;
}

// A float of proto3 that is 0 is not written.
bool write_regression(std::string_view message, JsonText& json) {
  float value = 0;
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() == 1 && !read_float(reader, value)) return false;
  }
  json.separate();
  json.number(value);
  return !reader.is_broken();
}

template <class WriteOne>
Decoded<void> write_results(std::string_view message, MessageBody& out, WriteOne write_one) {
  out.restart();
  out.json.raw("{");
  if (auto ok = write_model_of(message, 2, out); !ok) return ok;
  std::string_view result;
  if (!last_message(message, 1, result)) return broken();
  out.json.key("results");
  out.json.raw("[");
  const bool good =
      each_message(result, 1, [&](std::string_view one) { return write_one(one, out.json); });
  if (!good) return broken();
  out.json.raw("]}");
  return {};
}

}  // namespace

Decoded<void> tf_serving_grpc_predict_request(std::string_view message, MessageBody& out) {
  out.restart();
  out.json.raw("{");
  if (auto ok = write_model_of(message, 1, out); !ok) return ok;
  return close(write_tensors(message, 2, "inputs", out), out);
}

Decoded<void> tf_serving_grpc_predict_answer(std::string_view message, MessageBody& out) {
  out.restart();
  out.json.raw("{");
  if (auto ok = write_model_of(message, 2, out); !ok) return ok;
  return close(write_tensors(message, 1, "outputs", out), out);
}

Decoded<void> tf_serving_grpc_examples_request(std::string_view message, MessageBody& out) {
  out.restart();
  out.json.raw("{");
  if (auto ok = write_model_of(message, 1, out); !ok) return ok;
  std::string_view input;
  if (!last_message(message, 2, input)) return broken();
  return close(write_examples(input, out), out);
}

Decoded<void> tf_serving_grpc_classify_answer(std::string_view message, MessageBody& out) {
  return write_results(message, out, write_classes);
}

Decoded<void> tf_serving_grpc_regress_answer(std::string_view message, MessageBody& out) {
  return write_results(message, out, write_regression);
}

}  // namespace outrider::decode::protocols
