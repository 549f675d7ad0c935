// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one reader of values: a text as somebody wrote it -> Value. PURE; thread-safe; allocates
// nothing.
//
// Training data, profiles, bodies of CSV, queries, strings in JSON, labels and recorded files are
// all read by it, so that a value that training took for missing, for a number or for `true` is
// that in live traffic too.
//
//   read_value("NA")                     missing
//   read_value(" 45.2 ")                 the number 45.2, which carries the text "45.2"
//   read_value("True")                   the text "true"
//   read_value("9007199254740993")       a text: no double holds that integer
//   as_number(read_value("True"))        1
//   same_class(read_value("1.0"), read_value("true"))   true
//
// Missing.  What pandas' read_csv takes for it by default (io.parsers, STR_NA_VALUES) and R writes: "", NA, N/A, n/a, <NA>,
//   #N/A, #N/A N/A, #NA, nan in any case and with a sign, NULL, null, None, 1.#IND, 1.#QNAN and
//   both with a minus; blanks; and ?, - and . alone, which public data sets and SAS write. So no
//   number that is read is NaN.
// Booleans. True, TRUE, true, False, FALSE, false are the texts "true" and "false" (static: they
//   outlive their source). Where a number is wanted they are 1 and 0; and 1 and 0 are the
//   categories true and false where those are known (Binning::classify, same_class).
// Numbers.  parse_double's grammar, a leading '+', surrounding blanks; inf and Infinity too: who counts them judges
//   them. The value carries its text without the blanks. An integer that a double cannot hold
//   exactly (beyond 2^53) is no number but a text with all its digits: it is a name, and its
//   neighbour must not be taken for it.
// Codes.    A number with a leading zero ("01234") or with marks between its thousands keeps that text as its category
//   and class (canonical_text); "1", "1.0" and "1e0" are one.
// Marks.    "1,234,567.8", "1.234.567,8", "12,5", "1 234", "1'234", "12,34,567": numbers where they can be read in one
//   way only. "1,234" can be two numbers, so alone it is a text; a column decides by its other
//   cells (detectors/column_numbers.h) and reads by read_value(text, mark). "1.234" alone is 1.234,
//   as every program has it; a text of points alone ("192.168.100.200") is a text.
// Everything else is the text, without the blanks around it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "detectors/value.h"

namespace outrider::detectors {

// What stands before the decimals. The other one, a blank or an apostrophe may stand between
// thousands.
enum class DecimalMark : std::uint8_t { point, comma };

// The value as above. A view into `text`, or static. ~20 ns.
Value read_value(std::string_view text);
// The same in a column whose decimal mark is known: what may be read in two ways is read by it, and
// what it does not read (12.5 where the mark is the comma) as if alone.
Value read_value(std::string_view text, DecimalMark mark);

// JSON's true and false, and those of other typed formats.
inline Value boolean_value(bool truth) {
  return Value::of(truth ? std::string_view("true") : std::string_view("false"));
}

// Whether the text, without blanks around it, is a spelling of missing.
bool says_missing(std::string_view text);
// True, TRUE, true, False, FALSE, false; nothing else.
std::optional<bool> parse_boolean(std::string_view text);
// A number in the grammar of parse_double, or nothing: also when it is an integer that no double
// holds. Without blanks.
std::optional<double> parse_exact(std::string_view text);
// A number with this decimal mark and perhaps marks between its thousands, in groups of three (or
// as in India, 12,34,567). Also plain numbers without exponent. Without blanks around it.
std::optional<double> parse_marked(std::string_view text, DecimalMark mark);
// Whether a double holds this integer exactly.
bool is_exact(std::int64_t integer);
bool is_exact(std::uint64_t integer);

// Whether the text is "1,234" or the like: another number by each decimal mark, so that alone it is
// none.
bool is_ambiguous_number(std::string_view text);

// A leading zero before a digit ("007", "-01"): more a name than a number.
bool has_leading_zero(std::string_view text);

// The value where a number is wanted: its number, 1 or 0 of a boolean; nothing of missing and other
// texts.
inline std::optional<double> as_number(const Value& value) {
  if (value.kind == Value::Kind::number) return value.number;
  if (value.kind == Value::Kind::missing) return std::nullopt;
  const auto truth = parse_boolean(value.text);
  return truth ? std::optional<double>(*truth ? 1.0 : 0.0) : std::nullopt;
}

// The value as a category or class, in its one spelling: "true" or "false"; a number in its
// shortest form, or, of a code, its text; else the text. Missing is "". `scratch` holds the text
// where one has to be made.
std::string_view canonical_text(const Value& value, std::string& scratch);

// In counts of canonical texts, 1 is true and 0 is false where there are booleans and no other
// numbers.
void merge_booleans(std::unordered_map<std::string, std::uint64_t>& counts);

// Whether two values are one class: one canonical text, or a boolean and its number. Missing and
// NaN are of no class.
bool same_class(const Value& a, const Value& b);

}  // namespace outrider::detectors
