// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/protocols/language_model.h"

#include <algorithm>

namespace outrider::decode::protocols {
namespace {

constexpr std::string_view path_ends[] = {
    "/chat/completions", "/completions",         "/embeddings",
    "/responses",        "/v1/messages",         "/api/chat",
    "/api/generate",     "/api/embed",           "/infill",
    "/tokenize",         "/detokenize",          "/v1/rerank",
    "/apply-template",   "/count_tokens",        "/images/generations",
    "/audio/speech",     "/audio/transcriptions"};

bool has(dom::object object, std::string_view name, bool (*is)(dom::element)) {
  const auto found = member(object, name);
  return found && is(*found);
}

bool is_text(dom::element element) {
  return element.is_string();
}
bool is_list(dom::element element) {
  return element.is_array();
}
bool is_object(dom::element element) {
  return element.is_object();
}
bool is_flag(dom::element element) {
  return element.is_bool();
}

bool is_object_of_openai(std::string_view object) {
  return object.starts_with("chat.completion") || object == "text_completion" ||
         object == "response" || object == "embedding";
}

// {"data": [{"embedding": […]}]}, and llama.cpp's bare list of such.
bool has_embeddings(std::optional<dom::array> list) {
  if (!list || list->size() == 0) return false;
  const auto first = object_of(*list->begin());
  return first && member(*first, "embedding").has_value();
}

bool is_answer(dom::object root) {
  if (has(root, "choices", is_list)) return true;
  for (const char* key : {"generated_text", "text_output"}) {
    if (has(root, key, is_text)) return true;
  }
  if (const auto object = text_of(member(root, "object"))) {
    if (is_object_of_openai(*object)) return true;
  }
  if (has(root, "done", is_flag) &&
      (has(root, "response", is_text) || has(root, "message", is_object))) {
    return true;
  }
  if (has(root, "content", is_text) &&
      (has(root, "timings", is_object) || member(root, "tokens_predicted"))) {
    return true;
  }
  const auto type = text_of(member(root, "type"));
  if (type && has(root, "content", is_list) && member(root, "role")) return true;
  if (type && (type->starts_with("message_") || type->starts_with("content_block_") ||
               type->starts_with("response."))) {
    return true;
  }
  return has_embeddings(array_of(member(root, "data")));
}

}  // namespace

bool is_language_model_path(std::string_view path) {
  return std::any_of(std::begin(path_ends), std::end(path_ends),
                     [path](std::string_view end) { return path.ends_with(end); });
}

bool is_language_model_answer(dom::element root) {
  if (const auto object = object_of(root)) return is_answer(*object);
  const auto list = array_of(root);
  if (!list || list->size() == 0) return false;
  const auto first = object_of(*list->begin());
  return first && (has(*first, "generated_text", is_text) || has_embeddings(list));
}

}  // namespace outrider::decode::protocols
