// SPDX-License-Identifier: Apache-2.0
// A rules file and a selector's text: refused with words, or they judge series with hostile labels,
// each in its turn and always alike.
#include <limits>

#include "agent/suspects/correlation_file.h"
#include "agent/suspects/metric_query.h"
#include "agent/watch/rules_file.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

namespace {

void judge(const series::WatchRules& rules, std::string_view text) {
  // Sorted by name, as ingest has them.
  const LabelView series[] = {{"__name__", text.substr(0, 20)}, {"job", text}, {"le", "+Inf"}};
  for (const auto kind : {series::MetricKind::unknown, series::MetricKind::histogram}) {
    const series::As as = rules.judge(series, kind);
    require(as != series::As::automatic, "a series is watched as something, or not at all");
    require(rules.judge(series, kind) == as, "the same series is judged alike");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto rules = watch::parse_rules("rules.yaml", text);
  if (rules) {
    require(!rules->rules.empty(), "there is a rule");
    for (const double q : rules->quantiles) require(q > 0 && q < 1, "quantiles are within");
    judge(*rules, text);
  } else {
    require(rules.error().message.find("rules.yaml:") == 0, "an error says where");
  }
  // The agent's other YAML files of rules.
  const auto queries = suspects::parse_queries("rules.yaml", text);
  if (!queries) require(queries.error().message.find("rules.yaml:") == 0, "an error says where");
  const auto correlation = suspects::parse_correlation("rules.yaml", text);
  if (!correlation)
    require(correlation.error().message.find("rules.yaml:") == 0, "an error says where");
  auto selector = series::Selector::parse(text);
  if (!selector) {
    require(!selector.error().message.empty(), "an error has words");
    return 0;
  }
  require(!selector->matches({}), "a selector does not match what has no labels");
  judge({{{std::move(*selector), series::As::automatic}}}, text);
  return 0;
}
