// SPDX-License-Identifier: Apache-2.0
#include "reference/column_scan.h"

#include <algorithm>

#include "base/core/text.h"

namespace outrider::reference {
namespace {

constexpr std::size_t distinct_numbers_max = 1000;
constexpr double numeric_share_min = 0.95;

// Digits and the separators of dates and times, e.g. 10/13/2014 or 2026-01-31T12:00:00Z.
bool looks_like_date(std::string_view text) {
  if (text.size() < 6 || text.size() > 40 || text.front() < '0' || text.front() > '9') return false;
  if (text.find_first_not_of("0123456789-/:.TZ+ ") != std::string_view::npos) return false;
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return c == '-' || c == '/' || c == ':'; }) >= 2;
}

bool named_like_an_identifier(const std::string& name) {
  const std::string lower = lower_ascii(name);
  return lower == "id" || lower == "uuid" || lower.ends_with("_id");
}

}  // namespace

std::string category_text(const detectors::Value& value) {
  if (value.kind == detectors::Value::Kind::text || !value.text.empty())
    return std::string(value.text);
  return format_double(value.number);
}

void ColumnScan::add(const detectors::Value& value) {
  if (value.kind == detectors::Value::Kind::missing) {
    ++missing_;
    return;
  }
  const bool number = value.kind == detectors::Value::Kind::number;
  ++(number ? numbers_ : texts_);
  if (!number && looks_like_date(value.text)) ++dates_;
  if (overflowed_) return;
  ++counts_[category_text(value)];
  const bool few = texts_ == 0 && !every_text_;
  const std::size_t most = few ? std::min(distinct_max_, distinct_numbers_max) : distinct_max_;
  if (counts_.size() > most) {
    overflowed_ = true;
    counts_ = {};
  }
}

ColumnScan::Kind ColumnScan::infer(const std::string& name) const {
  using detectors::FeatureKind;
  const auto ignored = [](std::string note) {
    return Kind{true, FeatureKind::numeric, std::move(note)};
  };
  if (values() == 0) return ignored("it has no values");
  const bool all_differ = overflowed_ || counts_.size() == values();
  if (named_like_an_identifier(name) && all_differ) return ignored("it looks like an identifier");
  if (static_cast<double>(numbers_) >= numeric_share_min * static_cast<double>(values())) {
    return {false, FeatureKind::numeric,
            texts_ > 0
                ? std::to_string(texts_) + " texts among the numbers count as of a wrong type"
                : ""};
  }
  if (static_cast<double>(dates_) >= numeric_share_min * static_cast<double>(texts_)) {
    return ignored("it holds dates");
  }
  if (overflowed_)
    return ignored("it has more than " + std::to_string(distinct_max_) + " different texts");
  if (counts_.size() > 50 && 2 * counts_.size() > values()) {
    return ignored("most of its texts differ (" + std::to_string(counts_.size()) + " of " +
                   std::to_string(values()) + ")");
  }
  return {false, FeatureKind::categorical, ""};
}

std::vector<std::string> ColumnScan::categories_by_count() const {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts_.begin(), counts_.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> texts;
  for (auto& [text, count] : sorted) texts.push_back(std::move(text));
  return texts;
}

}  // namespace outrider::reference
