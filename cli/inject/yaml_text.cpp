// SPDX-License-Identifier: Apache-2.0
#include "cli/inject/yaml_text.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/core/text.h"
#include "cli/inject/yaml_write.h"

namespace outrider::inject {
namespace {

constexpr std::size_t none = std::string::npos;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::size_t line_start(std::string_view text, std::size_t at) {
  const std::size_t before = at == 0 ? none : text.rfind('\n', at - 1);
  return before == none ? 0 : before + 1;
}

std::size_t next_line(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('\n', at);
  return end == none ? text.size() : end + 1;
}

// The line without its end; its first character that is no blank, or none.
std::size_t first_of_line(std::string_view text, std::size_t start) {
  const std::size_t at = text.find_first_not_of(" \t", start);
  return at == none || text[at] == '\n' || text[at] == '\r' ? none : at;
}

// From an anchor or tag to what it stands before.
std::size_t skip_properties(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
    while (at < text.size() && !is_blank(text[at])) ++at;
    for (;;) {
      while (at < text.size() && is_blank(text[at])) ++at;
      if (at >= text.size() || text[at] != '#') break;
      at = next_line(text, at);
    }
  }
  return at;
}

// The end of a scalar that is written on one line; `at` is its first character.
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '\'' && at + 1 < text.size() && text[at + 1] == '\'') {
        ++at;
      } else {
        return at + 1;
      }
    }
  }
  return text.size();
}

// The bracket that closes the one at `open`. A quote begins a quoted scalar only where one may
// begin.
std::size_t closing_bracket(std::string_view text, std::size_t open) {
  int depth = 0;
  bool may_begin = true;
  for (std::size_t at = open; at < text.size(); ++at) {
    const char c = text[at];
    if ((c == '"' || c == '\'') && may_begin) {
      at = end_of_quoted(text, at) - 1;
      may_begin = false;
    } else if (c == '#' && at > 0 && is_blank(text[at - 1])) {
      at = next_line(text, at) - 1;
    } else if (c == '[' || c == '{') {
      ++depth;
      may_begin = true;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) return at;
      may_begin = false;
    } else if (!is_blank(c)) {
      may_begin = c == ',' || c == ':';
    }
  }
  return none;
}

Failure bad_yaml(const std::string& file, int line, const std::string& what) {
  return fail("bad_yaml", file + ":" + std::to_string(line) + ": " + what);
}

// Characters that YAML forbids; yaml-cpp takes some of them for the end of its input.
std::optional<std::size_t> forbidden_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) return i;
  }
  return std::nullopt;
}

std::string advice(std::string_view text, int line) {
  if (text.find("{{") != none) {
    return "; this looks like a template: render it first (helm template … | outrider-sidecar "
           "inject -f -)";
  }
  std::size_t at = 0;
  for (int i = 0; i < line && at < text.size(); ++i) at = next_line(text, at);
  const std::size_t first = text.find_first_not_of(' ', at);
  if (first != none && text[first] == '\t') return "; indent with blanks, YAML has no tabs";
  return "; see whether the indentation is that of the lines around, and whether texts with ': ' "
         "or '#' are quoted";
}

}  // namespace

// What yaml-cpp tells, as nodes.
class YamlReaderEvents final : public YAML::EventHandler {
 public:
  explicit YamlReaderEvents(YamlText& document) : document_(document) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override { settle(document_.text_.size()); }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    close(make(mark, YamlNode::Kind::null, "", anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (const auto found = anchors_.find(anchor); found != anchors_.end()) {
      found->second->is_shared = true;
    }
    close(make(mark, YamlNode::Kind::alias, std::to_string(anchor), 0));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode& node = make(mark, YamlNode::Kind::scalar, tag, anchor);
    node.scalar = value;
    last_leaf_ = node.begin;
    close(node);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(make(mark, YamlNode::Kind::sequence, tag, anchor), style);
  }
  void OnSequenceEnd() override { close_open(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(make(mark, YamlNode::Kind::map, tag, anchor), style);
  }
  void OnMapEnd() override {
    std::set<std::string_view> keys;
    for (const YamlNode::Entry& entry : open_.back()->entries) {
      const bool is_new =
          entry.key->kind != YamlNode::Kind::scalar || keys.insert(entry.key->scalar).second;
      if (!is_new) complain(*entry.key, "stands there twice; remove one");
      if (lacks_colon(entry)) complain(*entry.key, "has no ':' after it");
    }
    close_open();
  }

  // The first thing that yaml-cpp takes and Kubernetes refuses: its line and what it is.
  const std::optional<std::pair<int, std::string>>& complaint() const { return complaint_; }

 private:
  YamlNode& make(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& tag,
                 YAML::anchor_t anchor) {
    const std::string_view text = document_.text_;
    YamlNode& node = document_.nodes_.emplace_back();
    node.kind = kind;
    node.tag = tag;
    node.anchor = anchor;
    node.mark = std::min(static_cast<std::size_t>(std::max(mark.pos, 0)), text.size());
    const bool is_empty = kind == YamlNode::Kind::null;
    node.begin = is_empty ? node.mark : skip_properties(text, node.mark);
    // Counted from the mark and not from the line's start, which may be far away in a file of one
    // line.
    mark_column_ = static_cast<std::size_t>(std::max(mark.column, 0));
    const std::size_t broken = text.substr(node.mark, node.begin - node.mark).rfind('\n');
    node.column = broken == none ? mark_column_ + node.begin - node.mark
                                 : node.begin - (node.mark + broken + 1);
    node.line = document_.first_line_ + std::max(mark.line, 0);
    settle(node.mark);
    if (anchor != 0) anchors_[anchor] = &node;
    attach(node);
    return node;
  }

  void attach(YamlNode& node) {
    if (open_.empty()) {
      document_.root_ = &node;
      return;
    }
    YamlNode& parent = *open_.back();
    node.parent = &parent;
    if (parent.kind == YamlNode::Kind::sequence) {
      parent.entries.push_back({nullptr, &node});
    } else if (!parent.entries.empty() && parent.entries.back().value == nullptr) {
      parent.entries.back().value = &node;
    } else {
      if (parent.entries.empty()) parent.column = mark_column_;
      parent.entries.push_back({&node, nullptr});
    }
  }

  void open(YamlNode& node, YAML::EmitterStyle::value style) {
    node.flow = style == YAML::EmitterStyle::Flow;
    open_.push_back(&node);
  }
  void close_open() {
    YamlNode& node = *open_.back();
    open_.pop_back();
    close(node);
  }
  void close(YamlNode& node) {
    node.last_leaf = last_leaf_;
    unsettled_.push_back(&node);
  }
  void complain(const YamlNode& key, const std::string& what) {
    if (!complaint_) complaint_.emplace(key.line, "key \"" + key.text() + "\" " + what);
  }
  // A lone word in a block map, of which yaml-cpp makes a key without a value. ("? word" is one.)
  bool lacks_colon(const YamlNode::Entry& entry) const {
    const std::string_view text = document_.text_;
    const YamlNode& key = *entry.key;
    if (open_.back()->flow || !entry.value || entry.value->kind != YamlNode::Kind::null)
      return false;
    if (key.kind != YamlNode::Kind::scalar || key.begin >= text.size()) return false;
    const std::size_t line = line_start(text, key.mark);
    if (text.substr(line, key.mark - line).find('?') != none) return false;
    const bool is_quoted = text[key.begin] == '"' || text[key.begin] == '\'';
    std::size_t at = is_quoted ? end_of_quoted(text, key.begin) : key.begin + key.scalar.size();
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
    return at >= text.size() || text[at] != ':';
  }
  // Where the next node begins, those before it have ended.
  void settle(std::size_t at) {
    for (YamlNode* node : unsettled_) node->end = at;
    unsettled_.clear();
  }

  YamlText& document_;
  std::vector<YamlNode*> open_, unsettled_;
  std::map<YAML::anchor_t, YamlNode*> anchors_;
  std::size_t last_leaf_ = 0;
  std::size_t mark_column_ = 0;  // Of the node that is made.
  std::optional<std::pair<int, std::string>> complaint_;
};

YamlNode* YamlNode::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key && !entry.removed && entry.key->kind == Kind::scalar &&
        entry.key->scalar == key) {
      return entry.value;
    }
  }
  return nullptr;
}

bool YamlNode::is_string() const {
  if (kind != Kind::scalar) return false;
  if (tag != "?") return tag == "!" || tag == "tag:yaml.org,2002:str";
  return reads_as_string(scalar);
}

std::vector<YamlNode*> YamlNode::items() const {
  std::vector<YamlNode*> found;
  if (kind != Kind::sequence) return found;
  for (const Entry& entry : entries) {
    if (!entry.removed) found.push_back(entry.value);
  }
  return found;
}

std::size_t YamlNode::size() const {
  return static_cast<std::size_t>(std::count_if(entries.begin(), entries.end(),
                                                [](const Entry& entry) { return !entry.removed; }));
}

Result<YamlText> YamlText::parse(std::string_view text, const std::string& file, int first_line) {
  const auto line_of = [&](std::size_t at) {
    return first_line + static_cast<int>(std::count(text.begin(), text.begin() + at, '\n'));
  };
  if (const auto at = forbidden_character(text)) {
    return bad_yaml(file, line_of(*at), "a control character; YAML allows none, remove it");
  }
  if (!is_valid_utf8(text)) return bad_yaml(file, first_line, "not UTF-8; convert the file");
  YamlText document;
  document.text_ = text;
  document.file_ = file;
  document.first_line_ = first_line;
  std::istringstream stream{document.text_};
  YamlReaderEvents events(document);
  try {
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(events) && parser) {
      YamlText second;
      second.text_ = text;
      YamlReaderEvents rest(second);
      if (parser.HandleNextDocument(rest) && second.root_ &&
          second.root_->kind != YamlNode::Kind::null) {
        return bad_yaml(file, first_line, "two documents without a line '---' between them");
      }
    }
  } catch (const YAML::Exception& error) {
    const int line = std::max(error.mark.line, 0);
    return bad_yaml(file, first_line + line, "not YAML: " + error.msg + advice(text, line));
  }
  if (const auto& found = events.complaint()) return bad_yaml(file, found->first, found->second);
  // Nodes point at each other inside the deque, whose elements stay where they are when it is
  // moved.
  return document;
}

void YamlText::remove(YamlNode& parent, const YamlNode& child, const YamlNode& keep) {
  for (YamlNode::Entry& entry : parent.entries) {
    if (entry.value == &child) entry.removed = true;
  }
  if (parent.size() == 0 && &parent != &keep && parent.parent) {
    remove(*parent.parent, parent, keep);
  }
}

// --- the changed document, told in a form that can be compared ---------------------------------

namespace {

std::string told_text(const char* kind, const std::string& text) {
  return kind + std::to_string(text.size()) + text;
}

void tell(std::string& out, const Json& json) {
  if (json.is_object()) {
    std::map<std::string, std::string> sorted;
    for (const auto& [key, value] : json.items()) tell(sorted[told_text("s", key)], value);
    out += "{";
    for (const auto& [key, value] : sorted) out += key + value;
    out += "}";
  } else if (json.is_array()) {
    out += "[";
    for (const Json& item : json) tell(out, item);
    out += "]";
  } else if (json.is_string()) {
    out += told_text("s", json.get_ref<const std::string&>());
  } else if (json.is_null()) {
    out += "n";
  } else {
    out += told_text("p", json.dump());
  }
}

void tell_entries(std::string& out, const YamlNode& node, bool is_map);

bool is_plain_tag(const std::string& tag) {
  return tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str";
}

void tell(std::string& out, const YamlNode& node) {
  if (node.replacement) return tell(out, *node.replacement);
  if (node.anchor != 0) out += "&" + std::to_string(node.anchor);
  if (!is_plain_tag(node.tag)) out += "!" + node.tag + " ";
  using Kind = YamlNode::Kind;
  const bool becomes_map = node.kind == Kind::null && !node.added.empty();
  if (node.kind == Kind::alias) {
    out += "*" + node.tag;
  } else if (node.kind == Kind::scalar) {
    out += told_text(node.is_string() ? "s" : "p", node.scalar);
  } else if (node.kind == Kind::null && !becomes_map) {
    out += "n";
  } else {
    tell_entries(out, node, node.is_map() || becomes_map);
  }
}

// A map's keys in an order of their own: their order in the text means nothing.
void tell_entries(std::string& out, const YamlNode& node, bool is_map) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (const YamlNode::Entry& entry : node.entries) {
    if (entry.removed) continue;
    auto& [key, value] = entries.emplace_back();
    if (entry.key) tell(key, *entry.key);
    if (entry.value) tell(value, *entry.value);
  }
  for (const auto& [name, json] : node.added) {
    auto& [key, value] = entries.emplace_back();
    if (is_map) key = told_text("s", name);
    tell(value, json);
  }
  if (is_map) std::sort(entries.begin(), entries.end());
  out += is_map ? "{" : "[";
  for (const auto& [key, value] : entries) out += key + value;
  out += is_map ? "}" : "]";
}

}  // namespace

// --- changes of nodes as changes of text --------------------------------------------------------

class YamlEdits {
 public:
  explicit YamlEdits(const YamlText& document) : text_(document.text_) {
    const std::size_t first = text_.find('\n');
    newline_ = first != none && first > 0 && text_[first - 1] == '\r' ? "\r\n" : "\n";
  }

  void visit(const YamlNode& node) {
    if (node.replacement) return replace(node);
    remove_entries(node);
    for (const YamlNode::Entry& entry : node.entries) {
      if (entry.value && !entry.removed) visit(*entry.value);
    }
    // After what is added deeper inside, which may belong at the same place.
    if (!node.added.empty()) add_entries(node);
  }

  // Nothing when a change has no place.
  std::optional<std::string> made() {
    if (!possible_) return std::nullopt;
    std::stable_sort(edits_.begin(), edits_.end(),
                     [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
    std::string out;
    std::size_t at = 0;
    for (const Edit& edit : edits_) {
      if (edit.begin < at || edit.end < edit.begin) return std::nullopt;
      out.append(text_, at, edit.begin - at);
      out += edit.text;
      at = edit.end;
    }
    out.append(text_, at);
    return out;
  }

 private:
  struct Edit {
    std::size_t begin, end;
    std::string text;
  };

  void note(std::size_t begin, std::size_t end, std::string text) {
    if (begin == none || end == none) {
      possible_ = false;
    } else {
      edits_.push_back({begin, end, std::move(text)});
    }
  }

  std::size_t end_of_scalar(const YamlNode& node) const {
    if (node.begin >= text_.size()) return none;
    if (text_[node.begin] == '"' || text_[node.begin] == '\'') {
      return end_of_quoted(text_, node.begin);
    }
    const bool is_one_line = text_.compare(node.begin, node.scalar.size(), node.scalar) == 0;
    return is_one_line ? node.begin + node.scalar.size() : none;
  }

  // The line where what follows a block node begins: after its last line, before the comments and
  // blank lines that lead to the next.
  std::size_t block_end(const YamlNode& node, std::size_t following,
                        std::size_t comment_column) const {
    std::size_t line = following >= text_.size() ? text_.size() : line_start(text_, following);
    if (line <= node.begin) return none;
    const char leaf = node.last_leaf < text_.size() ? text_[node.last_leaf] : ' ';
    if (leaf == '|' || leaf == '>') return line;  // Blank lines and '#' are its content.
    while (line > node.begin) {
      const std::size_t before = line_start(text_, line - 1);
      if (before <= node.begin && first_of_line(text_, before) != none) break;
      const std::size_t first = first_of_line(text_, before);
      const bool is_comment = first != none && text_[first] == '#';
      if (first != none && !(is_comment && first - before < comment_column)) break;
      line = before;
    }
    return line;
  }
  std::size_t block_end(const YamlNode& node) const {
    // A sequence may stand as far left as its key: then a comment there belongs to the next key.
    const bool is_indentless = node.is_sequence() && node.parent && !node.parent->is_sequence() &&
                               node.parent->column == node.column;
    return block_end(node, node.end, node.column + (is_indentless ? 1 : 0));
  }

  void add_entries(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::null) return fill_null(node, "{" + flow_entries(node) + "}");
    if (node.flow) return add_to_flow(node);
    std::string lines;
    for (const auto& [key, value] : node.added) {
      if (node.is_map()) {
        write_block_entry(lines, key, value, node.column);
      } else {
        write_block_item(lines, value, node.column);
      }
    }
    const std::size_t at = block_end(node);
    if (at == none) return note(none, none, "");
    const bool is_cut = at > 0 && text_[at - 1] != '\n';  // The last line has no end.
    if (is_cut) {
      lines.pop_back();
      lines.insert(0, "\n");
    }
    note(at, at, with_line_ends(lines));
  }

  std::string flow_entries(const YamlNode& node) const {
    std::string out;
    for (const auto& [key, value] : node.added) {
      if (!out.empty()) out += ", ";
      if (!node.is_sequence()) out += as_flow(Json(key)) + ": ";
      out += as_flow(value);
    }
    return out;
  }

  void add_to_flow(const YamlNode& node) {
    const std::size_t close = closing_bracket(text_, node.begin);
    if (close == none) return note(none, none, "");
    std::size_t at = close;
    while (at > node.begin + 1 && is_blank(text_[at - 1])) --at;
    const bool has_comma = text_[at - 1] == ',';
    const std::string lead = node.size() == 0 ? "" : has_comma ? " " : ", ";
    note(at, at, lead + flow_entries(node));
  }

  void replace(const YamlNode& node) {
    const Json& value = *node.replacement;
    if (node.kind == YamlNode::Kind::null) return fill_null(node, as_flow(value));
    bool is_in_flow = false;
    for (const YamlNode* outer = node.parent; outer; outer = outer->parent)
      is_in_flow |= outer->flow;
    note(node.begin, end_of_scalar(node), is_in_flow ? as_flow(value) : as_scalar(value));
  }

  // `annotations:` and `annotations: null` become `annotations: {…}`.
  void fill_null(const YamlNode& node, const std::string& value) {
    const YamlNode* key = nullptr;
    for (const YamlNode::Entry& entry : node.parent ? node.parent->entries : no_entries_) {
      if (entry.value == &node) key = entry.key;
    }
    if (!key || node.anchor != 0) return note(none, none, "");
    std::size_t colon = end_of_scalar(*key);
    while (colon != none && colon < text_.size() && is_blank(text_[colon])) ++colon;
    if (colon == none || colon >= text_.size() || text_[colon] != ':') return note(none, none, "");
    std::size_t end = colon + 1;
    for (const std::string_view word : {"null", "Null", "NULL", "~"}) {
      if (node.mark > colon && text_.compare(node.mark, word.size(), word) == 0 &&
          text_.find('\n', colon) > node.mark) {
        end = node.mark + word.size();
      }
    }
    note(colon + 1, end, " " + value);
  }

  void remove_entries(const YamlNode& node) {
    for (std::size_t i = 0; i < node.entries.size(); ++i) {
      if (!node.entries[i].removed) continue;
      std::size_t last = i;
      while (last + 1 < node.entries.size() && node.entries[last + 1].removed) ++last;
      node.flow ? remove_from_flow(node, i, last) : remove_from_block(node, i, last);
      i = last;
    }
  }

  static std::size_t mark_of(const YamlNode::Entry& entry) {
    return entry.key ? entry.key->mark : entry.value->mark;
  }

  void remove_from_flow(const YamlNode& node, std::size_t first, std::size_t last) {
    const std::size_t begin = mark_of(node.entries[first]);
    if (last + 1 < node.entries.size()) return note(begin, mark_of(node.entries[last + 1]), "");
    const std::size_t close = closing_bracket(text_, node.begin);
    if (close == none) return note(none, none, "");
    std::size_t from = begin, to = close;
    while (from > node.begin + 1 && (is_blank(text_[from - 1]) || text_[from - 1] == ',')) --from;
    while (to > begin && is_blank(text_[to - 1])) --to;
    note(from, to, "");
  }

  // The position of an item's dash or of a key.
  std::size_t entry_begin(const YamlNode& node, std::size_t i) const {
    if (node.is_map()) return node.entries[i].key->mark;
    for (std::size_t line = line_start(text_, node.entries[i].value->mark);;
         line = line_start(text_, line - 1)) {
      const std::size_t dash = line + node.column;
      const bool is_dash =
          dash < text_.size() && text_[dash] == '-' && text_.find_first_not_of(" -", line) >= dash;
      if (is_dash && dash <= node.entries[i].value->mark) return dash;
      if (line <= node.begin || line == 0) return none;
    }
  }

  void remove_from_block(const YamlNode& node, std::size_t first, std::size_t last) {
    const std::size_t begin = entry_begin(node, first);
    const bool is_last = last + 1 == node.entries.size();
    const std::size_t next = is_last ? none : entry_begin(node, last + 1);
    if (begin == none || (!is_last && next == none)) return note(none, none, "");
    const std::size_t line = line_start(text_, begin);
    if (first_of_line(text_, line) != begin) {
      // "- key: …": what stands before it on its line stays, and the next takes its place.
      return note(begin, is_last ? none : next, "");
    }
    const YamlNode& final = *node.entries[last].value;
    const std::size_t end = is_last ? block_end(node) : block_end(final, next, node.column + 1);
    note(line, end == none && !is_last ? line_start(text_, next) : end, "");
  }

  std::string with_line_ends(const std::string& lines) const {
    if (newline_ == "\n") return lines;
    std::string out;
    for (const char c : lines) c == '\n' ? out += newline_ : out += c;
    return out;
  }

  const std::string& text_;
  std::string newline_;
  std::vector<Edit> edits_;
  bool possible_ = true;
  const std::vector<YamlNode::Entry> no_entries_;
};

std::string YamlText::meaning() const {
  std::string told;
  if (root_) tell(told, *root_);
  return told;
}

Result<std::string> YamlText::text() const {
  if (!root_) return text_;
  YamlEdits edits(*this);
  edits.visit(*root_);
  const auto made = edits.made();
  if (made) {
    const auto again = parse(*made, file_, first_line_);
    if (again && again->meaning() == meaning()) return *made;
  }
  return fail(
      "unsupported_layout",
      file_ + ":" + std::to_string(root_->line) +
          ": cannot change this document without touching the rest; write lists and maps one "
          "item a line, or give it as JSON (kubectl apply --dry-run=client -o json)");
}

std::vector<YamlChunk> split_documents(std::string_view text) {
  std::vector<YamlChunk> chunks;
  std::size_t begin = 0;
  int line = 1, first_line = 1;
  bool has_content = false;
  const auto cut = [&](std::size_t end) {
    if (end > begin) chunks.push_back({text.substr(begin, end - begin), first_line, has_content});
    begin = end;
    first_line = line;
    has_content = false;
  };
  for (std::size_t at = 0; at < text.size(); at = next_line(text, at), ++line) {
    std::string_view content = text.substr(at, next_line(text, at) - at);
    const std::string_view head = content.substr(0, 3);
    const bool is_separator =
        (head == "---" || head == "...") && (content.size() == 3 || is_blank(content[3]));
    if (is_separator) {
      cut(at);
      content.remove_prefix(3);
    }
    content = trim(content);
    const bool is_directive = text[at] == '%' && !has_content;
    if (!content.empty() && content.front() != '#' && !is_directive) has_content = true;
  }
  cut(text.size());
  return chunks;
}

}  // namespace outrider::inject
