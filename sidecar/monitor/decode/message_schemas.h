// SPDX-License-Identifier: Apache-2.0
#pragma once

// The messages of services of the user's own, by their descriptors: what `protoc
// --descriptor_set_out` writes (a FileDescriptorSet, with --include_imports). A message is written
// as JSON with the names of the .proto file, so that features, keys and the prediction are named by
// pointers, as over HTTP. PURE; thread-safe once made.
//
// Numbers that are not set are written as 0, as proto3 means them; bytes as base64; an enum by its
// name; 64-bit integers with all their digits. Nothing is guessed: a field that the descriptors do
// not have is left out.
// Source: protobuf.dev, "ProtoJSON Format"; libprotobuf's DynamicMessage and util::json.

#include <memory>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "sidecar/monitor/decode/failure.h"
#include "sidecar/monitor/decode/message_body.h"

namespace outrider::decode {

class MessageSchemas {
 public:
  // `set` is the file's content. "bad_config", with what is wrong and what to run.
  static Result<std::shared_ptr<const MessageSchemas>> parse(std::string_view set);
  ~MessageSchemas();

  // Whether there is a method of that path: "/package.Service/Method".
  bool knows(std::string_view path) const;
  // Appends the message as JSON. invalid_message; unsupported_format for a method that is not
  // known.
  Decoded<void> write(std::string_view path, bool is_request, std::string_view message,
                      JsonText& json) const;

 private:
  struct Pool;
  explicit MessageSchemas(std::unique_ptr<Pool> pool);

  std::unique_ptr<Pool> pool_;
};

}  // namespace outrider::decode
