// SPDX-License-Identifier: Apache-2.0
#include "test/agent/told/page_text.h"

#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "base/core/text.h"

namespace outrider::page::testing {
namespace {

constexpr std::size_t width = 112;

std::string unescaped(std::string text) {
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"&lt;", "<"},
                                 {"&gt;", ">"},
                                 {"&quot;", "\""},
                                 {"&#39;", "'"},
                                 {"&amp;", "&"}}) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  }
  return text;
}

// What stands in place of an element, and whether its content is skipped.
struct Rendering {
  std::string before, after;
  bool skips = false;
};

const std::map<std::string, Rendering, std::less<>>& renderings() {
  static const std::map<std::string, Rendering, std::less<>> all = {
      {"svg", {"", "", true}},
      {"form", {"\n[ Your name ] [ Why ] ( Approve ) ( Reject )", "\n", true}},
      {"details", {"", "", true}},
      {"thead", {"", "", true}},
      {"h1", {"\n", "\n"}},
      {"h2", {"\n\n== ", " ==\n"}},
      {"p", {"\n", "\n"}},
      {"li", {"\n- ", ""}},
      {"div", {"\n", ""}},
      {"dt", {"", ": "}},
      {"caption", {"\n", "\n"}},
      {"tr", {"\n", ""}},
      {"th", {"", " "}},
      {"td", {" | ", ""}},
      {"figure", {"\n- ", ""}},
      {"figcaption", {"", ""}},
  };
  return all;
}

// Scale and times stand beside a picture.
bool is_of_picture(std::string_view tag) {
  return tag.find("class=\"scale\"") != std::string_view::npos ||
         tag.find("class=\"times\"") != std::string_view::npos;
}

std::string joined_words(const std::string& line) {
  std::istringstream words(line);
  std::string out;
  for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

// A line that only has a list's sign takes in the next one.
std::string tidy(const std::string& raw) {
  std::istringstream lines(raw);
  std::string out, sign;
  bool empty_before = true;
  for (std::string line; std::getline(lines, line);) {
    line = joined_words(line);
    if (line == "-" || line == "|") {
      sign = line + " ";
      continue;
    }
    if (line.empty()) continue;
    const bool is_head = line.starts_with("== ");
    if (is_head && !empty_before) out += "\n";
    out += wrapped(sign + line, width) + "\n";
    sign.clear();
    empty_before = false;
  }
  return out;
}

}  // namespace

std::string wrapped(const std::string& text, std::size_t columns) {
  const std::string indent = text.starts_with("- ") ? "  " : "";
  std::istringstream words(text);
  std::string out, line;
  std::size_t length = 0;
  for (std::string word; words >> word;) {
    std::size_t letters = 0;
    for (const char c : word) letters += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
    if (length > 0 && length + 1 + letters > columns) {
      out += line + "\n";
      line = indent;
      length = indent.size();
      line += word;
    } else {
      line += (length > 0 ? " " : "") + word;
      length += length > 0 ? 1 : 0;
    }
    length += letters;
  }
  return out + line;
}

std::string page_text(const std::string& html) {
  std::string raw;
  std::string skipping;  // The element that is skipped, and how often it is nested.
  int depth = 0;
  for (std::size_t at = 0; at < html.size();) {
    if (html[at] != '<') {
      const std::size_t end = std::min(html.find('<', at), html.size());
      if (skipping.empty()) {
        std::string text = unescaped(html.substr(at, end - at));
        for (char& c : text) c = c == '\n' ? ' ' : c;
        raw += text;
      }
      at = end;
      continue;
    }
    const std::size_t end = html.find('>', at);
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end + 1;
    const bool closes = tag.starts_with("/");
    const std::string name =
        tag.substr(closes ? 1 : 0, tag.find_first_of(" /", 1) - (closes ? 1 : 0));
    const auto found = renderings().find(name);
    if (!skipping.empty()) {
      if (name == skipping) depth += closes ? -1 : 1;
      if (depth == 0) {
        if (found != renderings().end()) raw += found->second.after;
        skipping.clear();
      }
      continue;
    }
    if (name == "br") raw += ", ";
    if (found == renderings().end()) continue;
    raw += closes ? found->second.after : found->second.before;
    if (!closes && !tag.ends_with("/") && (found->second.skips || is_of_picture(tag))) {
      skipping = name;
      depth = 1;
    }
  }
  return tidy(raw);
}

}  // namespace outrider::page::testing
