// SPDX-License-Identifier: Apache-2.0
#pragma once

// Takes a body's Content-Encoding off: gzip, x-gzip, deflate, zstd and identity, several in a row
// too. PURE. Not thread-safe: it keeps its contexts and buffer between calls.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/failure.h"

namespace outrider::decode {

class Unpacker {
 public:
  explicit Unpacker(std::size_t bytes_max);
  ~Unpacker();
  Unpacker(Unpacker&&) noexcept;
  Unpacker& operator=(Unpacker&&) noexcept;

  // The plain body: `body` itself when nothing is to be done, else a view that is valid until the
  // next call. `codings` is the field's value. Failures: unsupported_encoding; invalid_encoding;
  // unpacked_too_large when the plain body would be larger than the limit, so a small bomb costs at
  // most that much.
  Decoded<std::string_view> unpack(std::string_view codings, std::string_view body);

 private:
  struct Contexts;
  Decoded<std::string_view> unpack_one(std::string_view coding, std::string_view body);

  std::size_t bytes_max_;
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace outrider::decode
