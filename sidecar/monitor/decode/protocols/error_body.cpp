// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/protocols/error_body.h"

#include <algorithm>
#include <iterator>

#include "base/core/text.h"
#include "sidecar/monitor/decode/answer_names.h"

namespace outrider::decode::protocols {
namespace {

constexpr std::string_view failing_states[] = {"error", "err", "fail", "failed", "failure"};

bool is_failing(std::string_view state) {
  return std::find(std::begin(failing_states), std::end(failing_states), lower_ascii(state)) !=
         std::end(failing_states);
}

// An object of numbers alone tells errors of an estimate, not that there was one.
bool has_words(dom::object object) {
  return std::any_of(object.begin(), object.end(),
                     [](const auto& field) { return !field.value.is_number(); });
}

bool says_something(dom::element value) {
  if (const auto text = text_of(value)) {
    const std::string lower = lower_ascii(trim(*text));
    return !lower.empty() && lower != "none" && lower != "null" && lower != "false" &&
           lower != "no" && lower != "0";
  }
  if (const auto list = array_of(value)) {
    return std::any_of(list->begin(), list->end(),
                       [](dom::element one) { return !one.is_null() && !one.is_number(); });
  }
  if (const auto object = object_of(value)) return object->size() > 0 && has_words(*object);
  bool flag = false;
  return value.get_bool().get(flag) == simdjson::SUCCESS && flag;
}

bool is_false(dom::element value) {
  bool flag = true;
  return value.get_bool().get(flag) == simdjson::SUCCESS && !flag;
}

}  // namespace

bool says_error(dom::object body) {
  for (const auto field : body) {
    if (!role_of(field.key).is(NameRole::error)) continue;
    const auto text = text_of(field.value);
    if (iequals_ascii(field.key, "success") || iequals_ascii(field.key, "ok")) {
      if (is_false(field.value)) return true;
    } else if (iequals_ascii(field.key, "status") || iequals_ascii(field.key, "state")) {
      if (text && is_failing(*text)) return true;
    } else if (says_something(field.value)) {
      return true;
    }
  }
  return false;
}

bool may_be_error(dom::object body) {
  bool has_message = false, has_code = false;
  for (const auto field : body) {
    if (!role_of(field.key).is(NameRole::maybe_error)) continue;
    double code = 0;
    if (field.key.starts_with("detail") && says_something(field.value)) return true;
    has_message = has_message || field.value.is_string();
    has_code = has_code || (field.value.get_double().get(code) == simdjson::SUCCESS && code >= 400);
  }
  return has_message && has_code;
}

}  // namespace outrider::decode::protocols
