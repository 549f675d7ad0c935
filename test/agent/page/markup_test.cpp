// SPDX-License-Identifier: Apache-2.0
#include "agent/page/markup.h"

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::page {
namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

TEST_CASE("text of outside is text, whatever it holds") {
  CHECK(escape_html("<b a=\"1\" c='2'>&") == "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
  CHECK(escape_html("größer ≥ 日本") == "größer ≥ 日本");
  CHECK(escape_html(std::string("a\0b\x1b[31m\x7f", 9)) == "a b [31m ");
  CHECK(escape_html("two\nlines\tand a tab") == "two\nlines\tand a tab");
}

TEST_CASE("what turns the direction of writing is shown, so that no name looks like another") {
  CHECK(escape_html("a\u202Eb\u2066c") == "a\uFFFDb\uFFFDc");
  CHECK(escape_html("quotes \u2018\u2019 and \u2060 stay") ==
        "quotes \u2018\u2019 and \u2060 stay");
  CHECK(escape_html("cut \xE2\x80") == "cut \uFFFD\uFFFD");
}

TEST_CASE("an age is told in the largest unit that still says something") {
  CHECK(ago(noon, noon) == "0 s ago");
  CHECK(ago(noon - std::chrono::seconds(119), noon) == "119 s ago");
  CHECK(ago(noon - std::chrono::seconds(120), noon) == "2 min ago");
  CHECK(ago(noon - std::chrono::hours(2), noon) == "2 h ago");
  CHECK(ago(noon - std::chrono::hours(48), noon) == "2 days ago");
  CHECK(ago(noon + std::chrono::minutes(5), noon) == "in 5 min");
}

TEST_CASE("a time is UTC, and says so") {
  CHECK(moment(noon) ==
        "<time class=\"at\" datetime=\"2026-01-31T12:00:00.000Z\" title=\"2026-01-31 12:00:00 "
        "UTC\">2026-01-31 12:00:00 UTC</time>");
}

TEST_CASE("a link leads out only by http, and its text is text") {
  CHECK(outside_link("javascript:alert(1)", "x").empty());
  CHECK(outside_link("data:text/html,x", "x").empty());
  CHECK(outside_link("", "x").empty());
  CHECK(outside_link("https://x/\"><script>", "<x>") ==
        "<a rel=\"noopener noreferrer\" href=\"https://x/&quot;&gt;&lt;script&gt;\">&lt;x&gt;</a>");
}

TEST_CASE("an address keeps what has a value, encoded") {
  CHECK(address("/", {{"q", "a&b=c"}, {"owner", ""}, {"page", "2"}}) == "/?q=a%26b%3Dc&page=2");
  CHECK(address("/", {}) == "/");
}

TEST_CASE("two looks at the same differ in their ages alone, and these are left out") {
  const auto page = [](Time now) {
    return "<p>" + age(noon, now) + " and " + moment(noon) + "<time class=\"made\" datetime=\"" +
           format_rfc3339(now) + "\">" + utc_text(now) + "</time></p>";
  };
  const Time later = noon + std::chrono::seconds(30);
  CHECK(page(noon) != page(later));
  CHECK(without_ages(page(noon)) == without_ages(page(later)));
  CHECK(without_ages(page(noon)).find(moment(noon)) != std::string::npos);
  CHECK(without_ages("<p>" + age(noon, later)) != without_ages("<p>" + age(later, later)));
  CHECK(without_ages("<time class=\"age\" cut") == "<time class=\"age\" cut");
}

}  // namespace
}  // namespace outrider::page
