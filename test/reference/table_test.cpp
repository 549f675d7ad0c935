// SPDX-License-Identifier: Apache-2.0
#include "reference/table.h"

#include <cmath>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::reference;
using detectors::Value;

namespace {

struct Read {
  std::vector<std::string> columns;
  std::vector<std::string> rows;  // "1|text|-" with - for missing
  std::optional<Error> error;
};

std::string shown(const Value& value) {
  if (value.kind == Value::Kind::missing) return "-";
  return value.kind == Value::Kind::text ? std::string(value.text)
                                         : "#" + std::to_string(value.number).substr(0, 4);
}

// The same text in one piece, and byte by byte, must come out the same.
Read read(std::string_view text) {
  std::vector<Read> all;
  for (const std::size_t piece : {text.size() + 1, std::size_t{1}}) {
    Read out;
    TableReader table;
    const auto visit = [&](std::uint64_t, std::span<const Value> row) {
      std::string line;
      for (const Value& value : row) line += (line.empty() ? "" : "|") + shown(value);
      out.rows.push_back(line);
    };
    Result<void> ok;
    for (std::size_t i = 0; i < text.size() && ok; i += piece)
      ok = table.feed(text.substr(i, piece), visit);
    if (ok) ok = table.finish(visit);
    if (!ok) out.error = ok.error();
    out.columns = table.columns();
    all.push_back(out);
  }
  CHECK(all[0].columns == all[1].columns);
  CHECK(all[0].rows == all[1].rows);
  CHECK(all[0].error == all[1].error);
  return all[0];
}

}  // namespace

TEST_CASE("CSV fields are numbers, texts or missing") {
  const Read table =
      read("size, colour\n12.5,red\n,NA\nnan,\"null\"\n True ,None\n\"1,234.5\",?\n");
  CHECK(table.columns == std::vector<std::string>{"size", "colour"});
  REQUIRE(table.rows.size() == 5);
  CHECK(table.rows[0] == "#12.5|red");
  CHECK(table.rows[1] == "-|-");
  CHECK(table.rows[2] == "-|-");
  CHECK(table.rows[3] == "true|-");
  CHECK(table.rows[4] == "#1234|-");
}

TEST_CASE("NDJSON columns are those of the first objects") {
  const Read table = read(
      "{\"a\": 1, \"b\": \"x\"}\n{\"b\": null, \"c\": true}\n"
      "{\"a\": \"2.5\", \"b\": \"NA\", \"c\": \"True\"}\n"
      "{\"a\": 9007199254740993, \"b\": -9007199254740993, \"c\": 9007199254740992}\n");
  CHECK(table.columns == std::vector<std::string>{"a", "b", "c"});
  REQUIRE(table.rows.size() == 4);
  CHECK(table.rows[2] == "#2.50|-|true");
  CHECK(table.rows[3] == "9007199254740993|-9007199254740993|#9007");
  CHECK(table.rows[0] == "#1.00|x|-");
  CHECK(table.rows[1] == "-|-|true");
}

TEST_CASE("a key that appears after the first objects is ignored, one that is gone is missing") {
  std::string text;
  for (int i = 0; i < 150; ++i) text += i < 120 ? "{\"a\": 1}\n" : "{\"late\": 2}\n";
  const Read table = read(text);
  CHECK(table.columns == std::vector<std::string>{"a"});
  REQUIRE(table.rows.size() == 150);
  CHECK(table.rows[149] == "-");
}

TEST_CASE("a byte-order mark and blank lines before the table are skipped") {
  CHECK(read("\xEF\xBB\xBF"
             "a,b\n1,2\n")
            .columns == std::vector<std::string>{"a", "b"});
  CHECK(read("\xEF\xBB\xBF\n {\"a\": 1}\n").columns == std::vector<std::string>{"a"});
}

TEST_CASE("what is no table is refused with its line") {
  CHECK(read("").error->code == "csv_empty");
  CHECK(read("  \n \n").error->code == "csv_empty");
  CHECK(read("a, a\n").error->code == "csv_duplicate_column");
  CHECK(read("a,a\n").error->message.find("line 1: two columns are named 'a'") == 0);
  CHECK(read("a;b\n1;2\n").error->code == "csv_separator");
  CHECK(read("a,b\n1,\xFC\n").error->message.find("line 2, field 2: not UTF-8 (the byte 0xFC)") ==
        0);
  CHECK(read("{\"a\": \"\xFC\"}\n").error->code == "ndjson_encoding");
  CHECK(read(std::string_view("a\0b\0\n", 5)).error->code == "csv_encoding");
  const Read ragged = read("a,b\n1,2\n3\n");
  CHECK(ragged.error->code == "csv_ragged");
  CHECK(ragged.error->message.find("line 3") != std::string::npos);
  CHECK(read("{\"a\": 1}\n[1]\n").error->code == "ndjson_line");
  CHECK(read("{\"a\": 1}\n{\"a\": \n").error->message.find("line 2") != std::string::npos);
  CHECK(read("{\"a\": {\"b\": 1}}\n").error->message.find("'a' is nested") != std::string::npos);
}

TEST_CASE("bad rows are told by their line and passed over, and only the wanted columns are read") {
  for (const char* text :
       {"a,o,b\n1,x,2\n3,x\n4,x,5\n",
        "{\"a\": 1, \"o\": [1], \"b\": 2}\n[1]\n{\"a\": 4, \"b\": 5, \"o\": {}}\n"}) {
    TableReader table;
    std::string told;
    table.read_only({"b", "not there"});
    table.pass_over_bad_rows([&](std::uint64_t line, const std::string& why) {
      CHECK(!why.empty());
      told += "bad " + std::to_string(line) + " ";
    });
    const auto visit = [&](std::uint64_t, std::span<const detectors::Value> row) {
      REQUIRE(row.size() == 3);
      double sum = 0;
      for (const detectors::Value& value : row) {
        if (value.kind == detectors::Value::Kind::number) sum += value.number;
      }
      told += std::to_string(static_cast<int>(sum)) + " ";
    };
    REQUIRE(table.feed(text, visit));
    REQUIRE(table.finish(visit));
    CHECK((told == "2 bad 3 5 " ||
           told == "bad 2 2 5 "));  // The first objects wait for their columns.
    CHECK(table.columns().size() == 3);
  }
}

TEST_CASE("a text in UTF-16 is named, with what to do") {
  TableReader table;
  const auto fed = table.feed(std::string_view("\xFF\xFE"
                                               "a\0,\0b\0",
                                               8),
                              {});
  REQUIRE_FALSE(fed);
  CHECK(fed.error().code == "csv_encoding");
  CHECK(fed.error().message.find("line 1: UTF-16, not UTF-8: save the file as UTF-8") == 0);
}
