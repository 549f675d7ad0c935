// SPDX-License-Identifier: Apache-2.0
#pragma once

// YAML that is changed as text: what is not touched keeps its comments, quotes, key order and line
// ends, byte for byte. A document is parsed into nodes that know where they stand; changes are
// noted on nodes, and text() makes them. PURE; not thread-safe.
//
//   auto document = YamlText::parse("a:\n  - 1\n", "file.yaml", 1);
//   document->append((*document->root())["a"], 2);
//   *document->text();                                      // "a:\n  - 1\n  - 2\n"
//
// text() reads its own result again and compares it with the changed nodes. A layout that cannot be
// changed in this way is therefore an error and never a wrong document. Time and memory are linear
// in the text; yaml-cpp refuses to nest deeper than 500.

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::inject {

using wire::Json;

struct YamlNode {
  enum class Kind { null, scalar, sequence, map, alias };
  struct Entry {
    YamlNode* key;
    YamlNode* value;
    bool removed = false;
  };

  // The value of a key, or nullptr: also where this is no map.
  YamlNode* find(std::string_view key) const;
  bool is_map() const { return kind == Kind::map; }
  bool is_sequence() const { return kind == Kind::sequence; }
  // A scalar's text; "" for anything else.
  const std::string& text() const { return scalar; }
  // Whether Kubernetes reads it as a string: quoted, or unlike a number, boolean, null or date.
  bool is_string() const;
  std::vector<YamlNode*> items() const;  // Of a sequence, without what was removed.
  std::size_t size() const;              // Items or entries that are left.

  Kind kind = Kind::null;
  std::string scalar;
  std::vector<Entry> entries;  // Items of a sequence have no key.
  YamlNode* parent = nullptr;

  // Where it stands: bytes into the document.
  std::size_t mark = 0;       // With its anchor and tag.
  std::size_t begin = 0;      // Without.
  std::size_t end = 0;        // The next node begins here, or the document ends.
  std::size_t last_leaf = 0;  // The scalar that stands last in it.
  int line = 0;               // In the file, from 1.
  std::size_t column = 0;     // Of `begin`; of a block sequence's dashes, of a block map's keys.
  bool flow = false;
  std::string tag;
  std::size_t anchor = 0;  // 0: none.
  bool is_shared = false;  // An alias elsewhere refers to it.

  // Changes.
  std::vector<std::pair<std::string, Json>> added;  // Keys, or items under "".
  std::optional<Json> replacement;
};

class YamlText {
 public:
  // `first_line` is the document's first line in `file`, for messages. Errors: "bad_yaml".
  static Result<YamlText> parse(std::string_view text, const std::string& file, int first_line);

  YamlNode* root() const { return root_; }  // nullptr: the document holds nothing.

  void append(YamlNode& sequence, Json item) { sequence.added.emplace_back("", std::move(item)); }
  // The key must not be there yet. A null becomes a map.
  void add(YamlNode& map, std::string key, Json value) {
    map.added.emplace_back(std::move(key), std::move(value));
  }
  void replace(YamlNode& scalar, Json value) { scalar.replacement = std::move(value); }
  // Removes an item or key; and what it leaves empty, up to `keep`.
  void remove(YamlNode& parent, const YamlNode& child, const YamlNode& keep);

  // Errors: "unsupported_layout".
  Result<std::string> text() const;

  // What the changed document says, whatever its layout and the order of its keys: equal texts,
  // equal meaning.
  std::string meaning() const;

 private:
  friend class YamlReaderEvents;
  friend class YamlEdits;
  YamlText() = default;

  std::string text_, file_;
  int first_line_ = 1;
  std::deque<YamlNode> nodes_;
  YamlNode* root_ = nullptr;
};

// A stream's documents, cut before the lines that separate them ("---", "..."). Together they are
// the text.
struct YamlChunk {
  std::string_view text;
  int first_line = 1;
  bool has_content = false;  // More than comments, directives and separators.
};
std::vector<YamlChunk> split_documents(std::string_view text);

}  // namespace outrider::inject
