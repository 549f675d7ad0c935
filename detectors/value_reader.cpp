// SPDX-License-Identifier: Apache-2.0
#include "detectors/value_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/core/text.h"

namespace outrider::detectors {
namespace {

// A longer text is no number with marks between its thousands.
constexpr std::size_t marked_bytes_max = 64;
// Integers of so few digits are below 2^53.
constexpr std::size_t digits_always_exact = 15;

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

// Whether `number` is what the digits say, in full. No leading zeros.
bool holds(double number, std::string_view digits) {
  std::array<char, 400> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                          std::abs(number), std::chars_format::fixed);
  if (error != std::errc()) return false;
  return std::string_view(buffer.data(), static_cast<std::size_t>(end - buffer.data())) == digits;
}

// Whether the text is written as an integer, "12" or "12.000", that is not the number it was read
// as.
bool is_inexact_integer(std::string_view text, double number) {
  text = without_sign(text);
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  if (end <= digits_always_exact) return false;
  if (end < text.size()) {
    const bool zeros = text[end] == '.' && text.find_first_not_of('0', end + 1) == text.npos;
    if (!zeros) return false;
  }
  std::string_view digits = text.substr(0, end);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits.size() > digits_always_exact && !holds(number, digits);
}

bool starts_like_number(char c) {
  // Digits, signs, a point; i and n of inf and nan.
  return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'i' || c == 'I' || c == 'n' ||
         c == 'N';
}

// The text with the blanks, apostrophes and minus signs that Unicode has as those of ASCII. Nothing
// when it is too long or has another letter outside of ASCII.
std::optional<std::string_view> plain_marks(std::string_view text,
                                            std::array<char, marked_bytes_max>& buffer) {
  static constexpr std::pair<std::string_view, char> marks[] = {
      {"\u00A0", ' '}, {"\u2009", ' '}, {"\u202F", ' '}, {"\u2019", '\''}, {"\u2212", '-'}};
  if (text.size() > buffer.size()) return std::nullopt;
  std::size_t size = 0;
  while (!text.empty()) {
    if (static_cast<unsigned char>(text.front()) < 0x80) {
      buffer[size++] = text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto mark = std::find_if(std::begin(marks), std::end(marks),
                                   [&](const auto& m) { return text.starts_with(m.first); });
    if (mark == std::end(marks)) return std::nullopt;
    buffer[size++] = mark->second;
    text.remove_prefix(mark->first.size());
  }
  return std::string_view(buffer.data(), size);
}

// "1,234,567" with its thousands in threes, or as in India ("12,34,567"); the digits go to
// `digits`. No mark at all is fine too.
bool take_groups(std::string_view text, char decimal, std::string& digits) {
  char mark = 0;
  std::size_t group = 0, first = 0, groups = 0;
  bool threes = true, twos = true;  // Of the groups between the first and the last.
  for (const char c : text) {
    if (is_digit(c)) {
      digits += c;
      ++group;
      continue;
    }
    const bool may_mark = (c == ',' || c == '.' || c == ' ' || c == '\'') && c != decimal;
    if (!may_mark || (mark != 0 && c != mark) || group == 0) return false;
    mark = c;
    if (groups++ == 0) {
      first = group;
    } else {
      threes = threes && group == 3;
      twos = twos && group == 2;
    }
    group = 0;
  }
  if (groups == 0) return group > 0;
  if (group != 3 || text.front() == '0') return false;
  return (threes && first <= 3) || (twos && first <= 2 && mark == ',');
}

bool only_points(std::string_view text) {
  return text.find('.') != text.npos &&
         without_sign(text).find_first_not_of("0123456789.") == text.npos;
}

// What each decimal mark makes of a text that has some mark; nothing of both when its points alone
// could be dots.
struct Readings {
  std::optional<double> point, comma;
};

Readings read_both(std::string_view text) {
  if (text.find_first_of(",. '\xC2\xE2") == text.npos || only_points(text)) return {};
  return {parse_marked(text, DecimalMark::point), parse_marked(text, DecimalMark::comma)};
}

// A number that only its marks keep from being one, where it can be read in one way.
std::optional<double> read_marked_alone(std::string_view text) {
  const auto [point, comma] = read_both(text);
  if (point && comma && *point != *comma) return std::nullopt;
  return point ? point : comma;
}

Value number_of_text(double number, std::string_view text) {
  Value value = Value::of(number);
  value.text = text;
  return value;
}

// Missing, a boolean, or nothing of both.
std::optional<Value> read_word(std::string_view text) {
  if (says_missing(text)) return Value::none();
  if (const auto truth = parse_boolean(text)) return boolean_value(*truth);
  return std::nullopt;
}

bool may_be_marked(std::string_view text) {
  const char first = text.front();
  return text.size() <= marked_bytes_max &&
         (is_digit(first) || first == '-' || first == '+' || first == ',' || first == '\xE2');
}

}  // namespace

bool says_missing(std::string_view text) {
  switch (text.size()) {
    case 0:
      return true;
    case 1:
      return text[0] == '?' || text[0] == '-' || text[0] == '.';
    case 2:
      return text == "NA";
    case 3:
      return text == "N/A" || text == "n/a" || text == "#NA" || iequals_ascii(text, "nan");
    case 4:
      return text == "null" || text == "NULL" || text == "None" || text == "#N/A" ||
             text == "<NA>" ||
             ((text[0] == '-' || text[0] == '+') && iequals_ascii(text.substr(1), "nan"));
    case 6:
      return text == "1.#IND";
    case 7:
      return text == "-1.#IND" || text == "1.#QNAN";
    case 8:
      return text == "#N/A N/A" || text == "-1.#QNAN";
    default:
      return false;
  }
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

std::optional<double> parse_exact(std::string_view text) {
  if (text.empty() || !starts_like_number(text.front())) return std::nullopt;
  const auto number = parse_double(text);
  if (!number || std::isnan(*number)) return std::nullopt;
  if (text.size() > digits_always_exact && is_inexact_integer(text, *number)) return std::nullopt;
  return number;
}

std::optional<double> parse_marked(std::string_view text, DecimalMark mark) {
  std::array<char, marked_bytes_max> buffer;
  const auto plain = plain_marks(text, buffer);
  if (!plain || plain->empty()) return std::nullopt;
  const char decimal = mark == DecimalMark::point ? '.' : ',';
  const std::string_view rest = without_sign(*plain);
  const std::size_t cut = std::min(rest.find(decimal), rest.size());
  const std::string_view decimals = rest.substr(std::min(cut + 1, rest.size()));
  if (decimals.find_first_not_of("0123456789") != decimals.npos) return std::nullopt;
  if (cut == 0 && decimals.empty()) return std::nullopt;
  std::string number;  // Short: of at most 64 bytes.
  if (plain->front() == '-') number += '-';
  if (cut > 0 && !take_groups(rest.substr(0, cut), decimal, number)) return std::nullopt;
  if (!decimals.empty()) number.append(1, '.').append(decimals);
  return parse_exact(number);
}

bool is_exact(std::int64_t integer) {
  constexpr std::int64_t bound = std::int64_t{1} << 53;
  if (integer >= -bound && integer <= bound) return true;
  const auto magnitude =
      integer < 0 ? ~static_cast<std::uint64_t>(integer) + 1 : static_cast<std::uint64_t>(integer);
  return is_exact(magnitude);
}

bool is_exact(std::uint64_t integer) {
  // A double has 53 bits from its highest on.
  if (integer == 0) return true;
  const int bits = 64 - std::countl_zero(integer) - std::countr_zero(integer);
  return bits <= 53;
}

bool is_ambiguous_number(std::string_view text) {
  if (text.empty() || !may_be_marked(text) || parse_exact(text)) return false;
  const auto [point, comma] = read_both(text);
  return point && comma && *point != *comma;
}

bool has_leading_zero(std::string_view text) {
  text = without_sign(text);
  return text.size() > 1 && text[0] == '0' && is_digit(text[1]);
}

Value read_value(std::string_view text) {
  // Nearly always a short number, without blanks around it.
  if (const auto number = parse_plain_decimal(text)) return number_of_text(*number, text);
  text = trim(text);
  if (const auto number = parse_exact(text)) return number_of_text(*number, text);
  if (const auto word = read_word(text)) return *word;
  if (may_be_marked(text)) {
    if (const auto number = read_marked_alone(text)) return number_of_text(*number, text);
  }
  return Value::of(text);
}

Value read_value(std::string_view text, DecimalMark mark) {
  const std::string_view trimmed = trim(text);
  if (trimmed.empty() || !may_be_marked(trimmed)) return read_value(trimmed);
  const auto number = parse_marked(trimmed, mark);
  return number ? number_of_text(*number, trimmed) : read_value(trimmed);
}

std::string_view canonical_text(const Value& value, std::string& scratch) {
  if (value.kind == Value::Kind::missing) return {};
  if (value.kind == Value::Kind::text) {
    const auto truth = parse_boolean(value.text);
    return truth ? boolean_value(*truth).text : value.text;
  }
  const bool code = !value.text.empty() && std::isfinite(value.number) &&
                    (has_leading_zero(value.text) || !parse_exact(value.text));
  if (code) return value.text;
  scratch.clear();
  append_double(scratch, value.number + 0.0);  // One zero: -0 is 0.
  return scratch;
}

void merge_booleans(std::unordered_map<std::string, std::uint64_t>& counts) {
  if (!counts.contains("true") && !counts.contains("false")) return;
  for (const auto& [text, count] : counts) {
    if (text != "1" && text != "0" && parse_exact(text)) return;
  }
  for (const auto& [number, boolean] : {std::pair{"1", "true"}, std::pair{"0", "false"}}) {
    const auto found = counts.find(number);
    if (found == counts.end()) continue;
    counts[boolean] += found->second;
    counts.erase(number);
  }
}

bool same_class(const Value& a, const Value& b) {
  const auto is_none = [](const Value& value) {
    return value.kind == Value::Kind::missing ||
           (value.kind == Value::Kind::number && std::isnan(value.number));
  };
  if (is_none(a) || is_none(b)) return false;
  std::string scratch_a, scratch_b;
  const std::string_view text_a = canonical_text(a, scratch_a);
  const std::string_view text_b = canonical_text(b, scratch_b);
  if (text_a == text_b) return true;
  const bool boolean_a = parse_boolean(text_a).has_value();
  const bool boolean_b = parse_boolean(text_b).has_value();
  if (boolean_a == boolean_b) return false;
  // The other one as it would be a number: texts of labels are not read yet.
  const std::string_view number = boolean_a ? text_b : text_a;
  return number == (*parse_boolean(boolean_a ? text_a : text_b) ? "1" : "0");
}

}  // namespace outrider::detectors
