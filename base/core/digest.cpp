// SPDX-License-Identifier: Apache-2.0
#include "base/core/digest.h"

#include <openssl/evp.h>

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

}  // namespace outrider
