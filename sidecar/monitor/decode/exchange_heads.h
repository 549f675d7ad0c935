// SPDX-License-Identifier: Apache-2.0
#pragma once

// The heads and trailers of a captured exchange, taken apart. Of every protocol: the tap writes
// HTTP/2's heads as HTTP/1.1's (tap/exchange.h). PURE. Not thread-safe: it keeps the parsed heads.
// A client's heads are mostly the same, byte for byte: what equals the last one's is not parsed.
//
//   ExchangeHeads heads;
//   if (heads.read(exchange)) heads.fill(parts);

#include <array>
#include <string>
#include <string_view>

#include "sidecar/http1/head.h"
#include "sidecar/monitor/decode/exchange_parts.h"
#include "sidecar/tap/exchange.h"

namespace outrider::decode {

class ExchangeHeads {
 public:
  // False for what is no head. Views are into the exchange's bytes, or valid until read().
  bool read(const tap::Exchange& exchange);
  // What heads and trailers say, and the exchange's status, outcome and times; valid until read().
  void fill(ExchangeParts& parts);

  const http1::RequestHead& request() const { return request_; }
  // A field of the response, of its trailers, else of the request; "" where none has it.
  std::string_view value_of(std::string_view name) const;
  // Of the response alone; "" without one.
  std::string_view answered(http1::FieldId id) const {
    return has_response_ ? response_.value_of(id) : std::string_view();
  }
  std::string_view answered(std::string_view name) const;
  bool is_packed() const;  // A body has a Content-Encoding, or a grpc-encoding.

 private:
  std::string_view answered(std::string_view in_head, std::string_view name) const;
  bool read_request(std::string_view text);
  bool read_response(std::string_view text);

  const tap::Exchange* exchange_ = nullptr;
  // What the heads were parsed from, and hold views of; "": of nothing that can be used again.
  std::string request_text_, response_text_;
  http1::RequestHead request_;
  http1::ResponseHead response_;
  http1::ResponseContext response_context_;  // How it was read depends on its request.
  bool has_response_ = false;
  // Fields that only their names tell, looked for when a head is parsed.
  std::string_view request_message_coding_;
  struct {
    std::string_view message_coding, puid, event_id;
  } said_;
  std::array<std::string_view, 5> aliases_{};
};

// The value of a field among lines of fields, any case; "" where it is not.
std::string_view field_in(std::string_view lines, std::string_view name);

}  // namespace outrider::decode
