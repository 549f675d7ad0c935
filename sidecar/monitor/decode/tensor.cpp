// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/core/text.h"
#include "detectors/value_reader.h"

namespace outrider::decode {
namespace {

template <class T>
T load(const char* bytes) {  // Little-endian, as the extension has it; so are we.
  static_assert(std::endian::native == std::endian::little);
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

double half_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  double value = 0;
  if (exponent == 31) {
    value = fraction == 0 ? HUGE_VAL : std::nan("");
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(fraction + 1024, exponent - 25);
  }
  return bits & 0x8000 ? -value : value;
}

double bfloat_to_double(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Fills `out`, whose size says how many there are. What is not a number is missing.
using ReadNumbers = void (*)(const char* bytes, std::span<FeatureValue> out);
struct Datatype {
  std::string_view name;
  std::size_t bytes;
  ReadNumbers read;
};

template <class Stored, double (*to_double)(Stored)>
void read_numbers(const char* bytes, std::span<FeatureValue> out) {
  for (FeatureValue& value : out) {
    const double number = to_double(load<Stored>(bytes));
    value = std::isnan(number) ? FeatureValue{} : FeatureValue::of(number);
    bytes += sizeof(Stored);
  }
}

template <class T>
double as_double(T value) {
  return static_cast<double>(value);
}
template <class T>
constexpr ReadNumbers plain = read_numbers<T, as_double<T>>;

const Datatype* find_datatype(std::string_view name) {
  static constexpr Datatype known[] = {
      {"FP32", 4, plain<float>},
      {"FP64", 8, plain<double>},
      {"INT64", 8, nullptr},
      {"INT32", 4, plain<std::int32_t>},
      {"INT16", 2, plain<std::int16_t>},
      {"INT8", 1, plain<std::int8_t>},
      {"UINT64", 8, nullptr},
      {"UINT32", 4, plain<std::uint32_t>},
      {"UINT16", 2, plain<std::uint16_t>},
      {"UINT8", 1, plain<std::uint8_t>},
      {"FP16", 2, read_numbers<std::uint16_t, half_to_double>},
      {"BF16", 2, read_numbers<std::uint16_t, bfloat_to_double>},
  };
  for (const Datatype& type : known) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

// Texts, each behind its length in four bytes.
Decoded<void> read_texts(std::string_view bytes, Tensor& tensor, std::size_t values_max,
                         Bytes texts) {
  while (!bytes.empty()) {
    if (bytes.size() < 4) return failed(FailReason::wrong_shape);
    const auto length = load<std::uint32_t>(bytes.data());
    bytes.remove_prefix(4);
    if (length > bytes.size() || tensor.values.size() >= values_max) {
      return failed(FailReason::wrong_shape);
    }
    const std::string_view text = bytes.substr(0, length);
    const bool is_text = is_valid_utf8(text);
    if (!is_text && texts == Bytes::must_be_text) return failed(FailReason::invalid_utf8);
    tensor.values.push_back(is_text ? detectors::read_value(text) : FeatureValue{});
    bytes.remove_prefix(length);
  }
  return {};
}

Decoded<void> read_binary_tensor(Tensor& tensor, JsonTree& json, std::string_view bytes,
                                 std::size_t values_max, Bytes texts) {
  if (tensor.datatype == "BYTES") return read_texts(bytes, tensor, values_max, texts);
  if (tensor.datatype == "BOOL") {
    if (bytes.size() > values_max) return failed(FailReason::wrong_shape);
    for (const char c : bytes) {
      tensor.values.push_back(detectors::boolean_value(c != 0));
    }
    return {};
  }
  const Datatype* type = find_datatype(tensor.datatype);
  if (!type) return failed(FailReason::unsupported_format);
  if (bytes.size() % type->bytes != 0 || bytes.size() / type->bytes > values_max) {
    return failed(FailReason::wrong_shape);
  }
  if (type->read != nullptr) {
    const std::size_t before = tensor.values.size();
    tensor.values.resize(before + bytes.size() / type->bytes);
    type->read(bytes.data(), std::span(tensor.values).subspan(before));
    return {};
  }
  // A double does not hold all of 64 bits.
  const bool is_signed = tensor.datatype == "INT64";
  for (const char* at = bytes.data(); at != bytes.data() + bytes.size(); at += type->bytes)
    tensor.values.push_back(is_signed ? json.integer(load<std::int64_t>(at))
                                      : json.integer(load<std::uint64_t>(at)));
  return {};
}

struct Nesting {
  JsonTree& json;
  Tensor& tensor;
  bool set_shape;
  std::size_t values_max;
  int leaf_depth = -1;  // Where the first value was found; every other must be as deep.
};

Decoded<void> flatten(dom::element value, Nesting& nesting, int depth) {
  Tensor& tensor = nesting.tensor;
  if (!value.is_array()) {
    if (value.is_object()) return failed(FailReason::wrong_type);
    tensor.values.push_back(nesting.json.scalar(value));
    if (nesting.set_shape && nesting.leaf_depth >= 0 && nesting.leaf_depth != depth) {
      return failed(FailReason::wrong_shape);
    }
    nesting.leaf_depth = depth;
    if (tensor.values.size() > nesting.values_max) return failed(FailReason::wrong_shape);
    return {};
  }
  std::uint64_t items = 0;
  for (const dom::element element : list_in(value)) {
    ++items;
    if (!nesting.set_shape && element.type() == dom::element_type::DOUBLE) {  // Nearly always.
      if (tensor.values.size() >= nesting.values_max) return failed(FailReason::wrong_shape);
      tensor.values.push_back(FeatureValue::of(element.get_double().value_unsafe()));
      continue;
    }
    if (auto ok = flatten(element, nesting, depth + 1); !ok) return ok;
  }
  if (!nesting.set_shape) return {};
  const auto level = static_cast<std::size_t>(depth);
  if (tensor.shape.size() <= level) tensor.shape.resize(level + 1, UINT64_MAX);
  if (tensor.shape[level] != UINT64_MAX && tensor.shape[level] != items) {
    return failed(FailReason::wrong_shape);
  }
  tensor.shape[level] = items;
  return {};
}

Decoded<void> read_parameters(dom::element value, Tensor& tensor) {
  if (value.is_null()) return {};  // KServe's own server writes what it lacks.
  dom::object parameters;
  OUTRIDER_TAKE(parameters, value.get_object());
  if (const auto bytes = member(parameters, "binary_data_size")) {
    OUTRIDER_TAKE(tensor.binary_bytes, bytes->get_uint64());
    tensor.is_binary = true;
  }
  tensor.is_elsewhere = member(parameters, "shared_memory_region").has_value();
  return {};
}

Decoded<void> read_shape(dom::element value, Tensor& tensor) {
  dom::array shape;
  OUTRIDER_TAKE(shape, value.get_array());
  tensor.shape.clear();
  for (const dom::element item : shape) {
    std::uint64_t extent = 0;
    if (item.get_uint64().get(extent) != simdjson::SUCCESS) return failed(FailReason::wrong_type);
    if (tensor.shape.size() >= depth_max) return failed(FailReason::wrong_shape);
    tensor.shape.push_back(extent);
  }
  return {};
}

}  // namespace

std::uint64_t Tensor::values_a_row() const {
  std::uint64_t cells = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) cells *= shape[i];
  return cells;
}

void Tensor::clear() {
  name = datatype = {};
  shape.clear();
  values.clear();
  binary_bytes = 0;
  is_binary = is_elsewhere = false;
}

Decoded<void> read_nested(dom::element value, JsonTree& json, Tensor& tensor, bool set_shape,
                          std::size_t values_max) {
  Nesting nesting{json, tensor, set_shape, values_max};
  return flatten(value, nesting, 0);
}

Decoded<void> read_tensor(dom::object object, JsonTree& json, Tensor& tensor,
                          std::size_t values_max) {
  for (const auto field : object) {
    if (field.key == "name") {
      OUTRIDER_TAKE(tensor.name, field.value.get_string());
    } else if (field.key == "datatype") {
      OUTRIDER_TAKE(tensor.datatype, field.value.get_string());
    } else if (field.key == "shape") {
      if (auto ok = read_shape(field.value, tensor); !ok) return ok;
    } else if (field.key == "data") {
      if (auto ok = read_nested(field.value, json, tensor, false, values_max); !ok) return ok;
    } else if (field.key == "parameters") {
      if (auto ok = read_parameters(field.value, tensor); !ok) return ok;
    }
  }
  return {};
}

Decoded<void> read_plain_tensor(dom::object object, JsonTree& json, Tensor& tensor,
                                std::size_t values_max) {
  for (const auto field : object) {
    if (field.key == "shape") {
      if (auto ok = read_shape(field.value, tensor); !ok) return ok;
    } else if (field.key == "values") {
      if (auto ok = read_nested(field.value, json, tensor, false, values_max); !ok) return ok;
    }
  }
  return {};
}

Decoded<void> read_binary(std::span<Tensor> tensors, JsonTree& json, std::string_view bytes,
                          std::size_t values_max, Bytes texts) {
  for (Tensor& tensor : tensors) {
    if (!tensor.is_binary) continue;
    if (!tensor.values.empty() || tensor.binary_bytes > bytes.size()) {
      return failed(FailReason::wrong_shape);
    }
    const auto piece = bytes.substr(0, tensor.binary_bytes);
    if (auto ok = read_binary_tensor(tensor, json, piece, values_max, texts); !ok) return ok;
    bytes.remove_prefix(tensor.binary_bytes);
    values_max -= tensor.values.size();
  }
  return bytes.empty() ? Decoded<void>{} : failed(FailReason::wrong_shape);
}

bool holds_much(std::span<const Tensor> tensors) {
  constexpr std::size_t tensors_kept = 64, values_kept = 16 << 10;
  return tensors.size() > tensors_kept ||
         std::any_of(tensors.begin(), tensors.end(),
                     [](const Tensor& tensor) { return tensor.values.capacity() > values_kept; });
}

Decoded<void> check_shape(const Tensor& tensor) {
  if (tensor.shape.empty()) return {};
  std::uint64_t cells = 1;
  for (const std::uint64_t extent : tensor.shape) {
    if (extent != 0 && cells > (std::uint64_t{1} << 40) / extent) {
      return failed(FailReason::wrong_shape);
    }
    cells *= extent;
  }
  if (cells != tensor.values.size()) return failed(FailReason::wrong_shape);
  return {};
}

Decoded<Tensor*> TensorSet::add() {
  constexpr std::size_t tensors_max = 4'096;
  if (count_ >= tensors_max) return failed(FailReason::wrong_shape);
  if (count_ == tensors_.size()) tensors_.emplace_back();
  Tensor& tensor = tensors_[count_++];
  tensor.clear();
  return &tensor;
}

Decoded<Tensor*> TensorSet::add(dom::object object, JsonTree& json) {
  const std::size_t left = values_left();
  const auto tensor = add();
  if (!tensor) return tensor;
  if (auto ok = read_tensor(object, json, **tensor, left); !ok) return failed(ok);
  return tensor;
}

bool TensorSet::take_again(std::size_t count) {
  if (count > tensors_.size()) return false;
  count_ = count;
  for (Tensor& tensor : all()) tensor.values.clear();
  return true;
}

std::size_t TensorSet::values_left() const {
  std::size_t left = body_values_max;
  for (const Tensor& tensor : all()) left -= tensor.values.size();
  return left;
}

// What one large body took is given back.
void TensorSet::forget() {
  if (holds_much(tensors_)) tensors_.clear();
  count_ = 0;
}

}  // namespace outrider::decode
