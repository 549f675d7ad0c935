// SPDX-License-Identifier: Apache-2.0
#pragma once

// Character classes of RFC 9110 and 9112, and comparisons of names. Private to this room.

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace outrider::http1 {

enum CharacterClass : std::uint8_t {
  token_class = 1,   // tchar
  value_class = 2,   // HTAB, SP, VCHAR, obs-text
  target_class = 4,  // visible ASCII without '#'
  digit_class = 8,
  host_class = 16,  // reg-name without the percent sign: unreserved, sub-delims
  hex_class = 32,
};

constexpr std::array<std::uint8_t, 256> make_character_classes() {
  std::array<std::uint8_t, 256> classes{};
  const auto add = [&](std::string_view characters, int bits) {
    for (const char c : characters) classes[static_cast<unsigned char>(c)] |= bits;
  };
  for (int c = 0x21; c < 0x7f; ++c) classes[c] |= value_class | target_class;
  for (int c = 0x80; c < 0x100; ++c) classes[c] |= value_class;
  add(" \t", value_class);
  classes['#'] &= ~target_class;
  add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", token_class | host_class);
  add("!#$%&'*+-.^_`|~", token_class);
  add("-._~!$&'()*+,;=", host_class);
  add("0123456789", digit_class | hex_class);
  add("abcdefABCDEF", hex_class);
  return classes;
}

inline constexpr std::array<std::uint8_t, 256> character_classes = make_character_classes();

inline bool is(char c, std::uint8_t classes) {
  return (character_classes[static_cast<unsigned char>(c)] & classes) != 0;
}

// The first byte in [at, end) that is not of the class; end when all are.
inline const char* skip(const char* at, const char* end, std::uint8_t classes) {
  while (at != end && is(*at, classes)) ++at;
  return at;
}

inline bool all(std::string_view text, std::uint8_t classes) {
  return skip(text.data(), text.data() + text.size(), classes) == text.data() + text.size();
}

// The following are skip() for one class each, 16 bytes at a time where there are 16: a head is
// mostly names, values and a target.
#if defined(__SSE2__)
inline __m128i load(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
// Bytes from `first` to `last`, as all ones. Comparisons of bytes are signed, so shift the range
// down to -128.
inline __m128i between(__m128i bytes, char first, char last) {
  const auto bias = static_cast<char>(-128 - first);
  return _mm_cmplt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(bias)),
                        _mm_set1_epi8(static_cast<char>(-128 + (last - first) + 1)));
}
inline __m128i is_byte(__m128i bytes, char c) {
  return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}
inline int first_of(int mask) {
  return __builtin_ctz(static_cast<unsigned>(mask));
}
#endif

// token_class
inline const char* skip_token(const char* at, const char* end) {
#if defined(__SSE2__)
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = load(at);
    const __m128i letter = between(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
    const __m128i usual =
        _mm_or_si128(_mm_or_si128(letter, between(bytes, '0', '9')), is_byte(bytes, '-'));
    const int stop = _mm_movemask_epi8(usual) ^ 0xffff;
    if (stop == 0) continue;
    at += first_of(stop);
    if (*at == ':' || *at == ' ')
      return at;  // What usually ends a token; others may be unusual tchars.
    break;
  }
#endif
  return skip(at, end, token_class);
}

// value_class
inline const char* skip_value(const char* at, const char* end) {
#if defined(__SSE2__)
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = load(at);
    const __m128i control = between(bytes, '\0', '\x1f');
    const int stop = _mm_movemask_epi8(
        _mm_or_si128(_mm_andnot_si128(is_byte(bytes, '\t'), control), is_byte(bytes, 0x7f)));
    if (stop != 0) return at + first_of(stop);
  }
#endif
  return skip(at, end, value_class);
}

// target_class
inline const char* skip_target(const char* at, const char* end) {
#if defined(__SSE2__)
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = load(at);
    const __m128i allowed = _mm_andnot_si128(is_byte(bytes, '#'), between(bytes, '!', '~'));
    const int stop = _mm_movemask_epi8(allowed) ^ 0xffff;
    if (stop != 0) return at + first_of(stop);
  }
#endif
  return skip(at, end, target_class);
}

inline std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Whether `text` (token characters only) is `lower` in any case. Setting bit 5 maps no other token
// character onto a letter, a digit or '-', so eight bytes are compared at a time.
template <std::size_t size_with_nul>
bool equals_lower(const char* text, const char (&lower)[size_with_nul]) {
  constexpr std::size_t size = size_with_nul - 1;
  constexpr std::uint64_t bit5 = 0x2020202020202020u;
  if constexpr (size >= 8) {
    for (std::size_t at = 0;; at += 8) {
      const std::size_t from = at + 8 <= size ? at : size - 8;
      std::uint64_t a = 0, b = 0;
      std::memcpy(&a, text + from, 8);
      std::memcpy(&b, lower + from, 8);
      if ((a | bit5) != b) return false;
      if (from + 8 == size) return true;
    }
  } else {
    for (std::size_t i = 0; i < size; ++i) {
      if ((text[i] | 0x20) != lower[i]) return false;
    }
    return true;
  }
}

// A number of decimal digits alone.
inline bool parse_digits(std::string_view value, std::uint64_t& out) {
  // 18 digits cannot overflow and are more than any disk holds; nor do peers disagree on them.
  if (value.empty() || value.size() > 18 || !all(value, digit_class)) return false;
  out = 0;
  for (const char digit : value) out = out * 10 + static_cast<std::uint64_t>(digit - '0');
  return true;
}

// Calls each(element) for the elements of a comma-separated list, blanks around them removed; empty
// ones are left out (RFC 9110, 5.6.1.2). Stops, and returns false, when `each` does.
template <class Each>
bool for_each_element(std::string_view list, Each&& each) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim_blanks(list.substr(0, comma));
    if (!element.empty() && !each(element)) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
  return true;
}

}  // namespace outrider::http1
