// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/template.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;

namespace {

std::optional<wire::Json> fields(std::string_view name) {
  if (name == "nasty") return wire::Json("a\"b\\c\n\r</script> é");
  if (name == "number") return wire::Json(8);
  if (name == "unknown") return wire::Json();
  return std::nullopt;
}
std::string render(std::string_view text, Template::Place place = Template::Place::json) {
  const auto parsed = Template::parse(text, place);
  if (!parsed) return "bad: " + parsed.error().message;
  const auto rendered = parsed->render(fields);
  return rendered ? *rendered : "failed: " + rendered.error().message;
}

}  // namespace

TEST_CASE("a value cannot leave its place in JSON, in or out of a string") {
  CHECK(render(R"({"a": {{ nasty }}})") == R"({"a": "a\"b\\c\n\r</script> é"})");
  CHECK(render(R"({"a": "x{{nasty}}y"})") == R"({"a": "xa\"b\\c\n\r</script> éy"})");
  CHECK(render(R"({"a": "\"{{ nasty }}"})") == R"({"a": "\"a\"b\\c\n\r</script> é"})");
  CHECK(render(R"({"n": {{ number }}, "s": "{{ number }}"})") == R"({"n": 8, "s": "8"})");
  CHECK(render(R"({"n": {{ unknown }}, "s": "{{ unknown }}"})") == R"({"n": null, "s": ""})");
}

TEST_CASE("a value cannot leave its place in a URL, a header or a query") {
  CHECK(render("/x/{{ nasty }}", Template::Place::url) ==
        "/x/a%22b%5Cc%0A%0D%3C%2Fscript%3E%20%C3%A9");
  CHECK(render("{{ nasty }}", Template::Place::header) == "a\"b\\c  </script> é");
  CHECK(render("up{a=\"{{ nasty }}\"}", Template::Place::promql) ==
        "up{a=\"a\\\"b\\\\c\\n\r</script> é\"}");
  CHECK(render("{{ nasty }}", Template::Place::text) == "a\"b\\c\n\r</script> é");
}

TEST_CASE("an absent field takes its default or is named") {
  CHECK(render(R"({"a": {{ missing | default "x\y" }}})") == R"({"a": "x\\y"})");
  CHECK(render("{{ missing }}") == "failed: the incident has no missing");
}

TEST_CASE("a malformed placeholder is refused with its place") {
  CHECK(render("ab{{ x") == "bad: at byte 3: {{ without }}");
  CHECK(render("{{ }}") == "bad: at byte 1: expected a field's name between {{ and }}");
  CHECK_THAT(render("{{ a b }}"), Catch::Contains("expected {{ name }}"));
  CHECK_THAT(render("{{ a | upper }}"), Catch::Contains("expected {{ name }}"));
  CHECK_THAT(render("{{ a | default x }}"), Catch::Contains("expected {{ name }}"));
  CHECK_THAT(render("{{ a-b }}"), Catch::Contains("bad"));
}

TEST_CASE("text without placeholders is left alone") {
  CHECK(render("{\"a\": {\"b\": 1}}") == "{\"a\": {\"b\": 1}}");
  CHECK(render("") == "");
}
