// SPDX-License-Identifier: Apache-2.0
#include "detectors/value_reader.h"

#include <cmath>
#include <limits>

#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Expected {
  std::string_view text;
  Value value;
};

std::string canonical(std::string_view text) {
  std::string scratch;
  return std::string(canonical_text(read_value(text), scratch));
}

}  // namespace

TEST_CASE("every spelling of missing that pandas, R, UCI and SAS have is missing") {
  for (const std::string_view text :
       {"",        " ",       "\t",       "NA",     "N/A", "n/a",  "<NA>", "#N/A", "#N/A N/A",
        "#NA",     "nan",     "NaN",      "-nan",   "NAN", "-NaN", "NULL", "null", "None",
        "-1.#IND", "1.#QNAN", "-1.#QNAN", "1.#IND", "?",   "-",    ".",    " NA "}) {
    INFO("'" << text << "'");
    CHECK(read_value(text).kind == Value::Kind::missing);
    CHECK(read_value(text, DecimalMark::comma).kind == Value::Kind::missing);
  }
  for (const std::string_view text : {"none", "na", "Null", "--", "..", "NAs", "unknown", "N.A."}) {
    INFO("'" << text << "'");
    CHECK(read_value(text).kind == Value::Kind::text);
    CHECK(read_value(text).text == text);
  }
}

TEST_CASE("a number is read with its text, whatever blanks and sign stand before it") {
  const Expected all[] = {{"45.2", Value::of(45.2)},
                          {" 45.2 ", Value::of(45.2)},
                          {"+7", Value::of(7.0)},
                          {"-0.5", Value::of(-0.5)},
                          {".5", Value::of(0.5)},
                          {"5.", Value::of(5.0)},
                          {"1e3", Value::of(1000.0)},
                          {"01234", Value::of(1234.0)},
                          {"inf", Value::of(infinity)},
                          {"-Infinity", Value::of(-infinity)},
                          {"9007199254740992", Value::of(9007199254740992.0)},
                          {"1,234,567.8", Value::of(1234567.8)},
                          {"1.234.567,8", Value::of(1234567.8)},
                          {"12,5", Value::of(12.5)},
                          {"-12,5", Value::of(-12.5)},
                          {"1 234,5", Value::of(1234.5)},
                          {"1 234", Value::of(1234.0)},
                          {"1'234.5", Value::of(1234.5)},
                          {"12,34,567", Value::of(1234567.0)},
                          {"1\u00A0234,5", Value::of(1234.5)},
                          {"\u22125,25", Value::of(-5.25)},
                          {"1.234", Value::of(1.234)},
                          {"0,125", Value::of(0.125)}};
  for (const auto& [text, expected] : all) {
    const Value value = read_value(text);
    INFO("'" << text << "' " << value.number);
    CHECK(value.kind == Value::Kind::number);
    CHECK(value.number == expected.number);
    CHECK(text.find(value.text) != text.npos);
    CHECK_FALSE(value.text.empty());
  }
}

TEST_CASE("what is no number for certain is a text with every letter") {
  for (const std::string_view text : {"1,234",
                                      "12,345",
                                      "1,23,4",
                                      "1,2345,678",
                                      "0,123,456",
                                      "1,,234",
                                      ",",
                                      "1.2.3",
                                      "192.168.100.200",
                                      "1.234.567",
                                      "12:30",
                                      "2024-02-25",
                                      "25/02/2024",
                                      "0x10",
                                      "1e",
                                      "++1",
                                      "+-1",
                                      "$5",
                                      "5%",
                                      "1_000",
                                      "one",
                                      "1 2",
                                      "12 34 567",
                                      "9007199254740993",
                                      "-9007199254740993",
                                      "9007199254740993.0",
                                      "123456789012345678901234567890",
                                      "18446744073709551615"}) {
    INFO("'" << text << "'");
    CHECK(read_value(text).kind == Value::Kind::text);
    CHECK(read_value(text).text == text);
  }
  CHECK(read_value("18446744073709551616").kind == Value::Kind::number);  // 2^64, exactly.
  CHECK(read_value("123456789.123456789012").kind == Value::Kind::number);
  CHECK(read_value(std::string(100'000, '9')).kind == Value::Kind::text);
}

TEST_CASE("a column's decimal mark settles what one text leaves open") {
  CHECK(read_value("1,234", DecimalMark::point).number == 1234);
  CHECK(read_value("1,234", DecimalMark::comma).number == 1.234);
  CHECK(read_value("1.234", DecimalMark::point).number == 1.234);
  CHECK(read_value("1.234", DecimalMark::comma).number == 1234);
  CHECK(read_value("1.234.567", DecimalMark::comma).number == 1234567);
  CHECK(read_value("12.5", DecimalMark::comma).number == 12.5);  // It can be no other number.
  CHECK(read_value("12,5", DecimalMark::point).number == 12.5);
  CHECK(read_value("1,2,3", DecimalMark::comma).kind == Value::Kind::text);
  CHECK(read_value("1e3", DecimalMark::comma).number == 1000);
  CHECK(read_value("-inf", DecimalMark::comma).number == -infinity);
  CHECK(read_value("True", DecimalMark::comma).text == "true");
  CHECK(read_value("", DecimalMark::comma).kind == Value::Kind::missing);
}

TEST_CASE("a number that is another one by each decimal mark is ambiguous, others are not") {
  for (const std::string_view text : {"1,234", "-12,345", "+123,456"})
    CHECK(is_ambiguous_number(text));
  for (const std::string_view text :
       {"", "1.234", "12,5", "1,234.5", "1,234,567", "0,123", "1 234", "1,2,3", "red", "1234"}) {
    INFO(text);
    CHECK_FALSE(is_ambiguous_number(text));
  }
}

TEST_CASE("a boolean is one text, and 1 or 0 where a number is wanted") {
  for (const std::string_view text : {"True", "TRUE", "true", " true "}) {
    CHECK(read_value(text).kind == Value::Kind::text);
    CHECK(read_value(text).text == "true");
    CHECK(as_number(read_value(text)) == 1.0);
  }
  for (const std::string_view text : {"False", "FALSE", "false"}) {
    CHECK(read_value(text).text == "false");
    CHECK(as_number(read_value(text)) == 0.0);
  }
  CHECK(read_value("tRue").text == "tRue");
  CHECK(boolean_value(true).text == "true");
  CHECK(as_number(Value::of(std::string_view("TRUE"))) == 1.0);
  CHECK(as_number(Value::of(2.5)) == 2.5);
  CHECK_FALSE(as_number(Value::of(std::string_view("yes"))));
  CHECK_FALSE(as_number(Value::none()));
}

TEST_CASE("a category has one spelling, and a code keeps its zeros") {
  CHECK(canonical("1") == "1");
  CHECK(canonical("1.0") == "1");
  CHECK(canonical("+1") == "1");
  CHECK(canonical("1e0") == "1");
  CHECK(canonical("-0") == "0");
  CHECK(canonical("01") == "01");
  CHECK(canonical("007.50") == "007.50");
  CHECK(canonical("0.50") == "0.5");
  CHECK(canonical("TRUE") == "true");
  CHECK(canonical("12,5") == "12,5");
  CHECK(canonical(" blue ") == "blue");
  CHECK(canonical("inf") == "+Inf");
  CHECK(canonical("NA").empty());
  CHECK(canonical("9007199254740993") == "9007199254740993");
  std::string scratch;
  CHECK(canonical_text(Value::of(3.0), scratch) == "3");
  CHECK(canonical_text(Value::of(std::string_view("False")), scratch) == "false");
}

TEST_CASE("1 and 0 are true and false beside booleans, unless there are other numbers") {
  std::unordered_map<std::string, std::uint64_t> counts{
      {"true", 2}, {"1", 3}, {"0", 4}, {"maybe", 1}};
  merge_booleans(counts);
  CHECK(counts ==
        std::unordered_map<std::string, std::uint64_t>{{"true", 5}, {"false", 4}, {"maybe", 1}});
  counts = {{"true", 2}, {"1", 3}, {"2", 4}};
  merge_booleans(counts);
  CHECK(counts.size() == 3);
  counts = {{"1", 3}, {"0", 4}};
  merge_booleans(counts);
  CHECK(counts.contains("1"));
}

TEST_CASE("1, 1.0, their texts and true are one class, 01 is another") {
  const Value one[] = {Value::of(1.0),     read_value("1"),     read_value("1.0"),
                       read_value("true"), boolean_value(true), read_value("+1")};
  for (const Value& a : one) {
    for (const Value& b : one) CHECK(same_class(a, b));
    CHECK_FALSE(same_class(a, read_value("01")));
    CHECK_FALSE(same_class(a, read_value("0")));
    CHECK_FALSE(same_class(a, boolean_value(false)));
    CHECK_FALSE(same_class(a, read_value("yes")));
    CHECK_FALSE(same_class(a, Value::none()));
  }
  CHECK(same_class(boolean_value(false), Value::of(-0.0)));
  CHECK_FALSE(same_class(Value::of(2.0), boolean_value(true)));
  CHECK_FALSE(same_class(Value::none(), Value::none()));
  CHECK_FALSE(same_class(Value::of(std::nan("")), Value::of(std::nan(""))));
  CHECK_FALSE(same_class(read_value("9007199254740993"), read_value("9007199254740992")));
}

TEST_CASE("an integer is exact when a double holds it") {
  CHECK(is_exact(std::int64_t{1} << 53));
  CHECK_FALSE(is_exact((std::int64_t{1} << 53) + 1));
  CHECK(is_exact((std::int64_t{1} << 53) + 2));
  CHECK_FALSE(is_exact(-(std::int64_t{1} << 53) - 1));
  CHECK(is_exact(std::numeric_limits<std::int64_t>::min()));
  CHECK_FALSE(is_exact(std::numeric_limits<std::int64_t>::max()));
  CHECK_FALSE(is_exact(std::numeric_limits<std::uint64_t>::max()));
  CHECK(is_exact(std::uint64_t{1} << 63));
}
