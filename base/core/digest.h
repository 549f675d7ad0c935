// SPDX-License-Identifier: Apache-2.0
#pragma once

// SHA-256 (FIPS 180-4), by OpenSSL: names what bytes are, e.g. a data set, a reference, a stored
// state. PURE; one object is not thread-safe. O(bytes).
//
//   Sha256 digest;
//   while (read a piece) digest.update(piece);
//   std::string name = digest.hex();        // 64 hexadecimal digits, lower case; ends the digest.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace outrider {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  std::array<std::uint8_t, 32> bytes();  // Ends the digest; update() begins a new one.
  std::string hex();                     // As bytes(), in 64 hexadecimal digits.

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::string_view bytes);

// HMAC-SHA-256 (RFC 2104), in 64 hexadecimal digits: that `bytes` come from somebody who has `key`.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);

}  // namespace outrider
