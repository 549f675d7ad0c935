// SPDX-License-Identifier: Apache-2.0
#pragma once

// A response's body as JSON: one value, JSON in a string of JSON, or lines that came as one list.
// Says what the answer is by its names, and finds what it tells of itself. Not thread-safe; one is
// used again for every exchange: while the same JSON comes again, with other values behind it,
// nothing in it is looked for again.

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/protocols/answer_shape.h"
#include "sidecar/monitor/decode/protocols/body_view.h"

namespace outrider::decode {

class AnswerDocument {
 public:
  enum class Nature { prediction, error, language_model };

  AnswerDocument() = default;
  AnswerDocument(const AnswerDocument&) = delete;  // What is found in it looks into it.
  AnswerDocument& operator=(const AnswerDocument&) = delete;

  void clear();
  // Whether this is what was parsed last: then what was found in the tree holds.
  bool holds(std::string_view json) const { return json_.holds(json); }
  // True, and opened, where this is what was opened last.
  bool open_again(std::string_view json);
  // JSON's reasons.
  Decoded<void> open(std::string_view json);
  // JSON lines as one list. The last line counts, until read_all_lines().
  Decoded<void> open_lines(std::string_view list);
  std::optional<std::size_t> lines() const;  // Of open_lines.
  void read_all_lines();                     // The root is the list: a row a line.

  Nature nature() const { return nature_; }
  void note_error() { nature_ = Nature::error; }

  bool has_root() const { return has_root_; }
  dom::element root() const { return root_; }
  const AnswerShapes& shapes();  // By the protocols; none: the root is what it looks like.
  JsonTree& json() { return json_; }

  std::optional<dom::element> find(std::span<const std::string> tokens) const;
  // A single value as text; "" when there is none. Valid until clear().
  std::string_view field(std::span<const std::string> tokens);
  std::string_view model_name() { return as_text(said_.model_name); }
  std::string_view model_version() { return as_text(said_.model_version); }
  std::string_view id() { return as_text(said_.id); }
  std::string_view puid();  // Seldon's meta.puid.

 private:
  // Members of the root, the last one of each name.
  struct Said {
    std::optional<dom::element> model_name, model_version, id;
  };

  void look_at_root();
  std::string_view as_text(std::optional<dom::element> element);

  JsonTree json_;
  std::string inner_;  // The JSON in a string of JSON.
  dom::element root_, lines_;
  bool has_root_ = false, are_lines_ = false;
  BodyView view_;
  Said said_;
  Nature nature_ = Nature::prediction;
  bool is_as_opened_ = false;  // Root, view and names are still as open() found them.
  Nature opened_nature_ = Nature::prediction;
  std::optional<AnswerShapes> shapes_;
  std::deque<std::string> kept_;  // Texts of numbers.
};

}  // namespace outrider::decode
