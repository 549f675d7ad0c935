// SPDX-License-Identifier: Apache-2.0
#include <cctype>

#include "agent/decide/life.h"
#include "base/core/text.h"

namespace outrider::decide {
namespace {

struct Token {
  std::string_view text;
  std::size_t at = 0;
  int depth = 0;  // Of parentheses, braces and brackets.
};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':' || c == '.';
}

// Past a quoted string that begins at `at`; the text's size where it does not end.
std::size_t past_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote != '`') {
      ++i;
    } else if (text[i] == quote) {
      return i + 1;
    }
  }
  return text.size();
}

// Words and operators outside strings and comments; matchers between braces are left out.
std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  int depth = 0, braces = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'' || c == '`') {
      i = past_string(text, i);
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    braces += c == '{' ? 1 : c == '}' ? -1 : 0;
    depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
    std::size_t end = i + 1;
    if (is_word(c)) {
      while (end < text.size() && is_word(text[end])) ++end;
    } else if ((c == '<' || c == '>' || c == '=' || c == '!') && end < text.size() &&
               text[end] == '=') {
      ++end;
    }
    if (braces == 0 && c != '}' && std::isspace(static_cast<unsigned char>(c)) == 0)
      tokens.push_back({text.substr(i, end - i), i, depth});
    i = end;
  }
  return tokens;
}

bool is_comparison(std::string_view token) {
  return token == "<" || token == ">" || token == "<=" || token == ">=" || token == "==" ||
         token == "!=";
}

bool is_set_operator(const std::string& word) {
  return word == "and" || word == "or" || word == "unless";
}

std::string number_text(double value) {
  return format_double(value);
}

// A query of several lines, as part of a sentence.
std::string on_one_line(std::string_view query) {
  std::string line;
  for (const char c : query) {
    const bool is_space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!is_space) line += c;
    if (is_space && !line.ends_with(' ')) line += ' ';
  }
  return line;
}

}  // namespace

Result<Condition> parse_condition(std::string_view promql) {
  const std::string text(trim(promql));
  Condition condition{.query = text, .left = ""};
  std::size_t comparisons = 0, top = 0, at = 0;
  bool can_be_empty = false, has_sets = false;
  for (const Token& token : tokens_of(text)) {
    const std::string word = lower_ascii(token.text);
    if (word == "bool") {
      return fail("bad_condition",
                  "leave 'bool' out: with it the answer has a series, 0, also where the comparison "
                  "does not hold");
    }
    if (word == "absent" || word == "absent_over_time") can_be_empty = true;
    if (is_set_operator(word) && token.depth == 0) has_sets = true;
    if (!is_comparison(token.text)) continue;
    ++comparisons;
    if (token.depth == 0 && ++top == 1) at = token.at;
  }
  if (comparisons == 0 && !can_be_empty) {
    return fail("bad_condition",
                "expected a comparison, such as sum(rate(errors[5m])) < 1: it holds where its "
                "answer has a series, and this one has whatever the value is");
  }
  if (top == 1 && !has_sets) condition.left = std::string(trim(text.substr(0, at)));
  return condition;
}

Reading read_condition(const Condition& condition, const Answered& whole, const Answered& left) {
  Reading reading{.query = condition.query};
  if (!whole.values) {
    reading.words = "no answer: " + whole.trouble;
    return reading;
  }
  reading.holds = !whole.values->empty();
  const auto& values = condition.left.empty() ? whole.values : left.values;
  if (values && !values->empty()) {
    reading.value = values->front();
    reading.words = on_one_line(condition.left.empty() ? condition.query : condition.left) +
                    " is " + number_text(values->front());
    if (values->size() > 1)
      reading.words += " (the first of " + std::to_string(values->size()) + " series)";
  } else if (condition.left.empty()) {
    reading.words = "it has no series: it does not hold, or there are no data";
  } else {
    reading.words = values ? "no data: " + on_one_line(condition.left) + " has no series"
                           : "no answer: " + left.trouble;
  }
  return reading;
}

}  // namespace outrider::decide
