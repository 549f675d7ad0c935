// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/message_schemas.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <utility>

namespace outrider::decode {
namespace {

namespace pb = google::protobuf;

constexpr std::size_t message_bytes_max = 64 << 20;

// Of a file that does not fit its imports, the first word.
class FirstError final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& message) override {
    if (text.empty()) text = file + ": " + element + ": " + message;
  }
  std::string text;
};

constexpr const char* how =
    "; write it by protoc --include_imports --descriptor_set_out=FILE SERVICE.proto";

// What a file is that is no set of descriptors, where its first bytes tell.
std::string_view seen_in(std::string_view content) {
  if (content.empty()) return "the file is empty";
  const auto is_text = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= ' ' || byte == '\n' || byte == '\r' || byte == '\t';
  };
  const std::string_view head = content.substr(0, 4096);
  return std::all_of(head.begin(), head.end(), is_text)
             ? "the file is text, as the source of a service (.proto) is"
             : "the file is something else, or was cut off";
}

}  // namespace

struct MessageSchemas::Pool {
  struct Method {
    const pb::Message* request;
    const pb::Message* answer;
  };
  pb::DescriptorPool descriptors;
  std::unique_ptr<pb::DynamicMessageFactory> factory =
      std::make_unique<pb::DynamicMessageFactory>(&descriptors);
  std::map<std::string, Method, std::less<>> methods;

  void add(const pb::FileDescriptor& file) {
    for (int i = 0; i < file.service_count(); ++i) {
      const pb::ServiceDescriptor& service = *file.service(i);
      for (int j = 0; j < service.method_count(); ++j) {
        const pb::MethodDescriptor& method = *service.method(j);
        methods["/" + service.full_name() + "/" + method.name()] = {
            factory->GetPrototype(method.input_type()),
            factory->GetPrototype(method.output_type())};
      }
    }
  }
};

MessageSchemas::MessageSchemas(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
MessageSchemas::~MessageSchemas() = default;

Result<std::shared_ptr<const MessageSchemas>> MessageSchemas::parse(std::string_view set) {
  pb::SetLogHandler(nullptr);  // It writes a line for each text of outside that is none.
  pb::FileDescriptorSet files;
  if (set.size() > message_bytes_max ||
      !files.ParseFromArray(set.data(), static_cast<int>(set.size())) || files.file_size() == 0) {
    return fail(
        "bad_config",
        std::string("expected a set of descriptors, but ").append(seen_in(set)).append(how));
  }
  auto pool = std::make_unique<Pool>();
  FirstError error;
  for (const pb::FileDescriptorProto& file : files.file()) {
    const pb::FileDescriptor* built = pool->descriptors.BuildFileCollectingErrors(file, &error);
    if (built == nullptr) return fail("bad_config", error.text + how);
    pool->add(*built);
  }
  if (pool->methods.empty())
    return fail("bad_config", std::string("the set of descriptors has no service") + how);
  return std::shared_ptr<const MessageSchemas>(new MessageSchemas(std::move(pool)));
}

bool MessageSchemas::knows(std::string_view path) const {
  return pool_->methods.find(path) != pool_->methods.end();
}

Decoded<void> MessageSchemas::write(std::string_view path, bool is_request,
                                    std::string_view message, JsonText& json) const {
  const auto method = pool_->methods.find(path);
  if (method == pool_->methods.end()) return failed(FailReason::unsupported_format);
  if (message.size() > message_bytes_max) return failed(FailReason::unpacked_too_large);
  const pb::Message* prototype = is_request ? method->second.request : method->second.answer;
  const std::unique_ptr<pb::Message> parsed(prototype->New());
  if (!parsed->ParsePartialFromArray(message.data(), static_cast<int>(message.size())))
    return failed(FailReason::invalid_message);
  pb::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!pb::util::MessageToJsonString(*parsed, &text, options).ok())
    return failed(FailReason::invalid_message);
  json.raw(text);
  return {};
}

}  // namespace outrider::decode
