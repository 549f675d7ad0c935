// SPDX-License-Identifier: Apache-2.0
#include "agent/series/selector.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/core/text.h"

namespace outrider::series {
namespace {

constexpr std::int64_t pattern_memory_max = 1 << 20;

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool is_name(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

}  // namespace

// A cursor over the text; the first mistake ends it.
class Selector::Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<Selector> read() {
    Selector selector;
    skip_blanks();
    if (at_ < text_.size() && is_name_start(text_[at_])) {
      selector.matchers_.push_back({"__name__", read_name(), true, nullptr});
      skip_blanks();
    }
    if (at_ < text_.size() && text_[at_] == '{') {
      ++at_;
      if (auto read = read_matchers(selector); !read) return fail(read);
      skip_blanks();
    }
    if (at_ < text_.size()) return wrong("expected the end");
    const auto& all = selector.matchers_;
    if (std::all_of(all.begin(), all.end(), [](const Matcher& m) { return m.matches(""); })) {
      return wrong("expected at least one matcher that the empty text does not match");
    }
    return selector;
  }

 private:
  Failure wrong(const std::string& what) const {
    return fail("bad_selector", std::string(text_.substr(0, 200)) + ": at character " +
                                    std::to_string(at_ + 1) + ": " + what);
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) {
      ++at_;
    }
  }
  std::string read_name() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }

  Result<void> read_matchers(Selector& selector) {
    for (;;) {
      skip_blanks();
      if (at_ < text_.size() && text_[at_] == '}') {
        ++at_;
        return {};
      }
      if (selector.matchers_.size() >= matchers_max) {
        return wrong("expected at most " + std::to_string(matchers_max) + " matchers");
      }
      auto matcher = read_matcher();
      if (!matcher) return fail(matcher);
      selector.matchers_.push_back(std::move(*matcher));
      skip_blanks();
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
      } else if (at_ >= text_.size() || text_[at_] != '}') {
        return wrong("expected , or }");
      }
    }
  }

  Result<Matcher> read_matcher() {
    if (at_ >= text_.size() || !is_name_start(text_[at_])) return wrong("expected a label's name");
    Matcher matcher;
    matcher.name = read_name();
    skip_blanks();
    const std::string_view op = text_.substr(at_, 2);
    bool is_pattern = false;
    if (op == "=~" || op == "!~" || op == "!=") {
      matcher.equal = op[0] == '=';
      is_pattern = op[1] == '~';
      at_ += 2;
    } else if (op.starts_with('=')) {
      ++at_;
    } else {
      return wrong("expected =, !=, =~ or !~");
    }
    skip_blanks();
    auto value = read_quoted();
    if (!value) return fail(value);
    matcher.value = std::move(*value);
    if (!is_pattern) return matcher;
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(pattern_memory_max);
    options.set_dot_nl(true);  // As Prometheus compiles them: ^(?s:…)$.
    auto pattern = std::make_shared<const RE2>(matcher.value, options);
    if (!pattern->ok()) return wrong("no regular expression: " + pattern->error());
    matcher.pattern = std::move(pattern);
    return matcher;
  }

  Result<std::string> read_quoted() {
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '"' && quote != '\'' && quote != '`') return wrong("expected a quoted value");
    ++at_;
    std::string value;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\' || quote == '`') {
        value += text_[at_];
        continue;
      }
      if (++at_ >= text_.size()) break;
      switch (text_[at_]) {
        case 'n':
          value += '\n';
          break;
        case 't':
          value += '\t';
          break;
        case '\\':
        case '"':
        case '\'':
          value += text_[at_];
          break;
        default:
          return wrong("expected one of \\n \\t \\\\ \\\" \\' (a regular expression's \\ is \\\\)");
      }
    }
    if (at_ >= text_.size()) return wrong("expected the closing quote");
    ++at_;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool Selector::Matcher::matches(std::string_view text) const {
  const bool same = pattern ? RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *pattern)
                            : text == value;
  return same == equal;
}

Result<Selector> Selector::parse(std::string_view text) {
  if (text.size() > text_bytes_max) {
    return fail("bad_selector", "expected at most " + std::to_string(text_bytes_max) + " bytes");
  }
  return Reader(text).read();
}

bool Selector::matches(std::span<const LabelView> labels) const {
  return std::all_of(matchers_.begin(), matchers_.end(), [&](const Matcher& matcher) {
    const auto found =
        std::lower_bound(labels.begin(), labels.end(), std::string_view(matcher.name),
                         [](const LabelView& l, std::string_view name) { return l.name < name; });
    const bool there = found != labels.end() && found->name == matcher.name;
    return matcher.matches(there ? found->value : std::string_view());
  });
}

}  // namespace outrider::series
