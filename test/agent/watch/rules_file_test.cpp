// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/rules_file.h"

#include "test/support/catch.h"

using namespace outrider;
using series::As;

namespace {

series::WatchRules rules_of(const std::string& text) {
  auto rules = watch::parse_rules("rules.yaml", text);
  if (!rules) FAIL(rules.error().message);
  return std::move(*rules);
}

std::string mistakes_of(const std::string& text) {
  const auto rules = watch::parse_rules("rules.yaml", text);
  REQUIRE_FALSE(rules);
  CHECK(rules.error().code == "bad_config");
  return rules.error().message;
}

}  // namespace

TEST_CASE("rules stand in the file's order, with what each one means") {
  const auto rules = rules_of(R"(quantiles: [0.9, 0.999]
watch:
  - {match: up, as: ignore}
  - {match: '{job=~"shop|mail"}'}
  - {match: sizes, as: gauge}
  - {match: calls, as: counter}
  - {match: took_bucket, as: histogram}
)");
  CHECK(rules.quantiles == std::vector<double>{0.9, 0.999});
  REQUIRE(rules.rules.size() == 5);
  const As wanted[] = {As::ignore, As::automatic, As::gauge, As::counter, As::histogram};
  for (std::size_t i = 0; i < 5; ++i) CHECK(rules.rules[i].as == wanted[i]);
}

TEST_CASE("without quantiles they are the usual ones, one may stand by itself") {
  CHECK(rules_of("watch: [{match: up}]").quantiles == std::vector<double>{0.5, 0.99});
  CHECK(rules_of("quantiles: 0.9\nwatch: [{match: up}]").quantiles == std::vector<double>{0.9});
}

TEST_CASE("every mistake is told, each with its line and place") {
  const std::string all = mistakes_of(R"(quantiles: [0.5, 2, x]
watching: []
watch:
  - {match: 'up{'}
  - {as: gauge}
  - {match: up, as: gage}
  - {match: up, when: now}
)");
  for (const char* one :
       {"rules.yaml:1: quantiles: '2': expected between 0 and 1", "'x': expected between 0 and 1",
        "watching", "rules.yaml:4: watch[0]: up{: at character 4: expected a label's name",
        "rules.yaml:5: watch[1]: match is missing",
        "rules.yaml:6: watch[2].as: 'gage': expected automatic, gauge, counter, histogram or "
        "ignore",
        "rules.yaml:7: watch[3]"}) {
    INFO(all);
    CHECK(all.find(one) != std::string::npos);
  }
}

TEST_CASE("what would be taken for something else is a mistake") {
  CHECK(mistakes_of("").find("expected at least one rule") != std::string::npos);
  CHECK(mistakes_of("[]").find("expected a map") != std::string::npos);
  CHECK(mistakes_of("watch: up").find("expected a list") != std::string::npos);
  CHECK(mistakes_of("watch: [up]").find("watch[0]") != std::string::npos);
  CHECK(mistakes_of("a: [").find("rules.yaml:") == 0);
  CHECK(mistakes_of("quantiles: []\nwatch: [{match: up}]").find("at least one") !=
        std::string::npos);
  // The same quantile twice would be two series by one name.
  CHECK(mistakes_of("quantiles: [0.5, 0.50]\nwatch: [{match: up}]").find("'0.50' stands twice") !=
        std::string::npos);
}

TEST_CASE("more rules or quantiles than the limits are refused") {
  std::string quantiles = "watch: [{match: up}]\nquantiles: [0.5";
  for (int i = 1; i <= 10; ++i) quantiles += ", 0." + std::to_string(60 + i);
  CHECK(mistakes_of(quantiles + "]").find("at most 10") != std::string::npos);
  std::string rules = "watch:\n";
  for (int i = 0; i <= 1000; ++i) rules += "- {match: up}\n";
  CHECK(mistakes_of(rules).find("at most 1000 rules") != std::string::npos);
}
