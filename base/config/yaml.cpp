// SPDX-License-Identifier: Apache-2.0
#include "base/config/yaml.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/core/text.h"

namespace outrider::config {
namespace {

std::string join_path(const std::string& parent, std::string_view key) {
  return parent.empty() ? std::string(key) : parent + "." + std::string(key);
}

// The first line, from 1, whose bytes are not UTF-8; 0 when there is none.
std::size_t line_of_invalid_utf8(std::string_view text) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    if (!is_valid_utf8(text.substr(0, end + 1))) return line;
    text.remove_prefix(end + 1);
  }
  return 0;
}

void flatten(const YAML::Node& node, const std::string& name, std::vector<FlatEntry>& entries) {
  if (node.IsMap()) {
    for (const auto& pair : node)
      flatten(pair.second, join_path(name, pair.first.Scalar()), entries);
    return;
  }
  FlatEntry entry{name, {}, node.Mark().line + 1};
  if (node.IsSequence()) {
    for (const auto& item : node) entry.values.push_back(item.IsScalar() ? item.Scalar() : "");
  } else if (node.IsScalar()) {
    entry.values.push_back(node.Scalar());
  }
  entries.push_back(std::move(entry));
}

}  // namespace

Yaml YamlReader::parse(const std::string& text) {
  // yaml-cpp lets any bytes through; they would come out again in labels, JSON and logs.
  if (const std::size_t line = line_of_invalid_utf8(text); line > 0) {
    mistakes_.push_back(file_ + ":" + std::to_string(line) + ": not UTF-8; save the file as UTF-8");
    return {YAML::Node(YAML::NodeType::Map), ""};
  }
  try {
    YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return {YAML::Node(YAML::NodeType::Map), ""};
    if (!root.IsMap()) mistakes_.push_back(file_ + ":1: expected a map of keys at the top");
    return {root, ""};
  } catch (const YAML::Exception& error) {
    mistakes_.push_back(file_ + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg);
    return {YAML::Node(YAML::NodeType::Map), ""};
  }
}

Yaml YamlReader::child(const Yaml& parent, std::string_view key) const {
  if (!parent.node.IsDefined() || !parent.node.IsMap()) {
    return {YAML::Node(YAML::NodeType::Undefined), join_path(parent.path, key)};
  }
  const YAML::Node& map = parent.node;  // Const: operator[] must not create the key.
  return {map[std::string(key)], join_path(parent.path, key)};
}

std::vector<Yaml> YamlReader::items(const Yaml& parent, std::string_view key) {
  const Yaml list = child(parent, key);
  std::vector<Yaml> found;
  if (!list.node.IsDefined() || list.node.IsNull()) return found;
  if (!list.node.IsSequence()) {
    mistake(list, "expected a list");
    return found;
  }
  for (std::size_t i = 0; i < list.node.size(); ++i) {
    found.push_back({list.node[i], list.path + "[" + std::to_string(i) + "]"});
  }
  return found;
}

std::vector<std::pair<std::string, Yaml>> YamlReader::entries(const Yaml& map) {
  std::vector<std::pair<std::string, Yaml>> found;
  if (!map.node.IsDefined() || map.node.IsNull()) return found;
  if (!map.node.IsMap()) {
    mistake(map, "expected a map of keys");
    return found;
  }
  for (const auto& pair : map.node) {
    const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "?";
    found.emplace_back(key, Yaml{pair.second, join_path(map.path, key)});
  }
  return found;
}

template <class T, class Parse>
std::optional<T> YamlReader::scalar(const Yaml& parent, std::string_view key,
                                    std::string_view expected, Parse parse) {
  const Yaml at = child(parent, key);
  if (!at.node.IsDefined()) return std::nullopt;
  std::optional<T> value;
  if (at.node.IsScalar()) value = parse(at.node.Scalar());
  if (!value) {
    const std::string got = at.node.IsScalar() ? "'" + at.node.Scalar() + "'" : "something else";
    mistake(at, "expected " + std::string(expected) + ", got " + got);
  }
  return value;
}

std::optional<std::string> YamlReader::text(const Yaml& parent, std::string_view key) {
  return scalar<std::string>(parent, key, "text",
                             [](const std::string& text) { return std::optional(text); });
}

std::optional<double> YamlReader::number(const Yaml& parent, std::string_view key) {
  return scalar<double>(parent, key, "a number", [](std::string_view text) {
    if (!text.ends_with('%')) return parse_double(text);
    const auto percent = parse_double(trim(text.substr(0, text.size() - 1)));
    return percent ? std::optional(*percent / 100) : std::nullopt;
  });
}

std::optional<std::int64_t> YamlReader::integer(const Yaml& parent, std::string_view key) {
  return scalar<std::int64_t>(parent, key, "a whole number",
                              [](std::string_view text) { return parse_int(text); });
}

std::optional<bool> YamlReader::boolean(const Yaml& parent, std::string_view key) {
  return scalar<bool>(parent, key, "true or false", [](std::string_view text) {
    if (text == "true" || text == "yes" || text == "on") return std::optional(true);
    if (text == "false" || text == "no" || text == "off") return std::optional(false);
    return std::optional<bool>();
  });
}

std::optional<Duration> YamlReader::duration(const Yaml& parent, std::string_view key) {
  return scalar<Duration>(parent, key, "a duration such as 30s, 5m or 24h",
                          [](std::string_view text) { return parse_duration(text); });
}

std::optional<std::uint64_t> YamlReader::bytes(const Yaml& parent, std::string_view key) {
  return scalar<std::uint64_t>(parent, key, "a size such as 32MiB",
                               [](std::string_view text) { return parse_bytes(text); });
}

std::vector<std::string> YamlReader::texts(const Yaml& parent, std::string_view key) {
  const Yaml at = child(parent, key);
  if (at.node.IsDefined() && at.node.IsScalar()) return {at.node.Scalar()};
  std::vector<std::string> found;
  for (const Yaml& item : items(parent, key)) {
    if (item.node.IsScalar()) {
      found.push_back(item.node.Scalar());
    } else {
      mistake(item, "expected text");
    }
  }
  return found;
}

void YamlReader::only_keys(const Yaml& map, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : entries(map)) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string all;
    for (const std::string_view name : known) all += (all.empty() ? "" : ", ") + std::string(name);
    mistake(value, "unknown key; known here: " + all);
  }
}

void YamlReader::mistake(const Yaml& at, const std::string& what) {
  const int line = at.node.IsDefined() ? at.node.Mark().line + 1 : 0;
  mistakes_.push_back(file_ + (line > 0 ? ":" + std::to_string(line) : "") + ": " +
                      (at.path.empty() ? "" : at.path + ": ") + what);
}

Result<void> YamlReader::finish() const {
  if (mistakes_.empty()) return {};
  std::string all;
  for (const std::string& one : mistakes_) all += (all.empty() ? "" : "\n") + one;
  return fail("bad_config", all);
}

Result<std::vector<FlatEntry>> read_flat_yaml(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return fail(text);
  YamlReader reader(file);
  const Yaml root = reader.parse(*text);
  if (auto parsed = reader.finish(); !parsed) return fail(parsed);
  std::vector<FlatEntry> entries;
  flatten(root.node, "", entries);
  return entries;
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("cannot_read", path + ": " + std::strerror(errno));
  std::string text;
  char piece[4096];  // On the stack of an HTTP handler too: net/http_server.h.
  while (file.read(piece, sizeof piece) || file.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(file.gcount()));
    if (text.size() > bytes_max) {
      return fail("file_too_large", path + ": larger than " + format_bytes(bytes_max));
    }
  }
  if (file.bad()) return fail("cannot_read", path + ": " + std::strerror(errno));
  return text;
}

}  // namespace outrider::config
