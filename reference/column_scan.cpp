// SPDX-License-Identifier: Apache-2.0
#include "reference/column_scan.h"

#include <algorithm>

#include "base/core/text.h"
#include "detectors/value_reader.h"

namespace outrider::reference {
namespace {

constexpr std::size_t distinct_numbers_max = 1000;
constexpr double numeric_share_min = 0.95;

bool named_like_an_identifier(const std::string& name) {
  const std::string lower = lower_ascii(name);
  return lower == "id" || lower == "uuid" || lower.ends_with("_id");
}

}  // namespace

void ColumnScan::add(const detectors::Value& value) {
  if (index_.possible()) index_.add(value);
  if (value.kind == detectors::Value::Kind::missing) {
    ++missing_;
    return;
  }
  const bool number = value.kind == detectors::Value::Kind::number;
  const bool boolean = !number && detectors::parse_boolean(value.text);
  ++(number ? numbers_ : boolean ? booleans_ : texts_);
  times_.add(value);
  marks_.add(value, missing_ + values());
  if (overflowed_) return;
  ++counts_[std::string(detectors::canonical_text(value, scratch_))];
  const bool few = texts_ == 0 && !every_text_;
  const std::size_t most = few ? std::min(distinct_max_, distinct_numbers_max) : distinct_max_;
  if (counts_.size() > most) {
    overflowed_ = true;
    exceeded_ = most;
    counts_ = {};
  }
}

ColumnScan::Kind ColumnScan::infer(const std::string& name, bool leads) const {
  using detectors::FeatureKind;
  const auto ignored = [](std::string note) {
    return Kind{true, FeatureKind::numeric, std::move(note)};
  };
  if (leads && index_.holds()) return ignored("it is an index: it counts or names the rows");
  if (values() == 0) return ignored("it has no values");
  const bool all_differ = overflowed_ || counts_.size() == values();
  if (named_like_an_identifier(name) && all_differ) return ignored("it looks like an identifier");
  if (times_.holds()) return ignored("it holds dates");
  const auto share = [&](std::uint64_t part) {
    return static_cast<double>(part) >= numeric_share_min * static_cast<double>(values());
  };
  if (share(numbers_)) {
    return {false, FeatureKind::numeric,
            texts_ > 0
                ? std::to_string(texts_) + " texts among the numbers count as of a wrong type"
                : ""};
  }
  if (overflowed_)
    return ignored("it has more than " + std::to_string(exceeded_) + " different texts");
  if (counts_.size() > 50 && 2 * counts_.size() > values()) {
    return ignored("most of its texts differ (" + std::to_string(counts_.size()) + " of " +
                   std::to_string(values()) + ")");
  }
  return {false, FeatureKind::categorical, ""};
}

ColumnScan::Counts ColumnScan::merged() const {
  Counts counts = counts_;
  detectors::merge_booleans(counts);
  return counts;
}

std::vector<std::string> ColumnScan::categories_by_count() const {
  const Counts counts = merged();
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> texts;
  for (auto& [text, count] : sorted) texts.push_back(std::move(text));
  return texts;
}

}  // namespace outrider::reference
