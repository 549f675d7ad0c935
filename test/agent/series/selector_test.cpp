// SPDX-License-Identifier: Apache-2.0
#include "agent/series/selector.h"

#include "agent/series/watch_rules.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::series;

namespace {

using Views = std::vector<LabelView>;  // Sorted by name.

bool selects(std::string_view text, const Views& labels) {
  const auto selector = Selector::parse(text);
  INFO(text);
  REQUIRE(selector);
  return selector->matches(labels);
}

std::string refusal(std::string_view text) {
  const auto selector = Selector::parse(text);
  return selector ? "(accepted)" : selector.error().message;
}

const Views shop = {{"__name__", "http_requests_total"}, {"code", "503"}, {"job", "shop"}};

}  // namespace

TEST_CASE("a selector matches as PromQL's does") {
  CHECK(selects("http_requests_total", shop));
  CHECK_FALSE(selects("http_requests", shop));
  CHECK(selects("http_requests_total{job=\"shop\"}", shop));
  CHECK(selects("{__name__=~\"http_.+\", code=~'5..', job!=\"bank\"}", shop));
  CHECK(selects(" http_requests_total { job = `shop` , } ", shop));
  CHECK(selects("{job=\"shop\", pod=\"\"}", shop));  // An absent label is an empty one.
  CHECK(selects("{job=\"shop\", pod!~\".+\"}", shop));
  CHECK_FALSE(selects("{__name__!=\"\",job!=\"shop\"} ", shop));
}

TEST_CASE("regular expressions are anchored at both ends") {
  CHECK_FALSE(selects("{job=~\"sho\"}", shop));
  CHECK(selects("{job=~\"sho|shop\"}", shop));
  CHECK(selects("http_requests_total{job!~\"ho\"}", shop));
  CHECK(selects("{job=~\"a.*\"}", {{"job", "a\nb"}}));  // The dot is any character.
}

TEST_CASE("what is wrong with a selector is said with its place") {
  CHECK(refusal("{job=shop}") == "{job=shop}: at character 6: expected a quoted value");
  CHECK(refusal("{job~\"x\"}").find("character 5: expected =, !=, =~ or !~") != std::string::npos);
  CHECK(refusal("{job=\"x\"").find("expected , or }") != std::string::npos);
  CHECK(refusal("{job=\"x}").find("closing quote") != std::string::npos);
  CHECK(refusal("{job=~\"(\"}").find("no regular expression") != std::string::npos);
  CHECK(refusal("up 5").find("expected the end") != std::string::npos);
  CHECK(refusal("{job=~\".*\"}").find("at least one matcher") != std::string::npos);
  CHECK(refusal("{}").find("at least one matcher") != std::string::npos);
  CHECK(refusal("").find("at least one matcher") != std::string::npos);
  CHECK(refusal(std::string(20'000, 'a')).find("bytes") != std::string::npos);
}

TEST_CASE("a hostile expression costs no more than its length") {
  const auto selector = Selector::parse("{job=~\"(a+)+b\"}");
  REQUIRE(selector);
  const std::string value(4096, 'a');
  CHECK_FALSE(selector->matches(Views{{"job", value}}));
  CHECK_FALSE(Selector::parse("{job=~\"(((a{1000}){1000}){1000})\"}"));
}

TEST_CASE("what a series is watched as follows from its kind, or else from its name") {
  const WatchRules rules = WatchRules::everything();
  const auto as = [&](const char* metric, MetricKind kind = MetricKind::unknown) {
    return rules.judge(Views{{"__name__", metric}}, kind);
  };
  CHECK(as("queue_length") == As::gauge);
  CHECK(as("requests_total") == As::counter);
  CHECK(as("latency_seconds_sum") == As::counter);
  CHECK(as("requests_total", MetricKind::gauge) == As::gauge);
  CHECK(as("requests", MetricKind::counter) == As::counter);
  CHECK(as("build_info") == As::ignore);
  CHECK(as("requests_created") == As::ignore);
  CHECK(as("anything", MetricKind::info) == As::ignore);
  CHECK(rules.judge(Views{{"__name__", "latency_seconds_bucket"}, {"le", "0.1"}},
                    MetricKind::histogram) == As::histogram);
}

TEST_CASE("the first rule that matches decides, what none matches is left alone") {
  WatchRules rules;
  rules.rules.push_back({Selector::parse("up").value(), As::ignore});
  rules.rules.push_back({Selector::parse("{job=\"shop\"}").value(), As::gauge});
  CHECK(rules.judge(Views{{"__name__", "up"}, {"job", "shop"}}, MetricKind::gauge) == As::ignore);
  CHECK(rules.judge(Views{{"__name__", "x_total"}, {"job", "shop"}}, MetricKind::unknown) ==
        As::gauge);
  CHECK(rules.judge(Views{{"__name__", "x"}, {"job", "bank"}}, MetricKind::gauge) == As::ignore);
}

TEST_CASE("the agent's own scores are never watched, whatever the rules say") {
  WatchRules rules;
  rules.rules.push_back({Selector::parse("{__name__!=\"\"}").value(), As::gauge});
  for (const char* own : {"outrider_anomaly_score", "outrider_anomalies_total",
                          "outrider_agent_series", "outrider_series_watched"}) {
    CHECK(rules.judge(Views{{"__name__", own}}, MetricKind::gauge) == As::ignore);
  }
  CHECK(rules.judge(Views{{"__name__", "outrider_accuracy_ratio"}}, MetricKind::gauge) ==
        As::gauge);
}
