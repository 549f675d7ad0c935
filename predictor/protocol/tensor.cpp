// SPDX-License-Identifier: Apache-2.0
#include "predictor/protocol/tensor.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace outrider::protocol {
namespace {

using wire::Json;

Failure bad(const std::string& what) {
  return fail("bad_request", what);
}

template <class T>
Json load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);  // The protocol is little-endian, as are our machines.
  if constexpr (std::is_same_v<T, bool>) return Json(value);
  return Json(value);
}

struct Datatype {
  std::string_view name;
  std::size_t bytes;
  Json (*load)(const char* bytes);
};

Json load_bool(const char* bytes) {
  return Json(*bytes != 0);
}

constexpr Datatype datatypes[] = {{"BOOL", 1, load_bool},
                                  {"UINT8", 1, load<std::uint8_t>},
                                  {"UINT16", 2, load<std::uint16_t>},
                                  {"UINT32", 4, load<std::uint32_t>},
                                  {"UINT64", 8, load<std::uint64_t>},
                                  {"INT8", 1, load<std::int8_t>},
                                  {"INT16", 2, load<std::int16_t>},
                                  {"INT32", 4, load<std::int32_t>},
                                  {"INT64", 8, load<std::int64_t>},
                                  {"FP32", 4, load<float>},
                                  {"FP64", 8, load<double>}};

// BYTES: each element is its length in four bytes, then the text.
Result<std::vector<Json>> load_texts(std::string_view bytes, const std::string& where) {
  std::vector<Json> values;
  while (!bytes.empty()) {
    std::uint32_t length = 0;
    if (bytes.size() < sizeof length) return bad(where + ": a BYTES element is cut short");
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes.remove_prefix(sizeof length);
    if (bytes.size() < length) return bad(where + ": a BYTES element is cut short");
    values.emplace_back(std::string(bytes.substr(0, length)));
    bytes.remove_prefix(length);
  }
  return values;
}

Result<std::vector<Json>> load_binary(const std::string& datatype, std::string_view bytes,
                                      const std::string& where) {
  if (datatype == "BYTES") return load_texts(bytes, where);
  for (const Datatype& known : datatypes) {
    if (known.name != datatype) continue;
    if (bytes.size() % known.bytes != 0) {
      return bad(where + ": binary_data_size is no multiple of " + std::to_string(known.bytes));
    }
    std::vector<Json> values;
    for (std::size_t i = 0; i < bytes.size(); i += known.bytes) {
      values.push_back(known.load(bytes.data() + i));
    }
    return values;
  }
  return bad(where + ".datatype: '" + datatype.substr(0, 32) + "' is none we read as binary data");
}

// "data" may be nested like the shape, or flat.
bool flatten(const Json& data, std::vector<Json>& values) {
  for (const Json& item : data) {
    if (item.is_array()) {
      if (!flatten(item, values)) return false;
    } else if (item.is_object() || values.size() >= tensor_values_max) {
      return false;
    } else {
      values.push_back(item);
    }
  }
  return true;
}

Result<std::vector<std::size_t>> parse_shape(const Json& json, const std::string& where) {
  const auto shape = json.find("shape");
  if (shape == json.end() || !shape->is_array() || shape->empty() || shape->size() > 4) {
    return bad(where + ".shape: expected a list of one to four sizes, e.g. [1, 2]");
  }
  std::vector<std::size_t> sizes;
  std::size_t values = 1;
  for (const Json& size : *shape) {
    if (!size.is_number_integer() || size.get<std::int64_t>() < 0 ||
        size.get<std::int64_t>() > static_cast<std::int64_t>(tensor_values_max)) {
      return bad(where + ".shape: expected whole numbers from 0 to " +
                 std::to_string(tensor_values_max));
    }
    sizes.push_back(size.get<std::size_t>());
    values *= sizes.back();
    if (values > tensor_values_max) {
      return bad(where + ".shape: more than " + std::to_string(tensor_values_max) + " values");
    }
  }
  return sizes;
}

std::optional<std::size_t> binary_size(const Json& json) {
  const auto parameters = json.find("parameters");
  if (parameters == json.end() || !parameters->is_object()) return std::nullopt;
  const auto size = parameters->find("binary_data_size");
  if (size == parameters->end() || !size->is_number_unsigned()) return std::nullopt;
  return size->get<std::size_t>();
}

}  // namespace

Result<Tensor> parse_tensor(const Json& json, const std::string& where, std::string_view& binary) {
  if (!json.is_object()) return bad(where + ": expected an object {name, shape, datatype, data}");
  Tensor tensor;
  const auto name = json.find("name"), datatype = json.find("datatype"), data = json.find("data");
  if (name == json.end() || !name->is_string()) return bad(where + ".name: expected a text");
  tensor.name = name->get<std::string>();
  auto shape = parse_shape(json, where);
  if (!shape) return fail(shape);
  tensor.shape = std::move(*shape);

  if (const auto size = binary_size(json)) {
    if (datatype == json.end() || !datatype->is_string())
      return bad(where + ".datatype: expected a text");
    if (*size > binary.size()) {
      return bad(where + ".parameters.binary_data_size: " + std::to_string(*size) +
                 " bytes, but only " + std::to_string(binary.size()) + " follow");
    }
    auto values = load_binary(datatype->get<std::string>(), binary.substr(0, *size), where);
    if (!values) return fail(values);
    binary.remove_prefix(*size);
    tensor.values = std::move(*values);
  } else if (data == json.end() || !data->is_array() || !flatten(*data, tensor.values)) {
    return bad(where + ".data: expected a list of numbers, texts or booleans");
  }
  std::size_t expected = 1;
  for (const std::size_t size : tensor.shape) expected *= size;
  if (tensor.values.size() != expected) {
    return bad(where + ": the shape says " + std::to_string(expected) + " values, the data has " +
               std::to_string(tensor.values.size()));
  }
  return tensor;
}

}  // namespace outrider::protocol
