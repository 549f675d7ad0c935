// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/correlation_file.h"

#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider::suspects {
namespace {

using config::Yaml;
using config::YamlReader;
using incident::Topology;

constexpr std::size_t entries_max = 10'000;

std::optional<incident::Component> component(YamlReader& reader, const Yaml& at,
                                             const std::string& text) {
  auto parsed = parse_component(text);
  if (!parsed)
    reader.mistake(at, "'" + text + "': expected NAMESPACE/WORKLOAD, WORKLOAD or machine NAME");
  return parsed;
}

void read_depends(YamlReader& reader, const Yaml& item, Correlation& out) {
  reader.only_keys(item, {"from", "on"});
  const auto from = component(reader, item, reader.text(item, "from").value_or(""));
  const std::vector<std::string> on = reader.texts(item, "on");
  if (on.empty()) reader.mistake(item, "on is missing: expected what it depends on");
  for (const std::string& text : on) {
    const auto to = component(reader, item, text);
    if (from && to) out.depends.push_back({*from, *to, Topology::Source::configuration, {}});
  }
}

void read_rule(YamlReader& reader, const Yaml& item, Correlation& out) {
  reader.only_keys(item, {"name", "match", "by", "within"});
  incident::CorrelationRule rule;
  rule.name = reader.text(item, "name").value_or("");
  if (rule.name.empty()) reader.mistake(item, "name is missing: incidents tell it");
  const Yaml match = reader.child(item, "match");
  for (const auto& [label, value] : reader.entries(match)) {
    std::vector<std::string> patterns = reader.texts(match, label);
    rule.match.emplace_back(label, std::move(patterns));
  }
  if (rule.match.empty())
    reader.mistake(item,
                   "match is missing: expected labels and their values, such as "
                   "{namespace: shop}");
  rule.by = reader.texts(item, "by");
  rule.within = reader.duration(item, "within").value_or(rule.within);
  out.rules.correlate.push_back(std::move(rule));
}

}  // namespace

std::optional<incident::Component> parse_component(std::string_view text) {
  incident::Component out;
  text = trim(text);
  if (text.starts_with("machine ")) {
    out.machine = true;
    out.name = trim(text.substr(8));
  } else {
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos) out.name_space = text.substr(0, slash);
    out.name = text.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (slash != std::string_view::npos && out.name_space.empty()) return std::nullopt;
  }
  if (out.name.empty() || out.name.find('/') != std::string::npos) return std::nullopt;
  return out;
}

Result<Correlation> parse_correlation(const std::string& file, const std::string& text) {
  YamlReader reader(file);
  const Yaml root = reader.parse(text);
  reader.only_keys(root, {"depends", "correlate"});
  Correlation out;
  const auto depends = reader.items(root, "depends"), rules = reader.items(root, "correlate");
  if (depends.size() + rules.size() > entries_max) {
    reader.mistake(root, "expected at most " + std::to_string(entries_max) + " entries");
  } else {
    for (const Yaml& item : depends) read_depends(reader, item, out);
    for (const Yaml& item : rules) read_rule(reader, item, out);
  }
  if (auto read = reader.finish(); !read) return fail(read);
  return out;
}

}  // namespace outrider::suspects
