// SPDX-License-Identifier: Apache-2.0
#pragma once

// The messages of one gRPC call as the bodies that HTTP has (message_body.h): unpacked, and laid
// out by the protocol of the method, or by the descriptors that the configuration names. PURE. Not
// thread-safe: it keeps its buffers.
//
//   GrpcMessages messages(rules);
//   if (messages.knows(path)) {
//     const auto request = messages.request(coding, body);     // valid until the next request()
//     const auto answer = messages.answer(coding, body);
//   }
//
// One message each way; a stream is taken apart before (grpc_stream.h). Failures: those of
// protocols/grpc.h, of Unpacker; wrong_shape for none or several messages.

#include <memory>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/content_coding.h"
#include "sidecar/monitor/decode/grpc_frames.h"
#include "sidecar/monitor/decode/message_body.h"
#include "sidecar/monitor/decode/protocols/grpc.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class GrpcMessages {
 public:
  explicit GrpcMessages(const Rules& rules);

  // Whether a call of that path can be decoded; it is the one of the next request() and answer().
  bool knows(std::string_view path);

  // `coding` is the call's grpc-encoding.
  Decoded<const MessageBody*> request(std::string_view coding, std::string_view body);
  Decoded<const MessageBody*> answer(std::string_view coding, std::string_view body);

 private:
  struct Side {
    Unpacker unpacker;
    MessageBody body;
  };
  Decoded<const MessageBody*> open(Side& side, bool is_request, std::string_view coding,
                                   std::string_view body);

  std::shared_ptr<const MessageSchemas> schemas_;  // Null: none.
  const protocols::GrpcProtocol* protocol_ = nullptr;
  std::string path_;  // Of the last call: traffic is mostly of one method.
  bool is_known_ = false;
  Side request_, answer_;
};

// A frame's message without its compression: invalid_encoding where it is compressed and the call
// does not say how, else as Unpacker.
Decoded<std::string_view> unpack(const GrpcFrame& frame, std::string_view coding,
                                 Unpacker& unpacker);

}  // namespace outrider::decode
