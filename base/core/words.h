// SPDX-License-Identifier: Apache-2.0
#pragma once

// An enumeration's values and the words for them, as one table that is read both ways. O(words); thread-safe.
//
//   constexpr std::array<Word<Kind>, 2> kinds = {{{Kind::retrain, "retrain"}, {Kind::scale, "scale"}}};
//   word_of(kinds, Kind::scale);     // "scale"
//   parse_word(kinds, "retrain");    // Kind::retrain; nothing for a word that is none of them

#include <optional>
#include <string_view>
#include <utility>

namespace outrider {

template <class Enum>
using Word = std::pair<Enum, std::string_view>;

// "" for a value that the table lacks.
template <class Table, class Enum>
constexpr std::string_view word_of(const Table& table, Enum value) {
  for (const auto& [one, word] : table) {
    if (one == value) return word;
  }
  return {};
}

template <class Table>
constexpr auto parse_word(const Table& table, std::string_view text)
    -> std::optional<typename Table::value_type::first_type> {
  for (const auto& [one, word] : table) {
    if (word == text) return one;
  }
  return std::nullopt;
}

}  // namespace outrider
