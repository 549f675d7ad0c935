// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/answer_document.h"

#include <utility>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/answer_names.h"
#include "sidecar/monitor/decode/json_pointer.h"
#include "sidecar/monitor/decode/protocols/error_body.h"
#include "sidecar/monitor/decode/protocols/language_model.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode {
namespace {

bool looks_like_json(std::string_view text) {
  text = trim(text);
  return text.starts_with('{') || text.starts_with('[');
}

}  // namespace

void AnswerDocument::clear() {
  nature_ = Nature::prediction;
  has_root_ = are_lines_ = false;
  if (!kept_.empty()) kept_.clear();
}

bool AnswerDocument::open_again(std::string_view json) {
  if (!is_as_opened_ || !json_.take_again(json)) return false;
  nature_ = opened_nature_;
  has_root_ = true;
  return true;
}

Decoded<void> AnswerDocument::open(std::string_view json) {
  is_as_opened_ = false;
  const auto root = json_.parse(json);
  if (!root) return failed(root);
  root_ = *root;
  has_root_ = true;
  // JSON in a string of JSON, as a view writes that returns json.dumps(…) to a framework that does
  // so, too.
  if (const auto inner = text_of(root_); inner && looks_like_json(*inner)) {
    inner_.assign(*inner);
    const auto unpacked = json_.parse(inner_);
    if (!unpacked) return failed(unpacked);
    root_ = *unpacked;
  }
  look_at_root();
  is_as_opened_ = true;
  opened_nature_ = nature_;
  shapes_.reset();
  return {};
}

Decoded<void> AnswerDocument::open_lines(std::string_view list) {
  if (auto ok = open(list); !ok) return ok;
  lines_ = root_;
  are_lines_ = true;
  is_as_opened_ = false;
  // What the last line is, the stream is: Ollama's ends with its counts.
  for (const dom::element line : list_in(lines_)) root_ = line;
  nature_ = Nature::prediction;
  look_at_root();
  return {};
}

std::optional<std::size_t> AnswerDocument::lines() const {
  return are_lines_ ? std::optional<std::size_t>(array_of(lines_)->size()) : std::nullopt;
}

void AnswerDocument::read_all_lines() {
  root_ = lines_;
  view_.containers.clear();
  said_ = {};
}

// What it is, by its names.
void AnswerDocument::look_at_root() {
  view_.containers.clear();
  said_ = {};
  if (!root_.is_object()) {
    if (root_.is_array() && protocols::is_language_model_answer(root_)) {
      nature_ = Nature::language_model;
    }
    return;
  }
  view_.element = root_;
  view_.root = object_in(root_);
  unsigned flags = 0;
  for (const auto field : view_.root) {
    const NameRole role = role_of(field.key);
    flags |= role.flags;
    if (is_container(field.value)) view_.containers.push_back({field.key, field.value});
    if (!role.is(NameRole::other)) continue;  // As all names that follow are.
    if (field.key == "model_name") said_.model_name = field.value;
    if (field.key == "model_version") said_.model_version = field.value;
    if (field.key == "id") said_.id = field.value;
  }
  if ((flags & NameRole::error) && protocols::says_error(view_.root)) {
    nature_ = Nature::error;
  } else if ((flags & NameRole::language_model) && protocols::is_language_model_answer(root_)) {
    nature_ = Nature::language_model;
  }
}

const AnswerShapes& AnswerDocument::shapes() {
  if (is_as_opened_ && shapes_) return *shapes_;
  shapes_.emplace();
  if (view_.containers.empty()) return *shapes_;
  for (const protocols::Protocol& protocol : protocols::table) {
    if (protocol.answer && protocol.answer(view_, *shapes_)) break;
  }
  return *shapes_;
}

std::optional<dom::element> AnswerDocument::find(std::span<const std::string> tokens) const {
  return has_root_ ? follow(tokens, root_) : std::nullopt;
}

std::string_view AnswerDocument::field(std::span<const std::string> tokens) {
  return as_text(find(tokens));
}

std::string_view AnswerDocument::puid() {
  const auto meta = has_root_ ? object_of(view_.container("meta")) : std::nullopt;
  return meta ? as_text(member(*meta, "puid")) : std::string_view();
}

std::string_view AnswerDocument::as_text(std::optional<dom::element> element) {
  if (!has_root_ || !element || is_container(*element)) return {};
  if (const auto text = text_of(element)) return *text;
  std::string scratch;
  const std::string_view text = detectors::canonical_text(json_.scalar(*element), scratch);
  return text.data() == scratch.data() ? kept_.emplace_back(std::move(scratch)) : text;
}

}  // namespace outrider::decode
