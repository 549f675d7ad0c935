// SPDX-License-Identifier: Apache-2.0
#include "sidecar/decode/protocols/error_body.h"

#include <algorithm>
#include <iterator>

#include "base/core/text.h"

namespace outrider::decode::protocols {
namespace {

constexpr std::string_view error_names[] = {
    "error",     "errors",      "err",        "error_message", "errorMessage", "error_msg",
    "errorMsg",  "error_code",  "errorCode",  "exception",     "fault",        "faultstring",
    "traceback", "stack_trace", "stacktrace", "Error",         "Errors",       "Exception"};
constexpr std::string_view failing_states[] = {"error", "err", "fail", "failed", "failure"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
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
    if (is_one_of(field.key, error_names) && says_something(field.value)) return true;
    if ((field.key == "success" || field.key == "ok") && is_false(field.value)) return true;
    if (field.key != "status" && field.key != "state") continue;
    const auto state = text_of(field.value);
    if (state && is_one_of(lower_ascii(*state), failing_states)) return true;
  }
  return false;
}

bool may_be_error(dom::object body) {
  bool has_message = false, has_code = false;
  for (const auto field : body) {
    if ((field.key == "detail" || field.key == "details") && says_something(field.value))
      return true;
    if (field.key == "message" || field.key == "msg" || field.key == "reason") has_message = true;
    if (field.key != "code" && field.key != "status" && field.key != "status_code" &&
        field.key != "statusCode") {
      continue;
    }
    double code = 0;
    has_code = has_code || (field.value.get_double().get(code) == simdjson::SUCCESS && code >= 400);
  }
  return has_message && has_code;
}

}  // namespace outrider::decode::protocols
