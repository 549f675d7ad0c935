// SPDX-License-Identifier: Apache-2.0
#include "truth/erased_names.h"

#include <algorithm>
#include <cstring>

#include "truth/codec.h"

namespace outrider::truth {

bool ErasedNames::add(Entry entry) {
  const auto [first, last] = entries_.equal_range(entry.hash);
  for (auto at = first; at != last; ++at) {
    if (at->second.row != entry.row || at->second.scope != entry.scope) continue;
    at->second.erased = std::max(at->second.erased, entry.erased);
    return true;
  }
  if (entries_.size() >= names_max) return false;
  const Uuid hash = entry.hash;
  entries_.emplace(hash, std::move(entry));
  return true;
}

ErasedNames::Verdict ErasedNames::judge(const AppendBuffer& buffer,
                                        const AppendEntry& entry) const {
  Verdict verdict;
  if (entries_.empty()) return verdict;
  const auto look = [&](const Uuid& hash, std::optional<std::uint32_t> key_row) {
    const auto [first, last] = entries_.equal_range(hash);
    for (auto at = first; at != last; ++at) {
      const Entry& erased = at->second;
      if (entry.id.time() > erased.erased || !may_hold(erased.scope, entry.scope)) continue;
      const bool of_row = key_row && *key_row != whole_request;
      if (of_row && erased.row && *erased.row != *key_row) continue;
      if (of_row) {
        verdict.rows.push_back(*key_row);
      } else if (erased.row) {
        verdict.rows.push_back(*erased.row);
      } else {
        verdict.all = true;
      }
    }
  };
  look(entry.id, std::nullopt);
  for (std::size_t i = 0; i < entry.name_count; ++i) {
    const AppendName& name = buffer.names[entry.first_name + i];
    look(name.hash, name.key_row);
  }
  return verdict;
}

std::optional<std::string> ErasedNames::remaining(const AppendBuffer& buffer,
                                                  const AppendEntry& entry) const {
  const Verdict verdict = judge(buffer, entry);
  if (verdict.all) return std::string();
  if (verdict.rows.empty()) return std::nullopt;
  std::string group(buffer.group(entry));
  const auto any = [](std::string_view) { return true; };
  for (const std::uint32_t row : verdict.rows) group = take_out(group, entry.id, row, any).value;
  return group;
}

std::vector<ErasedNames::Entry> ErasedNames::forget_before(Time erased) {
  std::vector<Entry> gone;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (at->second.erased < erased) {
      gone.push_back(at->second);
      at = entries_.erase(at);
    } else {
      ++at;
    }
  }
  return gone;
}

std::string encode_erased(const ErasedNames::Entry& entry) {
  std::string out(reinterpret_cast<const char*>(entry.hash.bytes.data()), entry.hash.bytes.size());
  append_varint(out, static_cast<std::uint64_t>(to_unix_ms(entry.erased)));
  append_varint(out, entry.row ? std::uint64_t{*entry.row} + 1 : 0);
  append_scope(out, entry.scope);
  return out;
}

std::optional<ErasedNames::Entry> decode_erased(std::string_view bytes) {
  constexpr std::uint64_t ms_max = 9'200'000'000'000;  // The clock's end.
  ByteReader in(bytes);
  ErasedNames::Entry entry;
  const std::string_view hash = in.take(entry.hash.bytes.size());
  const std::uint64_t ms = in.varint(), row = in.varint();
  entry.scope = read_scope(in);
  if (!in.ok() || ms > ms_max || row > UINT32_MAX) return std::nullopt;
  std::memcpy(entry.hash.bytes.data(), hash.data(), hash.size());
  entry.erased = from_unix_ms(static_cast<std::int64_t>(ms));
  if (row > 0) entry.row = static_cast<std::uint32_t>(row - 1);
  return entry;
}

}  // namespace outrider::truth
