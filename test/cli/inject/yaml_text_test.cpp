// SPDX-License-Identifier: Apache-2.0
#include "cli/inject/yaml_text.h"

#include "cli/inject/yaml_write.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::inject;

namespace {

YamlText parse(const std::string& text) {
  auto parsed = YamlText::parse(text, "file.yaml", 1);
  REQUIRE(parsed);
  return std::move(*parsed);
}

std::string appended(const std::string& text, const Json& item = "new") {
  YamlText document = parse(text);
  document.append(*document.root()->find("list"), item);
  const auto changed = document.text();
  REQUIRE(changed);
  return *changed;
}

std::string added(const std::string& text, const Json& value = "new") {
  YamlText document = parse(text);
  document.add(*document.root()->find("map"), "key", value);
  const auto changed = document.text();
  REQUIRE(changed);
  return *changed;
}

std::string removed(const std::string& text, std::size_t index) {
  YamlText document = parse(text);
  YamlNode& list = *document.root()->find("list");
  document.remove(list, *list.items()[index], *document.root());
  const auto changed = document.text();
  REQUIRE(changed);
  return *changed;
}

}  // namespace

TEST_CASE("what is not changed is not touched") {
  for (const std::string text :
       {"", "# only a comment\n", "a: 1 # why\nb:   \"yes\"\n", "{a: [1, 2], 'b': ~}",
        "a: |\n  # no comment\n\n", "a: 1\r\nb: 2\r\n", "a:\n'b' :\n? c\n\"d\\\"e\":\nf :\n",
        "- 1\n-   2",
        "\xef\xbb\xbf"
        "a: 1\n"}) {
    CHECK(*parse(text).text() == text);
  }
}

TEST_CASE("an item is appended after the last line of a list, before what leads to the next key") {
  CHECK(appended("list:\n  - a\n  - b\nnext: 1\n") == "list:\n  - a\n  - b\n  - new\nnext: 1\n");
  CHECK(appended("list:\n- a\n\n# of next\nnext: 1\n") ==
        "list:\n- a\n- new\n\n# of next\nnext: 1\n");
  CHECK(appended("list:\n  - a\n  # - not b\n\nnext: 1\n") ==
        "list:\n  - a\n  # - not b\n  - new\n\nnext: 1\n");
  CHECK(appended("list:\n    -   a\n") == "list:\n    -   a\n    - new\n");
  CHECK(appended("list: # why\n  - a # end") == "list: # why\n  - a # end\n  - new");
  CHECK(appended("list:\r\n  - a\r\n") == "list:\r\n  - a\r\n  - new\r\n");
}

TEST_CASE("lines of a block scalar are its own, also when they look like comments or are blank") {
  CHECK(appended("list:\n  - |\n    x\n\n    # y\n\nnext: 1\n") ==
        "list:\n  - |\n    x\n\n    # y\n\n  - new\nnext: 1\n");
  CHECK(appended("list:\n  - |+\n    x\n\n\n") == "list:\n  - |+\n    x\n\n\n  - new\n");
}

TEST_CASE("flow lists and maps stay flow") {
  CHECK(appended("list: [a, 'b]', \"c\\\"]\"] # d ]\n") ==
        "list: [a, 'b]', \"c\\\"]\", \"new\"] # d ]\n");
  CHECK(appended("list: []\n") == "list: [\"new\"]\n");
  CHECK(appended("{\n  \"list\": [\n    {\"a\": 1}\n  ]\n}\n", Json{{"b", 2}}) ==
        "{\n  \"list\": [\n    {\"a\": 1}, {\"b\":2}\n  ]\n}\n");
  CHECK(appended("list: [a, ]\n") == "list: [a, \"new\" ]\n");
  CHECK(added("map: {a: it's, b: 2}\n") == "map: {a: it's, b: 2, \"key\": \"new\"}\n");
}

TEST_CASE("a key is added at the end of a map, and a null becomes a map") {
  CHECK(added("map:\n  a: 1\nnext: 2\n") == "map:\n  a: 1\n  key: new\nnext: 2\n");
  CHECK(added("map:\nnext: 2\n") == "map: {\"key\": \"new\"}\nnext: 2\n");
  CHECK(added("map: null # none\n") == "map: {\"key\": \"new\"} # none\n");
  CHECK(added("map: ~\n") == "map: {\"key\": \"new\"}\n");
  CHECK(added("map: {}\n") == "map: {\"key\": \"new\"}\n");
  CHECK(added("map:\n  a: 1\n", Json{{"deep", Json::array({1, "yes"})}}) ==
        "map:\n  a: 1\n  key:\n    deep:\n      - 1\n      - \"yes\"\n");
}

TEST_CASE("removing undoes appending, byte for byte") {
  for (const std::string text :
       {"list:\n  - a\n  - b\nnext: 1\n", "list:\n- a\n\n# of next\nnext: 1\n", "list: [a, b]\n",
        "{\"list\": [\n  {\"a\": 1}\n]}\n", "list:\r\n  - a\r\n# x\r\n",
        "list:\n  - |\n    x\n\nnext: 1\n"}) {
    const std::string grown = appended(text, Json{{"name", "x"}, {"args", Json::array({"--a=1"})}});
    CHECK(removed(grown, parse(grown).root()->find("list")->items().size() - 1) == text);
  }
}

TEST_CASE("an item is removed with its lines, wherever it stands") {
  CHECK(removed("list:\n  # of a\n  - a: 1\n    b: 2\n  # of c\n  - c: 3\n", 0) ==
        "list:\n  # of a\n  # of c\n  - c: 3\n");
  CHECK(removed("list: [a, b, c]\n", 1) == "list: [a, c]\n");
  CHECK(removed("list: [a, b]\n", 1) == "list: [a]\n");
}

TEST_CASE("what a removal leaves empty goes too") {
  YamlText document = parse("keep: 1\nouter:\n  list:\n    - only\n");
  YamlNode& list = *document.root()->find("outer")->find("list");
  document.remove(list, *list.items()[0], *document.root());
  CHECK(*document.text() == "keep: 1\n");
}

TEST_CASE("a scalar is replaced where it stands, quotes and comment around") {
  for (const auto& [text, wanted] : {std::pair{"map: http  # to\n", "map: 9500  # to\n"},
                                     {"map: \"http\"\n", "map: 9500\n"},
                                     {"{'map': 'it''s'}\n", "{'map': 9500}\n"}}) {
    YamlText document = parse(text);
    document.replace(*document.root()->find("map"), 9500);
    CHECK(*document.text() == wanted);
  }
}

TEST_CASE("a layout that cannot be changed is an error and never a wrong document") {
  YamlText document = parse("list:\n  ? - a\n  : - b\n");
  document.add(*document.root()->find("list")->entries[0].key, "key", 1);
  const auto changed = document.text();
  REQUIRE_FALSE(changed);
  CHECK(changed.error().code == "unsupported_layout");
}

TEST_CASE("bad YAML is an error with file, line and what to change") {
  const auto message = [](const std::string& text) {
    const auto parsed = YamlText::parse(text, "d.yaml", 11);
    REQUIRE_FALSE(parsed);
    return parsed.error().message;
  };
  CHECK_THAT(message("a: 1\nb: [1, 2\nc: 3\n"), Catch::StartsWith("d.yaml:1"));
  CHECK_THAT(message("a: b: c\n"), Catch::StartsWith("d.yaml:11: not YAML: "));
  CHECK_THAT(message("a:\n\tb: 1\n"), Catch::Contains("indent with blanks"));
  CHECK_THAT(message("image: {{ .Values.image }}\nb: [\n"), Catch::Contains("helm template"));
  CHECK_THAT(message("a: \x01\n"), Catch::Contains("d.yaml:11: a control character"));
  CHECK_THAT(message("a: 1\nb: {c: 1, c: 2}\n"),
             Catch::Contains("d.yaml:12: key \"c\" stands there twice"));
  CHECK_THAT(message("a: 1\nb\n"), Catch::Contains("d.yaml:12: key \"b\" has no ':' after it"));
  CHECK_THAT(message("a: \xff\n"), Catch::Contains("UTF-8"));
  CHECK_THAT(message(std::string(2000, '[')), Catch::StartsWith("d.yaml:11"));
}

TEST_CASE("documents are cut at their separators and add up to the text") {
  const std::string text = "# head\n---\na: |\n  ---x\n--- # second\nb: 2\n...\n---\n# nothing\n";
  std::string sum;
  std::vector<int> lines;
  for (const YamlChunk& chunk : split_documents(text)) {
    sum += chunk.text;
    if (chunk.has_content) lines.push_back(chunk.first_line);
  }
  CHECK(sum == text);
  CHECK(lines == std::vector<int>{2, 5});
}

TEST_CASE("texts that some YAML reader takes for something else are quoted") {
  for (const char* text : {"yes", "No",   "on",    "OFF",   "y",    "true",  "null",       "~",
                           "",    "1.10", "0777",  "0o17",  "1e3",  "12:30", "2026-01-31", "-1",
                           "+.5", ".inf", "-.INF", "1_000", "0x1f", ".5",    "-.5"}) {
    INFO(text);
    CHECK_FALSE(reads_as_string(text));
    std::string line;
    write_block_entry(line, "k", text, 0);
    CHECK(line == "k: \"" + std::string(text) + "\"\n");
  }
  for (const char* text :
       {"a: b", "a #b", "- a", "*a",   "&a", "!a", "{a",  "[a", "'a", "\"a", "%a", "@a",
        "`a",   "a:",   "a,b", "a\nb", " a", "a ", "---", "|",  ">",  "=",   "?"}) {
    INFO(text);
    std::string line;
    write_block_entry(line, "k", text, 0);
    CHECK(line.find('"') != std::string::npos);
    CHECK(parse(line).root()->find("k")->text() == text);
  }
  for (const char* text : {"yesterday", "nope", "--web.listen-address=0.0.0.0:9501", "/var/lib",
                           "a-1", "http://x/y"}) {
    std::string line;
    write_block_entry(line, "k", text, 0);
    CHECK(line == "k: " + std::string(text) + "\n");
    CHECK(parse(line).root()->find("k")->is_string());
  }
}
