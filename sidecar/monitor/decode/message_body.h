// SPDX-License-Identifier: Apache-2.0
#pragma once

// A gRPC message, laid out as the body that the same server takes or gives over HTTP: JSON, and
// behind it the values of its tensors, as the binary tensor data extension has them. So whatever is
// known of HTTP bodies (rows, names, keys, pointers, errors) holds for gRPC without a second rule.
//
//   {"model_name":"m","id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[1,20],
//    "parameters":{"binary_data_size":80}}]}  and 80 bytes
//
// One object is used again for every message: it keeps its buffers. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::decode {

// Appends JSON to a text. It is well-formed where calls are: nothing is checked but texts, whose
// special characters are escaped. UTF-8 is left to whoever parses it.
class JsonText {
 public:
  void clear() { text_.clear(); }
  std::string_view text() const { return text_; }

  void raw(std::string_view json) { text_ += json; }
  void text(std::string_view value);
  // Behind a comma, unless the object has just begun.
  void key(std::string_view name) {
    separate();
    text(name);
    text_ += ':';
  }
  void separate() {
    if (!text_.empty() && text_.back() != '{' && text_.back() != '[') text_ += ',';
  }
  void integer(std::int64_t value) { text_ += std::to_string(value); }
  void integer(std::uint64_t value) { text_ += std::to_string(value); }
  void number(double value);  // NaN and infinities as Python writes them.

 private:
  std::string text_;
};

struct MessageBody {
  JsonText json;
  std::string binary;
  // What the message says of its model and of itself, as far as it does; views into the message.
  // The id is in the JSON only where it is asked for: without it the JSON of one client's messages
  // is the same, and is neither written nor parsed again.
  std::string_view model_name, model_version, id;
  bool with_id = false;
  // What of the last message its JSON depends on; "" where that includes the values.
  std::string skeleton;
  // The same of a message with one raw content, byte by byte: what stands before that content and
  // behind it, and where in the message its texts are. Nothing before: of no message.
  struct Around {
    struct Place {
      std::size_t at = 0, size = 0;
      std::string_view in(std::string_view message) const { return message.substr(at, size); }
    };
    std::string before, behind;
    std::size_t raw_bytes = 0;
    Place model_name, model_version, id;
  } around;

  // Room for the walk over a message.
  struct Tensor {
    std::string_view name, message;
    bool is_elsewhere = false, has_values = false, has_parameters = false;
    std::string_view raw;
  };
  std::vector<Tensor> tensors;
  std::vector<std::string_view> raw_contents;

  void clear();    // For the next message: all but the JSON and what it is made of.
  void restart();  // The JSON too.

  // Appends a value to `binary` as it lies in memory: little-endian, as the extension has it.
  template <class T>
  void put(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    binary.append(bytes, sizeof value);
  }
  void put_text(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    binary += text;
  }
};

}  // namespace outrider::decode
