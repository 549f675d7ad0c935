// SPDX-License-Identifier: Apache-2.0
#include "cli/inject/yaml_write.h"

#include <algorithm>
#include <array>

#include "base/core/text.h"

namespace outrider::inject {
namespace {

using wire::Json;

constexpr std::array<std::string_view, 10> words = {"",    "~",  "null", "true", "false",
                                                    "yes", "no", "on",   "off",  "<<"};

bool is_word(std::string_view text) {
  const std::string lower = lower_ascii(text);
  return lower == "y" || lower == "n" ||
         std::find(words.begin(), words.end(), lower) != words.end();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Written without quotes: letters first, and nothing that means something to YAML.
bool is_safe_plain(const std::string& text) {
  const auto is_safe = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '.' || c == '/' || c == '=';
  };
  const auto is_inner = [&](char c) { return is_safe(c) || c == ':' || c == '+'; };
  const auto is_letter = [](char c) {
    return lower_ascii({&c, 1})[0] >= 'a' && lower_ascii({&c, 1})[0] <= 'z';
  };
  const bool is_option = text.size() > 2 && text.starts_with("--") && is_letter(text[2]);
  return !text.empty() && reads_as_string(text) &&
         (is_option || (is_safe(text[0]) && text[0] != '-')) && text[0] != '=' && text != "..." &&
         std::all_of(text.begin(), text.end(), is_inner) && text.back() != ':';
}

bool is_leaf(const Json& value) {
  return !value.is_structured() || value.empty();
}

void write_children(std::string& out, const Json& value, std::size_t indent) {
  if (value.is_array()) {
    for (const Json& item : value) write_block_item(out, item, indent);
  } else {
    for (const auto& [key, child] : value.items()) write_block_entry(out, key, child, indent);
  }
}

}  // namespace

bool reads_as_string(std::string_view plain) {
  if (is_word(plain)) return false;
  // Whatever begins as a number does might be one to some reader; dates and 12:30 begin so too.
  const char first = plain.front();
  if (is_digit(first)) return false;
  if (plain.size() < 2 || (first != '-' && first != '+' && first != '.')) return true;
  const char second = plain[1];
  const std::string lower = lower_ascii(plain);
  const bool is_special = lower.ends_with(".inf") || lower.ends_with(".nan");
  return !is_digit(second) && !(second == '.' && plain.size() > 2 && is_digit(plain[2])) &&
         !is_special;
}

std::string as_flow(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string as_scalar(const Json& value) {
  if (value.is_string() && is_safe_plain(value.get_ref<const std::string&>())) {
    return value.get<std::string>();
  }
  return as_flow(value);
}

void write_block_entry(std::string& out, const std::string& key, const Json& value,
                       std::size_t indent) {
  out.append(indent, ' ');
  out += as_scalar(Json(key)) + ":";
  if (is_leaf(value)) {
    out += " " + as_scalar(value) + "\n";
  } else {
    out += "\n";
    write_children(out, value, indent + 2);
  }
}

void write_block_item(std::string& out, const Json& value, std::size_t indent) {
  if (is_leaf(value)) {
    out.append(indent, ' ');
    out += "- " + as_scalar(value) + "\n";
    return;
  }
  const std::size_t begin = out.size();
  write_children(out, value, indent + 2);
  out[begin + indent] = '-';  // The first child's line carries the dash.
}

}  // namespace outrider::inject
