// SPDX-License-Identifier: Apache-2.0
#include "base/config/log.h"

#include <nlohmann/json.hpp>

#include "test/support/catch.h"

using namespace outrider;

namespace {

std::string logged(std::string_view text) {
  std::string out;
  config::append_quoted(out, text);
  return out;
}

}  // namespace

TEST_CASE("an ordinary message is logged as it is") {
  CHECK(logged("monitor started, process 7: 0.5 s, Zürich") ==
        "monitor started, process 7: 0.5 s, Zürich");
}

TEST_CASE("a quote, a backslash and a newline from outside begin no field and no line") {
  CHECK(logged("a\" level=error msg=\"b") == R"(a\" level=error msg=\"b)");
  CHECK(logged("one\ntwo\r\tthree\\") == R"(one\ntwo\r\tthree\\)");
}

TEST_CASE(
    "every message is a JSON string that reads back, also with control characters and broken "
    "UTF-8") {
  for (const std::string& text :
       {std::string("\x1b[31mred\x7f"), std::string("a\0b", 3), std::string("caf\xe9")}) {
    const auto read = nlohmann::json::parse("\"" + logged(text) + "\"");
    CHECK(read.is_string());
  }
  CHECK(logged(std::string_view("\x1b[31m")) == "\\u001b[31m");
}
