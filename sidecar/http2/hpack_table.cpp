// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/hpack_table.h"

#include <cstring>

namespace outrider::http2 {
namespace {

// Entries or text that are gone are kept until they are as many, so that moving is amortised.
constexpr std::size_t gone_entries_max = 64;

}  // namespace

// RFC 7541, appendix A.
const std::array<TableEntry, static_count> static_table{{
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
}};

// Words at a time: it is looked up for each field of each head.
std::uint32_t hash_of(std::string_view name, std::string_view value) {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15u;  // 2^64 over the golden ratio.
  std::uint64_t hash = name.size() << 16 ^ value.size();
  const auto mix = [&hash](const char* at, std::size_t bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, bytes);
    hash = (hash ^ word) * odd;
    hash ^= hash >> 32;
  };
  for (const std::string_view text : {name, value}) {
    std::size_t at = 0;
    for (; text.size() - at >= sizeof hash; at += sizeof hash) mix(text.data() + at, sizeof hash);
    if (at < text.size()) mix(text.data() + at, text.size() - at);
  }
  return static_cast<std::uint32_t>(hash);
}

void DynamicTable::set_limit(std::size_t limit) {
  limit_ = limit;
  evict_to(limit);
}

void DynamicTable::insert(std::string_view name, std::string_view value, std::uint32_t hash) {
  const std::size_t size = name.size() + value.size() + 32;
  if (size > limit_) return evict_to(0);
  evict_to(limit_ - size);
  compact();
  entries_.push_back({static_cast<std::uint32_t>(text_.size()), hash,
                      static_cast<std::uint16_t>(name.size()),
                      static_cast<std::uint16_t>(value.size())});
  text_.insert(text_.end(), name.begin(), name.end());
  text_.insert(text_.end(), value.begin(), value.end());
  size_ += size;
}

void DynamicTable::evict_to(std::size_t size) {
  while (size_ > size) {
    const Entry& oldest = entries_[first_++];
    size_ -= oldest.name_bytes + oldest.value_bytes + 32u;
  }
  if (first_ == entries_.size()) {
    entries_.clear();
    text_.clear();
    first_ = 0;
  }
}

void DynamicTable::compact() {
  if (first_ < entries_.size()) {
    const std::size_t gone = entries_[first_].at;
    if (first_ < gone_entries_max && gone < size_max) return;
    text_.erase(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(gone));
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    for (Entry& entry : entries_) entry.at -= static_cast<std::uint32_t>(gone);
    first_ = 0;
  }
}

}  // namespace outrider::http2
