// SPDX-License-Identifier: Apache-2.0
#include "truth/log_reads.h"

#include <algorithm>
#include <numeric>

namespace outrider::truth {
namespace {

std::string_view bytes_of(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

}  // namespace

Result<std::vector<LookedUp>> LogReads::look_up(std::span<const PredictionKey> keys) const {
  std::vector<LookedUp> found(keys.size());
  if (keys.empty()) return found;
  Order order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto by_key = [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; };
  if (!std::is_sorted(order.begin(), order.end(), by_key)) {
    std::sort(order.begin(), order.end(), by_key);
  }
  if (auto ok = look_up_joined(keys, order, found); !ok) return fail(ok);
  if (auto ok = look_up_predictions(keys, order, found); !ok) return fail(ok);
  return found;
}

Result<void> LogReads::look_up_joined(std::span<const PredictionKey> keys, const Order& order,
                                      std::vector<LookedUp>& found) const {
  std::vector<std::string> names;
  names.reserve(order.size());
  for (const std::size_t i : order) names.push_back(prediction_key(keys[i]));
  const std::vector<std::string_view> views(names.begin(), names.end());
  return store_.get(Family::joined, views, [&](auto values) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (!values[i]) continue;
      LookedUp& entry = found[order[i]];
      entry.joined = true;
      if (const auto model = joined_model(*values[i])) {
        entry.joined_name = model->name;
        entry.joined_version = model->version;
        entry.rows = model->rows;
        if (!model->counted_here) entry.uncounted = decode_joined(views[i], *values[i]);
      }
    }
  });
}

Result<void> LogReads::look_up_predictions(std::span<const PredictionKey> keys, const Order& order,
                                           std::vector<LookedUp>& found) const {
  std::vector<std::uint64_t> slots;
  for (const std::size_t i : order) {
    const std::uint64_t slot = slot_of(keys[i].id);
    if (!found[i].joined && (slots.empty() || slots.back() != slot)) slots.push_back(slot);
  }
  std::string names;
  for (const std::uint64_t slot : slots) append_u64_key(names, slot);
  std::vector<std::string_view> views;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    views.push_back(std::string_view(names).substr(8 * i, 8));
  }
  return store_.get(Family::predictions, views, [&](auto values) {
    std::size_t at = 0;
    RowFinder finder;
    for (const std::size_t i : order) {
      if (found[i].joined) continue;
      while (slots[at] != slot_of(keys[i].id)) ++at;
      if (values[at]) found[i].prediction = finder.find(*values[at], keys[i], found[i].rows);
    }
  });
}

Result<std::vector<std::vector<NamedPrediction>>> LogReads::find_named(
    std::span<const Uuid> hashes, std::span<const Scope* const> scopes) const {
  constexpr std::size_t looks_max = 64;
  std::vector<std::vector<NamedPrediction>> found(hashes.size());
  if (hashes.empty()) return found;
  std::vector<std::string_view> prefixes;
  for (const Uuid& hash : hashes) prefixes.push_back(bytes_of(hash));
  std::size_t looks = 0, looked_at = hashes.size();
  auto scanned =
      store_.scan(Family::aliases, prefixes,
                  [&](std::size_t i, std::string_view key, std::string_view scope_of_entry) {
                    if (std::exchange(looked_at, i) != i) looks = 0;
                    ++looks;
                    if (!scopes[i] || may_hold(*scopes[i], scope_of_entry)) {
                      const auto named = decode_name_key(key);
                      if (named && slot_of(named->id) >= watermark_) found[i].push_back(*named);
                    }
                    return found[i].size() < 2 && looks < looks_max;
                  });
  if (!scanned) return fail(scanned);
  return found;
}

Result<std::optional<LabelMark>> LogReads::find_mark(std::string_view key) const {
  std::optional<LabelMark> mark;
  auto read = store_.get(Family::marks, std::span(&key, 1), [&](auto values) {
    if (values[0]) mark = decode_mark(*values[0]);
    if (mark && mark->slot < watermark_) mark.reset();
  });
  if (!read) return fail(read);
  return mark;
}

Result<std::string> LogReads::slot_value(std::uint64_t slot) const {
  std::string name, value;
  append_u64_key(name, slot);
  const std::string_view key = name;
  auto read = store_.get(Family::predictions, std::span(&key, 1),
                         [&](auto values) { value = values[0].value_or(""); });
  if (!read) return fail(read);
  return value;
}

Result<std::vector<std::pair<std::string, std::string>>> LogReads::joined_of(
    const Uuid& id, std::optional<std::uint32_t> row) const {
  std::vector<std::pair<std::string, std::string>> found;
  const std::string of_row = prediction_key({id, row.value_or(0)});
  const std::string_view prefix = row ? std::string_view(of_row) : bytes_of(id);
  bool whole = true;
  auto scanned = store_.scan(Family::joined, std::span(&prefix, 1),
                             [&](std::size_t, std::string_view key, std::string_view value) {
                               const auto model = joined_model(value);
                               whole = model.has_value();
                               if (whole) found.emplace_back(key, model->name);
                               return whole;
                             });
  if (!scanned) return fail(scanned);
  if (!whole) return store_.damaged("a joined row does not decode");
  return found;
}

Result<std::vector<NamedPrediction>> LogReads::all_named(const Uuid& hash,
                                                         const Scope& scope) const {
  std::vector<NamedPrediction> found;
  const std::string_view prefix = bytes_of(hash);
  auto scanned = store_.scan(
      Family::aliases, std::span(&prefix, 1),
      [&](std::size_t, std::string_view key, std::string_view scope_of_entry) {
        const auto named = may_hold(scope, scope_of_entry) ? decode_name_key(key) : std::nullopt;
        if (named && slot_of(named->id) >= watermark_) found.push_back(*named);
        return true;
      });
  if (!scanned) return fail(scanned);
  return found;
}

}  // namespace outrider::truth
