// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/huffman.h"

#include <random>

#include "test/support/catch.h"

namespace outrider::http2 {
namespace {

std::string decoded(std::string_view bytes) {
  std::string room(huffman_decoded_max(bytes.size()), '\0');
  const std::ptrdiff_t size = huffman_decode(bytes, room.data());
  if (size < 0) return "invalid";
  room.resize(static_cast<std::size_t>(size));
  return room;
}

std::string encoded(std::string_view text) {
  std::string out;
  huffman_encode(text, out);
  return out;
}

TEST_CASE("Huffman: the examples of RFC 7541 are coded as they stand there") {
  CHECK(encoded("www.example.com") == "\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff");
  CHECK(encoded("no-cache") == "\xa8\xeb\x10\x64\x9c\xbf");
  CHECK(encoded("custom-value") == "\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf");
  CHECK(decoded("\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff") == "www.example.com");
}

TEST_CASE("Huffman: every byte and random texts come back, and their size was foretold") {
  std::mt19937 random(7);
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  CHECK(decoded(encoded(all)) == all);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random() % 3 == 0 ? random() : 'a' + random() % 26);
    CHECK(encoded(text).size() == huffman_encoded_size(text));
    CHECK(decoded(encoded(text)) == text);
  }
}

TEST_CASE("Huffman: padding of a byte or of zeros, and the end of string, are refused") {
  CHECK(decoded("\x1f") == "a");                        // 00011 and three ones
  CHECK(decoded("\x1f\xff") == "invalid");              // a whole byte of padding
  CHECK(decoded(std::string("\x18", 1)) == "invalid");  // 00011 and zeros
  CHECK(decoded("\xff\xff\xff\xff") == "invalid");
  CHECK(decoded("").empty());
}

}  // namespace
}  // namespace outrider::http2
