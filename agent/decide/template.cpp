// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/template.h"

#include "base/core/text.h"

namespace outrider::decide {
namespace {

using wire::Json;

// Follows JSON's string literals through literal text.
class StringTracker {
 public:
  void feed(std::string_view text) {
    for (const char c : text) {
      if (escaped_) {
        escaped_ = false;
      } else if (inside_ && c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        inside_ = !inside_;
      }
    }
  }
  bool inside() const { return inside_; }

 private:
  bool inside_ = false;
  bool escaped_ = false;
};

std::string as_text(const Json& value) {
  if (value.is_null()) return {};
  return value.is_string() ? value.get<std::string>() : wire::to_text(value);
}

bool is_field_name(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.') return false;
  }
  return true;
}

Failure bad(std::size_t at, const std::string& what) {
  return fail("bad_template", "at byte " + std::to_string(at + 1) + ": " + what);
}

// The fallback of `| default "TEXT"`, given what follows the field's name.
Result<std::optional<std::string>> parse_fallback(std::string_view rest, std::size_t at) {
  rest = trim(rest);
  if (rest.empty()) return std::optional<std::string>();
  const std::string expected = "expected {{ name }} or {{ name | default \"text\" }}";
  if (rest.front() != '|') return bad(at, expected);
  rest = trim(rest.substr(1));
  if (!rest.starts_with("default")) return bad(at, expected);
  rest = trim(rest.substr(7));
  if (rest.size() < 2 || rest.front() != '"' || rest.back() != '"') return bad(at, expected);
  const std::string_view text = rest.substr(1, rest.size() - 2);
  if (text.find('"') != std::string_view::npos) return bad(at, expected);
  return std::optional<std::string>(text);
}

}  // namespace

Result<Template> Template::parse(std::string_view text, Place place) {
  Template result;
  result.place_ = place;
  StringTracker tracker;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = std::min(text.find("{{", at), text.size());
    if (open > at) {
      const std::string_view literal = text.substr(at, open - at);
      tracker.feed(literal);
      result.pieces_.push_back({std::string(literal), false, false, std::nullopt});
    }
    if (open == text.size()) break;
    const std::size_t close = text.find("}}", open);
    if (close == std::string_view::npos) return bad(open, "{{ without }}");
    const std::string_view inner = trim(text.substr(open + 2, close - open - 2));
    const std::size_t name_end = std::min(inner.find_first_of(" \t|"), inner.size());
    const std::string_view name = inner.substr(0, name_end);
    if (!is_field_name(name)) return bad(open, "expected a field's name between {{ and }}");
    auto fallback = parse_fallback(inner.substr(name_end), open);
    if (!fallback) return fail(fallback);
    result.pieces_.push_back({.text = std::string(name),
                              .field = true,
                              .in_string = tracker.inside(),
                              .fallback = std::move(*fallback)});
    at = close + 2;
  }
  return result;
}

Result<std::string> Template::render(const Fields& fields) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (!piece.field) {
      out += piece.text;
      continue;
    }
    const std::optional<Json> value = fields(piece.text);
    if (value) {
      out += place_value(piece, *value);
    } else if (piece.fallback) {
      out += place_value(piece, Json(*piece.fallback));
    } else {
      return fail("missing_field", "the incident has no " + piece.text);
    }
  }
  return out;
}

std::string Template::place_value(const Piece& piece, const Json& value) const {
  std::string text = as_text(value);
  switch (place_) {
    case Place::json: {
      if (!piece.in_string) return wire::to_text(value);
      const std::string quoted = wire::to_text(Json(text));
      return quoted.substr(1, quoted.size() - 2);
    }
    case Place::url:
      return percent_encode(text);
    case Place::header:
      for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
      }
      return text;
    case Place::promql: {
      std::string escaped;
      for (const char c : text) {
        if (c == '\\' || c == '"') escaped += '\\';
        if (c == '\n') {
          escaped += "\\n";
        } else {
          escaped += c;
        }
      }
      return escaped;
    }
    case Place::text:
      break;
  }
  return text;
}

std::vector<std::string> Template::fields() const {
  std::vector<std::string> names;
  for (const Piece& piece : pieces_) {
    if (piece.field) names.push_back(piece.text);
  }
  return names;
}

std::string_view Template::leading_text() const {
  return pieces_.empty() || pieces_.front().field ? std::string_view()
                                                  : std::string_view(pieces_.front().text);
}

}  // namespace outrider::decide
