// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace outrider::model {

// SHA-256 in lower-case hex: names a data set, and tells a damaged file.
std::string sha256_hex(std::string_view bytes);

}  // namespace outrider::model
