// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the fields of a head mean, and whether they may stand there (RFC 9113, section 8). PURE.
//
//   RequestHead head;
//   if (!judge(block, head)) …              // malformed_head
//   head.path, head.content_length, …       // views into the block
//
// Fields that belong to one connection (Connection, Transfer-Encoding, Upgrade …) make a head
// malformed, as do capitals in a name, controls in a value, and two names of one host.
//
// Complexity: linear; nothing allocates. Thread-safe.

#include <cstdint>
#include <string_view>

#include "sidecar/http2/field.h"

namespace outrider::http2 {

inline constexpr std::int64_t no_content_length = -1;

struct RequestHead {
  std::string_view method, scheme, authority, path;  // authority: of :authority, else of Host.
  std::string_view content_type, model_name;         // The second: X-Model-Name.
  std::int64_t content_length = no_content_length;
  bool is_connect = false;
  bool is_grpc = false;  // By its Content-Type.
};

struct ResponseHead {
  int status = 0;
  std::string_view content_type, model_name;
  std::string_view grpc_status;  // Of Trailers-Only.
  std::int64_t content_length = no_content_length;
  bool interim() const { return status < 200; }
};

// False: malformed.
bool judge(const FieldBlock& block, RequestHead& head);
bool judge(const FieldBlock& block, ResponseHead& head);
bool judge_trailers(const FieldBlock& block);

// "application/grpc", with or without "+proto" and parameters.
bool is_grpc(std::string_view content_type);

}  // namespace outrider::http2
