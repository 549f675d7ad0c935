// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B). The code is canonical, so the
// lengths of its 257 words are all that is written down. PURE.
//
//   char room[huffman_decoded_max(n)];
//   const std::ptrdiff_t size = huffman_decode(bytes, room);   // -1: no such words
//
// Complexity: linear; nothing allocates. Thread-safe.

#include <cstddef>
#include <string>
#include <string_view>

namespace outrider::http2 {

// The shortest word has five bits.
constexpr std::size_t huffman_decoded_max(std::size_t encoded) {
  return encoded * 8 / 5;
}

// Into `out`, which has room for huffman_decoded_max() bytes. How many it wrote; -1 where the bytes
// hold the word of the string's end, or do not end in less than eight bits of ones.
std::ptrdiff_t huffman_decode(std::string_view bytes, char* out);

std::size_t huffman_encoded_size(std::string_view text);
void huffman_encode(std::string_view text, std::string& out);  // Appends.

}  // namespace outrider::http2
