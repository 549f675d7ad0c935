// SPDX-License-Identifier: Apache-2.0
#include "cli/labels/label_rows.h"

#include "base/core/text.h"
#include "test/support/catch.h"
#include "truth/label_parser.h"

namespace outrider::cli {
namespace {

const LabelColumns usual{.id = {"order_id"}, .label = "y", .time = "at", .words = {}};

// "2 label A {…}" a row, and the error at the end.
std::string rows_of(std::string_view text, const LabelColumns& columns = usual,
                    std::size_t piece = 1'000) {
  std::string told;
  const auto on_row = [&told](const LabelRow& row) {
    static constexpr std::string_view kinds[] = {"label", "unlabelled", "invalid"};
    told += std::to_string(row.line) + " " + std::string(kinds[static_cast<int>(row.kind)]) +
            (row.text.empty() ? "" : " " + row.text) + "\n";
  };
  LabelRows rows(columns, on_row);
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    if (auto fed = rows.feed(text.substr(0, piece)); !fed)
      return told + "error: " + fed.error().message;
  }
  if (auto finished = rows.finish(); !finished) return told + "error: " + finished.error().message;
  return told;
}

std::string row_of(const std::string& id, const std::string& label, const std::string& time = "",
                   const LabelColumns& columns = usual) {
  const std::string told =
      rows_of("order_id,y,at\n" + id + "," + label + "," + time + "\n", columns);
  CHECK_THAT(told, Catch::StartsWith("2 "));
  return told.substr(2, told.size() - 3);
}

}  // namespace

TEST_CASE(
    "rows of CSV become labels, in pieces of any size, quoted, with CRLF and a byte-order mark") {
  const std::string text =
      "\xEF\xBB\xBForder_id,note,y,at\r\n"
      "A-17,\"a, b\",45.2,2026-01-31T12:00:00Z\r\n"
      "\r\n"
      "\"B \"\"x\"\"\",\"two\r\nlines\",fine,\r\n"
      "18,,3,";
  const std::string expected =
      "2 label {\"id\":\"A-17\",\"label\":45.2,\"timestamp\":\"2026-01-31T12:00:00.000Z\"}\n"
      "4 label {\"id\":\"B \\\"x\\\"\",\"label\":\"fine\"}\n"
      "6 label {\"id\":\"18\",\"label\":3}\n";
  for (const std::size_t piece : {1u, 2u, 7u, 1000u})
    CHECK(rows_of(text, usual, piece) == expected);
}

TEST_CASE("rows of NDJSON become labels, whatever else their objects hold") {
  CHECK(rows_of("{\"order_id\": 17, \"y\": 4.5, \"items\": [1, 2], \"at\": 1767225600}\n"
                "\n{\"y\": true, \"order_id\": \"B\", \"meta\": {\"a\": 1}}\n{\"order_id\": \"C\", "
                "\"y\": null}\n"
                "{\"order_id\": 9007199254740993, \"y\": \"007\"}") ==
        "1 label {\"id\":\"17\",\"label\":4.5,\"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n"
        "3 label {\"id\":\"B\",\"label\":\"true\"}\n"
        "4 unlabelled\n"
        "5 label {\"id\":\"9007199254740993\",\"label\":\"007\"}\n");
}

TEST_CASE("a missing column names those that there are") {
  CHECK(rows_of("id,label\n1,2\n") ==
        "error: no column 'order_id', 'y', 'at'; there are: id, label");
  CHECK(rows_of("order_id,label,at\n") == "error: no column 'y'; there are: order_id, label, at");
  CHECK(rows_of("{\"order_id\": 1, \"truth\": 2}\n") ==
        "error: no column 'y', 'at'; there are: order_id, truth");
  CHECK_THAT(rows_of("order_id;y;at\n1;2;\n"), Catch::Contains("the columns are separated by ';'"));
  CHECK_THAT(rows_of(""), Catch::Contains("expected a header line"));
}

TEST_CASE("a row that cannot be read is told by its line, and the others are taken") {
  CHECK(rows_of("order_id,y,at\n1,2\n2,3,\n3,a\"b,\n4,\"x\"y,\n5,6,\n\xFF,7,\n,8,\n9,NA,\n") ==
        "2 invalid 2 fields, but the header has 3\n"
        "3 label {\"id\":\"2\",\"label\":3}\n"
        "4 invalid a quote inside a field that does not begin with one\n"
        "5 invalid text after the closing quote\n"
        "6 label {\"id\":\"5\",\"label\":6}\n"
        "7 invalid not UTF-8 (the byte 0xFF): save the file as UTF-8, e.g. by iconv -f latin1 -t "
        "utf-8\n"
        "8 invalid 'order_id' is empty or says that it is missing: expected an id\n"
        "9 unlabelled\n");
  CHECK_THAT(rows_of("{\"order_id\": 1, \"y\": 2, \"at\": null}\n{\"order_id\": "
                     "\n[1]\n{\"order_id\": [1], \"y\": 2}\n"),
             Catch::Contains("2 invalid expected one flat JSON object: ") &&
                 Catch::Contains("3 invalid expected one flat JSON object\n") &&
                 Catch::Contains("4 invalid 'order_id' is nested") &&
                 Catch::Contains("1 label {\"id\":\"1\",\"label\":2}\n"));
}

TEST_CASE("a quote that stays open ends the import: it may have swallowed rows") {
  CHECK_THAT(rows_of("order_id,y,at\n1,2,\n2,\"3,\n4,5,\n"),
             Catch::StartsWith("2 label") &&
                 Catch::Contains("error: line 3: a quoted field is never closed"));
  CHECK_THAT(rows_of("order_id,y,at\n1,\"2,\n2,3,\n4,\"5\",\n"),
             Catch::Contains("error: line 4, field 2: text after"));
}

TEST_CASE("labels are numbers, classes by their name, or what --map makes of them") {
  CHECK(row_of("1", "1e3") == "label {\"id\":\"1\",\"label\":1000}");
  CHECK(row_of("1", "+45.20") == "label {\"id\":\"1\",\"label\":45.2}");
  CHECK(row_of("1", "007") == "label {\"id\":\"1\",\"label\":\"007\"}");
  CHECK(row_of("1", "True") == "label {\"id\":\"1\",\"label\":\"true\"}");
  CHECK(row_of("1", "New York") == "label {\"id\":\"1\",\"label\":\"New York\"}");
  CHECK_THAT(row_of("1", "inf"), Catch::StartsWith("invalid 'y': 'inf' is no finite number"));
  CHECK_THAT(row_of("1", "t"),
             Catch::StartsWith("invalid 'y' is 't': so PostgreSQL writes true and false"));
  LabelColumns mapped = usual;
  mapped.words = {{"t", "true"}, {"f", "0"}, {"good", "007"}};
  CHECK(row_of("1", "t", "", mapped) == "label {\"id\":\"1\",\"label\":\"true\"}");
  CHECK(row_of("1", "f", "", mapped) == "label {\"id\":\"1\",\"label\":0}");
  CHECK(row_of("1", "good", "", mapped) == "label {\"id\":\"1\",\"label\":\"007\"}");
  mapped.words = {{"t", "t"}};
  CHECK(row_of("1", "t", "", mapped) == "label {\"id\":\"1\",\"label\":\"t\"}");
}

TEST_CASE(
    "an id is text as it stands, and of several columns joined as request.id joins its parts") {
  CHECK(row_of("00017", "1") == "label {\"id\":\"00017\",\"label\":1}");
  CHECK(row_of("9007199254740993", "1") == "label {\"id\":\"9007199254740993\",\"label\":1}");
  CHECK(row_of(" A 7 ", "1") == "label {\"id\":\"A 7\",\"label\":1}");
  CHECK_THAT(row_of("true", "1"), Catch::StartsWith("invalid 'order_id' is true, which is no id"));
  CHECK_THAT(row_of(std::string(257, 'x'), "1"), Catch::StartsWith("invalid an id of 257 bytes"));
  LabelColumns two = usual;
  two.id = {"order_id", "at"};
  two.time = "";
  CHECK(row_of("7", "1", "mon", two) == "label {\"id\":\"7|mon\",\"label\":1}");
  CHECK_THAT(row_of("7|8", "1", "mon", two),
             Catch::StartsWith("invalid 'order_id': '7|8' has a '|' in it"));
}

TEST_CASE("times are read in the forms that mean one moment only") {
  const auto time_of = [](const std::string& text) {
    const auto time = read_label_time(text);
    return time ? format_rfc3339(*time) : std::string("none");
  };
  CHECK(time_of("2026-01-31T12:00:00+02:00") == "2026-01-31T10:00:00.000Z");
  CHECK(time_of("2026-01-31 12:00:00.123456+00") == "2026-01-31T12:00:00.123Z");
  CHECK(time_of("2026-01-31 12:00:00-0530") == "2026-01-31T17:30:00.000Z");
  CHECK(time_of("2026-01-31 12:00:00") == "2026-01-31T12:00:00.000Z");
  CHECK(time_of("2026-01-31") == "2026-01-31T00:00:00.000Z");
  CHECK(time_of("20260131") == "2026-01-31T00:00:00.000Z");
  CHECK(time_of("31-Jan-2026") == "2026-01-31T00:00:00.000Z");
  CHECK(time_of("1767225600") == "2026-01-01T00:00:00.000Z");
  CHECK(time_of("1767225600000") == "2026-01-01T00:00:00.000Z");
  CHECK(time_of("1/2/2026") == "none");
  CHECK_THAT(row_of("1", "2", "1/2/2026"),
             Catch::Contains("days and months may stand in either order"));
  CHECK_THAT(row_of("1", "2", "soon"),
             Catch::Contains("'at': 'soon' is no time; write 2026-01-31T12:00:00Z"));
  CHECK(row_of("1", "2", "") == "label {\"id\":\"1\",\"label\":2}");
}

TEST_CASE("every label is one that the API takes") {
  LabelColumns columns = usual;
  std::size_t labels = 0;
  LabelRows rows(columns, [&labels](const LabelRow& row) {
    if (row.kind != LabelRow::Kind::label) return;
    ++labels;
    const auto items = truth::parse_labels(row.text);
    REQUIRE(items);
    REQUIRE(items->size() == 1);
    CHECK(items->at(0).label);
    CHECK(items->at(0).id == row.id);
  });
  REQUIRE(rows.feed("order_id,y,at\n1,2,2026-01-31\n\"é\\\",\"\"\"\",\n a\tb ,x y,1767225600\n"));
  REQUIRE(rows.finish());
  CHECK(labels == 3);
}

}  // namespace outrider::cli
