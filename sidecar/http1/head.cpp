// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/head.h"

#include <algorithm>

#include "base/core/text.h"
#include "sidecar/http1/characters.h"

namespace outrider::http1 {

const Field* Head::find(FieldId id) const {
  if (id == FieldId::other) return nullptr;  // That is many fields, not one.
  const std::uint8_t first = first_of_[static_cast<std::size_t>(id)];
  return first == 0 ? nullptr : &fields_[first - 1];
}

const Field* Head::find(std::string_view wanted) const {
  const Field* found = std::find_if(fields_begin(), fields_end(), [&](const Field& f) {
    return f.name_size == wanted.size() && iequals_ascii(name(f), wanted);
  });
  return found == fields_end() ? nullptr : found;
}

std::string_view Head::value_of(FieldId id) const {
  const Field* field = find(id);
  return field == nullptr ? std::string_view{} : value(*field);
}

std::string_view Head::value_of(std::string_view wanted) const {
  const Field* field = find(wanted);
  return field == nullptr ? std::string_view{} : value(*field);
}

std::optional<std::chrono::seconds> ResponseHead::keep_alive_timeout() const {
  constexpr std::string_view name = "timeout=";
  std::optional<std::chrono::seconds> timeout;
  for_each_element(value_of(FieldId::keep_alive), [&](std::string_view parameter) {
    std::uint64_t seconds = 0;
    if (iequals_ascii(parameter.substr(0, name.size()), name) &&
        parse_digits(parameter.substr(name.size()), seconds) && seconds < 1'000'000)
      timeout = std::chrono::seconds(seconds);
    return true;
  });
  return timeout;
}

std::string_view RequestHead::path() const {
  std::string_view rest = target();
  if (summary.form == TargetForm::absolute) {
    rest.remove_prefix(authority_begin_ - target_begin_ + authority_size_);
    if (rest.empty() && summary.method == Method::options) return "*";
    if (rest.empty() || rest.front() == '?') return "/";
  }
  return rest.substr(0, rest.find('?'));
}

std::string_view RequestHead::query() const {
  const std::size_t mark = target().find('?');
  return mark == std::string_view::npos ? std::string_view{} : target().substr(mark + 1);
}

std::string_view RequestHead::authority() const {
  if (authority_size_ > 0) return view(authority_begin_, authority_size_);
  return value_of(FieldId::host);
}

}  // namespace outrider::http1
