// SPDX-License-Identifier: Apache-2.0
#pragma once

// A gRPC call of several messages as several exchanges: each request's message with the response
// that belongs to it, the heads of the call around both. PURE, views only; not thread-safe.
//
//   GrpcStream stream(bytes_max);
//   if (stream.open(exchange)) while (const tap::Exchange* one = stream.next()) …
//   else …                                       // It has at most one message each way: as it is.
//
// Which response is whose: ModelStreamInfer's say the request's id. Without ids, and of other
// methods, the n-th response belongs to the n-th request where there are as many; of a single
// request's several responses the last one counts, as of a stream over HTTP. A response that says
// only that it is the last one (Triton's triton_final_response) is none. What cannot be paired is
// one exchange without a response, which a decoder refuses.
//
// A call that ended badly, or was left by its client, has answered what it has answered: those
// exchanges succeeded, and the others ended as the call did.
//
// Ids: the first exchange has the call's prediction id, the others ids made from it, alike in every
// run. Labels find them by the messages' ids, or by a key of the data.
//
// Bounds: messages_max each way; of what the tap left out, and of more, nothing is said here: it
// was not looked at. One look at a compressed message unpacks it, up to bytes_max. Source: Triton,
// "Decoupled Backends and Models"; KServe, grpc_predict_v2.proto.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sidecar/monitor/decode/content_coding.h"
#include "sidecar/monitor/decode/exchange_heads.h"
#include "sidecar/tap/exchange.h"

namespace outrider::decode {

class GrpcStream {
 public:
  static constexpr std::size_t messages_max = 1'024;

  explicit GrpcStream(std::size_t bytes_max) : unpacker_(bytes_max) {}

  // True where the call has several messages; `call` must live while they are asked for.
  bool open(const tap::Exchange& call);
  // The next exchange; null after the last one. Valid until the next call.
  const tap::Exchange* next();

 private:
  struct Message {
    std::string_view frame;
    std::string id;
    bool has_content = true;
  };
  struct Pair {
    std::string_view request, response;
  };

  bool read(std::string_view body, bool is_request, std::vector<Message>& into);
  void pair();
  bool pair_by_id();

  ExchangeHeads heads_;
  Unpacker unpacker_;
  bool are_inferences_ = false;
  const tap::Exchange* call_ = nullptr;
  std::vector<Message> requests_, responses_;
  std::vector<Pair> pairs_;
  std::size_t next_ = 0;
  tap::Exchange one_;
};

}  // namespace outrider::decode
