// SPDX-License-Identifier: Apache-2.0
#include "truth/sample.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/core/digest.h"

namespace outrider::truth {

bool in_sample(std::string_view name, double share) {
  if (share >= 1) return true;
  Sha256 digest;
  digest.update(name);
  std::uint64_t number = 0;
  const auto bytes = digest.bytes();
  for (int i = 0; i < 8; ++i) number = number << 8 | bytes[static_cast<std::size_t>(i)];
  return std::ldexp(static_cast<double>(number), -64) < share;
}

void SampleBounds::widen(const Sample& sample) {
  any_ = true;
  by_id_ = std::max(by_id_, sample.by_key ? 1 : sample.share);
  by_key_ = std::max(by_key_, sample.by_id ? 1 : sample.share);
}

}  // namespace outrider::truth
