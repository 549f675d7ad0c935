// SPDX-License-Identifier: Apache-2.0
#pragma once

// An enumeration's values and the words for them, as one table that is read both ways. O(words);
// thread-safe.
//
//   constexpr std::array<EnumName<Kind>, 2> kinds = {{{Kind::retrain, "retrain"}, {Kind::scale,
//   "scale"}}};
//   enum_name(kinds, Kind::scale);     // "scale"
//   parse_enum_name(kinds, "retrain");    // Kind::retrain; nothing for a word that is none of them

#include <optional>
#include <string_view>
#include <utility>

namespace outrider {

template <class Enum>
using EnumName = std::pair<Enum, std::string_view>;

// "" for a value that the table lacks.
template <class Table, class Enum>
constexpr std::string_view enum_name(const Table& table, Enum value) {
  for (const auto& [one, word] : table) {
    if (one == value) return word;
  }
  return {};
}

template <class Table>
constexpr auto parse_enum_name(const Table& table, std::string_view text)
    -> std::optional<typename Table::value_type::first_type> {
  for (const auto& [one, word] : table) {
    if (word == text) return one;
  }
  return std::nullopt;
}

}  // namespace outrider
