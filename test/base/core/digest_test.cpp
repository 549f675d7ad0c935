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

TEST_CASE("HMAC-SHA-256 gives the digests of RFC 4231 and of GitHub's documentation") {
  CHECK(outrider::hmac_sha256_hex(std::string(20, '\x0b'), "Hi There") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(outrider::hmac_sha256_hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // A key of more than a block.
  CHECK(outrider::hmac_sha256_hex(std::string(131, '\xaa'),
                                  "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  // "Validating webhook deliveries", testing the webhook payload validation.
  CHECK(outrider::hmac_sha256_hex("It's a Secret to Everybody", "Hello, World!") ==
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
}
