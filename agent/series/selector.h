// SPDX-License-Identifier: Apache-2.0
#pragma once

// A PromQL series selector: http_requests_total{job="shop", code=~"5.."}. PURE; immutable,
// thread-safe.
//
//   const Result<Selector> selector = Selector::parse("{__name__=~\"node_.+\", instance!=\"\"}");
//   if (selector->matches(labels)) ...
//
// As in Prometheus: the four operators = != =~ !~, regular expressions are RE2's and anchored at
// both ends, an absent label is an empty one, and at least one matcher must not match the empty
// text. Values are quoted by " (with escapes), ' or `. Errors: "bad_selector", with the place.
// Source: the Prometheus documentation, "Querying basics: instant vector selectors". Cost: one look
// at the labels a matcher; RE2 is linear.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/label_view.h"
#include "base/core/result.h"

namespace re2 {
class RE2;
}

namespace outrider::series {

class Selector {
 public:
  static constexpr std::size_t text_bytes_max = 16'384;
  static constexpr std::size_t matchers_max = 64;

  static Result<Selector> parse(std::string_view text);

  // Labels sorted by name, with "__name__".
  bool matches(std::span<const LabelView> labels) const;

 private:
  struct Matcher {
    std::string name;
    std::string value;
    bool equal = true;
    std::shared_ptr<const re2::RE2> pattern;  // None: the value as it stands.
    bool matches(std::string_view text) const;
  };
  class Reader;

  std::vector<Matcher> matchers_;
};

}  // namespace outrider::series
