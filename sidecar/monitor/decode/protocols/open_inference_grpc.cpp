// SPDX-License-Identifier: Apache-2.0
// The Open Inference protocol over gRPC: Triton, MLServer, KServe, OpenVINO.
//
//   ModelInferRequest        1 model_name  2 model_version  3 id  4 parameters  5 inputs   7 raw_input_contents
//   ModelInferResponse       1 model_name  2 model_version  3 id  4 parameters  5 outputs  6 raw_output_contents
//   ModelStreamInferResponse 1 error_message  2 infer_response
//   a tensor                 1 name  2 datatype  3 shape  4 parameters  5 contents
//   contents                 1 bool  2 int  3 int64  4 uint  5 uint64  6 fp32  7 fp64  8 bytes
//
// Values stand in a tensor's contents or, one element a tensor, in the message's raw contents; FP16
// and BF16 only there. Servers mix both, and leave an empty contents{} beside raw ones (MLServer).
// INT8, INT16 and INT32 share int_contents, as UINT8 to UINT32 do uint_contents.
// Sources: KServe, grpc_predict_v2.proto; Triton, grpc_service.proto and the shared memory
// extension (parameter "shared_memory_region": the values are not in the message).

#include <algorithm>

#include "sidecar/monitor/decode/protobuf_reader.h"
#include "sidecar/monitor/decode/protocols/grpc.h"

namespace outrider::decode::protocols {
namespace {

constexpr std::string_view shared_memory = "shared_memory_region";
// Some clients send HTTP's size along (KServe's SDK): here it would be taken for ours.
constexpr std::string_view binary_size = "binary_data_size";
constexpr std::size_t tensors_max = 4'096;

tl::unexpected<FailReason> broken() {
  return failed(FailReason::invalid_message);
}

// One entry of map<string, InferParameter>; the view of the parameter.
bool read_entry(std::string_view entry, std::string_view& key, std::string_view& value) {
  ProtobufReader reader(entry);
  while (reader.next()) {
    if (reader.number() > 2) continue;
    if (!reader.expect(WireType::bytes)) return false;
    (reader.number() == 1 ? key : value) = reader.bytes();
  }
  return !reader.is_broken();
}

// A oneof: 1 bool, 2 int64, 3 string, 4 double, 5 uint64. The last one counts.
Decoded<void> write_parameter(std::string_view parameter, JsonText& json) {
  ProtobufReader reader(parameter);
  constexpr WireType types[] = {WireType::varint, WireType::varint, WireType::bytes,
                                WireType::fixed64, WireType::varint};
  ProtobufReader last = reader;
  bool has_one = false;
  while (reader.next()) {
    if (reader.number() > std::size(types)) continue;
    if (!reader.expect(types[reader.number() - 1])) break;
    last = reader;
    has_one = true;
  }
  if (reader.is_broken()) return broken();
  if (!has_one) {
    json.raw("null");
    return {};
  }
  switch (last.number()) {
    case 1:
      json.raw(last.value() != 0 ? "true" : "false");
      break;
    case 2:
      json.integer(static_cast<std::int64_t>(last.value()));
      break;
    case 3:
      json.text(last.bytes());
      break;
    case 4: {
      const std::uint64_t bits = last.value();
      double number = 0;
      std::memcpy(&number, &bits, sizeof number);
      json.number(number);
      break;
    }
    default:
      json.integer(last.value());
  }
  return {};
}

// The members of "parameters", of the message or of a tensor: those of its entries in `field`.
Decoded<void> write_parameters(std::string_view message, JsonText& json) {
  constexpr std::uint32_t parameters_field = 4;
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() != parameters_field) continue;
    std::string_view key, value;
    if (!reader.expect(WireType::bytes) || !read_entry(reader.bytes(), key, value)) return broken();
    if (key == binary_size) continue;
    json.key(key);
    if (auto ok = write_parameter(value, json); !ok) return ok;
  }
  return reader.end();
}

// Appends a tensor's typed values to the binary ones, and tells the datatype that they are written
// as; "" where there are none.
class Contents {
 public:
  explicit Contents(MessageBody& out) : out_(out) {}

  Decoded<void> read(std::string_view contents);
  std::string_view datatype() const { return datatype_; }

 private:
  template <class T>
  bool varints(const ProtobufReader& field) {
    return each_varint(field, [this](std::uint64_t value) { out_.put(static_cast<T>(value)); });
  }
  // Packed ones lie there as they are wanted.
  bool fixed(const ProtobufReader& field, WireType type, std::size_t size) {
    if (!field.is(type) && (!field.is(WireType::bytes) || field.bytes().size() % size != 0))
      return false;
    out_.binary += field.bytes();
    return true;
  }
  bool read(const ProtobufReader& field, std::string_view& datatype);

  MessageBody& out_;
  std::string_view datatype_;
};

bool Contents::read(const ProtobufReader& field, std::string_view& datatype) {
  switch (field.number()) {
    case 1:
      datatype = "BOOL";
      return each_varint(field, [this](std::uint64_t value) { out_.put<char>(value != 0); });
    case 2:
      datatype = "INT32";
      return varints<std::int32_t>(field);
    case 3:
      datatype = "INT64";
      return varints<std::int64_t>(field);
    case 4:
      datatype = "UINT32";
      return varints<std::uint32_t>(field);
    case 5:
      datatype = "UINT64";
      return varints<std::uint64_t>(field);
    case 6:
      datatype = "FP32";
      return fixed(field, WireType::fixed32, 4);
    case 7:
      datatype = "FP64";
      return fixed(field, WireType::fixed64, 8);
    case 8:
      datatype = "BYTES";
      if (!field.is(WireType::bytes)) return false;
      out_.put_text(field.bytes());
      return true;
    default:
      return true;
  }
}

Decoded<void> Contents::read(std::string_view contents) {
  ProtobufReader reader(contents);
  while (reader.next()) {
    const std::size_t before = out_.binary.size();
    std::string_view datatype;
    if (!read(reader, datatype)) return broken();
    if (out_.binary.size() == before) continue;
    // Values of two kinds in one tensor: nobody can tell their order.
    if (!datatype_.empty() && datatype_ != datatype) return failed(FailReason::wrong_shape);
    datatype_ = datatype;
  }
  return reader.end();
}

// What the walk must know before values can be given to tensors.
Decoded<MessageBody::Tensor> look_at_tensor(std::string_view message) {
  MessageBody::Tensor tensor;
  tensor.message = message;
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() == 1) {
      if (!reader.expect(WireType::bytes)) break;
      tensor.name = reader.bytes();
    } else if (reader.number() == 4) {
      std::string_view key, value;
      if (!reader.expect(WireType::bytes) || !read_entry(reader.bytes(), key, value))
        return broken();
      tensor.has_parameters = true;
      tensor.is_elsewhere = tensor.is_elsewhere || key == shared_memory;
    } else if (reader.number() == 5) {
      if (!reader.expect(WireType::bytes)) break;
      tensor.has_values = tensor.has_values || !reader.bytes().empty();
    }
  }
  if (reader.is_broken()) return broken();
  return tensor;
}

// Raw contents belong to the tensors in their order: to all that are in the message or, where a
// server mixes both, to those without typed values.
Decoded<void> give_raw_contents(MessageBody& out) {
  const std::size_t raws = out.raw_contents.size();
  if (raws == 0) return {};
  const auto count = [&out](bool typed_too) {
    return static_cast<std::size_t>(
        std::count_if(out.tensors.begin(), out.tensors.end(), [&](const auto& tensor) {
          return !tensor.is_elsewhere && (typed_too || !tensor.has_values);
        }));
  };
  const bool typed_too = count(true) == raws;
  if (!typed_too && count(false) != raws) return failed(FailReason::wrong_shape);
  std::size_t next = 0;
  for (MessageBody::Tensor& tensor : out.tensors) {
    if (tensor.is_elsewhere || (!typed_too && tensor.has_values)) continue;
    tensor.raw = out.raw_contents[next++];
    // One tensor with values in both places: which are meant?
    if (tensor.has_values && !tensor.raw.empty()) return failed(FailReason::wrong_shape);
  }
  return {};
}

Decoded<void> write_shape(const ProtobufReader& field, JsonText& json) {
  const bool good = each_varint(field, [&json](std::uint64_t extent) {
    json.separate();
    json.integer(static_cast<std::int64_t>(extent));
  });
  return good ? Decoded<void>{} : Decoded<void>(broken());
}

Decoded<void> write_tensor(const MessageBody::Tensor& tensor, MessageBody& out) {
  const std::size_t before = out.binary.size();
  std::string_view datatype;
  Contents contents(out);
  ProtobufReader reader(tensor.message);
  JsonText& json = out.json;
  json.separate();
  json.raw("{\"shape\":[");
  while (reader.next()) {
    if (reader.number() == 2) {
      if (!reader.expect(WireType::bytes)) break;
      datatype = reader.bytes();
    } else if (reader.number() == 3) {
      if (auto ok = write_shape(reader, json); !ok) return ok;
    } else if (reader.number() == 5) {
      if (auto ok = contents.read(reader.bytes()); !ok) return ok;
    }
  }
  if (reader.is_broken()) return broken();
  out.binary += tensor.raw;
  json.raw("],\"name\":");
  json.text(tensor.name);
  json.raw(",\"datatype\":");
  json.text(contents.datatype().empty() ? datatype : contents.datatype());
  json.raw(",\"parameters\":{");
  if (tensor.has_parameters) {
    if (auto ok = write_parameters(tensor.message, json); !ok) return ok;
  }
  if (!tensor.is_elsewhere) {
    json.key(binary_size);
    json.integer(static_cast<std::uint64_t>(out.binary.size() - before));
  }
  json.raw("}}");
  return {};
}

struct Fields {
  std::uint32_t raw_contents;
  std::string_view tensors;  // The JSON's key.
};
constexpr Fields request_fields{7, "inputs"}, answer_fields{6, "outputs"};

// Takes what a top-level field of text says; false for the wrong wire type.
bool take_text(ProtobufReader& reader, MessageBody& out) {
  if (!reader.expect(WireType::bytes)) return false;
  if (reader.number() == 1) out.model_name = reader.bytes();
  if (reader.number() == 2) out.model_version = reader.bytes();
  if (reader.number() == 3) out.id = reader.bytes();
  return true;
}

// The size of a raw content stands in the JSON, its bytes do not.
void append_size(std::size_t size, std::string& skeleton) {
  const auto number = static_cast<std::uint64_t>(size);
  skeleton.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// Whether the message differs from the last one in its raw values and its id alone: then it has the
// same JSON, and the raw values one after the other.
bool read_again(std::string_view message, const Fields& fields, MessageBody& out) {
  std::string_view skeleton = out.skeleton;
  if (skeleton.empty()) return false;
  const auto take = [&skeleton](std::string_view piece) {
    if (!skeleton.starts_with(piece)) return false;
    skeleton.remove_prefix(piece.size());
    return true;
  };
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() <= 3 && !take_text(reader, out)) return false;
    if (reader.number() == fields.raw_contents) {
      const auto size = static_cast<std::uint64_t>(reader.bytes().size());
      if (!reader.is(WireType::bytes) ||
          !take({reinterpret_cast<const char*>(&size), sizeof size})) {
        return false;
      }
      out.binary += reader.bytes();
    } else if ((reader.number() != 3 || out.with_id) && !take(reader.whole())) {
      return false;
    }
  }
  return !reader.is_broken() && skeleton.empty();
}

void keep_skeleton(std::string_view message, const Fields& fields, MessageBody& out) {
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() == fields.raw_contents) {
      append_size(reader.bytes().size(), out.skeleton);
    } else if (reader.number() != 3 || out.with_id) {
      out.skeleton += reader.whole();
    }
  }
}

// The quickest way: but for the bytes of its only raw content it is the last message.
bool is_last_one(std::string_view message, MessageBody& out) {
  const MessageBody::Around& last = out.around;
  const std::size_t size = last.before.size() + last.raw_bytes + last.behind.size();
  if (last.before.empty() || message.size() != size || !message.starts_with(last.before) ||
      !message.ends_with(last.behind)) {
    return false;
  }
  out.model_name = last.model_name.in(message);
  out.model_version = last.model_version.in(message);
  out.id = last.id.in(message);
  out.binary = message.substr(last.before.size(), last.raw_bytes);
  return true;
}

void keep_around(std::string_view message, MessageBody& out) {
  if (out.raw_contents.size() != 1 || out.raw_contents.front().empty()) return;
  const auto place_of = [message](std::string_view text) {
    return text.empty() ? MessageBody::Around::Place{}
                        : MessageBody::Around::Place{
                              static_cast<std::size_t>(text.data() - message.data()), text.size()};
  };
  const std::string_view raw = out.raw_contents.front();
  const std::size_t at = place_of(raw).at;
  out.around = {.before = std::string(message.substr(0, at)),
                .behind = std::string(message.substr(at + raw.size())),
                .raw_bytes = raw.size(),
                .model_name = place_of(out.model_name),
                .model_version = place_of(out.model_version),
                .id = place_of(out.id)};
}

Decoded<void> walk_message(std::string_view message, const Fields& fields, MessageBody& out,
                           bool& has_parameters) {
  ProtobufReader reader(message);
  while (reader.next()) {
    const std::uint32_t number = reader.number();
    if (number > 5 && number != fields.raw_contents) continue;
    if (!take_text(reader, out)) break;
    if (number == 4) has_parameters = true;
    if (number == fields.raw_contents) out.raw_contents.push_back(reader.bytes());
    if (number != 5) continue;
    if (out.tensors.size() >= tensors_max) return failed(FailReason::wrong_shape);
    const auto tensor = look_at_tensor(reader.bytes());
    if (!tensor) return failed(tensor);
    out.tensors.push_back(*tensor);
  }
  return reader.end();
}

Decoded<void> read_message(std::string_view message, const Fields& fields, MessageBody& out) {
  if (is_last_one(message, out) || read_again(message, fields, out)) return {};
  out.clear();
  out.restart();
  bool has_parameters = false;
  if (auto ok = walk_message(message, fields, out, has_parameters); !ok) return ok;
  if (auto ok = give_raw_contents(out); !ok) return ok;
  JsonText& json = out.json;
  json.raw("{");
  const auto member = [&json](std::string_view key, std::string_view value) {
    if (value.empty()) return;  // Protobuf does not know it from absent.
    json.key(key);
    json.text(value);
  };
  member("model_name", out.model_name);
  member("model_version", out.model_version);
  if (out.with_id) member("id", out.id);
  if (has_parameters) {
    json.key("parameters");
    json.raw("{");
    if (auto ok = write_parameters(message, json); !ok) return ok;
    json.raw("}");
  }
  json.key(fields.tensors);
  json.raw("[");
  for (const MessageBody::Tensor& tensor : out.tensors) {
    if (auto ok = write_tensor(tensor, out); !ok) return ok;
  }
  json.raw("]}");
  const bool are_raw = std::none_of(out.tensors.begin(), out.tensors.end(),
                                    [](const auto& tensor) { return tensor.has_values; });
  if (are_raw) {
    keep_skeleton(message, fields, out);
    keep_around(message, out);
  }
  return {};
}

// ModelStreamInferResponse's two fields.
Decoded<void> open_stream_answer(std::string_view message, std::string_view& error,
                                 std::string_view& answer) {
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() > 2) continue;
    if (!reader.expect(WireType::bytes)) break;
    (reader.number() == 1 ? error : answer) = reader.bytes();
  }
  return reader.end();
}

StreamedMessage look_at(std::string_view message) {
  StreamedMessage seen;
  ProtobufReader reader(message);
  while (reader.next()) {
    if (reader.number() == 3 && reader.is(WireType::bytes)) seen.id = reader.bytes();
    seen.has_content = seen.has_content || reader.number() == 5;
  }
  return seen;
}

}  // namespace

Decoded<void> open_inference_grpc_request(std::string_view message, MessageBody& out) {
  return read_message(message, request_fields, out);
}

Decoded<void> open_inference_grpc_answer(std::string_view message, MessageBody& out) {
  return read_message(message, answer_fields, out);
}

Decoded<void> open_inference_grpc_stream_answer(std::string_view message, MessageBody& out) {
  std::string_view error, answer;
  if (auto ok = open_stream_answer(message, error, answer); !ok) return ok;
  if (error.empty()) return open_inference_grpc_answer(answer, out);
  out.restart();
  out.json.raw("{\"error\":");
  out.json.text(error);
  out.json.raw("}");
  return {};
}

StreamedMessage look_at_stream_request(std::string_view message) {
  return look_at(message);
}

StreamedMessage look_at_stream_answer(std::string_view message) {
  std::string_view error, answer;
  if (!open_stream_answer(message, error, answer)) return {};
  StreamedMessage seen = look_at(answer);
  seen.has_content = seen.has_content || !error.empty();
  return seen;
}

}  // namespace outrider::decode::protocols
