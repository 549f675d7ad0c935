// SPDX-License-Identifier: Apache-2.0
#include "base/core/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <new>
#include <stdexcept>

namespace outrider {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() {
    if (!evp) throw std::bad_alloc();
    begin();
  }
  ~Context() { EVP_MD_CTX_free(evp); }
  void begin() {
    // Fails only where a FIPS policy removed SHA-256, which no policy does.
    if (EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) != 1) {
      throw std::runtime_error("OpenSSL has no SHA-256");
    }
  }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size());
}

std::array<std::uint8_t, 32> Sha256::bytes() {
  std::array<std::uint8_t, 32> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_->evp, digest.data(), &size);
  context_->begin();
  return digest;
}

std::string Sha256::hex() {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes()) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.hex();
}

std::string hmac_sha256_hex(std::string_view key, std::string_view bytes) {
  constexpr std::size_t block = 64;
  std::array<std::uint8_t, block> padded{};
  Sha256 digest;
  if (key.size() > block) {
    digest.update(key);
    const auto hashed = digest.bytes();
    std::copy(hashed.begin(), hashed.end(), padded.begin());
  } else {
    std::copy(key.begin(), key.end(), padded.begin());
  }
  const auto pass = [&](std::uint8_t pad, std::string_view message) {
    std::string start;
    for (const std::uint8_t byte : padded) start.push_back(static_cast<char>(byte ^ pad));
    digest.update(start);
    digest.update(message);
  };
  pass(0x36, bytes);
  const auto inner = digest.bytes();
  pass(0x5c, std::string_view(reinterpret_cast<const char*>(inner.data()), inner.size()));
  return digest.hex();
}

}  // namespace outrider
