// SPDX-License-Identifier: Apache-2.0
#include "detectors/binning.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "detectors/value_reader.h"

namespace outrider::detectors {
namespace {

// Linear interpolation between order statistics, as numpy.quantile's default.
double quantile(std::span<const double> sorted, double level) {
  const double place = level * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double share = place - static_cast<double>(below);
  const double step = sorted[below + 1] - sorted[below];
  // Two huge values of opposite sign have no finite difference.
  if (!std::isfinite(step)) return sorted[below] * (1 - share) + sorted[below + 1] * share;
  return sorted[below] + share * step;
}

// The distinct values, or nothing when there are more than `most`.
std::optional<std::vector<double>> few_distinct(std::span<const double> sorted, std::size_t most) {
  std::vector<double> distinct;
  for (const double x : sorted) {
    if (!distinct.empty() && distinct.back() == x) continue;
    if (distinct.size() == most) return std::nullopt;
    distinct.push_back(x);
  }
  return distinct;
}

std::vector<double> strictly_ascending(std::vector<double> edges) {
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

}  // namespace

std::string_view to_string(FeatureKind kind) {
  return kind == FeatureKind::numeric ? "numeric" : "categorical";
}

Result<Binning> Binning::numeric(std::vector<double> edges) {
  if (edges.size() >= value_bins_max) {
    return fail("bad_edges", std::to_string(edges.size()) + " edges: expected at most " +
                                 std::to_string(value_bins_max - 1));
  }
  Binning binning;
  binning.value_bins_ = edges.size() + 1;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const double edge = edges[i] == 0 ? 0.0 : edges[i];  // One zero: -0 and 0 are the same edge.
    if (!std::isfinite(edge) || (i > 0 && edge <= edges[i - 1])) {
      return fail("bad_edges", "edge " + std::to_string(i) + "=" + format_double(edges[i]) +
                                   ": expected finite numbers, each larger than the one before");
    }
    binning.padded_edges_.numbers[i] = edge;
  }
  if (!edges.empty()) {
    binning.first_edge_ = binning.edges().front();
    binning.last_edge_ = binning.edges().back();
  }
  return binning;
}

Result<Binning> Binning::categorical(std::vector<std::string> categories,
                                     std::vector<std::string> rare, bool rare_complete) {
  if (categories.size() > categories_max || rare.size() > rare_categories_max) {
    return fail("bad_categories",
                std::to_string(categories.size()) + " categories and " +
                    std::to_string(rare.size()) + " rare ones: expected at most " +
                    std::to_string(categories_max) + " and " + std::to_string(rare_categories_max));
  }
  Binning binning;
  binning.kind_ = FeatureKind::categorical;
  binning.value_bins_ = categories.size() + 1;
  binning.rare_complete_ = rare_complete;
  auto learn = [&](const std::string& text, std::size_t slot) {
    if (text.size() > category_bytes_max) return false;
    if (!binning.slot_by_text_.emplace(text, static_cast<std::uint8_t>(slot)).second) return false;
    // "3" is also what a JSON number 3 means; the more frequent spelling of a number wins.
    if (const auto number = parse_double(text); number && std::isfinite(*number)) {
      binning.slot_by_number_.emplace(*number + 0.0, static_cast<std::uint8_t>(slot));
    }
    return true;
  };
  for (std::size_t i = 0; i < categories.size() + rare.size(); ++i) {
    const std::string& text = i < categories.size() ? categories[i] : rare[i - categories.size()];
    if (!learn(text, std::min(i, categories.size()))) {
      return fail("bad_categories", in_quotes(text) + ": expected each category once, of at most " +
                                        std::to_string(category_bytes_max) + " bytes");
    }
  }
  // Last, so that a spelling or a number that is a category itself stays that one.
  for (std::size_t i = 0; i < categories.size() + rare.size(); ++i) {
    const std::string& text = i < categories.size() ? categories[i] : rare[i - categories.size()];
    const auto truth = parse_boolean(text);
    if (!truth) continue;
    const auto slot = static_cast<std::uint8_t>(std::min(i, categories.size()));
    binning.slot_by_text_.emplace(boolean_value(*truth).text, slot);
    binning.slot_by_number_.emplace(*truth ? 1.0 : 0.0, slot);
  }
  binning.categories_ = std::move(categories);
  binning.rare_ = std::move(rare);
  return binning;
}

Binning Binning::from_sorted_sample(std::span<const double> sorted, std::size_t bins) {
  assert(!sorted.empty());
  bins = std::clamp<std::size_t>(bins, 2, value_bins_max);
  std::vector<double> edges;
  if (const auto distinct = few_distinct(sorted, bins - 2); bins > 2 && distinct) {
    const double below =
        std::nextafter(distinct->front(), -std::numeric_limits<double>::infinity());
    if (std::isfinite(below)) edges.push_back(below);
    edges.insert(edges.end(), distinct->begin(), distinct->end());
  } else {
    for (std::size_t i = 1; i < bins; ++i) {
      edges.push_back(quantile(sorted, static_cast<double>(i) / static_cast<double>(bins)));
    }
    edges = strictly_ascending(std::move(edges));
  }
  auto binning = numeric(std::move(edges));
  assert(binning);
  return *binning;
}

std::string Binning::bin_name(std::size_t slot) const {
  static constexpr std::string_view special[] = {"missing", "nan", "neg_inf", "pos_inf"};
  if (slot >= value_bins_)
    return std::string(special[std::min<std::size_t>(slot - value_bins_, 3)]);
  if (kind_ == FeatureKind::categorical && slot + 1 == value_bins_) return "other";
  return {static_cast<char>('0' + slot / 10), static_cast<char>('0' + slot % 10)};
}

std::string Binning::bin_title(std::size_t slot) const {
  if (slot >= value_bins_) return bin_name(slot);
  if (kind_ == FeatureKind::categorical) {
    return slot < categories_.size() ? categories_[slot] : "other";
  }
  const auto inner = edges();
  const std::string low = slot == 0 ? "-Inf" : format_double(inner[slot - 1]);
  if (slot < inner.size()) return "(" + low + ", " + format_double(inner[slot]) + "]";
  return "(" + low + ", +Inf)";
}

std::optional<std::uint8_t> Binning::find_category(std::string_view text) const {
  const auto found = slot_by_text_.find(text);
  if (found == slot_by_text_.end()) return std::nullopt;
  return found->second;
}

// A boolean in a spelling that is no category.
std::optional<std::uint8_t> Binning::find_boolean(std::string_view text) const {
  const auto truth = parse_boolean(text);
  if (!truth) return std::nullopt;
  if (const auto slot = find_category(boolean_value(*truth).text)) return slot;
  const auto found = slot_by_number_.find(*truth ? 1.0 : 0.0);
  if (found == slot_by_number_.end()) return std::nullopt;
  return found->second;
}

SlotOutcome Binning::classify(const Value& value) const {
  SlotOutcome outcome;
  outcome.slot = static_cast<std::uint8_t>(missing_slot());
  if (value.kind == Value::Kind::missing) {
    outcome.missing = true;
    return outcome;
  }
  if (kind_ == FeatureKind::numeric) {
    if (value.kind == Value::Kind::text) {
      const auto number = as_number(value);
      outcome.wrong_type = !number;
      outcome.counted = number.has_value();
      if (number) outcome.slot = static_cast<std::uint8_t>(slot_of(*number));
      return outcome;
    }
    outcome.slot = static_cast<std::uint8_t>(slot_of(value.number));
    outcome.missing = value.number != value.number;
    return outcome;
  }
  std::optional<std::uint8_t> slot;
  if (!value.text.empty() || value.kind == Value::Kind::text) slot = find_category(value.text);
  if (!slot && value.kind == Value::Kind::number) {
    if (value.number != value.number && value.text.empty()) {
      outcome.missing = true;
      return outcome;
    }
    const auto found = slot_by_number_.find(value.number + 0.0);
    if (found != slot_by_number_.end()) slot = found->second;
  }
  if (!slot && value.kind == Value::Kind::text) slot = find_boolean(value.text);
  outcome.unseen = !slot && rare_complete_;
  outcome.slot = slot.value_or(static_cast<std::uint8_t>(value_bins_ - 1));
  return outcome;
}

bool Binning::operator==(const Binning& other) const {
  return kind_ == other.kind_ && value_bins_ == other.value_bins_ &&
         padded_edges_ == other.padded_edges_ && categories_ == other.categories_ &&
         rare_ == other.rare_ && rare_complete_ == other.rare_complete_;
}

std::uint64_t BinCounts::total() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) sum += count;
  return sum;
}

void BinCounts::add(const BinCounts& other) {
  assert(counts.size() == other.counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  tails.add(other.tails);
}

SlotOutcome BinCounts::observe(const Binning& binning, const Value& value) {
  const SlotOutcome outcome = binning.classify(value);
  if (!outcome.counted) return outcome;
  ++counts[outcome.slot];
  if (binning.kind() == FeatureKind::numeric && outcome.slot < binning.value_bins()) {
    tails.add(binning.tails_of(*as_number(value)));
  }
  return outcome;
}

double FrozenSubject::ratio(std::size_t value_bin) const {
  double total = 0;
  for (const std::uint64_t count : counts.values(bins)) total += static_cast<double>(count);
  const auto value_bins = static_cast<double>(bins.value_bins());
  return (static_cast<double>(counts.counts[value_bin]) + 0.5) / (total + value_bins / 2);
}

}  // namespace outrider::detectors
