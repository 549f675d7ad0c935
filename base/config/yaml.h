// SPDX-License-Identifier: Apache-2.0
#pragma once

// YAML for configuration (yaml-cpp): a reader that collects every mistake with its line and path,
// so that a person mends a file once.
//
//   YamlReader reader("policy.yaml");
//   const Yaml root = reader.parse(text);
//   const std::string name = reader.text(root, "name").value_or("");   // records what is wrong
//   reader.only_keys(root, {"name", "cooldown"});                       // an unknown key is a mistake
//   if (auto ok = reader.finish(); !ok) return fail(ok);                // all mistakes, one a line

#include <yaml-cpp/yaml.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::config {

// A node and where it stands, for messages: "rules[2].match".
struct Yaml {
  YAML::Node node;
  std::string path;
};

class YamlReader {
 public:
  explicit YamlReader(std::string file) : file_(std::move(file)) {}

  Yaml parse(const std::string& text);  // An empty map when it does not parse; the mistake is kept.

  // A child by key; an undefined node when absent. No mistake either way.
  Yaml child(const Yaml& parent, std::string_view key) const;
  std::vector<Yaml> items(const Yaml& parent, std::string_view key);   // A list; absent: empty.
  std::vector<std::pair<std::string, Yaml>> entries(const Yaml& map);  // In the file's order.

  // Nothing when the key is absent or wrong; wrong is also a mistake.
  std::optional<std::string> text(const Yaml& parent, std::string_view key);
  std::optional<double> number(const Yaml& parent, std::string_view key);  // "10%" is 0.1.
  std::optional<std::int64_t> integer(const Yaml& parent, std::string_view key);
  std::optional<bool> boolean(const Yaml& parent, std::string_view key);
  std::optional<Duration> duration(const Yaml& parent, std::string_view key);
  std::optional<std::uint64_t> bytes(const Yaml& parent, std::string_view key);
  std::vector<std::string> texts(const Yaml& parent, std::string_view key);  // A list, or one text.

  void only_keys(const Yaml& map, std::initializer_list<std::string_view> known);
  void mistake(const Yaml& at, const std::string& what);

  // Success, or every mistake, one a line "file:line: path: what"; code "bad_config".
  Result<void> finish() const;

 private:
  template <class T, class Parse>
  std::optional<T> scalar(const Yaml& parent, std::string_view key, std::string_view expected,
                          Parse parse);

  std::string file_;
  std::vector<std::string> mistakes_;
};

struct FlatEntry {
  std::string name;  // "web.listen-address", from nested maps.
  std::vector<std::string> values;
  int line = 0;
};
Result<std::vector<FlatEntry>> read_flat_yaml(const std::string& file);

Result<std::string> read_file(const std::string& path, std::size_t bytes_max = 64 << 20);

}  // namespace outrider::config
