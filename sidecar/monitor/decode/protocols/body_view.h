// SPDX-License-Identifier: Apache-2.0
#pragma once

// A body that is an object, as the protocols look at it: by those of its members that are lists or
// objects, which are few. Lists and bare values are no protocol's.

#include <optional>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/json.h"

namespace outrider::decode {

struct BodyView {
  struct Member {
    std::string_view key;
    dom::element value;
  };

  dom::element element;
  dom::object root;
  std::vector<Member> containers;  // In their order.

  void look_at(dom::element object);
  // The last one of that name, or nothing.
  std::optional<dom::element> container(std::string_view key) const {
    std::optional<dom::element> found;
    for (const Member& one : containers) {
      if (one.key == key) found = one.value;
    }
    return found;
  }
};

inline void BodyView::look_at(dom::element object) {
  element = object;
  root = object_in(object);
  containers.clear();
  for (const auto field : root) {
    if (is_container(field.value)) containers.push_back({field.key, field.value});
  }
}

}  // namespace outrider::decode
