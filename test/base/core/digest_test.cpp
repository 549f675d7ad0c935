// SPDX-License-Identifier: Apache-2.0
#include "base/core/digest.h"

#include "test/support/catch.h"

using namespace outrider;

TEST_CASE("SHA-256 gives the digests of FIPS 180-4's examples") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("SHA-256 of pieces is that of the whole, and a digest can be used again") {
  Sha256 digest;
  digest.update("a");
  digest.update("bc");
  CHECK(digest.hex() == sha256_hex("abc"));
  digest.update("abc");
  CHECK(digest.hex() == sha256_hex("abc"));
}
