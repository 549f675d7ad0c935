// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/head.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace outrider::http2 {
namespace {

enum Class : std::uint8_t { name_class = 1, value_class = 2, target_class = 4, host_class = 8 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (int c = 0x20; c < 0x100; ++c)
    if (c != 0x7f) classes[c] |= value_class;
  classes['\t'] |= value_class;
  for (int c = 0x21; c < 0x7f; ++c)
    if (c != '#') classes[c] |= target_class;
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"))
    classes[static_cast<unsigned char>(c)] |= name_class;
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-._~!$&'()*+,;=:[]%"))
    classes[static_cast<unsigned char>(c)] |= host_class;
  return classes;
}
constexpr auto classes = make_classes();

bool all(std::string_view text, std::uint8_t wanted) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (classes[static_cast<unsigned char>(c)] & wanted) != 0;
  });
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Eight bytes, all of them printable ASCII: from ' ' to '~'.
bool are_printable(const char* bytes) {
  constexpr std::uint64_t each = 0x0101010101010101u, high = 0x80 * each;
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return ((word | (word + each) | ~((word | high) - 0x20 * each)) & high) == 0;
}

bool is_value(std::string_view value) {
  if (value.empty()) return true;
  if (is_blank(value.front()) || is_blank(value.back())) return false;
  while (value.size() >= 8 && are_printable(value.data())) value.remove_prefix(8);
  return all(value, value_class);
}

bool is_connection_specific(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
         name == "transfer-encoding" || name == "upgrade";
}

// Name and value alone, of a field that is no pseudo-field.
bool is_good(const Field& field) {
  if (field.name.empty() || !all(field.name, name_class) || !is_value(field.value)) return false;
  if (field.name == "te") return field.value == "trailers";
  return !is_connection_specific(field.name);
}

// Digits alone, once.
bool take_content_length(std::string_view value, std::int64_t& out) {
  if (out != no_content_length || value.empty() || value.size() > 18) return false;
  std::int64_t number = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + (c - '0');
  }
  out = number;
  return true;
}

bool take_once(std::string_view value, std::string_view& out) {
  if (out.data() != nullptr || !is_value(value)) return false;
  out = value;
  return true;
}

bool take_pseudo(const Field& field, RequestHead& head) {
  if (field.name == ":method") return take_once(field.value, head.method);
  if (field.name == ":scheme") return take_once(field.value, head.scheme);
  if (field.name == ":authority") return take_once(field.value, head.authority);
  if (field.name == ":path") return take_once(field.value, head.path);
  return false;
}

bool equal_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [&](char x, char y) { return lower(x) == lower(y); });
}

bool take_field(const Field& field, RequestHead& head, std::string_view& host) {
  if (!is_good(field)) return false;
  switch (field.name.size()) {
    case 4:
      return field.name != "host" || take_once(field.value, host);
    case 12:
      if (field.name == "content-type") head.content_type = field.value;
      if (field.name == "x-model-name") head.model_name = field.value;
      return true;
    case 14:
      return field.name != "content-length" ||
             take_content_length(field.value, head.content_length);
    default:
      return true;
  }
}

bool is_target(const RequestHead& head) {
  if (head.path == "*") return head.method == "OPTIONS";
  return !head.path.empty() && head.path.front() == '/' && all(head.path, target_class);
}

bool is_method(std::string_view method) {
  return !method.empty() && std::all_of(method.begin(), method.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (classes[static_cast<unsigned char>(c)] & name_class) != 0;
  });
}

}  // namespace

bool is_grpc(std::string_view content_type) {
  constexpr std::string_view word = "application/grpc";
  if (!content_type.starts_with(word)) return false;
  const std::string_view rest = content_type.substr(word.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';';
}

bool judge(const FieldBlock& block, RequestHead& head) {
  head = {};
  std::string_view host;
  bool pseudo_over = false;
  for (const Field& field : block) {
    const bool is_pseudo = field.name.starts_with(':');
    if (is_pseudo && (pseudo_over || !take_pseudo(field, head))) return false;
    pseudo_over = pseudo_over || !is_pseudo;
    if (!is_pseudo && !take_field(field, head, host)) return false;
  }
  head.is_connect = head.method == "CONNECT";
  head.is_grpc = is_grpc(head.content_type);
  if (!is_method(head.method)) return false;
  // Of CONNECT :authority is the target, and a Host is not (8.5).
  if (head.is_connect && head.authority.empty()) return false;
  if (host.data() != nullptr) {
    if (head.authority.data() != nullptr && !equal_without_case(host, head.authority)) return false;
    head.authority = host;
  }
  if (!all(head.authority, host_class)) return false;
  if (head.is_connect) return head.scheme.data() == nullptr && head.path.data() == nullptr;
  return !head.scheme.empty() && is_target(head);
}

bool judge(const FieldBlock& block, ResponseHead& head) {
  head = {};
  bool pseudo_over = false;
  for (const Field& field : block) {
    if (field.name.starts_with(':')) {
      const std::string_view value = field.value;
      const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
      if (pseudo_over || head.status != 0 || field.name != ":status" || value.size() != 3 ||
          value[0] == '0' || !std::all_of(value.begin(), value.end(), is_digit))
        return false;
      head.status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
      continue;
    }
    pseudo_over = true;
    if (!is_good(field)) return false;
    if (field.name == "content-length" && !take_content_length(field.value, head.content_length))
      return false;
    if (field.name == "content-type") head.content_type = field.value;
    if (field.name == "x-model-name") head.model_name = field.value;
    if (field.name == "grpc-status") head.grpc_status = field.value;
  }
  return head.status != 0 && head.status != 101;
}

bool judge_trailers(const FieldBlock& block) {
  return std::all_of(block.begin(), block.end(), is_good);
}

}  // namespace outrider::http2
