// SPDX-License-Identifier: Apache-2.0
#include "truth/append_buffer.h"

#include <algorithm>
#include <boost/uuid/name_generator_sha1.hpp>

namespace outrider::truth {
namespace {

constexpr std::size_t aliases_max = 8;  // Of one request.

}  // namespace

Uuid alias_hash(std::string_view alias) {
  if (const auto uuid = parse_uuid(alias)) return *uuid;
  static const boost::uuids::name_generator_sha1 generator(boost::uuids::ns::oid());
  const boost::uuids::uuid named = generator(alias.data(), alias.size());
  Uuid hash;
  std::copy(named.begin(), named.end(), hash.bytes.begin());
  return hash;
}

Uuid key_hash(std::string_view key) {
  Uuid hash = alias_hash(key);
  for (std::uint8_t& byte : hash.bytes) byte = static_cast<std::uint8_t>(~byte);
  return hash;
}

void encode_prediction(const Uuid& id, const PredictionView& prediction, bool keep_features,
                       std::string& group, std::vector<AppendName>& names) {
  group.clear();
  names.clear();
  append_group(group, id, prediction, keep_features);
  for (const std::string_view alias : prediction.aliases) {
    if (alias.empty() || alias == prediction.id || names.size() == aliases_max) continue;
    names.push_back({alias_hash(alias), std::nullopt});
  }
  if (!prediction.key.empty()) names.push_back({key_hash(prediction.key), whole_request});
  for (std::uint32_t row = 0; row < prediction.rows.size(); ++row) {
    const std::string_view key = prediction.rows[row].key;
    if (!key.empty()) names.push_back({key_hash(key), row});
  }
}

}  // namespace outrider::truth
