// SPDX-License-Identifier: Apache-2.0
#include "base/wire/csv.h"

#include "test/support/catch.h"

using namespace outrider;
using wire::parse_csv;

TEST_CASE(
    "a CSV with quotes, doubled quotes, CRLF and a byte-order mark reads as RFC 4180 has it") {
  const auto table = parse_csv("\xEF\xBB\xBFname,note\r\n\"a,b\",\"say \"\"hi\"\"\"\r\nc,\r\n\n");
  REQUIRE(table);
  CHECK(table->header == std::vector<std::string>{"name", "note"});
  REQUIRE(table->rows.size() == 2);
  CHECK(table->rows[0].fields == std::vector<std::string>{"a,b", "say \"hi\""});
  CHECK(table->rows[1].fields == std::vector<std::string>{"c", ""});
  CHECK(table->column("note") == 1);
  CHECK(table->column("absent") == 2);
}

TEST_CASE("a bad CSV is refused with its line") {
  const auto refused = [](std::string_view text, std::string_view code, std::string_view where) {
    const auto table = parse_csv(text);
    REQUIRE_FALSE(table);
    CHECK(table.error().code == code);
    CHECK_THAT(table.error().message, Catch::Contains(std::string(where)));
  };
  refused("", "csv_empty", "line 1");
  refused("a,b\n1\n", "csv_ragged", "line 2");
  refused("a;b\n1;2\n", "csv_separator", "line 1");
  refused("a\tb\n1\t2\n", "csv_separator", "line 1");
  refused("a,b\n1,\"2", "csv_open_quote", "line 2");
  refused("a,b\n1,2\"3\n", "csv_quote", "line 2, field 2");
  refused("a,b\n\"1\"2,3\n", "csv_quote", "line 2, field 1");
  refused("a, a\n1,2\n", "csv_duplicate_column", "line 1: two columns are named 'a'");
  refused("a,,\n1,2,3\n", "csv_duplicate_column", "line 1: two columns have no name");
  refused("a|b\n1|2\n", "csv_separator", "line 1");
  refused("\"a\";\"b\"\n1;2\n", "csv_separator", "line 1: the columns are separated by ';'");
  refused("a,b\n1,2,3\n", "csv_ragged", "write.table");
}

TEST_CASE("a text that is not UTF-8 is refused with its place and what to do") {
  const auto refused = [](std::string_view text, std::string_view where) {
    const auto table = parse_csv(text);
    REQUIRE_FALSE(table);
    CHECK(table.error().code == "csv_encoding");
    CHECK_THAT(table.error().message,
               Catch::StartsWith(std::string(where)) && Catch::Contains("save the file as UTF-8"));
  };
  refused(
      "a,b\n1,2\n3,S\xFC"
      "d\n",
      "line 3, field 2: not UTF-8 (the byte 0xFC)");
  refused("a,\"b\n\xE4\"\n", "line 2, field 2: not UTF-8 (the byte 0xE4)");
  refused(std::string_view("\xFF\xFE"
                           "a\0\n\0",
                           6),
          "line 1: UTF-16, not UTF-8");
  refused(std::string_view("\xFE\xFF\0a\0\n", 6), "line 1: UTF-16, not UTF-8");
  refused(std::string_view("a\0,\0b\0\n\0", 8), "line 1, field 1: a NUL byte");
  refused(std::string_view("a,b\n1,\0\n", 8), "line 2, field 2: a NUL byte");
  CHECK(parse_csv("a,b\nS\u00FCd,\u6771\n")->rows[0].fields[0] == "S\u00FCd");
}

TEST_CASE("a CSV reads the same however it is cut into pieces") {
  const std::string text = "a,b\r\n\"x\ny\",\"\"\"\"\r\n1,2";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    std::vector<std::vector<std::string>> rows;
    const auto keep = [&](const wire::CsvRow& row) { rows.push_back(row.fields); };
    wire::CsvReader reader;
    REQUIRE(reader.feed(text.substr(0, cut), keep));
    REQUIRE(reader.feed(text.substr(cut), keep));
    REQUIRE(reader.finish(keep));
    CHECK(rows == std::vector<std::vector<std::string>>{{"a", "b"}, {"x\ny", "\""}, {"1", "2"}});
  }
}

TEST_CASE(
    "a bad row is passed over up to its line's end, when asked for, however the text is cut") {
  const std::string text = "a,b\r\n1,x\"y\n2,\"x\"y,\"\n\n3,\xFC\n4,ok\n\"5\nx\",ok\n6,\xFC";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    std::string told;
    const auto keep = [&](const wire::CsvRow& row) { told += std::to_string(row.line) + " "; };
    wire::CsvReader reader;
    reader.pass_over_bad_rows(
        [&](std::size_t line, const Error&) { told += "bad " + std::to_string(line) + " "; });
    for (std::size_t at = 0; at < text.size(); at += piece) {
      REQUIRE(reader.feed(std::string_view(text).substr(at, piece), keep));
    }
    REQUIRE(reader.finish(keep));
    CHECK(told == "1 bad 2 bad 3 bad 5 6 7 bad 9 ");
  }
}

TEST_CASE("a row that may have swallowed others is never passed over, and a bad header neither") {
  for (const char* text : {"a,b\n1,\"2\n3,4\n5,\"6\",\n", "a,\"b\"c\n1,2\n", "a,b\n1,\"2\n"}) {
    wire::CsvReader reader;
    reader.pass_over_bad_rows([](std::size_t, const Error&) { FAIL(); });
    auto read = reader.feed(text, [](const wire::CsvRow&) {});
    if (read) read = reader.finish([](const wire::CsvRow&) {});
    CHECK_FALSE(read);
  }
}

TEST_CASE("an empty line that ends in CRLF does not hide the quote behind it") {
  const auto table = parse_csv("a,b\r\n\r\n\"1\",2\r\n");
  REQUIRE(table);
  CHECK(table->rows.at(0).fields == std::vector<std::string>{"1", "2"});
  CHECK(table->rows.at(0).line == 3);
}

TEST_CASE("a field is quoted only where it must be") {
  CHECK(wire::csv_field("plain") == "plain");
  CHECK(wire::csv_field("a,\"b\"") == "\"a,\"\"b\"\"\"");
}
