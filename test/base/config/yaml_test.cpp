// SPDX-License-Identifier: Apache-2.0
#include "base/config/yaml.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::config;
using namespace std::chrono_literals;

TEST_CASE("a YAML file reads typed values by path") {
  YamlReader reader("model.yaml");
  const Yaml root =
      reader.parse("truth: {tolerance: 10%, max_delay: 30d}\nsegments: [a, b]\nkeep: true\n");
  const Yaml truth = reader.child(root, "truth");
  CHECK(reader.number(truth, "tolerance") == 0.1);
  CHECK(reader.duration(truth, "max_delay") == 720h);
  CHECK_FALSE(reader.text(truth, "absent"));
  CHECK(reader.texts(root, "segments") == std::vector<std::string>{"a", "b"});
  CHECK(reader.boolean(root, "keep") == true);
  CHECK(reader.finish());
}

TEST_CASE("all mistakes of a YAML file come at once, each with its line and path") {
  YamlReader reader("policy.yaml");
  const Yaml root =
      reader.parse("rules:\n  - {cooldown: soon, limit: 1.5}\n  - {colour: red}\nlist: 3\n");
  const auto rules = reader.items(root, "rules");
  reader.duration(rules[0], "cooldown");
  reader.integer(rules[0], "limit");
  reader.only_keys(rules[1], {"cooldown", "limit"});
  reader.items(root, "list");
  const auto finished = reader.finish();
  REQUIRE_FALSE(finished);
  for (const char* expected :
       {"policy.yaml:2: rules[0].cooldown: expected a duration",
        "rules[0].limit: expected a whole number",
        "policy.yaml:3: rules[1].colour: unknown key; known here: cooldown, limit",
        "policy.yaml:4: list: expected a list"}) {
    CHECK_THAT(finished.error().message, Catch::Contains(expected));
  }
}

TEST_CASE("YAML that does not parse names its line") {
  YamlReader reader("x.yaml");
  reader.parse("a: [1,\nb: }");
  CHECK_THAT(reader.finish().error().message, Catch::Contains("x.yaml:2"));
}

TEST_CASE("YAML that is not UTF-8 is refused with its line, not passed on into labels and JSON") {
  YamlReader reader("x.yaml");
  reader.parse(
      "a: gr\u00fc\u00dfe\nb: gr\xfc\xdf"
      "e\n");
  CHECK_THAT(reader.finish().error().message, Catch::Contains("x.yaml:2: not UTF-8"));
}
