// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text with placeholders, `{"model": {{ model }}, "note": "{{ alert }} on {{ labels.team | default
// "?" }}"}`. PURE. What fills a placeholder cannot break out of its place:
//   json    inside a string literal it is escaped as part of that string; outside, it becomes a
//   JSON
//           value of its own: text is quoted, a number or null stands bare
//   url     percent-encoded
//   header  control characters, CR and LF among them, become blanks
//   promql  escaped for a double-quoted PromQL string
//   text    as it is
// A field that is known but has no value is null in JSON and empty elsewhere. A field that is
// absent (a label that the incident does not have) takes its default, or else rendering fails and
// says so.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::decide {

class Template {
 public:
  enum class Place { json, url, header, promql, text };

  // The value of a field: text, a number or null; nothing when the field is absent.
  using Fields = std::function<std::optional<wire::Json>(std::string_view name)>;

  Template() = default;

  // Error "bad_template": a placeholder that is not closed, empty or malformed; with its byte.
  static Result<Template> parse(std::string_view text, Place place);

  // Error "missing_field", naming it.
  Result<std::string> render(const Fields& fields) const;

  std::vector<std::string> fields() const;  // Names used, in order, with repeats.
  std::string_view leading_text() const;    // What comes before the first placeholder.
  bool empty() const { return pieces_.empty(); }

 private:
  struct Piece {
    std::string text;  // Literal, or the field's name.
    bool field = false;
    bool in_string = false;  // json: inside a string literal.
    std::optional<std::string> fallback;
  };
  std::string place_value(const Piece& piece, const wire::Json& value) const;

  Place place_ = Place::text;
  std::vector<Piece> pieces_;
};

}  // namespace outrider::decide
