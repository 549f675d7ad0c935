// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/rules_file.h"

#include <algorithm>
#include <array>

#include "agent/series/quantile_board.h"
#include "base/config/yaml.h"
#include "base/core/enum_names.h"
#include "base/core/text.h"

namespace outrider::watch {
namespace {

using series::As;

constexpr std::size_t quantiles_max = 10;
constexpr std::array<EnumName<As>, 5> kinds = {{{As::automatic, "automatic"},
                                                {As::gauge, "gauge"},
                                                {As::counter, "counter"},
                                                {As::histogram, "histogram"},
                                                {As::ignore, "ignore"}}};

void read_quantiles(config::YamlReader& reader, const config::Yaml& root,
                    series::WatchRules& rules) {
  const config::Yaml at = reader.child(root, "quantiles");
  if (!at.node.IsDefined()) return;
  const auto texts = reader.texts(root, "quantiles");
  if (texts.empty()) reader.mistake(at, "expected at least one; leave it out for 0.5 and 0.99");
  rules.quantiles.clear();
  for (const std::string& text : texts) {
    const auto q = parse_double(text);
    const auto& taken = rules.quantiles;
    const auto is_same = [&](double other) {
      return series::quantile_name(other) == series::quantile_name(*q);
    };
    if (!q || !(*q > 0 && *q < 1)) {
      reader.mistake(at, "'" + text + "': expected between 0 and 1");
    } else if (std::any_of(taken.begin(), taken.end(), is_same)) {
      reader.mistake(at, "'" + text + "' stands twice");
    } else if (taken.size() >= quantiles_max) {
      return reader.mistake(at, "expected at most 10");
    } else {
      rules.quantiles.push_back(*q);
    }
  }
}

void read_rule(config::YamlReader& reader, const config::Yaml& item, series::WatchRules& rules) {
  reader.only_keys(item, {"match", "as"});
  const auto match = reader.text(item, "match");
  if (!match) return reader.mistake(item, "match is missing: expected a selector");
  auto selector = series::Selector::parse(*match);
  if (!selector) return reader.mistake(item, selector.error().message);
  const std::string as = reader.text(item, "as").value_or("automatic");
  if (const auto kind = parse_enum_name(kinds, as)) {
    rules.rules.push_back({std::move(*selector), *kind});
    return;
  }
  reader.mistake(reader.child(item, "as"),
                 "'" + as + "': expected automatic, gauge, counter, histogram or ignore");
}

}  // namespace

Result<series::WatchRules> parse_rules(const std::string& file, const std::string& text) {
  config::YamlReader reader(file);
  const config::Yaml root = reader.parse(text);
  reader.only_keys(root, {"quantiles", "watch"});
  series::WatchRules rules;
  read_quantiles(reader, root, rules);
  const auto items = reader.items(root, "watch");
  if (items.size() > series::WatchRules::rules_max) {
    reader.mistake(root, "expected at most 1000 rules under watch");
  } else {
    for (const config::Yaml& item : items) read_rule(reader, item, rules);
  }
  if (items.empty()) reader.mistake(root, "watch: expected at least one rule");
  if (auto read = reader.finish(); !read) return fail(read);
  return rules;
}

}  // namespace outrider::watch
