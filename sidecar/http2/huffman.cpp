// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/huffman.h"

#include <array>
#include <cstdint>

namespace outrider::http2 {
namespace {

constexpr int symbols = 257, end_of_string = 256, bits_max = 30, quick_bits = 8;

// Bits of each word, by symbol; the last one is the string's end.
constexpr std::array<std::uint8_t, symbols> lengths{
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,
    7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,
    7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30};

struct Code {
  std::array<std::uint32_t, symbols> word{};             // By symbol, in its low bits.
  std::array<std::uint16_t, symbols> ordered{};          // Symbols, shortest word first.
  std::array<std::uint32_t, bits_max + 2> first_word{};  // By length.
  std::array<std::uint16_t, bits_max + 2> first_at{}, count{};
  std::array<std::uint16_t, 1 << quick_bits> quick{};  // Symbol * 16 + length; 0: longer.
};

constexpr Code make_code() {
  Code code;
  std::uint32_t word = 0;
  std::uint16_t at = 0;
  for (int length = 1; length <= bits_max; ++length) {
    word <<= 1;
    code.first_word[length] = word;
    code.first_at[length] = at;
    for (int symbol = 0; symbol < symbols; ++symbol) {
      if (lengths[symbol] != length) continue;
      code.word[symbol] = word++;
      code.ordered[at++] = static_cast<std::uint16_t>(symbol);
    }
    code.count[length] = static_cast<std::uint16_t>(at - code.first_at[length]);
  }
  for (int symbol = 0; symbol < symbols; ++symbol) {
    const int rest = quick_bits - lengths[symbol];
    if (rest < 0) continue;
    for (std::uint32_t i = 0; i < (1u << rest); ++i)
      code.quick[(code.word[symbol] << rest) + i] =
          static_cast<std::uint16_t>(symbol * 16 + lengths[symbol]);
  }
  return code;
}

constexpr Code code = make_code();
static_assert(code.word['0'] == 0 && code.word[end_of_string] == 0x3fffffff);

struct Word {
  int symbol;
  int length;
};

// The word at the left of `window`, which holds at least quick_bits + 1 and is filled with ones.
Word long_word(std::uint32_t window) {
  for (int length = quick_bits + 1; length <= bits_max; ++length) {
    const std::uint32_t offset = (window >> (32 - length)) - code.first_word[length];
    if (offset < code.count[length]) return {code.ordered[code.first_at[length] + offset], length};
  }
  return {end_of_string, bits_max};
}

}  // namespace

std::ptrdiff_t huffman_decode(std::string_view bytes, char* out) {
  const char* const begin = out;
  std::uint64_t held = 0;  // Its low `bits` are not decoded yet.
  int bits = 0;
  std::size_t at = 0;
  for (;;) {
    while (bits <= 48 && at < bytes.size()) {
      held = held << 8 | static_cast<unsigned char>(bytes[at++]);
      bits += 8;
    }
    if (bits == 0) break;
    const std::uint64_t ones = ~std::uint64_t{0};
    const auto window = static_cast<std::uint32_t>(
        bits >= 32 ? held >> (bits - 32) : held << (32 - bits) | (ones >> (32 + bits)));
    const std::uint16_t quick = code.quick[window >> (32 - quick_bits)];
    const Word word = quick != 0 ? Word{quick >> 4, quick & 15} : long_word(window);
    if (word.length > bits) {
      // Padding: less than a byte, all ones, the beginning of the string's end.
      const std::uint64_t rest = held & ((std::uint64_t{1} << bits) - 1);
      if (bits >= 8 || rest != (std::uint64_t{1} << bits) - 1) return -1;
      break;
    }
    if (word.symbol == end_of_string) return -1;
    *out++ = static_cast<char>(word.symbol);
    bits -= word.length;
  }
  return out - begin;
}

std::size_t huffman_encoded_size(std::string_view text) {
  std::size_t bits = 0;
  for (const char c : text) bits += lengths[static_cast<unsigned char>(c)];
  return (bits + 7) / 8;
}

void huffman_encode(std::string_view text, std::string& out) {
  std::uint64_t held = 0;
  int bits = 0;
  for (const char c : text) {
    const auto symbol = static_cast<unsigned char>(c);
    held = held << lengths[symbol] | code.word[symbol];
    bits += lengths[symbol];
    for (; bits >= 8; bits -= 8) out += static_cast<char>(held >> (bits - 8));
  }
  if (bits > 0) out += static_cast<char>(held << (8 - bits) | (0xffu >> bits));
}

}  // namespace outrider::http2
